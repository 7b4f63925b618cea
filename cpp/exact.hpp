// The exact order of everything: the oracle of recall, and what a cursor turns into when walking costs more.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "containers.hpp"
#include "graph.hpp"
#include "types.hpp"
#include "vectors.hpp"

namespace clew {

// Slots that a filter admits: bit s of word s / 64. No words: all slots.
struct Allowed {
  std::span<const std::uint64_t> words;

  bool everything() const { return words.data() == nullptr; }
  bool contains(Slot slot) const {
    return everything() || (slot / 64 < words.size() && (words[slot / 64] >> (slot % 64) & 1) != 0);
  }
  // How many slots below `limit` are in it.
  std::size_t count(Slot limit) const;
};

// Scores every slot of a view once, then gives them out in exact order. Only as much is sorted as is asked for:
// what has not been given out is kept unordered, and the next stretch is selected when it is needed.
//
// REQUIRES: the graph outlives the scan. One caller at a time.
class Scan {
 public:
  explicit Scan(const Graph& graph) : graph_(graph), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

  // Scores what is visible, allowed and not in `except`.
  // Returns how many that were.
  std::size_t start(const float* query, const View& view, const Allowed& allowed, const SlotSet* except);

  // Appends up to `count` further keys to `out`, nearest first.
  void next(std::size_t count, std::vector<Key>& out);

  void clear();
  std::size_t bytes() const { return (rest_.capacity() + sorted_.capacity()) * sizeof(Key); }

 private:
  void score(std::span<const Slot> slots);
  void select(std::size_t count);
  void select_few(std::size_t count);
  Key pivot_for(std::size_t count);

  const Graph& graph_;
  Prepared query_;
  std::vector<Key> rest_;    // keys up to floor_ in it have been given out or are in sorted_
  std::vector<Key> sorted_;  // the next to give out, from given_ on
  std::vector<Key> buffer_;
  std::size_t given_ = 0;
  std::size_t stretch_ = 0;
  Key floor_ = 0;
};

}  // namespace clew
