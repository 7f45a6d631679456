#include "tensor/weights/layout.h"

#include <algorithm>

namespace saccade {

namespace {

// For each of `count` matrices: to[c][r] = from[r][c]. Of a Word only its size matters.
template <class Word>
void transpose(int64_t count, int64_t rows, int64_t columns, const void* from, void* to) {
  const auto* source = static_cast<const Word*>(from);
  auto* target = static_cast<Word*>(to);
  for (int64_t n = 0; n < count; ++n, source += rows * columns, target += rows * columns) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) target[c * rows + r] = source[r * columns + c];
    }
  }
}

void transpose(DType dtype, int64_t count, int64_t rows, int64_t columns, const void* from, void* to) {
  switch (dtype) {
    case DType::f32:
      return transpose<float>(count, rows, columns, from, to);
    case DType::f64:
      return transpose<double>(count, rows, columns, from, to);
    case DType::bf16:
      return transpose<bf16>(count, rows, columns, from, to);
    default:
      throw Error(concat("convolution weights are not ", name_of(dtype)));
  }
}

void check_rank(std::span<const int64_t> shape) {
  check(shape.size() == 4, "a convolution weight has 4 dimensions, not ", shape.size());
}

}  // namespace

void permute_oihw_to_krsc(DType dtype, std::span<const int64_t> shape, const void* from, void* to) {
  check_rank(shape);
  transpose(dtype, shape[0], shape[1], shape[2] * shape[3], from, to);
}

void permute_krsc_to_oihw(DType dtype, std::span<const int64_t> shape, const void* from, void* to) {
  check_rank(shape);
  transpose(dtype, shape[0], shape[1] * shape[2], shape[3], from, to);
}

HostTensor permute_oihw_to_krsc(const HostTensor& weight) {
  HostTensor out = weight;
  permute_oihw_to_krsc(weight.dtype, weight.shape, weight.bytes.data(), out.bytes.data());
  std::rotate(out.shape.begin() + 1, out.shape.begin() + 2, out.shape.end());  // [o, i, h, w] -> [o, h, w, i]
  return out;
}

HostTensor permute_krsc_to_oihw(const HostTensor& weight) {
  HostTensor out = weight;
  permute_krsc_to_oihw(weight.dtype, weight.shape, weight.bytes.data(), out.bytes.data());
  std::rotate(out.shape.begin() + 1, out.shape.end() - 1, out.shape.end());  // [o, h, w, i] -> [o, i, h, w]
  return out;
}

}  // namespace saccade
