// The inner loops of a walk, and of a sieve, for many slots or keys at once. Whether a slot has been met, whether it is
// near enough and where it belongs is anybody's guess, so no branch depends on it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "types.hpp"

namespace clew {

struct Steps {
  // Registers are stored whole: outputs have room for so many more than what is written to them.
  static constexpr std::size_t SPARE = 16;
  static constexpr std::size_t MERGED_MAX = 512;

  // Of the `count` slots `places[i] - 1`, writes those below `end` whose bit of `marks` is not set to `out`, and
  // returns how many these are. Slots from 32 * words on have no bits. Places may change meanwhile: each is read once.
  std::size_t (*unmarked)(const Slot* places, std::size_t count, Slot end, std::span<const std::uint32_t> marks,
                          Slot* out);

  // Makes keys of distances and slots, and writes those less than `limit` to `near` and the others to `far`, both in
  // their order. Returns how many are near.
  std::size_t (*part)(const float* distances, std::span<const Slot> slots, Key limit, Key* near, Key* far);

  // Writes the keys less than `limit` to `below` and the others to `others`, which may be where they were, both in
  // their order. Returns how many are below.
  std::size_t (*split)(std::span<const Key> keys, Key limit, Key* below, Key* others);

  // Writes the keys of both, sorted, to `out`, and returns where the first of `fresh` went: `sorted` is sorted, `fresh`
  // in any order, no key is there twice, and there are at most MERGED_MAX. Nothing is sorted for that: how many keys
  // are less than a fresh one says where it goes; those that were sorted fill the places between.
  std::size_t (*merge)(std::span<const Key> sorted, std::span<const Key> fresh, Key* out);

  // Of BLOCK distances: which are more than `before` and at most `limit`, bit by bit; and the least of those that are
  // more than `limit`, or infinity. What is not a number is neither.
  static constexpr std::size_t BLOCK = 64;
  std::uint64_t (*within)(const float* distances, float before, float limit, float& least);
};

// How many of the sorted `keys` are less than `key`. By a factor: of a choice compilers make a branch here.
inline std::size_t rank_in(std::span<const Key> keys, Key key) {
  std::size_t rank = 0;
  for (std::size_t some = keys.size(); some > 0; some /= 2) {
    const std::size_t half = (some + 1) / 2;
    rank += half * static_cast<std::size_t>(keys[rank + half - 1] < key);
  }
  return rank;
}

// Puts each of `fresh` where its rank says, of which the bits of `taken` are set. Returns the first of these places.
inline std::size_t put_fresh(std::span<const Key> fresh, const std::uint64_t* ranks, const std::uint64_t* taken,
                             Key* out) {
  for (std::size_t i = 0; i < fresh.size(); ++i) out[ranks[i]] = fresh[i];
  std::size_t word = 0;
  while (taken[word] == 0) ++word;
  return word * 64 + static_cast<std::size_t>(std::countr_zero(taken[word]));
}

// ThreadSanitizer does not see what a whole register acquires: under it places are read one by one.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool READS_PLACES_AT_ONCE = false;
#else
inline constexpr bool READS_PLACES_AT_ONCE = true;
#endif

#if defined(__x86_64__)
const Steps& steps_avx2();
const Steps& steps_avx512();
#endif

}  // namespace clew
