// Writing what the generator makes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/synthetic/attributes.h"

namespace saccade::synthetic {

// Writes `bytes` to path + ".tmp" and renames it: a killed run leaves no half file under its name.
// InputError: the folder does not take it. Error: the disk is full or fails. Both name the file and the reason.
void write_whole(const std::string& path, const void* bytes, size_t size);

// rgb: [height, width, 3]; quality 1 to 100.
std::vector<uint8_t> encode_jpeg(const std::vector<uint8_t>& rgb, int width, int height, int quality);

// market_attribute.mat: a struct with `test` and `train`, each with the 27 fields of Market-1501 (1xN uint8)
// and `image_index`, a cell of 4-digit strings. As in the published file, the fields come in another order in
// `train`. identities[i] is person i + 1.
void write_market_attributes(const std::string& path, const std::vector<IdentityAttributes>& identities);

}  // namespace saccade::synthetic
