// A query as the kernels over codes want it.
#include <algorithm>
#include <array>
#include <cmath>

#include "code_grid.hpp"
#include "codes.hpp"

namespace clew {
namespace {

// Errors of many components point anywhere: along the way to a query lies the root of a component's share, and nearly
// always no more than three times that. The most that was seen of coarse halves is more than it nearly always is.
constexpr double DEVIATIONS = 3;
constexpr double COARSE_OFTEN = 0.6;

constexpr std::size_t BLOCK = 64;  // components at a time

}  // namespace

void Codes::assign(CodedQuery& query, const float* vector, double length) const {
  query.words.assign(2 * coarse_.width(), 0);
  query.whole.metric = query.coarse.metric = vectors_.metric();
  query.whole.often = DEVIATIONS / std::sqrt(static_cast<double>(vectors_.dimension()));
  if (vectors_.metric() == Metric::dot_product) {
    assign_direction(query, vector);
  } else {
    assign_point(query, vector, length);
  }
}

void Codes::assign_point(CodedQuery& query, const float* vector, double length) const {
  const bool cosine = vectors_.metric() == Metric::cosine;
  query.usable = !cosine || length > 0;
  const auto scale = static_cast<float>(cosine ? length : 1.0);
  const float step = step_;
  const float per_step = 1 / step;
  // The sum of all squares must fit 31 bits.
  const auto width = static_cast<double>(query.words.size());
  const auto most = static_cast<float>(std::min(16000.0, std::floor(std::sqrt(2147483647.0 / width)) - 128));
  std::int32_t outside = 0;
  double rests = 0;
  for (std::size_t start = 0; start < vectors_.dimension(); start += BLOCK) {
    std::array<float, BLOCK> block{};
    std::array<std::int16_t, BLOCK> words;
    const std::size_t n = std::min(BLOCK, vectors_.dimension() - start);
    const float* const mean = mean_.data() + start;
    // Nothing is added up here, and only to arrays of its own is written: so a compiler makes vectors of it.
    for (std::size_t i = 0; i < n; ++i) {
      const float value = vector[start + i] * scale - mean[i];
      const float exact = value * per_step;
      outside |= static_cast<std::int32_t>(std::abs(exact) > most);
      const std::int32_t steps = rounded(std::max(-most, std::min(most, exact)));
      words[i] = static_cast<std::int16_t>(steps + ZERO);
      block[i] = value - static_cast<float>(steps) * step;
    }
    std::copy_n(words.begin(), n, query.words.begin() + static_cast<std::ptrdiff_t>(start));
    const float* rest = block.data();
    float sum = 0;
    kernels_.dot(rest, &rest, 1, BLOCK, &sum);
    rests += double{sum};
  }
  query.usable &= outside == 0;
  Measure& whole = query.whole;
  whole.rests = std::sqrt(rests);
  whole.along = error_;
  whole.across = error_ * error_;
  whole.rounding = cosine ? FLOAT_ERROR : 0;
  whole.scale = point_scale();
  whole.offset = cosine ? -1.0F : 0.0F;
  assign_coarse_point(query);
}

// Of squared distances between points of the grid, which kernels sum.
float Codes::point_scale() const { return -step_ * step_ * (vectors_.metric() == Metric::cosine ? 0.5F : 1.0F); }

// Clips the words to bytes. |q - (16 h - 120)|^2 = |q + 120|^2 - 32 sum of q h + 8 h (15 - h).
void Codes::assign_coarse_point(CodedQuery& query) const {
  query.bytes.assign(query.words.size(), -COARSE_ZERO);  // at padding, whose halves are 0, nothing is added then
  std::int32_t clipped = 0;
  std::int32_t square = 0;
  const std::int16_t* const words = query.words.data();
  std::int8_t* const bytes = query.bytes.data();
  for (std::size_t i = 0, dimension = vectors_.dimension(); i < dimension; ++i) {
    const std::int32_t word = words[i] - ZERO;
    const std::int32_t byte = std::min(std::max(word, -CODE_MAX), CODE_MAX);
    bytes[i] = static_cast<std::int8_t>(byte);
    square += (byte + COARSE_ZERO) * (byte + COARSE_ZERO);
    clipped += std::abs(word - byte);
  }
  query.coarse = query.whole;
  query.coarse.base = square;
  query.coarse.scale = -query.whole.scale;
  query.coarse.shift = COARSE_SHIFT;
  query.coarse.rests += static_cast<double>(clipped) * double{step_};
  query.coarse.along = coarse_along_;
  query.coarse.often = COARSE_OFTEN;
  query.coarse.across = coarse_error_ * coarse_error_;
  query.coarse_usable = coarse_along_ > 0 && query.coarse.rests <= coarse_error_;
}

void Codes::assign_point_of(Slot slot, CodedQuery& query) const {
  const std::size_t width = coarse_.width();
  query.words.resize(2 * width);
  const Halves row = halves(slot);
  std::int16_t* const low = query.words.data();
  std::int16_t* const high = low + width;
  // Two loops of plain pointers: a compiler makes vectors of each.
  for (std::size_t i = 0; i < width; ++i)
    low[i] = static_cast<std::int16_t>((row.coarse[i] & 15) << 4 | (row.fine[i] & 15));
  for (std::size_t i = 0; i < width; ++i)
    high[i] = static_cast<std::int16_t>((row.coarse[i] & 0xF0) | row.fine[i] >> 4);
  query.whole.scale = point_scale();
}

void Codes::assign_direction(CodedQuery& query, const float* vector) const {
  const auto width = static_cast<double>(query.words.size());
  const double most = std::min(32767.0, std::floor(2147483647.0 / (2 * ZERO * width)));
  double largest = 0;
  double norm = 0;
  double center = 0;
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    largest = std::max(largest, std::abs(double{vector[i]}));
    norm += double{vector[i]} * vector[i];
    center += double{vector[i]} * mean_[i];
  }
  norm = std::sqrt(norm);
  const double step = largest / most;
  Measure& whole = query.whole;
  whole.scale = static_cast<float>(step * step_);
  whole.offset = static_cast<float>(-center);
  query.usable = std::isnormal(whole.scale) && std::isfinite(whole.offset) && std::isnormal(1 / step);
  query.coarse_usable = false;
  if (!query.usable) return;
  const auto per_step = static_cast<float>(1 / step);
  double sum = 0;
  std::int32_t words = 0;
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const std::int32_t steps = std::clamp(rounded(vector[i] * per_step), -32767, 32767);
    query.words[i] = static_cast<std::int16_t>(steps);
    words += steps;
    const double rest = double{vector[i]} - steps * step;
    sum += rest * rest;
  }
  const double longest = std::sqrt(width) * ZERO * double{step_};
  whole.base = ZERO * words;
  whole.along = norm * error_ + std::sqrt(sum) * longest;
  whole.rounding = FLOAT_ERROR * (std::abs(center) + norm * longest);
  if (coarse_along_ > 0) assign_coarse_direction(query, vector, largest, norm);
}

// With q = step * byte, q . (16 h - 120) = step * (16 sum of byte * h - 120 sum of byte).
void Codes::assign_coarse_direction(CodedQuery& query, const float* vector, double largest, double norm) const {
  query.bytes.assign(query.words.size(), 0);
  const double step = largest / CODE_MAX;
  const auto per_step = static_cast<float>(1 / step);
  double sum = 0;
  std::int32_t bytes = 0;
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const std::int32_t steps = std::clamp(rounded(vector[i] * per_step), -CODE_MAX, CODE_MAX);
    query.bytes[i] = static_cast<std::int8_t>(steps);
    bytes += steps;
    const double rest = double{vector[i]} - steps * step;
    sum += rest * rest;
  }
  query.coarse = query.whole;
  query.coarse.base = 0;
  query.coarse.scale = static_cast<float>(COARSE_STEP * step * double{step_});
  query.coarse.offset += static_cast<float>(COARSE_ZERO * step * double{step_} * bytes);
  const double longest = std::sqrt(static_cast<double>(query.words.size())) * ZERO * double{step_};
  query.coarse.along = norm * coarse_along_ + std::sqrt(sum) * longest;
  query.coarse.often = COARSE_OFTEN;
  query.coarse_usable = std::isnormal(query.coarse.scale) && std::isfinite(query.coarse.offset);
}

}  // namespace clew
