// Sums down the columns of a matrix, for the statistics of a norm.
#pragma once

#include <cstdint>

namespace saccade {

constexpr int64_t kRowsTogether = 8;  // that are added in registers before they join a channel's total

// first += sum x
// second += sum x^2
// In f64 the variance survives a mean of 10^5 standard deviations, which is more than an f32 x can tell.
template <int64_t kRows, class T>
void add_squares(int64_t pitch, int64_t count, const T* __restrict x, double* __restrict first,
                 double* __restrict second) {
  for (int64_t c = 0; c < count; ++c) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < kRows; ++r) {
      const double value = float(x[r * pitch + c]);
      sum += value;
      squares += value * value;
    }
    first[c] += sum;
    second[c] += squares;
  }
}

// Of any number of rows.
template <class T>
void add_all_squares(int64_t rows, int64_t pitch, int64_t count, const T* x, double* first, double* second) {
  int64_t row = 0;
  for (; row + kRowsTogether <= rows; row += kRowsTogether)
    add_squares<kRowsTogether>(pitch, count, x + row * pitch, first, second);
  for (; row + 4 <= rows; row += 4) add_squares<4>(pitch, count, x + row * pitch, first, second);
  for (; row < rows; ++row) add_squares<1>(pitch, count, x + row * pitch, first, second);
}

// BatchNorm::statistics of a matrix whose columns' sums and sums of squares are known: sums [2, channels].
void statistics_from(const double* sums, int64_t rows, int64_t channels, double eps, double momentum,
                     float* mean, float* invstd, float* running_mean, float* running_var);

}  // namespace saccade
