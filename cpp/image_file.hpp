// The file below an image: sections that start on pages, each with the checksum of its bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "containers.hpp"
#include "types.hpp"

namespace clew {

// Where a section is. One that was not written has no bytes.
struct SectionPlace {
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t checksum;
};

// 64 bits of a stream of bytes: four lanes of multiply and rotate over words of 8 bytes, like the rounds of xxHash64
// (Collet). It tells a damaged file from a whole one, and is no defence against forgery.
class Checksum {
 public:
  void add(const void* bytes, std::size_t count);
  std::uint64_t value() const;

 private:
  void round(const unsigned char* block);

  std::array<std::uint64_t, 4> lanes_{0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x2545F4914F6CDD1D};
  std::array<unsigned char, 32> waiting_{};
  std::size_t used_ = 0;
  std::uint64_t length_ = 0;
};

// Writes a new file, in order.
class ImageWriter {
 public:
  // Throws std::system_error, as everything here does.
  explicit ImageWriter(const std::string& path);
  ~ImageWriter();
  ImageWriter(const ImageWriter&) = delete;
  ImageWriter& operator=(const ImageWriter&) = delete;

  void skip(std::size_t bytes) { offset_ += bytes; }
  SectionPlace bytes(const std::vector<char>& bytes);

  // `count` rows, each of `width` T that fill(slot, out) writes.
  template <class T, class Fill>
  SectionPlace rows_of(std::size_t width, Slot count, Fill fill) {
    begin();
    const std::size_t block = std::max<std::size_t>(BUFFER_BYTES / (width * sizeof(T)), 1);
    std::vector<T> buffer(block * width);
    for (std::size_t start = 0; start < count; start += block) {
      const std::size_t n = std::min<std::size_t>(block, count - start);
      for (std::size_t i = 0; i < n; ++i) fill(static_cast<Slot>(start + i), buffer.data() + i * width);
      append(buffer.data(), n * width * sizeof(T));
    }
    return end();
  }

  template <class T>
  SectionPlace rows(const Rows<T>& rows, Slot count) {
    return rows_of<T>(rows.width(), count, [&](Slot slot, T* out) { std::copy_n(rows[slot], rows.width(), out); });
  }

  // Writes the first bytes last, so that a file without them is not taken for whole, and waits for the disk.
  void finish(const void* head, std::size_t bytes);

 private:
  static constexpr std::size_t BUFFER_BYTES = std::size_t{1} << 20;

  void begin();
  void append(const void* bytes, std::size_t count);
  SectionPlace end();
  void write_at(const void* bytes, std::size_t count, std::uint64_t offset);

  std::string path_;
  int file_;
  std::uint64_t offset_ = 0;
  std::uint64_t start_ = 0;
  Checksum sum_;
};

// Throws DamagedImage where a section is not whole, std::system_error where the system refuses.
class ImageReader {
 public:
  explicit ImageReader(const std::string& path);
  ~ImageReader();
  ImageReader(const ImageReader&) = delete;
  ImageReader& operator=(const ImageReader&) = delete;

  void head(void* out, std::size_t bytes);
  std::vector<char> bytes(const SectionPlace& place);

  template <class T>
  void rows(const SectionPlace& place, Rows<T>& rows, Slot count) {
    const std::size_t row_bytes = rows.width() * sizeof(T);
    check(place, count * row_bytes);
    rows.reserve(count);
    Checksum sum;
    rows.each_chunk(count, [&](std::size_t first, std::size_t n, T* chunk) {
      read_at(chunk, n * row_bytes, place.offset + first * row_bytes);
      sum.add(chunk, n * row_bytes);
    });
    compare(place, sum);
  }

  template <class T>
  void map(const SectionPlace& place, Rows<T>& rows, Slot count) {
    check(place, count * rows.width() * sizeof(T));
    rows.map(file_, place.offset, count);
    // What follows whole chunks is read: more rows will come behind it.
    const std::size_t row_bytes = rows.width() * sizeof(T);
    rows.each_chunk(count, [&](std::size_t first, std::size_t n, T* chunk) {
      if (!rows.mapped(first)) read_at(chunk, n * row_bytes, place.offset + first * row_bytes);
    });
  }

 private:
  void check(const SectionPlace& place, std::uint64_t bytes) const;
  void compare(const SectionPlace& place, const Checksum& sum) const;
  void read_at(void* out, std::size_t count, std::uint64_t offset) const;

  std::string path_;
  int file_;
  std::uint64_t size_ = 0;
};

}  // namespace clew
