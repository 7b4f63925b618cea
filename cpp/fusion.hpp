// Two cursors read as one ranking: those of the dense and the sparse half of a hybrid query.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "containers.hpp"
#include "types.hpp"

namespace clew {

enum class Fusion {
  rrf,   // 1 / (60 + rank) of either half, ranks from 0
  dbsf,  // (score - (m - 3 s)) / (6 s) of either half, of mean m and sample deviation s; 0.5 where s is 0
};

struct FusionOptions {
  Metric metric = Metric::cosine;  // of the distances of the dense half; the sparse half gives negated scores
  Fusion algorithm = Fusion::rrf;
  float dense_weight = 0.5F;  // 0 to 1; the sparse half has the rest, and at 0.5 each counts once
  // How many ranks of either half are fused together into a stretch of one stable ranking. 0: each batch fuses
  // what is left afresh.
  std::size_t window = 0;
};

// What users see of a dense distance: (1 + cos) / 2, 1 / (1 + d) or (1 + dot) / 2.
inline float score_of(Metric metric, float distance) {
  return metric == Metric::euclidean ? 1 / (1 + distance) : (1 - distance) / 2;
}

// Yields every slot of either half once. Keys are of negated scores. One caller at a time.
class FusedCursor {
 public:
  // Up to so many further keys of a half; fewer at its end.
  using Stream = std::function<std::span<const Key>(std::size_t)>;

  FusedCursor(Stream dense, Stream sparse, const FusionOptions& options)
      : options_(options), dense_(std::move(dense)), sparse_(std::move(sparse)) {}

  // Up to `count` further keys, best first; valid until the next call. Fewer means that there are no more.
  std::span<const Key> next(std::size_t count);

  std::size_t bytes() const;

 private:
  // A half: its stream, and what was taken from it and not returned.
  struct Half {
    explicit Half(Stream stream) : stream(std::move(stream)) {}

    void fill(std::size_t count, const SlotSet& returned);
    std::span<const Key> take(std::size_t count);

    Stream stream;
    std::vector<Key> waiting;  // nearest first
    bool exhausted = false;
  };

  void next_batch(std::size_t count);
  void next_stretch();
  void fuse(std::span<const Key> dense, std::span<const Key> sparse, std::size_t first_rank);
  void add(std::span<const Key> half, bool dense, std::size_t first_rank);
  void lower_to_last();

  FusionOptions options_;
  Half dense_;
  Half sparse_;
  SlotSet returned_;
  std::vector<Key> fused_;  // by rank; with a window, the stretch that is given out, from given_ on
  std::vector<Key> parts_;
  std::vector<float> scores_;
  std::vector<Key> out_;
  std::size_t given_ = 0;
  std::size_t stretches_ = 0;
  float last_ = 0;  // the lowest score so far
};

}  // namespace clew
