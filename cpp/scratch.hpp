// What one query works in. Kept by the graph between queries.
#pragma once

#include <vector>

#include "exact.hpp"
#include "search.hpp"

namespace clew {

struct Scratch {
  explicit Scratch(const Graph& graph) : walk(graph), scan(graph) {}

  Walk walk;
  Scan scan;
  SlotSet returned;
  std::vector<Key> batch;
  std::vector<Key> picked;  // of the beam, to be rescored
  std::vector<Key> exact;   // the same with exact distances
};

}  // namespace clew
