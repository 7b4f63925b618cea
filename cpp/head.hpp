// Heads of requests that were understood once: the same bytes say the same again.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace clew {

// Where a body begins and ends in a text; the text may be shorter.
struct BodyPlace {
  std::size_t begin;
  std::size_t end;
};

// All of a head but the digits that say how long the body is.
class Head {
 public:
  // before, after: what stands around the digits. most: of a body, in bytes.
  Head(std::string before, std::string after, std::size_t most);

  // The body of the request at the beginning of `text`; none if that has another head, or a larger body.
  std::optional<BodyPlace> body_in(std::string_view text) const;

 private:
  std::string before_;
  std::string after_;
  std::size_t most_;
};

}  // namespace clew
