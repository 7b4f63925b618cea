// Keys given out in order, as lazily as they are asked for.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "types.hpp"

namespace clew {

// Sorts keys; `in_order`: which come in order of slot where distances are equal.
void sort_keys(std::span<Key> keys, bool in_order = false);

// The same for an instruction set that a Kernels (see distance.hpp) is named by; the buffer is as long.
using SortKernel = void (*)(std::span<Key> keys, Key* buffer, bool in_order);
SortKernel sort_kernel(std::string_view instruction_set);

// Gives out keys in ascending order. Only as much is sorted as is asked for: what has not been given out is kept
// unordered, and the next stretch is selected when it is needed. Each stretch is longer than the last, so that
// reading all costs about one sort.
class Ranking {
 public:
  // What is to be ranked: fill it before the first next(). Equal distances come in order of slot.
  std::vector<Key>& keys() { return rest_; }

  // Up to `count` further keys; valid until the next call. Fewer means that there are no more.
  std::span<const Key> next(std::size_t count);

  void clear();
  std::size_t bytes() const { return (rest_.capacity() + sorted_.capacity()) * sizeof(Key); }

 private:
  bool select(std::size_t count);
  void select_few(std::size_t count);
  void take_until(Key pivot);
  Key pivot_for(std::size_t count);

  std::vector<Key> rest_;    // not in sorted_, nor given out; keys up to floor_ do not count
  std::vector<Key> sorted_;  // the next to give out, from given_ on
  std::size_t given_ = 0;
  std::size_t stretch_ = 0;
  Key floor_ = 0;
  bool given_stay_ = false;  // keys up to floor_ are in rest_
};

}  // namespace clew
