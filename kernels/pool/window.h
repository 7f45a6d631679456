// A square window that slides over an NHWC image.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/error.h"

namespace saccade {

struct Window {
  int64_t batch = 0, height = 0, width = 0, channels = 0;  // of the input
  int64_t kernel = 1, stride = 1, padding = 0;

  // The largest kernel: one byte holds a position in the window.
  static constexpr int64_t kLargest = 15;

  int64_t out_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  int64_t out_width() const { return (width + 2 * padding - kernel) / stride + 1; }
  int64_t in_count() const { return batch * height * width * channels; }
  int64_t out_count() const { return batch * out_height() * out_width() * channels; }

  // InputError unless every window meets the image.
  void validate(const char* op) const {
    check_input(kernel >= 1 && kernel <= kLargest, op, ": kernel ", kernel, " is not in 1..", kLargest);
    check_input(stride >= 1, op, ": stride ", stride, " is below 1");
    check_input(padding >= 0 && 2 * padding <= kernel, op, ": padding ", padding,
                " is not in 0..kernel/2 = ", kernel / 2);
    check_input(height + 2 * padding >= kernel && width + 2 * padding >= kernel, op, ": an image of ", height,
                "x", width, " with padding ", padding, " is smaller than the kernel ", kernel);
  }

  // Taps [begin, end) of output row (or column) `out` that lie on a side of `size`.
  struct Range {
    int64_t begin, end;
  };
  Range taps(int64_t out, int64_t size) const {
    const int64_t first = out * stride - padding;
    return {std::max<int64_t>(0, -first), std::min(kernel, size - first)};
  }
  // Output rows (or columns) [begin, end) whose window holds input position `in`.
  Range outputs(int64_t in, int64_t out_size) const {
    const int64_t last = in + padding;
    const int64_t begin = last < kernel ? 0 : (last - kernel) / stride + 1;
    return {begin, std::min(out_size, last / stride + 1)};
  }
};

}  // namespace saccade
