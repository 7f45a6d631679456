// Reads weight files of either format.
#pragma once

#include <functional>
#include <string>

#include "tensor/weights/weight_file.h"

namespace saccade {

enum class WeightFormat { safetensors, torch };

// By the first bytes of a file, and not by its name. InputError, which says what the file is, if it is of neither format.
WeightFormat weight_format(const std::string& path);

// Reads a safetensors file (safetensors.h) or a PyTorch .pth (torch_pickle.h). Only the tensors whose names `wanted`
// accepts are read (all without it). A tensor that cannot be read is named in WeightFile::unread; if `wanted` accepts it,
// it is an InputError. So is a file that cannot be read. The message is one line with the path and the reason.
WeightFile read_weights(const std::string& path, const std::function<bool(const std::string&)>& wanted = {});

}  // namespace saccade
