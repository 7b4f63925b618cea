#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>

#include "steps.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi,bmi2,popcnt")))

namespace clew {
namespace {

constexpr std::size_t KEYS = 8;    // in a register
constexpr std::size_t SLOTS = 16;  // in a register

std::size_t count_of(unsigned bits) { return static_cast<std::size_t>(std::popcount(bits)); }

// The lanes of a register that `left` values fill.
__mmask8 key_lanes(std::size_t left) { return static_cast<__mmask8>(0xFFU >> (KEYS - std::min(KEYS, left))); }
__mmask16 slot_lanes(std::size_t left) { return static_cast<__mmask16>(0xFFFFU >> (SLOTS - std::min(SLOTS, left))); }

// On this processor every load acquires, and the values of a register that does not cross a line are read whole.
AVX512 std::size_t unmarked(const Slot* places, std::size_t count, Slot end, std::span<const std::uint32_t> marks,
                            Slot* out) {
  const __m512i one = _mm512_set1_epi32(1);
  const __m512i ends = _mm512_set1_epi32(static_cast<int>(end));
  const __m512i known = _mm512_set1_epi32(static_cast<int>(marks.size()));
  std::size_t written = 0;
  for (std::size_t i = 0; i < count; i += SLOTS) {
    const __mmask16 lanes = slot_lanes(count - i);
    const __m512i slots = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(lanes, places + i), one);
    const __mmask16 meant = _mm512_mask_cmplt_epu32_mask(lanes, slots, ends);
    const __m512i words = _mm512_srli_epi32(slots, 5);
    const __mmask16 marked = _mm512_mask_cmplt_epu32_mask(meant, words, known);
    const __m512i bits = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), marked, words, marks.data(), 4);
    const __m512i bit = _mm512_sllv_epi32(one, _mm512_and_epi32(slots, _mm512_set1_epi32(31)));
    const __mmask16 fresh = _mm512_mask_testn_epi32_mask(meant, bits, bit);
    _mm512_storeu_si512(out + written, _mm512_maskz_compress_epi32(fresh, slots));
    written += count_of(fresh);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  return written;
}

// As make_key().
AVX512 __m512i keys_of(__m256 distances, __m256i slots) {
  const __m256i bits = _mm256_castps_si256(_mm256_add_ps(distances, _mm256_setzero_ps()));
  const __m256i flips = _mm256_or_si256(_mm256_srai_epi32(bits, 31), _mm256_set1_epi32(static_cast<int>(0x80000000U)));
  const __m512i high = _mm512_slli_epi64(_mm512_cvtepu32_epi64(_mm256_xor_si256(bits, flips)), 32);
  return _mm512_or_si512(high, _mm512_slli_epi64(_mm512_cvtepu32_epi64(slots), 1));
}

AVX512 std::size_t part(const float* distances, std::span<const Slot> slots, Key limit, Key* near, Key* far) {
  const __m512i limits = _mm512_set1_epi64(static_cast<long long>(limit));
  std::size_t nearer = 0;
  for (std::size_t i = 0; i < slots.size(); i += KEYS) {
    const __mmask8 lanes = key_lanes(slots.size() - i);
    const __m512i keys =
        keys_of(_mm256_maskz_loadu_ps(lanes, distances + i), _mm256_maskz_loadu_epi32(lanes, slots.data() + i));
    const __mmask8 less = _mm512_mask_cmplt_epu64_mask(lanes, keys, limits);
    _mm512_storeu_si512(near + nearer, _mm512_maskz_compress_epi64(less, keys));
    _mm512_storeu_si512(far + (i - nearer), _mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes & ~less), keys));
    nearer += count_of(less);
  }
  return nearer;
}

AVX512 std::size_t split(std::span<const Key> keys, Key limit, Key* below, Key* others) {
  const __m512i limits = _mm512_set1_epi64(static_cast<long long>(limit));
  std::size_t less = 0;
  for (std::size_t i = 0; i < keys.size(); i += KEYS) {
    const __mmask8 lanes = key_lanes(keys.size() - i);
    const __m512i eight = _mm512_maskz_loadu_epi64(lanes, keys.data() + i);
    const __mmask8 smaller = _mm512_mask_cmplt_epu64_mask(lanes, eight, limits);
    _mm512_storeu_si512(below + less, _mm512_maskz_compress_epi64(smaller, eight));
    _mm512_storeu_si512(others + (i - less),
                        _mm512_maskz_compress_epi64(static_cast<__mmask8>(lanes & ~smaller), eight));
    less += count_of(smaller);
  }
  return less;
}

// How many of `keys` are less than each of eight.
AVX512 __m512i ranks_among(std::span<const Key> keys, __m512i eight, __m512i ranks) {
  for (const Key key : keys) {
    const __mmask8 less = _mm512_cmplt_epu64_mask(_mm512_set1_epi64(static_cast<long long>(key)), eight);
    ranks = _mm512_mask_add_epi64(ranks, less, ranks, _mm512_set1_epi64(1));
  }
  return ranks;
}

AVX512 std::size_t merge(std::span<const Key> sorted, std::span<const Key> fresh, Key* out) {
  constexpr std::size_t BITS = 64;
  const std::size_t count = sorted.size() + fresh.size();
  alignas(64) std::array<std::uint64_t, Steps::MERGED_MAX + KEYS> ranks;
  std::array<std::uint64_t, Steps::MERGED_MAX / BITS> taken{};
  for (std::size_t i = 0; i < fresh.size(); i += KEYS) {
    const __mmask8 lanes = key_lanes(fresh.size() - i);
    const __m512i eight = _mm512_maskz_loadu_epi64(lanes, fresh.data() + i);
    const __m512i among = ranks_among(fresh, eight, ranks_among(sorted, eight, _mm512_setzero_si512()));
    _mm512_store_si512(ranks.data() + i, among);
    for (std::size_t word = 0; word * BITS < count; ++word) {
      // Shifts by 64 or more, and less than nothing is more, leave no bit.
      const __m512i shifts = _mm512_sub_epi64(among, _mm512_set1_epi64(static_cast<long long>(word * BITS)));
      const __m512i bits = _mm512_maskz_sllv_epi64(lanes, _mm512_set1_epi64(1), shifts);
      taken[word] |= static_cast<std::uint64_t>(_mm512_reduce_or_epi64(bits));
    }
  }
  const Key* next = sorted.data();
  for (std::size_t i = 0; i < count; i += KEYS) {
    const auto free = static_cast<__mmask8>(~(taken[i / BITS] >> i % BITS) & key_lanes(count - i));
    _mm512_mask_storeu_epi64(out + i, free, _mm512_maskz_expandloadu_epi64(free, next));
    next += count_of(free);
  }
  return put_fresh(fresh, ranks.data(), taken.data(), out);
}

AVX512 std::uint64_t within(const float* distances, float before, float limit, float& least) {
  const __m512 limits = _mm512_set1_ps(limit);
  __m512 beyond = _mm512_set1_ps(std::numeric_limits<float>::infinity());
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < Steps::BLOCK; i += SLOTS) {
    const __m512 some = _mm512_loadu_ps(distances + i);
    const __mmask16 inside = _mm512_cmp_ps_mask(some, limits, _CMP_LE_OQ);
    bits |= std::uint64_t{_mm512_mask_cmp_ps_mask(inside, some, _mm512_set1_ps(before), _CMP_GT_OQ)} << i;
    beyond = _mm512_mask_min_ps(beyond, _mm512_cmp_ps_mask(some, limits, _CMP_GT_OQ), beyond, some);
  }
  least = _mm512_reduce_min_ps(beyond);
  return bits;
}

}  // namespace

const Steps& steps_avx512() {
  static constexpr Steps steps{unmarked, part, split, merge, within};
  return steps;
}

}  // namespace clew

#endif
