#include "landmarks.hpp"

#include <algorithm>
#include <cmath>

#include "graph.hpp"

namespace clew {
namespace {

// With fewer landmarks walks end in the wrong cluster more often; with more, scoring them costs more than it saves.
constexpr std::size_t SLOTS_PER_LANDMARK = 200;
constexpr std::size_t LANDMARKS_MIN = 256;
constexpr std::size_t LANDMARKS_MAX = 8192;

}  // namespace

Landmarks::Landmarks(const Graph& graph, Slot count) : count_(count) {
  std::vector<Slot> all;
  const std::size_t wanted = std::clamp(count / SLOTS_PER_LANDMARK, LANDMARKS_MIN, LANDMARKS_MAX);
  const std::size_t number = std::min<std::size_t>(wanted, count);
  for (std::size_t i = 0; i < number; ++i) {
    const auto slot = static_cast<Slot>(i * count / number);
    // Slot 0 is a node; others may be copies that hang on one, from which no edge leads on.
    if (slot == 0 || graph.neighbors(slot)->load(std::memory_order_relaxed) != Graph::EMPTY) all.push_back(slot);
  }
  const auto groups = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(all.size()))));
  std::vector<std::vector<Slot>> grouped(groups);
  for (std::size_t i = 0; i < groups; ++i) {
    leaders_.push_back(all[i * all.size() / groups]);
    grouped[i].push_back(leaders_[i]);
  }
  const VectorStore& vectors = graph.vectors();
  std::vector<float> distances(groups);
  for (const Slot slot : all) {
    if (std::ranges::find(leaders_, slot) != leaders_.end()) continue;
    vectors.pair_distances(vectors.row(slot), vectors.length(slot), leaders_.data(), groups, distances.data());
    grouped[static_cast<std::size_t>(std::ranges::min_element(distances) - distances.begin())].push_back(slot);
  }
  for (const std::vector<Slot>& group : grouped) {
    starts_.push_back(static_cast<std::uint32_t>(members_.size()));
    members_.insert(members_.end(), group.begin(), group.end());
  }
  starts_.push_back(static_cast<std::uint32_t>(members_.size()));
}

}  // namespace clew
