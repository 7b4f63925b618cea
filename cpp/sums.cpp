#include "sums.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace clew {
namespace {

std::size_t pass_plain(float* sums, std::size_t count, float least, std::uint64_t& found) {
  for (std::size_t i = 0; i < count; i += SUMS) {
    int any = 0;  // without a branch for each, so that a compiler makes vectors of it
    for (std::size_t j = 0; j < SUMS; ++j) any |= static_cast<int>(!(sums[i + j] < least));
    if (any != 0) {
      found = 0;
      for (std::size_t j = 0; j < SUMS; ++j) found |= std::uint64_t{!(sums[i + j] < least)} << j;
      return i;
    }
    std::fill_n(sums + i, SUMS, UNTOUCHED);
  }
  return count;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) std::size_t pass_avx2(float* sums, std::size_t count, float least,
                                                      std::uint64_t& found) {
  constexpr std::size_t WIDTH = 8;
  const __m256 limit = _mm256_set1_ps(least);
  for (std::size_t i = 0; i < count; i += SUMS) {
    __m256 any = _mm256_setzero_ps();
    for (std::size_t j = 0; j < SUMS; j += WIDTH) {
      any = _mm256_or_ps(any, _mm256_cmp_ps(_mm256_loadu_ps(sums + i + j), limit, _CMP_NLT_UQ));
    }
    if (_mm256_movemask_ps(any) != 0) {
      found = 0;
      for (std::size_t j = 0; j < SUMS; j += WIDTH) {
        const __m256 reached = _mm256_cmp_ps(_mm256_loadu_ps(sums + i + j), limit, _CMP_NLT_UQ);
        found |= static_cast<std::uint64_t>(_mm256_movemask_ps(reached)) << j;
      }
      return i;
    }
    for (std::size_t j = 0; j < SUMS; j += WIDTH) _mm256_storeu_ps(sums + i + j, _mm256_set1_ps(UNTOUCHED));
  }
  return count;
}

#endif

}  // namespace

PassKernel pass_kernel([[maybe_unused]] std::string_view instruction_set) {
#if defined(__x86_64__)
  if (instruction_set.starts_with("avx")) return pass_avx2;  // wider ones wait for memory as long
#endif
  return pass_plain;
}

}  // namespace clew
