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
  beam_.clear();
  evicted_.clear();
  consumed_.clear();
  tabled_ = false;
  if (marks_ == nullptr) marks_ = graph_.marks().take();
  marks_->clear();
  found_.clear();
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
  found_.assign(landmarks.leaders().begin(), landmarks.leaders().end());
  fetch(0);
  compute_scores();
  leaders_.clear();
  for (std::size_t i = 0; i < found_.size(); ++i) leaders_.push_back(make_key(scores_[i], static_cast<Slot>(i)));
  const std::size_t groups = std::min(GROUPS, leaders_.size());
  std::ranges::nth_element(leaders_, leaders_.begin() + static_cast<std::ptrdiff_t>(groups - 1));
  found_.clear();
  for (std::size_t i = 0; i < groups; ++i) {
    find_new(landmarks.group(slot_of(leaders_[i])));
  }
  fetch(0);
}

// What of these has not been met before is found.
void Walk::find_new(std::span<const Slot> slots) {
  const std::size_t before = found_.size();
  found_.resize(before + slots.size());
  found_.resize(before + visit(slots, found_.data() + before));
}

std::size_t Walk::visit(std::span<const Slot> slots, Slot* out) {
  return marks_ != nullptr ? marks_->insert(slots.data(), slots.size(), out)
                           : visited_.insert(slots.data(), slots.size(), out);
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

void Walk::consume(std::size_t count) {
  if (goes_on() && marks_ != nullptr) {
    for (const Key key : beam().first(count)) consumed_.push_back(slot_of(key));
  }
  head_ += count;
}

void Walk::pause() {
  // Thousands of walks may be waiting: what they only work in is given back.
  free_room(found_);
  free_room(rows_);
  free_room(scores_);
  free_room(leaders_);
  free_room(fresh_);
  free_room(far_);
  free_room(merged_);
  give_marks_back();
}

void Walk::stop() {
  codes_.reset();
  give_marks_back();
}

void Walk::give_marks_back() {
  if (marks_ == nullptr) return;
  marks_->clear();
  graph_.marks().give_back(std::move(marks_));
}

// After the first pause: all that was met is in the beam, has left it, or was consumed.
void Walk::fill_table() {
  const auto insert = [this](Slot slot) { visited_.insert(&slot, 1, &slot); };
  visited_.clear();
  for (const Key key : beam()) insert(slot_of(key));
  evicted_.each([&](Key key) { insert(slot_of(key)); });
  for (const Slot slot : consumed_) insert(slot);
  free_room(consumed_);
  tabled_ = true;
}

void Walk::begin(std::size_t ef) {
  if (marks_ == nullptr && !tabled_) fill_table();
  if (head_ > beam_.size() / 2) {
    beam_.erase(beam_.begin(), beam_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  // All of the beam has been expanded; nothing in `evicted_` is nearer than its last, so what comes out goes to its
  // end.
  next_ = beam_.size();
  capacity_ = std::max(ef, beam_.size() - head_);
  while (beam_.size() - head_ < capacity_ && !evicted_.empty()) beam_.push_back(evicted_.pop());
}

void Walk::expand(std::size_t at) {
  const Key key = beam_[at];
  const Slot slot = slot_of(key);
  beam_[at] |= EXPANDED;
  const std::size_t before = found_.size();
  found_.resize(before + graph_.options().degree + Steps::SPARE);
  Slot* const neighbors = found_.data() + before;
  found_.resize(before + visit({neighbors, read_neighbors(slot, neighbors)}, neighbors));
  fetch(before);
  purpose_ == Purpose::link ? path_.push_back(key) : expand_copies(key);
}

// Writes those that this walk may go by to `out`; some that it has met may be left out.
std::size_t Walk::read_neighbors(Slot slot, Slot* out) const {
  const std::atomic<Slot>* places = graph_.neighbors(slot);
  const std::size_t degree = graph_.options().degree;
  if (READS_PLACES_AT_ONCE && steps_ != nullptr) {
    static_assert(sizeof(std::atomic<Slot>) == sizeof(Slot));
    const auto marks = marks_ != nullptr ? marks_->words() : std::span<const std::uint32_t>();
    return steps_->unmarked(reinterpret_cast<const Slot*>(places), degree, end_, marks, out);
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
  if (coarse_) {
    rows_.resize(found_.size());
    for (std::size_t i = first; i < found_.size(); ++i) rows_[i] = codes_->fetch_coarse(found_[i]);
  } else if (codes_ != nullptr) {
    for (std::size_t i = first; i < found_.size(); ++i) codes_->prefetch_whole(found_[i]);
  } else {
    for (std::size_t i = first; i < found_.size(); ++i) graph_.vectors().prefetch(found_[i]);
  }
}

void Walk::expand_copies(Key key) {
  // Collected first: inserting moves the beam that is being expanded.
  for (Slot copy = graph_.next_copy(slot_of(key)); copy != NO_SLOT; copy = graph_.next_copy(copy)) {
    Slot added;
    if (visit({&copy, 1}, &added) != 0) copies_.push_back(make_key(distance_of(key), copy) | EXPANDED);
  }
}

void Walk::score() {
  compute_scores();
  for (std::size_t start = 0; start < found_.size() || !copies_.empty(); start += SCORED_AT_ONCE) {
    const std::size_t n = std::min(SCORED_AT_ONCE, found_.size() - start);
    const bool full = beam_.size() - head_ == capacity_;
    fresh_.resize(n + Steps::SPARE);
    far_.resize(n + Steps::SPARE);
    const std::size_t near = part(start, n, full ? beam_.back() : ~Key{0});
    if (goes_on()) evicted_.push({far_.data(), n - near});
    fresh_.resize(near);
    fresh_.insert(fresh_.end(), copies_.begin(), copies_.end());
    copies_.clear();
    if (!fresh_.empty()) merge();
  }
  found_.clear();
}

// Makes keys of so many that were found: those less than `limit`, how many it returns, are fresh, and the others far.
std::size_t Walk::part(std::size_t start, std::size_t count, Key limit) {
  const float* const scores = scores_.data() + start;
  const std::span<const Slot> slots = std::span<const Slot>(found_).subspan(start, count);
  if (steps_ != nullptr) return steps_->part(scores, slots, limit, fresh_.data(), far_.data());
  // Most of what is scored is no nearer than the last of a full beam, and which is so is anybody's guess: no branch.
  std::size_t near = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Key key = make_key(scores[i], slots[i]);
    fresh_[near] = far_[i - near] = key;
    near += static_cast<std::size_t>(key < limit);
  }
  return near;
}

// Moves what is fresh into the beam, and out of it what it has no room for.
void Walk::merge() {
  const bool few = beam_.size() - head_ + fresh_.size() <= Steps::MERGED_MAX;
  steps_ != nullptr&& few ? merge_few() : merge_many();
  for (std::size_t i = next_; i < std::min(next_ + SOON, beam_.size()); ++i) graph_.prefetch_edges(slot_of(beam_[i]));
}

void Walk::merge_few() {
  merged_.resize(beam_.size() - head_ + fresh_.size());
  const std::size_t first = steps_->merge(beam(), fresh_, merged_.data());
  if (merged_.size() > capacity_) {
    if (goes_on()) evicted_.push(std::span<const Key>(merged_).subspan(capacity_));
    merged_.resize(capacity_);
  }
  next_ = std::min(next_ - head_, first);
  head_ = 0;
  beam_.swap(merged_);
}

void Walk::merge_many() {
  if (fresh_.size() > capacity_) {
    const auto end = fresh_.begin() + static_cast<std::ptrdiff_t>(capacity_);
    std::ranges::nth_element(fresh_, end);
    if (goes_on()) evicted_.push({end, fresh_.end()});
    fresh_.erase(end, fresh_.end());
  }
  std::ranges::sort(fresh_);
  while (beam_.size() - head_ + fresh_.size() > capacity_) {
    Room<Key>& last = beam_.size() > head_ && (fresh_.empty() || beam_.back() > fresh_.back()) ? beam_ : fresh_;
    if (goes_on()) evicted_.push({&last.back(), 1});
    last.pop_back();
  }
  // From the last to the first, so that each key of the beam moves once.
  std::size_t end = beam_.size();
  beam_.resize(end + fresh_.size());
  const auto beam = beam_.begin();
  for (std::size_t left = fresh_.size(); left > 0; --left) {
    const std::size_t at = place_of(fresh_[left - 1], end);
    std::copy_backward(beam + static_cast<std::ptrdiff_t>(at), beam + static_cast<std::ptrdiff_t>(end),
                       beam + static_cast<std::ptrdiff_t>(end + left));
    beam_[at + left - 1] = fresh_[left - 1];
    end = at;
  }
  next_ = std::min(next_, end);
}

void Walk::compute_scores() {
  const VectorStore& vectors = graph_.vectors();
  scores_.resize(found_.size());
  distances_ += found_.size();
  if (coarse_) {
    codes_->coarse_distances(coded_, rows_, scores_.data());
  } else if (codes_ != nullptr && purpose_ == Purpose::link) {
    codes_->pair_distances(coded_, found_.data(), found_.size(), scores_.data());
  } else if (codes_ != nullptr) {
    codes_->distances(coded_, found_.data(), found_.size(), scores_.data());
  } else if (purpose_ == Purpose::link) {
    vectors.pair_distances(query_.row(), query_.length(), found_.data(), found_.size(), scores_.data());
  } else {
    vectors.distances(query_, found_.data(), found_.size(), scores_.data());
  }
}

// The first place of the beam before `end` whose key is not less. Without a branch: where a new key belongs is
// anybody's guess.
std::size_t Walk::place_of(Key key, std::size_t end) const {
  const Key* at = beam_.data() + head_;
  for (std::size_t left = end - head_; left > 0;) {
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

std::size_t Walk::bytes() const {
  const std::size_t marks = marks_ != nullptr ? marks_->bytes() : 0;
  return beam_.capacity() * sizeof(Key) + evicted_.bytes() + visited_.bytes() + consumed_.capacity() * sizeof(Slot) +
         marks;
}

}  // namespace clew
