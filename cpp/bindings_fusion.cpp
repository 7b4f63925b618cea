// Python's view of hybrid queries.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "cursor.hpp"
#include "fusion.hpp"
#include "graph.hpp"
#include "sparse_search.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

// How often a hybrid query looks again when writers overtake it; it is a matter of microseconds.
constexpr int OVERTAKEN_MAX = 1000;

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
    open(indices, values, idf, admitted, once);
    fused_.emplace([this](std::size_t n) { return dense_->next(n); },
                   [this](std::size_t n) { return lexical_->next(n); }, options);
  }

  Hits next(std::size_t count) {
    const nb::gil_scoped_release released;
    return Hits(fused_ ? fused_->next(count) : std::span<const Key>());
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
  // Both halves of one moment.
  void open(const Array<std::int32_t>& indices, const Array<float>& values, bool idf, const Allowed& allowed,
            bool once) {
    for (int i = 0; i < OVERTAKEN_MAX; ++i) {
      const Seq seq = graph_->view().seq;
      SparseQuery query = query_of(*sparse_, graph_.get(), indices, values, idf);
      dense_ = std::make_unique<Cursor>(*graph_, vector_.data(), allowed, CursorOptions{.once = once});
      if (graph_->view().seq != seq) continue;
      lexical_ = std::make_unique<SparseCursor>(std::move(query), allowed);
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

FusionOptions options_named(Metric metric, const std::string& algorithm, float dense_weight, std::size_t window) {
  if (algorithm != "RRF" && algorithm != "DBSF") {
    throw std::invalid_argument("algorithm is '" + algorithm + "', expected RRF or DBSF");
  }
  if (!(dense_weight >= 0 && dense_weight <= 1)) throw std::invalid_argument("dense_weight must be from 0 to 1");
  return {metric, algorithm == "RRF" ? Fusion::rrf : Fusion::dbsf, dense_weight, window};
}

// Two halves that Python reads, fused.
class FusedStreams {
 public:
  FusedStreams(nb::callable dense, nb::callable sparse, const std::string& metric, const std::string& algorithm,
               float dense_weight, std::size_t window)
      : dense_{std::move(dense), {}},
        sparse_{std::move(sparse), {}},
        fused_([this](std::size_t n) { return dense_.next(n); }, [this](std::size_t n) { return sparse_.next(n); },
               options_named(metric_named(metric), algorithm, dense_weight, window)) {}

  Hits next(std::size_t count) { return Hits(fused_.next(count)); }
  std::size_t bytes() const { return fused_.bytes(); }

 private:
  struct Half {
    std::span<const Key> next(std::size_t count) {
      const auto [slots, distances] = nb::cast<std::pair<Array<Slot>, Array<float>>>(read(count));
      check_pair(slots.size(), distances.size());
      keys.clear();
      for (std::size_t i = 0; i < slots.size(); ++i) keys.push_back(make_key(distances.data()[i], slots.data()[i]));
      return keys;
    }

    nb::callable read;
    std::vector<Key> keys;
  };

  Half dense_;
  Half sparse_;
  FusedCursor fused_;
};

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
  const FusionOptions options = options_named(graph->vectors().metric(), algorithm, dense_weight, window);
  return std::make_unique<KeptFusedCursor>(std::move(graph), std::move(sparse), vector, indices, values, idf, allowed,
                                           options, once);
}

}  // namespace

void bind_fusion(nb::module_& m) {
  nb::class_<KeptFusedCursor>(m, "FusedCursor")
      .def("next", &KeptFusedCursor::next, "n"_a)
      .def("close", &KeptFusedCursor::close)
      .def_prop_ro("weighted", &KeptFusedCursor::weighted)
      .def_prop_ro("bytes", &KeptFusedCursor::bytes);

  nb::class_<FusedStreams>(m, "FusedStreams")
      .def(nb::init<nb::callable, nb::callable, const std::string&, const std::string&, float, std::size_t>(),
           "dense"_a, "sparse"_a, "metric"_a, nb::kw_only(), "algorithm"_a = "RRF", "dense_weight"_a = 0.5F,
           "window"_a = 0)
      .def("next", &FusedStreams::next, "n"_a)
      .def_prop_ro("bytes", &FusedStreams::bytes);

  m.def("fused_cursor", &fused_cursor, "graph"_a, "sparse"_a, "vector"_a, "indices"_a, "values"_a, nb::kw_only(),
        "idf"_a = false, "allowed"_a = nb::none(), "algorithm"_a = "RRF", "dense_weight"_a = 0.5F, "window"_a = 0,
        "once"_a = false);
}

}  // namespace clew
