#include "sparse.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace clew {
namespace {

constexpr std::size_t CHUNK_MIN = 1024;  // entries; each chunk is twice the last, so that few vectors take little
constexpr std::size_t CHUNK_MAX = std::size_t{1} << 20;
constexpr std::size_t CAPACITY_MIN = 2;  // most indices are rare

}  // namespace

Sparse::Sparse() : rows_(1), removed_(1) {}

View Sparse::view() const {
  const std::lock_guard guard(lock_);
  return view_;
}

bool Sparse::look(std::optional<Seq> at, std::span<const std::int32_t> indices, View& view,
                  std::vector<PostingsView>& seen) const {
  seen.assign(indices.size(), {});
  {
    const std::lock_guard guard(lock_);
    if (!at || *at == view_.seq) {
      view = view_;
    } else if (*at == view_before_.seq && changing_ == view_.seq) {
      view = view_before_;
    } else {
      return false;
    }
    // The lists lie anywhere in memory: all are asked for before the first is waited for, and so are their postings.
    std::vector<const List*> lists;
    for (const std::int32_t index : indices) {
      const auto found = lists_.find(index);
      lists.push_back(found == lists_.end() ? nullptr : &found->second);
      if (lists.back() != nullptr) __builtin_prefetch(lists.back()->postings.get(), 1);
    }
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (lists[i] == nullptr) continue;
      const List& list = *lists[i];
      const std::uint32_t count = view.seq >= list.changed ? list.count : list.count_before;
      seen[i] = {list.postings, list.size, count, list.magnitude};
    }
  }
  for (const PostingsView& one : seen) {
    if (one.size == 0) continue;
    for (std::size_t i = 0; i < Postings::AHEAD; i += Postings::LINE) one.postings->prefetch(i);
    one.postings->prefetch(one.size - 1);
  }
  for (PostingsView& one : seen) {
    if (one.size == 0) continue;
    const Slot* slots = one.postings->slots.get();
    if (slots[one.size - 1] < view.limit) continue;
    one.size = static_cast<std::size_t>(std::lower_bound(slots, slots + one.size, view.limit) - slots);
  }
  return true;
}

std::size_t Sparse::indices() const {
  const std::lock_guard guard(lock_);
  return lists_.size();
}

Slot Sparse::apply(const SparseRows& added, std::span<const Slot> removed, Seq seq) {
  std::unique_lock guard(lock_);
  const View before = view_;
  const Slot first = before.limit;
  if (added.size() > SLOTS_MAX - first) throw std::length_error("a namespace holds at most 2^31 slots");
  for (const Slot slot : removed) {
    if (slot >= first) throw std::out_of_range("slot does not exist");
  }
  changing_ = seq;
  guard.unlock();
  const Slot end = first + static_cast<Slot>(added.size());
  rows_.reserve(end);
  removed_.reserve(end);
  keep_rows(added, first);
  const std::vector<Posting> fresh = postings_of(first, end);
  for (std::size_t start = 0, stop = 0; start < fresh.size(); start = stop) {
    while (stop < fresh.size() && fresh[stop].index == fresh[start].index) ++stop;
    append({fresh.data() + start, stop - start}, seq);
  }
  const std::size_t gone = remove(removed, seq);
  guard.lock();
  view_before_ = before;
  view_ = {end, before.live + added.size() - gone, seq};
  return first;
}

void Sparse::keep_rows(const SparseRows& added, Slot first) {
  for (std::size_t i = 0; i < added.size(); ++i) {
    const std::size_t start = added.offsets[i];
    const std::size_t size = added.offsets[i + 1] - start;
    Entry* entries = room_for(size);
    bool ordered = true;
    for (std::size_t j = 0; j < size; ++j) {
      entries[j] = {added.indices[start + j], added.values[start + j]};
      if (j > 0 && entries[j].index <= entries[j - 1].index) ordered = false;
    }
    if (!ordered) all_ordered_.store(false, std::memory_order_relaxed);
    *rows_[first + static_cast<Slot>(i)] = {entries, static_cast<std::uint32_t>(size), ordered};
  }
  bytes_ += added.size() * (sizeof(Row) + sizeof(Seq));
}

Entry* Sparse::room_for(std::size_t entries) {
  if (chunks_.empty() || chunk_used_ + entries > chunk_size_) {
    chunk_size_ = std::max(entries, std::clamp(chunk_size_ * 2, CHUNK_MIN, CHUNK_MAX));
    chunk_used_ = 0;
    chunks_.push_back(std::make_unique_for_overwrite<Entry[]>(chunk_size_));
    bytes_ += chunk_size_ * sizeof(Entry);
  }
  return chunks_.back().get() + std::exchange(chunk_used_, chunk_used_ + entries);
}

// Of the slots from `first` to `end`, by index and then slot; duplicates in a vector are made one.
std::vector<Sparse::Posting> Sparse::postings_of(Slot first, Slot end) {
  std::vector<Posting> all;
  for (Slot slot = first; slot < end; ++slot) {
    for (const Entry& entry : row(slot)) all.push_back({entry.index, slot, entry.value, std::abs(entry.value)});
  }
  std::ranges::stable_sort(all, {}, &Posting::index);
  std::size_t kept = 0;
  for (const Posting& posting : all) {
    if (kept > 0 && all[kept - 1].index == posting.index && all[kept - 1].slot == posting.slot) {
      all[kept - 1].value += posting.value;
      all[kept - 1].magnitude += posting.magnitude;
      longest_repeating_ = std::max(longest_repeating(), row(posting.slot).size());
    } else {
      all[kept++] = posting;
    }
  }
  all.resize(kept);
  return all;
}

// Appends postings of one index. Readers are kept out only while they could meet a half-made change.
void Sparse::append(std::span<const Posting> run, Seq seq) {
  std::unique_lock guard(lock_);
  List& list = lists_[run.front().index];
  guard.unlock();
  const std::size_t size = list.size;
  const std::size_t grown = size + run.size();
  if (list.postings == nullptr || grown > list.postings->capacity) {
    const std::size_t old = list.postings == nullptr ? 0 : list.postings->capacity;
    auto larger = std::make_shared<Postings>(std::max({grown, old + old / 2, CAPACITY_MIN}));
    if (old > 0) {
      std::copy_n(list.postings->slots.get(), size, larger->slots.get());
      std::copy_n(list.postings->values.get(), size, larger->values.get());
      std::copy_n(list.postings->peaks.get(), size / Postings::BLOCK, larger->peaks.get());
    }
    bytes_ += (larger->capacity - old) * (sizeof(Slot) + sizeof(float)) + (old == 0 ? sizeof(List) : 0);
    guard.lock();
    list.postings = std::move(larger);
    guard.unlock();
  }
  float magnitude = list.magnitude;
  for (std::size_t i = 0; i < run.size(); ++i) {
    list.postings->slots[size + i] = run[i].slot;
    list.postings->values[size + i] = run[i].value;
    magnitude = std::max(magnitude, run[i].magnitude);
  }
  for (std::size_t block = size / Postings::BLOCK; block < grown / Postings::BLOCK; ++block) {
    list.postings->find_peak(block);
  }
  guard.lock();
  list.size = grown;
  list.magnitude = magnitude;
  list.change_count(static_cast<std::int64_t>(run.size()), seq);
}

// Returns how many of them were there.
std::size_t Sparse::remove(std::span<const Slot> removed, Seq seq) {
  std::size_t gone = 0;
  std::vector<std::int32_t> indices;
  for (const Slot slot : removed) {
    if (removed_[slot]->load(std::memory_order_relaxed) != 0) continue;
    removed_[slot]->store(seq, std::memory_order_relaxed);
    ++gone;
    indices.clear();
    for (const Entry& entry : row(slot)) indices.push_back(entry.index);
    if (!ordered(slot)) {
      std::ranges::sort(indices);
      indices.erase(std::ranges::unique(indices).begin(), indices.end());
    }
    const std::lock_guard guard(lock_);
    for (const std::int32_t index : indices) lists_.find(index)->second.change_count(-1, seq);
  }
  return gone;
}

void Sparse::List::change_count(std::int64_t by, Seq seq) {
  if (changed != seq) {
    count_before = count;
    changed = seq;
  }
  count = static_cast<std::uint32_t>(count + by);
}

std::unique_ptr<Sparse> Sparse::compact(std::vector<Slot>& old_slots) const {
  const View from = view();
  old_slots.clear();
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::int32_t> indices;
  std::vector<float> values;
  for (Slot slot = 0; slot < from.limit; ++slot) {
    if (!visible(slot, from)) continue;
    old_slots.push_back(slot);
    for (const Entry& entry : row(slot)) {
      indices.push_back(entry.index);
      values.push_back(entry.value);
    }
    offsets.push_back(indices.size());
  }
  auto compacted = std::make_unique<Sparse>();
  compacted->apply({offsets, indices.data(), values.data()}, {}, from.seq);
  return compacted;
}

}  // namespace clew
