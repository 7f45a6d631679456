// How elements lie in a weight file. Two types have no DType: once read, f16 is f32 and bool is u8.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace saccade {

enum class FileType : uint8_t { f32, bf16, f64, i64, i32, u8, f16, boolean };

// What elements of this type become in memory.
constexpr DType memory_dtype(FileType type) {
  switch (type) {
    case FileType::f32:
      return DType::f32;
    case FileType::bf16:
      return DType::bf16;
    case FileType::f64:
      return DType::f64;
    case FileType::i64:
      return DType::i64;
    case FileType::i32:
      return DType::i32;
    case FileType::u8:
      return DType::u8;
    case FileType::f16:
      return DType::f32;
    case FileType::boolean:
      return DType::u8;
  }
  return DType::u8;
}

// What is said of a tensor whose elements are of a type that FileType does not have; `name` is the file's.
std::string unread_type(std::string_view name);

// Bytes of one element in the file.
constexpr size_t file_size(FileType type) {
  return type == FileType::f16 ? 2 : size_of(memory_dtype(type));
}

// The value of an IEEE binary16.
inline float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  // Normal or subnormal, the bits in their place are the value times 2^-112, so the product below is exact.
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f));
}

// The elements of `raw`, which are as the file has them, as elements of memory_dtype(type).
std::vector<std::byte> to_memory(FileType type, std::vector<std::byte> raw);

}  // namespace saccade
