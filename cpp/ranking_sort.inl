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

// Moves keys to where their digit says, and keeps the order of those that have the same; moved(key, to) is told of each,
// and which of the AT_ONCE it was. So many are looked up before any is moved: equal distances are neighbours once they
// are in order of the lower digit, and each would wait until the one before it had been counted.
template <std::size_t AT_ONCE, class Starts, class Digit, class Moved>
void distribute(std::span<const Key> from, Key* to, Starts& starts, Digit digit, Moved moved) {
  std::size_t i = 0;
  for (; i + AT_ONCE <= from.size(); i += AT_ONCE) {
    std::array<Key, AT_ONCE> digits;
    std::array<std::uint32_t, AT_ONCE> places;
#pragma GCC unroll 4
    for (std::size_t j = 0; j < AT_ONCE; ++j) places[j] = starts[digits[j] = digit(from[i + j])];
#pragma GCC unroll 4
    for (std::size_t j = 1; j < AT_ONCE; ++j) {
#pragma GCC unroll 4
      for (std::size_t before = 0; before < j; ++before) places[j] += digits[j] == digits[before];
    }
#pragma GCC unroll 4
    for (std::size_t j = 0; j < AT_ONCE; ++j) starts[digits[j]] = places[j] + 1;
#pragma GCC unroll 4
    for (std::size_t j = 0; j < AT_ONCE; ++j) {
      to[places[j]] = from[i + j];
      moved(from[i + j], to + places[j], j);
    }
  }
  for (; i < from.size(); ++i) {
    Key* const place = to + starts[digit(from[i])]++;
    *place = from[i];
    moved(from[i], place, 0);
  }
}

// Sorts by two digits of the distance, the lower one first: it begins at bit `from` of a key's upper half. Digits are
// counted two by two: neighbours often have the same, and each would wait for the last. Keys are written to as many
// places as there are digits, so each is asked for a line before it is reached.
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
  distribute<2>(keys, buffer, lows[0], low, [&](Key key, Key* to, std::size_t which) {
    ++highs[which][high(key) + 1];
    __builtin_prefetch(to + LINE, 1);
  });
  add_up(highs);
  distribute<4>({buffer, keys.size()}, keys.data(), highs[0], high, [](Key, Key*, std::size_t) {});
}

// The first place from `i` on that does not exceed the one before it; the size where there is none.
std::size_t next_fall(std::span<const Key> keys, std::size_t i) {
  constexpr std::size_t AT_ONCE = 8;
  for (; i + AT_ONCE <= keys.size(); i += AT_ONCE) {
    Key falls = 0;  // the upper bit of a difference is set where keys fall, and at worst where they rise very far
    for (std::size_t j = 0; j < AT_ONCE; ++j) falls |= keys[i + j] - keys[i + j - 1];
    if (falls >> 63 != 0) break;
  }
  while (i < keys.size() && keys[i - 1] < keys[i]) ++i;
  return i;
}

// Longer digits tell more distances apart, but their counts have to be gone through: that pays with more keys.
unsigned digit_for(std::size_t keys) { return keys < 128 ? 5 : keys < 512 ? 7 : keys < 8192 ? 9 : 11; }

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
  const unsigned digit = digit_for(keys.size());
  const unsigned rest = width > 2 * digit ? width - 2 * digit : 0;
  switch (digit) {
    case 5: sort_by_digits<5>(keys, buffer, smallest, rest); break;
    case 7: sort_by_digits<7>(keys, buffer, smallest, rest); break;
    case 9: sort_by_digits<9>(keys, buffer, smallest, rest); break;
    default: sort_by_digits<11>(keys, buffer, smallest, rest);
  }
  if (rest == 0 && in_order) return;
  const auto alike = [&](std::size_t a, std::size_t b) {
    return (keys[a] - smallest) >> (32 + rest) == (keys[b] - smallest) >> (32 + rest);
  };
  for (std::size_t i = 1; (i = next_fall(keys, i)) < keys.size(); ++i) {
    std::size_t start = i - 1;
    std::size_t stop = i + 1;
    while (start > 0 && alike(start - 1, i)) --start;
    while (stop < keys.size() && alike(stop, i)) ++stop;
    sort_stretch(keys.subspan(start, stop - start), buffer, in_order);
    i = stop;
  }
}
