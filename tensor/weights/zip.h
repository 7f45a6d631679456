// The directory of a zip archive. Nothing is unpacked here: torch.save stores its entries.
// Format: PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/weights/byte_source.h"

namespace saccade {

struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of its data in the file
  uint64_t size = 0;    // bytes in the file
  bool compressed = false;
};

// Throws InputError for a damaged archive, encrypted entries, entries that overlap or that have the same
// name. Checksums are not compared (torch.save may leave them out).
std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

}  // namespace saccade
