#include "sieve.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "distance.hpp"

namespace clew {
namespace {

constexpr std::size_t SAMPLE = 1024;
// So many more of a sample than the share that is wanted: fewer could all lie nearer than what is wanted by chance.
constexpr std::size_t SAMPLED_MORE = 8;
// When so much of what is left is wanted, the rest comes as well.
constexpr std::size_t ALL_SHARE = 4;
// Where blocks are so many times what is wanted, the least of each tell how far away that is.
constexpr std::size_t BLOCKS_SHARE = 2;
// Where distances are few, so are blocks: then smaller groups tell.
constexpr std::size_t GROUPS = 4 * Sieve::BLOCK;
constexpr std::size_t GROUPED_MAX = 8192;

constexpr float EVERYTHING = std::numeric_limits<float>::infinity();
// Is not within any limit.
constexpr float ABSENT = std::numeric_limits<float>::quiet_NaN();

// The least of 2 * HALF values. By halves of a known length, so that a compiler makes vectors of them.
template <std::size_t HALF>
float least_of(float* values) {
  if constexpr (HALF == 0) {
    return values[0];
  } else {
    for (std::size_t i = 0; i < HALF; ++i) values[i] = values[HALF + i] < values[i] ? values[HALF + i] : values[i];
    return least_of<HALF / 2>(values);
  }
}

// As Steps::within.
std::uint64_t within(const float* distances, float before, float limit, float& least) {
  std::array<std::uint8_t, Sieve::BLOCK> inside;
  std::array<float, Sieve::BLOCK> beyond;
  for (std::size_t i = 0; i < Sieve::BLOCK; ++i) {
    inside[i] = ((distances[i] <= limit) & (distances[i] > before)) ? 1 : 0;
    beyond[i] = distances[i] > limit ? distances[i] : EVERYTHING;
  }
  least = least_of<Sieve::BLOCK / 2>(beyond.data());
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < Sieve::BLOCK; i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, inside.data() + i, sizeof eight);
    bits |= (eight * 0x0102040810204080U >> 56) << i;  // the lowest bits of eight bytes, side by side
  }
  return bits;
}

}  // namespace

Sieve::Sieve() : within_(best_kernels().steps != nullptr ? best_kernels().steps->within : within) {}

void Sieve::start(std::size_t places) {
  listed_ = places == 0;
  end_ = (places + BLOCK - 1) / BLOCK * BLOCK;
  size_ = passed_ = 0;
  limit_ = NOTHING;
  if (end_ > distances_.size()) distances_.resize(end_);
  if (end_ / BLOCK > least_.size()) least_.resize(end_ / BLOCK);
}

void Sieve::settle(Slot first, std::uint64_t wanted) {
  float* distances = block(first);
  for (std::uint64_t left = ~wanted; left != 0; left &= left - 1) distances[std::countr_zero(left)] = ABSENT;
  within_(distances, NOTHING, NOTHING, least_[first / BLOCK]);
  size_ += count_ones(wanted);
}

void Sieve::add(std::span<const Slot> slots, const float* distances, std::uint64_t wanted) {
  if (end_ + slots.size() > slots_.size()) slots_.resize(2 * (end_ + slots.size()));
  if (slots_.size() > distances_.size()) distances_.resize(slots_.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots_[end_] = slots[i];
    distances_[end_] = distances[i];
    end_ += wanted >> i & 1;
  }
}

void Sieve::finish() {
  if (!listed_) return;
  size_ = end_;
  end_ = (size_ + BLOCK - 1) / BLOCK * BLOCK;
  if (end_ > slots_.size()) slots_.resize(end_);
  if (end_ > distances_.size()) distances_.resize(end_);
  if (end_ / BLOCK > least_.size()) least_.resize(end_ / BLOCK);
  std::fill(distances_.data() + size_, distances_.data() + end_, ABSENT);
  for (std::size_t i = 0; i < end_; i += BLOCK) within_(distances_.data() + i, NOTHING, NOTHING, least_[i / BLOCK]);
}

void Sieve::pass(std::size_t count, float limit, std::vector<Key>& out) {
  const float before = limit_;
  limit_ = std::max({before, limit, limit_for(count)});
  const std::size_t known = out.size();
  for (std::size_t number = 0; number < end_ / BLOCK; ++number) {
    if (least_[number] <= limit_) pass_block(number, before, out);
  }
  passed_ += out.size() - known;
}

void Sieve::pass_block(std::size_t number, float before, std::vector<Key>& out) {
  const std::size_t first = number * BLOCK;
  for (std::uint64_t bits = within_(distances_.data() + first, before, limit_, least_[number]); bits != 0;
       bits &= bits - 1) {
    const std::size_t place = first + static_cast<std::size_t>(std::countr_zero(bits));
    out.push_back(make_key(distances_[place], listed_ ? slots_[place] : static_cast<Slot>(place)));
  }
}

// Up to where about `count` of what is left are, or more.
float Sieve::limit_for(std::size_t count) {
  if (count == 0) return NOTHING;
  if (count * ALL_SHARE >= size_ - passed_) return EVERYTHING;
  if (count * BLOCKS_SHARE <= end_ / BLOCK) return limit_by_blocks(count);
  return count * BLOCKS_SHARE <= GROUPS && end_ <= GROUPED_MAX ? limit_by_groups(count) : limit_by_sample(count);
}

float Sieve::limit_by_blocks(std::size_t count) {
  ranked_.assign(least_.begin(), least_.begin() + static_cast<std::ptrdiff_t>(end_ / BLOCK));
  const auto at = ranked_.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(ranked_, at);
  return *at;
}

// As by blocks: the least of each group, of what has not passed; every GROUPS-th distance is of one group.
float Sieve::limit_by_groups(std::size_t count) const {
  std::array<float, GROUPS> least;
  least.fill(EVERYTHING);
  for (std::size_t start = 0; start < end_; start += BLOCK) {
    float* const groups = least.data() + start % GROUPS;
    const float* const distances = distances_.data() + start;
    for (std::size_t i = 0; i < BLOCK; ++i) {
      const bool less = (distances[i] > limit_) & (distances[i] < groups[i]);
      groups[i] = less ? distances[i] : groups[i];
    }
  }
  const auto at = least.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(least, at);
  return *at;
}

float Sieve::limit_by_sample(std::size_t count) const {
  if (end_ <= SAMPLE) return EVERYTHING;
  std::array<float, SAMPLE> sample;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < SAMPLE; ++i) {
    const float distance = distances_[i * end_ / SAMPLE];
    sample[taken] = distance;
    taken += static_cast<std::size_t>(distance > limit_);
  }
  const std::size_t rank = count * SAMPLE / end_ + SAMPLED_MORE;
  if (rank >= taken) return EVERYTHING;
  const auto at = sample.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(sample.begin(), at, sample.begin() + static_cast<std::ptrdiff_t>(taken));
  return *at;
}

}  // namespace clew
