#include "json.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

namespace clew {
namespace {

constexpr std::uint64_t EXACT_MANTISSA = std::uint64_t{1} << 53;
constexpr int MANTISSA_DIGITS = 19;  // that fit 64 bits, whatever they are

// All of them are doubles as they are.
constexpr std::array<double, MANTISSA_DIGITS + 1> POWERS = [] {
  std::array<double, MANTISSA_DIGITS + 1> powers{};
  double power = 1;
  for (double& one : powers) {
    one = power;
    power *= 10;
  }
  return powers;
}();

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
      double value;
      if (!number(value)) return false;
      values.push_back(static_cast<float>(value));
      if (!std::isfinite(values.back())) return false;
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

  // Appends digits to `mantissa`, which holds MANTISSA_DIGITS at most; how many there were.
  int digits(std::uint64_t& mantissa) {
    const char* const first = at_;
    for (; at_ != end_ && *at_ >= '0' && *at_ <= '9'; ++at_) {
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_ - '0');
    }
    return static_cast<int>(at_ - first);
  }

  // A number as JSON writes them, as the nearest double.
  bool number(double& value) {
    const char* const first = at_;
    const bool negative = at_ != end_ && *at_ == '-';
    at_ += negative;
    const bool zero = at_ != end_ && *at_ == '0';
    std::uint64_t mantissa = 0;
    const int whole = digits(mantissa);
    if (whole == 0 || (zero && whole > 1)) return false;
    int fraction = 0;
    if (at_ != end_ && *at_ == '.') {
      ++at_;
      fraction = digits(mantissa);
      if (fraction == 0) return false;
    }
    const bool scaled = at_ != end_ && (*at_ == 'e' || *at_ == 'E');
    if (scaled && !skip_exponent()) return false;
    if (!scaled && whole + fraction <= MANTISSA_DIGITS && mantissa <= EXACT_MANTISSA) {
      // Both are exact, so the quotient is rounded once.
      value = static_cast<double>(mantissa) / POWERS[static_cast<std::size_t>(fraction)];
      if (negative) value = -value;
      return true;
    }
    const auto [last, error] = std::from_chars(first, at_, value);
    return error == std::errc() && last == at_;
  }

  bool skip_exponent() {
    ++at_;
    if (at_ != end_ && (*at_ == '-' || *at_ == '+')) ++at_;
    const char* const first = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != first;
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
