// Reads weight files of either format.
#pragma once

#include <functional>
#include <string>

#include "tensor/weights/weight_file.h"

namespace saccade {

// Reads a safetensors file (safetensors.h) or a PyTorch .pth (torch_pickle.h). The first bytes say which of them it is,
// and not the name. Only the tensors whose names `wanted` accepts are read (all without it). A tensor that cannot be
// read is named in WeightFile::unread; if `wanted` accepts it, it is an InputError. So is a file that cannot be read.
// The message is one line with the path and the reason.
WeightFile read_weights(const std::string& path, const std::function<bool(const std::string&)>& wanted = {});

}  // namespace saccade
