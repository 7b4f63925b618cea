// The sort of one instruction set. Included once per set by ranking.cpp: where a shift by any number of bits is one
// instruction, and so are the minima of some numbers, it takes a tenth less time.

// How many bits the distances of some keys, above the smallest of them, take; and the smallest.
unsigned width_of(std::span<const Key> keys, Key& smallest) {
  std::uint32_t least = ~std::uint32_t{0};
  std::uint32_t most = 0;
  for (const Key key : keys) {
    least = std::min(least, static_cast<std::uint32_t>(key >> 32));
    most = std::max(most, static_cast<std::uint32_t>(key >> 32));
  }
  smallest = Key{least} << 32;
  return static_cast<unsigned>(std::bit_width(most - least));
}

// How many keys have each value of a digit, and so where those of each begin.
template <unsigned BITS>
using Counts = std::array<std::uint32_t, (1 << BITS) + 1>;

// Moves keys to where their digit says, and keeps the order of those that have the same. From both ends at once: each
// key waits for the last one of its digit, and two chains of them wait at the same time. They are written to as many
// places as there are digits, so each is asked for a line before it is reached. seen(key, end) is done meanwhile.
template <class Starts, class Digit, class Seen>
void distribute(std::span<const Key> from, Key* to, Starts& starts, Digit digit, Seen seen) {
  Starts stops;
  std::copy(starts.begin() + 1, starts.end(), stops.begin());
  std::size_t first = 0;
  std::size_t last = from.size();
  while (last - first >= 2) {
    const Key early = from[first++];
    const Key late = from[--last];
    Key* const up = to + starts[digit(early)]++;
    Key* const down = to + --stops[digit(late)];
    *up = early;
    *down = late;
    seen(early, 0);
    seen(late, 1);
    __builtin_prefetch(up + LINE, 1);
    __builtin_prefetch(down - LINE, 1);
  }
  if (first == last) return;
  to[starts[digit(from[first])]] = from[first];
  seen(from[first], 0);
}

// Sorts by two digits of the distance, the lower one first: it begins at bit `from` of a key's upper half. Digits are
// counted two by two: neighbours often have the same, and each would wait for the last.
template <unsigned BITS>
void sort_by_digits(std::span<Key> keys, Key* buffer, Key smallest, unsigned from) {
  const auto low = [=](Key key) { return (key - smallest) >> (32 + from) & ((1 << BITS) - 1); };
  const auto high = [=](Key key) { return (key - smallest) >> (32 + from + BITS); };
  std::array<Counts<BITS>, 2> lows{};
  std::array<Counts<BITS>, 2> highs{};
  for (std::size_t i = 0; i + 1 < keys.size(); i += 2) {
    ++lows[0][low(keys[i]) + 1];
    ++lows[1][low(keys[i + 1]) + 1];
  }
  if (keys.size() % 2 != 0) ++lows[0][low(keys.back()) + 1];
  const auto add_up = [](std::array<Counts<BITS>, 2>& counts) {
    for (std::size_t i = 1; i < counts[0].size(); ++i) counts[0][i] += counts[0][i - 1] + counts[1][i];
  };
  add_up(lows);
  distribute(keys, buffer, lows[0], low, [&](Key key, std::size_t end) { ++highs[end][high(key) + 1]; });
  add_up(highs);
  distribute({buffer, keys.size()}, keys.data(), highs[0], high, [](Key, std::size_t) {});
}

// Two digits tell most distances apart; what differs only below them is put right in a last pass. By digits equal
// distances keep their order, so that keys that come in order of slot need no such pass.
void sort_stretch(std::span<Key> keys, Key* buffer, bool in_order) {
  if (keys.size() <= COMPARISON_SORT_MAX) {
    std::ranges::sort(keys);
    return;
  }
  Key smallest = 0;
  const unsigned width = width_of(keys, smallest);
  if (width == 0) {
    if (!in_order) std::ranges::sort(keys);
    return;
  }
  const bool many = keys.size() >= LONG_DIGITS_MIN;
  const unsigned digits = 2 * (many ? LONG_DIGIT : DIGIT);
  const unsigned rest = width > digits ? width - digits : 0;
  many ? sort_by_digits<LONG_DIGIT>(keys, buffer, smallest, rest) : sort_by_digits<DIGIT>(keys, buffer, smallest, rest);
  if (rest == 0 && in_order) return;
  const auto alike = [&](std::size_t a, std::size_t b) {
    return (keys[a] - smallest) >> (32 + rest) == (keys[b] - smallest) >> (32 + rest);
  };
  for (std::size_t i = 1; i < keys.size(); ++i) {
    if (keys[i - 1] < keys[i]) continue;
    std::size_t start = i - 1;
    std::size_t stop = i + 1;
    while (start > 0 && alike(start - 1, i)) --start;
    while (stop < keys.size() && alike(stop, i)) ++stop;
    sort_stretch(keys.subspan(start, stop - start), buffer, in_order);
    i = stop;
  }
}
