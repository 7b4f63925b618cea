#include "ranking.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "distance.hpp"

namespace clew {
namespace {

constexpr std::size_t FEW = 128;            // up to so many are kept sorted while scanning for them
constexpr std::size_t FEWEST = 32;          // up to so many, however few there are in all; more than that
constexpr std::size_t FEW_SHARE = 32;       // only among so many times as many: fewer are sorted sooner
constexpr std::size_t STRETCH_MIN = 1024;   // how many are selected at once, at least
constexpr std::size_t STRETCH_GROWTH = 64;  // each stretch is longer than the last: passes over the rest stay few
constexpr std::size_t SAMPLE = 512;
constexpr std::size_t COMPARISON_SORT_MAX = 16;
constexpr std::size_t FEW_SORTED = 128;         // up to so many are sorted without asking for memory
constexpr std::size_t LINE = 64 / sizeof(Key);  // keys of a line of memory
constexpr Key EVERYTHING = ~Key{0};

namespace plain {
#include "ranking_sort.inl"
}

// No wider registers than these: they would shorten the search for the smallest, but a processor that has not used its
// wide ones for a while is slow for some microseconds after it does, which costs more.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("sse4.1,bmi2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("sse4.1,bmi2")
#endif
namespace bmi2 {
#include "ranking_sort.inl"
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

}  // namespace

SortKernel sort_kernel([[maybe_unused]] std::string_view instruction_set) {
#if defined(__x86_64__)
  if (instruction_set.starts_with("avx") && __builtin_cpu_supports("bmi2")) return bmi2::sort_stretch;
#endif
  return plain::sort_stretch;
}

void sort_keys(std::span<Key> keys, bool in_order) {
  static const SortKernel sort = sort_kernel(best_kernels().name);
  if (keys.size() <= FEW_SORTED) {
    std::array<Key, FEW_SORTED> buffer;
    return sort(keys, buffer.data(), in_order);
  }
  const auto buffer = std::make_unique_for_overwrite<Key[]>(keys.size());
  sort(keys, buffer.get(), in_order);
}

std::span<const Key> Ranking::next(std::size_t count) {
  const auto ready = [&] { return sorted_.size() - given_; };
  while (ready() < count && select(count - ready())) {
  }
  const auto given = std::span<const Key>(sorted_).subspan(given_, std::min(count, ready()));
  given_ += given.size();
  return given;
}

// Moves the next stretch, at least `count` keys while there are so many, from rest_ to the end of sorted_. Says whether
// there was any.
bool Ranking::select(std::size_t count) {
  sorted_.erase(sorted_.begin(), sorted_.begin() + static_cast<std::ptrdiff_t>(std::exchange(given_, 0)));
  const std::size_t before = sorted_.size();
  const bool first = stretch_ == 0;
  stretch_ = first ? count : std::max({count, STRETCH_MIN, stretch_ * STRETCH_GROWTH});
  if (first && count <= FEW && (count <= FEWEST || count * FEW_SHARE < rest_.size())) {
    select_few(count);
  } else {
    take_until(pivot_for(stretch_));
    sort_keys(std::span(sorted_).subspan(before), true);
  }
  if (sorted_.size() == before) return !rest_.empty() && select(count);  // the sample misled: the stretch has grown
  floor_ = sorted_.back();
  return true;
}

// One pass that moves what has not been taken and does not exceed `pivot`. Where that is everything, what is left of
// the last stretch goes before the rest, and nothing else is moved.
void Ranking::take_until(Key pivot) {
  if (pivot == EVERYTHING) {
    if (std::exchange(given_stay_, false)) std::erase_if(rest_, [&](Key key) { return key <= floor_; });
    rest_.insert(rest_.begin(), sorted_.begin(), sorted_.end());
    sorted_.swap(rest_);
    return rest_.clear();
  }
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
  given_stay_ = false;
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
  given_stay_ = true;
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
  given_stay_ = false;
}

}  // namespace clew
