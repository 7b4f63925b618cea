// Keys that wait to be the nearest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "containers.hpp"
#include "steps.hpp"
#include "types.hpp"

namespace clew {

// Merges `fresh` into `keys`, both sorted, from place `from` on. Returns where the first of them went.
std::size_t merge_sorted(Room<Key>& keys, std::size_t from, std::span<const Key> fresh);

// Gives out the nearest first. Only the nearest are in order, and stay in the first cache; most of what is pushed is
// beyond its fence and just appended, so a search that is never resumed pays nothing for being resumable.
class KeyPile {
 public:
  KeyPile();

  void push(std::span<const Key> keys);

  // Moves up to `most` keys, those up to `limit`, to the end of `out`.
  template <class Keys>
  void take(std::size_t most, Key limit, Keys& out) {
    if (!late_.empty()) {
      std::ranges::sort(late_);
      merge_sorted(near_, taken_, late_);
      late_.clear();
    }
    while (most > 0) {
      if (taken_ == near_.size() && !come_nearer()) return;
      const auto first = near_.begin() + static_cast<std::ptrdiff_t>(taken_);
      const auto last = first + static_cast<std::ptrdiff_t>(std::min(most, near_.size() - taken_));
      const auto end = std::upper_bound(first, last, limit);
      out.insert(out.end(), first, end);
      taken_ += static_cast<std::size_t>(end - first);
      most -= static_cast<std::size_t>(end - first);
      if (end != last) return;
    }
  }

  template <class F>
  void each(F f) const {
    std::for_each(near_.begin() + static_cast<std::ptrdiff_t>(taken_), near_.end(), f);
    std::ranges::for_each(late_, f);
    std::ranges::for_each(far_, f);
  }

  void clear() {
    near_.clear();
    late_.clear();
    far_.clear();
    taken_ = 0;
    fence_ = 0;
  }

  bool empty() const { return size() == 0; }
  std::size_t size() const { return near_.size() - taken_ + late_.size() + far_.size(); }
  std::size_t bytes() const { return (near_.capacity() + late_.capacity() + far_.capacity()) * sizeof(Key); }

 private:
  bool come_nearer();
  std::size_t split(std::span<const Key> keys, Room<Key>& below, Key* others) const;
  Key end_of_nearest() const;

  const Steps* steps_;
  Room<Key> near_;  // sorted; the first taken_ have been given out
  std::size_t taken_ = 0;
  Room<Key> late_;  // pushed since; less than the fence, too
  Room<Key> far_;   // all others
  Key fence_ = 0;
};

}  // namespace clew
