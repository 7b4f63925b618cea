#include "sieve.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace clew {
namespace {

constexpr std::size_t SAMPLE = 1024;
// So many more of a sample than the share that is wanted: fewer could all lie nearer than what is wanted by chance.
constexpr std::size_t SAMPLED_MORE = 8;
// Each pass lets at least one part in so many of what came before through, so that passes are few.
constexpr std::size_t GROWTH = 2;
// When so much of what is left is wanted, the rest comes as well.
constexpr std::size_t ALL_SHARE = 4;

constexpr std::size_t BLOCK = 8;
constexpr float EVERYTHING = std::numeric_limits<float>::infinity();

// Without a branch for each, so that a compiler makes vectors of it.
bool any_within(const float* distances, float limit) {
  int any = 0;
  for (std::size_t i = 0; i < BLOCK; ++i) any |= static_cast<int>(distances[i] <= limit);
  return any != 0;
}

}  // namespace

void Sieve::reserve(std::size_t count) {
  if (slots_.size() >= count) return;
  slots_.resize(count);
  distances_.resize(count);
}

void Sieve::add(std::span<const Slot> slots, const float* distances, std::uint64_t wanted) {
  if (size_ + slots.size() > slots_.size()) reserve(2 * (size_ + slots.size()));
  if (std::popcount(wanted) == static_cast<int>(slots.size())) {
    std::ranges::copy(slots, slots_.begin() + static_cast<std::ptrdiff_t>(size_));
    std::copy_n(distances, slots.size(), distances_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += slots.size();
    return;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots_[size_] = slots[i];
    distances_[size_] = distances[i];
    size_ += wanted >> i & 1;
  }
}

void Sieve::pass(std::size_t count, float limit, std::vector<Key>& out) {
  const float before = limit_;
  limit_ = std::max({before, limit, limit_for(std::max(count, passed_ / GROWTH))});
  const std::size_t known = out.size();
  const std::size_t end = size_;
  for (std::size_t start = 0; start < end; start += BLOCK) {
    const std::size_t stop = std::min(start + BLOCK, end);
    if (stop - start == BLOCK && !any_within(distances_.data() + start, limit_)) continue;
    Key found[BLOCK];
    std::size_t n = 0;
    for (std::size_t i = start; i < stop; ++i) {
      found[n] = make_key(distances_[i], slots_[i]);
      n += static_cast<std::size_t>(distances_[i] <= limit_) & static_cast<std::size_t>(distances_[i] > before);
    }
    out.insert(out.end(), found, found + n);
  }
  passed_ += out.size() - known;
}

// Up to where about `count` of what is left are, or more, by a sample.
float Sieve::limit_for(std::size_t count) const {
  const std::size_t left = size_ - passed_;
  if (count * ALL_SHARE >= left || left <= SAMPLE) return EVERYTHING;
  std::array<float, SAMPLE> sample;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < SAMPLE; ++i) {
    const float distance = distances_[i * size_ / SAMPLE];
    sample[taken] = distance;
    taken += static_cast<std::size_t>(distance > limit_);
  }
  const std::size_t rank = count * SAMPLE / size_ + SAMPLED_MORE;
  if (rank >= taken) return EVERYTHING;
  const auto at = sample.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(sample.begin(), at, sample.begin() + static_cast<std::ptrdiff_t>(taken));
  return *at;
}

void Sieve::clear() {
  size_ = passed_ = 0;
  limit_ = NOTHING;
}

}  // namespace clew
