// Reads weight files of either format.
#pragma once

#include <functional>
#include <string>

#include "tensor/weights/weight_file.h"

namespace saccade {

// Reads a safetensors file (safetensors.h) or a PyTorch .pth (torch_pickle.h). Which of them it is, the first
// bytes say and not the name. Only the tensors whose names `wanted` accepts are read (all without it). What
// cannot be read is an InputError of one line with the path and the reason.
WeightFile read_weights(const std::string& path, const std::function<bool(const std::string&)>& wanted = {});

}  // namespace saccade
