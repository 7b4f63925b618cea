// Slots that come through nearest first, about as many as are wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "containers.hpp"
#include "steps.hpp"
#include "types.hpp"

namespace clew {

// Holds slots by a distance that is only nearly theirs, in no order. pass() lets the nearest through, and what is left
// is further than limit(). They lie in blocks, of each of which the least is known: a pass looks into those alone that
// have some to let through.
//
// Where most slots come, each has a place of its own and is known by that; where few do, they are listed.
class Sieve {
 public:
  static constexpr std::size_t BLOCK = Steps::BLOCK;

  Sieve();

  // Empties it. `places`: for the slots below that; 0: they will be listed.
  void start(std::size_t places);
  bool listed() const { return listed_; }

  // With places: where the distances of the slots of a block go, from `first` on, which is a multiple of BLOCK; and
  // which of them are in it, as their bits say. Every block must be settled.
  float* block(Slot first) { return distances_.data() + first; }
  void settle(Slot first, std::uint64_t wanted);

  // Listed: adds slot i, at distances[i], where bit i of `wanted` is set; no other bits are.
  void add(std::span<const Slot> slots, const float* distances, std::uint64_t wanted);
  // No more come.
  void finish();

  // Appends further slots to `out` with their distances, in no order: all up to `limit`, and about `count` at least.
  void pass(std::size_t count, float limit, std::vector<Key>& out);

  bool empty() const { return passed_ == size_; }
  float limit() const { return limit_; }
  std::size_t size() const { return size_; }

  std::size_t bytes() const {
    return slots_.capacity() * sizeof(Slot) +
           (distances_.capacity() + least_.capacity() + ranked_.capacity()) * sizeof(float);
  }

 private:
  static constexpr float NOTHING = -std::numeric_limits<float>::infinity();

  float limit_for(std::size_t count);
  float limit_by_blocks(std::size_t count);
  float limit_by_groups(std::size_t count) const;
  float limit_by_sample(std::size_t count) const;
  void pass_block(std::size_t number, float before, std::vector<Key>& out);

  decltype(Steps::within) const within_;
  // As long as they have ever had to be: what is beyond end_ is of no account.
  Room<Slot> slots_;
  Room<float> distances_;
  Room<float> least_;  // of each block, of what has not passed
  Room<float> ranked_;
  bool listed_ = true;
  std::size_t end_ = 0;
  std::size_t size_ = 0;
  std::size_t passed_ = 0;
  float limit_ = NOTHING;  // what is at up to this has passed
};

}  // namespace clew
