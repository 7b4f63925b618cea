#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "sparse_search.hpp"
#include "sparse_window.hpp"

namespace clew {

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

// The best so far, and the search for better ones: MaxScore (Turtle and Flood, 1995) by windows, with bounds by block.
class SparseQuery::Best {
 public:
  Best(const SparseQuery& query, std::size_t count, const Allowed& allowed)
      : query_(query), count_(count), allowed_(allowed), window_(query.view_.limit) {
    keys_.reserve(count);
  }

  void offer(Slot slot, float sum) {
    const Key key = key_of(sum, slot);
    if (keys_.size() < count_) {
      keys_.push_back(key);
      std::ranges::push_heap(keys_);
    } else if (key < keys_.front()) {
      std::ranges::pop_heap(keys_);
      keys_.back() = key;
      std::ranges::push_heap(keys_);
    }
  }

  void search(Slot first, std::span<Part> parts) {
    double total = query_.slack_;
    for (Part& part : parts) total += part.bound = query_.bound_of(part);
    const double worst = this->worst();
    if (total < worst) return;
    std::ranges::sort(parts, {}, &Part::bound);
    // What the first parts add together cannot lift a score to the worst of the best: they need not be gone through.
    double rest = query_.slack_;
    std::size_t optional = 0;
    while (optional < parts.size() && rest + parts[optional].bound < worst) rest += parts[optional++].bound;
    const std::span<Part> essential = parts.subspan(optional);
    std::size_t postings = 0;
    for (const Part& part : essential) {
      add_blocks(part, first, worst - (total - part.bound));
      postings += part.stop - part.start;
    }
    if (keys_.size() < count_) return take_first(first, essential, postings);
    const float least = std::nextafter(static_cast<float>(worst - rest), -std::numeric_limits<float>::infinity());
    window_.take_from(first, essential, postings, least,
                      [&](Slot slot, float sum) { consider(slot, sum, rest, parts.first(optional)); });
  }

  std::vector<Key>& keys() { return keys_; }

 private:
  // Of the worst that would still be returned; anything is better while there are too few.
  double worst() const {
    return keys_.size() < count_ ? -std::numeric_limits<double>::infinity() : -double{distance_of(keys_.front())};
  }

  // While there are too few to compare with, all sums of the window are there. Those that are not among the best of it
  // need no exact score.
  void take_first(Slot first, std::span<const Part> parts, std::size_t postings) {
    first_.clear();
    window_.take_all(first, parts, postings, [&](Slot slot, float sum) {
      if (query_.admits(slot, allowed_)) first_.push_back({within_float32(sum), slot});
    });
    double least = -std::numeric_limits<double>::infinity();
    if (first_.size() > count_) {
      const auto last = first_.begin() + static_cast<std::ptrdiff_t>(count_ - 1);
      std::ranges::nth_element(first_, last, std::greater<>(), &Sum::sum);
      least = double{last->sum} - 2 * query_.slack_;
    }
    for (const Sum& one : first_) {
      if (!(one.sum < least)) offer(one.slot, query_.score(one.slot));
    }
  }

  // Blocks that cannot add `least` are left out: then nothing that they have in them can be among the best.
  void add_blocks(const Part& part, Slot first, double least) {
    const PostingsView& seen = part.term->seen;
    const float weight = part.term->weight;
    const std::size_t full = seen.size / Postings::BLOCK * Postings::BLOCK;
    for (std::size_t i = part.start; i < part.stop;) {
      const std::size_t stop = std::min((i / Postings::BLOCK + 1) * Postings::BLOCK, part.stop);
      bool skip = false;
      if (i < full) {
        const Postings::Peak& peak = seen.postings->peaks[i / Postings::BLOCK];
        skip = double{std::max(0.0F, weight * (weight > 0 ? peak.largest : peak.smallest))} < least;
      }
      if (!skip) window_.add(part, first, i, stop);
      i = stop;
    }
  }

  void consider(Slot slot, float sum, double rest, std::span<const Part> optional) {
    const double worst = this->worst();
    double known = sum;
    if (known + rest < worst || !query_.admits(slot, allowed_)) return;
    for (std::size_t i = optional.size(); i-- > 0;) {
      const Part& part = optional[i];
      const Slot* slots = part.term->seen.postings->slots.get();
      const Slot* found = std::lower_bound(slots + part.start, slots + part.stop, slot);
      if (found != slots + part.stop && *found == slot) {
        known += product(part.term->weight, part.term->seen.postings->values[static_cast<std::size_t>(found - slots)]);
      }
      rest -= part.bound;
      if (known + rest < worst) return;
    }
    offer(slot, query_.score(slot));
  }

  const SparseQuery& query_;
  const std::size_t count_;
  const Allowed& allowed_;
  Window window_;
  struct Sum {
    float sum;
    Slot slot;
  };

  std::vector<Key> keys_;  // a heap, the worst in front
  std::vector<Sum> first_;
};

void SparseQuery::best(std::size_t count, const Allowed& allowed, std::vector<Key>& out) const {
  if (count == 0 || terms_.empty()) return;
  Best best(*this, count, allowed);
  if (rows_are_cheaper(allowed)) {
    each_row(allowed, [&](Slot slot, float sum) { best.offer(slot, sum); });
  } else {
    each_window([&](Slot first, std::span<Part> parts, std::size_t) { best.search(first, parts); });
  }
  std::ranges::sort_heap(best.keys());
  out.insert(out.end(), best.keys().begin(), best.keys().end());
}

}  // namespace clew
