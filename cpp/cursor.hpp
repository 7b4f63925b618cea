// A query that yields every visible slot once, nearest first as far as the beam can tell, and can pause after any
// batch.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "exact.hpp"
#include "graph.hpp"
#include "scratch.hpp"
#include "types.hpp"

namespace clew {

struct CursorOptions {
  std::size_t ef = 0;  // how many candidates the beam holds at least; 0: a default
  bool exact = false;  // never walk: the order is exact from the first to the last
  bool once = false;   // it will be read by a single next()
};

// Walks the graph at first; turns into a scan of what has not been returned when that is cheaper, and at the latest
// when the walk has run dry, which is what makes it complete.
//
// REQUIRES: the graph, the query and the words of `allowed` outlive the cursor. One caller at a time.
class Cursor {
 public:
  enum class Mode { fresh, walking, scanning, closed };

  Cursor(const Graph& graph, const float* query, const Allowed& allowed, const CursorOptions& options);
  ~Cursor() { close(); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Up to `count` further neighbours, nearest first; valid until the next call.
  // Fewer means that there are no more, and there never will be.
  std::span<const Key> next(std::size_t count);

  // The work of next(count) in parts, so that several cursors can take turns: begin() it, step() until that says that
  // nothing is left to do, then call next(count).
  void begin(std::size_t count);
  bool step() { return mode_ == Mode::walking && scratch_->walk.step(); }

  // Gives everything back. next() then yields nothing.
  void close();

  Mode mode() const { return mode_; }
  // How many distances a walk has computed so far, and how many a scan.
  std::size_t walked() const { return walked_; }
  std::size_t scanned() const { return scanned_; }
  std::size_t bytes() const;

 private:
  std::size_t left(std::size_t count) const;
  bool scan_is_cheaper(std::size_t count) const;
  Scan::By scan_by(std::size_t count) const;
  void start_walk();
  void turn_to_scan(std::size_t count);
  void walk_on(std::size_t count);
  std::size_t pick(std::size_t most, Key limit, std::size_t reach);
  void approach(std::size_t count, std::size_t reach);
  void measure_picked();
  void score_exactly(std::size_t most, Key limit);
  void give(std::size_t count);
  std::size_t beam_for(std::size_t count) const;

  const Graph& graph_;
  const View view_;
  const float* query_;
  const Allowed allowed_;
  const CursorOptions options_;
  const std::size_t matching_;  // upper bound of how many there are to return
  Mode mode_ = Mode::fresh;
  std::vector<Slot> returned_;
  std::size_t walked_ = 0;
  double walk_cost_ = 0;  // so far, in distances of a walk with a short beam
  std::size_t scanned_ = 0;
  std::unique_ptr<Scratch> scratch_;
  std::unique_ptr<Scan> scan_;  // once it scans
};

}  // namespace clew
