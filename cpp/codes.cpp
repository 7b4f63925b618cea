#include "codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace clew {
namespace {

constexpr int CODE_MAX = 127;
constexpr int ZERO = 128;  // what is added to codes, so that their halves are of no sign
// A coarse half h stands for 16 h - 120, the middle of the codes that share it.
constexpr int COARSE_STEP = 16;
constexpr int COARSE_ZERO = 120;
constexpr int COARSE_SHIFT = 5;  // 2 COARSE_STEP
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

// Errors of many components point anywhere: along the way to a query lies the root of a component's share, and nearly
// always no more than three times that. The most that was seen of coarse halves is more than it nearly always is.
constexpr double DEVIATIONS = 3;
constexpr double COARSE_OFTEN = 0.6;

// What float32 distances may be off by, of their size.
constexpr double FLOAT_ERROR = 1e-5;

constexpr std::size_t PREFETCHED_MAX = 768;
constexpr std::size_t BLOCK = 64;  // rows, or components, at a time

std::int32_t rounded(float value) { return static_cast<std::int32_t>(value + (value < 0 ? -0.5F : 0.5F)); }

double quantile(std::vector<float>& values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return double{*at};
}

// out[i] = distance of what f(first, how many, sums) sums of up to 64 rows.
template <class F>
void each_block(std::size_t count, const Measure& measure, float* out, F f) {
  std::int32_t sums[BLOCK];
  const Measure here = measure;  // `out` cannot be a part of it: a compiler makes vectors of the loop below
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    f(start, n, sums);
    for (std::size_t i = 0; i < n; ++i) out[start + i] = here.distance(sums[i]);
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
  wild_.reserve(count);
}

void Codes::encode(Slot slot) {
  const bool zero = vectors_.metric() == Metric::cosine && vectors_.length(slot) == 0;
  const Distance distance = write(slot, coarse_[slot], fine_[slot]);
  if (distance.whole <= error_ && distance.coarse <= coarse_error_ && !zero) return;
  *wild_[slot] = 1;
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

void Codes::distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const {
  const auto kernel = vectors_.metric() == Metric::dot_product ? kernels_.code_dot : kernels_.code_squared;
  each_block(count, query.whole, out, [&](std::size_t start, std::size_t n, std::int32_t* sums) {
    Halves rows[BLOCK];
    for (std::size_t i = 0; i < n; ++i) rows[i] = halves(slots[start + i]);
    kernel(query.words.data(), rows, n, coarse_.width(), sums);
  });
}

void Codes::coarse_distances(const CodedQuery& query, std::span<const std::uint8_t* const> rows, float* out) const {
  const auto kernel = vectors_.metric() == Metric::dot_product ? kernels_.coarse_dot : kernels_.coarse_squared;
  each_block(rows.size(), query.coarse, out, [&](std::size_t start, std::size_t n, std::int32_t* sums) {
    kernel(query.bytes.data(), rows.data() + start, n, coarse_.width(), sums);
  });
}

void Codes::coarse_distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const {
  const std::uint8_t* rows[BLOCK];
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    for (std::size_t i = 0; i < n; ++i) rows[i] = coarse_[slots[start + i]];
    coarse_distances(query, {rows, n}, out + start);
  }
}

void Codes::coarse_distances(const CodedQuery& query, Slot first, std::size_t count, float* out) const {
  const std::uint8_t* rows[BLOCK];
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    const std::uint8_t* row = coarse_[first + static_cast<Slot>(start)];
    for (std::size_t i = 0; i < n; ++i) rows[i] = row + i * coarse_.width();
    coarse_distances(query, {rows, n}, out + start);
  }
}

std::uint64_t Codes::wild(Slot first, std::size_t count) const {
  const std::uint8_t* wild = wild_[first];
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, wild + i, std::min<std::size_t>(8, count - i));
    if (eight == 0) continue;
    for (std::size_t j = i; j < std::min(i + 8, count); ++j) bits |= std::uint64_t{wild[j]} << j;
  }
  return bits;
}

void Codes::pair_distances(const CodedQuery& from, std::span<const Halves> rows, float* out) const {
  Measure measure;
  measure.scale = from.whole.scale;
  each_block(rows.size(), measure, out, [&](std::size_t start, std::size_t n, std::int32_t* sums) {
    kernels_.code_squared(from.words.data(), rows.data() + start, n, coarse_.width(), sums);
  });
}

void Codes::pair_distances(const CodedQuery& from, const Slot* slots, std::size_t count, float* out) const {
  Halves rows[BLOCK];
  for (std::size_t start = 0; start < count; start += BLOCK) {
    const std::size_t n = std::min(BLOCK, count - start);
    for (std::size_t i = 0; i < n; ++i) rows[i] = halves(slots[start + i]);
    pair_distances(from, {rows, n}, out + start);
  }
}

}  // namespace clew
