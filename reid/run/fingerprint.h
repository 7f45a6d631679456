// What tells the pictures of two folders apart.
#pragma once

#include <string>
#include <vector>

#include "reid/data/dataset.h"

namespace saccade {

// How many pictures, and a checksum of their names in order: what batches are drawn from.
std::string fingerprint_of(const std::vector<ImageRecord>& records);

}  // namespace saccade
