// Keys by a better measure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "types.hpp"

namespace clew {

// Puts the distances that distances(slots, how many, out) says in the place of those of `keys`. Their rows are asked
// for by prefetch(slot) some keys ahead.
template <class Prefetch, class Distances>
void rescore(std::span<Key> keys, Prefetch prefetch, Distances distances) {
  constexpr std::size_t AT_ONCE = 16;
  std::array<Slot, AT_ONCE> slots;
  std::array<float, AT_ONCE> out;
  const auto ask = [&](std::size_t start) {
    for (std::size_t i = start; i < std::min(start + AT_ONCE, keys.size()); ++i) prefetch(slot_of(keys[i]));
  };
  ask(0);
  for (std::size_t start = 0; start < keys.size(); start += AT_ONCE) {
    ask(start + AT_ONCE);
    const std::size_t n = std::min(AT_ONCE, keys.size() - start);
    for (std::size_t i = 0; i < n; ++i) slots[i] = slot_of(keys[start + i]);
    distances(slots.data(), n, out.data());
    for (std::size_t i = 0; i < n; ++i) keys[start + i] = make_key(out[i], slots[i]);
  }
}

}  // namespace clew
