#include "kernels/norm/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"

namespace saccade {

namespace {

// Rows that are summed in f32 before the sum goes to f64: short enough to keep the error of a sum near that of a term.
constexpr int64_t kBlock = 32;
// Elements worth a thread.
constexpr int64_t kGrain = 16384;

int64_t row_grain(int64_t channels) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(channels, 1)); }

// Two sums per channel over all rows. `add(begin, end, first, second)` adds rows [begin, end) into f32 sums. Rows are
// split into one part per thread and the parts added in order: the same bits for the same number of threads.
template <class Add>
void sum_rows(Context& context, int64_t rows, int64_t channels, double* first, double* second, Add&& add) {
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(context.threads(), rows / row_grain(channels)));
  const size_t doubles = static_cast<size_t>(2 * channels * parts), floats = static_cast<size_t>(2 * channels * parts);
  const Context::Scratch scratch(context, doubles * sizeof(double) + floats * sizeof(float));
  double* wide = scratch.as<double>();
  float* narrow = reinterpret_cast<float*>(wide + doubles);
  parallel_for(context, parts, 1, [&](int64_t part_begin, int64_t part_end) {
    for (int64_t part = part_begin; part < part_end; ++part) {
      double* sums = wide + 2 * channels * part;
      float* block = narrow + 2 * channels * part;
      std::fill_n(sums, 2 * channels, 0.0);
      const int64_t begin = rows * part / parts, end = rows * (part + 1) / parts;
      for (int64_t row = begin; row < end; row += kBlock) {
        std::fill_n(block, 2 * channels, 0.0f);
        add(row, std::min(row + kBlock, end), block, block + channels);
        for (int64_t c = 0; c < 2 * channels; ++c) sums[c] += block[c];
      }
    }
  });
  for (int64_t c = 0; c < channels; ++c) first[c] = second[c] = 0;
  for (int64_t part = 0; part < parts; ++part)
    for (int64_t c = 0; c < channels; ++c) {
      first[c] += wide[2 * channels * part + c];
      second[c] += wide[2 * channels * part + channels + c];
    }
}

// y = act(x * scale + shift + residual) on rows [begin, end), the switches known to the compiler.
template <bool kRelu, bool kResidual>
void apply_rows(int64_t begin, int64_t end, int64_t channels, const float* x, const float* scale, const float* shift,
                const float* residual, float* y) {
  for (int64_t r = begin; r < end; ++r) {
    const float *in = x + r * channels, *extra = kResidual ? residual + r * channels : nullptr;
    float* out = y + r * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      float value = in[c] * scale[c] + shift[c];
      if (kResidual) value += extra[c];
      out[c] = kRelu && value < 0 ? 0.0f : value;
    }
  }
}

}  // namespace

template <>
template <>
void BatchNorm<Device::cpu>::statistics(Context& context, int64_t rows, int64_t channels, const float* x, double eps,
                                        double momentum, float* mean, float* invstd, float* running_mean,
                                        float* running_var) {
  if (rows == 0 || channels == 0) return;
  const Context::Scratch scratch(context, static_cast<size_t>(2 * channels) * sizeof(double));
  double *sum = scratch.as<double>(), *squares = sum + channels;
  // Sums of x - x[0]: one pass, and no cancellation where the mean is far from zero.
  sum_rows(context, rows, channels, sum, squares, [&](int64_t begin, int64_t end, float* s, float* q) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * channels;
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) {
        const float d = row[c] - x[c];
        s[c] += d;
        q[c] += d * d;
      }
    }
  });
  const double count = static_cast<double>(rows);
  for (int64_t c = 0; c < channels; ++c) {
    const double offset = sum[c] / count;
    const double variance = std::max(0.0, squares[c] / count - offset * offset);
    mean[c] = static_cast<float>(x[c] + offset);
    invstd[c] = static_cast<float>(1 / std::sqrt(variance + eps));
    if (!running_mean) continue;
    const double unbiased = variance * count / std::max(1.0, count - 1);
    running_mean[c] = static_cast<float>((1 - momentum) * running_mean[c] + momentum * mean[c]);
    running_var[c] = static_cast<float>((1 - momentum) * running_var[c] + momentum * unbiased);
  }
}

template <>
template <>
void BatchNorm<Device::cpu>::inverse_deviation(Context&, int64_t channels, const float* running_var, double eps,
                                               float* invstd) {
  for (int64_t c = 0; c < channels; ++c) invstd[c] = static_cast<float>(1 / std::sqrt(running_var[c] + eps));
}

template <>
template <>
void BatchNorm<Device::cpu>::apply(Context& context, int64_t rows, int64_t channels, const float* x, const float* mean,
                                   const float* invstd, const float* gamma, const float* beta, const float* residual,
                                   bool relu, float* y) {
  const Context::Scratch scratch(context, static_cast<size_t>(2 * channels) * sizeof(float));
  float *scale = scratch.as<float>(), *shift = scale + channels;
  for (int64_t c = 0; c < channels; ++c) {
    scale[c] = invstd[c] * gamma[c];
    shift[c] = (beta ? beta[c] : 0.0f) - mean[c] * scale[c];
  }
  parallel_for(context, rows, row_grain(channels), [&](int64_t begin, int64_t end) {
    const auto rows_of = residual ? (relu ? apply_rows<true, true> : apply_rows<false, true>)
                                  : (relu ? apply_rows<true, false> : apply_rows<false, false>);
    rows_of(begin, end, channels, x, scale, shift, residual, y);
  });
}

template <>
template <>
void BatchNorm<Device::cpu>::backward(Context& context, int64_t rows, int64_t channels, bool batch_statistics,
                                      bool relu, const float* x, const float* y, const float* mean,
                                      const float* invstd, const float* gamma, const float* grad_y, float* grad_x,
                                      float* grad_gamma, float* grad_beta, float* grad_residual) {
  const Context::Scratch scratch(context, static_cast<size_t>(2 * channels) * (sizeof(double) + sizeof(float)));
  double *sum_g = scratch.as<double>(), *sum_gx = sum_g + channels;
  // Without ReLU nothing is masked: y's place is taken by something that is always read as positive.
  sum_rows(context, rows, channels, sum_g, sum_gx, [&](int64_t begin, int64_t end, float* s, float* q) {
    for (int64_t r = begin; r < end; ++r) {
      const float *g = grad_y + r * channels, *in = x + r * channels, *out = relu ? y + r * channels : nullptr;
      if (relu) {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          const float passed = out[c] > 0 ? g[c] : 0.0f;
          s[c] += passed;
          q[c] += passed * (in[c] - mean[c]);
        }
      } else {
#pragma omp simd
        for (int64_t c = 0; c < channels; ++c) {
          s[c] += g[c];
          q[c] += g[c] * (in[c] - mean[c]);
        }
      }
    }
  });
  // grad_x = slope * g + lean * (x - mean) + level
  float *lean = reinterpret_cast<float*>(sum_gx + channels), *level = lean + channels;
  const double count = static_cast<double>(std::max<int64_t>(rows, 1));
  for (int64_t c = 0; c < channels; ++c) {
    grad_beta[c] = static_cast<float>(sum_g[c]);
    grad_gamma[c] = static_cast<float>(sum_gx[c] * invstd[c]);
    const double slope = static_cast<double>(gamma[c]) * invstd[c];
    lean[c] = batch_statistics ? static_cast<float>(-slope * sum_gx[c] * invstd[c] * invstd[c] / count) : 0.0f;
    level[c] = batch_statistics ? static_cast<float>(-slope * sum_g[c] / count) : 0.0f;
  }
  parallel_for(context, rows, row_grain(channels), [&](int64_t begin, int64_t end) {
    for (int64_t r = end - 1; r >= begin; --r) {  // backwards: the rows that the sums read last are still in the cache
      const float *g = grad_y + r * channels, *in = x + r * channels, *out = relu ? y + r * channels : nullptr;
      float *to = grad_x + r * channels, *extra = grad_residual ? grad_residual + r * channels : nullptr;
      const auto row = [&](auto passed) {
        if (extra) {
#pragma omp simd
          for (int64_t c = 0; c < channels; ++c) {
            const float value = passed(c);
            extra[c] = value;
            to[c] = gamma[c] * invstd[c] * value + lean[c] * (in[c] - mean[c]) + level[c];
          }
        } else {
#pragma omp simd
          for (int64_t c = 0; c < channels; ++c)
            to[c] = gamma[c] * invstd[c] * passed(c) + lean[c] * (in[c] - mean[c]) + level[c];
        }
      };
      if (relu) {
        row([&](int64_t c) { return out[c] > 0 ? g[c] : 0.0f; });
      } else {
        row([&](int64_t c) { return g[c]; });
      }
    }
  });
}

}  // namespace saccade
