// What a weight file holds, in host memory and without any Tensor: names, shapes, and bytes in the layout of
// the file, which is PyTorch's (convolutions OIHW, linear layers OI).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/common/error.h"
#include "tensor/dtype.h"

namespace saccade {

// No file may hold a tensor with more dimensions than this, which is what a Shape takes.
inline constexpr size_t kMaxFileRank = 6;

struct HostTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;    // [] is a scalar: one element
  std::vector<std::byte> bytes;  // dense, row-major, little-endian; its start is aligned for every dtype

  // The elements as T. Error if T is not the dtype.
  template <class T>
  std::span<const T> values() const {
    check(dtype == dtype_of<T>(), "tensor ", name, " is ", name_of(dtype), ", not ", name_of(dtype_of<T>()));
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

struct WeightFile {
  std::vector<HostTensor> tensors;  // in the order of the file; no two have the same name
  std::map<std::string, std::string> metadata;
  // What was asked for and cannot be read, and why, in a few words: a tensor of a type that a DType does not have, or
  // whose elements are not whole in the file; in a .pth also what lies among the tensors and is none.
  std::map<std::string, std::string> unread = {};

  // The tensor of this name, or null. Linear in the number of tensors.
  const HostTensor* find(std::string_view name) const;
};

// A tensor without its data.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
};

// The bytes that a dense tensor takes. Error for a negative size, and where 63 bits do not hold the result.
int64_t byte_count(DType dtype, std::span<const int64_t> shape);

// `text` between quotes for a one-line message: control and non-ASCII bytes escaped, long text shortened.
std::string printable(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace saccade
