// The grid that codes count along each component (see codes.hpp).
#pragma once

#include <cstdint>

namespace clew {

inline constexpr int CODE_MAX = 127;
inline constexpr int ZERO = 128;  // what is added to codes, so that their halves are of no sign
// A coarse half h stands for 16 h - 120, the middle of the codes that share it.
inline constexpr int COARSE_STEP = 16;
inline constexpr int COARSE_ZERO = 120;
inline constexpr int COARSE_SHIFT = 5;  // 2 COARSE_STEP

inline std::int32_t rounded(float value) { return static_cast<std::int32_t>(value + (value < 0 ? -0.5F : 0.5F)); }

}  // namespace clew
