// The merge of a walk (see distance.hpp) by the ranks of its keys.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "distance.hpp"

#if defined(__x86_64__)
#include <immintrin.h>

namespace clew {
namespace {

constexpr std::size_t LANES = 8;

}  // namespace

__attribute__((target("avx512f,popcnt"))) std::size_t merge_avx512(std::span<const Key> sorted,
                                                                   std::span<const Key> fresh, Key* out) {
  alignas(64) std::array<Key, MERGED_MAX + 2 * LANES> all;
  std::size_t end = 0;
  for (const std::span<const Key> keys : {sorted, fresh}) {
    std::ranges::copy(keys, all.begin() + static_cast<std::ptrdiff_t>(end));
    end += keys.size();
    // Nothing is greater than what fills the last register.
    _mm512_storeu_si512(all.data() + end, _mm512_set1_epi64(-1));
    end = (end + LANES - 1) / LANES * LANES;
  }
  std::array<std::uint64_t, MERGED_MAX / 64> taken{};
  std::size_t first = MERGED_MAX;
  for (const Key key : fresh) {
    const __m512i one = _mm512_set1_epi64(static_cast<long long>(key));
    std::size_t rank = 0;
    for (std::size_t i = 0; i < end; i += LANES) {
      const __mmask8 less = _mm512_cmplt_epu64_mask(_mm512_load_si512(all.data() + i), one);
      rank += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(less)));
    }
    out[rank] = key;
    taken[rank / 64] |= std::uint64_t{1} << rank % 64;
    first = std::min(first, rank);
  }
  const Key* next = sorted.data();
  const std::size_t count = sorted.size() + fresh.size();
  for (std::size_t i = 0; i < count; i += LANES) {
    const unsigned within = 0xFFU >> (LANES - std::min(LANES, count - i));
    const auto free = static_cast<__mmask8>(~(taken[i / 64] >> i % 64) & within);
    _mm512_mask_storeu_epi64(out + i, free, _mm512_maskz_expandloadu_epi64(free, next));
    next += std::popcount(static_cast<unsigned>(free));
  }
  return first;
}

}  // namespace clew

#endif
