// Python's view of words and terms.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bindings.hpp"
#include "vocabulary.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace clew {
namespace {

std::string_view utf8_of(const nb::str& text) {
  Py_ssize_t size = 0;
  const char* const bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes == nullptr) throw nb::python_error();
  return {bytes, static_cast<std::size_t>(size)};
}

template <class T>
nb::object list_of(const std::vector<T>& numbers) {
  nb::object list = nb::steal(PyList_New(static_cast<Py_ssize_t>(numbers.size())));
  if (!list.is_valid()) throw nb::python_error();
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLong(static_cast<long>(numbers[i])));
  }
  return list;
}

// Asks for the terms of words that are not known. Other threads may use the vocabulary meanwhile.
std::vector<Term> asked_for(const std::vector<std::string_view>& words, const nb::callable& terms_of) {
  nb::list asked;
  for (const std::string_view word : words) asked.append(nb::str(word.data(), word.size()));
  auto terms = nb::cast<std::vector<Term>>(terms_of(asked));
  if (terms.size() == words.size()) return terms;
  throw std::invalid_argument("got " + std::to_string(terms.size()) + " terms for " + std::to_string(words.size()) +
                              " words");
}

// f(word) for each run without spaces.
template <class F>
void each_word(std::string_view text, F f) {
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const char* const first = at;
    while (at != end && *at != ' ') ++at;
    if (at != first) f(std::string_view(first, static_cast<std::size_t>(at - first)));
    if (at != end) ++at;
  }
}

// The GIL is held, as a text is read in a few microseconds: it is what keeps threads from one another.
nb::tuple count(Vocabulary& vocabulary, const nb::str& text, const nb::callable& terms_of) {
  std::vector<Vocabulary::Sought> words;
  each_word(utf8_of(text), [&](std::string_view word) { words.push_back(vocabulary.seek(word)); });
  std::vector<Term> terms;
  terms.reserve(words.size());
  std::vector<std::string_view> unknown;
  std::vector<std::size_t> places;
  for (const Vocabulary::Sought& sought : words) {
    const Term* const term = vocabulary.find(sought);
    if (term == nullptr) {
      unknown.push_back(sought.word);
      places.push_back(terms.size());
    }
    terms.push_back(term == nullptr ? NO_TERM : *term);
  }
  if (!unknown.empty()) {
    const std::vector<Term> found = asked_for(unknown, terms_of);
    for (std::size_t i = 0; i < found.size(); ++i) {
      terms[places[i]] = found[i];
      vocabulary.keep(unknown[i], found[i]);
    }
  }
  const TermCounts counted = count_terms(terms);
  return nb::make_tuple(list_of(counted.terms), list_of(counted.counts), counted.total);
}

nb::str spaced_text(const nb::str& text, const Bitmap& letters) {
  const std::string result = spaced(utf8_of(text), {letters.data(), letters.size()});
  return nb::str(result.data(), result.size());
}

}  // namespace

void bind_vocabulary(nb::module_& m) {
  nb::class_<Vocabulary>(m, "Vocabulary")
      .def(nb::init<std::size_t>(), "words_max"_a)
      .def_prop_ro("size", &Vocabulary::size)
      .def("count", &count, "text"_a, "terms_of"_a);

  m.def("spaced", &spaced_text, "text"_a, "letters"_a);
}

}  // namespace clew
