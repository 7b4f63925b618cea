// A set of slots as one bit each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "types.hpp"

namespace clew {

// A set of slots: a bit for each slot there is, so that nothing is probed and no branch depends on what is in it.
class SlotMarks {
 public:
  void clear() {
    // What was set is all there is to undo: it goes by the length of the walk, not by how many slots there are.
    for (const Slot slot : marked_) words_[slot / 32] = 0;
    marked_.clear();
  }

  // Adds slots, and writes those that were not there to `out`, which may be `slots` and has room for all; returns how
  // many these are.
  std::size_t insert(std::span<const Slot> slots, Slot* out) {
    std::uint32_t* words = words_.data();
    std::size_t added = 0;
    for (const Slot slot : slots) {
      if (slot / 32 >= words_.size()) words = grow(slot);
      std::uint32_t& word = words[slot / 32];
      out[added] = slot;
      added += ~(word >> slot % 32) & 1;
      word |= std::uint32_t{1} << slot % 32;
    }
    marked_.insert(marked_.end(), out, out + added);
    return added;
  }

  // Bit s % 32 of word s / 32: slot s is in it.
  std::span<const std::uint32_t> words() const { return words_; }

  std::size_t bytes() const { return words_.capacity() * sizeof(std::uint32_t) + marked_.capacity() * sizeof(Slot); }

 private:
  [[gnu::noinline]] std::uint32_t* grow(Slot slot) {
    words_.resize(std::max(words_.size() * 2, std::size_t{slot} / 32 + 1));
    return words_.data();
  }

  std::vector<std::uint32_t> words_;
  std::vector<Slot> marked_;
};

}  // namespace clew
