// PyTorch's .pth files, which hold a pickle and the elements of its storages (see torch_archive.h for where). They are
// read without Python, by a machine that can only build tensors and containers (see pickle.h) and runs nothing.
//
// Which tensors are read, and under which names:
//  - The root must be a dictionary, a list or a tuple. If it is a dictionary that has a dictionary with tensors in it
//    under "state_dict", "model_state_dict" or "model" (the first of these), the tensors are taken from there alone,
//    otherwise from the root.
//  - Names of nested dictionaries, lists and tuples are joined by dots: {"head": {"bias": t}} is "head.bias".
//    What lies under another key than a text or a whole number has no name and is passed over, as are names that are
//    not UTF-8 or longer than 1000 bytes.
//  - Texts, numbers and booleans beside the tensors, or beside the chosen dictionary, become metadata; None
//    is left out.
// f16 becomes f32 and bool becomes u8. A strided tensor is gathered into a dense one.
//
// What else lies among the tensors (an object of any class, a set, a NumPy scalar) is opaque and listed in
// WeightFile::unread. So is a tensor that cannot be read: one of another dtype, one whose storage is missing,
// compressed or of a wrong size, one that reaches outside its storage, one that would make the file take more than 4
// times its size plus 1 MiB (shared storages). If `wanted` accepts such a tensor, it is an InputError that names it
// and the reason.
//
// Refused with an InputError of one line with the path and the reason: the tar format of PyTorch's first year,
// TorchScript, overlapping entries, a damaged pickle, and a file in which no tensor can be read.
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
