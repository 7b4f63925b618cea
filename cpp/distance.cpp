#include "distance.hpp"

#include <array>
#include <cstdlib>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace clew {
namespace {

// One addition after the other: the reference for short rows, and for processors with nothing better.
namespace plain {

void dot(const float* query, const float* const* rows, std::size_t count, std::size_t n, float* out) {
  for (std::size_t r = 0; r < count; ++r) {
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += query[i] * rows[r][i];
    out[r] = sum;
  }
}

void squared(const float* query, const float* const* rows, std::size_t count, std::size_t n, float* out) {
  for (std::size_t r = 0; r < count; ++r) {
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float difference = query[i] - rows[r][i];
      sum += difference * difference;
    }
    out[r] = sum;
  }
}

}  // namespace plain

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {

using Lanes = __m256;
constexpr std::size_t WIDTH = 8;
inline Lanes zero() { return _mm256_setzero_ps(); }
inline Lanes load(const float* p) { return _mm256_loadu_ps(p); }
inline Lanes add(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return _mm256_sub_ps(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
inline float sum(Lanes a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
#include "distance_rows.inl"

}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f")
#endif
namespace avx512 {

using Lanes = __m512;
constexpr std::size_t WIDTH = 16;
inline Lanes zero() { return _mm512_setzero_ps(); }
inline Lanes load(const float* p) { return _mm512_loadu_ps(p); }
inline Lanes add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
inline float sum(Lanes a) { return _mm512_reduce_add_ps(a); }
#include "distance_rows.inl"

}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#elif defined(__aarch64__)

namespace neon {

using Lanes = float32x4_t;
constexpr std::size_t WIDTH = 4;
inline Lanes zero() { return vdupq_n_f32(0); }
inline Lanes load(const float* p) { return vld1q_f32(p); }
inline Lanes add(Lanes a, Lanes b) { return vaddq_f32(a, b); }
inline Lanes subtract(Lanes a, Lanes b) { return vsubq_f32(a, b); }
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) { return vfmaq_f32(c, a, b); }
inline float sum(Lanes a) { return vaddvq_f32(a); }
#include "distance_rows.inl"

}  // namespace neon

#endif

constexpr Kernels PLAIN{"plain", plain::dot, plain::squared};

std::vector<Kernels> detect() {
  std::vector<Kernels> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    found.push_back({"avx512", avx512::rows<avx512::Dot>, avx512::rows<avx512::Squared>});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.push_back({"avx2", avx2::rows<avx2::Dot>, avx2::rows<avx2::Squared>});
  }
#elif defined(__aarch64__)
  found.push_back({"neon", neon::rows<neon::Dot>, neon::rows<neon::Squared>});
#endif
  found.push_back(PLAIN);
  return found;
}

const Kernels& choose() {
  const auto all = available_kernels();
  if (const char* wanted = std::getenv("CLEW_INSTRUCTION_SET")) {
    for (const Kernels& kernels : all) {
      if (kernels.name == wanted) return kernels;
    }
  }
  return all.front();
}

}  // namespace

std::span<const Kernels> available_kernels() {
  static const std::vector<Kernels> found = detect();
  return found;
}

const Kernels& kernels_for(std::size_t n) {
  static const Kernels& best = choose();
  return n <= ROW_FLOATS ? PLAIN : best;
}

}  // namespace clew
