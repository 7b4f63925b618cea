#include "pile.hpp"

#include <array>

#include "distance.hpp"
#include "ranking.hpp"

namespace clew {
namespace {

// When nothing near is left, about one part in so many of the rest comes nearer, and at least about so many.
constexpr std::size_t NEAR_SHARE = 16;
constexpr std::size_t NEAR_MIN = 128;
constexpr std::size_t SAMPLE = 4 * NEAR_SHARE;
constexpr std::size_t SPLIT_AT_ONCE = 256;  // registers full of keys: nothing behind them is written over

}  // namespace

KeyPile::KeyPile() : steps_(best_kernels().steps) {}

std::size_t merge_sorted(Room<Key>& keys, std::size_t from, std::span<const Key> fresh) {
  // From the last to the first, so that each key moves once.
  std::size_t end = keys.size();
  keys.resize(end + fresh.size());
  Key* const at = keys.data();
  for (std::size_t left = fresh.size(); left > 0; --left) {
    const std::size_t first = from + rank_in({at + from, end - from}, fresh[left - 1]);
    std::copy_backward(at + first, at + end, at + end + left);
    at[first + left - 1] = fresh[left - 1];
    end = first;
  }
  return end;
}

void KeyPile::push(std::span<const Key> keys) {
  // By an eighth, not by half or more: of thousands of open queries this is the largest part.
  const std::size_t most = far_.size() + keys.size() + Steps::SPARE;
  if (most > far_.capacity()) far_.reserve(most + most / 8);
  const std::size_t far = far_.size();
  far_.resize(most);
  far_.resize(far + keys.size() - split(keys, late_, far_.data() + far));
}

// Moves the nearest of far_ to near_. False: there are none.
bool KeyPile::come_nearer() {
  near_.clear();
  taken_ = 0;
  if (far_.empty()) return false;
  fence_ = end_of_nearest();
  const std::size_t size = far_.size();
  far_.resize(size + Steps::SPARE);
  std::size_t left = 0;
  for (std::size_t start = 0; start < size; start += SPLIT_AT_ONCE) {
    const std::span<const Key> some(far_.data() + start, std::min(SPLIT_AT_ONCE, size - start));
    left += some.size() - split(some, near_, far_.data() + left);
  }
  far_.resize(left);
  sort_keys(near_);
  return true;
}

// Appends the keys that are less than the fence to `below` and writes the others to `others`, which has room for
// Steps::SPARE more. Returns how many are below.
std::size_t KeyPile::split(std::span<const Key> keys, Room<Key>& below, Key* others) const {
  const std::size_t before = below.size();
  below.resize(before + keys.size() + Steps::SPARE);
  std::size_t less = 0;
  if (steps_ != nullptr) {
    less = steps_->split(keys, fence_, below.data() + before, others);
  } else {
    for (const Key key : keys) {
      below[before + less] = *others = key;
      less += static_cast<std::size_t>(key < fence_);
      others += key < fence_ ? 0 : 1;
    }
  }
  below.resize(before + less);
  return less;
}

// Where those end, as a sample tells.
Key KeyPile::end_of_nearest() const {
  if (far_.size() <= NEAR_MIN) return std::ranges::max(far_) + 1;
  std::array<Key, SAMPLE> sample;
  for (std::size_t i = 0; i < SAMPLE; ++i) sample[i] = far_[i * far_.size() / SAMPLE];
  const std::size_t rank = std::max(SAMPLE / NEAR_SHARE, SAMPLE * NEAR_MIN / far_.size());
  std::ranges::nth_element(sample, sample.begin() + rank);
  return sample[rank] + 1;
}

}  // namespace clew
