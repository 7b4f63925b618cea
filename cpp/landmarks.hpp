// Where walks begin: slots spread evenly over a graph, in groups around some of them.
//
// The nearest of many landmarks is closer than any one entry point could be, and lies in the right cluster more often.
// To find it not all are scored: a few leaders first, then the groups of the nearest leaders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "types.hpp"

namespace clew {

class Graph;

class Landmarks {
 public:
  // Among the first `count` slots.
  Landmarks(const Graph& graph, Slot count);

  // How many slots they were chosen among.
  Slot count() const { return count_; }
  std::span<const Slot> leaders() const { return leaders_; }
  // The landmarks nearest to a leader, itself first.
  std::span<const Slot> group(std::size_t leader) const {
    return {members_.data() + starts_[leader], members_.data() + starts_[leader + 1]};
  }

 private:
  Slot count_;
  std::vector<Slot> leaders_;
  std::vector<Slot> members_;
  std::vector<std::uint32_t> starts_;
};

}  // namespace clew
