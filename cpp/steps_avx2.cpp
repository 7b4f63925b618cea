#include <array>
#include <atomic>
#include <bit>
#include <limits>

#include "steps.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

namespace clew {
namespace {

constexpr std::size_t KEYS = 4;   // in a register
constexpr std::size_t SLOTS = 8;  // in a register

// Among so many sorted keys, how many are less than each of four is counted sooner than it is searched for.
constexpr std::size_t COUNTED_MAX = 64;

std::size_t count_of(int bits) { return static_cast<std::size_t>(std::popcount(static_cast<unsigned>(bits))); }

// There is no instruction that moves some lanes together, or apart, but one that puts each lane in any place: these say
// where, for every choice of lanes. A key is two lanes of 32 bits.
using Places = std::array<std::uint32_t, 8>;

// Of lanes of WIDTH words: with `apart` the first ones, in their order, where the chosen lanes are; else the chosen
// ones first, in their order.
template <std::size_t LANES, std::size_t WIDTH>
constexpr std::array<Places, 1U << LANES> places_of(bool apart) {
  std::array<Places, 1U << LANES> table{};
  for (std::size_t chosen = 0; chosen < table.size(); ++chosen) {
    std::uint32_t next = 0;
    for (std::uint32_t word = 0; word < LANES * WIDTH; ++word) {
      if ((chosen >> word / WIDTH & 1) == 0) continue;
      (apart ? table[chosen][word] : table[chosen][next]) = apart ? next : word;
      ++next;
    }
  }
  return table;
}

alignas(32) constexpr auto SLOTS_TOGETHER = places_of<SLOTS, 1>(false);
alignas(32) constexpr auto KEYS_TOGETHER = places_of<KEYS, 2>(false);
alignas(32) constexpr auto KEYS_APART = places_of<KEYS, 2>(true);

AVX2 __m256i put(__m256i values, const Places& places) {
  return _mm256_permutevar8x32_epi32(values, _mm256_load_si256(reinterpret_cast<const __m256i*>(places.data())));
}

AVX2 void store(void* out, __m256i values) { _mm256_storeu_si256(static_cast<__m256i*>(out), values); }

// The lanes of a register that `left` values fill.
AVX2 __m256i key_lanes(std::size_t left) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(left)), _mm256_setr_epi64x(0, 1, 2, 3));
}
AVX2 __m256i slot_lanes(std::size_t left) {
  const auto filled = static_cast<int>(left < SLOTS ? left : SLOTS);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(filled), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
AVX2 __m256i load_keys(const Key* keys, std::size_t left) {
  return left < KEYS ? _mm256_maskload_epi64(reinterpret_cast<const long long*>(keys), key_lanes(left))
                     : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(keys));
}
unsigned filled_keys(std::size_t left) { return 0xFU >> (KEYS - (left < KEYS ? left : KEYS)); }

// Only signed integers can be compared. With their highest bits turned, these are in the order of unsigned ones.
AVX2 __m256i turned(__m256i keys) {
  return _mm256_xor_si256(keys, _mm256_set1_epi64x(std::numeric_limits<std::int64_t>::min()));
}
AVX2 __m256i turned_words(__m256i words) {
  return _mm256_xor_si256(words, _mm256_set1_epi32(std::numeric_limits<std::int32_t>::min()));
}
AVX2 __m256i every(Key key) { return turned(_mm256_set1_epi64x(static_cast<long long>(key))); }

// On this processor every load acquires, and the values of a register that does not cross a line are read whole.
AVX2 std::size_t unmarked(const Slot* places, std::size_t count, Slot end, std::span<const std::uint32_t> marks,
                          Slot* out) {
  const __m256i one = _mm256_set1_epi32(1);
  const __m256i ends = turned_words(_mm256_set1_epi32(static_cast<int>(end)));
  const __m256i known = _mm256_set1_epi32(static_cast<int>(marks.size()));
  std::size_t written = 0;
  for (std::size_t i = 0; i < count; i += SLOTS) {
    const __m256i lanes = slot_lanes(count - i);
    const __m256i slots = _mm256_sub_epi32(_mm256_maskload_epi32(reinterpret_cast<const int*>(places + i), lanes), one);
    const __m256i meant = _mm256_and_si256(lanes, _mm256_cmpgt_epi32(ends, turned_words(slots)));
    const __m256i words = _mm256_srli_epi32(slots, 5);
    const __m256i marked = _mm256_and_si256(meant, _mm256_cmpgt_epi32(known, words));
    const __m256i bits = _mm256_mask_i32gather_epi32(_mm256_setzero_si256(), reinterpret_cast<const int*>(marks.data()),
                                                     words, marked, 4);
    const __m256i bit = _mm256_sllv_epi32(one, _mm256_and_si256(slots, _mm256_set1_epi32(31)));
    const __m256i met = _mm256_cmpeq_epi32(_mm256_and_si256(bits, bit), bit);
    const int fresh = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_andnot_si256(met, meant)));
    store(out + written, put(slots, SLOTS_TOGETHER[static_cast<std::size_t>(fresh)]));
    written += count_of(fresh);
  }
  std::atomic_thread_fence(std::memory_order_acquire);
  return written;
}

// As make_key().
AVX2 __m256i keys_of(__m128 distances, __m128i slots) {
  const __m128i bits = _mm_castps_si128(_mm_add_ps(distances, _mm_setzero_ps()));
  const __m128i flips =
      _mm_or_si128(_mm_srai_epi32(bits, 31), _mm_set1_epi32(std::numeric_limits<std::int32_t>::min()));
  const __m256i high = _mm256_slli_epi64(_mm256_cvtepu32_epi64(_mm_xor_si128(bits, flips)), 32);
  return _mm256_or_si256(high, _mm256_slli_epi64(_mm256_cvtepu32_epi64(slots), 1));
}

// Writes those of the `filled` lanes that are less than `limits` to `below` and the others to `others`; returns how
// many are less.
AVX2 std::size_t write_sides(__m256i keys, unsigned filled, __m256i limits, Key* below, Key* others) {
  const __m256i compared = _mm256_cmpgt_epi64(limits, turned(keys));
  const auto less = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(compared))) & filled;
  store(below, put(keys, KEYS_TOGETHER[less]));
  store(others, put(keys, KEYS_TOGETHER[filled & ~less]));
  return count_of(static_cast<int>(less));
}

AVX2 std::size_t part(const float* distances, std::span<const Slot> slots, Key limit, Key* near, Key* far) {
  const __m256i limits = every(limit);
  std::size_t nearer = 0;
  std::size_t i = 0;
  for (; i + KEYS <= slots.size(); i += KEYS) {
    const __m256i keys =
        keys_of(_mm_loadu_ps(distances + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(slots.data() + i)));
    nearer += write_sides(keys, 0xF, limits, near + nearer, far + (i - nearer));
  }
  for (; i < slots.size(); ++i) {
    const Key key = make_key(distances[i], slots[i]);
    near[nearer] = far[i - nearer] = key;
    nearer += static_cast<std::size_t>(key < limit);
  }
  return nearer;
}

AVX2 std::size_t split(std::span<const Key> keys, Key limit, Key* below, Key* others) {
  const __m256i limits = every(limit);
  std::size_t less = 0;
  for (std::size_t i = 0; i < keys.size(); i += KEYS) {
    const std::size_t left = keys.size() - i;
    less += write_sides(load_keys(keys.data() + i, left), filled_keys(left), limits, below + less, others + (i - less));
  }
  return less;
}

// How many of `keys` are less than each of four.
AVX2 __m256i ranks_among(std::span<const Key> keys, __m256i four, __m256i ranks) {
  for (const Key key : keys) ranks = _mm256_sub_epi64(ranks, _mm256_cmpgt_epi64(four, every(key)));
  return ranks;
}

AVX2 std::size_t merge(std::span<const Key> sorted, std::span<const Key> fresh, Key* out) {
  constexpr std::size_t BITS = 64;
  const std::size_t count = sorted.size() + fresh.size();
  const bool counted = sorted.size() <= COUNTED_MAX;
  alignas(32) std::array<std::uint64_t, Steps::MERGED_MAX + KEYS> ranks;
  std::array<std::uint64_t, Steps::MERGED_MAX / BITS> taken{};
  for (std::size_t i = 0; i < fresh.size(); i += KEYS) {
    const __m256i four = turned(load_keys(fresh.data() + i, fresh.size() - i));
    __m256i among = ranks_among(fresh, four, _mm256_setzero_si256());
    if (counted) among = ranks_among(sorted, four, among);
    _mm256_store_si256(reinterpret_cast<__m256i*>(ranks.data() + i), among);
  }
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    if (!counted) ranks[i] += rank_in(sorted, fresh[i]);
    taken[ranks[i] / BITS] |= std::uint64_t{1} << ranks[i] % BITS;
  }
  const Key* next = sorted.data();
  const Key* const end = next + sorted.size();
  for (std::size_t i = 0; i < count; i += KEYS) {
    const auto free = static_cast<unsigned>(~(taken[i / BITS] >> i % BITS)) & filled_keys(count - i);
    store(out + i, put(load_keys(next, static_cast<std::size_t>(end - next)), KEYS_APART[free]));
    next += count_of(static_cast<int>(free));
  }
  return put_fresh(fresh, ranks.data(), taken.data(), out);
}

AVX2 std::uint64_t within(const float* distances, float before, float limit, float& least) {
  const __m256 limits = _mm256_set1_ps(limit);
  const __m256 nothing = _mm256_set1_ps(std::numeric_limits<float>::infinity());
  __m256 beyond = nothing;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < Steps::BLOCK; i += SLOTS) {
    const __m256 some = _mm256_loadu_ps(distances + i);
    const __m256 inside =
        _mm256_and_ps(_mm256_cmp_ps(some, limits, _CMP_LE_OQ), _mm256_cmp_ps(some, _mm256_set1_ps(before), _CMP_GT_OQ));
    bits |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_ps(inside))} << i;
    beyond = _mm256_min_ps(_mm256_blendv_ps(nothing, some, _mm256_cmp_ps(some, limits, _CMP_GT_OQ)), beyond);
  }
  __m128 four = _mm_min_ps(_mm256_castps256_ps128(beyond), _mm256_extractf128_ps(beyond, 1));
  four = _mm_min_ps(four, _mm_movehl_ps(four, four));
  least = _mm_cvtss_f32(_mm_min_ss(four, _mm_movehdup_ps(four)));
  return bits;
}

}  // namespace

const Steps& steps_avx2() {
  static constexpr Steps steps{unmarked, part, split, merge, within};
  return steps;
}

}  // namespace clew

#endif
