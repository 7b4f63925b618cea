#include "image_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <system_error>

#include "image.hpp"

namespace clew {
namespace {

constexpr std::uint64_t PAGE = 4096;  // mapped sections start on one
constexpr std::uint64_t FACTOR = 0xC2B2AE3D27D4EB4F;
constexpr std::uint64_t OTHER_FACTOR = 0x9E3779B185EBCA87;

[[noreturn]] void refuse(const std::string& path) { throw std::system_error(errno, std::generic_category(), path); }

}  // namespace

void Checksum::round(const unsigned char* block) {
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) word |= std::uint64_t{block[lane * 8 + i]} << (8 * i);
    lanes_[lane] = std::rotl(lanes_[lane] + word * FACTOR, 31) * OTHER_FACTOR;
  }
}

void Checksum::add(const void* bytes, std::size_t count) {
  const auto* from = static_cast<const unsigned char*>(bytes);
  length_ += count;
  if (used_ > 0) {
    const std::size_t n = std::min(count, waiting_.size() - used_);
    std::copy_n(from, n, waiting_.data() + used_);
    used_ += n;
    from += n;
    count -= n;
    if (used_ < waiting_.size()) return;
    round(waiting_.data());
    used_ = 0;
  }
  for (; count >= waiting_.size(); from += waiting_.size(), count -= waiting_.size()) round(from);
  std::copy_n(from, count, waiting_.data());
  used_ = count;
}

std::uint64_t Checksum::value() const {
  Checksum last = *this;
  std::fill(last.waiting_.begin() + static_cast<std::ptrdiff_t>(used_), last.waiting_.end(), 0);
  last.round(last.waiting_.data());
  std::uint64_t sum = length_;
  for (const std::uint64_t lane : last.lanes_) sum = (sum ^ std::rotl(lane, 27)) * FACTOR + OTHER_FACTOR;
  sum = (sum ^ sum >> 33) * OTHER_FACTOR;
  return sum ^ sum >> 29;
}

ImageWriter::ImageWriter(const std::string& path)
    : path_(path), file_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (file_ < 0) refuse(path_);
}

ImageWriter::~ImageWriter() { close(file_); }

void ImageWriter::begin() {
  offset_ = (offset_ + PAGE - 1) / PAGE * PAGE;
  start_ = offset_;
  sum_ = Checksum();
}

void ImageWriter::append(const void* bytes, std::size_t count) {
  write_at(bytes, count, offset_);
  sum_.add(bytes, count);
  offset_ += count;
}

SectionPlace ImageWriter::end() { return {start_, offset_ - start_, sum_.value()}; }

SectionPlace ImageWriter::bytes(const std::vector<char>& bytes) {
  begin();
  append(bytes.data(), bytes.size());
  return end();
}

void ImageWriter::finish(const void* head, std::size_t bytes) {
  if (fsync(file_) != 0) refuse(path_);
  write_at(head, bytes, 0);
  if (fsync(file_) != 0) refuse(path_);
}

void ImageWriter::write_at(const void* bytes, std::size_t count, std::uint64_t offset) {
  const auto* from = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = pwrite(file_, from, count, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) refuse(path_);
    from += written;
    offset += static_cast<std::uint64_t>(written);
    count -= static_cast<std::size_t>(written);
  }
}

ImageReader::ImageReader(const std::string& path) : path_(path), file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status{};
  if (file_ < 0) refuse(path_);
  if (fstat(file_, &status) != 0) {
    close(file_);
    refuse(path_);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ImageReader::~ImageReader() { close(file_); }

void ImageReader::head(void* out, std::size_t bytes) {
  if (size_ < bytes) throw DamagedImage(path_ + " is shorter than its header");
  read_at(out, bytes, 0);
}

std::vector<char> ImageReader::bytes(const SectionPlace& place) {
  check(place, place.bytes);
  std::vector<char> result(place.bytes);
  read_at(result.data(), result.size(), place.offset);
  Checksum sum;
  sum.add(result.data(), result.size());
  compare(place, sum);
  return result;
}

void ImageReader::check(const SectionPlace& place, std::uint64_t bytes) const {
  if (place.bytes != bytes) throw DamagedImage(path_ + " has a section of another size than it should");
  if (place.bytes == 0) return;
  if (place.offset > size_ || place.bytes > size_ - place.offset) throw DamagedImage(path_ + " has been cut short");
}

void ImageReader::compare(const SectionPlace& place, const Checksum& sum) const {
  if (place.bytes > 0 && sum.value() != place.checksum) {
    throw DamagedImage(path_ + " has a section without its checksum, at " + std::to_string(place.offset));
  }
}

void ImageReader::read_at(void* out, std::size_t count, std::uint64_t offset) const {
  auto* to = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got = pread(file_, to, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(path_);
    if (got == 0) throw DamagedImage(path_ + " has been cut short");
    to += got;
    offset += static_cast<std::uint64_t>(got);
    count -= static_cast<std::size_t>(got);
  }
}

}  // namespace clew
