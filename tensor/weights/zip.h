// The directory of a zip archive. Nothing is unpacked here, since torch.save stores its entries without
// compression. The format is that of PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3 (zip64).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/weights/byte_source.h"

namespace saccade {

struct ZipEntry {
  std::string name;
  uint64_t offset = 0;  // of its data, in bytes of the file
  uint64_t size = 0;    // of its data, in bytes of the file
  bool compressed = false;
};

// The entries in the order of the directory. InputError for a damaged archive, for encrypted entries, and for
// entries that overlap or have the same name. Checksums are not compared: torch.save may leave them out.
std::vector<ZipEntry> read_zip_directory(const ByteSource& source);

}  // namespace saccade
