// Slots that come through nearest first, about as many as are wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "types.hpp"

namespace clew {

// Holds slots by a distance that is only nearly theirs, in no order. pass() lets the nearest through, and what is left
// is further than limit(). Each pass looks at all.
class Sieve {
 public:
  void reserve(std::size_t count);
  // Adds slot i, at distances[i], where bit i of `wanted` is set; no other bits are.
  void add(std::span<const Slot> slots, const float* distances, std::uint64_t wanted);

  // Appends further slots to `out` with their distances, in order of slots added: all up to `limit`, and about `count`
  // at least.
  void pass(std::size_t count, float limit, std::vector<Key>& out);

  bool empty() const { return passed_ == size_; }
  float limit() const { return limit_; }
  std::size_t size() const { return size_; }

  void clear();
  std::size_t bytes() const { return slots_.capacity() * sizeof(Slot) + distances_.capacity() * sizeof(float); }

 private:
  static constexpr float NOTHING = -std::numeric_limits<float>::infinity();

  float limit_for(std::size_t count) const;

  // As long as they have ever had to be: what is beyond size_ is of no account.
  std::vector<Slot> slots_;
  std::vector<float> distances_;
  std::size_t size_ = 0;
  std::size_t passed_ = 0;
  float limit_ = NOTHING;  // what is at up to this has been passed
};

}  // namespace clew
