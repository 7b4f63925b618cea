#include "codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace clew {
namespace {

constexpr int CODE_MAX = 127;
constexpr std::size_t SAMPLE = 4096;

// Rows of two cache lines or fewer are as quick to read as their codes and a float row for each result.
constexpr std::size_t DIMENSION_MIN = 33;

// Components beyond this quantile of their sizes are clipped; of a normal distribution, beyond 3.9 deviations.
constexpr double CLIPPED = 0.9999;
// Rows with a larger error than this quantile, and a tenth, are wild.
constexpr double TAME = 0.99;
constexpr double TAME_MARGIN = 1.1;

// Rounding moves each of two points by step / sqrt(12) per component. Where what that adds to a squared distance is
// more than this part of the distance between neighbours, their order is lost and the graph would suffer.
constexpr double NOISE_MAX = 0.1;

// What float32 distances may be off by, of their size.
constexpr double FLOAT_ERROR = 1e-5;

constexpr std::size_t PREFETCHED_MAX = 768;

std::int32_t rounded(float value) { return static_cast<std::int32_t>(value + (value < 0 ? -0.5F : 0.5F)); }

double quantile(std::vector<float>& values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return double{*at};
}

}  // namespace

Codes::Codes(const VectorStore& vectors)
    : vectors_(vectors),
      kernels_(best_kernels()),
      rows_((vectors.dimension() + CODE_ROW - 1) / CODE_ROW * CODE_ROW),
      wild_(1),
      squares_(1),
      mean_(rows_.width()),
      prefetched_(std::min(rows_.width(), PREFETCHED_MAX)) {
  rows_.use_huge_pages();
}

std::shared_ptr<Codes> Codes::train(const VectorStore& vectors, Slot count, double nearest) {
  if (vectors.dimension() < DIMENSION_MIN) return nullptr;
  std::shared_ptr<Codes> codes(new Codes(vectors));
  std::vector<Slot> sample(std::min<std::size_t>(count, SAMPLE));
  for (std::size_t i = 0; i < sample.size(); ++i) sample[i] = static_cast<Slot>(i * count / sample.size());
  codes->learn_grid(sample);
  const double step = double{codes->step_};
  if (!std::isnormal(codes->step_) || !std::isnormal(codes->step_ * codes->step_)) return nullptr;
  const double noise =
      static_cast<double>(vectors.dimension()) * step * step / 6 * (vectors.metric() == Metric::cosine ? 0.5 : 1);
  if (!(noise < NOISE_MAX * nearest)) return nullptr;
  codes->learn_error(sample);
  return std::isfinite(codes->error_) ? codes : nullptr;
}

void Codes::learn_grid(std::span<const Slot> sample) {
  const std::size_t dimension = vectors_.dimension();
  const auto scale = [&](Slot slot) { return vectors_.metric() == Metric::cosine ? vectors_.length(slot) : 1.0; };
  std::vector<double> sums(dimension);
  for (const Slot slot : sample) {
    for (std::size_t i = 0; i < dimension; ++i) sums[i] += vectors_.row(slot)[i] * scale(slot);
  }
  for (std::size_t i = 0; i < dimension; ++i)
    mean_[i] = static_cast<float>(sums[i] / static_cast<double>(sample.size()));
  std::vector<float> sizes;
  sizes.reserve(sample.size() * dimension);
  for (const Slot slot : sample) {
    for (std::size_t i = 0; i < dimension; ++i) {
      sizes.push_back(std::abs(static_cast<float>(vectors_.row(slot)[i] * scale(slot)) - mean_[i]));
    }
  }
  step_ = static_cast<float>(quantile(sizes, CLIPPED) / CODE_MAX);
}

void Codes::learn_error(std::span<const Slot> sample) {
  std::vector<std::int8_t> code(rows_.width());
  std::vector<float> errors;
  for (const Slot slot : sample) errors.push_back(static_cast<float>(residual(slot, code.data())));
  error_ = TAME_MARGIN * quantile(errors, TAME);
}

void Codes::reserve(Slot count) {
  rows_.reserve(count);
  wild_.reserve(count);
  squares_.reserve(count);
}

void Codes::encode(Slot slot) {
  const bool zero = vectors_.metric() == Metric::cosine && vectors_.length(slot) == 0;
  if (!(residual(slot, rows_[slot]) <= error_) || zero) {
    *wild_[slot] = 1;
    wild_count_.fetch_add(1, std::memory_order_relaxed);
  }
  square(slot);
}

void Codes::square(Slot slot) {
  const std::int8_t* code = rows_[slot];
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < rows_.width(); ++i) sum += code[i] * (code[i] + 256);
  *squares_[slot] = sum;
}

// Writes the code of a row and returns how far it is from the row.
double Codes::residual(Slot slot, std::int8_t* code) const {
  const float* row = vectors_.row(slot);
  const auto scale = static_cast<float>(vectors_.metric() == Metric::cosine ? vectors_.length(slot) : 1.0);
  const float per_step = 1 / step_;
  constexpr auto most = static_cast<float>(CODE_MAX);
  float sum = 0;
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const float value = row[i] * scale - mean_[i];
    const std::int32_t steps = rounded(std::clamp(value * per_step, -most, most));
    code[i] = static_cast<std::int8_t>(steps);
    const float rest = value - static_cast<float>(steps) * step_;
    sum += rest * rest;
  }
  return std::sqrt(double{sum});
}

void Codes::assign(CodedQuery& query, const float* vector, double length) const {
  query.words.assign(rows_.width(), 0);
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
  const float per_step = 1 / step_;
  // The sum of all squares must fit 31 bits.
  const auto width = static_cast<double>(rows_.width());
  const auto most = static_cast<float>(std::min(16000.0, std::floor(std::sqrt(2147483647.0 / width)) - 128));
  query.rests.assign(rows_.width(), 0);
  std::int32_t outside = 0;
  // Nothing is added up here: a compiler makes vectors of a loop only where the order of additions stays.
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const float value = vector[i] * scale - mean_[i];
    const float exact = value * per_step;
    outside |= static_cast<std::int32_t>(std::abs(exact) > most);
    const std::int32_t steps = rounded(std::clamp(exact, -most, most));
    query.words[i] = static_cast<std::int16_t>(steps);
    query.rests[i] = value - static_cast<float>(steps) * step_;
  }
  float sum = 0;
  const float* rests = query.rests.data();
  kernels_.dot(rests, &rests, 1, rows_.width(), &sum);
  query.usable &= outside == 0;
  query.error = std::sqrt(double{sum}) + error_;
  query.rounding = cosine ? FLOAT_ERROR : 0;
  query.scale = step_ * step_ * (cosine ? 0.5F : 1.0F);
  query.offset = cosine ? -1.0F : 0.0F;
  assign_bytes(query);
}

void Codes::assign_bytes(CodedQuery& query) const {
  query.bytes.clear();
  const auto [least, most] = std::ranges::minmax(query.words);
  if (kernels_.code_bytes == nullptr || least < -128 || most > 127) return;
  query.square = 0;
  for (const std::int32_t word : query.words) {
    query.bytes.push_back(static_cast<std::uint8_t>(word + 128));
    query.square += word * word;
  }
}

void Codes::assign_point_of(Slot slot, CodedQuery& query) const {
  query.words.resize(rows_.width());
  std::copy_n(rows_[slot], rows_.width(), query.words.begin());
  query.scale = step_ * step_ * (vectors_.metric() == Metric::cosine ? 0.5F : 1.0F);
}

void Codes::assign_direction(CodedQuery& query, const float* vector) const {
  query.bytes.clear();
  const auto width = static_cast<double>(rows_.width());
  const double most = std::min(32767.0, std::floor(2147483647.0 / (CODE_MAX * width)));
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
  query.scale = static_cast<float>(-step * step_);
  query.offset = static_cast<float>(-center);
  query.usable = std::isnormal(query.scale) && std::isfinite(query.offset) && std::isnormal(1 / step);
  if (!query.usable) return;
  const auto per_step = static_cast<float>(1 / step);
  double sum = 0;
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const std::int32_t steps = rounded(vector[i] * per_step);
    query.words[i] = static_cast<std::int16_t>(std::clamp(steps, -32767, 32767));
    const double rest = double{vector[i]} - steps * step;
    sum += rest * rest;
  }
  const double longest = std::sqrt(width) * CODE_MAX * double{step_};
  query.error = norm * error_ + std::sqrt(sum) * longest;
  query.rounding = FLOAT_ERROR * (std::abs(center) + norm * longest);
}

template <class F>
void Codes::each_block(const Slot* slots, std::size_t count, float* out, F f) const {
  constexpr std::size_t BLOCK = 64;
  const std::int8_t* rows[BLOCK];
  std::int32_t sums[BLOCK];
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    for (std::size_t i = 0; i < n; ++i) rows[i] = rows_[slots[start + i]];
    f(rows, n, sums);
    for (std::size_t i = 0; i < n; ++i) out[start + i] = static_cast<float>(sums[i]);
  }
}

void Codes::distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const {
  const auto kernel = vectors_.metric() == Metric::dot_product ? kernels_.code_dot : kernels_.code_squared;
  each_block(slots, count, out, [&](const std::int8_t* const* rows, std::size_t n, std::int32_t* sums) {
    kernel(query.words.data(), rows, n, rows_.width(), sums);
  });
  for (std::size_t i = 0; i < count; ++i) out[i] = query.offset + query.scale * out[i];
}

void Codes::distances(const CodedQuery& query, Slot first, std::size_t count, float* out) const {
  if (query.bytes.empty()) {
    std::array<Slot, RUN> slots;
    std::iota(slots.begin(), slots.end(), first);
    return distances(query, slots.data(), count, out);
  }
  std::array<std::int32_t, RUN> sums;
  kernels_.code_bytes(query.bytes.data(), rows_[first], count, rows_.width(), sums.data());
  const std::int32_t* squares = squares_[first];
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = query.offset + query.scale * static_cast<float>(query.square + squares[i] - 2 * sums[i]);
  }
}

std::uint64_t Codes::wild(Slot first, std::size_t count) const {
  if (wild_count() == 0) return 0;
  const std::uint8_t* wild = wild_[first];
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; ++i) bits |= std::uint64_t{wild[i]} << i;
  return bits;
}

void Codes::pair_distances(const CodedQuery& from, const Slot* slots, std::size_t count, float* out) const {
  each_block(slots, count, out, [&](const std::int8_t* const* rows, std::size_t n, std::int32_t* sums) {
    kernels_.code_squared(from.words.data(), rows, n, rows_.width(), sums);
  });
  for (std::size_t i = 0; i < count; ++i) out[i] *= from.scale;
}

float Codes::least(const CodedQuery& query, float distance) const {
  if (vectors_.metric() == Metric::dot_product) return distance - static_cast<float>(query.error + query.rounding);
  const double scale = vectors_.metric() == Metric::cosine ? 0.5 : 1;
  const double away = std::max(0.0, (double{distance} - query.offset) / scale);
  const double nearer = std::max(0.0, std::sqrt(away) - query.error);
  return static_cast<float>(nearer * nearer * (1 - FLOAT_ERROR) * scale + query.offset - query.rounding);
}

float Codes::greatest(const CodedQuery& query, float distance) const {
  if (vectors_.metric() == Metric::dot_product) return distance + static_cast<float>(query.error + query.rounding);
  const double scale = vectors_.metric() == Metric::cosine ? 0.5 : 1;
  const double away = std::max(0.0, (double{distance} - query.offset + query.rounding) / scale);
  const double further = std::sqrt(away) + query.error;
  return static_cast<float>(further * further * (1 + FLOAT_ERROR) * scale + query.offset);
}

float Codes::likely(const CodedQuery& query, float distance) const {
  // Errors of many components point anywhere: along the way to the query lies the root of a component's share.
  constexpr double DEVIATIONS = 3;
  const double share = DEVIATIONS / std::sqrt(static_cast<double>(vectors_.dimension()));
  CodedQuery narrow;
  narrow.offset = query.offset;
  narrow.error = query.error * share;
  return greatest(narrow, distance);
}

}  // namespace clew
