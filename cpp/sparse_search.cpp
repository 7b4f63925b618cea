#include "sparse_search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

namespace clew {
namespace {

// Slots that are scored together: their sums fill half of a first-level cache.
constexpr std::size_t WINDOW = 4096;
// With fewer postings in a window than this share of it, they are gone through again rather than all sums.
constexpr std::size_t FEW_SHARE = 16;
// Scoring one record from its own entries costs as much as going through about this many postings.
constexpr std::size_t ROW_COST = 32;
// Up to so many results are looked for by themselves before everything is scored.
constexpr std::size_t FIRST_MAX = 128;

// Of a slot that no posting has touched. No sum is -0, as every product has +0 added to it.
constexpr float UNTOUCHED = -0.0F;
bool touched(float sum) { return std::bit_cast<std::uint32_t>(sum) != std::bit_cast<std::uint32_t>(UNTOUCHED); }

float product(float weight, float value) { return weight * value + 0.0F; }

// What exceeds float32 stays at its edge: JSON has no infinity.
float within_float32(float number) {
  constexpr float MAX = std::numeric_limits<float>::max();
  return std::isnan(number) ? -MAX : std::clamp(number, -MAX, MAX);
}

Key key_of(float sum, Slot slot) { return make_key(-within_float32(sum), slot); }

std::size_t hash_of(std::int32_t index) { return static_cast<std::uint32_t>(index) * 0x9E3779B1U >> 22; }

float idf_of(std::size_t records, std::size_t having) {
  const auto n = static_cast<double>(having);
  return static_cast<float>(std::log1p((static_cast<double>(records) - n + 0.5) / (n + 0.5)));
}

}  // namespace

SparseQuery::SparseQuery(const Sparse& sparse, std::span<const std::int32_t> indices, std::span<const float> values,
                         bool idf, std::optional<Seq> at)
    : sparse_(sparse) {
  std::vector<PostingsView> seen;
  if (!sparse.look(at, indices, view_, seen)) throw std::out_of_range("the state that was asked for has passed");
  double magnitude = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (seen[i].size == 0) continue;
    const float weight = within_float32(idf ? values[i] * idf_of(view_.live, seen[i].count) : values[i]);
    magnitude += std::abs(static_cast<double>(weight)) * seen[i].magnitude;
    postings_ += seen[i].size;
    hashed_[hash_of(indices[i]) / 64] |= std::uint64_t{1} << hash_of(indices[i]) % 64;
    terms_.push_back({indices[i], weight, std::move(seen[i])});
  }
  std::ranges::stable_sort(terms_, {}, &Term::index);
  for (const Term& term : terms_) known_.push_back(term.index);
  // Higham, Accuracy and Stability of Numerical Algorithms, 4.2: a float32 sum of n products errs by at most n / 2
  // epsilons of the sum of their magnitudes. Two sums in different orders are compared, and once more for safety.
  const double products = static_cast<double>(terms_.size()) * static_cast<double>(1 + sparse.longest_repeating());
  const double roundings = 2 * (products + 1);
  slack_ = roundings * std::numeric_limits<float>::epsilon() * magnitude;
}

std::vector<Entry> SparseQuery::weighted() const {
  std::vector<Entry> entries;
  for (const Term& term : terms_) entries.push_back({term.index, term.weight});
  return entries;
}

// The sum over the entries of a slot in their order, and for each over the entries of the query in theirs. UNTOUCHED
// where it has no index in common.
float SparseQuery::score(Slot slot) const {
  float sum = UNTOUCHED;
  for (const Entry& entry : sparse_.row(slot)) {
    const std::size_t hash = hash_of(entry.index);
    if ((hashed_[hash / 64] >> hash % 64 & 1) == 0) continue;
    auto at = static_cast<std::size_t>(std::ranges::lower_bound(known_, entry.index) - known_.begin());
    for (; at < known_.size() && known_[at] == entry.index; ++at) sum += product(terms_[at].weight, entry.value);
  }
  return sum;
}

bool SparseQuery::rows_are_cheaper(const Allowed& allowed) const {
  return !allowed.everything() && allowed.count(view_.limit) * ROW_COST < postings_;
}

// f(slot, score) for every slot that is visible, allowed and has a common index.
template <class F>
void SparseQuery::each_row(const Allowed& allowed, F f) const {
  for (std::size_t i = 0; i < allowed.words.size() && i * 64 < view_.limit; ++i) {
    for (std::uint64_t word = allowed.words[i]; word != 0; word &= word - 1) {
      const Slot slot = static_cast<Slot>(i * 64) + static_cast<Slot>(std::countr_zero(word));
      if (!sparse_.visible(slot, view_)) continue;
      if (const float sum = score(slot); touched(sum)) f(slot, sum);
    }
  }
}

// f(first slot, parts, postings in them) for stretches of WINDOW slots, leaving out those in which no term has any.
template <class F>
void SparseQuery::each_window(F f) const {
  std::vector<std::size_t> next(terms_.size());
  std::vector<Part> parts;
  for (;;) {
    Slot first = NO_SLOT;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const PostingsView& seen = terms_[i].seen;
      if (next[i] < seen.size) first = std::min(first, seen.postings->slots[next[i]]);
    }
    if (first == NO_SLOT) return;
    first = first / WINDOW * WINDOW;
    const Slot end = first + static_cast<Slot>(WINDOW);
    parts.clear();
    std::size_t postings = 0;
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const PostingsView& seen = terms_[i].seen;
      const Slot* slots = seen.postings->slots.get();
      // One slot is in a list once, so no more than WINDOW of them can be meant.
      const Slot* stop = std::lower_bound(slots + next[i], slots + std::min(seen.size, next[i] + WINDOW), end);
      const auto after = static_cast<std::size_t>(stop - slots);
      if (after == next[i]) continue;
      parts.push_back({&terms_[i], next[i], after, 0});
      postings += after - next[i];
      next[i] = after;
    }
    f(first, std::span<Part>(parts), postings);
  }
}

// The sums of one window at a time.
class SparseQuery::Window {
 public:
  explicit Window(Slot limit) : sums_(std::min<std::size_t>((limit + 15) / 16 * 16, WINDOW), UNTOUCHED) {}

  void add(const Part& part, Slot first, std::size_t start, std::size_t stop) {
    const Slot* slots = part.term->seen.postings->slots.get();
    const float* values = part.term->seen.postings->values.get();
    const float weight = part.term->weight;
    for (std::size_t i = start; i < stop; ++i) sums_[slots[i] - first] += product(weight, values[i]);
  }

  // f(slot, sum) for every slot that was touched, in order of slot; afterwards none is.
  template <class F>
  void take_all(Slot first, std::span<const Part> parts, std::size_t postings, F f) {
    if (postings < sums_.size() / FEW_SHARE) {
      take_few(first, parts, f);
      return;
    }
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      if (touched(sums_[i])) f(first + static_cast<Slot>(i), sums_[i]);
    }
    std::ranges::fill(sums_, UNTOUCHED);
  }

  // The same for sums of at least `least`.
  template <class F>
  void take_from(Slot first, std::span<const Part> parts, std::size_t postings, float least, F f) {
    if (postings < sums_.size() / FEW_SHARE) {
      take_few(first, parts, [&](Slot slot, float sum) {
        if (!(sum < least)) f(slot, sum);
      });
      return;
    }
    constexpr std::size_t LANES = 16;  // looked at together
    for (std::size_t i = 0; i < sums_.size(); i += LANES) {
      bool any = false;
      for (std::size_t j = i; j < i + LANES; ++j) any |= !(sums_[j] < least);
      if (!any) continue;
      for (std::size_t j = i; j < i + LANES; ++j) {
        if (touched(sums_[j]) && !(sums_[j] < least)) f(first + static_cast<Slot>(j), sums_[j]);
      }
    }
    std::ranges::fill(sums_, UNTOUCHED);
  }

 private:
  template <class F>
  void take_few(Slot first, std::span<const Part> parts, F f) {
    few_.clear();
    for (const Part& part : parts) {
      const Slot* slots = part.term->seen.postings->slots.get();
      few_.insert(few_.end(), slots + part.start, slots + part.stop);
    }
    std::ranges::sort(few_);
    few_.erase(std::ranges::unique(few_).begin(), few_.end());
    for (const Slot slot : few_) {
      const float sum = std::exchange(sums_[slot - first], UNTOUCHED);
      if (touched(sum)) f(slot, sum);
    }
  }

  std::vector<float> sums_;
  std::vector<Slot> few_;
};

void SparseQuery::score_all(const Allowed& allowed, Key floor, std::vector<Key>& out) const {
  const auto keep = [&](float sum, Slot slot) {
    const Key key = key_of(sum, slot);
    if (key > floor) out.push_back(key);
  };
  if (rows_are_cheaper(allowed)) return each_row(allowed, [&](Slot slot, float sum) { keep(sum, slot); });
  const bool all = allowed.everything() && view_.live == view_.limit;
  Window window(view_.limit);
  each_window([&](Slot first, std::span<const Part> parts, std::size_t postings) {
    for (const Part& part : parts) window.add(part, first, part.start, part.stop);
    window.take_all(first, parts, postings, [&](Slot slot, float sum) {
      if (all || admits(slot, allowed)) keep(sparse_.ordered(slot) ? sum : score(slot), slot);
    });
  });
}

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
  std::vector<Key> keys_;  // a heap, the worst in front
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

std::span<const Key> SparseCursor::next(std::size_t count) {
  out_.clear();
  if (count == 0) return out_;
  if (std::exchange(fresh_, false) && query_ && count <= FIRST_MAX) {
    query_->best(count, allowed_, out_);
    if (out_.size() < count) {
      query_.reset();
    } else {
      floor_ = out_.back();
    }
    return out_;
  }
  if (query_) {
    query_->score_all(allowed_, floor_, ranking_.keys());
    query_.reset();
  }
  ranking_.next(count, out_);
  return out_;
}

void SparseCursor::close() {
  query_.reset();
  ranking_.clear();
  out_.clear();
}

}  // namespace clew
