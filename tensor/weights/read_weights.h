// One door for weight files of either format.
#pragma once

#include <functional>
#include <string>

#include "tensor/weights/weight_file.h"

namespace saccade {

// Reads a safetensors file (safetensors.h) or a PyTorch .pth (torch_pickle.h): which of them, the first bytes
// say, not the name. Only the tensors whose names `wanted` accepts. Throws InputError: one line with the path
// and the reason.
WeightFile read_weights(const std::string& path, const std::function<bool(const std::string&)>& wanted = {});

}  // namespace saccade
