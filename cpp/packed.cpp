#include "packed.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace clew {
namespace {

// So few are kept as they are, less the first: coding them takes longer than it saves.
constexpr std::size_t FEW = 16;
constexpr std::uint8_t AS_THEY_ARE = 255;  // in the place of k

// How many (4 bytes), the first (8), k (1), all little-endian.
constexpr std::size_t HEAD = 13;

void put(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xFF));
}

std::uint64_t get(const std::uint8_t* from, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{from[i]} << 8 * i;
  return value;
}

// Bits, the first in the highest place of a byte.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void write(bool bit) {
    if (place_ == 0) out_.push_back(0);
    if (bit) out_.back() = static_cast<char>(static_cast<std::uint8_t>(out_.back()) | 0x80U >> place_);
    place_ = (place_ + 1) % 8;
  }

 private:
  std::string& out_;
  unsigned place_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  bool read() {
    if (at_ / 8 >= bytes_.size()) throw std::invalid_argument("a packed set ends too soon");
    const bool bit = (bytes_[at_ / 8] & 0x80U >> at_ % 8) != 0;
    ++at_;
    return bit;
  }

  // How many have been read, the last perhaps in part.
  std::size_t bytes() const { return (at_ + 7) / 8; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

// Adds the numbers of the set that `bytes` begin with, and returns how many bytes it has.
std::size_t unpack_first(std::span<const std::uint8_t> bytes, std::vector<std::int64_t>& numbers) {
  if (bytes.size() < HEAD) throw std::invalid_argument("a packed set ends too soon");
  const std::size_t n = get(bytes.data(), 4);
  const std::uint64_t first = get(bytes.data() + 4, 8);
  const unsigned k = bytes[12];
  const auto body = bytes.subspan(HEAD);
  const bool as_they_are = k == AS_THEY_ARE;
  const std::size_t low_bytes = n == 0 || as_they_are ? 4 * n : ((n - 1) * k + 7) / 8;
  if (n == 0 || (k > 63 && !as_they_are) || body.size() < low_bytes || n > 8 * body.size() + 1) {
    throw std::invalid_argument("a packed set ends too soon");
  }
  numbers.reserve(numbers.size() + n);
  if (as_they_are) {
    for (std::size_t i = 0; i < n; ++i) numbers.push_back(static_cast<std::int64_t>(first + get(&body[4 * i], 4)));
    return HEAD + low_bytes;
  }
  Reader low(body.first(low_bytes));
  Reader high(body.subspan(low_bytes));
  std::uint64_t number = first;
  numbers.push_back(static_cast<std::int64_t>(number));
  for (std::size_t i = 1; i < n; ++i) {
    std::uint64_t gap = 0;
    while (!high.read()) ++gap;
    gap <<= k;
    for (unsigned bit = 0; bit < k; ++bit) gap |= std::uint64_t{low.read()} << bit;
    number += gap + 1;
    numbers.push_back(static_cast<std::int64_t>(number));
  }
  return HEAD + low_bytes + high.bytes();
}

}  // namespace

std::string packed(std::vector<std::int64_t> numbers) {
  std::string out;
  if (numbers.empty()) return out;
  std::ranges::sort(numbers);
  const std::size_t n = numbers.size();
  const auto first = static_cast<std::uint64_t>(numbers.front());
  const std::uint64_t spread = static_cast<std::uint64_t>(numbers.back()) - first;
  put(out, n, 4);
  put(out, first, 8);
  if (n <= FEW && spread >> 32 == 0) {
    put(out, AS_THEY_ARE, 1);
    for (const std::int64_t number : numbers) put(out, static_cast<std::uint64_t>(number) - first, 4);
    return out;
  }
  const double mean = static_cast<double>(spread) / static_cast<double>(n);
  const auto usual = static_cast<std::uint64_t>(mean * std::numbers::ln2);
  const unsigned k = usual == 0 ? 0 : static_cast<unsigned>(std::bit_width(usual)) - 1;
  put(out, k, 1);
  const auto gap = [&](std::size_t i) {
    return static_cast<std::uint64_t>(numbers[i]) - static_cast<std::uint64_t>(numbers[i - 1]) - 1;
  };
  Writer low(out);
  for (std::size_t i = 1; i < n; ++i) {
    for (unsigned bit = 0; bit < k; ++bit) low.write((gap(i) >> bit & 1) != 0);
  }
  Writer high(out);
  for (std::size_t i = 1; i < n; ++i) {
    for (std::uint64_t left = gap(i) >> k; left > 0; --left) high.write(false);
    high.write(true);
  }
  return out;
}

std::vector<std::int64_t> unpacked(std::span<const std::uint8_t> bytes) {
  std::vector<std::int64_t> numbers;
  while (!bytes.empty()) bytes = bytes.subspan(unpack_first(bytes, numbers));
  return numbers;
}

}  // namespace clew
