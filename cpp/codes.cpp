#include "codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "code_grid.hpp"

namespace clew {
namespace {

constexpr std::size_t SAMPLE = 4096;

// Rows of two cache lines or fewer are as quick to read as their codes and a float row for each result.
constexpr std::size_t DIMENSION_MIN = 33;

// Components beyond this quantile of their sizes are clipped; of a normal distribution, beyond 3.9 deviations. A
// narrower grid would be finer, but so many rows would have a component clipped that the bound of all would suffer.
constexpr double CLIPPED = 0.9999;
// Rows with a larger error than this quantile, and a tenth, are wild.
constexpr double TAME = 0.99;
constexpr double TAME_MARGIN = 1.1;

// Rounding moves each of two points by step / sqrt(12) per component. Where what that adds to a squared distance is
// more than this part of the distance between neighbours, their order is lost and the graph would suffer.
constexpr double NOISE_MAX = 0.1;
// The same of a query and a point by its coarse half, whose order whole codes will put right.
constexpr double COARSE_NOISE_MAX = 0.15;

// Pairs among which the error along their difference is learned, and how much more it may be among all.
constexpr std::size_t PAIRED = 16;
constexpr std::size_t PAIRED_WITH = 1024;
constexpr double ALONG_MARGIN = 1.25;

constexpr std::size_t PREFETCHED_MAX = 768;
constexpr std::size_t BLOCK = 64;  // rows at a time

double quantile(std::vector<float>& values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return double{*at};
}

// out[i] = distance of what the kernel sums of row i.
template <class Kernel, class Component, class Row>
void measure_rows(Kernel kernel, const std::vector<Component>& query, std::span<const Row> rows, std::size_t width,
                  const Measure& measure, float* out) {
  std::int32_t sums[BLOCK];
  const Measure here = measure;  // `out` cannot be a part of it: a compiler makes vectors of the loop below
  for (std::size_t start = 0; start < rows.size(); start += BLOCK) {
    const std::size_t n = std::min(BLOCK, rows.size() - start);
    kernel(query.data(), rows.data() + start, n, width, sums);
    for (std::size_t i = 0; i < n; ++i) out[start + i] = here.distance(sums[i]);
  }
}

// measure(rows, out) of what find(slot) says of each of many slots, some at a time.
template <class Row, class Find, class MeasureRows>
void each_found(const Slot* slots, std::size_t count, float* out, Find find, MeasureRows measure) {
  std::array<Row, BLOCK> rows;
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    for (std::size_t i = 0; i < n; ++i) rows[i] = find(slots[start + i]);
    measure(std::span<const Row>(rows.data(), n), out + start);
  }
}

}  // namespace

Codes::Codes(const VectorStore& vectors)
    : vectors_(vectors),
      kernels_(best_kernels()),
      coarse_((vectors.dimension() + 2 * CODE_ROW - 1) / (2 * CODE_ROW) * CODE_ROW),
      fine_(coarse_.width()),
      wild_(1),
      mean_(vectors.dimension()),
      prefetched_(std::min(coarse_.width(), PREFETCHED_MAX)) {
  coarse_.use_huge_pages();
  fine_.use_huge_pages();
}

std::shared_ptr<Codes> Codes::train(const VectorStore& vectors, Slot count, double nearest) {
  if (vectors.dimension() < DIMENSION_MIN) return nullptr;
  std::shared_ptr<Codes> codes(new Codes(vectors));
  std::vector<Slot> sample(std::min<std::size_t>(count, SAMPLE));
  for (std::size_t i = 0; i < sample.size(); ++i) sample[i] = static_cast<Slot>(i * count / sample.size());
  codes->learn_grid(sample);
  const double step = double{codes->step_};
  if (!std::isnormal(codes->step_) || !std::isnormal(codes->step_ * codes->step_)) return nullptr;
  if (vectors.metric() == Metric::cosine) nearest *= 2;  // as squared distance of unit vectors
  const double noise = static_cast<double>(vectors.dimension()) * step * step / 6;
  if (!(noise < NOISE_MAX * nearest)) return nullptr;
  codes->learn_errors(sample, nearest);
  return std::isfinite(codes->error_) ? codes : nullptr;
}

// What components are multiplied by before they are put on the grid.
float Codes::scale_of(Slot slot) const {
  return static_cast<float>(vectors_.metric() == Metric::cosine ? vectors_.length(slot) : 1.0);
}

void Codes::learn_grid(std::span<const Slot> sample) {
  const std::size_t dimension = vectors_.dimension();
  std::vector<double> sums(dimension);
  for (const Slot slot : sample) {
    const double scale = double{scale_of(slot)};
    for (std::size_t i = 0; i < dimension; ++i) sums[i] += vectors_.row(slot)[i] * scale;
  }
  for (std::size_t i = 0; i < dimension; ++i)
    mean_[i] = static_cast<float>(sums[i] / static_cast<double>(sample.size()));
  std::vector<float> sizes;
  sizes.reserve(sample.size() * dimension);
  for (const Slot slot : sample) {
    const float scale = scale_of(slot);
    for (std::size_t i = 0; i < dimension; ++i) sizes.push_back(std::abs(vectors_.row(slot)[i] * scale - mean_[i]));
  }
  step_ = static_cast<float>(quantile(sizes, CLIPPED) / CODE_MAX);
}

void Codes::learn_errors(std::span<const Slot> sample, double nearest) {
  std::vector<std::uint8_t> coarse(coarse_.width());
  std::vector<std::uint8_t> fine(coarse_.width());
  std::vector<float> errors;
  std::vector<float> coarse_errors;
  double noise = 0;
  for (const Slot slot : sample) {
    const Distance distance = write(slot, coarse.data(), fine.data());
    errors.push_back(static_cast<float>(distance.whole));
    coarse_errors.push_back(static_cast<float>(distance.coarse));
    noise += distance.coarse * distance.coarse / static_cast<double>(sample.size());
  }
  error_ = TAME_MARGIN * quantile(errors, TAME);
  coarse_error_ = TAME_MARGIN * quantile(coarse_errors, TAME);
  if (noise < COARSE_NOISE_MAX * nearest) coarse_along_ = std::min(coarse_error_, error_along(sample));
}

// The most that the coarse point of a tame row lies off in the direction of another row, as far as a sample tells.
double Codes::error_along(std::span<const Slot> sample) const {
  const std::size_t width = coarse_.width();
  std::vector<std::uint8_t> coarse(width);
  std::vector<std::uint8_t> fine(width);
  std::vector<float> error(vectors_.dimension());
  double most = 0;
  for (std::size_t i = 0; i < PAIRED_WITH; ++i) {
    const Slot slot = sample[i * sample.size() / PAIRED_WITH];
    if (write(slot, coarse.data(), fine.data()).coarse > coarse_error_) continue;
    const float scale = scale_of(slot);
    const float* row = vectors_.row(slot);
    for (std::size_t k = 0; k < error.size(); ++k) {
      const int half = k < width ? coarse[k] & 15 : coarse[k - width] >> 4;
      error[k] = row[k] * scale - mean_[k] - static_cast<float>(COARSE_STEP * half - COARSE_ZERO) * step_;
    }
    for (std::size_t j = 0; j < PAIRED; ++j) {
      const Slot other = sample[j * sample.size() / PAIRED];
      const float other_scale = scale_of(other);
      const float* other_row = vectors_.row(other);
      double product = 0;
      double square = 0;
      for (std::size_t k = 0; k < error.size(); ++k) {
        const double difference = double{other_row[k] * other_scale - row[k] * scale};
        product += difference * double{error[k]};
        square += difference * difference;
      }
      if (square > 0) most = std::max(most, std::abs(product) / std::sqrt(square));
    }
  }
  return ALONG_MARGIN * most;
}

void Codes::reserve(Slot count) {
  coarse_.reserve(count);
  fine_.reserve(count);
  wild_.reserve((std::size_t{count} + 63) / 64);
}

void Codes::encode(Slot slot) {
  const bool zero = vectors_.metric() == Metric::cosine && vectors_.length(slot) == 0;
  const Distance distance = write(slot, coarse_[slot], fine_[slot]);
  const bool tame = distance.whole <= error_ && distance.coarse <= coarse_error_ && !zero;
  if (!tame) set_wild(slot);
}

void Codes::set_wild(Slot slot) {
  wild_[slot / 64]->fetch_or(std::uint64_t{1} << slot % 64, std::memory_order_relaxed);
  wild_count_.fetch_add(1, std::memory_order_relaxed);
}

// Writes the codes of a row.
Codes::Distance Codes::write(Slot slot, std::uint8_t* coarse, std::uint8_t* fine) const {
  const float* row = vectors_.row(slot);
  const float scale = scale_of(slot);
  const float per_step = 1 / step_;
  constexpr auto most = static_cast<float>(CODE_MAX);
  float whole = 0;
  float halved = 0;
  std::fill_n(coarse, coarse_.width(), std::uint8_t{0});
  std::fill_n(fine, coarse_.width(), std::uint8_t{0});
  for (std::size_t i = 0; i < vectors_.dimension(); ++i) {
    const float value = row[i] * scale - mean_[i];
    const std::int32_t steps = rounded(std::clamp(value * per_step, -most, most));
    const std::int32_t code = steps + ZERO;
    const std::int32_t half = code / COARSE_STEP;
    const bool second = i >= coarse_.width();
    const std::size_t at = second ? i - coarse_.width() : i;
    coarse[at] |= static_cast<std::uint8_t>(second ? half << 4 : half);
    fine[at] |= static_cast<std::uint8_t>(second ? code % COARSE_STEP << 4 : code % COARSE_STEP);
    const float rest = value - static_cast<float>(steps) * step_;
    const float coarse_rest = value - static_cast<float>(COARSE_STEP * half - COARSE_ZERO) * step_;
    whole += rest * rest;
    halved += coarse_rest * coarse_rest;
  }
  return {std::sqrt(double{whole}), std::sqrt(double{halved})};
}

void Codes::distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const {
  const auto kernel = vectors_.metric() == Metric::dot_product ? kernels_.code_dot : kernels_.code_squared;
  each_found<Halves>(
      slots, count, out, [this](Slot slot) { return halves(slot); },
      [&](std::span<const Halves> rows, float* to) {
        measure_rows(kernel, query.words, rows, coarse_.width(), query.whole, to);
      });
}

void Codes::coarse_distances(const CodedQuery& query, std::span<const std::uint8_t* const> rows, float* out) const {
  const auto kernel = vectors_.metric() == Metric::dot_product ? kernels_.coarse_dot : kernels_.coarse_squared;
  measure_rows(kernel, query.bytes, rows, coarse_.width(), query.coarse, out);
}

void Codes::coarse_distances(const CodedQuery& query, Slot first, std::size_t count, float* out) const {
  const std::uint8_t* rows[BLOCK];
  const std::uint8_t* row = coarse_[first];
  for (std::size_t i = 0; i < count; ++i) rows[i] = row + i * coarse_.width();
  coarse_distances(query, {rows, count}, out);
}

void Codes::pair_distances(const CodedQuery& from, std::span<const Halves> rows, float* out) const {
  Measure measure;
  measure.scale = from.whole.scale;
  measure_rows(kernels_.code_squared, from.words, rows, coarse_.width(), measure, out);
}

void Codes::pair_distances(const CodedQuery& from, const Slot* slots, std::size_t count, float* out) const {
  each_found<Halves>(
      slots, count, out, [this](Slot slot) { return halves(slot); },
      [&](std::span<const Halves> rows, float* to) { pair_distances(from, rows, to); });
}

}  // namespace clew
