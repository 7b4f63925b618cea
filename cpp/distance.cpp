#include "distance.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace clew {
namespace {

// h (15 - h) for each half of a byte.
[[maybe_unused]] constexpr std::uint8_t MIXED[16] = {0, 14, 26, 36, 44, 50, 54, 56, 56, 54, 50, 44, 36, 26, 14, 0};

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

// f(component of a row, its code) over all of it.
template <class F>
void each_code(const Halves& row, std::size_t n, F f) {
  for (std::size_t i = 0; i < n; ++i) {
    f(i, (row.coarse[i] & 15) << 4 | (row.fine[i] & 15));
    f(n + i, (row.coarse[i] & 0xF0) | row.fine[i] >> 4);
  }
}

void code_dot(const std::int16_t* query, const Halves* rows, std::size_t count, std::size_t n, std::int32_t* out) {
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    each_code(rows[r], n, [&](std::size_t i, int code) { sum += query[i] * code; });
    out[r] = sum;
  }
}

void code_squared(const std::int16_t* query, const Halves* rows, std::size_t count, std::size_t n, std::int32_t* out) {
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    each_code(rows[r], n, [&](std::size_t i, int code) { sum += (query[i] - code) * (query[i] - code); });
    out[r] = sum;
  }
}

template <bool SQUARED>
void coarse(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t n,
            std::int32_t* out) {
  const auto term = [](int q, int half) { return q * half + (SQUARED ? 8 * half * (15 - half) : 0); };
  for (std::size_t r = 0; r < count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += term(query[i], rows[r][i] & 15) + term(query[n + i], rows[r][i] >> 4);
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
inline void join(const std::uint8_t* coarse, const std::uint8_t* fine, Words& low, Words& high) {
  const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(coarse));
  const __m128i f = _mm_loadu_si128(reinterpret_cast<const __m128i*>(fine));
  const __m128i half = _mm_set1_epi8(15);
  low = _mm256_cvtepu8_epi16(_mm_or_si128(_mm_slli_epi16(_mm_and_si128(c, half), 4), _mm_and_si128(f, half)));
  high = _mm256_cvtepu8_epi16(_mm_or_si128(_mm_andnot_si128(half, c), _mm_and_si128(_mm_srli_epi16(f, 4), half)));
}
inline Words subtract_words(Words a, Words b) { return _mm256_sub_epi16(a, b); }
inline Sums no_sums() { return _mm256_setzero_si256(); }
inline Sums add_products(Words a, Words b, Sums sums) { return _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)); }
inline std::int32_t total(Sums sums) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}
// The four sums of four registers at once.
template <std::size_t ROWS>
inline void store_totals(const Sums* sums, std::int32_t* out) {
  if constexpr (ROWS == 1) {
    out[0] = total(sums[0]);
    return;
  }
  const __m256i abcd = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256(abcd, 1)));
}

using Bytes = __m256i;
constexpr std::size_t BYTES = 32;
inline Bytes load_bytes(const void* p, std::size_t) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline Bytes low_halves(Bytes row) { return _mm256_and_si256(row, _mm256_set1_epi8(15)); }
inline Bytes high_halves(Bytes row) { return low_halves(_mm256_srli_epi16(row, 4)); }
inline Bytes mixed(Bytes halves) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(MIXED))),
                             halves);
}
inline Bytes add_bytes(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
inline Bytes eight_times() { return _mm256_set1_epi8(8); }
inline Words pairs(Bytes a, Bytes b) { return _mm256_maddubs_epi16(a, b); }
inline Words pairs(Bytes a, Bytes b, auto... others) { return _mm256_add_epi16(pairs(a, b), pairs(others...)); }
// The sums of all their pairs fit int16.
inline Sums add_byte_products(Sums sums, auto... factors) {
  return add_products(pairs(factors...), _mm256_set1_epi16(1), sums);
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
inline void join(const std::uint8_t* coarse, const std::uint8_t* fine, Words& low, Words& high) {
  const __m256i c = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(coarse));
  const __m256i f = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(fine));
  const __m256i half = _mm256_set1_epi8(15);
  low =
      _mm512_cvtepu8_epi16(_mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(c, half), 4), _mm256_and_si256(f, half)));
  high = _mm512_cvtepu8_epi16(
      _mm256_or_si256(_mm256_andnot_si256(half, c), _mm256_and_si256(_mm256_srli_epi16(f, 4), half)));
}
inline Words subtract_words(Words a, Words b) { return _mm512_sub_epi16(a, b); }
inline Sums no_sums() { return _mm512_setzero_si512(); }
inline Sums add_products(Words a, Words b, Sums sums) { return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b)); }
// The four sums of four registers at once.
template <std::size_t ROWS>
inline void store_totals(const Sums* sums, std::int32_t* out) {
  if constexpr (ROWS == 1) {
    out[0] = _mm512_reduce_add_epi32(sums[0]);
    return;
  }
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[0], sums[1]), _mm512_unpackhi_epi32(sums[0], sums[1]));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2], sums[3]), _mm512_unpackhi_epi32(sums[2], sums[3]));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}

using Bytes = __m512i;
constexpr std::size_t BYTES = 64;
// Half a register may be all that is left: rows are a multiple of CODE_ROW.
inline Bytes load_bytes(const void* p, std::size_t left) {
  return left < BYTES ? _mm512_zextsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(p)))
                      : _mm512_loadu_si512(p);
}
inline Bytes low_halves(Bytes row) { return _mm512_and_si512(row, _mm512_set1_epi8(15)); }
inline Bytes high_halves(Bytes row) { return low_halves(_mm512_srli_epi16(row, 4)); }
inline Bytes mixed(Bytes halves) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(MIXED))), halves);
}
inline Bytes add_bytes(Bytes a, Bytes b) { return _mm512_add_epi8(a, b); }
inline Bytes eight_times() { return _mm512_set1_epi8(8); }
inline Words pairs(Bytes a, Bytes b) { return _mm512_maddubs_epi16(a, b); }
inline Words pairs(Bytes a, Bytes b, auto... others) { return _mm512_add_epi16(pairs(a, b), pairs(others...)); }
// The sums of all their pairs fit int16.
inline Sums add_byte_products(Sums sums, auto... factors) {
  return add_products(pairs(factors...), _mm512_set1_epi16(1), sums);
}

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

using namespace avx512;
// These take the place of avx512's own.
inline Sums add_products(Words a, Words b, Sums sums) { return _mm512_dpwssd_epi32(sums, a, b); }
inline Sums add_byte_products(Sums sums) { return sums; }
inline Sums add_byte_products(Sums sums, Bytes a, Bytes b, auto... others) {
  return add_byte_products(_mm512_dpbusd_epi32(sums, a, b), others...);
}

#include "code_rows.inl"

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
inline void join(const std::uint8_t* coarse, const std::uint8_t* fine, Words& low, Words& high) {
  const uint8x8_t c = vld1_u8(coarse);
  const uint8x8_t f = vld1_u8(fine);
  low = vreinterpretq_s16_u16(vmovl_u8(vsli_n_u8(vand_u8(f, vdup_n_u8(15)), c, 4)));
  high = vreinterpretq_s16_u16(vmovl_u8(vorr_u8(vand_u8(c, vdup_n_u8(0xF0)), vshr_n_u8(f, 4))));
}
inline Words subtract_words(Words a, Words b) { return vsubq_s16(a, b); }
inline Sums no_sums() { return vdupq_n_s32(0); }
inline Sums add_products(Words a, Words b, Sums sums) {
  return vmlal_s16(vmlal_s16(sums, vget_low_s16(a), vget_low_s16(b)), vget_high_s16(a), vget_high_s16(b));
}
template <std::size_t ROWS>
inline void store_totals(const Sums* sums, std::int32_t* out) {
  for (std::size_t r = 0; r < ROWS; ++r) out[r] = vaddvq_s32(sums[r]);
}

// No half is above 15, and of what is mixed no sum of two above 112: unsigned or signed, they are the same.
using Bytes = int8x16_t;
constexpr std::size_t BYTES = 16;
inline Bytes load_bytes(const void* p, std::size_t) { return vld1q_s8(static_cast<const std::int8_t*>(p)); }
inline Bytes low_halves(Bytes row) { return vandq_s8(row, vdupq_n_s8(15)); }
inline Bytes high_halves(Bytes row) { return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(row), 4)); }
inline Bytes mixed(Bytes halves) {
  return vqtbl1q_s8(vld1q_s8(reinterpret_cast<const std::int8_t*>(MIXED)), vreinterpretq_u8_s8(halves));
}
inline Bytes add_bytes(Bytes a, Bytes b) { return vaddq_s8(a, b); }
inline Bytes eight_times() { return vdupq_n_s8(8); }
inline Sums add_byte_products(Sums sums) { return sums; }
inline Sums add_byte_products(Sums sums, Bytes a, Bytes b, auto... others) {
  sums = vpadalq_s16(vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b))), vmull_high_s8(a, b));
  return add_byte_products(sums, others...);
}

#include "code_rows.inl"
#include "distance_rows.inl"

}  // namespace neon

#endif

constexpr Kernels PLAIN{"plain",
                        plain::dot,
                        plain::squared,
                        plain::code_dot,
                        plain::code_squared,
                        plain::coarse<false>,
                        plain::coarse<true>};

std::vector<Kernels> detect() {
  std::vector<Kernels> found;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) {
    const auto dot = avx512::rows<avx512::Dot>;
    const auto squared = avx512::rows<avx512::Squared>;
    if (__builtin_cpu_supports("avx512vnni")) {
      found.push_back({"avx512vnni", dot, squared, avx512vnni::code_rows<avx512vnni::CodeDot>,
                       avx512vnni::code_rows<avx512vnni::CodeSquared>, avx512vnni::coarse_rows<avx512vnni::CoarseDot>,
                       avx512vnni::coarse_rows<avx512vnni::CoarseSquared>, &steps_avx512()});
    }
    found.push_back({"avx512", dot, squared, avx512::code_rows<avx512::CodeDot>, avx512::code_rows<avx512::CodeSquared>,
                     avx512::coarse_rows<avx512::CoarseDot>, avx512::coarse_rows<avx512::CoarseSquared>,
                     &steps_avx512()});
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi")) {
    found.push_back({"avx2", avx2::rows<avx2::Dot>, avx2::rows<avx2::Squared>, avx2::code_rows<avx2::CodeDot>,
                     avx2::code_rows<avx2::CodeSquared>, avx2::coarse_rows<avx2::CoarseDot>,
                     avx2::coarse_rows<avx2::CoarseSquared>, &steps_avx2()});
  }
#elif defined(__aarch64__)
  found.push_back({"neon", neon::rows<neon::Dot>, neon::rows<neon::Squared>, neon::code_rows<neon::CodeDot>,
                   neon::code_rows<neon::CodeSquared>, neon::coarse_rows<neon::CoarseDot>,
                   neon::coarse_rows<neon::CoarseSquared>});
#endif
  found.push_back(PLAIN);
  return found;
}

const Kernels& choose() {
  const auto all = available_kernels();
  const char* wanted = std::getenv("CLEW_INSTRUCTION_SET");
  if (wanted == nullptr || *wanted == '\0') return all.front();
  std::string names;
  for (const Kernels& kernels : all) {
    if (kernels.name == wanted) return kernels;
    names += (names.empty() ? "" : ", ") + std::string(kernels.name);
  }
  throw std::invalid_argument("CLEW_INSTRUCTION_SET is '" + std::string(wanted) + "'; this processor has " + names);
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
