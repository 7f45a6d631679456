// Where a .pth keeps the pickle of its objects and the elements of its storages. Since PyTorch 1.6 it is a zip archive
// with one entry for each of them. Before, it was one stream (torch/serialization.py, _legacy_save): five pickles (a
// magic number, the protocol 1001, the system that wrote it, the objects, the list of the storages' keys), then for
// each key the number of elements as an int64 and the elements. `_use_new_zipfile_serialization=False` still writes it.
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

// Which of the two it is, the first byte says. InputError of one line with the path and the reason: a damaged or
// truncated file, TorchScript, a compressed pickle, a big-endian machine, a pickle that torch.save did not write.
TorchArchive read_torch_archive(const ByteSource& source);

}  // namespace saccade
