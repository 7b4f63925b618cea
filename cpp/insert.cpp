// Rows into the store, slots into the graph.
#include <algorithm>
#include <stdexcept>

#include "exact.hpp"
#include "graph.hpp"
#include "parallel.hpp"
#include "prune.hpp"
#include "scratch.hpp"

namespace clew {
namespace {

// The first slots are linked by one thread: many threads that start from an empty graph would not see each other.
constexpr Slot LINKED_ALONE = 1000;

// The guide is renewed, beside every time the graph has doubled, when one row in so many does not fit the codes.
constexpr Slot WILD_SHARE = 32;
constexpr std::size_t EDGES_SAMPLED = 256;

// Before anything is made of them.
const GraphOptions& checked(std::size_t dimension, const GraphOptions& options) {
  if (dimension == 0) throw std::invalid_argument("dimension is 0, expected at least 1");
  if (options.degree < 2)
    throw std::invalid_argument("degree is " + std::to_string(options.degree) + ", expected at least 2");
  if (options.ef_construction == 0) throw std::invalid_argument("ef_construction is 0, expected at least 1");
  if (!(options.alpha >= 1)) throw std::invalid_argument("alpha is less than 1");
  return options;
}

}  // namespace

Graph::Graph(std::size_t dimension, Metric metric, const GraphOptions& options)
    : options_(checked(dimension, options)),
      vectors_(dimension, metric),
      neighbors_(options.degree),
      copies_(1),
      edges_into_(1),
      removed_(1),
      row_locks_(std::make_unique<std::mutex[]>(ROW_LOCKS)) {}

Graph::~Graph() = default;

Guide Graph::guide() const {
  const std::lock_guard guard(view_lock_);
  return {landmarks_, codes_};
}

View Graph::view() const {
  const std::lock_guard guard(view_lock_);
  return view_;
}

Slot Graph::apply(const float* added, std::size_t count, std::span<const Slot> removed, Seq seq, unsigned threads) {
  View next = view();
  const Slot first = next.limit;
  if (first + count > SLOTS_MAX - 1) throw std::length_error("a graph holds at most 2^31 - 1 slots");
  for (const Slot slot : removed) {
    if (slot >= first) throw std::out_of_range("removed slot does not exist");
  }
  const auto end = static_cast<Slot>(first + count);
  vectors_.reserve(end);
  removed_.reserve(end);
  Prepared row(vectors_.metric(), vectors_.dimension());
  for (std::size_t i = 0; i < count; ++i) {
    const float* vector = added + i * vectors_.dimension();
    row.assign(vector);
    vectors_.set(static_cast<Slot>(first + i), row, vector);
  }
  link_all(first, end, std::max(threads, 1U));

  next.limit = end;
  next.live += count;
  next.seq = seq;
  for (const Slot slot : removed) {
    if (removed_[slot]->load(std::memory_order_relaxed) != 0) continue;
    removed_[slot]->store(seq, std::memory_order_relaxed);
    --next.live;
  }
  const std::lock_guard guard(view_lock_);
  view_ = next;
  return first;
}

void Graph::link_all(Slot first, Slot end, unsigned threads) {
  if (end < options_.link_min || first == end) return;
  neighbors_.reserve(end);
  copies_.reserve(end);
  edges_into_.reserve(end);
  if (codes_ != nullptr) codes_->reserve(end);
  if (landmarks_ == nullptr) {  // enough slots for a graph at last
    vectors_.use_huge_pages();
    neighbors_.use_huge_pages();
    landmarks_ = std::make_shared<Landmarks>(*this, 1);
    first = std::min(end, LINKED_ALONE);
    link_range(1, first, 1);
    renew_guide(first, end, threads);
  }
  while (first < end) {
    const Slot stop = std::min(end, 2 * landmarks_->count());
    link_range(first, stop, threads);
    first = stop;
    if (first == 2 * landmarks_->count()) renew_guide(first, end, threads);
  }
  const bool drifted = codes_ != nullptr && codes_->wild_count() > end / WILD_SHARE;
  if (drifted && end / 4 * 3 > landmarks_->count()) renew_guide(end, end, threads);
  linked_.store(true, std::memory_order_release);
}

void Graph::link_range(Slot first, Slot end, unsigned threads) {
  in_parallel(first, end, threads, [this] {
    return [this, walk = std::make_unique<Walk>(*this), pruner = Pruner(*this)](Slot slot) mutable {
      link(slot, *walk, pruner);
    };
  });
}

// Landmarks among the first `count` slots, and codes by a grid that fits these, with room for `end`.
void Graph::renew_guide(Slot count, Slot end, unsigned threads) {
  auto landmarks = std::make_shared<const Landmarks>(*this, count);
  std::shared_ptr<Codes> codes;
  if (options_.codes) codes = Codes::train(vectors_, count, typical_edge(count));
  if (codes != nullptr) {
    codes->reserve(end);
    in_parallel(0, count, threads, [&] { return [&](Slot slot) { codes->encode(slot); }; });
  }
  const std::lock_guard guard(view_lock_);
  if (codes_ != nullptr) codes_->close(count);
  codes_ = std::move(codes);
  landmarks_ = std::move(landmarks);
}

// The median pair distance of slots to their nearest neighbour.
double Graph::typical_edge(Slot count) const {
  std::vector<float> nearest;
  for (std::size_t i = 0; i < EDGES_SAMPLED; ++i) {
    const auto slot = static_cast<Slot>(i * count / EDGES_SAMPLED);
    const Slot place = neighbors(slot)->load(std::memory_order_relaxed);
    if (place == EMPTY) continue;
    const Slot neighbor = from_place(place);
    float distance = 0;
    vectors_.pair_distances(vectors_.row(slot), vectors_.length(slot), &neighbor, 1, &distance);
    nearest.push_back(distance);
  }
  if (nearest.empty()) return 0;
  const auto middle = nearest.begin() + static_cast<std::ptrdiff_t>(nearest.size() / 2);
  std::ranges::nth_element(nearest, middle);
  return double{*middle};
}

void Graph::link(Slot slot, Walk& walk, Pruner& pruner) {
  if (codes_ != nullptr) codes_->encode(slot);
  walk.start(vectors_.row(slot), Purpose::link);
  walk.run(options_.ef_construction);
  if (attach_copy(slot, walk)) return;
  const auto chosen = pruner.choose(slot, walk.trail());
  {
    const std::lock_guard guard(row_lock(slot));
    write_row(slot, chosen);
  }
  // A copy: adding edges uses the pruner again.
  const std::vector<Slot> targets(chosen.begin(), chosen.end());
  for (const Slot target : targets) add_edge(target, slot, pruner);
}

bool Graph::attach_copy(Slot slot, const Walk& walk) {
  float same = 0;  // what copies are at: codes that are clipped differ from the vector they stand for
  if (walk.codes() != nullptr) walk.codes()->pair_distances(walk.coded(), &slot, 1, &same);
  for (const Key key : walk.beam()) {
    if (distance_of(key) > same) return false;
    const Slot original = slot_of(key);
    if (!vectors_.same(slot, original)) continue;
    const std::lock_guard guard(row_lock(original));
    copies_[slot]->store(copies_[original]->load(std::memory_order_relaxed), std::memory_order_relaxed);
    copies_[original]->store(slot + 1, std::memory_order_release);
    any_copies_.store(true, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void Graph::write_row(Slot slot, std::span<const Slot> targets) {
  for (const Slot target : targets) *edges_into_[target] += 1;
  std::atomic<Slot>* places = neighbors_[slot];
  for (std::size_t i = 0; i < options_.degree; ++i) {
    const Slot place = i < targets.size() ? targets[i] + 1 : EMPTY;
    const Slot before = places[i].exchange(place, std::memory_order_acq_rel);
    if (before != EMPTY) *edges_into_[from_place(before)] -= 1;
  }
}

void Graph::add_edge(Slot from, Slot to, Pruner& pruner) {
  const std::lock_guard guard(row_lock(from));
  std::atomic<Slot>* places = neighbors_[from];
  for (std::size_t i = 0; i < options_.degree; ++i) {
    const Slot place = places[i].load(std::memory_order_relaxed);
    if (place == to + 1) return;
    if (place != EMPTY) continue;
    places[i].store(to + 1, std::memory_order_release);
    *edges_into_[to] += 1;
    return;
  }
  *edges_into_[to] += 1;  // for as long as it is a candidate, like those that have an edge already
  write_row(from, pruner.choose_with(from, to));
  *edges_into_[to] -= 1;
}

std::size_t Graph::bytes() const {
  const std::size_t links = linked() ? (options_.degree + 2) * sizeof(Slot) : 0;
  const auto coded = guide().codes;
  return view().limit * (vectors_.row_bytes() + (coded ? coded->row_bytes() : 0) + sizeof(Seq) + links);
}

}  // namespace clew
