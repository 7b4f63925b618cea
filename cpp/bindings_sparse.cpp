// Python's view of sparse queries.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "parallel.hpp"
#include "ranking.hpp"
#include "sparse.hpp"
#include "sparse_search.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

// How often a query looks again when writers overtake it; it is a matter of microseconds.
constexpr int OVERTAKEN_MAX = 1000;

// What a cursor of ours needs to live on, and the cursor.
class KeptSparseCursor {
 public:
  KeptSparseCursor(std::shared_ptr<const Sparse> sparse, const Array<std::int32_t>& indices, const Array<float>& values,
                   bool idf, const std::optional<Bitmap>& allowed, const Graph* beside)
      : sparse_(std::move(sparse)),
        words_(words_of(allowed)),
        cursor_(query_of(*sparse_, beside, indices, values, idf),
                allowed ? Allowed{{words_.data(), words_.size()}} : Allowed{}) {}

  Hits next(std::size_t count) {
    const nb::gil_scoped_release released;
    return Hits(cursor_.next(count));
  }

  void close() { cursor_.close(); }
  nb::tuple weighted() const { return arrays_of(cursor_.weighted()); }
  std::size_t bytes() const { return cursor_.bytes() + words_.size() * sizeof(std::uint64_t); }

 private:
  std::shared_ptr<const Sparse> sparse_;
  std::vector<std::uint64_t> words_;
  SparseCursor cursor_;
};

SparseRows rows_of(const Array<std::uint64_t>& offsets, const Array<std::int32_t>& indices,
                   const Array<float>& values) {
  check_pair(indices.size(), values.size());
  const std::span<const std::uint64_t> bounds{offsets.data(), offsets.size()};
  if (bounds.empty() || bounds.front() != 0 || bounds.back() != indices.size() || !std::ranges::is_sorted(bounds)) {
    throw std::invalid_argument("offsets must rise from 0 to the number of entries");
  }
  return {bounds, indices.data(), values.data()};
}

Slot apply(Sparse& sparse, const Array<std::uint64_t>& offsets, const Array<std::int32_t>& indices,
           const Array<float>& values, const Array<Slot>& removed, Seq seq) {
  const SparseRows added = rows_of(offsets, indices, values);
  const nb::gil_scoped_release released;
  return sparse.apply(added, {removed.data(), removed.size()}, seq);
}

Hits search(const Sparse& sparse, const Array<std::int32_t>& indices, const Array<float>& values, std::size_t k,
            bool idf, const std::optional<Bitmap>& allowed, bool exhaustive, const Graph* beside) {
  check_pair(indices.size(), values.size());
  const nb::gil_scoped_release released;
  const SparseQuery query = query_of(sparse, beside, indices, values, idf);
  const Allowed admitted = allowed_of(allowed);
  if (exhaustive) {
    Ranking ranking;
    query.score_all(admitted, 0, ranking.keys());
    return Hits(ranking.next(k));
  }
  std::vector<Key> keys;
  query.best(k, admitted, keys);
  return Hits(keys);
}

nb::tuple search_many(const Sparse& sparse, const Array<std::uint64_t>& offsets, const Array<std::int32_t>& indices,
                      const Array<float>& values, std::size_t k, bool idf, const std::optional<Bitmap>& allowed,
                      unsigned threads) {
  const SparseRows queries = rows_of(offsets, indices, values);
  FoundRows found(queries.size(), k);
  {
    const nb::gil_scoped_release released;
    const Allowed admitted = allowed_of(allowed);
    in_parallel(0, static_cast<Slot>(queries.size()), threads, [&] {
      return [&, keys = std::vector<Key>()](Slot row) mutable {
        const std::size_t start = queries.offsets[row];
        const std::size_t size = queries.offsets[row + 1] - start;
        keys.clear();
        SparseQuery(sparse, {queries.indices + start, size}, {queries.values + start, size}, idf, {})
            .best(k, admitted, keys);
        found.put(row, keys);
      };
    });
  }
  return found.arrays();
}

nb::tuple rows(const Sparse& sparse, const Array<Slot>& slots) {
  const Slot limit = sparse.view().limit;
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::int32_t> indices;
  std::vector<float> values;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots.data()[i] >= limit) throw std::out_of_range("slot does not exist");
    for (const Entry& entry : sparse.row(slots.data()[i])) {
      indices.push_back(entry.index);
      values.push_back(entry.value);
    }
    offsets.push_back(indices.size());
  }
  return nb::make_tuple(array_of(offsets), array_of(indices), array_of(values));
}

nb::tuple compact(const Sparse& sparse) {
  std::vector<Slot> old_slots;
  std::shared_ptr<Sparse> compacted;
  {
    const nb::gil_scoped_release released;
    compacted = sparse.compact(old_slots);
  }
  return nb::make_tuple(compacted, array_of(std::move(old_slots)));
}

}  // namespace

SparseQuery query_of(const Sparse& sparse, const Graph* beside, const Array<std::int32_t>& indices,
                     const Array<float>& values, bool idf) {
  const std::span<const std::int32_t> at{indices.data(), indices.size()};
  const std::span<const float> weights{values.data(), values.size()};
  if (beside == nullptr) return {sparse, at, weights, idf, {}};
  for (int i = 0; i < OVERTAKEN_MAX; ++i) {
    try {
      return {sparse, at, weights, idf, beside->view().seq};
    } catch (const std::out_of_range&) {
      // That state has passed: there is a later one.
    }
  }
  throw std::runtime_error("writers overtook a query " + std::to_string(OVERTAKEN_MAX) + " times");
}

void bind_sparse(nb::module_& m) {
  nb::class_<KeptSparseCursor>(m, "SparseCursor")
      .def("next", &KeptSparseCursor::next, "n"_a)
      .def("close", &KeptSparseCursor::close)
      .def_prop_ro("weighted", &KeptSparseCursor::weighted)
      .def_prop_ro("bytes", &KeptSparseCursor::bytes);

  nb::class_<Sparse>(m, "Sparse")
      .def(nb::init<>())
      .def_prop_ro("size", [](const Sparse& sparse) { return sparse.view().limit; })
      .def_prop_ro("live", [](const Sparse& sparse) { return sparse.view().live; })
      .def_prop_ro("indices", &Sparse::indices)
      .def_prop_ro("bytes", &Sparse::bytes)
      .def("apply", &apply, "offsets"_a, "indices"_a, "values"_a, "removed"_a, "seq"_a)
      .def("search", &search, "indices"_a, "values"_a, "k"_a, "idf"_a = false, "allowed"_a = nb::none(),
           "exhaustive"_a = false, "beside"_a = nb::none())
      .def("search_many", &search_many, "offsets"_a, "indices"_a, "values"_a, "k"_a, "idf"_a = false,
           "allowed"_a = nb::none(), "threads"_a = 1)
      .def(
          "cursor",
          [](std::shared_ptr<Sparse> sparse, const Array<std::int32_t>& indices, const Array<float>& values, bool idf,
             const std::optional<Bitmap>& allowed, const Graph* beside) {
            check_pair(indices.size(), values.size());
            return std::make_unique<KeptSparseCursor>(std::move(sparse), indices, values, idf, allowed, beside);
          },
          "indices"_a, "values"_a, "idf"_a = false, "allowed"_a = nb::none(), "beside"_a = nb::none())
      .def("rows", &rows, "slots"_a)
      .def("compact", &compact);
}

}  // namespace clew
