#include "vocabulary.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>

namespace clew {
namespace {

constexpr std::size_t WORD_BYTES_MAX = 128;

// The character that begins at `at`, which is moved past it. REQUIRES: well-formed UTF-8.
char32_t take_character(const char*& at) {
  const auto byte = [&] { return static_cast<unsigned char>(*at++); };
  const unsigned char first = byte();
  if (first < 0x80) return first;
  const int more = std::countl_one(first) - 1;
  char32_t character = first & (0x3FU >> more);
  for (int i = 0; i < more; ++i) character = character << 6 | (byte() & 0x3FU);
  return character;
}

}  // namespace

Vocabulary::Sought Vocabulary::seek(std::string_view word) const {
  const Sought sought{word, static_cast<std::uint32_t>(std::hash<std::string_view>{}(word))};
  __builtin_prefetch(&buckets_[home_of(sought.hash)]);
  return sought;
}

const Term* Vocabulary::find(const Sought& sought) const {
  const Bucket& bucket = buckets_[bucket_of(sought)];
  return bucket.length == 0 ? nullptr : &bucket.term;
}

std::size_t Vocabulary::bucket_of(const Sought& sought) const {
  for (std::size_t at = home_of(sought.hash);; at = next_to(at)) {
    const Bucket& bucket = buckets_[at];
    if (bucket.length == 0) return at;
    if (bucket.hash == sought.hash && sought.word == std::string_view(letters_).substr(bucket.begin, bucket.length)) {
      return at;
    }
  }
}

void Vocabulary::keep(std::string_view word, Term term) {
  if (word.empty() || word.size() > WORD_BYTES_MAX) return;
  if (size_ >= words_max_) {
    buckets_.assign(BUCKETS_MIN, {});
    letters_.clear();
    size_ = 0;
  }
  if (2 * (size_ + 1) > buckets_.size()) grow();
  const Sought sought = seek(word);
  Bucket& bucket = buckets_[bucket_of(sought)];
  if (bucket.length != 0) return;
  bucket = {sought.hash, static_cast<std::uint32_t>(letters_.size()), static_cast<std::uint32_t>(word.size()), term};
  letters_.append(word);
  ++size_;
}

void Vocabulary::grow() {
  const std::vector<Bucket> before = std::exchange(buckets_, std::vector<Bucket>(2 * buckets_.size()));
  for (const Bucket& bucket : before) {
    if (bucket.length == 0) continue;
    std::size_t at = home_of(bucket.hash);
    while (buckets_[at].length != 0) at = next_to(at);
    buckets_[at] = bucket;
  }
}

TermCounts count_terms(std::span<const Term> terms) {
  TermCounts found;
  found.terms.reserve(terms.size());
  found.counts.reserve(terms.size());
  // Places in what was found, one added, by hash; 0 is free. At most half of them are taken.
  std::vector<std::uint32_t> places(std::bit_ceil(2 * terms.size() + 1));
  const int shift = 32 - std::bit_width(places.size() - 1);
  for (const Term term : terms) {
    if (term == NO_TERM) continue;
    ++found.total;
    std::size_t at = std::uint64_t{static_cast<std::uint32_t>(term) * 0x9E3779B1U} >> shift;
    while (places[at] != 0 && found.terms[places[at] - 1] != term) at = (at + 1) & (places.size() - 1);
    if (places[at] == 0) {
      found.terms.push_back(term);
      found.counts.push_back(0);
      places[at] = static_cast<std::uint32_t>(found.terms.size());
    }
    ++found.counts[places[at] - 1];
  }
  return found;
}

std::string spaced(std::string_view text, std::span<const std::uint64_t> letters) {
  std::string result(text.size(), ' ');
  char* out = result.data();
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    const char* const first = at;
    const char32_t character = take_character(at);
    const bool letter = character / 64 < letters.size() && (letters[character / 64] >> character % 64 & 1) != 0;
    out = letter ? std::copy(first, at, out) : out + 1;
  }
  result.resize(static_cast<std::size_t>(out - result.data()));
  return result;
}

}  // namespace clew
