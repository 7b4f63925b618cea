// Codes of the vectors, a quarter of their bytes, in two halves: for walks and scans that rescore in float32 what they
// return.
//
// A vector x (under cosine: x / |x|) stands on a grid around the mean m of a sample: x = m + step * code, each
// component rounded and clipped to 127 either way. One step serves all components and all rows, so that a row needs
// nothing beside its codes and its squared distance to another point of the grid is an exact integer.
//
// The upper four bits of the codes of a row, 128 added, lie together, the coarse half, and the lower four elsewhere.
// Walks and scans go by the coarse halves alone, which is half of what they have to fetch from memory, and whole codes
// put in order what came near: as the two levels of LVQ do (Aguerrebere et al., VLDB 2023), but with one grid for all
// rows. Links are made by whole codes.
//
// Euclidean distances (and cosines, by |a - b|^2 = 2 - 2 cos of unit vectors) are taken between grid points; the query
// is rounded, and for coarse halves also clipped. Inner products take the query in a grid of its own, 2^15 steps fine
// where the sums allow, or 2^7 for coarse halves.
//
// The error of whole codes has a bound: a row is no further than that from its grid point, or it is known to be wild
// and has to be scored by its floats. That of coarse halves has one that is calibrated: what counts is how far a row's
// point lies off in the direction of a query, which is little of how far it lies off at all; the most that was seen
// among thousands of pairs, and a quarter of that again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "containers.hpp"
#include "distance.hpp"
#include "measure.hpp"
#include "types.hpp"
#include "vectors.hpp"

namespace clew {

// A query as the kernels over codes want it.
struct CodedQuery {
  std::vector<std::int16_t> words;  // for whole codes
  std::vector<std::int8_t> bytes;   // for coarse halves
  bool usable = false;              // false: zero, or too far outside of the grid; floats must be used
  bool coarse_usable = false;       // false: whole codes must be used
  Measure whole;
  Measure coarse;
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

  bool wild(Slot slot) const { return (wild_among(slot) >> slot % 64 & 1) != 0; }
  // Bit i: slot i of the 64 that `slot` is among is wild.
  std::uint64_t wild_among(Slot slot) const { return wild_[slot / 64]->load(std::memory_order_relaxed); }
  // How many rows encoded so far are wild.
  Slot wild_count() const { return wild_count_.load(std::memory_order_relaxed); }
  std::size_t row_bytes() const { return 2 * coarse_.width(); }

  // The coarse half of a row, which is on its way then.
  const std::uint8_t* fetch_coarse(Slot slot) const {
    const std::uint8_t* row = coarse_[slot];
    prefetch(row);
    return row;
  }
  void prefetch_whole(Slot slot) const {
    prefetch(coarse_[slot]);
    prefetch(fine_[slot]);
  }

  void assign(CodedQuery& query, const float* vector, double length) const;

  // Distances by which users rank, nearly; see Metric. The coarse ones REQUIRE query.coarse_usable.
  void distances(const CodedQuery& query, const Slot* slots, std::size_t count, float* out) const;
  void coarse_distances(const CodedQuery& query, std::span<const std::uint8_t* const> rows, float* out) const;
  // The same of up to 64 slots from `first` on, which is a multiple of 64.
  void coarse_distances(const CodedQuery& query, Slot first, std::size_t count, float* out) const;

  // Whether vectors can be linked by their codes: inner products cannot (see VectorStore::pair_distances).
  bool links() const { return vectors_.metric() != Metric::dot_product; }
  // The same as VectorStore::pair_distances, nearly; `from` is a vector assigned or the point of a slot.
  void pair_distances(const CodedQuery& from, const Slot* slots, std::size_t count, float* out) const;
  void pair_distances(const CodedQuery& from, std::span<const Halves> rows, float* out) const;
  Halves halves(Slot slot) const { return {coarse_[slot], fine_[slot]}; }
  void assign_point_of(Slot slot, CodedQuery& query) const;

 private:
  friend class Image;

  // How far a row lies from its points.
  struct Distance {
    double whole;
    double coarse;
  };

  explicit Codes(const VectorStore& vectors);
  void set_wild(Slot slot);
  void learn_grid(std::span<const Slot> sample);
  void learn_errors(std::span<const Slot> sample, double nearest);
  double error_along(std::span<const Slot> sample) const;
  float scale_of(Slot slot) const;
  float point_scale() const;
  Distance write(Slot slot, std::uint8_t* coarse, std::uint8_t* fine) const;
  void assign_point(CodedQuery& query, const float* vector, double length) const;
  void assign_direction(CodedQuery& query, const float* vector) const;
  void assign_coarse_point(CodedQuery& query) const;
  void assign_coarse_direction(CodedQuery& query, const float* vector, double largest, double norm) const;
  void prefetch(const std::uint8_t* row) const {
    for (std::size_t i = 0; i < prefetched_; i += 64) __builtin_prefetch(row + i);
  }

  const VectorStore& vectors_;
  const Kernels& kernels_;
  Rows<std::uint8_t> coarse_;
  Rows<std::uint8_t> fine_;
  Rows<std::atomic<std::uint64_t>> wild_;  // a bit for each slot
  std::vector<float> mean_;
  float step_ = 0;
  double error_ = 0;
  double coarse_error_ = 0;
  double coarse_along_ = 0;  // 0: coarse halves would tell neighbours apart too badly
  std::size_t prefetched_ = 0;
  std::atomic<Slot> wild_count_{0};
  std::atomic<Slot> end_{NO_SLOT};
};

}  // namespace clew
