#include "exact.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

namespace clew {
namespace {

constexpr std::size_t BLOCK = 32;  // rows scored at once, where they lie apart
// Rows that lie together are scored with those between them if of RUN so many are wanted.
constexpr std::size_t RUN = 64;
constexpr int RUN_MIN = 24;

// So many times as many as are wanted, and so many more, come through the sieve at once: what lies between the nearest
// by codes and the nearest, and what is asked for next.
constexpr std::size_t ADMITTED = 2;
constexpr std::size_t ADMITTED_MIN = 256;

constexpr float ANYWHERE = std::numeric_limits<float>::infinity();
constexpr float NOWHERE = -ANYWHERE;

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

std::size_t Scan::start(const float* query, const View& view, const Allowed& allowed, const SlotSet* except, By by) {
  clear();
  query_.assign(query);
  codes_ = by != By::floats ? graph_.guide().codes : nullptr;
  if (codes_ != nullptr) codes_->assign(coded_, query_.row(), query_.length());
  if (codes_ != nullptr && !coded_.usable) codes_ = nullptr;
  coarse_ = codes_ != nullptr && by == By::coarse_halves && coded_.coarse_usable;
  std::array<Slot, 2 * BLOCK> block;
  std::size_t used = 0;
  const auto score_rest = [&] {
    if (used > 0) score({block.data(), std::min(used, BLOCK)});
    if (used > BLOCK) score({block.data() + BLOCK, used - BLOCK});
    used = 0;
  };
  if (allowed.everything()) {
    codes_ != nullptr ? sieve_.reserve(view.limit) : ranking_.keys().reserve(view.limit);
  }
  const std::uint64_t* words = allowed.words.data();
  const std::size_t all = (view.limit + RUN - 1) / RUN;
  const std::size_t numbers = words == nullptr ? all : std::min(all, allowed.words.size());
  for (std::size_t number = 0; number < numbers; ++number) {
    std::uint64_t bits = words == nullptr ? ~std::uint64_t{0} : words[number];
    if (bits == 0) continue;
    bits = wanted(number, bits, view, except);
    const auto first = static_cast<Slot>(number * RUN);
    if (std::popcount(bits) >= RUN_MIN) {
      score_rest();  // slots are scored in their order, which is that of equal distances
      score_run(first, std::min<std::size_t>(RUN, view.limit - first), bits);
      continue;
    }
    for (; bits != 0; bits &= bits - 1) {
      const Slot slot = first + static_cast<Slot>(std::countr_zero(bits));
      prefetch(slot);
      block[used++] = slot;
      if (used < block.size()) continue;
      // The second half is still on its way.
      score({block.data(), BLOCK});
      std::copy_n(block.begin() + BLOCK, BLOCK, block.begin());
      used = BLOCK;
    }
  }
  score_rest();
  score_block();
  return ranking_.keys().size() + sieve_.size() + pending_.size();
}

void Scan::prefetch(Slot slot) const {
  if (codes_ == nullptr) {
    graph_.vectors().prefetch(slot);
  } else {
    coarse_ ? codes_->prefetch_coarse(slot) : codes_->prefetch_whole(slot);
  }
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
  std::array<Slot, RUN> slots;
  std::array<float, RUN> distances;
  std::iota(slots.begin(), slots.end(), first);
  if (codes_ == nullptr) {
    graph_.vectors().distances(query_, slots.data(), count, distances.data());
    return keep({slots.data(), count}, distances.data(), wanted);
  }
  if (coarse_) {
    codes_->coarse_distances(coded_, first, count, distances.data());
  } else {
    codes_->distances(coded_, slots.data(), count, distances.data());
  }
  sift({slots.data(), count}, distances.data(), wanted, codes_->wild(first, count));
}

void Scan::score(std::span<const Slot> slots) {
  std::array<float, BLOCK> distances;
  if (codes_ == nullptr) return score_exactly(slots, ranking_.keys());
  std::uint64_t wild = 0;
  if (coarse_) {
    codes_->coarse_distances(coded_, slots.data(), slots.size(), distances.data());
  } else {
    codes_->distances(coded_, slots.data(), slots.size(), distances.data());
  }
  for (std::size_t i = 0; i < slots.size(); ++i) wild |= std::uint64_t{codes_->wild(slots[i])} << i;
  sift(slots, distances.data(), ~std::uint64_t{0} >> (64 - slots.size()), wild);
}

// Adds slot i to the ranking where bit i of `wanted` is set.
void Scan::keep(std::span<const Slot> slots, const float* distances, std::uint64_t wanted) {
  std::vector<Key>& keys = ranking_.keys();
  const std::size_t before = keys.size();
  keys.resize(before + slots.size());
  Key* at = keys.data() + before;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    *at = make_key(distances[i], slots[i]);
    at += wanted >> i & 1;
  }
  keys.resize(static_cast<std::size_t>(at - keys.data()));
}

// Adds it to the sieve, or to block_, to be scored exactly, where bit i of `wild` is set as well.
void Scan::sift(std::span<const Slot> slots, const float* distances, std::uint64_t wanted, std::uint64_t wild) {
  sieve_.add(slots, distances, wanted & ~wild);
  for (std::uint64_t left = wanted & wild; left != 0; left &= left - 1) {
    block_.push_back(make_key(0, slots[static_cast<std::size_t>(std::countr_zero(left))]));
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
  if (sure_ < count) approach(count);
  const auto n = static_cast<std::ptrdiff_t>(std::min(count, sure_));
  out.insert(out.end(), pending_.begin(), pending_.begin() + n);
  pending_.erase(pending_.begin(), pending_.begin() + n);
  sure_ -= static_cast<std::size_t>(n);
}

// Makes `count` of pending_ sure, or all that there are: until all that could come before the last of them is pending.
void Scan::approach(std::size_t count) {
  const std::size_t at_once = std::max(BLOCK, count);
  for (;;) {
    const float last = pending_.size() < count ? ANYWHERE : distance_of(pending_[count - 1]);
    const float limit = coded_.whole.greatest(last);
    const bool waiting = taken_ < waiting_.size();
    if (waiting && distance_of(waiting_[taken_]) <= limit) {
      take(at_once, limit);
    } else if (!sieve_.empty() && sieve_.limit() < measure().greatest(last)) {
      // Without any by their codes, `last` is one of the few that have none, and says nothing.
      admit(count, waiting ? measure().greatest(last) : NOWHERE);
    } else {
      break;
    }
  }
  sure_ = std::min(count, pending_.size());
}

// Lets through the sieve what is at up to `limit`, and at least a good deal more than `count`.
void Scan::admit(std::size_t count, float limit) {
  block_.clear();
  sieve_.pass(count * ADMITTED + ADMITTED_MIN, limit, block_);
  std::array<Slot, BLOCK> slots;
  std::array<float, BLOCK> distances;
  for (std::size_t start = 0; coarse_ && start < block_.size(); start += BLOCK) {
    const std::size_t n = std::min(BLOCK, block_.size() - start);
    for (std::size_t i = 0; i < n; ++i) codes_->prefetch_whole(slots[i] = slot_of(block_[start + i]));
    codes_->distances(coded_, slots.data(), n, distances.data());
    for (std::size_t i = 0; i < n; ++i) block_[start + i] = make_key(distances[i], slots[i]);
  }
  sort_keys(block_);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  const auto before = static_cast<std::ptrdiff_t>(waiting_.size());
  waiting_.insert(waiting_.end(), block_.begin(), block_.end());
  std::inplace_merge(waiting_.begin(), waiting_.begin() + before, waiting_.end());
}

// Scores exactly the first `count` of what waits, as far as it is at up to `limit` by its codes.
void Scan::take(std::size_t count, float limit) {
  const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(taken_);
  const auto most = first + static_cast<std::ptrdiff_t>(std::min(count, waiting_.size() - taken_));
  block_.assign(first, std::upper_bound(first, most, make_key(limit, NO_SLOT >> 1)));
  taken_ += block_.size();
  score_block();
}

// Adds what is in block_ to what is pending.
void Scan::score_block() {
  const auto before = static_cast<std::ptrdiff_t>(pending_.size());
  std::array<Slot, BLOCK> slots;
  for (std::size_t start = 0; start < block_.size(); start += BLOCK) {
    const std::size_t n = std::min(BLOCK, block_.size() - start);
    for (std::size_t i = 0; i < n; ++i) graph_.vectors().prefetch(slots[i] = slot_of(block_[start + i]));
    score_exactly({slots.data(), n}, pending_);
  }
  std::sort(pending_.begin() + before, pending_.end());
  std::inplace_merge(pending_.begin(), pending_.begin() + before, pending_.end());
}

void Scan::clear() {
  codes_.reset();
  ranking_.clear();
  sieve_.clear();
  waiting_.clear();
  pending_.clear();
  block_.clear();
  sure_ = taken_ = 0;
}

std::size_t Scan::bytes() const {
  return ranking_.bytes() + sieve_.bytes() +
         (waiting_.capacity() + pending_.capacity() + block_.capacity()) * sizeof(Key);
}

}  // namespace clew
