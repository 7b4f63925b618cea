#include "measure.hpp"

#include <algorithm>
#include <cmath>

namespace clew {
namespace {

// Cosines are taken between unit vectors: |a - b|^2 = 2 - 2 cos.
double per_square(Metric metric) { return metric == Metric::cosine ? 0.5 : 1; }

}  // namespace

float Measure::greatest(float distance) const {
  if (metric == Metric::dot_product) return distance + static_cast<float>(along + rounding);
  const double away = std::max(0.0, (double{distance} - offset + rounding) / per_square(metric));
  const double between = std::sqrt(away) + rests;
  const double said = between * between + 2 * between * along + across;
  return static_cast<float>(said * (1 + FLOAT_ERROR) * per_square(metric) + offset);
}

float Measure::likely(float distance) const {
  Measure narrow = *this;
  narrow.rests *= often;
  narrow.along *= often;
  return narrow.greatest(distance);
}

}  // namespace clew
