// The sparse vectors of one namespace: by index, which slots have it (inverted lists), and by slot, the vector itself.
//
// One thread at a time may call apply() and compact(). Any number of threads may read beside it: what they can see is
// fixed by the View they took, and what they hold of a list never changes below it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "containers.hpp"
#include "graph.hpp"
#include "types.hpp"

namespace clew {

struct Entry {
  std::int32_t index;
  float value;
};

// Many sparse vectors, one after the other: vector i has the entries from offsets[i] to offsets[i + 1].
struct SparseRows {
  std::span<const std::uint64_t> offsets;  // one more than there are vectors
  const std::int32_t* indices;
  const float* values;

  std::size_t size() const { return offsets.size() - 1; }
};

// The slots that have one index, ascending, each once, with its value there (duplicates in a vector are summed).
// Appended to by the writer, within the capacity; readers look at no more than they knew to be there.
class Postings {
 public:
  static constexpr std::size_t BLOCK = 128;                // postings that share a bound: queries skip by it
  static constexpr std::size_t LINE = 64 / sizeof(float);  // postings of a line of memory
  static constexpr std::size_t AHEAD = 8 * LINE;           // so long before they are needed they are asked for

  struct Peak {
    float largest;
    float smallest;
  };

  explicit Postings(std::size_t capacity)
      : capacity(capacity),
        slots(std::make_unique_for_overwrite<Slot[]>(capacity)),
        values(std::make_unique_for_overwrite<float[]>(capacity)),
        peaks(std::make_unique_for_overwrite<Peak[]>(capacity / BLOCK)) {}

  // Of a block that is full.
  void find_peak(std::size_t block) {
    Peak peak{values[block * BLOCK], values[block * BLOCK]};
    for (std::size_t i = block * BLOCK; i < (block + 1) * BLOCK; ++i) {
      peak.largest = std::max(peak.largest, values[i]);
      peak.smallest = std::min(peak.smallest, values[i]);
    }
    peaks[block] = peak;
  }

  // Asks memory for posting i and its line, which need not be there. Most lists are so short that they have been gone
  // through before a processor foresees what comes.
  void prefetch(std::size_t i) const {
    __builtin_prefetch(slots.get() + i);
    __builtin_prefetch(values.get() + i);
  }

  const std::size_t capacity;
  const std::unique_ptr<Slot[]> slots;
  const std::unique_ptr<float[]> values;
  const std::unique_ptr<Peak[]> peaks;  // of the blocks that are full
};

// What a query sees of an index.
struct PostingsView {
  std::shared_ptr<const Postings> postings;
  std::size_t size = 0;   // tombstones included
  std::size_t count = 0;  // how many slots of the view have the index
  float magnitude = 0;    // of no slot's values at the index do the absolute values add up to more
};

class Sparse {
 public:
  Sparse();
  Sparse(const Sparse&) = delete;
  Sparse& operator=(const Sparse&) = delete;

  View view() const;

  // What a query over `indices` sees, all of one moment: the present state, or that of `at` where given. False where
  // that state has passed; it is kept until the change after the next begins.
  bool look(std::optional<Seq> at, std::span<const std::int32_t> indices, View& view,
            std::vector<PostingsView>& seen) const;

  bool visible(Slot slot, const View& view) const {
    if (slot >= view.limit) return false;
    const Seq removed = removed_[slot]->load(std::memory_order_relaxed);
    return removed == 0 || removed > view.seq;
  }

  // The entries of a slot as they were given: in that order, duplicates and all.
  std::span<const Entry> row(Slot slot) const { return {rows_[slot]->entries, rows_[slot]->size}; }
  // Whether its indices ascend strictly: then adding up index by index is adding up in its own order.
  bool ordered(Slot slot) const { return rows_[slot]->ordered; }
  // Whether those of all slots do that a View taken before could see.
  bool all_ordered() const { return all_ordered_.load(std::memory_order_relaxed); }

  // Adds `added` as slots from the returned one on, removes `removed`, and makes both visible together as of `seq`.
  // Throws std::length_error past SLOTS_MAX, std::out_of_range for a bad slot; nothing has changed then.
  Slot apply(const SparseRows& added, std::span<const Slot> removed, Seq seq);

  // The live slots only, in their order, and the old slot of each.
  std::unique_ptr<Sparse> compact(std::vector<Slot>& old_slots) const;

  // Of the vectors that have an index more than once, how many entries the longest has.
  std::size_t longest_repeating() const { return longest_repeating_.load(std::memory_order_relaxed); }
  std::size_t indices() const;
  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  struct Row {
    const Entry* entries;
    std::uint32_t size;
    bool ordered;
  };

  struct Posting {
    std::int32_t index;
    Slot slot;
    float value;
    float magnitude;
  };

  struct List {
    std::shared_ptr<Postings> postings;
    std::size_t size = 0;
    float magnitude = 0;
    // How many visible slots have it since `changed`, and until then: a reader may be one state behind.
    std::uint32_t count = 0;
    std::uint32_t count_before = 0;
    Seq changed = 0;

    void change_count(std::int64_t by, Seq seq);
  };

  void keep_rows(const SparseRows& added, Slot first);
  std::vector<Posting> postings_of(Slot first, Slot end);
  void append(std::span<const Posting> run, Seq seq);
  std::size_t remove(std::span<const Slot> removed, Seq seq);
  Entry* room_for(std::size_t entries);

  Rows<Row> rows_;
  Rows<std::atomic<Seq>> removed_;
  std::vector<std::unique_ptr<Entry[]>> chunks_;  // what rows_ points into
  std::size_t chunk_size_ = 0;
  std::size_t chunk_used_ = 0;
  std::atomic<std::size_t> bytes_{0};
  std::atomic<std::size_t> longest_repeating_{0};
  std::atomic<bool> all_ordered_{true};

  mutable std::mutex lock_;  // of what follows; never held for longer than one list, vector or query takes
  std::unordered_map<std::int32_t, List> lists_;
  View view_;
  View view_before_;
  Seq changing_ = 0;  // what lists may already know of
};

}  // namespace clew
