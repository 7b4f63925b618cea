// Inner products and squared Euclidean distances, as fast as the processor allows.
//
// Every kernel takes rows of `n` floats, n a multiple of ROW_FLOATS (shorter rows are padded with zeros, which
// change neither function). For each row of a call the order of additions is the same, alone or among others, so
//   dot(a, a) computed as a distance and as a norm have the same bits: the score of a vector with itself is exactly 1.
// Rows of ROW_FLOATS (dimension <= 16) are summed one after the other without fused multiply-add,
// so short vectors score the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "steps.hpp"
#include "types.hpp"

namespace clew {

inline constexpr std::size_t ROW_FLOATS = 16;
inline constexpr std::size_t CODE_ROW = 32;

// out[i] = f(query, rows[i]) for i < count.
using RowsKernel = void (*)(const float* query, const float* const* rows, std::size_t count, std::size_t n, float* out);

// Codes of one row (see codes.hpp), of n bytes each: byte i holds four bits of component i in its lower half, and of
// component n + i in its upper half. Padding is zero in both.
struct Halves {
  const std::uint8_t* coarse;  // the upper four bits of each code
  const std::uint8_t* fine;    // the lower four
};

// Sums over codes c, which are the int8 and 128: of q c, or of (q - c)^2. n is a multiple of CODE_ROW, the query has 2
// n components. Sums are exact: the query is scaled so that they fit.
using CodesKernel = void (*)(const std::int16_t* query, const Halves* rows, std::size_t count, std::size_t n,
                             std::int32_t* out);

// Sums over the coarse halves h alone: of q h, or of q h + 8 h (15 - h), from which (q - (16 h - 120))^2 follows.
using CoarseKernel = void (*)(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t count,
                              std::size_t n, std::int32_t* out);

struct Kernels {
  std::string_view name;  // "avx512vnni", "avx512", "avx2", "neon" or "plain"
  RowsKernel dot;
  RowsKernel squared;
  CodesKernel code_dot;
  CodesKernel code_squared;
  CoarseKernel coarse_dot;
  CoarseKernel coarse_squared;
  const Steps* steps = nullptr;  // none: plain loops are as quick
};

// What this processor runs, best first; "plain" is last.
std::span<const Kernels> available_kernels();

// The best of them, or the one that CLEW_INSTRUCTION_SET in the environment names.
const Kernels& best_kernels();

// The kernels for rows of n floats.
const Kernels& kernels_for(std::size_t n);

}  // namespace clew
