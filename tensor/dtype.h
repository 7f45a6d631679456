// The types that an element of a tensor can have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/common/bf16.h"
#include "kernels/common/bound.h"

namespace saccade {

// `bound` is the oracle's scalar with its error bound (kernels/common/bound.h): for tests, and in no file.
enum class DType : uint8_t { f32, bf16, f64, i64, i32, u8, bound };

// Bytes of one element.
constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::f64:
      return 8;
    case DType::i64:
      return 8;
    case DType::i32:
      return 4;
    case DType::u8:
      return 1;
    case DType::bound:
      return sizeof(Bound);
  }
  return 0;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f64:
      return "f64";
    case DType::i64:
      return "i64";
    case DType::i32:
      return "i32";
    case DType::u8:
      return "u8";
    case DType::bound:
      return "bound";
  }
  return "unknown";
}

// What sums over the type are kept in, and what is made of such sums (losses, statistics): f32 for bf16, else the type
// itself. The accumulator type of kernels/common/accumulator.h at run time.
constexpr DType accumulator_of(DType dtype) {
  return dtype == DType::bf16 ? DType::f32 : dtype;
}

// The dtype of a C++ element type: float, bf16, double, int64_t, int32_t, uint8_t or Bound.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, bf16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::u8;
  else {
    static_assert(std::is_same_v<T, Bound>, "no DType holds this type");
    return DType::bound;
  }
}

static_assert(sizeof(Bound) == 16);

}  // namespace saccade
