// Looking through many sums for the few that matter, as fast as the processor allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace clew {

inline constexpr std::size_t SUMS = 64;  // so many are looked at together
// Of what nothing was added to. No sum is -0, as every product has +0 added to it.
inline constexpr float UNTOUCHED = -0.0F;

// Makes sums UNTOUCHED, of `count`, a multiple of SUMS, up to the first SUMS of which one is not below `least`; returns
// how many those were. Of these SUMS, which stay as they are, bit i of `found` says whether sum i is one.
using PassKernel = std::size_t (*)(float* sums, std::size_t count, float least, std::uint64_t& found);

// The one for an instruction set that a Kernels (see distance.hpp) is named by.
PassKernel pass_kernel(std::string_view instruction_set);

}  // namespace clew
