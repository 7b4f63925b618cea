// int8 codes of the vectors: a quarter of the bytes, for walks and scans that rescore in float32 what they return.
//
// A vector x (under cosine: x / |x|) stands on a grid around the mean m of a sample: x = m + step * code, each
// component rounded and clipped to 127 either way. One step serves all components and all rows, so that a row needs
// nothing beside its codes and its squared distance to another point of the grid is an exact integer.
//
// Euclidean distances (and cosines, by |a - b|^2 = 2 - 2 cos of unit vectors) are taken between grid points; the query
// is rounded but not clipped. Inner products take the query in a grid of its own, 2^15 steps fine where the sums
// allow.
//
// The error has a bound: a row is no further than error() from its grid point, or it is known to be wild and has to be
// scored by its floats. Then |q - x| differs from the distance of the grid points by at most the two errors.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "containers.hpp"
#include "types.hpp"
#include "vectors.hpp"

namespace clew {

// A query as the kernels over codes want it.
struct CodedQuery {
  std::vector<std::int16_t> words;
  std::vector<float> rests;         // what rounding left over
  std::vector<std::uint8_t> bytes;  // the words and 128; none where they do not fit, or nobody can use them
  std::int32_t square = 0;          // of the words
  bool usable = false;              // false: zero, or too far outside of the grid; floats must be used
  // distance = offset + scale * sum of the kernel
  float offset = 0;
  float scale = 0;
  double error = 0;     // of the distances, before squaring, of a row that is not wild
  double rounding = 0;  // of float32 distances beside it
};

class Codes {
 public:
  // Learns the grid from rows spread over the first `count`. `nearest` is a typical squared distance between
  // neighbours, by which vectors are linked. None when the grid could not tell them apart, or saves too little.
  static std::shared_ptr<Codes> train(const VectorStore& vectors, Slot count, double nearest);

  // Makes room for `count` rows. One caller at a time.
  void reserve(Slot count);
  // Encodes the row of one slot. Each slot once; several threads may encode different slots.
  void encode(Slot slot);

  // Codes that were replaced know no slot from here on.
  Slot end() const { return end_.load(std::memory_order_acquire); }
  void close(Slot end) { end_.store(end, std::memory_order_release); }

  bool wild(Slot slot) const { return *wild_[slot] != 0; }
  // How many rows encoded so far are wild.
  Slot wild_count() const { return wild_count_.load(std::memory_order_relaxed); }
  std::size_t row_bytes() const { return rows_.width() + 1 + sizeof(std::int32_t); }

  void prefetch(Slot slot) const {
    const auto* p = reinterpret_cast<const char*>(rows_[slot]);
    for (std::size_t i = 0; i < prefetched_; i += 64) __builtin_prefetch(p + i);
  }

  void assign(CodedQuery& query, const float* vector, double length) const;

  // Distances by which users rank, nearly; see Metric.
  void distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const;

  // The same of `count` slots from `first` on, which has to be a multiple of RUN, and at most RUN of them: quicker.
  void distances(const CodedQuery& query, Slot first, std::size_t count, float* out) const;
  static constexpr std::size_t RUN = 64;
  // Bit i: slot first + i is wild.
  std::uint64_t wild(Slot first, std::size_t count) const;

  // Whether vectors can be linked by their codes: inner products cannot (see VectorStore::pair_distances).
  bool links() const { return vectors_.metric() != Metric::dot_product; }
  // The same as VectorStore::pair_distances, nearly; `from` is a vector assigned or the point of a slot.
  void pair_distances(const CodedQuery& from, const Slot* slots, std::size_t count, float* out) const;
  void assign_point_of(Slot slot, CodedQuery& query) const;

  // The least distance of a row whose codes say `distance` or more, and the greatest that the codes of a row may say
  // that is at `distance` or less.
  float least(const CodedQuery& query, float distance) const;
  float greatest(const CodedQuery& query, float distance) const;
  // Nearly all rows at `distance` or less say no more than this.
  float likely(const CodedQuery& query, float distance) const;

 private:
  friend class Image;

  explicit Codes(const VectorStore& vectors);
  void learn_grid(std::span<const Slot> sample);
  void learn_error(std::span<const Slot> sample);
  double residual(Slot slot, std::int8_t* code) const;
  void square(Slot slot);
  void assign_point(CodedQuery& query, const float* vector, double length) const;
  void assign_direction(CodedQuery& query, const float* vector) const;
  void assign_bytes(CodedQuery& query) const;
  template <class F>
  void each_block(const Slot* slots, std::size_t count, float* out, F f) const;

  const VectorStore& vectors_;
  const Kernels& kernels_;
  Rows<std::int8_t> rows_;
  Rows<std::uint8_t> wild_;
  // sum of x (x + 256) over the codes x of a row: with (q + 128) x for a query q, |q - x|^2 = |q|^2 + that - 2 times
  // this.
  Rows<std::int32_t> squares_;
  std::vector<float> mean_;
  float step_ = 0;
  double error_ = 0;
  std::size_t prefetched_ = 0;
  std::atomic<Slot> wild_count_{0};
  std::atomic<Slot> end_{NO_SLOT};
};

}  // namespace clew
