#include "kernels/norm/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/norm/column_sums.h"

namespace saccade {

namespace {

constexpr int64_t kWidth = 1024;  // channels whose totals stay in L1
constexpr int64_t kBlockBytes =
    1 << 15;  // of the rows that the passes from the last row to the first take at once

// Rows are added in parts whose number depends on the matrix alone, and the parts are joined in order: so the bits of a
// sum do not depend on the number of threads.
int64_t parts_of(int64_t rows) {
  return std::clamp<int64_t>(rows / 128, 1, 16);
}

struct Totals {
  double *first, *second;  // [parts, channels]
};

// Runs sum(row, rows, channel, channels, first, second) for every part and every block of channels, and then leaves the
// totals in part 0.
template <class Sum>
void sum_columns(Context& context, int64_t rows, int64_t channels, Totals totals, Sum&& sum) {
  const int64_t parts = parts_of(rows), width = parts > 1 ? kWidth : 128;
  const int64_t blocks = (channels + width - 1) / width;
  const int64_t grain =
      std::max<int64_t>(1, 32768 / std::max<int64_t>(1, rows * channels / (parts * blocks)));
  parallel_for(context, parts * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / blocks, channel = task % blocks * width;
      const int64_t row = rows * part / parts, last = rows * (part + 1) / parts;
      double* first = totals.first + part * channels + channel;
      double* second = totals.second + part * channels + channel;
      const int64_t count = std::min(width, channels - channel);
      std::fill(first, first + count, 0.0);
      std::fill(second, second + count, 0.0);
      sum(row, last - row, channel, count, first, second);
    }
  });
  for (int64_t part = 1; part < parts; ++part)
    for (int64_t c = 0; c < channels; ++c) {
      totals.first[c] += totals.first[part * channels + c];
      totals.second[c] += totals.second[part * channels + c];
    }
}

// What the ReLU sees without a residual. Forward and backward share this function, so that they agree to the bit.
inline float normalized(float x, float mean, float scale, float beta) {
#ifdef __FP_FAST_FMAF
  return std::fma(x - mean, scale, beta);
#else
  return (x - mean) * scale + beta;
#endif
}

// scale = gamma * invstd, and beta, or zeros where there is none.
struct Affine {
  std::vector<float> scale, beta;
  Affine(int64_t channels, const float* invstd, const float* gamma, const float* b)
      : scale(static_cast<size_t>(channels)), beta(static_cast<size_t>(channels)) {
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] = gamma[c] * invstd[c];
      beta[c] = b ? b[c] : 0.0f;
    }
  }
};

// Calls body(first row, rows) on blocks of rows, from the last to the first: the cache still holds what the
// pass before read last.
template <class Body>
void from_last_row(Context& context, int64_t rows, int64_t channels, Body&& body) {
  const int64_t block = std::max<int64_t>(1, kBlockBytes / 4 / std::max<int64_t>(1, channels));
  const int64_t grain = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, channels));
  parallel_for<Begin::last>(context, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t last = end; last > begin; last -= block) {
      const int64_t row = std::max(begin, last - block);
      body(row, last - row);
    }
  });
}

// Calls f(std::bool_constant<value>), inside which the compiler knows the value.
template <class F>
void with_constant(bool value, F&& f) {
  if (value)
    f(std::true_type());
  else
    f(std::false_type());
}

// How it is known where the ReLU let its argument through.
enum class Mask { none, from_y, from_x };

template <Mask kMask>
inline float masked(float grad, float x, float y, float mean, float scale, float beta) {
  if (kMask == Mask::from_y) return y > 0 ? grad : 0.0f;
  if (kMask == Mask::from_x) return normalized(x, mean, scale, beta) > 0 ? grad : 0.0f;
  return grad;
}

template <bool kResidual, bool kRelu, class T>
void apply_row(int64_t channels, const T* x, const float* mean, const float* scale, const float* beta,
               const T* residual, T* y) {
#pragma omp simd
  for (int64_t c = 0; c < channels; ++c) {
    float z = normalized(float(x[c]), mean[c], scale[c], beta[c]);
    if (kResidual) z += float(residual[c]);
    y[c] = kRelu && !(z > 0) ? 0.0f : z;
  }
}

// sum += g
// product += g (x - mean)
// of kRows rows. More than two at once, of four matrices whose rows may lie a power of two apart, would not fit side by
// side into the lines of L1 that they share.
template <int64_t kRows, Mask kMask, bool kWrite, class T>
void add_gradients(int64_t pitch, int64_t count, const T* grad_y, const T* x, const T* y, const float* mean,
                   const float* scale, const float* beta, float* sum, float* product, T* g) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t i = r * pitch + c;
      const float value = float(x[i]), result = kMask == Mask::from_y ? float(y[i]) : 0.0f;
      const float grad = masked<kMask>(float(grad_y[i]), value, result, mean[c], scale[c], beta[c]);
      sum[c] += grad;
      product[c] += grad * (value - mean[c]);
      if (kWrite) g[i] = grad;
    }
  }
}

// total += sum, and sum = 0
void flush(int64_t count, float* sum, double* total) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    total[c] += sum[c];
    sum[c] = 0;
  }
}

template <bool kRelu, class T>
void propagate_row(int64_t channels, const T* grad_y, const T* x, const float* mean, const float* scale,
                   const float* beta, const float* constant, const float* slope, T* grad_x) {
  constexpr Mask kMask = kRelu ? Mask::from_x : Mask::none;
#pragma omp simd
  for (int64_t c = 0; c < channels; ++c) {
    const float value = float(x[c]);
    const float grad = masked<kMask>(float(grad_y[c]), value, 0, mean[c], scale[c], beta[c]);
    grad_x[c] = scale[c] * (grad - constant[c] - (value - mean[c]) * slope[c]);
  }
}

}  // namespace

void statistics_from(const double* sums, int64_t rows, int64_t channels, double eps, double momentum,
                     float* mean, float* invstd, float* running_mean, float* running_var) {
  const double n = static_cast<double>(std::max<int64_t>(rows, 1));
  for (int64_t c = 0; c < channels; ++c) {
    const double average = sums[c] / n;
    const double var = sums[channels + c] / n - average * average;
    const double positive = var < 0 ? 0.0 : var;  // a NaN stays
    mean[c] = static_cast<float>(average);
    invstd[c] = static_cast<float>(1 / std::sqrt(positive + eps));
    if (!running_mean || rows == 0) continue;
    running_mean[c] = static_cast<float>((1 - momentum) * running_mean[c] + momentum * average);
    running_var[c] = static_cast<float>((1 - momentum) * running_var[c] + momentum * positive * n / (n - 1));
  }
}

template <>
template <class T>
void BatchNorm<Device::cpu>::statistics(Context& context, int64_t rows, int64_t channels, const T* x,
                                        double eps, double momentum, Accumulator<T>* mean,
                                        Accumulator<T>* invstd, Accumulator<T>* running_mean,
                                        Accumulator<T>* running_var) {
  // [2, parts, channels], and then the totals
  const size_t size = static_cast<size_t>(parts_of(rows) * channels);
  const Context::Scratch scratch(context, 2 * size * sizeof(double));
  const Totals totals{scratch.as<double>(), scratch.as<double>() + size};
  sum_columns(context, rows, channels, totals,
              [&](int64_t row, int64_t count, int64_t channel, int64_t width, double* first, double* second) {
                add_all_squares(count, channels, width, x + row * channels + channel, first, second);
              });
  std::copy_n(totals.second, channels, totals.first + channels);
  statistics_from(totals.first, rows, channels, eps, momentum, mean, invstd, running_mean, running_var);
}
template void BatchNorm<Device::cpu>::statistics(Context&, int64_t, int64_t, const float*, double, double,
                                                 float*, float*, float*, float*);
template void BatchNorm<Device::cpu>::statistics(Context&, int64_t, int64_t, const bf16*, double, double,
                                                 float*, float*, float*, float*);

template <>
template <>
void BatchNorm<Device::cpu>::invert(Context&, int64_t channels, const float* var, double eps, float* invstd) {
  for (int64_t c = 0; c < channels; ++c) invstd[c] = static_cast<float>(1 / std::sqrt(var[c] + eps));
}

template <>
template <class T>
void BatchNorm<Device::cpu>::apply(Context& context, int64_t rows, int64_t channels, const T* x,
                                   const Accumulator<T>* mean, const Accumulator<T>* invstd,
                                   const Accumulator<T>* gamma, const Accumulator<T>* beta, const T* residual,
                                   bool relu, T* y) {
  const Affine affine(channels, invstd, gamma, beta);
  with_constant(residual != nullptr, [&](auto has_residual) {
    with_constant(relu, [&](auto has_relu) {
      constexpr bool kResidual = decltype(has_residual)::value, kRelu = decltype(has_relu)::value;
      from_last_row(context, rows, channels, [&](int64_t row, int64_t count) {
        for (int64_t r = row; r < row + count; ++r)
          apply_row<kResidual, kRelu>(channels, x + r * channels, mean, affine.scale.data(),
                                      affine.beta.data(), residual + (kResidual ? r * channels : 0),
                                      y + r * channels);
      });
    });
  });
}
template void BatchNorm<Device::cpu>::apply(Context&, int64_t, int64_t, const float*, const float*,
                                            const float*, const float*, const float*, const float*, bool,
                                            float*);
template void BatchNorm<Device::cpu>::apply(Context&, int64_t, int64_t, const bf16*, const float*,
                                            const float*, const float*, const float*, const bf16*, bool,
                                            bf16*);

template <>
template <class T>
void BatchNorm<Device::cpu>::reduce(Context& context, int64_t rows, int64_t channels, const T* grad_y,
                                    const T* x, const T* y, const Accumulator<T>* mean,
                                    const Accumulator<T>* invstd, const Accumulator<T>* gamma,
                                    const Accumulator<T>* beta, bool relu, Accumulator<T>* grad_gamma,
                                    Accumulator<T>* grad_beta, T* g) {
  const Affine affine(channels, invstd, gamma, beta);
  const size_t size = static_cast<size_t>(parts_of(rows) * channels);
  const Context::Scratch scratch(context, 2 * size * sizeof(double));
  const Totals totals{scratch.as<double>(), scratch.as<double>() + size};
  const auto run = [&](auto two, auto one) {
    sum_columns(
        context, rows, channels, totals,
        [&](int64_t row, int64_t count, int64_t channel, int64_t width, double* first, double* second) {
          float sum[kWidth] = {}, product[kWidth] = {};
          const int64_t end = row + count;
          const auto add = [&](auto function, int64_t r) {
            const int64_t at = r * channels + channel;
            function(channels, width, grad_y + at, x + at, y + (y ? at : 0), mean + channel,
                     affine.scale.data() + channel, affine.beta.data() + channel, sum, product,
                     g + (g ? at : 0));
          };
          while (row < end) {  // kRowsTogether rows are added in f32, and the totals in f64
            const int64_t stop = row + kRowsTogether <= end ? row + kRowsTogether : row + 1;
            for (; row + 2 <= stop; row += 2) add(two, row);
            for (; row < stop; ++row) add(one, row);
            flush(width, sum, first);
            flush(width, product, second);
          }
        });
  };
  with_constant(g != nullptr, [&](auto write) {
    constexpr bool kWrite = decltype(write)::value;
    if (!relu)
      run(add_gradients<2, Mask::none, kWrite, T>, add_gradients<1, Mask::none, kWrite, T>);
    else if (y)
      run(add_gradients<2, Mask::from_y, kWrite, T>, add_gradients<1, Mask::from_y, kWrite, T>);
    else
      run(add_gradients<2, Mask::from_x, kWrite, T>, add_gradients<1, Mask::from_x, kWrite, T>);
  });
  for (int64_t c = 0; c < channels; ++c) {
    grad_beta[c] = static_cast<float>(totals.first[c]);
    grad_gamma[c] = static_cast<float>(totals.second[c] * invstd[c]);
  }
}
template void BatchNorm<Device::cpu>::reduce(Context&, int64_t, int64_t, const float*, const float*,
                                             const float*, const float*, const float*, const float*,
                                             const float*, bool, float*, float*, float*);
template void BatchNorm<Device::cpu>::reduce(Context&, int64_t, int64_t, const bf16*, const bf16*,
                                             const bf16*, const float*, const float*, const float*,
                                             const float*, bool, float*, float*, bf16*);

template <>
template <class T>
void BatchNorm<Device::cpu>::propagate(Context& context, int64_t rows, int64_t channels, const T* grad_y,
                                       const T* x, const Accumulator<T>* mean, const Accumulator<T>* invstd,
                                       const Accumulator<T>* gamma, const Accumulator<T>* beta, bool relu,
                                       const Accumulator<T>* grad_gamma, const Accumulator<T>* grad_beta,
                                       T* grad_x) {
  const Affine affine(channels, invstd, gamma, beta);
  std::vector<float> constant(static_cast<size_t>(channels)), slope(constant.size());
  if (grad_gamma)
    for (size_t c = 0; c < constant.size(); ++c) {
      constant[c] = grad_beta[c] / static_cast<float>(rows);
      slope[c] = invstd[c] * grad_gamma[c] / static_cast<float>(rows);
    }
  with_constant(relu, [&](auto has_relu) {
    constexpr bool kRelu = decltype(has_relu)::value;
    from_last_row(context, rows, channels, [&](int64_t row, int64_t count) {
      for (int64_t r = row; r < row + count; ++r)
        propagate_row<kRelu>(channels, grad_y + r * channels, x + r * channels, mean, affine.scale.data(),
                             affine.beta.data(), constant.data(), slope.data(), grad_x + r * channels);
    });
  });
}
template void BatchNorm<Device::cpu>::propagate(Context&, int64_t, int64_t, const float*, const float*,
                                                const float*, const float*, const float*, const float*, bool,
                                                const float*, const float*, float*);
template void BatchNorm<Device::cpu>::propagate(Context&, int64_t, int64_t, const bf16*, const bf16*,
                                                const float*, const float*, const float*, const float*, bool,
                                                const float*, const float*, bf16*);

}  // namespace saccade
