#include "ranking.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace clew {
namespace {

constexpr std::size_t FEW = 128;            // up to so many are kept sorted while scanning for them
constexpr std::size_t STRETCH_MIN = 1024;   // how many are selected at once, at least
constexpr std::size_t STRETCH_GROWTH = 64;  // each stretch is longer than the last: passes over the rest stay few
constexpr std::size_t SAMPLE = 512;
constexpr std::size_t COMPARISON_SORT_MAX = 128;
constexpr unsigned DIGIT = 9;  // bits; the counts of longer digits cost more than they save
constexpr Key EVERYTHING = ~Key{0};

// How many bits the distances of some keys, above the smallest of them, take; and the smallest.
unsigned width_of(std::span<const Key> keys, Key& smallest) {
  std::uint32_t least = ~std::uint32_t{0};
  std::uint32_t most = 0;
  for (const Key key : keys) {
    least = std::min(least, static_cast<std::uint32_t>(key >> 32));
    most = std::max(most, static_cast<std::uint32_t>(key >> 32));
  }
  smallest = Key{least} << 32;
  return static_cast<unsigned>(std::bit_width(most - least));
}

// How many keys have each value of a digit, and so where those of each begin.
using Counts = std::array<std::uint32_t, (1 << DIGIT) + 1>;

// Moves keys to where their digit says, and keeps the order of those that have the same. From both ends at once: each
// key waits for the last one of its digit, and two chains of them wait at the same time.
template <class Digit>
void distribute(std::span<const Key> from, Key* to, Counts& starts, Digit digit) {
  Counts stops;
  std::copy(starts.begin() + 1, starts.end(), stops.begin());
  std::size_t first = 0;
  std::size_t last = from.size();
  while (last - first >= 2) {
    const Key early = from[first++];
    const Key late = from[--last];
    to[starts[digit(early)]++] = early;
    to[--stops[digit(late)]] = late;
  }
  if (first < last) to[starts[digit(from[first])]] = from[first];
}

// Sorts by two digits of the distance, the lower one first: it begins at bit `from` of a key's upper half.
void sort_by_digits(std::span<Key> keys, Key* buffer, Key smallest, unsigned from) {
  const auto low = [=](Key key) { return (key - smallest) >> (32 + from) & ((1 << DIGIT) - 1); };
  const auto high = [=](Key key) { return (key - smallest) >> (32 + from + DIGIT); };
  Counts lows{};
  Counts highs{};
  for (const Key key : keys) {
    ++lows[low(key) + 1];
    ++highs[high(key) + 1];
  }
  for (std::size_t i = 1; i < lows.size(); ++i) {
    lows[i] += lows[i - 1];
    highs[i] += highs[i - 1];
  }
  distribute(keys, buffer, lows, low);
  distribute({buffer, keys.size()}, keys.data(), highs, high);
}

// Two digits tell most distances apart; what differs only below them is put right in a last pass. By digits equal
// distances keep their order, so that keys that come in order of slot need no such pass.
void sort_stretch(std::span<Key> keys, Key* buffer, bool in_order) {
  if (keys.size() <= COMPARISON_SORT_MAX) {
    std::ranges::sort(keys);
    return;
  }
  Key smallest = 0;
  const unsigned width = width_of(keys, smallest);
  if (width == 0) {
    if (!in_order) std::ranges::sort(keys);
    return;
  }
  const unsigned rest = width > 2 * DIGIT ? width - 2 * DIGIT : 0;
  sort_by_digits(keys, buffer, smallest, rest);
  if (rest == 0 && in_order) return;
  const auto alike = [&](std::size_t a, std::size_t b) {
    return (keys[a] - smallest) >> (32 + rest) == (keys[b] - smallest) >> (32 + rest);
  };
  for (std::size_t i = 1; i < keys.size(); ++i) {
    if (keys[i - 1] < keys[i]) continue;
    std::size_t start = i - 1;
    std::size_t stop = i + 1;
    while (start > 0 && alike(start - 1, i)) --start;
    while (stop < keys.size() && alike(stop, i)) ++stop;
    sort_stretch(keys.subspan(start, stop - start), buffer, in_order);
    i = stop;
  }
}

}  // namespace

void sort_keys(std::span<Key> keys, bool in_order) {
  const auto buffer = std::make_unique_for_overwrite<Key[]>(keys.size());
  sort_stretch(keys, buffer.get(), in_order);
}

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
  if (pivot == EVERYTHING) {
    if (!first) std::erase_if(rest_, [&](Key key) { return key <= floor_; });
    sorted_.swap(rest_);
  } else {
    take_until(pivot);
  }
  sort_keys(sorted_, true);
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
  if (count * STRETCH_GROWTH >= rest_.size()) return EVERYTHING;
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
