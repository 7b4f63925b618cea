// The words of texts, and the terms that they stand for: what a sparse encoder counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clew {

using Term = std::int32_t;
inline constexpr Term NO_TERM = -1;  // of a word that is not counted

// The terms of some words, by 16 bytes each and their letters. One thread at a time may use it.
class Vocabulary {
 public:
  explicit Vocabulary(std::size_t words_max) : words_max_(words_max), buckets_(BUCKETS_MIN) {}

  // A word, and where the search for it begins: found early, so that memory is asked for before it is waited for.
  struct Sought {
    std::string_view word;
    std::uint32_t hash;
  };
  Sought seek(std::string_view word) const;

  // The term of a word, or none (a null pointer); valid until the next keep().
  const Term* find(const Sought& sought) const;

  // Remembers a word, unless it is so long that a few like it would take much memory. Forgets all others where there
  // are too many.
  void keep(std::string_view word, Term term);

  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t BUCKETS_MIN = 1024;

  struct Bucket {
    std::uint32_t hash;
    std::uint32_t begin;       // in letters_
    std::uint32_t length = 0;  // 0: free
    Term term;
  };

  std::size_t home_of(std::uint32_t hash) const { return hash & (buckets_.size() - 1); }
  std::size_t next_to(std::size_t at) const { return (at + 1) & (buckets_.size() - 1); }
  // That of the word, or the free one in its place.
  std::size_t bucket_of(const Sought& sought) const;
  void grow();

  const std::size_t words_max_;
  std::size_t size_ = 0;
  std::vector<Bucket> buckets_;  // a power of two, at most half of them taken
  std::string letters_;
};

// Terms, each once and in the order in which they first occurred, and how often they did.
struct TermCounts {
  std::vector<Term> terms;
  std::vector<std::uint32_t> counts;
  std::size_t total = 0;  // NO_TERM is left out
};

TermCounts count_terms(std::span<const Term> terms);

// A text in UTF-8 with a space for each character whose bit in `letters` is not set.
std::string spaced(std::string_view text, std::span<const std::uint64_t> letters);

}  // namespace clew
