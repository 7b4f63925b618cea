#include "head.hpp"

#include <charconv>
#include <system_error>
#include <utility>

namespace clew {

Head::Head(std::string before, std::string after, std::size_t most)
    : before_(std::move(before)), after_(std::move(after)), most_(most) {}

std::optional<BodyPlace> Head::body_in(std::string_view text) const {
  if (!text.starts_with(before_)) return std::nullopt;
  const char* const digits = text.data() + before_.size();
  std::size_t length;
  const auto [last, error] = std::from_chars(digits, text.data() + text.size(), length);
  const std::size_t end_of_digits = static_cast<std::size_t>(last - text.data());
  if (error != std::errc() || length > most_ || !text.substr(end_of_digits).starts_with(after_)) return std::nullopt;
  const std::size_t begin = end_of_digits + after_.size();
  return BodyPlace{begin, begin + length};
}

}  // namespace clew
