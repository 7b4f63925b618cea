#include "exact.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace clew {
namespace {

constexpr std::size_t BLOCK = 32;  // rows scored at once, where they lie apart
// Rows that lie together are scored with those between them if of RUN so many are wanted.
constexpr std::size_t RUN = Codes::RUN;
constexpr int RUN_MIN = 24;

// Beside twice as many as are wanted, so many are taken in the order of codes to be scored exactly.
constexpr std::size_t AHEAD_MIN = 32;

constexpr Key EVERYTHING = ~Key{0};

}  // namespace

std::size_t Allowed::count(Slot limit) const {
  if (everything()) return limit;
  std::size_t count = 0;
  const std::size_t whole = std::min<std::size_t>(limit / 64, words.size());
  for (std::size_t i = 0; i < whole; ++i) count += static_cast<std::size_t>(std::popcount(words[i]));
  if (whole < words.size()) {
    count += static_cast<std::size_t>(std::popcount(words[whole] & ((std::uint64_t{1} << (limit % 64)) - 1)));
  }
  return count;
}

std::size_t Scan::start(const float* query, const View& view, const Allowed& allowed, const SlotSet* except, bool few) {
  clear();
  query_.assign(query);
  codes_ = few ? graph_.guide().codes : nullptr;
  if (codes_ != nullptr) codes_->assign(coded_, query_.row(), query_.length());
  if (codes_ != nullptr && !coded_.usable) codes_ = nullptr;
  std::array<Slot, 2 * BLOCK> block;
  std::size_t used = 0;
  if (allowed.everything()) ranking_.keys().reserve(view.limit);
  const std::uint64_t* words = allowed.words.data();
  const std::size_t all = (view.limit + RUN - 1) / RUN;
  const std::size_t numbers = words == nullptr ? all : std::min(all, allowed.words.size());
  for (std::size_t number = 0; number < numbers; ++number) {
    std::uint64_t bits = words == nullptr ? ~std::uint64_t{0} : words[number];
    if (bits == 0) continue;
    bits = wanted(number, bits, view, except);
    const auto first = static_cast<Slot>(number * RUN);
    if (std::popcount(bits) >= RUN_MIN) {
      score_run(first, std::min<std::size_t>(RUN, view.limit - first), bits);
      continue;
    }
    for (; bits != 0; bits &= bits - 1) {
      const Slot slot = first + static_cast<Slot>(std::countr_zero(bits));
      codes_ != nullptr ? codes_->prefetch(slot) : graph_.vectors().prefetch(slot);
      block[used++] = slot;
      if (used < block.size()) continue;
      // The second half is still on its way.
      score({block.data(), BLOCK});
      std::copy_n(block.begin() + BLOCK, BLOCK, block.begin());
      used = BLOCK;
    }
  }
  score({block.data(), std::min(used, BLOCK)});
  if (used > BLOCK) score({block.data() + BLOCK, used - BLOCK});
  std::ranges::sort(pending_);
  return ranking_.keys().size() + pending_.size();
}

// Which of the slots from 64 * number on, that `bits` say are allowed, are to be scored.
std::uint64_t Scan::wanted(std::size_t number, std::uint64_t bits, const View& view, const SlotSet* except) const {
  const auto first = static_cast<Slot>(number * RUN);
  if (view.limit - first < RUN) bits &= (std::uint64_t{1} << (view.limit - first)) - 1;
  if (except != nullptr) bits &= ~except->word(number);
  if (view.live == view.limit) return bits;
  for (std::uint64_t left = bits; left != 0; left &= left - 1) {
    if (!graph_.visible(first + static_cast<Slot>(std::countr_zero(left)), view)) bits ^= left & -left;
  }
  return bits;
}

// Scores row after row, as they lie, also those that are not wanted: the processor sees by itself what comes next.
void Scan::score_run(Slot first, std::size_t count, std::uint64_t wanted) {
  std::array<float, RUN> distances;
  if (codes_ != nullptr) {
    codes_->distances(coded_, first, count, distances.data());
    const std::uint64_t wild = codes_->wild(first, count) & wanted;
    wanted ^= wild;
    for (std::uint64_t left = wild; left != 0; left &= left - 1) {
      const Slot slot = first + static_cast<Slot>(std::countr_zero(left));
      score_exactly({&slot, 1}, pending_);
    }
  } else {
    std::array<Slot, RUN> slots;
    std::iota(slots.begin(), slots.end(), first);
    graph_.vectors().distances(query_, slots.data(), count, distances.data());
  }
  std::vector<Key>& keys = ranking_.keys();
  const std::size_t before = keys.size();
  keys.resize(before + count);
  Key* at = keys.data() + before;
  for (std::size_t i = 0; i < count; ++i) {
    *at = make_key(distances[i], first + static_cast<Slot>(i));
    at += wanted >> i & 1;
  }
  keys.resize(static_cast<std::size_t>(at - keys.data()));
}

void Scan::score(std::span<const Slot> slots) {
  if (codes_ == nullptr) return score_exactly(slots, ranking_.keys());
  std::array<float, BLOCK> distances;
  codes_->distances(coded_, slots.data(), slots.size(), distances.data());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (codes_->wild(slots[i])) {
      score_exactly(slots.subspan(i, 1), pending_);
    } else {
      ranking_.keys().push_back(make_key(distances[i], slots[i]));
    }
  }
}

void Scan::score_exactly(std::span<const Slot> slots, std::vector<Key>& out) {
  std::array<float, BLOCK> distances;
  graph_.vectors().distances(query_, slots.data(), slots.size(), distances.data());
  const std::size_t before = out.size();
  out.resize(before + slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) out[before + i] = make_key(distances[i], slots[i]);
}

void Scan::next(std::size_t count, std::vector<Key>& out) {
  if (codes_ == nullptr) return ranking_.next(count, out);
  approach(count);
  const std::size_t n = std::min(count, sure());
  if (n == 0) return;
  out.insert(out.end(), pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(n));
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(n));
}

// How many of pending_ nothing that remains can come before.
std::size_t Scan::sure() const {
  return static_cast<std::size_t>(std::ranges::upper_bound(pending_, bound_) - pending_.begin());
}

// Takes slots by the order of their codes until `count` are sure.
void Scan::approach(std::size_t count) {
  for (std::size_t wanted = count * 2 + AHEAD_MIN; bound_ != EVERYTHING && sure() < count; wanted *= 2) {
    coded_keys_.clear();
    ranking_.next(wanted, coded_keys_);
    const auto before = static_cast<std::ptrdiff_t>(pending_.size());
    std::array<Slot, BLOCK> block;
    for (std::size_t start = 0; start < coded_keys_.size(); start += BLOCK) {
      const std::size_t n = std::min(BLOCK, coded_keys_.size() - start);
      for (std::size_t i = 0; i < n; ++i) graph_.vectors().prefetch(block[i] = slot_of(coded_keys_[start + i]));
      score_exactly({block.data(), n}, pending_);
    }
    std::sort(pending_.begin() + before, pending_.end());
    std::inplace_merge(pending_.begin(), pending_.begin() + before, pending_.end());
    bound_ = coded_keys_.size() < wanted
                 ? EVERYTHING
                 : make_key(codes_->least(coded_, distance_of(coded_keys_.back())), NO_SLOT >> 1);
  }
}

void Scan::clear() {
  codes_.reset();
  ranking_.clear();
  pending_.clear();
  bound_ = 0;
}

}  // namespace clew
