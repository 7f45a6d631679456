// The files that the generator writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/synthetic/attributes.h"

namespace saccade::synthetic {

// The bytes of a JPEG file. rgb: [height, width, 3]; quality from 1 to 100. Error if it cannot be encoded.
std::vector<uint8_t> encode_jpeg(const std::vector<uint8_t>& rgb, int height, int width, int quality);

// Writes market_attribute.mat: a struct with `test` and `train`, each with the 27 fields of Market-1501 (1xN
// uint8) and `image_index`, a cell of 4-digit strings. The fields of `train` come in another order than those
// of `test`, as in the published file. identities[i] is person i + 1. The file appears whole or not at all.
// InputError, which names it, if the folder does not take it; Error if the disk is full or fails.
void write_market_attributes(const std::string& path, const std::vector<IdentityAttributes>& identities);

}  // namespace saccade::synthetic
