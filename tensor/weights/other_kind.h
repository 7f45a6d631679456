// Files that somebody took for a file of weights or features.
#pragma once

#include <string>

#include "tensor/weights/byte_source.h"

namespace saccade {

// What a file is that is not of the wanted kind.
struct OtherKind {
  std::string name;          // "a NumPy .npy file"; empty where the first bytes do not tell
  bool has_tensors = false;  // that somebody may want to save anew
};
OtherKind other_kind(const ByteSource& source);

}  // namespace saccade
