// Files that somebody took for a file of weights or features.
#pragma once

#include <string>

#include "tensor/weights/byte_source.h"

namespace saccade {

// What a file is that is not of the wanted kind, with what to do about it: "a NumPy .npy file; ...". Empty where its
// first bytes do not tell.
std::string other_kind(const ByteSource& source);

}  // namespace saccade
