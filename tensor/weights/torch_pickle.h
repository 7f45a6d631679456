// PyTorch's .pth files: a zip archive of a pickle and of one entry per storage. They are read without Python
// by a machine that can only build tensors and containers (see pickle.h) and never runs what the file names.
//
// Which tensors, and under which names:
//  - the file's root must be a dictionary; where it has a dictionary under "state_dict", "model_state_dict"
//  or "model"
//    (the first of these), the tensors are taken from there alone, else from the root;
//  - dictionaries, lists and tuples inside become names joined by dots: {"head": {"bias": t}} is "head.bias";
//  - where every name starts with "module." (DataParallel), that prefix goes;
//  - texts, numbers and booleans beside the tensors, or beside the chosen dictionary, become metadata; None
//  goes.
// f16 becomes f32 and bool becomes u8. A strided tensor is gathered into a dense one.
//
// Refused with an InputError (one line with the path and the reason): the format before PyTorch 1.6,
// TorchScript, compressed or overlapping entries, any other global name, other dtypes, tensors outside their
// storage, files that would need more than 4 times their own size (expanded or shared storages) plus 1 MiB.
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
