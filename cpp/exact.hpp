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
#include "sieve.hpp"
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
  // Bit i: slot 64 * number + i is in it.
  std::uint64_t word(std::size_t number) const {
    return everything() ? ~std::uint64_t{0} : number < words.size() ? words[number] : 0;
  }
  // How many slots below `limit` are in it.
  std::size_t count(Slot limit) const;
};

// Scores every slot of a view once, then gives them out in exact order.
//
// Where the graph has codes, all slots are scored by them, and by their floats only those that may come next. Nothing
// further than the error of codes allows is given out before the rest (the multi-step search of Seidl and Kriegel,
// SIGMOD 1998), so the order is that of the floats. Where the order does not have to be beyond all doubt, the first
// step goes by coarse halves, and the next by the whole codes of those that may come next.
//
// REQUIRES: the graph outlives the scan. One caller at a time.
class Scan {
 public:
  explicit Scan(const Graph& graph) : graph_(graph), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

  // By what all are scored; floats, where there are no codes.
  enum class By { floats, codes, coarse_halves };

  // Scores what is visible, allowed and not in `except`; about `matching` will be. Returns how many that were.
  std::size_t start(const float* query, const View& view, const Allowed& allowed, std::size_t matching,
                    const SlotSet* except, By by);
  bool coded() const { return codes_ != nullptr; }

  // Appends up to `count` further keys to `out`, nearest first.
  void next(std::size_t count, std::vector<Key>& out);

  void clear();
  std::size_t bytes() const;

 private:
  void score_all(const View& view, const Allowed& allowed, const SlotSet* except, bool placed);
  std::uint64_t wanted(std::size_t number, std::uint64_t bits, const View& view, const SlotSet* except) const;
  const std::uint8_t* ask(Slot slot) const;
  void score_run(Slot first, std::size_t count, std::uint64_t wanted);
  void score(std::span<const Slot> slots, const std::uint8_t* const* rows);
  void keep(std::span<const Slot> slots, const float* distances, std::uint64_t wanted);
  std::uint64_t set_aside(Slot first, std::uint64_t bits);
  const Measure& measure() const { return coarse_ ? coded_.coarse : coded_.whole; }
  std::size_t lot(std::size_t count) const;
  void approach(std::size_t count);
  void admit(std::size_t count, float limit);
  float limit_of_some(std::size_t count);
  void come_nearer(float limit);
  void take(std::size_t count, float limit);
  void score_block();
  void merge_into(std::vector<Key>& keys);

  const Graph& graph_;
  Prepared query_;
  CodedQuery coded_;
  std::shared_ptr<const Codes> codes_;  // none: all keys are in ranking_, and exact
  bool coarse_ = false;
  Ranking ranking_;
  // What was scored by codes comes through the sieve and is far, in no order, or waits, if its whole codes are at up to
  // fence_; then it is scored exactly and is pending. What waits and what is pending is sorted: the first taken_ wait
  // no longer, and the first sure_ that are pending are nearer than all that is not. Of these the first given_ have
  // been given out, and given_before_ that are no longer there. The wild are sorted and wait for their turn.
  Sieve sieve_;
  std::vector<Key> far_;
  float fence_ = 0;
  std::vector<Key> waiting_;
  std::size_t taken_ = 0;
  std::vector<Key> pending_;
  std::size_t sure_ = 0;
  std::size_t given_ = 0;
  std::size_t given_before_ = 0;
  std::vector<Key> wild_;
  std::size_t wild_given_ = 0;
  std::vector<Key> block_;  // to be scored next, by whole codes or exactly
};

}  // namespace clew
