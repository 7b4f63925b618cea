// The words of the core: slots, distances, and the keys that order them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace clew {

using Slot = std::uint32_t;  // dense number of a row; never leaves the engine
using Seq = std::uint64_t;   // number of a committed change; 0 is before the first

inline constexpr Slot NO_SLOT = std::numeric_limits<Slot>::max();
// One bit of a key's low half says "expanded", so 31 are left for the slot.
inline constexpr std::size_t SLOTS_MAX = std::size_t{1} << 31;

// Distances are float32 and smaller is nearer:
//   cosine       -cos(a, b), 0 when either vector is zero
//   euclidean    |a - b|^2
//   dot_product  -a.b
enum class Metric { cosine, euclidean, dot_product };

// A neighbour as one integer: distance, then slot, then whether the graph walk has expanded it. Comparing
// keys orders by (distance, slot), so ties have one order everywhere and none is ever dropped.
using Key = std::uint64_t;

inline constexpr Key EXPANDED = 1;

// Maps floats to integers of the same order; -0 and 0 are made one first.
inline std::uint32_t ordered(float distance) {
  const auto bits = std::bit_cast<std::uint32_t>(distance + 0.0F);
  return bits ^ ((bits >> 31) != 0 ? 0xFFFFFFFFU : 0x80000000U);
}

inline float unordered(std::uint32_t bits) {
  return std::bit_cast<float>(bits ^ ((bits >> 31) != 0 ? 0x80000000U : 0xFFFFFFFFU));
}

// How many bits are set: std::popcount is a call where a compiler must not count on an instruction for it.
constexpr std::size_t count_ones(std::uint64_t bits) {
  bits -= bits >> 1 & 0x5555555555555555U;
  bits = (bits & 0x3333333333333333U) + (bits >> 2 & 0x3333333333333333U);
  return ((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0FU) * 0x0101010101010101U >> 56;
}

inline Key make_key(float distance, Slot slot) { return Key{ordered(distance)} << 32 | Key{slot} << 1; }
inline Slot slot_of(Key key) { return static_cast<Slot>(key) >> 1; }
inline float distance_of(Key key) { return unordered(static_cast<std::uint32_t>(key >> 32)); }

}  // namespace clew
