// Python's view of requests: their heads, and the vectors in their JSON.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstring>

#include "bindings.hpp"
#include "head.hpp"
#include "json.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

std::string_view view(const nb::bytes& text) { return {text.c_str(), text.size()}; }

nb::bytes bytes_of(std::string_view text) { return nb::bytes(text.data(), text.size()); }

// `text` with `null` for the vector that was taken from it.
nb::bytes rest_of(std::string_view text, const TakenVector& taken) {
  std::string rest;
  rest.reserve(text.size() - (taken.end - taken.begin) + 4);
  rest.append(text.substr(0, taken.begin)).append("null").append(text.substr(taken.end));
  return bytes_of(rest);
}

nb::object take(const nb::bytes& text) {
  std::optional<TakenVector> taken = take_vector(view(text));
  if (!taken) return nb::none();
  nb::bytes rest = rest_of(view(text), *taken);
  return nb::make_tuple(array_of(taken->values), std::move(rest));
}

nb::object read(const Head& head, const nb::bytes& text) {
  const std::optional<BodyPlace> place = head.body_in(view(text));
  if (!place) return nb::none();
  if (text.size() < place->end) return nb::make_tuple(place->end, nb::none(), nb::none());
  const std::string_view body = view(text).substr(place->begin, place->end - place->begin);
  std::optional<TakenVector> taken = take_vector(body);
  if (!taken) return nb::make_tuple(place->end, nb::none(), bytes_of(body));
  nb::bytes rest = rest_of(body, *taken);
  return nb::make_tuple(place->end, array_of(taken->values), std::move(rest));
}

}  // namespace

void bind_requests(nb::module_& m) {
  m.def("take_vector", &take, "text"_a);
  nb::class_<Head>(m, "Head")
      .def(
          "__init__",
          [](Head* self, const nb::bytes& before, const nb::bytes& after, std::size_t most) {
            new (self) Head(std::string(view(before)), std::string(view(after)), most);
          },
          "before"_a, "after"_a, "most"_a)
      .def("read", &read, "text"_a);
}

}  // namespace clew
