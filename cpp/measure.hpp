// How distances follow from what the kernels over codes sum, and how far from the truth they can be.
#pragma once

#include <cstddef>
#include <cstdint>

#include "types.hpp"

namespace clew {

// What float32 distances may be off by, of their size.
inline constexpr double FLOAT_ERROR = 1e-5;

// A query q and a vector x are known by points of a grid. Where squared distances are taken, with `rests` = |q - its
// point|, s = |q's point - x|, and e = x - its point,
//   |q's point - x's point|^2 = s^2 + 2 (q's point - x) . e + |e|^2,
// of which the second term is at most 2 s `along` and the third at most `across`. `along` is at most |e|: then nothing
// is left to chance; see Codes where it is less.
struct Measure {
  Metric metric = Metric::euclidean;
  // A distance is offset + scale * (base - 2^shift * what the kernel sums).
  std::int32_t base = 0;
  int shift = 0;
  float offset = 0;
  float scale = 0;
  double rests = 0;
  double along = 0;  // of inner products: how far off they can be in all
  double across = 0;
  double often = 1;     // nearly always `along` is no more than this part of it
  double rounding = 0;  // of float32 distances beside it

  float distance(std::int32_t sum) const { return offset + scale * static_cast<float>(base - (sum << shift)); }

  // The greatest distance that the codes of a vector may say that is at `distance` or less.
  float greatest(float distance) const;
  // Nearly all vectors at `distance` or less say no more than this.
  float likely(float distance) const;
};

}  // namespace clew
