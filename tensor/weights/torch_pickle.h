// PyTorch's .pth files: a zip archive of one pickle and one entry for each storage. They are read without
// Python, by a machine that can only build tensors and containers (see pickle.h) and runs nothing.
//
// Which tensors are read, and under which names:
//  - The root must be a dictionary. If it has a dictionary under "state_dict", "model_state_dict" or "model"
//    (the first of these), the tensors are taken from there alone, otherwise from the root.
//  - Names of nested dictionaries, lists and tuples are joined by dots: {"head": {"bias": t}} is "head.bias".
//  - Where every name starts with "module." (DataParallel), that prefix is removed.
//  - Texts, numbers and booleans beside the tensors, or beside the chosen dictionary, become metadata; None
//    is left out.
// f16 becomes f32 and bool becomes u8. A strided tensor is gathered into a dense one.
//
// Refused with an InputError of one line with the path and the reason: the format before PyTorch 1.6,
// TorchScript, compressed or overlapping entries, any other global name, other dtypes, tensors that reach
// outside their storage, and files that would take more than 4 times their size plus 1 MiB (shared storages).
#pragma once

#include <functional>
#include <span>
#include <string>

#include "tensor/weights/weight_file.h"

namespace saccade {

// Reads the tensors whose final names `wanted` accepts (all without it).
WeightFile read_torch_pickle(const std::string& path,
                             const std::function<bool(const std::string&)>& wanted = {});

// The same from memory; `name` stands for the path in messages.
WeightFile parse_torch_pickle(std::span<const std::byte> bytes, const std::string& name);

}  // namespace saccade
