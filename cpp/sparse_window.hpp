// What the scoring of everything and the search for the best share: sums by windows of slots.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "distance.hpp"
#include "sparse_search.hpp"
#include "sums.hpp"

namespace clew {

// Slots that are scored together: their sums stay in the caches of one core.
inline constexpr std::size_t WINDOW = 1 << 15;
// With fewer postings in a window than this share of it, they are gone through again rather than all sums.
inline constexpr std::size_t FEW_SHARE = 16;
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
      if (next[i] == seen.size) continue;
      const Slot* slots = seen.postings->slots.get();
      // One slot is in a list once, so no more than WINDOW of them can be meant.
      const Slot* stop = slots + std::min(seen.size, next[i] + WINDOW);
      if (stop[-1] >= end) stop = std::lower_bound(slots + next[i], stop, end);
      const auto after = static_cast<std::size_t>(stop - slots);
      if (after == next[i]) continue;
      parts.push_back({&terms_[i], next[i], after, 0});
      postings += after - next[i];
      next[i] = after;
    }
    f(first, std::span<Part>(parts), postings);
  }
}

// The sums of one window at a time. A thread keeps their memory for its next query.
class SparseQuery::Window {
 public:
  explicit Window(Slot limit)
      : sums_(std::exchange(spare_, {})), size_(std::min<std::size_t>((limit + SUMS - 1) / SUMS * SUMS, WINDOW)) {
    if (sums_.size() < size_) sums_.resize(size_, UNTOUCHED);
  }
  // REQUIRES: no slot is touched.
  void give_back() { spare_ = std::move(sums_); }

  void add(const Part& part, Slot first, std::size_t start, std::size_t stop) {
    const Slot* slots = part.term->seen.postings->slots.get();
    const float* values = part.term->seen.postings->values.get();
    const float weight = part.term->weight;
    float* sums = sums_.data();
    const auto add_one = [&](std::size_t i) { sums[slots[i] - first] += product(weight, values[i]); };
    for (; start + Postings::LINE <= stop; start += Postings::LINE) {
      part.term->seen.postings->prefetch(start + Postings::AHEAD);
#pragma GCC unroll 16
      for (std::size_t i = 0; i < Postings::LINE; ++i) add_one(start + i);
    }
    for (; start < stop; ++start) add_one(start);
  }

  // f(slot, sum) for every slot that was touched, in order of slot; afterwards none is.
  template <class F>
  void take_all(Slot first, std::span<const Part> parts, F f) {
    bits_.resize((size_ + 63) / 64);
    for (const Part& part : parts) {
      const Slot* slots = part.term->seen.postings->slots.get();
      for (std::size_t i = part.start; i < part.stop; ++i) {
        const std::size_t at = slots[i] - first;
        bits_[at / 64] |= std::uint64_t{1} << at % 64;
      }
    }
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      for (std::uint64_t word = std::exchange(bits_[i], 0); word != 0; word &= word - 1) {
        const std::size_t at = i * 64 + static_cast<std::size_t>(std::countr_zero(word));
        f(first + static_cast<Slot>(at), std::exchange(sums_[at], UNTOUCHED));
      }
    }
  }

  // f(slot, sum) once for every slot that was touched and has a sum of at least `least`, which f may raise; in no
  // order. Afterwards no slot is touched.
  template <class F>
  void take_from(Slot first, std::span<const Part> parts, std::size_t postings, const float& least, F f) {
    if (postings < size_ / FEW_SHARE) return take_few(first, parts, least, f);
    static const PassKernel pass = pass_kernel(best_kernels().name);
    std::uint64_t found = 0;
    for (std::size_t i = 0; (i += pass(sums_.data() + i, size_ - i, least, found)) < size_; i += SUMS) {
      for (; found != 0; found &= found - 1) {
        const std::size_t at = i + static_cast<std::size_t>(std::countr_zero(found));
        if (const float sum = sums_[at]; !(sum < least) && touched(sum)) f(first + static_cast<Slot>(at), sum);
      }
      std::fill_n(sums_.data() + i, SUMS, UNTOUCHED);
    }
  }

  // The same for the slots of some parts, one posting after the other: for few.
  template <class F>
  void take_few(Slot first, std::span<const Part> parts, const float& least, F f) {
    float* sums = sums_.data();
    for (const Part& part : parts) {
      const Slot* slots = part.term->seen.postings->slots.get();
      for (std::size_t i = part.start; i < part.stop; ++i) {
        const float sum = std::exchange(sums[slots[i] - first], UNTOUCHED);
        if (!(sum < least) && touched(sum)) f(slots[i], sum);
      }
    }
  }

 private:
  static thread_local std::vector<float> spare_;

  std::vector<float> sums_;
  const std::size_t size_;
  std::vector<std::uint64_t> bits_;
};

}  // namespace clew
