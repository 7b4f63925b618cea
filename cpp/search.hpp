// The one beam loop that building, querying and resuming share.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "codes.hpp"
#include "containers.hpp"
#include "graph.hpp"
#include "pile.hpp"
#include "types.hpp"
#include "vectors.hpp"
#include "workroom.hpp"

namespace clew {

enum class Purpose {
  link,         // find neighbours for a new slot: by the distance edges are pruned by, one of each set of copies
  answer,       // find neighbours once
  answer_some,  // the same, where not all that is near will do: at once, but perhaps in several runs
  resume,       // find neighbours, and go on later
};

// A best-first walk over a graph, away from a query, that can go on after any step.
//
// The beam holds the nearest slots scored and not yet consumed, sorted; everything else that was scored waits in
// `evicted`. Consuming the front of the beam and refilling it from `evicted` is what resuming means.
//
// REQUIRES: the graph outlives the walk. One caller at a time.
class Walk {
 public:
  explicit Walk(const Graph& graph);

  // Begins at the landmarks nearest to `query` (dimension floats). By coarse halves of codes where these serve, unless
  // it links: their order is good for finding what is near.
  void start(const float* query, Purpose purpose);

  // Expands until the nearest `ef` slots not yet consumed have all been expanded.
  void run(std::size_t ef) {
    begin(ef);
    while (step()) {
    }
  }
  // The same in parts, so that several walks can take turns: while one waits for memory, another works.
  void begin(std::size_t ef);
  bool step();

  // The query as start() took it; the codes that distances were computed by, or none; whether by their coarse halves.
  const Prepared& query() const { return query_; }
  const Codes* codes() const { return codes_.get(); }
  bool coarse() const { return coarse_; }
  const CodedQuery& coded() const { return coded_; }

  // The beam, nearest first: by codes where there are some.
  std::span<const Key> beam() const { return {beam_.data() + head_, beam_.size() - head_}; }
  // The beam, and after it what was expanded on the way there and is no longer in it. Only once, of a walk that links.
  std::span<const Key> trail();
  // Takes the first `count` of it away.
  void consume(std::size_t count);
  // It may be long until the next run, if there is one: keeps what it needs for that in little room.
  void pause();
  // Lets go of what is shared.
  void stop();

  // True when every slot that can be reached has been consumed.
  bool dry() const { return head_ == beam_.size() && evicted_.empty(); }

  // How many distances have been computed since start().
  std::size_t distances() const { return distances_; }
  std::size_t bytes() const;

 private:
  void meet(const Landmarks& landmarks);
  void go_on();
  void find_new(std::span<const Slot> slots);
  std::size_t read_neighbors(Slot slot, Slot* out) const;
  void compute_scores();
  void look_ahead() const;
  void expand(std::size_t at);
  void fetch(std::size_t first);
  void expand_copies(Key key);
  void score();
  std::size_t part(std::size_t start, std::size_t count, Key limit);
  void merge();
  void merge_few();
  void merge_many();
  bool may_go_on() const { return purpose_ == Purpose::answer_some || purpose_ == Purpose::resume; }

  const Graph& graph_;
  const Steps* const steps_;
  Prepared query_;
  CodedQuery coded_;
  std::shared_ptr<const Codes> codes_;
  bool coarse_ = false;
  Slot end_ = NO_SLOT;  // slots from here on have no codes
  Purpose purpose_ = Purpose::answer;
  std::size_t capacity_ = 0;
  std::size_t head_ = 0;     // what is before it has been consumed
  std::size_t next_ = 0;     // what is before it has been expanded
  std::size_t at_once_ = 0;  // how many are expanded before what was found is scored
  std::size_t distances_ = 0;
  Room<Key> beam_;
  KeyPile evicted_;
  // While it runs, and where it is left meanwhile; if it is not there any more, all that was met is in the beam, has
  // left it, or was consumed.
  std::unique_ptr<Workroom> room_;
  Workrooms::Ticket ticket_ = Workrooms::NOBODY;
  std::vector<Slot> consumed_;
  std::vector<Key> copies_;  // of expanded slots, not yet in the beam
  std::vector<Key> path_;
};

}  // namespace clew
