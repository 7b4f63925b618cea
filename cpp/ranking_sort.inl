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

// Moves keys to where their digit says, and keeps the order of those that have the same. From both ends at once: each
// key waits for the last one of its digit, and two chains of them wait at the same time. They are written to as many
// places as there are digits, so each is asked for a line before it is reached.
template <class Digit>
void distribute(std::span<const Key> from, Key* to, Counts& starts, Digit digit) {
  Counts stops;
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
    __builtin_prefetch(up + LINE, 1);
    __builtin_prefetch(down - LINE, 1);
  }
  if (first < last) to[starts[digit(from[first])]] = from[first];
}

// Sorts by two digits of the distance, the lower one first: it begins at bit `from` of a key's upper half.
void sort_by_digits(std::span<Key> keys, Key* buffer, Key smallest, unsigned from) {
  const auto low = [=](Key key) { return (key - smallest) >> (32 + from) & ((1 << DIGIT) - 1); };
  const auto high = [=](Key key) { return (key - smallest) >> (32 + from + DIGIT); };
  Counts lows{};
  Counts highs{};
  Counts other_highs{};  // those of every second key: neighbours often have the same, and each would wait for the last
  for (std::size_t i = 0; i + 1 < keys.size(); i += 2) {
    ++lows[low(keys[i]) + 1];
    ++lows[low(keys[i + 1]) + 1];
    ++highs[high(keys[i]) + 1];
    ++other_highs[high(keys[i + 1]) + 1];
  }
  if (keys.size() % 2 != 0) {
    ++lows[low(keys.back()) + 1];
    ++highs[high(keys.back()) + 1];
  }
  for (std::size_t i = 1; i < lows.size(); ++i) {
    lows[i] += lows[i - 1];
    highs[i] += highs[i - 1] + other_highs[i];
  }
  distribute(keys, buffer, lows, low);
  distribute({buffer, keys.size()}, keys.data(), highs, high);
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
  const unsigned rest = width > 2 * DIGIT ? width - 2 * DIGIT : 0;
  sort_by_digits(keys, buffer, smallest, rest);
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
