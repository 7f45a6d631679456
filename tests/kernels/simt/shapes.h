// Cases for the checkers alone: sizes at which a kernel takes a second turn or its data ends inside a vector,
// where only the order of memory or an access past an end tells right from wrong. Values are compared with
// the oracle's, as in every case.
#pragma once

#include <string>
#include <vector>

#include "autograd/registry/registry.h"

namespace saccade {

std::vector<Case> checker_cases(const std::string& op);

}  // namespace saccade
