// A graph without its tombstones.
#include <algorithm>

#include "exact.hpp"
#include "graph.hpp"
#include "parallel.hpp"
#include "prune.hpp"
#include "scratch.hpp"

namespace clew {

// What becomes of the slots and nodes of a graph that is compacted. A node is a slot with the exact copies that hang
// on it; the first of them that lives inherits its place, and where none does the node is gone.
struct Survivors {
  Survivors(const Graph& old, const View& view);

  std::vector<Slot> old_slots;            // of each new slot
  std::vector<Slot> heirs;                // new slot that inherits from each old node, or NO_SLOT
  std::vector<std::vector<Slot>> chains;  // new slots of each node that has several, in order
};

Survivors::Survivors(const Graph& old, const View& view) : heirs(view.limit, NO_SLOT) {
  std::vector<Slot> renumbered(view.limit, NO_SLOT);
  for (Slot slot = 0; slot < view.limit; ++slot) {
    if (!old.visible(slot, view)) continue;
    renumbered[slot] = static_cast<Slot>(old_slots.size());
    old_slots.push_back(slot);
  }
  if (!old.linked()) return;
  std::vector<bool> is_copy(view.limit);
  for (Slot slot = 0; slot < view.limit; ++slot) {
    Slot copy = old.next_copy(slot);
    while (copy != NO_SLOT && copy >= view.limit) copy = old.next_copy(copy);  // a slot that came meanwhile
    if (copy != NO_SLOT) is_copy[copy] = true;
  }
  for (Slot node = 0; node < view.limit; ++node) {
    if (is_copy[node]) continue;
    std::vector<Slot> chain;
    for (Slot slot = node; slot != NO_SLOT; slot = old.next_copy(slot)) {
      if (slot < view.limit && renumbered[slot] != NO_SLOT) chain.push_back(renumbered[slot]);
    }
    if (chain.empty()) continue;
    std::ranges::sort(chain);
    heirs[node] = chain.front();
    if (chain.size() > 1) chains.push_back(std::move(chain));
  }
}

std::unique_ptr<Graph> Graph::compact(std::vector<Slot>& old_slots, unsigned threads) const {
  const View from = view();
  Survivors survivors(*this, from);
  const auto count = static_cast<Slot>(survivors.old_slots.size());
  auto graph = std::make_unique<Graph>(vectors_.dimension(), vectors_.metric(), options_);
  graph->set_scan_cost(scan_cost());
  graph->vectors_.reserve(count);
  graph->removed_.reserve(count);
  for (Slot slot = 0; slot < count; ++slot) graph->vectors_.copy(slot, vectors_, survivors.old_slots[slot]);
  if (linked() && count >= options_.link_min) graph->inherit_edges(*this, survivors, std::max(threads, 1U));
  graph->view_ = {count, count, from.seq};
  old_slots = std::move(survivors.old_slots);
  return graph;
}

void Graph::inherit_edges(const Graph& old, const Survivors& survivors, unsigned threads) {
  const auto count = static_cast<Slot>(survivors.old_slots.size());
  neighbors_.reserve(count);
  copies_.reserve(count);
  edges_into_.reserve(count);
  vectors_.use_huge_pages();
  neighbors_.use_huge_pages();
  for (const std::vector<Slot>& chain : survivors.chains) {
    for (std::size_t i = 0; i + 1 < chain.size(); ++i) *copies_[chain[i]] = chain[i + 1] + 1;
    if (chain.size() > 1) any_copies_ = true;
  }
  in_parallel(0, static_cast<Slot>(survivors.heirs.size()), threads, [&] {
    return [&, pruner = Pruner(*this), targets = std::vector<Slot>()](Slot node) mutable {
      if (old.compacting_given_up_.load(std::memory_order_relaxed)) throw GivenUp("the compaction was given up");
      if (survivors.heirs[node] == NO_SLOT) return;
      inherited_targets(old, survivors, node, targets);
      if (targets.size() <= options_.degree) {
        write_row(survivors.heirs[node], targets);
      } else {
        write_row(survivors.heirs[node], pruner.choose_of(survivors.heirs[node], targets));
      }
    };
  });
  renew_guide(count, count, threads);
  linked_.store(true, std::memory_order_release);
}

// The new neighbours of an old node: its neighbours' heirs, and for a neighbour that is gone where that one led.
void Graph::inherited_targets(const Graph& old, const Survivors& survivors, Slot node, std::vector<Slot>& targets) {
  targets.clear();
  const auto add = [&](Slot target) {
    const Slot heir = target < survivors.heirs.size() ? survivors.heirs[target] : NO_SLOT;
    if (heir != NO_SLOT && target != node && std::ranges::find(targets, heir) == targets.end()) targets.push_back(heir);
    return heir != NO_SLOT;
  };
  const auto each_neighbor = [&old](Slot slot, auto f) {
    for (std::size_t i = 0; i < old.options_.degree; ++i) {
      const Slot place = old.neighbors(slot)[i].load(std::memory_order_relaxed);
      if (place == EMPTY) return;
      f(from_place(place));
    }
  };
  each_neighbor(node, [&](Slot neighbor) {
    if (!add(neighbor)) each_neighbor(neighbor, add);
  });
}

}  // namespace clew
