// The few containers that the search is made of.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "types.hpp"

namespace clew {

// A vector that leaves what it grows by as it is, where std::vector would write zeros to be written over.
template <class T>
struct Unfilled : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = Unfilled<U>;
  };
  template <class U>
  void construct(U* place) noexcept {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Args>
  void construct(U* place, Args&&... args) {
    ::new (static_cast<void*>(place)) U(std::forward<Args>(args)...);
  }
};
template <class T>
using Room = std::vector<T, Unfilled<T>>;

// Empties a vector and gives back its memory.
template <class T, class A>
void free_room(std::vector<T, A>& vector) {
  std::vector<T, A>().swap(vector);
}

// Zeroed memory straight from the system; pages cost nothing until they are touched.
class Region {
 public:
  explicit Region(std::size_t bytes) : bytes_(bytes), mapped_(bytes + HUGE_PAGE) {
    // Room to start on a 2 MB boundary, which a huge page needs.
    void* base = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = base;
    const auto address = reinterpret_cast<std::uintptr_t>(base);
    data_ = reinterpret_cast<std::byte*>((address + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
  }
  // Bytes of a file: read when they are touched, written to memory of our own. Throws std::bad_alloc.
  Region(int file, std::uint64_t offset, std::size_t bytes) : bytes_(bytes) {
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, static_cast<off_t>(offset));
    if (base == MAP_FAILED) throw std::bad_alloc();
    base_ = base;
    data_ = static_cast<std::byte*>(base);
    mapped_ = bytes;
  }
  ~Region() { munmap(base_, mapped_); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  std::byte* data() const { return data_; }

  // A search touches rows at random: with 4 KB pages every touch misses the TLB as well.
  void use_huge_pages() const {
#ifdef MADV_HUGEPAGE
    madvise(data_, bytes_, MADV_HUGEPAGE);
#endif
  }

 private:
  static constexpr std::size_t HUGE_PAGE = std::size_t{2} << 20;
  std::size_t bytes_;
  std::size_t mapped_;
  void* base_;
  std::byte* data_;
};

// Rows of `width` values of T, addressed by slot, which never move: readers go on while a writer grows it.
// T is trivial, or an atomic whose zero bytes are its zero.
template <class T>
class Rows {
 public:
  explicit Rows(std::size_t width)
      : width_(width),
        shift_(std::bit_width(std::max<std::size_t>(CHUNK_BYTES / (width * sizeof(T)), 1)) - 1),
        table_(((SLOTS_MAX >> shift_) + 1) * sizeof(std::atomic<T*>)) {}

  // REQUIRES: slot < the last reserve().
  T* operator[](Slot slot) const {
    return table()[slot >> shift_].load(std::memory_order_acquire) + (slot & ((Slot{1} << shift_) - 1)) * width_;
  }

  // Makes room for `count` rows, zeroed. One caller at a time.
  void reserve(std::size_t count) {
    while (chunks_.size() << shift_ < count) {
      add(std::make_unique<Region>((width_ * sizeof(T)) << shift_));
      if (chunks_.size() > 1 || huge_) chunks_.back()->use_huge_pages();
    }
  }

  // The whole chunks of `count` rows are those of a file; room is made for the rest.
  // REQUIRES: empty; `offset` is a multiple of the size of a page, as chunks are.
  void map(int file, std::uint64_t offset, std::size_t count) {
    const std::size_t bytes = (width_ * sizeof(T)) << shift_;
    for (; (mapped_ + 1) << shift_ <= count; ++mapped_)
      add(std::make_unique<Region>(file, offset + mapped_ * bytes, bytes));
    reserve(count);
  }
  bool mapped(std::size_t slot) const { return slot >> shift_ < mapped_; }

  // f(first row, how many rows, where they are) for each stretch of the first `count` rows that lies together.
  template <class F>
  void each_chunk(std::size_t count, F f) const {
    const std::size_t most = std::size_t{1} << shift_;
    for (std::size_t first = 0; first < count; first += most) {
      f(first, std::min(most, count - first), (*this)[static_cast<Slot>(first)]);
    }
  }

  // The first chunk starts with small pages, so that a small namespace stays small.
  void use_huge_pages() {
    huge_ = true;
    for (const auto& chunk : chunks_) chunk->use_huge_pages();
  }

  std::size_t width() const { return width_; }

 private:
  static constexpr std::size_t CHUNK_BYTES = std::size_t{8} << 20;

  void add(std::unique_ptr<Region> chunk) {
    chunks_.push_back(std::move(chunk));
    table()[chunks_.size() - 1].store(reinterpret_cast<T*>(chunks_.back()->data()), std::memory_order_release);
  }

  std::atomic<T*>* table() const { return reinterpret_cast<std::atomic<T*>*>(table_.data()); }

  std::size_t width_;
  std::size_t shift_;
  bool huge_ = false;
  std::size_t mapped_ = 0;  // chunks that are those of a file
  Region table_;
  std::vector<std::unique_ptr<Region>> chunks_;
};

// A set of slots that costs only what it touches: pages of 4,096 bits, made when first needed.
class SlotSet {
 public:
  SlotSet() { clear(); }

  void clear() {
    pages_.clear();
    words_.assign(PAGE_WORDS, 0);  // page 0 stands for "none yet", and stays empty
  }

  // Adds the slot; false when it was there.
  bool insert(Slot slot) {
    const std::size_t at = slot >> PAGE_SHIFT;
    const bool known = at < pages_.size() && pages_[at] != 0;
    const std::uint32_t page = known ? pages_[at] : add_page(at);
    std::uint64_t& word = words_[page * PAGE_WORDS + (slot & PAGE_MASK) / 64];
    const std::uint64_t bit = std::uint64_t{1} << (slot % 64);
    const bool added = (word & bit) == 0;
    word |= bit;
    return added;
  }

  bool contains(Slot slot) const { return (word(slot / 64) >> (slot % 64) & 1) != 0; }

  // Bit i: slot 64 * number + i is in it.
  std::uint64_t word(std::size_t number) const {
    const std::size_t at = number / PAGE_WORDS;
    const std::uint32_t page = at < pages_.size() ? pages_[at] : 0;
    return words_[page * PAGE_WORDS + number % PAGE_WORDS];
  }

  std::size_t bytes() const {
    return pages_.capacity() * sizeof(std::uint32_t) + words_.capacity() * sizeof(std::uint64_t);
  }

 private:
  static constexpr std::size_t PAGE_SHIFT = 12;
  static constexpr std::size_t PAGE_MASK = (1 << PAGE_SHIFT) - 1;
  static constexpr std::size_t PAGE_WORDS = (1 << PAGE_SHIFT) / 64;

  [[gnu::noinline]] std::uint32_t add_page(std::size_t at) {
    if (at >= pages_.size()) pages_.resize(at + 1);
    const auto page = static_cast<std::uint32_t>(words_.size() / PAGE_WORDS);
    words_.resize(words_.size() + PAGE_WORDS);
    return pages_[at] = page;
  }

  std::vector<std::uint32_t> pages_;
  std::vector<std::uint64_t> words_;
};

}  // namespace clew
