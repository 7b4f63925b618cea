// Queries over sparse vectors. A score is the sum over common indices of weight times value, in float32, each product
// rounded, added up in the order of the entries of the record.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "exact.hpp"
#include "ranking.hpp"
#include "sparse.hpp"
#include "types.hpp"

namespace clew {

// A query with what it sees: it goes on seeing that.
class SparseQuery {
 public:
  // The present state, or that of `at` where given. idf: each value is multiplied by ln(1 + (N - n + 0.5) / (n + 0.5))
  // for n of N records that have its index. Throws std::out_of_range where the state of `at` has passed.
  SparseQuery(const Sparse& sparse, std::span<const std::int32_t> indices, std::span<const float> values, bool idf,
              std::optional<Seq> at);

  // The best `count` that are allowed, best first. Skips what bounds tell cannot be among them.
  void best(std::size_t count, const Allowed& allowed, std::vector<Key>& out) const;

  // The key of every slot that has a common index, is allowed and comes after `floor`, in order of slot.
  void score_all(const Allowed& allowed, Key floor, std::vector<Key>& out) const;

  // Indices and weights as they are used, by index.
  std::vector<Entry> weighted() const;

  std::size_t bytes() const { return sizeof *this + terms_.capacity() * sizeof(Term); }

 private:
  // An entry of the query, by index; those of one index in the order given.
  struct Term {
    std::int32_t index;
    float weight;
    PostingsView seen;
  };

  // What a term has in a stretch of slots.
  struct Part {
    const Term* term;
    std::size_t start;
    std::size_t stop;
    double bound;  // of what it adds to a score, never below 0
  };

  class Window;
  class Best;

  float score(Slot slot) const;
  bool admits(Slot slot, const Allowed& allowed) const {
    return sparse_.visible(slot, view_) && allowed.contains(slot);
  }
  bool admits_all(const Allowed& allowed) const { return allowed.everything() && view_.live == view_.limit; }
  bool rows_are_cheaper(const Allowed& allowed) const;
  template <class F>
  void each_row(const Allowed& allowed, F f) const;
  template <class F>
  void each_window(F f) const;
  double bound_of(const Part& part) const;

  const Sparse& sparse_;
  View view_;
  std::vector<Term> terms_;
  std::vector<std::int32_t> known_;         // the indices of terms_, each once
  std::array<std::uint64_t, 16> hashed_{};  // of the indices: tells most others apart at a glance
  std::size_t postings_ = 0;
  double slack_ = 0;  // by how much a float32 sum may exceed the exact one
};

// Yields every slot that has an index in common with the query, once, best first, exactly.
//
// REQUIRES: the Sparse and the words of `allowed` outlive it. One caller at a time.
class SparseCursor {
 public:
  SparseCursor(SparseQuery query, const Allowed& allowed)
      : weighted_(query.weighted()), query_(std::move(query)), allowed_(allowed) {}

  // Up to `count` further keys; valid until the next call. Fewer means that there are no more.
  std::span<const Key> next(std::size_t count);

  // Gives everything back. next() then yields nothing.
  void close();

  // Its query: with these as values and without idf it is the same whatever else was changed since.
  std::span<const Entry> weighted() const { return weighted_; }

  std::size_t bytes() const {
    return weighted_.size() * sizeof(Entry) + ranking_.bytes() + best_.capacity() * sizeof(Key) +
           (query_ ? query_->bytes() : 0);
  }

 private:
  const std::vector<Entry> weighted_;
  std::optional<SparseQuery> query_;  // until all is scored
  Allowed allowed_;
  Ranking ranking_;
  std::vector<Key> best_;  // the first few, given out before everything is scored
  Key floor_ = 0;
  bool fresh_ = true;
};

}  // namespace clew
