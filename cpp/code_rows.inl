// The kernels over codes of one instruction set. Included once per set by distance.cpp, inside a namespace that defines
// `Words`: a register of CODES int16 with load_words and subtract_words, and join, which makes two of a register's
//   worth of coarse and fine halves;
// `Sums`: a register of int32 with no_sums, add_products (of words) and store_totals;
// `Bytes`: a register of BYTES uint8 or int8 with load_bytes, low_halves, high_halves, mixed (of halves: h (15 - h)),
//   add_bytes, eight_times and add_byte_products: of uint8 and int8, and more such after them; at most three, of which
//   two are of halves and one is eight times two that are mixed.
//
// Four rows at a time: the query is loaded once for them, and their sums do not wait for each other.

struct CodeDot {
  static Sums step(Words query, Words row, Sums sums) { return add_products(query, row, sums); }
};

struct CodeSquared {
  static Sums step(Words query, Words row, Sums sums) {
    const Words difference = subtract_words(query, row);
    return add_products(difference, difference, sums);
  }
};

template <class Op, std::size_t ROWS>
inline void code_block(const std::int16_t* query, const Halves* rows, std::size_t n, std::int32_t* out) {
  Sums sums[ROWS];
  for (std::size_t r = 0; r < ROWS; ++r) sums[r] = no_sums();
  for (std::size_t i = 0; i < n; i += CODES) {
    const Words first = load_words(query + i);
    const Words second = load_words(query + n + i);
    for (std::size_t r = 0; r < ROWS; ++r) {
      Words low;
      Words high;
      join(rows[r].coarse + i, rows[r].fine + i, low, high);
      sums[r] = Op::step(second, high, Op::step(first, low, sums[r]));
    }
  }
  store_totals<ROWS>(sums, out);
}

template <class Op>
void code_rows(const std::int16_t* query, const Halves* rows, std::size_t count, std::size_t n, std::int32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) code_block<Op, 4>(query, rows + i, n, out + i);
  for (; i < count; ++i) code_block<Op, 1>(query, rows + i, n, out + i);
}

struct CoarseDot {
  static Sums step(Bytes low, Bytes high, Bytes first, Bytes second, Sums sums) {
    return add_byte_products(sums, low, first, high, second);
  }
};

struct CoarseSquared {
  static Sums step(Bytes low, Bytes high, Bytes first, Bytes second, Sums sums) {
    const Bytes both = add_bytes(mixed(low), mixed(high));
    return add_byte_products(sums, low, first, high, second, both, eight_times());
  }
};

template <class Op, std::size_t ROWS>
inline void coarse_block(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t n, std::int32_t* out) {
  Sums sums[ROWS];
  for (std::size_t r = 0; r < ROWS; ++r) sums[r] = no_sums();
  for (std::size_t i = 0; i < n; i += BYTES) {
    const std::size_t left = n - i;
    const Bytes first = load_bytes(query + i, left);
    const Bytes second = load_bytes(query + n + i, left);
    for (std::size_t r = 0; r < ROWS; ++r) {
      const Bytes row = load_bytes(rows[r] + i, left);
      sums[r] = Op::step(low_halves(row), high_halves(row), first, second, sums[r]);
    }
  }
  store_totals<ROWS>(sums, out);
}

template <class Op>
void coarse_rows(const std::int8_t* query, const std::uint8_t* const* rows, std::size_t count, std::size_t n,
                 std::int32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) coarse_block<Op, 4>(query, rows + i, n, out + i);
  for (; i < count; ++i) coarse_block<Op, 1>(query, rows + i, n, out + i);
}
