// The exact order of everything: the oracle of recall, and what a cursor turns into when walking costs more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codes.hpp"
#include "containers.hpp"
#include "graph.hpp"
#include "ranking.hpp"
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

// Scores every slot of a view once, then gives them out in exact order.
//
// Where the graph has codes, all slots are scored by them, and by their floats only those that may come next. Nothing
// further than the error of codes allows is given out before the rest (the multi-step search of Seidl and Kriegel,
// SIGMOD 1998), so the order is that of the floats.
//
// REQUIRES: the graph outlives the scan. One caller at a time.
class Scan {
 public:
  explicit Scan(const Graph& graph) : graph_(graph), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

  // Scores what is visible, allowed and not in `except`; by codes, if there are some, where only a `few` of them will
  // be asked for. Returns how many that were.
  std::size_t start(const float* query, const View& view, const Allowed& allowed, const SlotSet* except, bool few);
  bool coded() const { return codes_ != nullptr; }

  // Appends up to `count` further keys to `out`, nearest first.
  void next(std::size_t count, std::vector<Key>& out);

  void clear();
  std::size_t bytes() const { return ranking_.bytes() + (pending_.capacity() + coded_keys_.capacity()) * sizeof(Key); }

 private:
  std::uint64_t wanted(std::size_t number, std::uint64_t bits, const View& view, const SlotSet* except) const;
  void score_run(Slot first, std::size_t count, std::uint64_t wanted);
  void score(std::span<const Slot> slots);
  void score_exactly(std::span<const Slot> slots, std::vector<Key>& out);
  std::size_t sure() const;
  void approach(std::size_t count);

  const Graph& graph_;
  Prepared query_;
  CodedQuery coded_;
  std::shared_ptr<const Codes> codes_;  // none: the keys of ranking_ are exact
  Ranking ranking_;
  std::vector<Key> pending_;     // scored exactly and not given out, sorted
  std::vector<Key> coded_keys_;  // taken from ranking_ last
  Key bound_ = 0;                // everything up to it is pending or has been given out
};

}  // namespace clew
