#include "tensor/weights/weight_file.h"

#include <algorithm>

#include "tensor/shape.h"

namespace saccade {

static_assert(kMaxFileRank == Shape::kMaxRank);

const HostTensor* WeightFile::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const HostTensor& tensor) { return tensor.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

int64_t byte_count(DType dtype, std::span<const int64_t> shape) {
  // A zero counts as one in the product, so that [huge, huge, 0] is refused like [huge, huge].
  int64_t bytes = static_cast<int64_t>(size_of(dtype));
  bool empty = false;
  for (const int64_t size : shape) {
    check(size >= 0, "a size of ", size, " is negative");
    check(!__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes),
          "the shape is too large for 63 bits");
    empty = empty || size == 0;
  }
  return empty ? 0 : bytes;
}

std::string printable(std::string_view text) {
  constexpr size_t longest = 100;
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out + (text.size() > longest ? "...'" : "'");
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || length > text.size() - i) return false;
    uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 63u);
    }
    constexpr uint32_t first_of_length[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < first_of_length[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += length;
  }
  return true;
}

}  // namespace saccade
