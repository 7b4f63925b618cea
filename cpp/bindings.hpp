// What the bindings of dense, sparse and hybrid queries share.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "exact.hpp"
#include "graph.hpp"
#include "sparse.hpp"
#include "sparse_search.hpp"
#include "types.hpp"

namespace clew {

Metric metric_named(const std::string& name);

// Add to the module what answers are made of, what sparse queries need, and hybrid ones, what reads requests, and what
// counts words; and the kernels, for tests. Graph must be known to it already.
void bind_hits(nanobind::module_& m);
void bind_sparse(nanobind::module_& m);
void bind_fusion(nanobind::module_& m);
void bind_requests(nanobind::module_& m);
void bind_vocabulary(nanobind::module_& m);
void bind_kernels(nanobind::module_& m);

template <class T>
using Array = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
using Bitmap = Array<std::uint64_t>;

// A NumPy array of numbers like T in N dimensions.
template <class T, std::size_t N = 1>
using Result = nanobind::object;

// numpy.empty(shape, type), and where to write it. `type` is numpy.dtype(name) from the first time on.
std::pair<nanobind::object, void*> empty_array(std::span<const std::size_t> shape, const char* name, PyObject*& type);

// A new NumPy array of the given shape, and where to write it.
template <class T, std::size_t N>
std::pair<Result<T, N>, T*> new_array(std::array<std::size_t, N> shape) {
  constexpr char KIND = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
  static constexpr std::array NAME{KIND, static_cast<char>('0' + sizeof(T)), '\0'};
  static PyObject* type = nullptr;
  auto [array, data] = empty_array(shape, NAME.data(), type);
  return {std::move(array), static_cast<T*>(data)};
}

template <std::ranges::contiguous_range Values, class T = std::ranges::range_value_t<Values>>
Result<T> array_of(const Values& values) {
  auto [array, data] = new_array<T, 1>({values.size()});
  std::ranges::copy(values, data);
  return array;
}

// What a search found, nearest first. It becomes arrays only where somebody asks for them.
class Hits {
 public:
  explicit Hits(std::span<const Key> keys) : keys_(keys.begin(), keys.end()) {}
  Hits(const Array<Slot>& slots, const Array<float>& distances);

  std::size_t count() const { return keys_.size(); }
  Result<Slot> slots() const;
  Result<float> distances() const;
  nanobind::bytes packed() const;  // the slots, as an array has them
  // numbers[slot] of each.
  Result<std::int64_t> of(nanobind::handle numbers) const;
  nanobind::bytes packed_of(nanobind::handle numbers) const;  // these, as a packed set
  // make(names[slot], score) of each.
  nanobind::list named(const nanobind::list& names, const std::optional<std::string>& metric,
                       const nanobind::callable& make) const;

 private:
  std::vector<std::int64_t> each_of(nanobind::handle numbers) const;

  std::vector<Key> keys_;
};

// What many searches found: for each a row of up to `width`, nearest first, filled up with NO_SLOT at infinity.
class FoundRows {
 public:
  FoundRows(std::size_t count, std::size_t width)
      : width_(width),
        slots_(new_array<Slot, 2>({count, width})),
        distances_(new_array<float, 2>({count, width})),
        counts_(new_array<std::uint32_t, 1>({count})) {
    std::fill_n(slots_.second, count * width, NO_SLOT);
    std::fill_n(distances_.second, count * width, std::numeric_limits<float>::infinity());
  }

  // Each row once, by any thread.
  void put(std::size_t row, std::span<const Key> keys) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      slots_.second[row * width_ + i] = slot_of(keys[i]);
      distances_.second[row * width_ + i] = distance_of(keys[i]);
    }
    counts_.second[row] = static_cast<std::uint32_t>(keys.size());
  }

  // Slots, distances, and how many of each row there are.
  nanobind::tuple arrays() const { return nanobind::make_tuple(slots_.first, distances_.first, counts_.first); }

 private:
  std::size_t width_;
  std::pair<Result<Slot, 2>, Slot*> slots_;
  std::pair<Result<float, 2>, float*> distances_;
  std::pair<Result<std::uint32_t>, std::uint32_t*> counts_;
};

inline void check_pair(std::size_t indices, std::size_t values) {
  if (indices == values) return;
  throw std::invalid_argument("got " + std::to_string(indices) + " indices and " + std::to_string(values) + " values");
}

inline nanobind::tuple arrays_of(std::span<const Entry> entries) {
  std::vector<std::int32_t> indices;
  std::vector<float> values;
  for (const Entry& entry : entries) {
    indices.push_back(entry.index);
    values.push_back(entry.value);
  }
  return nanobind::make_tuple(array_of(indices), array_of(values));
}

// A query of lists as they were when `beside` became what it shows: writers change the lists first, and the state
// before is kept until the next change. Without a graph, of the newest.
SparseQuery query_of(const Sparse& sparse, const Graph* beside, const Array<std::int32_t>& indices,
                     const Array<float>& values, bool idf);

inline Allowed allowed_of(const std::optional<Bitmap>& bitmap) {
  return bitmap ? Allowed{{bitmap->data(), bitmap->size()}} : Allowed{};
}

inline std::vector<std::uint64_t> words_of(const std::optional<Bitmap>& bitmap) {
  return bitmap ? std::vector(bitmap->data(), bitmap->data() + bitmap->size()) : std::vector<std::uint64_t>();
}

}  // namespace clew
