#include "image.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "image_file.hpp"

namespace clew {
namespace {

constexpr std::array<char, 8> MAGIC{'C', 'L', 'E', 'W', 'G', 'R', 'P', 'H'};
constexpr std::uint32_t VERSION = 1;

enum Section : std::size_t {
  ROWS,
  LENGTHS,
  ORIGINALS,
  REMOVED,
  EDGES,
  COPIES,
  MEAN,
  COARSE,
  FINE,
  WILD,
  NOTE,
  SECTIONS
};

struct Header {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t metric;
  std::uint64_t dimension;
  std::uint64_t degree;
  std::uint64_t ef_construction;
  std::uint64_t link_min;
  float alpha;
  std::uint32_t use_codes;
  std::uint64_t limit;
  std::uint64_t live;
  std::uint64_t seq;
  std::uint64_t landmarks;  // how many slots they are chosen among; 0: there are no edges
  float step;               // of codes; 0: there are none
  std::uint32_t unused;
  double error;
  double coarse_error;
  double coarse_along;
  std::array<SectionPlace, SECTIONS> sections;
  std::uint64_t checksum;  // of all before
};

std::uint64_t checksum_of(const Header& header) {
  Checksum sum;
  sum.add(&header, offsetof(Header, checksum));
  return sum.value();
}

}  // namespace

// Knows the insides of what it writes and reads.
class Image {
 public:
  static void write(const Graph& graph, ImageWriter& file, std::string_view note);
  static std::unique_ptr<Graph> read(ImageReader& file, bool mapped, std::string& note);

 private:
  static void write_edges(const Graph& graph, const View& view, ImageWriter& file, Header& header);
  static void write_codes(const Codes& codes, const View& view, ImageWriter& file, Header& header);
  static void read_edges(Graph& graph, const Header& header, ImageReader& file);
  static void read_codes(Graph& graph, const Header& header, ImageReader& file);
};

void Image::write(const Graph& graph, ImageWriter& file, std::string_view note) {
  const View view = graph.view();
  const Guide guide = graph.guide();
  const VectorStore& vectors = graph.vectors_;
  const GraphOptions& options = graph.options_;
  Header header{};
  header.magic = MAGIC;
  header.version = VERSION;
  header.metric = static_cast<std::uint32_t>(vectors.metric());
  header.dimension = vectors.dimension();
  header.degree = options.degree;
  header.ef_construction = options.ef_construction;
  header.link_min = options.link_min;
  header.alpha = options.alpha;
  header.use_codes = options.codes ? 1 : 0;
  header.limit = view.limit;
  header.live = view.live;
  header.seq = view.seq;
  file.skip(sizeof header);
  header.sections[ROWS] = file.rows(vectors.rows_, view.limit);
  if (vectors.metric() != Metric::euclidean) header.sections[LENGTHS] = file.rows(vectors.lengths_, view.limit);
  header.sections[ORIGINALS] = file.bytes(vectors.originals(view.limit));
  header.sections[REMOVED] = file.rows_of<Seq>(1, view.limit, [&](Slot slot, Seq* out) {
    const Seq removed = graph.removed_[slot]->load(std::memory_order_relaxed);
    *out = removed <= view.seq ? removed : 0;
  });
  if (graph.linked() && guide.landmarks->count() <= view.limit) {
    header.landmarks = guide.landmarks->count();
    write_edges(graph, view, file, header);
    if (guide.codes != nullptr) write_codes(*guide.codes, view, file, header);
  }
  header.sections[NOTE] = file.bytes({note.begin(), note.end()});
  header.checksum = checksum_of(header);
  file.finish(&header, sizeof header);
}

// Slots may have been added since the view was taken: edges to them are left out.
void Image::write_edges(const Graph& graph, const View& view, ImageWriter& file, Header& header) {
  const std::size_t degree = graph.options_.degree;
  header.sections[EDGES] = file.rows_of<Slot>(degree, view.limit, [&](Slot slot, Slot* out) {
    std::size_t used = 0;
    for (std::size_t i = 0; i < degree; ++i) {
      const Slot place = graph.neighbors(slot)[i].load(std::memory_order_acquire);
      if (place != Graph::EMPTY && Graph::from_place(place) < view.limit) out[used++] = place;
    }
    std::fill(out + used, out + degree, Graph::EMPTY);
  });
  header.sections[COPIES] = file.rows_of<Slot>(1, view.limit, [&](Slot slot, Slot* out) {
    Slot copy = graph.next_copy(slot);
    while (copy != NO_SLOT && copy >= view.limit) copy = graph.next_copy(copy);
    *out = copy == NO_SLOT ? Graph::EMPTY : copy + 1;
  });
}

void Image::write_codes(const Codes& codes, const View& view, ImageWriter& file, Header& header) {
  header.step = codes.step_;
  header.error = codes.error_;
  header.coarse_error = codes.coarse_error_;
  header.coarse_along = codes.coarse_along_;
  const auto* mean = reinterpret_cast<const char*>(codes.mean_.data());
  header.sections[MEAN] = file.bytes({mean, mean + codes.mean_.size() * sizeof(float)});
  header.sections[COARSE] = file.rows(codes.coarse_, view.limit);
  header.sections[FINE] = file.rows(codes.fine_, view.limit);
  header.sections[WILD] =
      file.rows_of<std::uint8_t>(1, view.limit, [&](Slot slot, std::uint8_t* out) { *out = codes.wild(slot) ? 1 : 0; });
}

std::unique_ptr<Graph> Image::read(ImageReader& file, bool mapped, std::string& note) {
  Header header;
  file.head(&header, sizeof header);
  if (header.magic != MAGIC) throw DamagedImage("not an image of a graph");
  if (header.version != VERSION) {
    throw DamagedImage("version " + std::to_string(header.version) + ", expected " + std::to_string(VERSION));
  }
  if (header.checksum != checksum_of(header)) throw DamagedImage("the header does not have its checksum");
  const GraphOptions options{header.degree, header.ef_construction, header.alpha, header.link_min,
                             header.use_codes != 0};
  auto graph = std::make_unique<Graph>(header.dimension, static_cast<Metric>(header.metric), options);
  VectorStore& vectors = graph->vectors_;
  const auto limit = static_cast<Slot>(header.limit);
  if (header.landmarks != 0) vectors.use_huge_pages();
  if (mapped) {
    file.map(header.sections[ROWS], vectors.rows_, limit);
  } else {
    file.rows(header.sections[ROWS], vectors.rows_, limit);
  }
  if (vectors.metric() != Metric::euclidean) file.rows(header.sections[LENGTHS], vectors.lengths_, limit);
  vectors.restore(limit, file.bytes(header.sections[ORIGINALS]));
  file.rows(header.sections[REMOVED], graph->removed_, limit);
  if (header.landmarks != 0) read_edges(*graph, header, file);
  const std::vector<char> text = file.bytes(header.sections[NOTE]);
  note.assign(text.begin(), text.end());
  graph->view_ = {limit, header.live, header.seq};
  return graph;
}

void Image::read_edges(Graph& graph, const Header& header, ImageReader& file) {
  const auto limit = static_cast<Slot>(header.limit);
  graph.neighbors_.use_huge_pages();
  file.rows(header.sections[EDGES], graph.neighbors_, limit);
  file.rows(header.sections[COPIES], graph.copies_, limit);
  graph.edges_into_.reserve(limit);
  for (Slot slot = 0; slot < limit; ++slot) {
    if (*graph.copies_[slot] > limit) throw DamagedImage("a copy does not exist");
    if (*graph.copies_[slot] != Graph::EMPTY) graph.any_copies_ = true;
    for (std::size_t i = 0; i < graph.options_.degree; ++i) {
      const Slot place = graph.neighbors(slot)[i].load(std::memory_order_relaxed);
      if (place == Graph::EMPTY) break;
      if (place > limit) throw DamagedImage("an edge leads nowhere");
      *graph.edges_into_[Graph::from_place(place)] += 1;
    }
  }
  if (header.step != 0) read_codes(graph, header, file);
  graph.landmarks_ = std::make_shared<const Landmarks>(graph, static_cast<Slot>(header.landmarks));
  graph.linked_.store(true, std::memory_order_release);
}

void Image::read_codes(Graph& graph, const Header& header, ImageReader& file) {
  std::shared_ptr<Codes> codes(new Codes(graph.vectors_));
  const std::vector<char> mean = file.bytes(header.sections[MEAN]);
  if (mean.size() != codes->mean_.size() * sizeof(float)) throw DamagedImage("the mean has another dimension");
  std::memcpy(codes->mean_.data(), mean.data(), mean.size());
  codes->step_ = header.step;
  codes->error_ = header.error;
  codes->coarse_error_ = header.coarse_error;
  codes->coarse_along_ = header.coarse_along;
  const auto limit = static_cast<Slot>(header.limit);
  file.rows(header.sections[COARSE], codes->coarse_, limit);
  file.rows(header.sections[FINE], codes->fine_, limit);
  Rows<std::uint8_t> wild(1);
  file.rows(header.sections[WILD], wild, limit);
  codes->reserve(limit);
  for (Slot slot = 0; slot < limit; ++slot) {
    if (*wild[slot] != 0) codes->set_wild(slot);
  }
  graph.codes_ = std::move(codes);
}

void write_image(const Graph& graph, const std::string& path, std::string_view note) {
  ImageWriter file(path);
  Image::write(graph, file, note);
}

std::unique_ptr<Graph> read_image(const std::string& path, bool mapped, std::string& note) {
  ImageReader file(path);
  return Image::read(file, mapped, note);
}

}  // namespace clew
