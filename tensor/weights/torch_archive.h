// Where a .pth keeps the pickle of its objects and the elements of its storages: a zip archive with one entry for each
// of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tensor/weights/byte_source.h"
#include "tensor/weights/pickle.h"

namespace saccade {

struct StorageBytes {
  uint64_t offset = 0, size = 0;  // in bytes of the file
  bool compressed = false;
};

struct TorchArchive {
  std::vector<std::byte> pickle;  // what the texts of `objects` point into
  PickleObjects objects;
  std::map<std::string, StorageBytes, std::less<>> storages;  // by key
};

// InputError of one line with the path and the reason: a damaged or truncated file, TorchScript, a compressed pickle, a
// big-endian machine.
TorchArchive read_torch_archive(const ByteSource& source);

}  // namespace saccade
