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

void code_dot(const std::int16_t* query, const std::int8_t* const* rows, std::size_t count, std::size_t n,
              std::int32_t* out) {
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += query[i] * rows[r][i];
    out[r] = sum;
  }
}

void code_squared(const std::int16_t* query, const std::int8_t* const* rows, std::size_t count, std::size_t n,
                  std::int32_t* out) {
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int32_t difference = query[i] - rows[r][i];
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

using Words = __m256i;
using Sums = __m256i;
constexpr std::size_t CODES = 16;
inline Words load_words(const std::int16_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline Words widen(const std::int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Words subtract_words(Words a, Words b) { return _mm256_sub_epi16(a, b); }
inline Sums no_sums() { return _mm256_setzero_si256(); }
inline Sums add_products(Words a, Words b, Sums sums) { return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)); }
inline std::int32_t total(Sums sums) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

#include "code_rows.inl"
#include "distance_rows.inl"

}  // namespace avx2
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw")
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

using Words = __m512i;
using Sums = __m512i;
constexpr std::size_t CODES = 32;
inline Words load_words(const std::int16_t* p) { return _mm512_loadu_si512(p); }
inline Words widen(const std::int8_t* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Words subtract_words(Words a, Words b) { return _mm512_sub_epi16(a, b); }
inline Sums no_sums() { return _mm512_setzero_si512(); }
inline Sums add_products(Words a, Words b, Sums sums) { return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)); }
inline std::int32_t total(Sums sums) { return _mm512_reduce_add_epi32(sums); }

#include "code_rows.inl"
#include "distance_rows.inl"

}  // namespace avx512
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vnni"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vnni")
#endif
namespace avx512vnni {

constexpr std::size_t BYTES = 64;

// The four sums of four registers of int32.
inline __m128i totals(const __m512i* sums) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]), _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]), _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

template <std::size_t ROWS>
inline void bytes_block(const std::uint8_t* query, const std::int8_t* rows, std::size_t n, std::int32_t* out) {
  __m512i sums[4] = {};
  std::size_t i = 0;
  for (; i + BYTES <= n; i += BYTES) {
    const __m512i words = _mm512_loadu_si512(query + i);
    for (std::size_t r = 0; r < ROWS; ++r) {
      sums[r] = _mm512_dpbusd_epi32(sums[r], words, _mm512_loadu_si512(rows + r * n + i));
    }
  }
  if (i < n) {  // half a register is left: rows are a multiple of CODE_ROW
    const __mmask64 half = 0xFFFFFFFFU;
    const __m512i words = _mm512_maskz_loadu_epi8(half, query + i);
    for (std::size_t r = 0; r < ROWS; ++r) {
      sums[r] = _mm512_dpbusd_epi32(sums[r], words, _mm512_maskz_loadu_epi8(half, rows + r * n + i));
    }
  }
  alignas(16) std::int32_t four[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(four), totals(sums));
  for (std::size_t r = 0; r < ROWS; ++r) out[r] = four[r];
}

void code_bytes(const std::uint8_t* query, const std::int8_t* rows, std::size_t count, std::size_t n,
                std::int32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) bytes_block<4>(query, rows + i * n, n, out + i);
  for (; i < count; ++i) bytes_block<1>(query, rows + i * n, n, out + i);
}

}  // namespace avx512vnni
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

using Words = int16x8_t;
using Sums = int32x4_t;
constexpr std::size_t CODES = 8;
inline Words load_words(const std::int16_t* p) { return vld1q_s16(p); }
inline Words widen(const std::int8_t* p) { return vmovl_s8(vld1_s8(p)); }
inline Words subtract_words(Words a, Words b) { return vsubq_s16(a, b); }
inline Sums no_sums() { return vdupq_n_s32(0); }
inline Sums add_products(Words a, Words b, Sums sums) {
  return vmlal_s16(vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b)), vget_high_s16(a), vget_high_s16(b));
}
inline std::int32_t total(Sums sums) { return vaddvq_s32(sums); }

#include "code_rows.inl"
#include "distance_rows.inl"

}  // namespace neon

#endif

constexpr Kernels PLAIN{"plain", plain::dot, plain::squared, plain::code_dot, plain::code_squared};

std::vector<Kernels> detect() {
  std::vector<Kernels> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
    const Kernels kernels{"avx512",
                          avx512::rows<avx512::Dot>,
                          avx512::rows<avx512::Squared>,
                          avx512::code_rows<avx512::CodeDot>,
                          avx512::code_rows<avx512::CodeSquared>,
                          merge_avx512};
    if (__builtin_cpu_supports("avx512vnni")) {
      found.push_back(kernels);
      found.back().name = "avx512vnni";
      found.back().code_bytes = avx512vnni::code_bytes;
    }
    found.push_back(kernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    found.push_back({"avx2", avx2::rows<avx2::Dot>, avx2::rows<avx2::Squared>, avx2::code_rows<avx2::CodeDot>,
                     avx2::code_rows<avx2::CodeSquared>});
  }
#elif defined(__aarch64__)
  found.push_back({"neon", neon::rows<neon::Dot>, neon::rows<neon::Squared>, neon::code_rows<neon::CodeDot>,
                   neon::code_rows<neon::CodeSquared>});
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

const Kernels& best_kernels() {
  static const Kernels& best = choose();
  return best;
}

const Kernels& kernels_for(std::size_t n) { return n <= ROW_FLOATS ? PLAIN : best_kernels(); }

}  // namespace clew
