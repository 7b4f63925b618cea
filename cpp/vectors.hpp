// The vectors of a graph: aligned rows addressed by slot, and their distances to a query.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "containers.hpp"
#include "distance.hpp"
#include "types.hpp"

namespace clew {

// A vector as the kernels want it: padded with zeros, aligned, and with what its metric needs of its length.
//
// Under cosine, which does not depend on length, a vector whose squared length leaves the range of float32 is scaled
// by a power of two.
class Prepared {
 public:
  Prepared(Metric metric, std::size_t dimension)
      : metric_(metric),
        dimension_(dimension),
        row_((dimension + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS + ROW_FLOATS) {}

  void assign(const float* vector) {
    float* row = data();
    rescaled_ = false;
    std::copy_n(vector, dimension_, row);
    std::fill_n(row + dimension_, width() - dimension_, 0.0F);
    if (metric_ == Metric::euclidean) return;
    float norm = squared_norm();
    if (metric_ == Metric::cosine && !(norm > NORM_MIN && norm < NORM_MAX)) norm = rescale();
    length_ = metric_ == Metric::cosine ? (norm > 0 ? 1 / std::sqrt(double{norm}) : 0.0) : double{norm};
  }

  const float* row() const { return const_cast<Prepared*>(this)->data(); }
  std::size_t width() const { return row_.size() - ROW_FLOATS; }
  double length() const { return length_; }
  bool rescaled() const { return rescaled_; }

 private:
  static constexpr float NORM_MIN = 1e-25F;
  static constexpr float NORM_MAX = 1e25F;

  // The first place of row_ on a 64-byte boundary.
  float* data() {
    const auto address = reinterpret_cast<std::uintptr_t>(row_.data());
    return row_.data() + (64 - address % 64) % 64 / sizeof(float);
  }

  float squared_norm() {
    const float* row = data();
    float norm = 0;
    kernels_for(width()).dot(row, &row, 1, width(), &norm);
    return norm;
  }

  float rescale() {
    float* row = data();
    float largest = 0;
    for (std::size_t i = 0; i < width(); ++i) largest = std::max(largest, std::abs(row[i]));
    if (largest == 0) return 0;
    rescaled_ = true;
    const int exponent = std::ilogb(largest);
    for (std::size_t i = 0; i < width(); ++i) row[i] = std::ldexp(row[i], -exponent);
    return squared_norm();
  }

  Metric metric_;
  std::size_t dimension_;
  std::vector<float> row_;
  double length_ = 0;
  bool rescaled_ = false;
};

// REQUIRES: one writer at a time. A reader may use a slot once it has learnt of it through an acquiring load.
class VectorStore {
 public:
  VectorStore(std::size_t dimension, Metric metric)
      : dimension_(dimension),
        metric_(metric),
        kernels_(kernels_for((dimension + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS)),
        rows_((dimension + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS),
        lengths_(1) {}

  std::size_t dimension() const { return dimension_; }
  Metric metric() const { return metric_; }
  const float* row(Slot slot) const { return rows_[slot]; }

  // cosine: 1 / |row|, 0 for a zero row. dot_product: |row|^2. euclidean: 0, it is not needed.
  double length(Slot slot) const { return metric_ == Metric::euclidean ? 0.0 : *lengths_[slot]; }

  void reserve(std::size_t count) {
    rows_.reserve(count);
    if (metric_ != Metric::euclidean) lengths_.reserve(count);
  }

  void use_huge_pages() {
    rows_.use_huge_pages();
    lengths_.use_huge_pages();
  }

  // `vector` is what `prepared` was made of.
  void set(Slot slot, const Prepared& prepared, const float* vector) {
    if (prepared.rescaled()) {
      keep_original(slot, {vector, vector + dimension_});
    } else if (any_originals_.load(std::memory_order_relaxed)) {
      forget_original(slot);  // of a change that failed halfway
    }
    std::copy_n(prepared.row(), rows_.width(), rows_[slot]);
    if (metric_ == Metric::euclidean) return;
    *lengths_[slot] = prepared.length();
    if (metric_ == Metric::dot_product) raise_norm_max(prepared.length());
  }

  void copy(Slot slot, const VectorStore& from, Slot from_slot) {
    std::copy_n(from.row(from_slot), rows_.width(), rows_[slot]);
    if (metric_ != Metric::euclidean) *lengths_[slot] = from.length(from_slot);
    raise_norm_max(from.norm_max());
    if (!from.any_originals_.load(std::memory_order_acquire)) return;
    const std::lock_guard guard(from.originals_lock_);
    if (const auto found = from.originals_.find(from_slot); found != from.originals_.end()) {
      keep_original(slot, found->second);
    }
  }

  // The vector that was set, all its bits.
  void read(Slot slot, float* out) const {
    std::copy_n(rows_[slot], dimension_, out);
    if (!any_originals_.load(std::memory_order_acquire)) return;
    const std::lock_guard guard(originals_lock_);
    if (const auto found = originals_.find(slot); found != originals_.end()) {
      std::ranges::copy(found->second, out);
    }
  }

  std::size_t row_bytes() const {
    return rows_.width() * sizeof(float) + (metric_ == Metric::euclidean ? 0 : sizeof(double));
  }

  void prefetch(Slot slot) const {
    const auto* p = reinterpret_cast<const char*>(rows_[slot]);
    const std::size_t bytes = std::min(rows_.width() * sizeof(float), PREFETCH_BYTES);
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
    if (metric_ == Metric::cosine) __builtin_prefetch(lengths_[slot]);
  }

  // Distances by which users rank; see Metric.
  void distances(const Prepared& query, const Slot* slots, std::size_t count, float* out) const {
    return each_block(slots, count, out, [&](const float* const* rows, const Slot* block, std::size_t n, float* to) {
      (metric_ == Metric::euclidean ? kernels_.squared : kernels_.dot)(query.row(), rows, n, rows_.width(), to);
      if (metric_ == Metric::cosine) {
        for (std::size_t i = 0; i < n; ++i) to[i] = -static_cast<float>(to[i] * length(block[i]) * query.length());
      } else if (metric_ == Metric::dot_product) {
        // Products of huge components may overflow to inf - inf; such a pair is as far as can be.
        for (std::size_t i = 0; i < n; ++i) to[i] = std::isnan(to[i]) ? std::numeric_limits<float>::infinity() : -to[i];
      }
    });
  }

  // Distances between vectors of the store, by which the graph is pruned: never negative, 0 for copies, and nearly the
  // square of a true metric. Inner products become Euclidean distances by one more coordinate that gives all vectors
  // the length of the longest (Bachrach et al., RecSys 2014).
  void pair_distances(const float* from, double length, const Slot* slots, std::size_t count, float* out) const {
    return each_block(slots, count, out, [&](const float* const* rows, const Slot* block, std::size_t n, float* to) {
      (metric_ == Metric::euclidean ? kernels_.squared : kernels_.dot)(from, rows, n, rows_.width(), to);
      if (metric_ == Metric::cosine) {
        for (std::size_t i = 0; i < n; ++i) {
          to[i] = std::max(0.0F, 1 - static_cast<float>(to[i] * this->length(block[i]) * length));
        }
      } else if (metric_ == Metric::dot_product) {
        const double most = norm_max();
        const double height = std::sqrt(std::max(0.0, most - length));
        for (std::size_t i = 0; i < n; ++i) {
          const double other = this->length(block[i]);
          const double rise = height - std::sqrt(std::max(0.0, most - other));
          to[i] = static_cast<float>(std::max(0.0, length + other - 2.0 * to[i] + rise * rise));
        }
      }
    });
  }

  bool same(Slot a, Slot b) const { return std::memcmp(rows_[a], rows_[b], rows_.width() * sizeof(float)) == 0; }

 private:
  friend class Image;

  // What rescaled rows below `limit` were before: slot and floats of each, as bytes.
  std::vector<char> originals(Slot limit) const {
    std::vector<char> bytes;
    const std::lock_guard guard(originals_lock_);
    for (const auto& [slot, vector] : originals_) {
      if (slot >= limit) continue;
      const auto* at = reinterpret_cast<const char*>(&slot);
      bytes.insert(bytes.end(), at, at + sizeof slot);
      at = reinterpret_cast<const char*>(vector.data());
      bytes.insert(bytes.end(), at, at + vector.size() * sizeof(float));
    }
    return bytes;
  }

  // The same back, and what else is known of `limit` rows that came by another way than set().
  void restore(Slot limit, const std::vector<char>& originals) {
    const std::size_t size = sizeof(Slot) + dimension_ * sizeof(float);
    for (std::size_t i = 0; i + size <= originals.size(); i += size) {
      Slot slot = 0;
      std::vector<float> vector(dimension_);
      std::memcpy(&slot, originals.data() + i, sizeof slot);
      std::memcpy(vector.data(), originals.data() + i + sizeof slot, dimension_ * sizeof(float));
      keep_original(slot, std::move(vector));
    }
    if (metric_ != Metric::dot_product) return;
    for (Slot slot = 0; slot < limit; ++slot) raise_norm_max(*lengths_[slot]);
  }

  // Past this many bytes the processor's own prefetcher has seen the pattern.
  static constexpr std::size_t PREFETCH_BYTES = 256;
  static constexpr std::size_t BLOCK = 64;

  double norm_max() const { return norm_max_.load(std::memory_order_relaxed); }
  void raise_norm_max(double norm) {
    if (norm > norm_max()) norm_max_.store(norm, std::memory_order_relaxed);
  }

  void forget_original(Slot slot) {
    const std::lock_guard guard(originals_lock_);
    originals_.erase(slot);
  }

  void keep_original(Slot slot, std::vector<float> vector) {
    const std::lock_guard guard(originals_lock_);
    originals_[slot] = std::move(vector);
    any_originals_.store(true, std::memory_order_release);
  }

  template <class F>
  void each_block(const Slot* slots, std::size_t count, float* out, F f) const {
    const float* rows[BLOCK];
    for (std::size_t start = 0; start < count; start += BLOCK) {
      const std::size_t n = std::min(BLOCK, count - start);
      for (std::size_t i = 0; i < n; ++i) rows[i] = rows_[slots[start + i]];
      f(rows, slots + start, n, out + start);
    }
  }

  std::size_t dimension_;
  Metric metric_;
  const Kernels& kernels_;
  Rows<float> rows_;
  Rows<double> lengths_;
  std::atomic<double> norm_max_{0};  // raised by the writer alone; a compaction reads it meanwhile
  // What rescaled rows were before; hardly any index has one.
  std::atomic<bool> any_originals_{false};
  mutable std::mutex originals_lock_;
  std::unordered_map<Slot, std::vector<float>> originals_;
};

}  // namespace clew
