#include "fusion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace clew {
namespace {

constexpr float RANK_OFFSET = 60;  // Cormack, Clarke and Buettcher, SIGIR 2009
constexpr float INFINITE = std::numeric_limits<float>::infinity();

// Scores of one half normalised by their distribution, in place; in float32, as the hosted service does. The mean is
// that of the differences from the first: of scores that are equal the sum over their number may be another.
void normalise(std::span<float> scores) {
  if (scores.empty()) return;
  const auto n = static_cast<float>(scores.size());
  const float first = scores.front();
  float mean = 0;
  for (const float score : scores) mean += score - first;
  mean = first + mean / n;
  float squares = 0;
  for (const float score : scores) squares += (score - mean) * (score - mean);
  const float deviation = scores.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  const float low = mean - 3 * deviation;
  const float range = (mean + 3 * deviation) - low;
  const bool spread = deviation > 0 && range > 0 && range < INFINITE;
  for (float& score : scores) score = spread ? (score - low) / range : 0.5F;
}

}  // namespace

std::span<const Key> FusedCursor::next(std::size_t count) {
  out_.clear();
  if (options_.window == 0) {
    next_batch(count);
    return out_;
  }
  while (out_.size() < count) {
    if (given_ == fused_.size()) {
      if (dense_.exhausted && sparse_.exhausted) break;
      next_stretch();
    }
    const std::size_t n = std::min(count - out_.size(), fused_.size() - given_);
    const auto from = fused_.begin() + static_cast<std::ptrdiff_t>(given_);
    out_.insert(out_.end(), from, from + static_cast<std::ptrdiff_t>(n));
    given_ += n;
  }
  return out_;
}

// Fuses the next `count` of either half that have not been returned; what is not among the best waits.
void FusedCursor::next_batch(std::size_t count) {
  dense_.fill(count, returned_);
  sparse_.fill(count, returned_);
  const auto first = [count](const Half& half) {
    return std::span(half.waiting.data(), std::min(count, half.waiting.size()));
  };
  fuse(first(dense_), first(sparse_), 0);
  out_.assign(fused_.begin(), fused_.begin() + static_cast<std::ptrdiff_t>(std::min(count, fused_.size())));
  for (const Key key : out_) returned_.insert(slot_of(key));
}

// Fuses the next `window` ranks of either half, and leaves out what has a rank already.
void FusedCursor::next_stretch() {
  const std::size_t first_rank = options_.window * stretches_++;
  fuse(dense_.take(options_.window), sparse_.take(options_.window), first_rank);
  std::erase_if(fused_, [this](Key key) { return !returned_.insert(slot_of(key)); });
  given_ = 0;
  if (fused_.empty()) return;
  if (stretches_ > 1) lower_to_last();
  last_ = -distance_of(fused_.back());
}

// Lets scores never increase from one stretch to the next: where the first would be above the last so far, all are
// lowered by the difference.
void FusedCursor::lower_to_last() {
  const float above = -distance_of(fused_.front()) - last_;
  if (above < 0) return;
  const float most = std::nextafter(last_, -INFINITE);
  for (Key& key : fused_) key = make_key(-std::min(-distance_of(key) - above, most), slot_of(key));
  std::ranges::sort(fused_);
}

void FusedCursor::fuse(std::span<const Key> dense, std::span<const Key> sparse, std::size_t first_rank) {
  parts_.clear();
  add(dense, true, first_rank);
  add(sparse, false, first_rank);
  // Equal slots come together, the dense part first.
  std::ranges::stable_sort(parts_, {}, slot_of);
  fused_.clear();
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    float score = distance_of(parts_[i]);
    if (i + 1 < parts_.size() && slot_of(parts_[i]) == slot_of(parts_[i + 1])) score += distance_of(parts_[++i]);
    fused_.push_back(make_key(-score, slot_of(parts_[i])));
  }
  std::ranges::sort(fused_);
}

// What a half adds to the score of each of its slots.
void FusedCursor::add(std::span<const Key> half, bool dense, std::size_t first_rank) {
  scores_.clear();
  for (std::size_t i = 0; i < half.size(); ++i) {
    if (options_.algorithm == Fusion::rrf) {
      scores_.push_back(1 / (RANK_OFFSET + static_cast<float>(first_rank + i)));
    } else {
      const float distance = distance_of(half[i]);
      scores_.push_back(dense ? score_of(options_.metric, distance) : -distance);
    }
  }
  if (options_.algorithm == Fusion::dbsf) normalise(scores_);
  const float weight = 2 * (dense ? options_.dense_weight : 1 - options_.dense_weight);
  for (std::size_t i = 0; i < half.size(); ++i) parts_.push_back(make_key(weight * scores_[i], slot_of(half[i])));
}

// Sees to it that `count` wait that have not been returned, where there are so many.
void FusedCursor::Half::fill(std::size_t count, const SlotSet& returned) {
  std::erase_if(waiting, [&](Key key) { return returned.contains(slot_of(key)); });
  bool late = false;
  while (waiting.size() < count && !exhausted) {
    const std::size_t wanted = count - waiting.size();
    const std::span<const Key> keys = stream(wanted);
    exhausted = keys.size() < wanted;
    for (const Key key : keys) {
      if (returned.contains(slot_of(key))) continue;
      late |= !waiting.empty() && key < waiting.back();
      waiting.push_back(key);
    }
  }
  if (late) std::ranges::sort(waiting);
}

// The next `count` ranks; valid until the next call.
std::span<const Key> FusedCursor::Half::take(std::size_t count) {
  waiting.clear();
  while (waiting.size() < count && !exhausted) {
    const std::size_t wanted = count - waiting.size();
    const std::span<const Key> keys = stream(wanted);
    exhausted = keys.size() < wanted;
    waiting.insert(waiting.end(), keys.begin(), keys.end());
  }
  std::ranges::sort(waiting);
  return waiting;
}

std::size_t FusedCursor::bytes() const {
  const std::size_t keys =
      dense_.waiting.capacity() + sparse_.waiting.capacity() + fused_.capacity() + parts_.capacity() + out_.capacity();
  return returned_.bytes() + keys * sizeof(Key) + scores_.capacity() * sizeof(float);
}

}  // namespace clew
