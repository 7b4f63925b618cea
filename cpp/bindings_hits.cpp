// The numbers that users see, and what they are of.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "bindings.hpp"
#include "decimal.hpp"
#include "packed.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

// Slots of hits may be marked by their highest bit: keys have no room for it but that of "expanded".
Key key_of(Slot slot, float distance) { return Key{ordered(distance)} << 32 | std::rotl(slot, 1); }
Slot marked_slot(Key key) { return std::rotr(static_cast<Slot>(key), 1); }

// The nearest whole number, halves to even. Without SSE4.1 std::nearbyint is a call.
double rounded(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

// The double nearest to the shortest decimal that reads back as `value`: 0.1F gives 0.1.
//
// At most nine digits are needed, and if n are enough so are n + 1. Most scores need seven or eight. Digits and powers
// of ten are exact doubles here, so the last division rounds once, as a parser would.
double shortest_double(float value) {
  const double x = std::abs(double{value});
  if (!(x >= 1e-6 && x < 1e9)) {  // rare: zero, very small, very large, not finite
    char text[32];
    double result = value;
    std::from_chars(text, std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr, result);
    return result;
  }
  int magnitude = -1;  // of the first digit
  while (x >= times_power_of_ten(1, magnitude + 1)) ++magnitude;
  while (x < times_power_of_ten(1, magnitude)) --magnitude;
  const auto decimal = [&](int digits) {
    const int power = digits - 1 - magnitude;
    return times_power_of_ten(rounded(times_power_of_ten(x, power)), -power);
  };
  const auto reads_back = [&](double shorter) { return static_cast<float>(shorter) == std::abs(value); };
  int digits = 8;
  double result = decimal(digits);
  if (!reads_back(result)) return std::copysign(decimal(9), double{value});
  for (double shorter; digits > 1 && reads_back(shorter = decimal(digits - 1)); --digits) result = shorter;
  return std::copysign(result, double{value});
}

nb::list shortest(const nb::ndarray<const float, nb::c_contig, nb::device::cpu>& values) {
  nb::list result;
  for (std::size_t i = 0; i < values.size(); ++i) result.append(shortest_double(values.data()[i]));
  return result;
}

// As docs/api.md#scores has them: (1 + cos) / 2, 1 / (1 + squared distance), (1 + dot) / 2, in float32. Without a
// metric a distance is a negated score.
double score(float distance, std::optional<Metric> metric) {
  if (!metric) return shortest_double(0 - distance);
  return shortest_double(*metric == Metric::euclidean ? 1 / (1 + distance) : (1 - distance) / 2);
}

std::optional<Metric> scale_named(const std::optional<std::string>& name) {
  return name ? std::optional(metric_named(*name)) : std::nullopt;
}

nb::list scores(const Array<float>& distances, const std::optional<std::string>& metric_name) {
  const std::optional<Metric> metric = scale_named(metric_name);
  nb::list result;
  for (std::size_t i = 0; i < distances.size(); ++i) result.append(score(distances.data()[i], metric));
  return result;
}

// The numbers of a contiguous array, which does not change meanwhile unless T is to be written. Quicker by half than as
// an ndarray.
template <class T>
class Buffer {
 public:
  explicit Buffer(nb::handle object) {
    constexpr int ACCESS = std::is_const_v<T> ? PyBUF_SIMPLE : PyBUF_WRITABLE;
    if (PyObject_GetBuffer(object.ptr(), &view_, ACCESS) != 0) throw nb::python_error();
  }
  ~Buffer() { PyBuffer_Release(&view_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::span<T> numbers() const { return {static_cast<T*>(view_.buf), static_cast<std::size_t>(view_.len) / sizeof(T)}; }

 private:
  Py_buffer view_{};
};

bool all_finite(nb::handle floats) {
  const Buffer<const std::uint32_t> buffer(floats);  // by their bits: infinity and NaN have the largest exponent
  std::uint32_t largest = 0;
  for (const std::uint32_t bits : buffer.numbers()) largest = std::max(largest, bits & 0x7fffffffU);
  return largest < 0x7f800000U;
}

nb::bytes pack(const Array<std::int64_t>& numbers) {
  const std::string bytes = packed({numbers.data(), numbers.data() + numbers.size()});
  return nb::bytes(bytes.data(), bytes.size());
}

Result<std::int64_t> unpack(const nb::bytes& bytes) {
  return array_of(unpacked({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
}

}  // namespace

// nanobind would make an array by way of DLPack, which takes several times as long.
std::pair<nb::object, void*> empty_array(std::span<const std::size_t> shape, const char* name, PyObject*& type) {
  // What is kept of NumPy is never given up, as nobody knows whether there is an interpreter when it would be. Nobody
  // waits for it to be made, either: who makes it may let go of the GIL meanwhile.
  static PyObject* empty = nullptr;
  if (type == nullptr) {
    const nb::module_ numpy = nb::module_::import_("numpy");
    empty = nb::object(numpy.attr("empty")).release().ptr();
    type = numpy.attr("dtype")(name).release().ptr();
  }
  const auto side = [&](std::size_t i) { return nb::int_(shape[i]); };
  nb::object sides = shape.size() == 1 ? nb::object(side(0)) : nb::object(nb::make_tuple(side(0), side(1)));
  PyObject* const arguments[] = {sides.ptr(), type};
  auto array = nb::steal(PyObject_Vectorcall(empty, arguments, std::size(arguments), nullptr));
  if (!array.is_valid()) throw nb::python_error();
  void* const data = Buffer<std::byte>(array).numbers().data();
  return {std::move(array), data};
}

Metric metric_named(const std::string& name) {
  if (name == "COSINE") return Metric::cosine;
  if (name == "EUCLIDEAN") return Metric::euclidean;
  if (name == "DOT_PRODUCT") return Metric::dot_product;
  throw std::invalid_argument("metric is '" + name + "', expected COSINE, EUCLIDEAN or DOT_PRODUCT");
}

Hits::Hits(const Array<Slot>& slots, const Array<float>& distances) {
  if (slots.size() != distances.size()) {
    throw std::invalid_argument("got " + std::to_string(slots.size()) + " slots and " +
                                std::to_string(distances.size()) + " distances");
  }
  keys_.reserve(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) keys_.push_back(key_of(slots.data()[i], distances.data()[i]));
}

Result<Slot> Hits::slots() const {
  auto [result, out] = new_array<Slot, 1>({keys_.size()});
  for (const Key key : keys_) *out++ = marked_slot(key);
  return result;
}

Result<float> Hits::distances() const {
  auto [result, out] = new_array<float, 1>({keys_.size()});
  for (const Key key : keys_) *out++ = distance_of(key);
  return result;
}

nb::bytes Hits::packed() const {
  std::vector<Slot> slots;
  slots.reserve(keys_.size());
  for (const Key key : keys_) slots.push_back(marked_slot(key));
  return nb::bytes(slots.data(), slots.size() * sizeof(Slot));
}

std::vector<std::int64_t> Hits::each_of(nb::handle numbers) const {
  const Buffer<const std::int64_t> buffer(numbers);
  std::vector<std::int64_t> result;
  result.reserve(keys_.size());
  for (const Key key : keys_) {
    if (marked_slot(key) >= buffer.numbers().size()) throw std::out_of_range("slot has no number");
    result.push_back(buffer.numbers()[marked_slot(key)]);
  }
  return result;
}

Result<std::int64_t> Hits::of(nb::handle numbers) const { return array_of(each_of(numbers)); }

nb::bytes Hits::packed_of(nb::handle numbers) const {
  const std::string bytes = clew::packed(each_of(numbers));
  return nb::bytes(bytes.data(), bytes.size());
}

nb::list Hits::named(const nb::list& names, const std::optional<std::string>& metric_name,
                     const nb::callable& make) const {
  const std::optional<Metric> metric = scale_named(metric_name);
  for (const Key key : keys_) {
    if (marked_slot(key) >= names.size()) throw std::out_of_range("slot has no name");
  }
  // The names lie anywhere in memory: all are asked for before the first is waited for.
  const auto name_of = [&](Key key) { return PyList_GET_ITEM(names.ptr(), static_cast<Py_ssize_t>(marked_slot(key))); };
  for (const Key key : keys_) __builtin_prefetch(name_of(key), 1);
  auto result = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(keys_.size())));
  if (!result.is_valid()) throw nb::python_error();
  Py_ssize_t place = 0;
  for (const Key key : keys_) {
    nb::object made = make(nb::handle(name_of(key)), score(distance_of(key), metric));
    PyList_SET_ITEM(result.ptr(), place++, made.release().ptr());
  }
  return result;
}

void bind_hits(nb::module_& m) {
  nb::class_<Hits>(m, "Hits")
      .def(nb::init<const Array<Slot>&, const Array<float>&>(), "slots"_a, "distances"_a)
      .def_prop_ro("count", &Hits::count)
      .def_prop_ro("slots", &Hits::slots, nb::rv_policy::automatic)
      .def_prop_ro("distances", &Hits::distances, nb::rv_policy::automatic)
      .def_prop_ro("packed", &Hits::packed)
      .def("of", &Hits::of, "numbers"_a)
      .def("packed_of", &Hits::packed_of, "numbers"_a)
      .def("named", &Hits::named, "names"_a, "metric"_a.none(), "make"_a)
      .def("__iter__", [](const Hits& hits) { return nb::iter(nb::make_tuple(hits.slots(), hits.distances())); })
      .def(
          "__getitem__",
          [](const Hits& hits, int place) -> nb::object {
            if (place == 0) return nb::cast(hits.slots());
            if (place == 1) return nb::cast(hits.distances());
            throw nb::index_error();
          },
          "place"_a);

  m.def("pack", &pack, "numbers"_a);
  m.def("unpack", &unpack, "packed"_a);
  m.def("all_finite", &all_finite, "floats"_a);
  m.def("shortest", &shortest, "values"_a);
  m.def("scores", &scores, "distances"_a, "metric"_a.none());
}

}  // namespace clew
