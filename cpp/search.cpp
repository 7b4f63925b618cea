#include "search.hpp"

#include <algorithm>

namespace clew {
namespace {

// Of how many leaders the landmarks are scored.
constexpr std::size_t GROUPS = 2;

// Two slots at once keep more rows in flight than the unvisited neighbours of one, and cost recall nothing: at equal
// beams it rose (0.9916 to 0.9952 at 24 places, 50,000 x 128) for the same time.
constexpr std::size_t EXPAND_AT_ONCE = 2;

// The neighbour row of a slot that enters the beam this near to where the walk is will be wanted soon.
constexpr std::size_t SOON = 4;

}  // namespace

Walk::Walk(const Graph& graph) : graph_(graph), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

void Walk::start(const float* query, Purpose purpose) {
  query_.assign(query);
  purpose_ = purpose;
  capacity_ = head_ = next_ = distances_ = 0;
  beam_.clear();
  evicted_.clear();
  visited_.clear();
  found_.clear();
  path_.clear();
  Guide guide = graph_.guide();
  const bool codes_serve = guide.codes != nullptr && (purpose != Purpose::link || guide.codes->links());
  codes_ = codes_serve ? std::move(guide.codes) : nullptr;
  if (codes_ != nullptr) codes_->assign(coded_, query_.row(), query_.length());
  if (codes_ != nullptr && !coded_.usable) codes_ = nullptr;
  end_ = codes_ != nullptr ? codes_->end() : NO_SLOT;
  meet(*guide.landmarks);
}

// Finds the landmarks of the nearest leaders.
void Walk::meet(const Landmarks& landmarks) {
  found_.assign(landmarks.leaders().begin(), landmarks.leaders().end());
  compute_scores();
  leaders_.clear();
  for (std::size_t i = 0; i < found_.size(); ++i) leaders_.push_back(make_key(scores_[i], static_cast<Slot>(i)));
  const std::size_t groups = std::min(GROUPS, leaders_.size());
  std::ranges::nth_element(leaders_, leaders_.begin() + static_cast<std::ptrdiff_t>(groups - 1));
  found_.clear();
  for (std::size_t i = 0; i < groups; ++i) {
    for (const Slot slot : landmarks.group(slot_of(leaders_[i]))) {
      if (visited_.insert(slot)) found_.push_back(slot);
    }
  }
}

bool Walk::step() {
  score();
  std::size_t expanded = 0;
  for (; next_ < beam_.size() && expanded < EXPAND_AT_ONCE; ++next_) {
    if ((beam_[next_] & EXPANDED) != 0) continue;
    expand(next_);
    ++expanded;
  }
  look_ahead();
  return expanded > 0;
}

// What will be expanded next, unless the rows now on their way are nearer: then they have been asked for by insert().
void Walk::look_ahead() const {
  std::size_t ahead = 0;
  for (std::size_t at = next_; at < beam_.size() && ahead < EXPAND_AT_ONCE; ++at) {
    if ((beam_[at] & EXPANDED) != 0) continue;
    graph_.prefetch_edges(slot_of(beam_[at]));
    ++ahead;
  }
}

void Walk::begin(std::size_t ef) {
  if (head_ > beam_.size() / 2) {
    beam_.erase(beam_.begin(), beam_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  // All of the beam has been expanded; nothing in `evicted` is nearer than its last, so what comes out goes to its end.
  next_ = beam_.size();
  capacity_ = std::max(ef, beam_.size() - head_);
  while (beam_.size() - head_ < capacity_ && !evicted_.empty()) beam_.push_back(evicted_.pop());
}

void Walk::expand(std::size_t at) {
  const Key key = beam_[at];
  const Slot slot = slot_of(key);
  beam_[at] |= EXPANDED;
  const std::atomic<Slot>* places = graph_.neighbors(slot);
  const std::size_t degree = graph_.options().degree;
  const std::size_t before = found_.size();
  std::size_t end = before;
  found_.resize(before + degree);
  for (std::size_t i = 0; i < degree; ++i) {
    const Slot place = places[i].load(std::memory_order_acquire);
    if (place == Graph::EMPTY) break;
    const Slot neighbor = Graph::from_place(place);
    found_[end] = neighbor;
    end += static_cast<std::size_t>(visited_.insert(neighbor)) & static_cast<std::size_t>(neighbor < end_);
  }
  found_.resize(end);
  for (std::size_t i = before; i < end; ++i) {
    codes_ != nullptr ? codes_->prefetch(found_[i]) : graph_.vectors().prefetch(found_[i]);
  }
  purpose_ == Purpose::link ? path_.push_back(key) : expand_copies(key);
}

void Walk::expand_copies(Key key) {
  // Collected first: inserting moves the beam that is being expanded.
  for (Slot copy = graph_.next_copy(slot_of(key)); copy != NO_SLOT; copy = graph_.next_copy(copy)) {
    if (visited_.insert(copy)) copies_.push_back(make_key(distance_of(key), copy) | EXPANDED);
  }
}

void Walk::score() {
  compute_scores();
  for (std::size_t i = 0; i < found_.size(); ++i) insert(make_key(scores_[i], found_[i]));
  found_.clear();
  for (const Key copy : copies_) insert(copy);
  copies_.clear();
}

void Walk::compute_scores() {
  const VectorStore& vectors = graph_.vectors();
  scores_.resize(found_.size());
  distances_ += found_.size();
  if (codes_ != nullptr && purpose_ == Purpose::link) {
    codes_->pair_distances(coded_, found_.data(), found_.size(), scores_.data());
  } else if (codes_ != nullptr) {
    codes_->distances(coded_, found_.data(), found_.size(), scores_.data());
  } else if (purpose_ == Purpose::link) {
    vectors.pair_distances(query_.row(), query_.length(), found_.data(), found_.size(), scores_.data());
  } else {
    vectors.distances(query_, found_.data(), found_.size(), scores_.data());
  }
}

void Walk::insert(Key key) {
  if (beam_.size() - head_ == capacity_) {
    if (key > beam_.back()) return evict(key);
    evict(beam_.back());
    beam_.pop_back();
  }
  const std::size_t position = place_of(key);
  if (position < next_ + SOON) graph_.prefetch_edges(slot_of(key));
  next_ = std::min(next_, position);
  beam_.insert(beam_.begin() + static_cast<std::ptrdiff_t>(position), key);
}

// The first place of the beam whose key is not less. Without a branch: where a new key belongs is anybody's guess.
std::size_t Walk::place_of(Key key) const {
  const Key* at = beam_.data() + head_;
  for (std::size_t left = beam_.size() - head_; left > 0;) {
    const std::size_t half = (left + 1) / 2;
    at = at[half - 1] < key ? at + half : at;
    left = left / 2;
  }
  return static_cast<std::size_t>(at - beam_.data());
}

std::span<const Key> Walk::trail() {
  const Key last = beam_.back() | EXPANDED;
  std::ranges::sort(path_);
  beam_.insert(beam_.end(), std::ranges::upper_bound(path_, last), path_.end());
  return beam();
}

void Walk::evict(Key key) {
  if (purpose_ == Purpose::resume) evicted_.push(key);
}

std::size_t Walk::bytes() const { return beam_.capacity() * sizeof(Key) + evicted_.bytes() + visited_.bytes(); }

}  // namespace clew
