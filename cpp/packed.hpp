// Sets of numbers as few bytes: about 2 bits more for each than their entropy.
//
// The gaps between ascending numbers are Golomb-Rice coded (Rice, 1979): the low `k` bits of each as they are, the rest
// in unary. A thousand of 200,000 take 1.2 kB, all numbers of a stretch about a bit each. docs/format.md has the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace clew {

// `numbers` differ, and lose their order. No bytes stand for none.
std::string packed(std::vector<std::int64_t> numbers);

// The numbers of sets that follow one another, those of each ascending. Throws std::invalid_argument where `bytes` are
// not such sets.
std::vector<std::int64_t> unpacked(std::span<const std::uint8_t> bytes);

}  // namespace clew
