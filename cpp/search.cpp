#include "search.hpp"

#include <algorithm>

namespace clew {
namespace {

// Expanding two slots at once keeps more rows in flight than the unvisited neighbours of one would.
constexpr std::size_t EXPAND_AT_ONCE = 2;

}  // namespace

Walk::Walk(const Graph& graph) : graph_(graph), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

void Walk::start(const float* query, Slot entry, Purpose purpose) {
  query_.assign(query);
  purpose_ = purpose;
  capacity_ = head_ = next_ = distances_ = 0;
  beam_.clear();
  evicted_.clear();
  visited_.clear();
  found_.assign(1, entry);
  visited_.insert(entry);
}

void Walk::run(std::size_t ef) {
  refill(ef);
  while (true) {
    score();
    std::size_t expanded = 0;
    for (; next_ < beam_.size() && expanded < EXPAND_AT_ONCE; ++next_) {
      if ((beam_[next_] & EXPANDED) != 0) continue;
      expand(next_);
      ++expanded;
    }
    if (expanded == 0) return;
    // The row that is likely to be needed next is on its way while these are scored.
    if (next_ < beam_.size()) __builtin_prefetch(graph_.neighbors(slot_of(beam_[next_])));
  }
}

void Walk::refill(std::size_t ef) {
  beam_.erase(beam_.begin(), beam_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = next_ = 0;
  capacity_ = std::max(ef, beam_.size());
  // Nothing in `evicted` is nearer than the last of the beam, so what comes out goes to its end.
  while (beam_.size() < capacity_ && !evicted_.empty()) beam_.push_back(evicted_.pop());
}

void Walk::expand(std::size_t at) {
  const Key key = beam_[at];
  const Slot slot = slot_of(key);
  beam_[at] |= EXPANDED;
  const std::atomic<Slot>* places = graph_.neighbors(slot);
  for (std::size_t i = 0; i < graph_.options().degree; ++i) {
    const Slot place = places[i].load(std::memory_order_acquire);
    if (place == Graph::EMPTY) break;
    const Slot neighbor = Graph::from_place(place);
    if (!visited_.insert(neighbor)) continue;
    graph_.vectors().prefetch(neighbor);
    found_.push_back(neighbor);
  }
  if (purpose_ != Purpose::link) expand_copies(key);
}

void Walk::expand_copies(Key key) {
  // Collected first: inserting moves the beam that is being expanded.
  for (Slot copy = graph_.next_copy(slot_of(key)); copy != NO_SLOT; copy = graph_.next_copy(copy)) {
    if (visited_.insert(copy)) copies_.push_back(make_key(distance_of(key), copy) | EXPANDED);
  }
}

void Walk::score() {
  const VectorStore& vectors = graph_.vectors();
  scores_.resize(found_.size());
  if (purpose_ == Purpose::link) {
    vectors.pair_distances(query_.row(), query_.length(), found_.data(), found_.size(), scores_.data());
  } else {
    vectors.distances(query_, found_.data(), found_.size(), scores_.data());
  }
  distances_ += found_.size();
  for (std::size_t i = 0; i < found_.size(); ++i) insert(make_key(scores_[i], found_[i]));
  found_.clear();
  for (const Key copy : copies_) insert(copy);
  copies_.clear();
}

void Walk::insert(Key key) {
  if (beam_.size() - head_ == capacity_) {
    if (key > beam_.back()) return evict(key);
    evict(beam_.back());
    beam_.pop_back();
  }
  const auto at = std::lower_bound(beam_.begin() + static_cast<std::ptrdiff_t>(head_), beam_.end(), key);
  next_ = std::min(next_, static_cast<std::size_t>(at - beam_.begin()));
  beam_.insert(at, key);
}

void Walk::evict(Key key) {
  if (purpose_ == Purpose::resume) evicted_.push(key);
}

std::size_t Walk::bytes() const {
  return beam_.capacity() * sizeof(Key) + evicted_.bytes() + visited_.bytes();
}

}  // namespace clew
