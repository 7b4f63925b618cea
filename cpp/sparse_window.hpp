// What the scoring of everything and the search for the best share: sums by windows of slots.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "sparse_search.hpp"

namespace clew {

// Slots that are scored together: their sums fill half of a first-level cache.
inline constexpr std::size_t WINDOW = 4096;
// With fewer postings in a window than this share of it, they are gone through again rather than all sums.
inline constexpr std::size_t FEW_SHARE = 16;
// Of a slot that no posting has touched. No sum is -0, as every product has +0 added to it.
inline constexpr float UNTOUCHED = -0.0F;
inline bool touched(float sum) { return std::bit_cast<std::uint32_t>(sum) != std::bit_cast<std::uint32_t>(UNTOUCHED); }

inline float product(float weight, float value) { return weight * value + 0.0F; }

// What exceeds float32 stays at its edge: JSON has no infinity.
inline float within_float32(float number) {
  constexpr float MAX = std::numeric_limits<float>::max();
  return std::isnan(number) ? -MAX : std::clamp(number, -MAX, MAX);
}

inline Key key_of(float sum, Slot slot) { return make_key(-within_float32(sum), slot); }

// f(slot, score) for every slot that is visible, allowed and has a common index.
template <class F>
void SparseQuery::each_row(const Allowed& allowed, F f) const {
  for (std::size_t i = 0; i < allowed.words.size() && i * 64 < view_.limit; ++i) {
    for (std::uint64_t word = allowed.words[i]; word != 0; word &= word - 1) {
      const Slot slot = static_cast<Slot>(i * 64) + static_cast<Slot>(std::countr_zero(word));
      if (!sparse_.visible(slot, view_)) continue;
      if (const float sum = score(slot); touched(sum)) f(slot, sum);
    }
  }
}

// f(first slot, parts, postings in them) for stretches of WINDOW slots, leaving out those in which no term has any.
template <class F>
void SparseQuery::each_window(F f) const {
  std::vector<std::size_t> next(terms_.size());
  std::vector<Part> parts;
  for (;;) {
    Slot first = NO_SLOT;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const PostingsView& seen = terms_[i].seen;
      if (next[i] < seen.size) first = std::min(first, seen.postings->slots[next[i]]);
    }
    if (first == NO_SLOT) return;
    first = first / WINDOW * WINDOW;
    const Slot end = first + static_cast<Slot>(WINDOW);
    parts.clear();
    std::size_t postings = 0;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const PostingsView& seen = terms_[i].seen;
      const Slot* slots = seen.postings->slots.get();
      // One slot is in a list once, so no more than WINDOW of them can be meant.
      const Slot* stop = std::lower_bound(slots + next[i], slots + std::min(seen.size, next[i] + WINDOW), end);
      const auto after = static_cast<std::size_t>(stop - slots);
      if (after == next[i]) continue;
      parts.push_back({&terms_[i], next[i], after, 0});
      postings += after - next[i];
      next[i] = after;
    }
    f(first, std::span<Part>(parts), postings);
  }
}

// The sums of one window at a time.
class SparseQuery::Window {
 public:
  explicit Window(Slot limit) : sums_(std::min<std::size_t>((limit + 15) / 16 * 16, WINDOW), UNTOUCHED) {}

  void add(const Part& part, Slot first, std::size_t start, std::size_t stop) {
    const Slot* slots = part.term->seen.postings->slots.get();
    const float* values = part.term->seen.postings->values.get();
    const float weight = part.term->weight;
    for (std::size_t i = start; i < stop; ++i) sums_[slots[i] - first] += product(weight, values[i]);
  }

  // f(slot, sum) for every slot that was touched, in order of slot; afterwards none is.
  template <class F>
  void take_all(Slot first, std::span<const Part> parts, std::size_t postings, F f) {
    if (postings < sums_.size() / FEW_SHARE) {
      take_few(first, parts, f);
      return;
    }
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      if (touched(sums_[i])) f(first + static_cast<Slot>(i), sums_[i]);
    }
    std::ranges::fill(sums_, UNTOUCHED);
  }

  // The same for sums of at least `least`.
  template <class F>
  void take_from(Slot first, std::span<const Part> parts, std::size_t postings, float least, F f) {
    if (postings < sums_.size() / FEW_SHARE) {
      take_few(first, parts, [&](Slot slot, float sum) {
        if (!(sum < least)) f(slot, sum);
      });
      return;
    }
    constexpr std::size_t LANES = 16;  // looked at together
    for (std::size_t i = 0; i < sums_.size(); i += LANES) {
      bool any = false;
      for (std::size_t j = i; j < i + LANES; ++j) any |= !(sums_[j] < least);
      if (!any) continue;
      for (std::size_t j = i; j < i + LANES; ++j) {
        if (touched(sums_[j]) && !(sums_[j] < least)) f(first + static_cast<Slot>(j), sums_[j]);
      }
    }
    std::ranges::fill(sums_, UNTOUCHED);
  }

 private:
  template <class F>
  void take_few(Slot first, std::span<const Part> parts, F f) {
    few_.clear();
    for (const Part& part : parts) {
      const Slot* slots = part.term->seen.postings->slots.get();
      few_.insert(few_.end(), slots + part.start, slots + part.stop);
    }
    std::ranges::sort(few_);
    few_.erase(std::ranges::unique(few_).begin(), few_.end());
    for (const Slot slot : few_) {
      const float sum = std::exchange(sums_[slot - first], UNTOUCHED);
      if (touched(sum)) f(slot, sum);
    }
  }

  std::vector<float> sums_;
  std::vector<Slot> few_;
};

}  // namespace clew
