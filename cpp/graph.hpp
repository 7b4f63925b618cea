// The vectors of one namespace and a navigable graph over them: one flat layer of directed edges, pruned as in
// Vamana (Subramanya et al., DiskANN, NeurIPS 2019), built by insertion.
//
// Exact copies of a vector are not nodes of their own: they hang on the first of them as a chain. A hundred copies
// would otherwise crowd each other out of the neighbour lists and become unreachable.
//
// One thread at a time may call apply() and compact(). Any number of threads may read beside it: what they can see
// is fixed by the View they took, and slots, rows and edges never move.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <vector>

#include "codes.hpp"
#include "containers.hpp"
#include "landmarks.hpp"
#include "pool.hpp"
#include "types.hpp"
#include "vectors.hpp"
#include "workroom.hpp"

namespace clew {

struct GraphOptions {
  std::size_t degree = 32;
  std::size_t ef_construction = 200;
  float alpha = 1.05F;  // how much longer a detour may be before an edge is worth keeping
  // With fewer slots than this there is no graph: a scan is as quick.
  std::size_t link_min = 2048;
  bool codes = true;  // walk and scan by int8 codes where they serve
};

// What a reader sees: slots below `limit` that were not removed by `seq`.
struct View {
  Slot limit = 0;
  std::size_t live = 0;
  Seq seq = 0;
};

// What helps a walk along. Either changes when the graph has doubled.
struct Guide {
  std::shared_ptr<const Landmarks> landmarks;
  std::shared_ptr<const Codes> codes;  // none where floats are better; those of all slots of any view taken before
};

// A compaction was ended before its end.
class GivenUp : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Image;
class Walk;
class Pruner;
class Scan;
struct Scratch;
struct Survivors;

class Graph {
 public:
  Graph(std::size_t dimension, Metric metric, const GraphOptions& options);
  ~Graph();

  const VectorStore& vectors() const { return vectors_; }
  const GraphOptions& options() const { return options_; }
  View view() const;
  // Whether there are edges to walk along; small graphs have none.
  bool linked() const { return linked_.load(std::memory_order_acquire); }
  Guide guide() const;

  // Memory that rows, codes, edges and tombstones take.
  std::size_t bytes() const;

  // What scanning one row costs beside scoring one row in a walk; the caller measures it (it depends on the
  // machine and the dimension) and cursors turn from walking to scanning by it.
  double scan_cost() const { return scan_cost_.load(std::memory_order_relaxed); }
  void set_scan_cost(double cost) { scan_cost_.store(cost, std::memory_order_relaxed); }

  bool visible(Slot slot, const View& view) const {
    if (slot >= view.limit) return false;
    if (view.live == view.limit) return true;  // nothing had been removed yet
    const Seq removed = removed_[slot]->load(std::memory_order_relaxed);
    return removed == 0 || removed > view.seq;
  }

  // The neighbours of a slot: `degree` places, those in use first, then EMPTY.
  std::atomic<Slot>* neighbors(Slot slot) const { return neighbors_[slot]; }
  // The next exact copy of a slot's vector, or none.
  Slot next_copy(Slot slot) const {
    if (!any_copies_.load(std::memory_order_relaxed)) return NO_SLOT;
    return from_place(copies_[slot]->load(std::memory_order_acquire));
  }

  // Both will be read soon.
  void prefetch_edges(Slot slot) const {
    const auto* row = reinterpret_cast<const char*>(neighbors_[slot]);
    for (std::size_t i = 0; i < options_.degree * sizeof(Slot); i += 64) __builtin_prefetch(row + i);
    if (any_copies_.load(std::memory_order_relaxed)) __builtin_prefetch(copies_[slot]);
  }

  // How many neighbour lists a slot is in. Only the writer's threads look.
  Slot edges_into(Slot slot) const { return edges_into_[slot]->load(std::memory_order_relaxed); }

  // Places hold slot + 1, so that zeroed memory reads as "empty".
  static constexpr Slot EMPTY = 0;
  static Slot from_place(Slot place) { return place - 1; }

  // Adds `count` rows of `dimension` floats, removes `removed`, and makes both visible together as of `seq`.
  // Returns the first new slot. Throws std::length_error past SLOTS_MAX, std::out_of_range for a bad slot;
  // nothing has changed then.
  Slot apply(const float* added, std::size_t count, std::span<const Slot> removed, Seq seq, unsigned threads);

  // A graph of the live slots only, in their order, and the old slot of each. Edges through a removed slot are
  // replaced by edges to where they led. Throws GivenUp.
  std::unique_ptr<Graph> compact(std::vector<Slot>& old_slots, unsigned threads) const;
  // compact() ends with GivenUp: the one under way, and each that comes. Any thread may say so.
  void give_up_compacting() { compacting_given_up_.store(true, std::memory_order_relaxed); }

  // What a query works in. What a walk needs only while it runs is apart from it, as is what a scan needs, from when a
  // query turns into one.
  Pool<Scratch>& scratch() const { return scratch_; }
  Workrooms& workrooms() const { return workrooms_; }
  Pool<Scan, 2>& scans() const { return scans_; }

 private:
  friend class Image;

  void link_all(Slot first, Slot end, unsigned threads);
  void link_range(Slot first, Slot end, unsigned threads);
  void link(Slot slot, Walk& walk, Pruner& pruner);
  void renew_guide(Slot count, Slot end, unsigned threads);
  double typical_edge(Slot count) const;
  bool attach_copy(Slot slot, const Walk& walk);
  void add_edge(Slot from, Slot to, Pruner& pruner);
  void write_row(Slot slot, std::span<const Slot> targets);
  void inherit_edges(const Graph& old, const Survivors& survivors, unsigned threads);
  static void inherited_targets(const Graph& old, const Survivors& survivors, Slot node, std::vector<Slot>& targets);
  std::mutex& row_lock(Slot slot) { return row_locks_[slot % ROW_LOCKS]; }

  static constexpr std::size_t ROW_LOCKS = 1024;

  GraphOptions options_;
  VectorStore vectors_;
  Rows<std::atomic<Slot>> neighbors_;
  Rows<std::atomic<Slot>> copies_;
  std::atomic<bool> any_copies_{false};  // set before a view shows the first of them
  Rows<std::atomic<Slot>> edges_into_;
  Rows<std::atomic<Seq>> removed_;
  std::atomic<bool> linked_{false};
  std::atomic<bool> compacting_given_up_{false};
  // Changed under view_lock_ by the writer, who reads them without.
  std::shared_ptr<const Landmarks> landmarks_;
  std::shared_ptr<Codes> codes_;
  std::atomic<double> scan_cost_{0.25};

  mutable std::mutex view_lock_;
  View view_;

  std::unique_ptr<std::mutex[]> row_locks_;
  mutable Pool<Scratch> scratch_;
  mutable Workrooms workrooms_;
  mutable Pool<Scan, 2> scans_;  // some bytes for every slot there is
};

}  // namespace clew
