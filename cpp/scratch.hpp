// What one query works in. Kept by the graph between queries.
#pragma once

#include <cstddef>
#include <vector>

#include "containers.hpp"
#include "pile.hpp"
#include "search.hpp"

namespace clew {

struct Scratch {
  explicit Scratch(const Graph& graph) : walk(graph) {}

  std::size_t bytes() const {
    return walk.bytes() + returned.bytes() + nearby.bytes() +
           (batch.capacity() + picked.capacity() + pending.capacity()) * sizeof(Key);
  }

  Walk walk;
  SlotSet returned;
  std::vector<Key> batch;
  std::vector<Key> picked;   // from the beam
  KeyPile nearby;            // picked, by whole codes, and to be scored exactly
  std::vector<Key> pending;  // scored exactly, and not yet returned
};

}  // namespace clew
