// The vector in the JSON of a request, read without making a Python number of each of its components.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace clew {

// The array that stood in a text from `begin` to `end`, as floats.
struct TakenVector {
  std::size_t begin;
  std::size_t end;
  std::vector<float> values;
};

// The array of numbers under the key "vector" of the object that `text` is. None where that is not plain to see:
// another value, the key twice, a key with an escape, a number beyond the range of float32, no object.
//
// The rest of the text is not checked. If it is JSON with `null` in place of the array, then all of it is JSON, and the
// array is what it says under that key.
std::optional<TakenVector> take_vector(std::string_view text);

}  // namespace clew
