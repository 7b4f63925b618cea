// Python's view of the JSON of requests.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstring>

#include "bindings.hpp"
#include "json.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

nb::object take(const nb::bytes& text) {
  std::optional<TakenVector> taken = take_vector({text.c_str(), text.size()});
  if (!taken) return nb::none();
  const std::string_view before(text.c_str(), taken->begin);
  const std::string_view after(text.c_str() + taken->end, text.size() - taken->end);
  std::string rest;
  rest.reserve(before.size() + after.size() + 4);
  rest.append(before).append("null").append(after);
  return nb::make_tuple(array_of(std::move(taken->values)), nb::bytes(rest.data(), rest.size()));
}

}  // namespace

void bind_json(nb::module_& m) { m.def("take_vector", &take, "text"_a); }

}  // namespace clew
