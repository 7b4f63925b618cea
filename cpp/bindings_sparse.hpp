#pragma once

#include <nanobind/nanobind.h>

namespace clew {

// Adds to the module what sparse and hybrid queries need. Graph must be known to it already.
void bind_sparse(nanobind::module_& m);

}  // namespace clew
