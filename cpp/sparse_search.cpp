#include "sparse_search.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "sparse_window.hpp"

namespace clew {
namespace {

// Scoring one record from its own entries costs as much as going through about this many postings.
constexpr std::size_t ROW_COST = 32;
// Up to so many results are looked for by themselves before everything is scored.
constexpr std::size_t FIRST_MAX = 128;

std::size_t hash_of(std::int32_t index) { return static_cast<std::uint32_t>(index) * 0x9E3779B1U >> 22; }

float idf_of(std::size_t records, std::size_t having) {
  const auto n = static_cast<double>(having);
  return static_cast<float>(std::log1p((static_cast<double>(records) - n + 0.5) / (n + 0.5)));
}

}  // namespace

thread_local std::vector<float> SparseQuery::Window::spare_;

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
  // Where a sum may overflow on the way, nothing can be said of it.
  if (magnitude > std::numeric_limits<float>::max() / 2) slack_ = std::numeric_limits<double>::infinity();
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

void SparseQuery::score_all(const Allowed& allowed, Key floor, std::vector<Key>& out) const {
  const auto keep = [&](float sum, Slot slot) {
    const Key key = key_of(sum, slot);
    if (key > floor) out.push_back(key);
  };
  if (rows_are_cheaper(allowed)) return each_row(allowed, [&](Slot slot, float sum) { keep(sum, slot); });
  out.reserve(std::min({postings_, view_.live, allowed.count(view_.limit)}));
  const bool all = admits_all(allowed);
  Window window(view_.limit);
  const bool ordered = sparse_.all_ordered();
  each_window([&](Slot first, std::span<const Part> parts, std::size_t) {
    for (const Part& part : parts) window.add(part, first, part.start, part.stop);
    window.take_all(first, parts, [&](Slot slot, float sum) {
      if (all || admits(slot, allowed)) keep(ordered || sparse_.ordered(slot) ? sum : score(slot), slot);
    });
  });
  window.give_back();
}

std::span<const Key> SparseCursor::next(std::size_t count) {
  if (count == 0) return {};
  if (std::exchange(fresh_, false) && query_ && count <= FIRST_MAX) {
    query_->best(count, allowed_, best_);
    if (best_.size() < count) {
      query_.reset();
    } else {
      floor_ = best_.back();
    }
    return best_;
  }
  if (query_) {
    query_->score_all(allowed_, floor_, ranking_.keys());
    query_.reset();
  }
  return ranking_.next(count);
}

void SparseCursor::close() {
  query_.reset();
  ranking_.clear();
  best_.clear();
}

}  // namespace clew
