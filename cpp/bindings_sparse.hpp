// What the bindings of sparse and of hybrid queries share.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "sparse.hpp"
#include "types.hpp"

namespace clew {

// Add to the module what sparse queries need, and hybrid ones. Graph must be known to it already.
void bind_sparse(nanobind::module_& m);
void bind_fusion(nanobind::module_& m);

template <class T>
using Array = nanobind::ndarray<const T, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;
template <class T>
using Result = nanobind::ndarray<nanobind::numpy, T, nanobind::ndim<1>>;
using Bitmap = Array<std::uint64_t>;

template <class T>
Result<T> array_of(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  const nanobind::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return Result<T>(kept->data(), {kept->size()}, owner);
}

inline nanobind::tuple arrays_of(std::span<const Key> keys) {
  std::vector<Slot> slots(keys.size());
  std::vector<float> distances(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    slots[i] = slot_of(keys[i]);
    distances[i] = distance_of(keys[i]);
  }
  return nanobind::make_tuple(array_of(std::move(slots)), array_of(std::move(distances)));
}

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
  return nanobind::make_tuple(array_of(std::move(indices)), array_of(std::move(values)));
}

inline std::vector<std::uint64_t> words_of(const std::optional<Bitmap>& bitmap) {
  return bitmap ? std::vector(bitmap->data(), bitmap->data() + bitmap->size()) : std::vector<std::uint64_t>();
}

}  // namespace clew
