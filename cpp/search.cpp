#include "search.hpp"

#include <algorithm>
#include <utility>

namespace clew {
namespace {

// Of how many leaders the landmarks are scored. With 2 instead of 3 a query takes a fiftieth less, and more walks end
// in the wrong cluster: 4 of 500 instead of 2 at a beam of 48, 200,000 x 128.
constexpr std::size_t GROUPS = 3;

// Two slots at once keep more rows in flight than the unvisited neighbours of one, and cost recall nothing: at equal
// beams it rose (0.9916 to 0.9952 at 24 places, 50,000 x 128) for the same time.
constexpr std::size_t EXPAND_AT_ONCE = 2;
// What waits in the beam of a walk that goes on, or in one of so many places, is as good as sure to be expanded: so
// many at once cost no distances there, or few.
constexpr std::size_t LONG_BEAM = 256;
constexpr std::size_t EXPAND_AT_ONCE_SURE = 8;

// The neighbour row of a slot that enters the beam this near to where the walk is will be wanted soon.
constexpr std::size_t SOON = 4;

// Of many that are scored at once, the first so many say how near the others have to be to matter.
constexpr std::size_t SCORED_AT_ONCE = 32;

}  // namespace

Walk::Walk(const Graph& graph)
    : graph_(graph), steps_(best_kernels().steps), query_(graph.vectors().metric(), graph.vectors().dimension()) {}

void Walk::start(const float* query, Purpose purpose) {
  query_.assign(query);
  purpose_ = purpose;
  capacity_ = head_ = next_ = distances_ = 0;
  at_once_ = EXPAND_AT_ONCE;
  beam_.clear();
  evicted_.clear();
  consumed_.clear();
  if (room_ == nullptr) room_ = graph_.workrooms().take(ticket_);
  room_->met.clear();
  room_->found.clear();
  path_.clear();
  Guide guide = graph_.guide();
  const bool codes_serve = guide.codes != nullptr && (purpose != Purpose::link || guide.codes->links());
  codes_ = codes_serve ? std::move(guide.codes) : nullptr;
  if (codes_ != nullptr) codes_->assign(coded_, query_.row(), query_.length());
  if (codes_ != nullptr && !coded_.usable) codes_ = nullptr;
  coarse_ = codes_ != nullptr && purpose != Purpose::link && coded_.coarse_usable;
  end_ = codes_ != nullptr ? codes_->end() : NO_SLOT;
  meet(*guide.landmarks);
}

// Finds the landmarks of the nearest leaders.
void Walk::meet(const Landmarks& landmarks) {
  Room<Slot>& found = room_->found;
  std::vector<Key>& leaders = room_->leaders;
  found.assign(landmarks.leaders().begin(), landmarks.leaders().end());
  fetch(0);
  compute_scores();
  leaders.clear();
  for (std::size_t i = 0; i < found.size(); ++i) leaders.push_back(make_key(room_->scores[i], static_cast<Slot>(i)));
  const std::size_t groups = std::min(GROUPS, leaders.size());
  std::ranges::nth_element(leaders, leaders.begin() + static_cast<std::ptrdiff_t>(groups - 1));
  found.clear();
  for (std::size_t i = 0; i < groups; ++i) {
    find_new(landmarks.group(slot_of(leaders[i])));
  }
  fetch(0);
}

// What of these has not been met before is found.
void Walk::find_new(std::span<const Slot> slots) {
  Room<Slot>& found = room_->found;
  const std::size_t before = found.size();
  found.resize(before + slots.size());
  found.resize(before + room_->met.insert(slots, found.data() + before));
}

bool Walk::step() {
  score();
  std::size_t expanded = 0;
  for (; next_ < beam_.size() && expanded < at_once_; ++next_) {
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
  for (std::size_t at = next_; at < beam_.size() && ahead < at_once_; ++at) {
    if ((beam_[at] & EXPANDED) != 0) continue;
    graph_.prefetch_edges(slot_of(beam_[at]));
    ++ahead;
  }
}

void Walk::consume(std::size_t count) {
  if (may_go_on()) {
    for (const Key key : beam().first(count)) consumed_.push_back(slot_of(key));
  }
  head_ += count;
}

// Thousands of walks may be waiting: what they need only while they run is for others meanwhile.
void Walk::pause() { ticket_ = graph_.workrooms().leave(std::move(room_)); }

void Walk::stop() {
  codes_.reset();
  if (room_ != nullptr) {
    graph_.workrooms().give_back(std::move(room_));
  } else {
    graph_.workrooms().give_up(std::exchange(ticket_, Workrooms::NOBODY));
  }
}

void Walk::go_on() {
  at_once_ = EXPAND_AT_ONCE_SURE;
  room_ = graph_.workrooms().take(ticket_);
  if (std::exchange(ticket_, Workrooms::NOBODY) != Workrooms::NOBODY) return;
  const auto mark = [this](Slot slot) { room_->met.insert({&slot, 1}, &slot); };
  for (const Key key : beam()) mark(slot_of(key));
  evicted_.each([&](Key key) { mark(slot_of(key)); });
  for (const Slot slot : consumed_) mark(slot);
}

void Walk::begin(std::size_t ef) {
  if (room_ == nullptr) go_on();
  if (head_ > beam_.size() / 2) {
    beam_.erase(beam_.begin(), beam_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  // All of the beam has been expanded; nothing in `evicted_` is nearer than its last, so what comes out goes to its
  // end.
  next_ = beam_.size();
  if (ef >= LONG_BEAM) at_once_ = EXPAND_AT_ONCE_SURE;
  capacity_ = std::max(ef, beam_.size() - head_);
  evicted_.take(capacity_ - (beam_.size() - head_), ~Key{0}, beam_);
  look_ahead();
}

void Walk::expand(std::size_t at) {
  const Key key = beam_[at];
  const Slot slot = slot_of(key);
  beam_[at] |= EXPANDED;
  Room<Slot>& found = room_->found;
  const std::size_t before = found.size();
  found.resize(before + graph_.options().degree + Steps::SPARE);
  Slot* const neighbors = found.data() + before;
  found.resize(before + room_->met.insert({neighbors, read_neighbors(slot, neighbors)}, neighbors));
  fetch(before);
  purpose_ == Purpose::link ? path_.push_back(key) : expand_copies(key);
}

// Writes those that this walk may go by to `out`; some that it has met may be left out.
std::size_t Walk::read_neighbors(Slot slot, Slot* out) const {
  const std::atomic<Slot>* places = graph_.neighbors(slot);
  const std::size_t degree = graph_.options().degree;
  if (READS_PLACES_AT_ONCE && steps_ != nullptr) {
    static_assert(sizeof(std::atomic<Slot>) == sizeof(Slot));
    return steps_->unmarked(reinterpret_cast<const Slot*>(places), degree, end_, room_->met.words(), out);
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < degree; ++i) {
    const Slot place = places[i].load(std::memory_order_acquire);
    if (place == Graph::EMPTY) break;
    out[count] = Graph::from_place(place);
    count += static_cast<std::size_t>(out[count] < end_);
  }
  return count;
}

// Asks for what was found from place `first` on.
void Walk::fetch(std::size_t first) {
  const Room<Slot>& found = room_->found;
  if (coarse_) {
    room_->rows.resize(found.size());
    for (std::size_t i = first; i < found.size(); ++i) room_->rows[i] = codes_->fetch_coarse(found[i]);
  } else if (codes_ != nullptr) {
    for (std::size_t i = first; i < found.size(); ++i) codes_->prefetch_whole(found[i]);
  } else {
    for (std::size_t i = first; i < found.size(); ++i) graph_.vectors().prefetch(found[i]);
  }
}

void Walk::expand_copies(Key key) {
  // Collected first: inserting moves the beam that is being expanded.
  for (Slot copy = graph_.next_copy(slot_of(key)); copy != NO_SLOT; copy = graph_.next_copy(copy)) {
    Slot added;
    if (room_->met.insert({&copy, 1}, &added) != 0) copies_.push_back(make_key(distance_of(key), copy) | EXPANDED);
  }
}

void Walk::score() {
  compute_scores();
  Room<Slot>& found = room_->found;
  Room<Key>& fresh = room_->fresh;
  Room<Key>& far = room_->far;
  for (std::size_t start = 0; start < found.size() || !copies_.empty(); start += SCORED_AT_ONCE) {
    const std::size_t n = std::min(SCORED_AT_ONCE, found.size() - start);
    const bool full = beam_.size() - head_ == capacity_;
    fresh.resize(n + Steps::SPARE);
    far.resize(n + Steps::SPARE);
    const std::size_t near = part(start, n, full ? beam_.back() : ~Key{0});
    if (may_go_on()) evicted_.push({far.data(), n - near});
    fresh.resize(near);
    fresh.insert(fresh.end(), copies_.begin(), copies_.end());
    copies_.clear();
    if (!fresh.empty()) merge();
  }
  found.clear();
}

// Makes keys of so many that were found: those less than `limit`, how many it returns, are fresh, and the others far.
std::size_t Walk::part(std::size_t start, std::size_t count, Key limit) {
  Room<Key>& fresh = room_->fresh;
  Room<Key>& far = room_->far;
  const float* const scores = room_->scores.data() + start;
  const std::span<const Slot> slots = std::span<const Slot>(room_->found).subspan(start, count);
  if (steps_ != nullptr) return steps_->part(scores, slots, limit, fresh.data(), far.data());
  // Most of what is scored is no nearer than the last of a full beam, and which is so is anybody's guess: no branch.
  std::size_t near = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Key key = make_key(scores[i], slots[i]);
    fresh[near] = far[i - near] = key;
    near += static_cast<std::size_t>(key < limit);
  }
  return near;
}

// Moves what is fresh into the beam, and out of it what it has no room for.
void Walk::merge() {
  const bool few = beam_.size() - head_ + room_->fresh.size() <= Steps::MERGED_MAX;
  steps_ != nullptr&& few ? merge_few() : merge_many();
  for (std::size_t i = next_; i < std::min(next_ + SOON, beam_.size()); ++i) graph_.prefetch_edges(slot_of(beam_[i]));
}

void Walk::merge_few() {
  Room<Key>& merged = room_->merged;
  const std::size_t count = beam_.size() - head_ + room_->fresh.size();
  merged.resize(count + Steps::SPARE);
  const std::size_t first = steps_->merge(beam(), room_->fresh, merged.data());
  merged.resize(count);
  if (merged.size() > capacity_) {
    if (may_go_on()) evicted_.push(std::span<const Key>(merged).subspan(capacity_));
    merged.resize(capacity_);
  }
  next_ = std::min(next_ - head_, first);
  head_ = 0;
  beam_.swap(merged);
}

void Walk::merge_many() {
  Room<Key>& fresh = room_->fresh;
  if (fresh.size() > capacity_) {
    const auto end = fresh.begin() + static_cast<std::ptrdiff_t>(capacity_);
    std::ranges::nth_element(fresh, end);
    if (may_go_on()) evicted_.push({end, fresh.end()});
    fresh.erase(end, fresh.end());
  }
  std::ranges::sort(fresh);
  while (beam_.size() - head_ + fresh.size() > capacity_) {
    Room<Key>& last = beam_.size() > head_ && (fresh.empty() || beam_.back() > fresh.back()) ? beam_ : fresh;
    if (may_go_on()) evicted_.push({&last.back(), 1});
    last.pop_back();
  }
  next_ = std::min(next_, merge_sorted(beam_, head_, fresh));
}

void Walk::compute_scores() {
  const Room<Slot>& found = room_->found;
  Room<float>& scores = room_->scores;
  const VectorStore& vectors = graph_.vectors();
  scores.resize(found.size());
  distances_ += found.size();
  if (coarse_) {
    codes_->coarse_distances(coded_, room_->rows, scores.data());
  } else if (codes_ != nullptr && purpose_ == Purpose::link) {
    codes_->pair_distances(coded_, found.data(), found.size(), scores.data());
  } else if (codes_ != nullptr) {
    codes_->distances(coded_, found.data(), found.size(), scores.data());
  } else if (purpose_ == Purpose::link) {
    vectors.pair_distances(query_.row(), query_.length(), found.data(), found.size(), scores.data());
  } else {
    vectors.distances(query_, found.data(), found.size(), scores.data());
  }
}

std::span<const Key> Walk::trail() {
  const Key last = beam_.back() | EXPANDED;
  std::ranges::sort(path_);
  beam_.insert(beam_.end(), std::ranges::upper_bound(path_, last), path_.end());
  return beam();
}

std::size_t Walk::bytes() const {
  const std::size_t room = room_ != nullptr ? room_->bytes() : 0;
  return beam_.capacity() * sizeof(Key) + evicted_.bytes() + consumed_.capacity() * sizeof(Slot) + room;
}

}  // namespace clew
