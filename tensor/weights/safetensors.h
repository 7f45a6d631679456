// The safetensors format: eight bytes of header length, a JSON header {name: {dtype, shape, data_offsets},
// "__metadata__": {text: text}}, then the data, dense and without gaps.
//
// Readers check the whole header before they allocate any tensor. A file that is refused is an InputError of one line
// with the path and the reason. The dtypes F32, BF16, F64, I64, I32 and U8 are read as they are; F16 becomes f32 and
// BOOL becomes u8 (0 or 1). A tensor of any other dtype is checked like the rest (but for its size where the dtype is
// unknown) and named in WeightFile::unread; if `wanted` accepts it, it is an InputError that names the dtype. A tensor
// may start at any byte of the file.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/weights/weight_file.h"

namespace saccade {

// Reads the tensors whose names `wanted` accepts (all without it) and the metadata.
WeightFile read_safetensors(const std::string& path,
                            const std::function<bool(const std::string&)>& wanted = {});

// The same from memory; `name` stands for the path in messages.
WeightFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // dtype and shape as read_safetensors gives them
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> unread;  // of other dtypes, as in a WeightFile
};

// Reads the header alone and checks it as strictly. The cost does not grow with the size of the weights.
SafetensorsHeader read_safetensors_header(const std::string& path);

// A tensor to write, whose bytes someone else keeps.
struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  // as in the file: OIHW for a convolution
  const void* data = nullptr;  // host memory, byte_count(dtype, shape) bytes
  bool krsc = false;           // the data is a KRSC convolution weight, to be written as OIHW
};

// Writes atomically (see atomic_file.h): after an Error the old file is untouched and nothing else is left
// behind. The same input gives the same bytes: the header lists the tensors in the given order and is padded
// to 8 bytes, and the data lies by falling element size (PyTorch's reader needs every tensor aligned to its
// element). False if the disk cannot be asked to keep it (AtomicFile::commit). Error for names that are not UTF-8
// or not unique, dtypes that files do not hold, and a full disk.
bool write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);
bool write_safetensors(const std::string& path, const WeightFile& file);

}  // namespace saccade
