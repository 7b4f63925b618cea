#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "sparse_search.hpp"
#include "sparse_window.hpp"

namespace clew {
namespace {

// With fewer postings in a window, adding all of them up is quicker than finding out which to leave out.
constexpr std::size_t BOUNDS_MIN = 2048;
// Looking at one slot by itself costs as much as adding up so many postings.
constexpr std::size_t CONSIDER_COST = 40;
// Up to so many are kept in order.
constexpr std::size_t FEW = 32;
// So many more than are wanted are gathered, at least, before the best of them are picked.
constexpr std::size_t ROOM_MIN = 16;

}  // namespace

// The most that a term can add to a score in this window.
double SparseQuery::bound_of(const Part& part) const {
  const Postings& postings = *part.term->seen.postings;
  const float weight = part.term->weight;
  float most = 0;
  const auto value = [&](std::size_t i) { most = std::max(most, weight * postings.values[i]); };
  std::size_t i = part.start;
  const std::size_t full = part.term->seen.size / Postings::BLOCK * Postings::BLOCK;
  while (i < part.stop) {
    if (i < full) {
      const Postings::Peak& peak = postings.peaks[i / Postings::BLOCK];
      most = std::max(most, weight * (weight > 0 ? peak.largest : peak.smallest));
      i = (i / Postings::BLOCK + 1) * Postings::BLOCK;
    } else {
      value(i++);
    }
  }
  return most;
}

// The best so far, and the search for better ones. Where a window has few postings all are added up; where it has
// many, what bounds tell cannot matter is left out: MaxScore (Turtle and Flood, 1995) by windows, with bounds by block.
class SparseQuery::Best {
 public:
  Best(const SparseQuery& query, std::size_t count, const Allowed& allowed)
      : query_(query),
        count_(std::clamp<std::size_t>(count, 1, query.view_.live + 1)),
        allowed_(allowed),
        all_(query.admits_all(allowed)),
        ordered_(query.sparse_.all_ordered()),
        window_(query.view_.limit) {
    keys_.reserve(count_ + std::max(count_, ROOM_MIN));
  }

  void offer(Slot slot, float sum) {
    const Key key = key_of(sum, slot);
    if (count_ <= FEW) return insert(key);
    keys_.push_back(key);
    if (keys_.size() == keys_.capacity()) keep_best();
  }

  void search(Slot first, std::span<Part> parts, std::size_t postings) {
    if (postings < BOUNDS_MIN || keys_.size() < count_) return add_all(first, parts, postings);
    keep_best();
    double total = query_.slack_;
    for (Part& part : parts) total += part.bound = query_.bound_of(part);
    if (total < worst_) return;
    sorted_.assign(parts.begin(), parts.end());
    std::ranges::sort(sorted_, {}, &Part::bound);
    // What the first parts add together cannot lift a score to the worst of the best: they need not be gone through.
    double rest = query_.slack_;
    std::size_t optional = 0;
    while (optional < sorted_.size() && rest + sorted_[optional].bound < worst_) rest += sorted_[optional++].bound;
    const std::span<const Part> others = std::span<const Part>(sorted_).first(optional);
    const std::span<const Part> essential = std::span<const Part>(sorted_).subspan(optional);
    if (postings_to_add(essential, total) + considered_ * CONSIDER_COST >= postings) {
      considered_ -= considered_ / 8;  // it may be worthwhile again once the worst is better
      return add_all(first, parts, postings);
    }
    considered_ = 0;
    postings = 0;
    for (const Part& part : essential) {
      each_block(part, worst_ - (total - part.bound),
                 [&](std::size_t start, std::size_t stop) { window_.add(part, first, start, stop); });
      postings += part.stop - part.start;
    }
    const float least = below(worst_ - rest);
    window_.take_from(first, essential, postings, least,
                      [&](Slot slot, float sum) { consider(slot, sum, rest, others); });
  }

  // Best first.
  std::span<const Key> finish() {
    if (keys_.size() > count_) keep_best();
    std::ranges::sort(keys_);
    window_.give_back();
    return keys_;
  }

 private:
  static float below(double number) {
    return std::nextafter(static_cast<float>(number), -std::numeric_limits<float>::infinity());
  }

  // Few are in order at any time, and so each tells at once what need not be looked at after it.
  void insert(Key key) {
    if (keys_.size() == count_) {
      if (key > keys_.back()) return;
      keys_.pop_back();
    }
    keys_.push_back(key);
    std::size_t i = keys_.size() - 1;
    for (; i > 0 && keys_[i - 1] > key; --i) keys_[i] = keys_[i - 1];
    keys_[i] = key;
    if (keys_.size() == count_) set_worst(keys_.back());
  }

  void keep_best() {
    if (keys_.size() < count_ || count_ <= FEW) return;
    const auto last = keys_.begin() + static_cast<std::ptrdiff_t>(count_ - 1);
    std::ranges::nth_element(keys_, last);
    keys_.resize(count_);
    set_worst(keys_.back());
  }

  void set_worst(Key worst) {
    worst_ = -double{distance_of(worst)};
    least_ = ordered_ ? -unordered(static_cast<std::uint32_t>(worst >> 32) + 1) : below(worst_ - query_.slack_);
  }

  void add_all(Slot first, std::span<const Part> parts, std::size_t postings) {
    for (const Part& part : parts) window_.add(part, first, part.start, part.stop);
    const auto offer_it = [&](Slot slot, float sum) {
      if (!all_ && !query_.admits(slot, allowed_)) return;
      offer(slot, ordered_ || query_.sparse_.ordered(slot) ? sum : query_.score(slot));
    };
    // What has the weightiest term is likely to be among the best: with that, little else needs a second look.
    if (keys_.size() < count_) {
      const auto weightiest = std::ranges::max_element(parts, {}, [](const Part& part) { return part.term->weight; });
      window_.take_few(first, {&*weightiest, 1}, least_, offer_it);
      keep_best();
    }
    window_.take_from(first, parts, postings, least_, offer_it);
  }

  // How many there are in the blocks that must be gone through.
  std::size_t postings_to_add(std::span<const Part> essential, double total) const {
    std::size_t count = 0;
    for (const Part& part : essential) {
      each_block(part, worst_ - (total - part.bound),
                 [&](std::size_t start, std::size_t stop) { count += stop - start; });
    }
    return count;
  }

  // f(start, stop) for the blocks of a part that may add `least`: nothing that is in the others alone can be among the
  // best.
  template <class F>
  static void each_block(const Part& part, double least, F f) {
    const PostingsView& seen = part.term->seen;
    const float weight = part.term->weight;
    const std::size_t full = seen.size / Postings::BLOCK * Postings::BLOCK;
    for (std::size_t i = part.start; i < part.stop;) {
      const std::size_t stop = std::min((i / Postings::BLOCK + 1) * Postings::BLOCK, part.stop);
      bool skipped = false;
      if (i < full) {
        const Postings::Peak& peak = seen.postings->peaks[i / Postings::BLOCK];
        skipped = double{std::max(0.0F, weight * (weight > 0 ? peak.largest : peak.smallest))} < least;
      }
      if (!skipped) f(i, stop);
      i = stop;
    }
  }

  void consider(Slot slot, float sum, double rest, std::span<const Part> optional) {
    ++considered_;
    double known = sum;
    if (known + rest < worst_ || !(all_ || query_.admits(slot, allowed_))) return;
    for (std::size_t i = optional.size(); i-- > 0;) {
      const Part& part = optional[i];
      const Slot* slots = part.term->seen.postings->slots.get();
      const Slot* found = std::lower_bound(slots + part.start, slots + part.stop, slot);
      if (found != slots + part.stop && *found == slot) {
        known += product(part.term->weight, part.term->seen.postings->values[static_cast<std::size_t>(found - slots)]);
      }
      rest -= part.bound;
      if (known + rest < worst_) return;
    }
    offer(slot, query_.score(slot));
  }

  const SparseQuery& query_;
  const std::size_t count_;
  const Allowed& allowed_;
  const bool all_;  // are admitted
  const bool ordered_;
  Window window_;
  std::vector<Key> keys_;                                    // those of the best, and some that came later
  double worst_ = -std::numeric_limits<double>::infinity();  // of the best, when last looked
  float least_ = -std::numeric_limits<float>::infinity();    // a lower sum is not among the best
  std::size_t considered_ = 0;                               // one by one, in the last window with bounds
  std::vector<Part> sorted_;
};

void SparseQuery::best(std::size_t count, const Allowed& allowed, std::vector<Key>& out) const {
  if (count == 0 || terms_.empty()) return;
  Best best(*this, count, allowed);
  if (rows_are_cheaper(allowed)) {
    each_row(allowed, [&](Slot slot, float sum) { best.offer(slot, sum); });
  } else {
    each_window([&](Slot first, std::span<Part> parts, std::size_t postings) { best.search(first, parts, postings); });
  }
  const std::span<const Key> found = best.finish();
  out.insert(out.end(), found.begin(), found.end());
}

}  // namespace clew
