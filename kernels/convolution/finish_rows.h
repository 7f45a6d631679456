// Finish for forms that compute blocks of rows of y, each thread some of them.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/convolution/finish.h"
#include "kernels/norm/column_sums.h"

namespace saccade {

class FinishRows {
 public:
  FinishRows(Context& context, const Finish& finish, int64_t channels, int64_t blocks)
      : context_(context),
        finish_(finish),
        channels_(channels),
        blocks_(blocks),
        parts_(std::min<int64_t>(blocks, 4 * context.threads())),
        sums_(finish.sums ? static_cast<size_t>(2 * parts_ * channels) : 0) {}

  // Calls body(first block, last block, finished) for parts of the blocks, and adds the parts' sums in order. The body
  // calls finished(first row, rows, y of that row) for rows that it has computed.
  template <class Body>
  void for_blocks(Body&& body) {
    parallel_for(context_, parts_, 1, [&](int64_t first_part, int64_t last_part) {
      for (int64_t part = first_part; part < last_part; ++part)
        body(blocks_ * part / parts_, blocks_ * (part + 1) / parts_,
             [&](int64_t first, int64_t rows, float* y) { finish(part, first, rows, y); });
    });
    if (!finish_.sums) return;
    std::fill_n(finish_.sums, 2 * channels_, 0.0);
    for (int64_t part = 0; part < parts_; ++part)
      for (int64_t c = 0; c < 2 * channels_; ++c)
        finish_.sums[c] += sums_[static_cast<size_t>(part * 2 * channels_ + c)];
  }

 private:
  void finish(int64_t part, int64_t first, int64_t rows, float* y) {
    for (int64_t row = 0; row < rows; ++row) {
      float* z = y + row * channels_;
      if (finish_.b)
        for (int64_t c = 0; c < channels_; ++c) z[c] += finish_.b[c];
      if (finish_.residual) {
        const float* residual = finish_.residual + (first + row) * channels_;
        for (int64_t c = 0; c < channels_; ++c) z[c] += residual[c];
      }
      if (finish_.relu)
        for (int64_t c = 0; c < channels_; ++c) z[c] = z[c] > 0 ? z[c] : 0.0f;
    }
    if (!finish_.sums) return;
    double* sum = sums_.data() + part * 2 * channels_;
    add_all_squares(rows, channels_, channels_, y, sum, sum + channels_);
  }

  Context& context_;
  const Finish& finish_;
  int64_t channels_, blocks_, parts_;
  std::vector<double> sums_;  // [parts, 2, K]
};

}  // namespace saccade
