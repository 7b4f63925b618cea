#include "cursor.hpp"

#include <algorithm>

#include "rescore.hpp"

namespace clew {
namespace {

constexpr std::size_t EF_DEFAULT = 100;
// How many of the candidates shall pass a filter: fewer, because a beam made longer to hold them looks around more.
constexpr std::size_t EF_FILTERED = 32;

// A beam of constant size looks less far ahead, relative to what was returned, the deeper a query is, and recall
// decays. It grows with what was returned instead; past the maximum keeping it sorted would cost more than it finds.
// For a batch itself it looks further ahead than for those before it, as these have been looked ahead to already.
constexpr double LOOK_AHEAD_OF_BATCH = 1.5;
constexpr double LOOK_AHEAD_OF_RETURNED = 1;
constexpr std::size_t BEAM_MAX = 2048;

// What a walk costs, in distances: about so many to get near the query, and so many for each place of its beam; and
// keeping a beam of so many places sorted costs, for each distance, as much again as the distance.
constexpr double DISTANCES_TO_ARRIVE = 500;
constexpr double DISTANCES_PER_PLACE = 4;
constexpr double BEAM_AS_DEAR_AS_A_DISTANCE = 1250;

double cost_of(double distances, std::size_t beam) {
  return distances * (1 + static_cast<double>(beam) / BEAM_AS_DEAR_AS_A_DISTANCE);
}

// The rows that a filter admits lie apart: reading one costs so much more than the next of all.
constexpr double SCATTERED = 1.5;

// How much of the price of a scan a walk may cost before it is given up. Nobody knows how much more will be asked for:
// waiting longer makes reading to the end dearer, giving up sooner makes stopping just after it dearer. The most is
// somewhat more than what a scan takes: by 10, about 2,000 results of 200,000 are walked, so that none of 1,000 turn,
// though costs are measured no better than to a tenth. In batches of more than so many it falls: who asks for these is
// likely to read far, and a walk looks around less between them. The least is for a walk whose beam is as long as it
// gets, too: it looks less and less far ahead, and misses more.
constexpr double PATIENCE_MAX = 1.2;
constexpr double PATIENCE_MIN = 0.2;
constexpr double PATIENT_BATCH = 10;

// What finding each of those that are wanted among all that were scanned costs, in distances.
constexpr double DISTANCES_PER_FOUND = 10;

// Of one part in so many, floats for all are as quick as codes for all and floats for what is given out. Who asks for
// large batches is likely to read far: so many more of them are counted in, lest the scan by codes was for nothing.
constexpr std::size_t CODED_SHARE = 8;
constexpr std::size_t BATCHES_AHEAD = 64;
// Of fewer than this, coarse halves save nothing.
constexpr std::size_t COARSE_MIN = 1024;

// Codes may put a few of the nearest behind the last that is wanted; beside twice as many as are wanted, so many more
// are scored exactly at most. A cursor that goes on keeps them for the next batch.
constexpr std::size_t SCORED_BESIDE_ONCE = 16;
constexpr std::size_t SCORED_BESIDE = 128;
// The same of coarse halves, whose order is put right by whole codes first.
constexpr std::size_t PICKED_BESIDE = 16;

// A query that needed more room than this gives it back to the system.
constexpr std::size_t KEPT_BYTES = std::size_t{512} << 10;

}  // namespace

Cursor::Cursor(const Graph& graph, const float* query, const Allowed& allowed, const CursorOptions& options)
    : graph_(graph),
      view_(graph.view()),
      query_(query),
      allowed_(allowed),
      options_(options),
      matching_(allowed.everything() ? view_.live : allowed.count(view_.limit)),
      scratch_(graph.scratch().take(graph)) {}

std::span<const Key> Cursor::next(std::size_t count) {
  if (mode_ == Mode::closed) return {};
  std::vector<Key>& batch = scratch_->batch;
  batch.clear();
  count = left(count);
  if (count == 0) return {};
  if (mode_ != Mode::scanning && scan_is_cheaper(count)) turn_to_scan(count);
  if (mode_ == Mode::fresh) start_walk();
  while (mode_ == Mode::walking && batch.size() < count) {
    walk_on(count - batch.size());
    // A filter may let pass nothing of where the walk is: it is not to wander on at any price.
    const std::size_t missing = count - batch.size();
    if (missing > 0 && (scratch_->walk.dry() || scan_is_cheaper(missing))) turn_to_scan(count);
  }
  if (mode_ == Mode::scanning && scan_->coded() && scan_by(count) == Scan::By::floats) {
    turn_to_scan(count);
  }
  if (mode_ == Mode::scanning) scan_->next(count - batch.size(), batch);
  // A batch that took several steps may have found something nearer in a later one.
  if (!std::ranges::is_sorted(batch)) std::ranges::sort(batch);
  if (options_.once) return batch;
  if (mode_ == Mode::walking) scratch_->walk.pause();
  for (const Key key : batch) returned_.push_back(slot_of(key));
  return batch;
}

void Cursor::begin(std::size_t count) {
  count = left(count);
  if (mode_ != Mode::fresh || count == 0 || scan_is_cheaper(count)) return;
  start_walk();
  scratch_->walk.begin(beam_for(count));
}

void Cursor::start_walk() {
  const Purpose at_once = matching_ == view_.limit ? Purpose::answer : Purpose::answer_some;
  scratch_->nearby.clear();
  scratch_->pending.clear();
  scratch_->walk.start(query_, options_.once ? at_once : Purpose::resume);
  mode_ = Mode::walking;
}

// How many of `count` there still are.
std::size_t Cursor::left(std::size_t count) const {
  return std::min(count, matching_ - std::min(matching_, returned_.size()));
}

// Expands as far as `count` more results need, and moves those the beam is sure enough of into the batch.
void Cursor::walk_on(std::size_t count) {
  Walk& walk = scratch_->walk;
  // What is nearby or pending has been looked ahead to already.
  const std::size_t there = scratch_->nearby.size() + scratch_->pending.size();
  const std::size_t beam = beam_for(count);
  const std::size_t ef = beam - std::min(there, beam / 2);
  walk.run(ef);
  walk_cost_ += cost_of(static_cast<double>(walk.distances() - walked_), ef);
  walked_ = walk.distances();
  // The end of the beam has nothing to look ahead to. Where that matters less: asked once, where a filter lets few
  // pass, and by coarse halves, whose order tells so little that more of the beam may be among the next.
  const bool all = options_.once || walk.beam().size() < ef || walk.coarse();
  approach(count, all ? walk.beam().size() : std::max(count, walk.beam().size() / 2));
  give(count);
}

// Moves what may be among the next `count`, of the first `reach` of the beam, into what is pending. Coarse halves say
// what may be nearby, whole codes what of that comes next; what is not wanted yet stays nearby.
void Cursor::approach(std::size_t count, std::size_t reach) {
  const Walk& walk = scratch_->walk;
  std::vector<Key>& pending = scratch_->pending;
  const std::size_t wanted = walk.coarse() ? 2 * count + PICKED_BESIDE : count;
  const std::size_t there = pending.size() + scratch_->nearby.size();
  reach -= pick(wanted - std::min(wanted, there), ~Key{0}, reach);
  if (walk.codes() == nullptr) return;
  score_exactly(count - std::min(count, pending.size()), ~Key{0});
  if (pending.size() < count) return;
  // What is nearer than the last that is wanted may stand behind it by codes.
  const auto last = pending.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(pending, last);
  const float distance = distance_of(*last);
  const std::size_t most = 2 * count + (options_.once ? SCORED_BESIDE_ONCE : SCORED_BESIDE);
  const std::size_t more = most - std::min(most, pending.size());
  const Measure& measure = walk.coarse() ? walk.coded().coarse : walk.coded().whole;
  if (!options_.once || !walk.coarse()) pick(more, make_key(measure.likely(distance), NO_SLOT >> 1), reach);
  score_exactly(more, make_key(walk.coded().whole.likely(distance), NO_SLOT >> 1));
}

// Takes the first of the beam, up to `reach` and `limit`, and adds up to `most` of them that may be returned to what is
// nearby, or, where the walk has no codes, pending. Returns how many it took.
std::size_t Cursor::pick(std::size_t most, Key limit, std::size_t reach) {
  const auto beam = scratch_->walk.beam();
  std::vector<Key>& picked = scratch_->picked;
  picked.clear();
  std::size_t at = 0;
  for (; at < reach && picked.size() < most && beam[at] <= limit; ++at) {
    const Slot slot = slot_of(beam[at]);
    if (graph_.visible(slot, view_) && allowed_.contains(slot)) picked.push_back(beam[at] & ~EXPANDED);
  }
  scratch_->walk.consume(at);
  if (scratch_->walk.coarse()) measure_picked();
  if (scratch_->walk.codes() != nullptr) {
    scratch_->nearby.push(picked);
  } else {
    scratch_->pending.insert(scratch_->pending.end(), picked.begin(), picked.end());
  }
  return at;
}

// By whole codes what was picked by coarse halves.
void Cursor::measure_picked() {
  const Walk& walk = scratch_->walk;
  std::vector<Key>& picked = scratch_->picked;
  for (const Key key : picked) walk.codes()->prefetch_whole(slot_of(key));
  rescore(
      picked, [](Slot) {},
      [&](const Slot* slots, std::size_t n, float* out) { walk.codes()->distances(walk.coded(), slots, n, out); });
}

// Up to `most` of what is nearby, up to `limit`, is pending from here on.
void Cursor::score_exactly(std::size_t most, Key limit) {
  const VectorStore& vectors = graph_.vectors();
  std::vector<Key>& pending = scratch_->pending;
  const std::size_t before = pending.size();
  scratch_->nearby.take(most, limit, pending);
  rescore(
      std::span(pending).subspan(before), [&](Slot slot) { vectors.prefetch(slot); },
      [&](const Slot* slots, std::size_t n, float* out) { vectors.distances(scratch_->walk.query(), slots, n, out); });
}

// The nearest `count` of what is pending go into the batch.
void Cursor::give(std::size_t count) {
  std::vector<Key>& pending = scratch_->pending;
  std::vector<Key>& batch = scratch_->batch;
  const auto end = pending.begin() + static_cast<std::ptrdiff_t>(std::min(count, pending.size()));
  std::ranges::partial_sort(pending, end);
  batch.insert(batch.end(), pending.begin(), end);
  pending.erase(pending.begin(), end);
}

std::size_t Cursor::beam_for(std::size_t count) const {
  const bool own = options_.ef != 0;
  const double depth = LOOK_AHEAD_OF_RETURNED * static_cast<double>(returned_.size()) +
                       (own ? 0 : LOOK_AHEAD_OF_BATCH * static_cast<double>(count));
  const std::size_t ahead = std::min(static_cast<std::size_t>(depth), BEAM_MAX);
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
  const double scan =
      static_cast<double>(matching_ - returned_.size()) * row + DISTANCES_PER_FOUND * static_cast<double>(count);
  const std::size_t beam = beam_for(count);
  if (mode_ == Mode::fresh) {
    return scan < cost_of(DISTANCES_TO_ARRIVE + DISTANCES_PER_PLACE * static_cast<double>(beam), beam);
  }
  const double share = beam < BEAM_MAX ? PATIENCE_MAX * PATIENT_BATCH / static_cast<double>(count) : 0;
  const double patience = std::clamp(share, PATIENCE_MIN, PATIENCE_MAX);
  return patience * scan < walk_cost_ + cost_of(DISTANCES_PER_PLACE * static_cast<double>(count), beam);
}

// By what a scan for `count` more is quickest.
Scan::By Cursor::scan_by(std::size_t count) const {
  const std::size_t wanted = returned_.size() + count * (options_.once ? 1 : BATCHES_AHEAD);
  if (wanted * CODED_SHARE >= matching_) return Scan::By::floats;
  return options_.exact || matching_ < COARSE_MIN ? Scan::By::codes : Scan::By::coarse_halves;
}

void Cursor::turn_to_scan(std::size_t count) {
  SlotSet& returned = scratch_->returned;
  returned.clear();
  for (const Slot slot : returned_) returned.insert(slot);
  for (const Key key : scratch_->batch) returned.insert(slot_of(key));
  const bool nothing = returned_.empty() && scratch_->batch.empty();
  scratch_->pending.clear();
  if (scan_ == nullptr) scan_ = graph_.scans().take(graph_);
  scanned_ += scan_->start(query_, view_, allowed_, matching_, nothing ? nullptr : &returned, scan_by(count));
  scratch_->walk.stop();
  mode_ = Mode::scanning;
}

void Cursor::close() {
  if (mode_ == Mode::closed) return;
  mode_ = Mode::closed;
  free_room(returned_);
  if (scan_ != nullptr) {
    scan_->clear();
    graph_.scans().give_back(std::move(scan_));
  }
  scratch_->walk.stop();
  const bool kept = bytes() <= KEPT_BYTES;
  if (auto scratch = std::move(scratch_); kept) graph_.scratch().give_back(std::move(scratch));
}

std::size_t Cursor::bytes() const {
  return returned_.capacity() * sizeof(Slot) + (scratch_ ? scratch_->bytes() : 0) + (scan_ ? scan_->bytes() : 0);
}

}  // namespace clew
