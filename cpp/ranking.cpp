#include "ranking.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace clew {
namespace {

constexpr std::size_t FEW = 128;           // up to so many are kept sorted while scanning for them
constexpr std::size_t STRETCH_MIN = 1024;  // how many are selected at once, at least
constexpr std::size_t STRETCH_GROWTH = 8;  // each stretch is longer than the last: passes over the rest stay few
constexpr std::size_t SAMPLE = 512;
constexpr std::size_t COMPARISON_SORT_MAX = 512;
constexpr Key EVERYTHING = ~Key{0};

// Sorts by distance, least significant digit first, which keeps the order of equal distances:
// keys that come in order of slot leave in order of (distance, slot).
void radix_sort(std::vector<Key>& keys, std::vector<Key>& buffer) {
  constexpr std::size_t DIGIT = 11;
  constexpr std::size_t VALUES = 1 << DIGIT;
  constexpr std::array<unsigned, 3> shifts{32, 32 + DIGIT, 32 + 2 * DIGIT};
  std::array<std::array<std::uint32_t, VALUES>, 3> counts{};
  for (const Key key : keys) {
    for (std::size_t d = 0; d < 3; ++d) ++counts[d][key >> shifts[d] & (VALUES - 1)];
  }
  buffer.resize(keys.size());
  for (std::size_t d = 0; d < 3; ++d) {
    std::uint32_t at = 0;
    for (std::uint32_t& count : counts[d]) at += std::exchange(count, at);
    for (const Key key : keys) buffer[counts[d][key >> shifts[d] & (VALUES - 1)]++] = key;
    keys.swap(buffer);
  }
}

}  // namespace

void Ranking::next(std::size_t count, std::vector<Key>& out) {
  while (count > 0) {
    if (given_ == sorted_.size()) select(count);
    if (sorted_.empty()) return;
    const std::size_t n = std::min(count, sorted_.size() - given_);
    const auto from = sorted_.begin() + static_cast<std::ptrdiff_t>(given_);
    out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(n));
    given_ += n;
    count -= n;
  }
}

// Moves the next stretch, at least `count` keys while there are so many, from rest_ to sorted_.
void Ranking::select(std::size_t count) {
  sorted_.clear();
  given_ = 0;
  const bool first = stretch_ == 0;
  stretch_ = first ? count : std::max({count, STRETCH_MIN, stretch_ * STRETCH_GROWTH});
  if (first && count <= FEW) return select_few(count);
  const Key pivot = pivot_for(stretch_);
  if (first && pivot == EVERYTHING) {
    sorted_.swap(rest_);
  } else {
    take_until(pivot);
  }
  if (sorted_.size() <= COMPARISON_SORT_MAX) {
    std::ranges::sort(sorted_);
  } else {
    radix_sort(sorted_, buffer_);
  }
  if (!sorted_.empty()) floor_ = sorted_.back();
  if (sorted_.empty() && !rest_.empty()) return select(count);  // the sample misled: the stretch has grown
}

// One pass that moves what has not been taken and does not exceed `pivot`.
void Ranking::take_until(Key pivot) {
  std::size_t kept = 0;
  for (const Key key : rest_) {
    if (key <= floor_) continue;
    if (key <= pivot) {
      sorted_.push_back(key);
    } else {
      rest_[kept++] = key;
    }
  }
  rest_.resize(kept);
}

// One pass that keeps the nearest `count` sorted; they stay in rest_, below floor_.
void Ranking::select_few(std::size_t count) {
  for (const Key key : rest_) {
    if (sorted_.size() == count) {
      if (key > sorted_.back()) continue;
      sorted_.pop_back();
    }
    sorted_.insert(std::ranges::lower_bound(sorted_, key), key);
  }
  if (!sorted_.empty()) floor_ = sorted_.back();
}

// A key that about `count` of rest_ do not exceed, from a sample.
Key Ranking::pivot_for(std::size_t count) {
  if (count * 4 >= rest_.size() || rest_.size() <= COMPARISON_SORT_MAX) return EVERYTHING;
  std::array<Key, SAMPLE> sample;
  for (std::size_t i = 0; i < SAMPLE; ++i) sample[i] = rest_[i * rest_.size() / SAMPLE];
  std::ranges::sort(sample);
  const auto below = static_cast<std::size_t>(std::ranges::upper_bound(sample, floor_) - sample.begin());
  const std::size_t rank = below + (count * SAMPLE + rest_.size() - 1) / rest_.size() + 1;
  return sample[std::min(rank, SAMPLE - 1)];
}

void Ranking::clear() {
  rest_.clear();
  sorted_.clear();
  given_ = stretch_ = 0;
  floor_ = 0;
}

}  // namespace clew
