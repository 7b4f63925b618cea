// Python's view of the kernels of each instruction set, for tests.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "bindings.hpp"
#include "distance.hpp"
#include "ranking.hpp"
#include "sums.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

template <class T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

const Kernels& kernels_named(const std::string& name) {
  for (const Kernels& kernels : available_kernels()) {
    if (kernels.name == name) return kernels;
  }
  throw std::invalid_argument("this processor has no instruction set '" + name + "'");
}

// Sums over codes by the kernels of one instruction set; rows of int8 as they would be halved.
Result<std::int32_t, 1> code_sums(const std::string& name, const std::string& function,
                                  const Array<std::int16_t>& query, const Matrix<std::int8_t>& rows) {
  if (query.size() != rows.shape(1)) throw std::invalid_argument("query and rows differ in length");
  if (query.size() % (2 * CODE_ROW) != 0) throw std::invalid_argument("rows of codes are a multiple of 64 wide");
  const std::size_t count = rows.shape(0);
  const std::size_t n = query.size() / 2;
  std::vector<std::uint8_t> halves(2 * count * n);
  std::vector<Halves> pointers;
  std::vector<const std::uint8_t*> coarse;
  for (std::size_t r = 0; r < count; ++r) {
    std::uint8_t* const upper = halves.data() + 2 * r * n;
    const std::int8_t* const row = rows.data() + 2 * r * n;
    for (std::size_t i = 0; i < n; ++i) {
      const auto low = static_cast<std::uint8_t>(row[i] + 128);
      const auto high = static_cast<std::uint8_t>(row[n + i] + 128);
      upper[i] = static_cast<std::uint8_t>(low >> 4 | (high & 0xF0));
      upper[n + i] = static_cast<std::uint8_t>((low & 15) | high << 4);
    }
    pointers.push_back({upper, upper + n});
    coarse.push_back(upper);
  }
  auto [result, out] = new_array<std::int32_t, 1>({count});
  const Kernels& kernels = kernels_named(name);
  if (function.starts_with("coarse")) {
    const std::vector<std::int8_t> bytes(query.data(), query.data() + query.size());
    const CoarseKernel kernel = function == "coarse dot" ? kernels.coarse_dot : kernels.coarse_squared;
    kernel(bytes.data(), coarse.data(), count, n, out);
    return result;
  }
  const CodesKernel kernel = function == "dot" ? kernels.code_dot : kernels.code_squared;
  kernel(query.data(), pointers.data(), count, n, out);
  return result;
}

const Steps& steps_named(const std::string& name) {
  const Steps* steps = kernels_named(name).steps;
  if (steps == nullptr) throw std::invalid_argument("'" + name + "' has no such kernel");
  return *steps;
}

// Which of the slots that places hold are below `end` and have no bit in `marks`.
Result<Slot, 1> unmarked_slots(const std::string& name, const Array<Slot>& places, Slot end,
                               const Array<std::uint32_t>& marks) {
  std::vector<Slot> out(places.size() + Steps::SPARE);
  const std::size_t count =
      steps_named(name).unmarked(places.data(), places.size(), end, {marks.data(), marks.size()}, out.data());
  return array_of(std::span(out).first(count));
}

// The keys of distances and slots: those that are less than `limit`, and the others.
nb::tuple parted_keys(const std::string& name, const Array<float>& distances, const Array<Slot>& slots, Key limit) {
  if (distances.size() != slots.size()) throw std::invalid_argument("there are not as many distances as slots");
  std::vector<Key> near(slots.size() + Steps::SPARE);
  std::vector<Key> far(near.size());
  const std::size_t count =
      steps_named(name).part(distances.data(), {slots.data(), slots.size()}, limit, near.data(), far.data());
  return nb::make_tuple(array_of(std::span(near).first(count)), array_of(std::span(far).first(slots.size() - count)));
}

// The keys that are less than `limit`, and the others, written where they were.
nb::tuple split_keys(const std::string& name, const Array<Key>& keys, Key limit) {
  std::vector<Key> others(keys.size() + Steps::SPARE);
  std::copy_n(keys.data(), keys.size(), others.begin());
  std::vector<Key> below(others.size());
  const std::size_t count = steps_named(name).split({others.data(), keys.size()}, limit, below.data(), others.data());
  return nb::make_tuple(array_of(std::span(below).first(count)),
                        array_of(std::span(others).first(keys.size() - count)));
}

// Two lots of keys as one, sorted, by the kernel of one instruction set, and where the first fresh one went.
nb::tuple merged_keys(const std::string& name, const Array<Key>& sorted, const Array<Key>& fresh) {
  const Steps& steps = steps_named(name);
  const std::size_t count = sorted.size() + fresh.size();
  if (count > Steps::MERGED_MAX) throw std::invalid_argument("so many keys are not merged at once");
  if (fresh.size() == 0) throw std::invalid_argument("nothing is fresh");
  std::vector<Key> out(count + Steps::SPARE);
  const std::size_t first = steps.merge({sorted.data(), sorted.size()}, {fresh.data(), fresh.size()}, out.data());
  return nb::make_tuple(array_of(std::span(out).first(count)), first);
}

// Which of the distances of a block are more than `before` and at most `limit`, bit by bit, and the least beyond.
nb::tuple block_within(const std::string& name, const Array<float>& distances, float before, float limit) {
  if (distances.size() != Steps::BLOCK) throw std::invalid_argument("a block has 64 distances");
  float least = 0;
  const std::uint64_t bits = steps_named(name).within(distances.data(), before, limit, least);
  return nb::make_tuple(bits, least);
}

Result<Key, 1> sorted_keys(const std::string& name, const Array<Key>& keys) {
  auto [result, out] = new_array<Key, 1>({keys.size()});
  std::copy_n(keys.data(), keys.size(), out);
  std::vector<Key> buffer(keys.size());
  sort_kernel(kernels_named(name).name)({out, keys.size()}, buffer.data(), true);
  return result;
}

// Where sums reach `least`, and what is left of all, by the kernel of one instruction set.
nb::tuple passed_sums(const std::string& name, const Array<float>& sums, float least) {
  if (sums.size() % SUMS != 0) throw std::invalid_argument("sums are a multiple of 64");
  auto [result, out] = new_array<float, 1>({sums.size()});
  std::copy_n(sums.data(), sums.size(), out);
  const PassKernel pass = pass_kernel(kernels_named(name).name);
  std::vector<std::uint32_t> places;
  std::uint64_t found = 0;
  for (std::size_t i = 0; (i += pass(out + i, sums.size() - i, least, found)) < sums.size(); i += SUMS) {
    for (std::size_t j = 0; j < SUMS; ++j) {
      if ((found >> j & 1) != 0) places.push_back(static_cast<std::uint32_t>(i + j));
    }
  }
  return nb::make_tuple(array_of(places), result);
}

// Distances from `query` to every row, by the kernels of one instruction set.
Result<float, 1> kernel_distances(const std::string& name, const std::string& function, const Array<float>& query,
                                  const Matrix<float>& rows) {
  if (query.size() != rows.shape(1)) throw std::invalid_argument("query and rows differ in length");
  const Kernels& kernels = kernels_named(name);
  const std::size_t width = (query.size() + ROW_FLOATS - 1) / ROW_FLOATS * ROW_FLOATS;
  std::vector<float> padded((rows.shape(0) + 1) * width);
  std::vector<const float*> pointers;
  std::copy_n(query.data(), query.size(), padded.data());
  for (std::size_t i = 0; i < rows.shape(0); ++i) {
    pointers.push_back(padded.data() + (i + 1) * width);
    std::copy_n(rows.data() + i * query.size(), query.size(), padded.data() + (i + 1) * width);
  }
  auto [result, out] = new_array<float, 1>({rows.shape(0)});
  (function == "dot" ? kernels.dot : kernels.squared)(padded.data(), pointers.data(), rows.shape(0), width, out);
  return result;
}

}  // namespace

void bind_kernels(nb::module_& m) {
  nb::list names;
  for (const Kernels& kernels : available_kernels()) names.append(nb::str(kernels.name.data(), kernels.name.size()));
  m.attr("INSTRUCTION_SETS") = names;
  m.def("code_sums", &code_sums, "instruction_set"_a, "function"_a, "query"_a, "rows"_a);
  m.def("unmarked_slots", &unmarked_slots, "instruction_set"_a, "places"_a, "end"_a, "marks"_a);
  m.def("parted_keys", &parted_keys, "instruction_set"_a, "distances"_a, "slots"_a, "limit"_a);
  m.def("split_keys", &split_keys, "instruction_set"_a, "keys"_a, "limit"_a);
  m.def("merged_keys", &merged_keys, "instruction_set"_a, "sorted"_a, "fresh"_a);
  m.def("block_within", &block_within, "instruction_set"_a, "distances"_a, "before"_a, "limit"_a);
  m.def("sorted_keys", &sorted_keys, "instruction_set"_a, "keys"_a);
  m.def("passed_sums", &passed_sums, "instruction_set"_a, "sums"_a, "least"_a);
  m.def("kernel_distances", &kernel_distances, "instruction_set"_a, "function"_a, "query"_a, "rows"_a);
}

}  // namespace clew
