// The kernels over codes of one instruction set. Included once per set by distance.cpp, inside a namespace that defines
// `Words`: a register of CODES int16 with load_words, widen (of int8), subtract_words, and `Sums`: a register of int32
// with no_sums, add_products and total.
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
inline void code_block(const std::int16_t* query, const std::int8_t* const* rows, std::size_t n, std::int32_t* out) {
  Sums sums[ROWS];
  for (std::size_t r = 0; r < ROWS; ++r) sums[r] = no_sums();
  for (std::size_t i = 0; i < n; i += CODES) {
    const Words words = load_words(query + i);
    for (std::size_t r = 0; r < ROWS; ++r) sums[r] = Op::step(words, widen(rows[r] + i), sums[r]);
  }
  for (std::size_t r = 0; r < ROWS; ++r) out[r] = total(sums[r]);
}

template <class Op>
void code_rows(const std::int16_t* query, const std::int8_t* const* rows, std::size_t count, std::size_t n,
               std::int32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) code_block<Op, 4>(query, rows + i, n, out + i);
  for (; i < count; ++i) code_block<Op, 1>(query, rows + i, n, out + i);
}
