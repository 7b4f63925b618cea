// Python's view of the core: arrays in, arrays out, the GIL released while it works.
#include "bindings.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <stdexcept>

#include "cursor.hpp"
#include "graph.hpp"
#include "image.hpp"
#include "parallel.hpp"
#include "together.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

using Vector = Array<float>;
using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Slots = Array<Slot>;

void check_dimension(std::size_t got, const Graph& graph) {
  if (got == graph.vectors().dimension()) return;
  throw std::invalid_argument("got " + std::to_string(got) + " dimensions, expected " +
                              std::to_string(graph.vectors().dimension()));
}

// A cursor with what it needs to live on: the graph, the query, the bitmap.
class KeptCursor {
 public:
  KeptCursor(std::shared_ptr<const Graph> graph, const Vector& query, const std::optional<Bitmap>& allowed,
             const CursorOptions& options)
      : graph_(std::move(graph)),
        query_(query.data(), query.data() + query.size()),
        words_(words_of(allowed)),
        cursor_(*graph_, query_.data(), allowed ? Allowed{{words_.data(), words_.size()}} : Allowed{}, options) {}

  Hits next(std::size_t count) {
    const nb::gil_scoped_release released;
    return Hits(cursor_.next(count));
  }

  void close() { cursor_.close(); }
  bool scanning() const { return cursor_.mode() == Cursor::Mode::scanning; }
  std::size_t walked() const { return cursor_.walked(); }
  std::size_t scanned() const { return cursor_.scanned(); }
  std::size_t bytes() const {
    return cursor_.bytes() + query_.size() * sizeof(float) + words_.size() * sizeof(std::uint64_t);
  }

 private:
  std::shared_ptr<const Graph> graph_;
  std::vector<float> query_;
  std::vector<std::uint64_t> words_;
  Cursor cursor_;
};

Hits search(const Graph& graph, const Vector& query, std::size_t k, std::size_t ef,
            const std::optional<Bitmap>& allowed, bool exact) {
  check_dimension(query.size(), graph);
  const nb::gil_scoped_release released;
  Cursor cursor(graph, query.data(), allowed_of(allowed), {.ef = ef, .exact = exact, .once = true});
  return Hits(cursor.next(k));
}

nb::tuple search_many(const Graph& graph, const Matrix& queries, std::size_t k, std::size_t ef,
                      const std::optional<Bitmap>& allowed, unsigned threads) {
  check_dimension(queries.shape(1), graph);
  const std::size_t count = queries.shape(0);
  FoundRows found(count, k);
  {
    const nb::gil_scoped_release released;
    const auto emit = [&](Slot row, std::span<const Key> keys) { found.put(row, keys); };
    const Queries many{queries.data(), static_cast<Slot>(count)};
    search_together(graph, many, k, allowed_of(allowed), {.ef = ef, .once = true}, threads, emit);
  }
  return found.arrays();
}

Slot apply(Graph& graph, const Matrix& added, const Slots& removed, Seq seq, unsigned threads) {
  if (added.shape(0) > 0) check_dimension(added.shape(1), graph);
  const nb::gil_scoped_release released;
  return graph.apply(added.data(), added.shape(0), {removed.data(), removed.size()}, seq, threads);
}

nb::tuple compact(const Graph& graph, unsigned threads) {
  std::vector<Slot> old_slots;
  std::shared_ptr<Graph> compacted;
  {
    const nb::gil_scoped_release released;
    compacted = graph.compact(old_slots, threads);
  }
  return nb::make_tuple(compacted, array_of(old_slots));
}

void save(const Graph& graph, const std::string& path, const nb::bytes& note) {
  const std::string_view text(note.c_str(), note.size());
  const nb::gil_scoped_release released;
  write_image(graph, path, text);
}

nb::tuple load(const std::string& path, bool mapped) {
  std::shared_ptr<Graph> graph;
  std::string note;
  {
    const nb::gil_scoped_release released;
    graph = read_image(path, mapped, note);
  }
  return nb::make_tuple(graph, nb::bytes(note.data(), note.size()));
}

Result<float, 2> rows(const Graph& graph, const Slots& slots) {
  const Slot limit = graph.view().limit;
  const std::size_t dimension = graph.vectors().dimension();
  auto [result, out] = new_array<float, 2>({slots.size(), dimension});
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots.data()[i] >= limit) throw std::out_of_range("slot does not exist");
    graph.vectors().read(slots.data()[i], out + i * dimension);
  }
  return result;
}

}  // namespace

NB_MODULE(_core, m) {
  // A program may end with an index open, and its threads then hold what the interpreter no longer asks them for.
  nb::set_leak_warnings(false);
  best_kernels();  // a name in the environment that is none of theirs is said at once

  nb::exception<GivenUp>(m, "GivenUp", PyExc_RuntimeError);
  nb::exception<DamagedImage>(m, "DamagedImage", PyExc_ValueError);
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      errno = error.code().value();
      PyErr_SetFromErrno(PyExc_OSError);
    }
  });

  nb::class_<KeptCursor>(m, "Cursor")
      .def("next", &KeptCursor::next, "n"_a)
      .def("close", &KeptCursor::close)
      .def_prop_ro("scanning", &KeptCursor::scanning)
      .def_prop_ro("walked", &KeptCursor::walked)
      .def_prop_ro("scanned", &KeptCursor::scanned)
      .def_prop_ro("bytes", &KeptCursor::bytes);

  nb::class_<Graph>(m, "Graph")
      .def(
          "__init__",
          [](Graph* self, std::size_t dimension, const std::string& metric, std::size_t degree,
             std::size_t ef_construction, float alpha, std::size_t link_min, bool codes) {
            new (self) Graph(dimension, metric_named(metric), {degree, ef_construction, alpha, link_min, codes});
          },
          "dimension"_a, "metric"_a, nb::kw_only(), "degree"_a = GraphOptions{}.degree,
          "ef_construction"_a = GraphOptions{}.ef_construction, "alpha"_a = GraphOptions{}.alpha,
          "link_min"_a = GraphOptions{}.link_min, "codes"_a = GraphOptions{}.codes)
      .def_prop_ro("dimension", [](const Graph& graph) { return graph.vectors().dimension(); })
      .def_prop_ro("size", [](const Graph& graph) { return graph.view().limit; })
      .def_prop_ro("live", [](const Graph& graph) { return graph.view().live; })
      .def_prop_ro("linked", &Graph::linked)
      .def_prop_ro("coded", [](const Graph& graph) { return graph.guide().codes != nullptr; })
      .def_prop_ro("bytes", &Graph::bytes)
      .def_prop_rw("scan_cost", &Graph::scan_cost, &Graph::set_scan_cost)
      .def("apply", &apply, "added"_a, "removed"_a, "seq"_a, "threads"_a = 1)
      .def("search", &search, "query"_a, "k"_a, "ef"_a = 0, "allowed"_a = nb::none(), "exact"_a = false)
      .def("search_many", &search_many, "queries"_a, "k"_a, "ef"_a = 0, "allowed"_a = nb::none(), "threads"_a = 1)
      .def(
          "cursor",
          [](std::shared_ptr<Graph> graph, const Vector& query, std::size_t ef, const std::optional<Bitmap>& allowed,
             bool exact) {
            check_dimension(query.size(), *graph);
            return std::make_unique<KeptCursor>(std::move(graph), query, allowed,
                                                CursorOptions{.ef = ef, .exact = exact});
          },
          "query"_a, "ef"_a = 0, "allowed"_a = nb::none(), "exact"_a = false)
      .def("rows", &rows, "slots"_a)
      .def("save", &save, "path"_a, "note"_a = nb::bytes(""))
      .def_static("load", &load, "path"_a, "mapped"_a = false)
      .def("compact", &compact, "threads"_a = 1)
      .def("give_up_compacting", &Graph::give_up_compacting);

  bind_hits(m);
  bind_sparse(m);
  bind_fusion(m);
  bind_requests(m);
  bind_vocabulary(m);
  bind_kernels(m);
}

}  // namespace clew
