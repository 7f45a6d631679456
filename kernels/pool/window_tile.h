// A Window inside a kernel: 32-bit sizes, and the vector of V channels that a thread takes by its number.
#pragma once

#include "kernels/common/launch.h"
#include "kernels/pool/window.h"

namespace saccade {
inline namespace SACCADE_TARGET {

struct WindowTile {
  int height, width, out_height, out_width, channels, kernel, stride, padding;
  uint32_t vectors;              // of V channels in a pixel
  uint32_t in_items, out_items;  // threads of a pass over the input, and of one over the output

  struct Range {
    int begin, end;
  };
  // As in Window.
  __device__ Range taps(int out, int size) const {
    const int first = out * stride - padding;
    return {first < 0 ? -first : 0, size - first < kernel ? size - first : kernel};
  }
  __device__ Range outputs(int in, int out_size) const {
    const int last = in + padding, end = last / stride + 1;
    return {last < kernel ? 0 : (last - kernel) / stride + 1, end < out_size ? end : out_size};
  }

  // The place of vector number `item` in a batch of images with rows x columns pixels.
  struct Place {
    int image, row, column, channel;
  };
  template <int V>
  __device__ Place place(uint32_t item, int columns, int rows) const {
    const uint32_t pixel = item / vectors, line = pixel / static_cast<uint32_t>(columns);
    const uint32_t image = line / static_cast<uint32_t>(rows);
    return {static_cast<int>(image), static_cast<int>(line - image * static_cast<uint32_t>(rows)),
            static_cast<int>(pixel - line * static_cast<uint32_t>(columns)),
            static_cast<int>(item - pixel * vectors) * V};
  }
  __device__ int64_t in_offset(int image, int row, int column) const {
    return ((static_cast<int64_t>(image) * height + row) * width + column) * channels;
  }
  __device__ int64_t out_offset(int image, int row, int column) const {
    return ((static_cast<int64_t>(image) * out_height + row) * out_width + column) * channels;
  }

  WindowTile(const Window& w, int vector, const char* op) {
    constexpr int64_t kMost = int64_t{1} << 31;
    check(w.in_count() / vector < kMost && w.out_count() / vector < kMost && w.channels < kMost, op, ": ",
          w.batch, " images of ", w.height, "x", w.width, " with ", w.channels,
          " channels are too many for one launch");
    check(w.height < kMost / 2 && w.width < kMost / 2 && w.stride < kMost / 2, op,
          ": the image or the stride is too large");
    const auto in_32_bits = [](int64_t value) { return static_cast<int>(value); };
    height = in_32_bits(w.height), width = in_32_bits(w.width), channels = in_32_bits(w.channels);
    out_height = in_32_bits(w.out_height()), out_width = in_32_bits(w.out_width());
    kernel = in_32_bits(w.kernel), stride = in_32_bits(w.stride), padding = in_32_bits(w.padding);
    vectors = static_cast<uint32_t>(w.channels / vector);
    in_items = static_cast<uint32_t>(w.in_count() / vector);
    out_items = static_cast<uint32_t>(w.out_count() / vector);
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
