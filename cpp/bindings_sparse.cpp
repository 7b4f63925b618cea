// Python's view of sparse and hybrid queries.
#include "bindings_sparse.hpp"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cursor.hpp"
#include "fusion.hpp"
#include "graph.hpp"
#include "sparse.hpp"
#include "sparse_search.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Result = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using Bitmap = Array<std::uint64_t>;

// How often a hybrid query looks again when writers overtake it; it is a matter of microseconds.
constexpr int OVERTAKEN_MAX = 1000;

template <class T>
Result<T> array_of(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  const nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return Result<T>(kept->data(), {kept->size()}, owner);
}

nb::tuple arrays_of(std::span<const Key> keys) {
  std::vector<Slot> slots;
  std::vector<float> distances;
  slots.reserve(keys.size());
  distances.reserve(keys.size());
  for (const Key key : keys) {
    slots.push_back(slot_of(key));
    distances.push_back(distance_of(key));
  }
  return nb::make_tuple(array_of(std::move(slots)), array_of(std::move(distances)));
}

void check_pair(std::size_t indices, std::size_t values) {
  if (indices == values) return;
  throw std::invalid_argument("got " + std::to_string(indices) + " indices and " + std::to_string(values) + " values");
}

nb::tuple arrays_of(std::span<const Entry> entries) {
  std::vector<std::int32_t> indices;
  std::vector<float> values;
  for (const Entry& entry : entries) {
    indices.push_back(entry.index);
    values.push_back(entry.value);
  }
  return nb::make_tuple(array_of(std::move(indices)), array_of(std::move(values)));
}

std::vector<std::uint64_t> words_of(const std::optional<Bitmap>& bitmap) {
  return bitmap ? std::vector(bitmap->data(), bitmap->data() + bitmap->size()) : std::vector<std::uint64_t>();
}

// What a cursor of ours needs to live on, and the cursor.
class KeptSparseCursor {
 public:
  KeptSparseCursor(std::shared_ptr<const Sparse> sparse, const Array<std::int32_t>& indices, const Array<float>& values,
                   bool idf, const std::optional<Bitmap>& allowed)
      : sparse_(std::move(sparse)),
        words_(words_of(allowed)),
        cursor_(SparseQuery(*sparse_, {indices.data(), indices.size()}, {values.data(), values.size()}, idf, {}),
                allowed ? Allowed{{words_.data(), words_.size()}} : Allowed{}) {}

  nb::tuple next(std::size_t count) {
    std::span<const Key> keys;
    {
      const nb::gil_scoped_release released;
      keys = cursor_.next(count);
    }
    return arrays_of(keys);
  }

  void close() { cursor_.close(); }
  nb::tuple weighted() const { return arrays_of(cursor_.weighted()); }
  std::size_t bytes() const { return cursor_.bytes() + words_.size() * sizeof(std::uint64_t); }

 private:
  std::shared_ptr<const Sparse> sparse_;
  std::vector<std::uint64_t> words_;
  SparseCursor cursor_;
};

// A dense and a sparse cursor of one moment, fused.
class KeptFusedCursor {
 public:
  KeptFusedCursor(std::shared_ptr<const Graph> graph, std::shared_ptr<const Sparse> sparse, const Array<float>& vector,
                  const Array<std::int32_t>& indices, const Array<float>& values, bool idf,
                  const std::optional<Bitmap>& allowed, const FusionOptions& options, bool once)
      : graph_(std::move(graph)),
        sparse_(std::move(sparse)),
        vector_(vector.data(), vector.data() + vector.size()),
        words_(words_of(allowed)) {
    const Allowed admitted = allowed ? Allowed{{words_.data(), words_.size()}} : Allowed{};
    open({indices.data(), indices.size()}, {values.data(), values.size()}, idf, admitted, once);
    fused_.emplace([this](std::size_t n) { return dense_->next(n); },
                   [this](std::size_t n) { return lexical_->next(n); }, options);
  }

  nb::tuple next(std::size_t count) {
    std::span<const Key> keys;
    {
      const nb::gil_scoped_release released;
      if (fused_) keys = fused_->next(count);
    }
    return arrays_of(keys);
  }

  void close() {
    fused_.reset();
    dense_->close();
    lexical_->close();
  }

  nb::tuple weighted() const { return arrays_of(lexical_->weighted()); }
  std::size_t bytes() const {
    return (fused_ ? fused_->bytes() : 0) + dense_->bytes() + lexical_->bytes() + vector_.size() * sizeof(float) +
           words_.size() * sizeof(std::uint64_t);
  }

 private:
  // Writers change the sparse half first, and the state before is kept until the next change: so what the graph shows
  // is there in the sparse half too, unless several changes passed meanwhile.
  void open(std::span<const std::int32_t> indices, std::span<const float> values, bool idf, const Allowed& allowed,
            bool once) {
    for (int i = 0; i < OVERTAKEN_MAX; ++i) {
      const Seq seq = graph_->view().seq;
      std::optional<SparseQuery> query;
      try {
        query.emplace(*sparse_, indices, values, idf, seq);
      } catch (const std::out_of_range&) {
        continue;
      }
      dense_ = std::make_unique<Cursor>(*graph_, vector_.data(), allowed, CursorOptions{.once = once});
      if (graph_->view().seq != seq) continue;
      lexical_ = std::make_unique<SparseCursor>(std::move(*query), allowed);
      return;
    }
    throw std::runtime_error("writers overtook a query " + std::to_string(OVERTAKEN_MAX) + " times");
  }

  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const Sparse> sparse_;
  std::vector<float> vector_;
  std::vector<std::uint64_t> words_;
  std::unique_ptr<Cursor> dense_;
  std::unique_ptr<SparseCursor> lexical_;
  std::optional<FusedCursor> fused_;
};

Slot apply(Sparse& sparse, const Array<std::uint64_t>& offsets, const Array<std::int32_t>& indices,
           const Array<float>& values, const Array<Slot>& removed, Seq seq) {
  check_pair(indices.size(), values.size());
  const std::span<const std::uint64_t> bounds{offsets.data(), offsets.size()};
  if (bounds.empty() || bounds.front() != 0 || bounds.back() != indices.size() || !std::ranges::is_sorted(bounds)) {
    throw std::invalid_argument("offsets must rise from 0 to the number of entries");
  }
  const nb::gil_scoped_release released;
  return sparse.apply({bounds, indices.data(), values.data()}, {removed.data(), removed.size()}, seq);
}

nb::tuple search(const Sparse& sparse, const Array<std::int32_t>& indices, const Array<float>& values, std::size_t k,
                 bool idf, const std::optional<Bitmap>& allowed, bool exhaustive) {
  check_pair(indices.size(), values.size());
  std::vector<Key> keys;
  {
    const nb::gil_scoped_release released;
    const SparseQuery query(sparse, {indices.data(), indices.size()}, {values.data(), values.size()}, idf, {});
    const Allowed admitted = allowed ? Allowed{{allowed->data(), allowed->size()}} : Allowed{};
    if (exhaustive) {
      Ranking ranking;
      query.score_all(admitted, 0, ranking.keys());
      ranking.next(k, keys);
    } else {
      query.best(k, admitted, keys);
    }
  }
  return arrays_of(keys);
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
  return nb::make_tuple(array_of(std::move(offsets)), array_of(std::move(indices)), array_of(std::move(values)));
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

FusionOptions options_named(const Graph& graph, const std::string& algorithm, float dense_weight, std::size_t window) {
  if (algorithm != "RRF" && algorithm != "DBSF") {
    throw std::invalid_argument("algorithm is '" + algorithm + "', expected RRF or DBSF");
  }
  if (!(dense_weight >= 0 && dense_weight <= 1)) throw std::invalid_argument("dense_weight must be from 0 to 1");
  return {graph.vectors().metric(), algorithm == "RRF" ? Fusion::rrf : Fusion::dbsf, dense_weight, window};
}

std::unique_ptr<KeptFusedCursor> fused_cursor(std::shared_ptr<Graph> graph, std::shared_ptr<Sparse> sparse,
                                              const Array<float>& vector, const Array<std::int32_t>& indices,
                                              const Array<float>& values, bool idf,
                                              const std::optional<Bitmap>& allowed, const std::string& algorithm,
                                              float dense_weight, std::size_t window, bool once) {
  check_pair(indices.size(), values.size());
  if (vector.size() != graph->vectors().dimension()) {
    throw std::invalid_argument("got " + std::to_string(vector.size()) + " dimensions, expected " +
                                std::to_string(graph->vectors().dimension()));
  }
  const FusionOptions options = options_named(*graph, algorithm, dense_weight, window);
  return std::make_unique<KeptFusedCursor>(std::move(graph), std::move(sparse), vector, indices, values, idf, allowed,
                                           options, once);
}

}  // namespace

void bind_sparse(nb::module_& m) {
  nb::class_<KeptSparseCursor>(m, "SparseCursor")
      .def("next", &KeptSparseCursor::next, "n"_a)
      .def("close", &KeptSparseCursor::close)
      .def_prop_ro("weighted", &KeptSparseCursor::weighted)
      .def_prop_ro("bytes", &KeptSparseCursor::bytes);

  nb::class_<KeptFusedCursor>(m, "FusedCursor")
      .def("next", &KeptFusedCursor::next, "n"_a)
      .def("close", &KeptFusedCursor::close)
      .def_prop_ro("weighted", &KeptFusedCursor::weighted)
      .def_prop_ro("bytes", &KeptFusedCursor::bytes);

  nb::class_<Sparse>(m, "Sparse")
      .def(nb::init<>())
      .def_prop_ro("size", [](const Sparse& sparse) { return sparse.view().limit; })
      .def_prop_ro("live", [](const Sparse& sparse) { return sparse.view().live; })
      .def_prop_ro("indices", &Sparse::indices)
      .def_prop_ro("bytes", &Sparse::bytes)
      .def("apply", &apply, "offsets"_a, "indices"_a, "values"_a, "removed"_a, "seq"_a)
      .def("search", &search, "indices"_a, "values"_a, "k"_a, "idf"_a = false, "allowed"_a = nb::none(),
           "exhaustive"_a = false)
      .def(
          "cursor",
          [](std::shared_ptr<Sparse> sparse, const Array<std::int32_t>& indices, const Array<float>& values, bool idf,
             const std::optional<Bitmap>& allowed) {
            check_pair(indices.size(), values.size());
            return std::make_unique<KeptSparseCursor>(std::move(sparse), indices, values, idf, allowed);
          },
          "indices"_a, "values"_a, "idf"_a = false, "allowed"_a = nb::none())
      .def("rows", &rows, "slots"_a)
      .def("compact", &compact);

  m.def("fused_cursor", &fused_cursor, "graph"_a, "sparse"_a, "vector"_a, "indices"_a, "values"_a, nb::kw_only(),
        "idf"_a = false, "allowed"_a = nb::none(), "algorithm"_a = "RRF", "dense_weight"_a = 0.5F, "window"_a = 0,
        "once"_a = false);
}

}  // namespace clew
