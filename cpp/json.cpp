#include "json.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <system_error>

#include "decimal.hpp"

namespace clew {
namespace {

constexpr std::uint64_t EXACT_MANTISSA = std::uint64_t{1} << 53;
constexpr int MANTISSA_DIGITS = 18;  // that fit 63 bits, whatever they are

constexpr int EIGHT = sizeof(std::uint64_t);

// How many of eight characters are digits, before the first that is none, and what those say.
struct Digits {
  int count;
  std::uint64_t value;
};

// All at once: each step adds neighbours up, ten times, a hundred times and ten thousand times the earlier one. No
// branch depends on what is there, as that is not to be foreseen.
Digits digits_at(const char* eight) {
  std::uint64_t digits;
  std::memcpy(&digits, eight, EIGHT);
  digits ^= 0x3030303030303030;  // '0' to '9' are 0 to 9 now, and nothing else is
  const std::uint64_t others = (digits | (digits + 0x0606060606060606)) & 0xF0F0F0F0F0F0F0F0;
  const int count = std::countr_zero(others) / 8;
  digits = count == 0 ? 0 : digits << 8 * (EIGHT - count);  // zeros come before them, and nothing after
  digits = digits * 10 + (digits >> 8);
  digits = ((digits & 0x000000FF000000FF) * 0x000F424000000064 +
            ((digits >> 16) & 0x000000FF000000FF) * 0x0000271000000001) >>
           32;
  return {count, digits};
}

// mantissa / 10^places, rounded to a double and then to a float; false where that is not sure.
bool divided(std::uint64_t mantissa, std::ptrdiff_t places, float& value) {
  const double about =
      static_cast<double>(static_cast<std::int64_t>(mantissa)) / POWERS_OF_TEN[static_cast<std::size_t>(places)];
  value = static_cast<float>(about);
  // A mantissa that is a double as it is makes `about` one that was rounded once, as it should be. Otherwise that was
  // done twice, by half a unit in the last place each time: the double that is meant lies between these two.
  constexpr double SLACK = 0x1p-50;
  return mantissa <= EXACT_MANTISSA ||
         static_cast<float>(about - about * SLACK) == static_cast<float>(about + about * SLACK);
}

// Without a branch, as half of the numbers of a vector are negative, and nobody foresees which.
float signed_as(bool negative, float value) {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | std::uint32_t{negative} << 31);
}

// Reads forward; what it cannot read it says, and is of no use afterwards.
class Reader {
 public:
  explicit Reader(std::string_view text) : begin_(text.data()), at_(begin_), end_(begin_ + text.size()) {}

  std::size_t place() const { return static_cast<std::size_t>(at_ - begin_); }

  // Past white space and then `wanted`.
  bool take(char wanted) {
    skip_space();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  // A string without escapes: what is between its quotes.
  std::optional<std::string_view> plain_string() {
    if (!take('"')) return std::nullopt;
    const char* const first = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\') ++at_;
    if (at_ == end_ || *at_ == '\\') return std::nullopt;
    return std::string_view(first, static_cast<std::size_t>(at_++ - first));
  }

  // Past a value, to the comma or brace that follows it.
  bool skip_value() {
    for (int depth = 0; at_ != end_; ++at_) {
      const char c = *at_;
      if (c == '"') {
        if (!skip_string()) return false;
      } else if (c == '[' || c == '{') {
        ++depth;
      } else if (depth == 0 && (c == ',' || c == '}')) {
        return true;
      } else if (c == ']' || c == '}') {
        --depth;
      }
    }
    return false;
  }

  // An array of at least one number, each within float32.
  bool floats(std::vector<float>& values) {
    if (!take('[')) return false;
    do {
      skip_space();
      float value;
      if (!decimal(value) && !number(value)) return false;
      values.push_back(value);
    } while (take(','));
    return take(']');
  }

 private:
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  // From its first quote to its last.
  bool skip_string() {
    for (++at_; at_ != end_ && *at_ != '"'; ++at_) {
      if (*at_ == '\\' && ++at_ == end_) return false;
    }
    return at_ != end_;
  }

  // A number as nearly all of a vector are: one digit, a point, and no more digits than are needed. Reads nothing where
  // it is another.
  bool decimal(float& value) {
    if (std::endian::native != std::endian::little || end_ - at_ <= EIGHT) return false;
    const bool negative = *at_ == '-';
    const char* const first = at_ + negative + 2;
    const auto whole = static_cast<unsigned char>(first[-2] - '0');
    if (whole > 9 || first[-1] != '.') return false;
    const char* last = first;
    std::uint64_t mantissa = whole;
    for (int count = EIGHT; count == EIGHT; last += count) {
      if (end_ - last <= EIGHT) return false;
      const Digits digits = digits_at(last);
      count = digits.count;
      mantissa = mantissa * static_cast<std::uint64_t>(POWERS_OF_TEN[static_cast<std::size_t>(count)]) + digits.value;
    }
    const std::ptrdiff_t places = last - first;
    const bool ended = *last == ',' || *last == ']' || *last == ' ';
    if (places == 0 || places + (whole != 0) > MANTISSA_DIGITS || !ended) return false;
    if (!divided(mantissa, places, value)) return false;
    value = signed_as(negative, value);
    at_ = last;
    return true;
  }

  // A number as JSON writes them: the float nearest to the double nearest to it, as other readers have it. False for
  // one beyond the range of float32.
  bool number(float& value) {
    const char* const first = at_;
    const bool negative = at_ != end_ && *at_ == '-';
    at_ += negative;
    const bool zero = at_ != end_ && *at_ == '0';
    std::uint64_t mantissa = 0;
    const std::ptrdiff_t whole = digits(mantissa);
    if (whole == 0 || (zero && whole > 1)) return false;
    std::ptrdiff_t places = 0;
    if (at_ != end_ && *at_ == '.') {
      ++at_;
      places = digits(mantissa);
      if (places == 0) return false;
    }
    const bool scaled = at_ != end_ && (*at_ == 'e' || *at_ == 'E');
    if (scaled && !skip_exponent()) return false;
    if (!scaled && whole + places <= MANTISSA_DIGITS && divided(mantissa, places, value)) {
      value = signed_as(negative, value);
      return true;
    }
    double exact = 0;
    const auto [last, error] = std::from_chars(first, at_, exact);
    value = static_cast<float>(exact);
    return error == std::errc() && last == at_ && std::isfinite(value);
  }

  // Appends digits to `mantissa`, which holds MANTISSA_DIGITS at most; how many there were.
  std::ptrdiff_t digits(std::uint64_t& mantissa) {
    const char* const first = at_;
    for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_ - '0');
    }
    return at_ - first;
  }

  bool skip_exponent() {
    ++at_;
    if (at_ != end_ && (*at_ == '-' || *at_ == '+')) ++at_;
    std::uint64_t said = 0;
    return digits(said) > 0;
  }

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace

std::optional<TakenVector> take_vector(std::string_view text) {
  Reader reader(text);
  std::optional<TakenVector> taken;
  if (!reader.take('{')) return std::nullopt;
  do {
    const std::optional<std::string_view> key = reader.plain_string();
    if (!key || !reader.take(':')) return std::nullopt;
    if (*key == "vector") {
      if (taken) return std::nullopt;
      taken = TakenVector{reader.place(), 0, {}};
      taken->values.reserve(text.size() / 8);
      if (!reader.floats(taken->values)) return std::nullopt;
      taken->end = reader.place();
    } else if (!reader.skip_value()) {
      return std::nullopt;
    }
  } while (reader.take(','));
  return reader.take('}') ? std::move(taken) : std::nullopt;
}

}  // namespace clew
