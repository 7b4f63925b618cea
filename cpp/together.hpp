// Many queries at once, which take turns on each thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "cursor.hpp"
#include "parallel.hpp"
#include "types.hpp"

namespace clew {

struct Queries {
  const float* rows;
  Slot count;
};

// So many walks take turns: a walk waits for the rows that it is about to score, and meanwhile others work.
constexpr std::size_t LANES = 3;
// Queries that a thread takes at a time: many keep its turns full, few keep all threads busy to the end.
constexpr Slot BLOCK_MAX = 64;

// Calls emit(row, keys) with the `k` nearest of each query. Throws what a cursor throws.
template <class Emit>
void search_together(const Graph& graph, const Queries& queries, std::size_t k, const Allowed& allowed,
                     const CursorOptions& options, unsigned threads, const Emit& emit) {
  const Slot block = std::clamp<Slot>(queries.count / (4 * std::max(threads, 1u)), LANES, BLOCK_MAX);
  const auto answer = [&](Slot number) {
    struct Lane {
      std::optional<Cursor> cursor;
      Slot row = 0;
    };
    std::array<Lane, LANES> lanes;
    Slot next = number * block;
    const Slot end = std::min(next + block, queries.count);
    std::size_t busy = 0;
    const auto begin = [&](Lane& lane) {
      lane.cursor.reset();
      if (next == end) return;
      lane.row = next++;
      lane.cursor.emplace(graph, queries.rows + lane.row * graph.vectors().dimension(), allowed, options);
      lane.cursor->begin(k);
      ++busy;
    };
    for (Lane& lane : lanes) begin(lane);
    while (busy > 0) {
      for (Lane& lane : lanes) {
        if (!lane.cursor || lane.cursor->step()) continue;
        emit(lane.row, lane.cursor->next(k));
        --busy;
        begin(lane);
      }
    }
  };
  in_parallel(0, (queries.count + block - 1) / block, threads, [&] { return answer; });
}

}  // namespace clew
