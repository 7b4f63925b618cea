// What walks work in while they run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "containers.hpp"
#include "marks.hpp"
#include "types.hpp"

namespace clew {

struct Workroom {
  std::size_t bytes() const { return met.bytes(); }

  SlotMarks met;
  // What the others hold is of no account between two runs.
  Room<Slot> found;                // met and not yet scored
  Room<const std::uint8_t*> rows;  // their coarse halves, where the walk goes by these
  Room<float> scores;
  Room<Key> fresh;   // scored, near enough for the beam, and not yet in it
  Room<Key> far;     // scored, and not near enough
  Room<Key> merged;  // the next beam
  std::vector<Key> leaders;
};

// Lends workrooms to walks. One that a walk leaves when it pauses stays as it is, and the walk finds it again, unless
// another had nothing else to take: so thousands of paused walks share the memory of a few, and one that is read page
// after page never has to mark again what it met.
//
// Any thread may take and leave.
class Workrooms {
 public:
  // Says who left it. Nobody has this one.
  using Ticket = std::uint64_t;
  static constexpr Ticket NOBODY = 0;

  // Those left with `ticket`; where they are gone others, which are empty, and `ticket` is NOBODY.
  std::unique_ptr<Workroom> take(Ticket& ticket) {
    auto room = find(ticket);
    if (room == nullptr) room = std::make_unique<Workroom>();
    if (ticket == NOBODY) room->met.clear();
    return room;
  }

  // To be found again by the ticket it returns.
  Ticket leave(std::unique_ptr<Workroom> room) {
    const std::lock_guard guard(lock_);
    keep({++last_, std::move(room)});
    return last_;
  }

  // Nobody will come for it.
  void give_back(std::unique_ptr<Workroom> room) {
    const std::lock_guard guard(lock_);
    keep({NOBODY, std::move(room)});
  }
  void give_up(Ticket ticket) {
    const std::lock_guard guard(lock_);
    const auto at = std::ranges::find(kept_, ticket, &Kept::ticket);
    if (at != kept_.end()) at->ticket = NOBODY;
  }

 private:
  struct Kept {
    Ticket ticket;
    std::unique_ptr<Workroom> room;
  };

  // So many are kept, while they take no more than so much memory; beyond it what was left is taken before another is
  // made.
  static constexpr std::size_t KEPT_MAX = 16;
  static constexpr std::size_t KEPT_BYTES = std::size_t{8} << 20;

  std::unique_ptr<Workroom> find(Ticket& ticket) {
    const std::lock_guard guard(lock_);
    auto at = std::ranges::find(kept_, ticket, &Kept::ticket);
    if (at == kept_.end()) at = std::ranges::find(kept_, std::exchange(ticket, NOBODY), &Kept::ticket);
    if (at == kept_.end() && (kept_.size() == KEPT_MAX || bytes() > KEPT_BYTES)) at = kept_.begin();
    if (at == kept_.end()) return nullptr;
    auto room = std::move(at->room);
    kept_.erase(at);
    return room;
  }

  void keep(Kept one) {
    if (kept_.size() == KEPT_MAX) kept_.erase(kept_.begin());
    kept_.push_back(std::move(one));
  }

  std::size_t bytes() const {
    std::size_t bytes = 0;
    for (const Kept& one : kept_) bytes += one.room->bytes();
    return bytes;
  }

  std::mutex lock_;
  std::vector<Kept> kept_;  // what was left longest ago first
  Ticket last_ = NOBODY;
};

}  // namespace clew
