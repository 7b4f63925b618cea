// What is kept between queries, so that a query allocates nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace clew {

// Any thread may take and give back. A burst of queries leaves up to KEPT_MAX behind; the rest is given back to the
// system.
template <class T, std::size_t KEPT_MAX = 16>
class Pool {
 public:
  // One that was given back, or one made of `args`.
  template <class... Args>
  std::unique_ptr<T> take(const Args&... args) {
    {
      const std::lock_guard guard(lock_);
      if (!kept_.empty()) {
        auto last = std::move(kept_.back());
        kept_.pop_back();
        return last;
      }
    }
    return std::make_unique<T>(args...);
  }

  void give_back(std::unique_ptr<T> one) {
    const std::lock_guard guard(lock_);
    if (kept_.size() < KEPT_MAX) kept_.push_back(std::move(one));
  }

 private:
  std::mutex lock_;
  std::vector<std::unique_ptr<T>> kept_;
};

}  // namespace clew
