// Work on a range of slots by several threads.
#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "types.hpp"

namespace clew {

// Calls worker(slot) for first <= slot < end on `threads` threads, each with a worker of its own from make_worker(),
// each taking the next slot when it is free. The first exception stops all of them and is thrown.
template <class MakeWorker>
void in_parallel(Slot first, Slot end, unsigned threads, MakeWorker make_worker) {
  if (first >= end) return;
  std::atomic<Slot> next{first};
  std::exception_ptr failure;
  std::mutex failure_lock;
  const auto run = [&] {
    try {
      auto worker = make_worker();
      for (Slot slot = next.fetch_add(1); slot < end; slot = next.fetch_add(1)) worker(slot);
    } catch (...) {
      next = end;
      const std::lock_guard guard(failure_lock);
      failure = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads && i < end - first; ++i) others.emplace_back(run);
  run();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace clew
