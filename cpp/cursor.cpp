#include "cursor.hpp"

#include <algorithm>

namespace clew {
namespace {

constexpr std::size_t EF_DEFAULT = 100;
// How many of the candidates shall pass a filter: fewer, because a beam made longer to hold them looks around more.
constexpr std::size_t EF_FILTERED = 40;

// A beam of constant size looks less far ahead, relative to what was returned, the deeper a query is, and recall
// decays. It grows with what was returned instead; past the maximum keeping it sorted would cost more than it finds.
constexpr double LOOK_AHEAD = 1.5;
constexpr std::size_t BEAM_MAX = 2048;

// What a walk costs, in distances: about so many to get near the query, and so many for each place of its beam; and
// keeping a beam of so many places sorted costs, for each distance, as much again as the distance.
constexpr double DISTANCES_TO_ARRIVE = 500;
constexpr double DISTANCES_PER_PLACE = 7;
constexpr double BEAM_AS_DEAR_AS_A_DISTANCE = 1024;

double cost_of(double distances, std::size_t beam) {
  return distances * (1 + static_cast<double>(beam) / BEAM_AS_DEAR_AS_A_DISTANCE);
}

// The rows that a filter admits lie apart: reading one costs so much more than the next of all.
constexpr double SCATTERED = 1.5;

// How much of the price of a scan a walk may cost before it is given up. Nobody knows how much more will be asked for:
// waiting longer makes reading to the end dearer, giving up sooner makes stopping just after it dearer.
constexpr double PATIENCE = 0.7;

// Codes may put a few of the nearest behind the last that is wanted; so many more are scored exactly at most.
constexpr std::size_t RESCORED_BESIDE = 16;
constexpr std::size_t RESCORED_AT_ONCE = 32;

}  // namespace

Cursor::Cursor(const Graph& graph, const float* query, const Allowed& allowed, const CursorOptions& options)
    : graph_(graph),
      view_(graph.view()),
      query_(query),
      allowed_(allowed),
      options_(options),
      matching_(allowed.everything() ? view_.live : allowed.count(view_.limit)),
      scratch_(graph.take_scratch()) {}

std::span<const Key> Cursor::next(std::size_t count) {
  if (mode_ == Mode::closed) return {};
  std::vector<Key>& batch = scratch_->batch;
  batch.clear();
  count = std::min(count, matching_ - std::min(matching_, returned_.size()));
  if (count == 0) return {};
  if (mode_ != Mode::scanning && scan_is_cheaper(count)) turn_to_scan(count);
  if (mode_ == Mode::fresh) {
    // Where not everything met may be returned, even one batch may have to go on.
    const bool at_once = options_.once && matching_ == view_.limit;
    scratch_->walk.start(query_, at_once ? Purpose::answer : Purpose::resume);
    mode_ = Mode::walking;
  }
  while (mode_ == Mode::walking && batch.size() < count) {
    walk_on(count - batch.size());
    // A filter may let pass nothing of where the walk is: it is not to wander on at any price.
    const std::size_t missing = count - batch.size();
    if (missing > 0 && (scratch_->walk.dry() || scan_is_cheaper(missing))) turn_to_scan(missing);
  }
  if (mode_ == Mode::scanning && !options_.once && scratch_->scan.tired(count)) turn_to_scan(count);
  if (mode_ == Mode::scanning) scratch_->scan.next(count - batch.size(), batch);
  // A batch that took several steps may have found something nearer in a later one.
  if (!std::ranges::is_sorted(batch)) std::ranges::sort(batch);
  if (!options_.once) {
    for (const Key key : batch) returned_.push_back(slot_of(key));
  }
  return batch;
}

// Expands as far as `count` more results need, and moves those the beam is sure enough of into the batch.
void Cursor::walk_on(std::size_t count) {
  Walk& walk = scratch_->walk;
  const std::size_t ef = beam_for(count);
  walk.run(ef);
  walk_cost_ += cost_of(static_cast<double>(walk.distances() - walked_), ef);
  walked_ = walk.distances();
  const auto beam = walk.beam();
  // Where a filter lets few pass, the end of the beam would be reached with nothing to look ahead to.
  const std::size_t reach = beam.size() < ef ? beam.size() : std::max(count, beam.size() / 2);
  std::vector<Key>& picked = scratch_->picked;
  picked.clear();
  scratch_->exact.clear();
  std::size_t at = 0;
  const auto pick = [&](std::size_t most, Key limit) {
    for (; at < reach && picked.size() < most && beam[at] <= limit; ++at) {
      const Slot slot = slot_of(beam[at]);
      if (graph_.visible(slot, view_) && allowed_.contains(slot)) picked.push_back(beam[at]);
    }
  };
  pick(count, ~Key{0});
  if (walk.codes() == nullptr) {
    for (const Key key : picked) scratch_->batch.push_back(key & ~EXPANDED);
    return walk.consume(at, {});
  }
  rescore();
  if (picked.size() == count) {
    const float worst = distance_of(*std::ranges::max_element(scratch_->exact));
    pick(2 * count + RESCORED_BESIDE, make_key(walk.codes()->likely(walk.coded(), worst), NO_SLOT >> 1));
    rescore();
  }
  give(count, at);
}

// Exact keys of what has been picked since the last time.
void Cursor::rescore() {
  const std::vector<Key>& picked = scratch_->picked;
  std::vector<Key>& exact = scratch_->exact;
  Slot slots[RESCORED_AT_ONCE];
  float distances[RESCORED_AT_ONCE];
  while (exact.size() < picked.size()) {
    const std::size_t n = std::min(RESCORED_AT_ONCE, picked.size() - exact.size());
    for (std::size_t i = 0; i < n; ++i) {
      slots[i] = slot_of(picked[exact.size() + i]);
      graph_.vectors().prefetch(slots[i]);
    }
    graph_.vectors().distances(scratch_->walk.query(), slots, n, distances);
    for (std::size_t i = 0; i < n; ++i) exact.push_back(make_key(distances[i], slots[i]));
  }
}

// The nearest `count` of what was picked from the first `reach` places of the beam go into the batch, the others back.
void Cursor::give(std::size_t count, std::size_t reach) {
  const std::vector<Key>& exact = scratch_->exact;
  std::vector<Key>& picked = scratch_->picked;
  std::vector<Key>& batch = scratch_->batch;
  const std::size_t before = batch.size();
  batch.insert(batch.end(), exact.begin(), exact.end());
  const auto first = batch.begin() + static_cast<std::ptrdiff_t>(before);
  std::sort(first, batch.end());
  batch.resize(before + std::min(count, exact.size()));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < exact.size() && exact.size() > count; ++i) {
    if (exact[i] > batch.back()) picked[kept++] = picked[i];
  }
  scratch_->walk.consume(reach, {picked.data(), kept});
}

std::size_t Cursor::beam_for(std::size_t count) const {
  const bool own = options_.ef != 0;
  const auto depth = static_cast<double>(own ? returned_.size() : returned_.size() + count);
  const std::size_t ahead = std::min(static_cast<std::size_t>(LOOK_AHEAD * depth), BEAM_MAX);
  const std::size_t ef = std::max(own ? options_.ef : EF_DEFAULT, count + ahead);
  // Of a beam as long as this, about so many pass the filter.
  const std::size_t passing = std::max(own ? options_.ef : EF_FILTERED, count + ahead);
  const std::size_t filtered = passing * std::max<std::size_t>(view_.limit, 1) / std::max<std::size_t>(matching_, 1);
  return std::max(ef, std::min(filtered, BEAM_MAX));
}

// In units of one distance of a walk with a short beam.
bool Cursor::scan_is_cheaper(std::size_t count) const {
  if (options_.exact || !graph_.linked()) return true;
  const double row = graph_.scan_cost() * (allowed_.everything() ? 1 : SCATTERED);
  const double scan = static_cast<double>(matching_ - returned_.size()) * row;
  const std::size_t beam = beam_for(count);
  if (mode_ == Mode::fresh) {
    return scan < cost_of(DISTANCES_TO_ARRIVE + DISTANCES_PER_PLACE * static_cast<double>(beam), beam);
  }
  return PATIENCE * scan < walk_cost_ + cost_of(DISTANCES_PER_PLACE * static_cast<double>(count), beam);
}

void Cursor::turn_to_scan(std::size_t count) {
  SlotSet& returned = scratch_->returned;
  returned.clear();
  for (const Slot slot : returned_) returned.insert(slot);
  for (const Key key : scratch_->batch) returned.insert(slot_of(key));
  const bool nothing = returned_.empty() && scratch_->batch.empty();
  const bool few = Scan::few(count, matching_ - std::min(matching_, returned_.size()));
  scanned_ += scratch_->scan.start(query_, view_, allowed_, nothing ? nullptr : &returned, few);
  mode_ = Mode::scanning;
}

void Cursor::close() {
  if (mode_ == Mode::closed) return;
  mode_ = Mode::closed;
  scratch_->scan.clear();
  scratch_->walk.stop();
  graph_.give_back(std::move(scratch_));
}

std::size_t Cursor::bytes() const {
  return returned_.capacity() * sizeof(Slot) + (scratch_ ? scratch_->walk.bytes() + scratch_->scan.bytes() : 0);
}

}  // namespace clew
