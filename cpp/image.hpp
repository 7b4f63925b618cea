// A graph as a file and back: vectors, edges, tombstones and codes, each with a checksum. docs/format.md has the
// layout.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "graph.hpp"

namespace clew {

// What a file says cannot be what write_image() wrote.
class DamagedImage : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Writes what is visible now to a new file and to the disk, and `note` with it: what the caller needs to know of the
// slots. The writer may go on beside it. Throws std::system_error when the system refuses.
void write_image(const Graph& graph, const std::string& path, std::string_view note);

// The graph of a file, and its note. `mapped`: vectors stay in the file and are read where they are needed; their
// checksum is not looked at then. Throws DamagedImage or std::system_error.
std::unique_ptr<Graph> read_image(const std::string& path, bool mapped, std::string& note);

}  // namespace clew
