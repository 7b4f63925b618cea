#include "exact.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

#include "rescore.hpp"

namespace clew {
namespace {

constexpr std::size_t BLOCK = 32;  // rows scored at once, where they lie apart
// Rows that lie together are scored with those between them if of RUN so many are wanted.
constexpr std::size_t RUN = 64;
constexpr std::size_t RUN_MIN = 24;
constexpr std::size_t LISTED = 512;  // words at a time

// After the first batch, as many more are made sure of at once as were given out before, as each time costs a look at
// all: at least one part in so many of all, which is little beside scoring them, and at most one in so many, lest a
// batch takes long.
constexpr std::size_t LOT_MIN_SHARE = 512;
constexpr std::size_t LOT_MAX_SHARE = 64;

// One part in so many more than are wanted, and so many more, are scored exactly: the last of exactly as many would be
// the one that codes mistook most, and its bound would let half of all come near.
constexpr std::size_t MORE_SHARE = 8;
constexpr std::size_t MORE = 16;

constexpr float ANYWHERE = std::numeric_limits<float>::infinity();
constexpr float NOWHERE = -ANYWHERE;

}  // namespace

std::size_t Allowed::count(Slot limit) const {
  if (everything()) return limit;
  std::size_t count = 0;
  const std::size_t whole = std::min<std::size_t>(limit / 64, words.size());
  for (std::size_t i = 0; i < whole; ++i) count += count_ones(words[i]);
  if (whole < words.size()) {
    count += count_ones(words[whole] & ((std::uint64_t{1} << (limit % 64)) - 1));
  }
  return count;
}

std::size_t Scan::start(const float* query, const View& view, const Allowed& allowed, std::size_t matching,
                        const SlotSet* except, By by) {
  clear();
  query_.assign(query);
  codes_ = by != By::floats ? graph_.guide().codes : nullptr;
  if (codes_ != nullptr) codes_->assign(coded_, query_.row(), query_.length());
  if (codes_ != nullptr && !coded_.usable) codes_ = nullptr;
  coarse_ = codes_ != nullptr && by == By::coarse_halves && coded_.coarse_usable;
  const bool most = matching * RUN >= view.limit * RUN_MIN;
  if (codes_ == nullptr) {
    if (most) ranking_.keys().reserve(matching);
  } else {
    sieve_.start(most ? view.limit : 0);
  }
  score_all(view, allowed, except, codes_ != nullptr && most);
  sieve_.finish();
  score_block();
  wild_.swap(block_);
  return ranking_.keys().size() + sieve_.size() + wild_.size();
}

// Row after row where many of those that lie together are wanted, or all of them have a place in the sieve.
void Scan::score_all(const View& view, const Allowed& allowed, const SlotSet* except, bool placed) {
  std::array<Slot, 2 * BLOCK> block;
  std::array<const std::uint8_t*, 2 * BLOCK> rows;
  std::size_t used = 0;
  const auto score_rest = [&] {
    if (used > 0) score({block.data(), std::min(used, BLOCK)}, rows.data());
    if (used > BLOCK) score({block.data() + BLOCK, used - BLOCK}, rows.data() + BLOCK);
    used = 0;
  };
  const auto score_word = [&](std::size_t number) {
    const auto first = static_cast<Slot>(number * RUN);
    std::uint64_t bits = wanted(number, allowed.word(number), view, except);
    if (codes_ != nullptr) bits = set_aside(first, bits);
    if (placed && bits == 0) return sieve_.settle(first, 0);
    if (placed || count_ones(bits) >= RUN_MIN) {
      score_rest();  // slots are scored in their order, which is that of equal distances
      return score_run(first, std::min<std::size_t>(RUN, view.limit - first), bits);
    }
    for (; bits != 0; bits &= bits - 1) {
      const Slot slot = first + static_cast<Slot>(std::countr_zero(bits));
      block[used] = slot;
      rows[used++] = ask(slot);
      if (used < block.size()) continue;
      // The second half is still on its way.
      score({block.data(), BLOCK}, rows.data());
      std::copy_n(block.begin() + BLOCK, BLOCK, block.begin());
      std::copy_n(rows.begin() + BLOCK, BLOCK, rows.begin());
      used = BLOCK;
    }
  };
  // Whether anything of a word is allowed is anybody's guess: those of which it is are listed first, without a branch.
  std::array<std::size_t, LISTED> numbers;
  for (std::size_t number = 0; number * RUN < view.limit;) {
    std::size_t listed = 0;
    for (std::size_t i = 0; i < LISTED && number * RUN < view.limit; ++i, ++number) {
      numbers[listed] = number;
      listed += static_cast<std::size_t>(placed || allowed.word(number) != 0);
    }
    for (std::size_t i = 0; i < listed; ++i) score_word(numbers[i]);
  }
  score_rest();
}

// Asks for a row that is to be scored soon. Returns where its coarse half is, if it is to be scored by that.
const std::uint8_t* Scan::ask(Slot slot) const {
  if (coarse_) return codes_->fetch_coarse(slot);
  codes_ != nullptr ? codes_->prefetch_whole(slot) : graph_.vectors().prefetch(slot);
  return nullptr;
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
  std::array<float, RUN> listed;
  std::iota(slots.begin(), slots.end(), first);
  if (codes_ == nullptr) {
    graph_.vectors().distances(query_, slots.data(), count, listed.data());
    return keep({slots.data(), count}, listed.data(), wanted);
  }
  float* distances = sieve_.listed() ? listed.data() : sieve_.block(first);
  if (coarse_) {
    codes_->coarse_distances(coded_, first, count, distances);
  } else {
    codes_->distances(coded_, slots.data(), count, distances);
  }
  sieve_.listed() ? sieve_.add({slots.data(), count}, distances, wanted) : sieve_.settle(first, wanted);
}

// Scores rows that have been asked for.
void Scan::score(std::span<const Slot> slots, const std::uint8_t* const* rows) {
  std::array<float, BLOCK> distances;
  if (codes_ == nullptr) {
    graph_.vectors().distances(query_, slots.data(), slots.size(), distances.data());
    return keep(slots, distances.data(), ~std::uint64_t{0});
  }
  if (coarse_) {
    codes_->coarse_distances(coded_, {rows, slots.size()}, distances.data());
  } else {
    codes_->distances(coded_, slots.data(), slots.size(), distances.data());
  }
  sieve_.add(slots, distances.data(), ~std::uint64_t{0} >> (64 - slots.size()));
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

// Slot first + i where bit i is set: those that are wild are to be scored exactly. Returns the others.
std::uint64_t Scan::set_aside(Slot first, std::uint64_t bits) {
  const std::uint64_t wild = bits & codes_->wild_among(first);
  for (std::uint64_t left = wild; left != 0; left &= left - 1) {
    block_.push_back(make_key(0, first + static_cast<Slot>(std::countr_zero(left))));
  }
  return bits ^ wild;
}

void Scan::next(std::size_t count, std::vector<Key>& out) {
  if (codes_ == nullptr) {
    const std::span<const Key> given = ranking_.next(count);
    out.insert(out.end(), given.begin(), given.end());
    return;
  }
  for (; count > 0; --count) {
    if (given_ == sure_) approach(lot(count));
    const bool wild = wild_given_ < wild_.size();
    if (given_ == sure_ && !wild) return;
    const bool wild_first = given_ == sure_ || (wild && wild_[wild_given_] < pending_[given_]);
    out.push_back(wild_first ? wild_[wild_given_++] : pending_[given_++]);
  }
}

// Of how many it is made sure at once that they are the next, if `count` are asked for.
std::size_t Scan::lot(std::size_t count) const {
  const std::size_t given = given_before_ + given_;
  if (given == 0) return count;
  return std::max(count, std::clamp(given, sieve_.size() / LOT_MIN_SHARE, sieve_.size() / LOT_MAX_SHARE));
}

// Makes `count` of pending_ sure, or all that there are: until all that could come before the last of them is pending.
void Scan::approach(std::size_t count) {
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(given_));
  given_before_ += given_;
  given_ = 0;
  const std::size_t some = count + count / MORE_SHARE + MORE;
  for (;;) {
    const bool known = pending_.size() >= count;
    const float last = known ? distance_of(pending_[count - 1]) : ANYWHERE;
    const float limit = coded_.whole.greatest(last);
    if (taken_ < waiting_.size() && distance_of(waiting_[taken_]) <= limit) {
      take(some, limit);
    } else if (!far_.empty() && fence_ < limit) {
      known ? come_nearer(limit) : come_nearer(limit_of_some(some));
    } else if (!sieve_.empty() && sieve_.limit() < measure().greatest(last)) {
      known ? admit(0, measure().greatest(last)) : admit(some, NOWHERE);
    } else {
      break;
    }
  }
  sure_ = std::min(count, pending_.size());
}

// Lets through the sieve what is at up to `limit`, and about `count` at least.
void Scan::admit(std::size_t count, float limit) {
  block_.clear();
  sieve_.pass(count, limit, block_);
  if (coarse_) {
    rescore(
        block_, [&](Slot slot) { codes_->prefetch_whole(slot); },
        [&](const Slot* slots, std::size_t n, float* out) { codes_->distances(coded_, slots, n, out); });
  }
  far_.insert(far_.end(), block_.begin(), block_.end());
  come_nearer(fence_);
}

// The distance that the `count`-th of what is far is at.
float Scan::limit_of_some(std::size_t count) {
  if (count >= far_.size()) return ANYWHERE;
  const auto at = far_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(far_, at);
  return distance_of(*at);
}

// What is far, and at up to `limit`, waits from here on.
void Scan::come_nearer(float limit) {
  fence_ = limit;
  block_.clear();
  std::size_t left = 0;
  for (const Key key : far_) {
    if (distance_of(key) <= limit) {
      block_.push_back(key);
    } else {
      far_[left++] = key;
    }
  }
  far_.resize(left);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  sort_keys(block_);
  merge_into(waiting_);
}

// Scores exactly the first `count` of what waits, as far as it is at up to `limit` by its codes.
void Scan::take(std::size_t count, float limit) {
  const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(taken_);
  const auto most = first + static_cast<std::ptrdiff_t>(std::min(count, waiting_.size() - taken_));
  block_.assign(first, std::upper_bound(first, most, make_key(limit, NO_SLOT >> 1)));
  taken_ += block_.size();
  score_block();
  merge_into(pending_);
}

// Scores exactly what is in block_, and sorts it.
void Scan::score_block() {
  const VectorStore& vectors = graph_.vectors();
  rescore(
      block_, [&](Slot slot) { vectors.prefetch(slot); },
      [&](const Slot* slots, std::size_t n, float* out) { vectors.distances(query_, slots, n, out); });
  sort_keys(block_);
}

// Both are sorted.
void Scan::merge_into(std::vector<Key>& keys) {
  const auto before = static_cast<std::ptrdiff_t>(keys.size());
  keys.insert(keys.end(), block_.begin(), block_.end());
  std::inplace_merge(keys.begin(), keys.begin() + before, keys.end());
}

void Scan::clear() {
  codes_.reset();
  ranking_.clear();
  sieve_.start(0);
  wild_.clear();
  far_.clear();
  waiting_.clear();
  pending_.clear();
  block_.clear();
  fence_ = NOWHERE;
  wild_given_ = taken_ = sure_ = given_ = given_before_ = 0;
}

std::size_t Scan::bytes() const {
  return ranking_.bytes() + sieve_.bytes() +
         (wild_.capacity() + far_.capacity() + waiting_.capacity() + pending_.capacity() + block_.capacity()) *
             sizeof(Key);
}

}  // namespace clew
