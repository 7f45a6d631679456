#include "tensor/weights/file_type.h"

#include <cstring>

#include "tensor/weights/weight_file.h"

namespace saccade {

std::string unread_type(std::string_view name) {
  return concat("it is of the type ", printable(name), ", which is not read here");
}

std::vector<std::byte> to_memory(FileType type, std::vector<std::byte> raw) {
  if (type == FileType::boolean) {
    for (std::byte& b : raw) b = b != std::byte{0} ? std::byte{1} : std::byte{0};
  }
  if (type != FileType::f16) return raw;
  std::vector<std::byte> floats(raw.size() / sizeof(uint16_t) * sizeof(float));
  for (size_t i = 0; i < raw.size() / sizeof(uint16_t); ++i) {
    uint16_t half;
    std::memcpy(&half, raw.data() + i * sizeof half, sizeof half);
    const float value = float_of_half(half);
    std::memcpy(floats.data() + i * sizeof value, &value, sizeof value);
  }
  return floats;
}

}  // namespace saccade
