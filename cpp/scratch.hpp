// What one query works in. Kept by the graph between queries.
#pragma once

#include <vector>

#include "containers.hpp"
#include "search.hpp"

namespace clew {

struct Scratch {
  explicit Scratch(const Graph& graph) : walk(graph) {}

  Walk walk;
  SlotSet returned;
  std::vector<Key> batch;
  std::vector<Key> nearby;   // picked from the beam, to be scored exactly
  std::vector<Key> pending;  // scored exactly, and not yet returned
};

}  // namespace clew
