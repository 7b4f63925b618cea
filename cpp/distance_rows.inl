// The kernels of one instruction set. Included once per set by distance.cpp, inside a namespace that defines `Lanes`:
// a register of WIDTH floats with load, zero, add, subtract, multiply_add and sum.
//
// Two accumulators per row and four rows at a time: eight independent chains hide the latency of multiply-add, and
// the query is loaded once for four rows.

struct Dot {
  static Lanes step(Lanes a, Lanes b, Lanes sum) { return multiply_add(a, b, sum); }
};

struct Squared {
  static Lanes step(Lanes a, Lanes b, Lanes sum) {
    const Lanes difference = subtract(a, b);
    return multiply_add(difference, difference, sum);
  }
};

// Scores ROWS rows, every `apart`-th.
template <class Op, std::size_t ROWS>
inline void block(const float* query, const float* const* rows, std::size_t apart, std::size_t n, float* out) {
  Lanes low[ROWS];
  Lanes high[ROWS];
  for (std::size_t r = 0; r < ROWS; ++r) low[r] = high[r] = zero();
  constexpr std::size_t half = ROW_FLOATS / 2 > WIDTH ? ROW_FLOATS / 2 : WIDTH;
  for (std::size_t i = 0; i < n; i += 2 * half) {
    for (std::size_t j = 0; j < half; j += WIDTH) {
      const Lanes first = load(query + i + j);
      for (std::size_t r = 0; r < ROWS; ++r) low[r] = Op::step(first, load(rows[r * apart] + i + j), low[r]);
    }
    if (i + half >= n) break;  // lanes as wide as a row: n may be an odd number of them
    for (std::size_t j = half; j < 2 * half; j += WIDTH) {
      const Lanes second = load(query + i + j);
      for (std::size_t r = 0; r < ROWS; ++r) high[r] = Op::step(second, load(rows[r * apart] + i + j), high[r]);
    }
  }
  for (std::size_t r = 0; r < ROWS; ++r) out[r * apart] = sum(add(low[r], high[r]));
}

// One row of each quarter at a time: where rows lie together, the processor fetches ahead in four places by itself. Of
// 512 bytes each, 64 rows pass at 15 GB a second so, and at 7 GB by four neighbours at a time.
template <class Op>
void rows(const float* query, const float* const* rows, std::size_t count, std::size_t n, float* out) {
  const std::size_t quarter = count / 4;
  for (std::size_t i = 0; i < quarter; ++i) block<Op, 4>(query, rows + i, quarter, n, out + i);
  for (std::size_t i = 4 * quarter; i < count; ++i) block<Op, 1>(query, rows + i, 1, n, out + i);
}
