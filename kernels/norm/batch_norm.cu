#include "kernels/common/columns.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
// At least two blocks fit a multiprocessor. Without this bound the compiler spilled a few bytes to fit one block more.
[[maybe_unused]] constexpr int kBlocksPerSm = 2;
constexpr int kRows = 4;              // rows that a thread of the element-wise passes has in flight
constexpr int64_t kBlocks = 512;      // of the passes that sum: enough to fill a chip, few enough to join
constexpr int64_t kMapBlocks = 4096;  // of the element-wise passes

// What every kernel knows of the matrix. A part holds the rows of one block.
struct Matrix {
  int64_t rows, rows_per_part;
  uint32_t channels;

  __device__ int64_t part_begin(int64_t part) const { return part * rows_per_part; }
  __device__ int64_t part_end(int64_t part) const {
    const int64_t end = (part + 1) * rows_per_part;
    return end < rows ? end : rows;
  }
  __device__ float part_rows(int64_t part) const {
    return static_cast<float>(part_end(part) - part_begin(part));
  }
};

// What each channel is scaled and shifted by, in f32 for every element type.
struct Affine {
  const float *mean, *invstd, *gamma, *beta;  // beta may be null
};

// (x - mean) * scale + beta for a thread's channels.
template <int V>
struct Normalize {
  Pack<float, V> mean, scale, beta;

  __device__ __forceinline__ Normalize(const Affine& affine, uint32_t channel)
      : mean(load_lanes<V>(affine.mean + channel)), scale(load_lanes<V>(affine.gamma + channel)), beta{} {
    const Pack<float, V> invstd = load_lanes<V>(affine.invstd + channel);
#pragma unroll
    for (int i = 0; i < V; ++i) scale.lane[i] *= invstd.lane[i];
    if (affine.beta) beta = load_lanes<V>(affine.beta + channel);
  }
  // What the ReLU sees without a residual. Forward and backward share this function, so that they agree to the bit.
  __device__ __forceinline__ float operator()(int i, float x) const {
    return fmaf(x - mean.lane[i], scale.lane[i], beta.lane[i]);
  }
};

// --- Statistics, in f32 without cancellation. A thread sums around the first value that it meets, so its squares lose
// at most a factor of its few rows. The means and the squares around them are then joined exactly:
//
//   mean    = sum_k n_k mean_k / n
//   squares = sum_k squares_k + n_k (mean_k - mean)^2

template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    batch_norm_statistics(Matrix m, const T* __restrict__ x, float* __restrict__ means,
                          float* __restrict__ squares) {
  alignas(16) __shared__ float thread_means[V * kThreads], thread_squares[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const int64_t begin = m.part_begin(blockIdx.x), end = m.part_end(blockIdx.x);
  Pack<float, V> mean = {}, square = {};
  if (channel < m.channels && begin + threadIdx.y < end) {
    const Pack<float, V> shift =
        to_f32(load<V * sizeof(T)>(x + (begin + threadIdx.y) * m.channels + channel));
    Pack<float, V> sum = {};
#pragma unroll 4
    for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
      const Pack<float, V> value = to_f32(load<V * sizeof(T)>(x + row * m.channels + channel));
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float difference = value.lane[i] - shift.lane[i];
        sum.lane[i] += difference;
        square.lane[i] = fmaf(difference, difference, square.lane[i]);
      }
    }
    const float count = static_cast<float>((end - begin - threadIdx.y + blockDim.y - 1) / blockDim.y);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float offset = sum.lane[i] / count;
      const float around = fmaf(-offset, sum.lane[i], square.lane[i]);
      mean.lane[i] = shift.lane[i] + offset;
      square.lane[i] = around < 0 ? 0.0f : around;  // a NaN stays
    }
  }
  put_columns(thread_means, mean);
  put_columns(thread_squares, square);
  __syncthreads();

  if (!owns_channel<V>(m.channels)) return;
  const uint32_t part_rows = static_cast<uint32_t>(end - begin);
  const float origin = column_value<V>(thread_means, 0);
  float offset = 0;
  for (uint32_t y = 0; y < blockDim.y && y < part_rows; ++y) {
    const float count = static_cast<float>((part_rows - y + blockDim.y - 1) / blockDim.y);
    offset += count * (column_value<V>(thread_means, y) - origin);
  }
  const float total_mean = origin + offset / static_cast<float>(part_rows);
  float total = 0;
  for (uint32_t y = 0; y < blockDim.y && y < part_rows; ++y) {
    const float count = static_cast<float>((part_rows - y + blockDim.y - 1) / blockDim.y);
    const float away = column_value<V>(thread_means, y) - total_mean;
    total += fmaf(count * away, away, column_value<V>(thread_squares, y));
  }
  const int64_t at = static_cast<int64_t>(blockIdx.x) * m.channels + own_channel<V>();
  means[at] = total_mean;
  squares[at] = total;
}

struct Running {
  float momentum;
  float *mean, *var;  // both or none
};

__global__ void __launch_bounds__(kColumns* kColumnThreads)
    batch_norm_join(Matrix m, uint32_t parts, const float* __restrict__ means,
                    const float* __restrict__ squares, float eps, float* __restrict__ mean,
                    float* __restrict__ invstd, Running running) {
  __shared__ ColumnTotals totals;
  const uint32_t channel = blockIdx.x * kColumns + threadIdx.x;
  const bool inside = channel < m.channels;
  const float origin = inside && parts > 0 ? means[channel] : 0.0f;
  const float count = m.rows > 0 ? static_cast<float>(m.rows) : 1.0f;
  float offset = 0;
  if (inside) {
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kColumnThreads)
      offset += m.part_rows(part) * (means[static_cast<int64_t>(part) * m.channels + channel] - origin);
  }
  const float average = origin + column_total(totals, offset) / count;
  float square = 0;
  if (inside) {
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kColumnThreads) {
      const int64_t at = static_cast<int64_t>(part) * m.channels + channel;
      const float away = means[at] - average;
      square += fmaf(m.part_rows(part) * away, away, squares[at]);
    }
  }
  const float total = column_total(totals, square);
  if (!inside || threadIdx.y != 0) return;
  mean[channel] = average;
  invstd[channel] = 1.0f / sqrtf(total / count + eps);
  if (!running.mean || m.rows == 0) return;
  const float keep = 1.0f - running.momentum, unbiased = total / static_cast<float>(m.rows - 1);
  running.mean[channel] = keep * running.mean[channel] + running.momentum * average;
  running.var[channel] = keep * running.var[channel] + running.momentum * unbiased;
}

__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    batch_norm_invert(uint32_t channels, const float* __restrict__ var, float eps,
                      float* __restrict__ invstd) {
  const uint32_t channel = blockIdx.x * kThreads + threadIdx.x;
  if (channel < channels) invstd[channel] = 1.0f / sqrtf(var[channel] + eps);
}

// --- The element-wise passes walk from the last row to the first: what the summing pass before them read last is still
// in L2.

template <class T, int V, bool kResidual>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    batch_norm_apply(Matrix m, const T* x, Affine affine, const T* residual, bool relu, T* y) {
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= m.channels) return;
  const int64_t part = gridDim.x - 1 - blockIdx.x, begin = m.part_begin(part);
  const Normalize<V> normalize(affine, channel);
  for (int64_t last = m.part_end(part) - 1 - threadIdx.y; last >= begin; last -= kRows * blockDim.y) {
    Pack<T, V> in[kRows], other[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t row = last - r * static_cast<int64_t>(blockDim.y);
      if (row < begin) continue;
      in[r] = load<V * sizeof(T)>(x + row * m.channels + channel);
      if (kResidual) other[r] = load<V * sizeof(T), Use::once>(residual + row * m.channels + channel);
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int64_t row = last - r * static_cast<int64_t>(blockDim.y);
      if (row < begin) continue;
      const Pack<float, V> value = to_f32(in[r]);
      Pack<float, V> z;
#pragma unroll
      for (int i = 0; i < V; ++i) z.lane[i] = normalize(i, value.lane[i]);
      if (kResidual) {
        const Pack<float, V> more = to_f32(other[r]);
#pragma unroll
        for (int i = 0; i < V; ++i) z.lane[i] += more.lane[i];
      }
#pragma unroll
      for (int i = 0; i < V; ++i) z.lane[i] = relu && !(z.lane[i] > 0) ? 0.0f : z.lane[i];
      store<V * sizeof(T)>(y + row * m.channels + channel, from_f32<T>(z));
    }
  }
}

// How it is known where the ReLU let its argument through.
enum class Mask { none, from_y, from_x };

// Leaves the sums of g and of g (x - mean) over each part in `sums` and `products`, and writes g where it is wanted.
template <class T, int V, Mask kMask>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    batch_norm_reduce(Matrix m, const T* grad_y, const T* __restrict__ x, const T* __restrict__ y,
                      Affine affine, float* __restrict__ sums, float* __restrict__ products,
                      T* g) {  // g may be grad_y
  alignas(16) __shared__ float thread_sums[V * kThreads], thread_products[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  Pack<float, V> sum = {}, product = {};
  if (channel < m.channels) {
    const Normalize<V> normalize(affine, channel);
    const int64_t end = m.part_end(blockIdx.x);
#pragma unroll 2
    for (int64_t row = m.part_begin(blockIdx.x) + threadIdx.y; row < end; row += blockDim.y) {
      const int64_t at = row * m.channels + channel;
      Pack<float, V> grad = to_f32(load<V * sizeof(T)>(grad_y + at));
      const Pack<float, V> value = to_f32(load<V * sizeof(T)>(x + at));
      if (kMask == Mask::from_y) {
        const Pack<float, V> out = to_f32(load<V * sizeof(T), Use::once>(y + at));
#pragma unroll
        for (int i = 0; i < V; ++i) grad.lane[i] = out.lane[i] > 0 ? grad.lane[i] : 0.0f;
      }
      if (kMask == Mask::from_x) {
#pragma unroll
        for (int i = 0; i < V; ++i) grad.lane[i] = normalize(i, value.lane[i]) > 0 ? grad.lane[i] : 0.0f;
      }
#pragma unroll
      for (int i = 0; i < V; ++i) {
        sum.lane[i] += grad.lane[i];
        product.lane[i] = fmaf(grad.lane[i], value.lane[i] - normalize.mean.lane[i], product.lane[i]);
      }
      if (g) store<V * sizeof(T)>(g + at, from_f32<T>(grad));
    }
  }
  put_columns(thread_sums, sum);
  put_columns(thread_products, product);
  __syncthreads();
  if (!owns_channel<V>(m.channels)) return;
  const Pack<float, 2> totals = column_sums<V>(thread_sums, thread_products);
  const int64_t at = static_cast<int64_t>(blockIdx.x) * m.channels + own_channel<V>();
  sums[at] = totals.lane[0];
  products[at] = totals.lane[1];
}

__global__ void __launch_bounds__(kColumns* kColumnThreads)
    batch_norm_parameters(uint32_t parts, uint32_t channels, const float* __restrict__ sums,
                          const float* __restrict__ products, const float* __restrict__ invstd,
                          float* __restrict__ grad_gamma, float* __restrict__ grad_beta) {
  __shared__ ColumnTotals totals;
  const uint32_t channel = blockIdx.x * kColumns + threadIdx.x;
  float sum = 0, product = 0;
  if (channel < channels) {
#pragma unroll 4
    for (uint32_t part = threadIdx.y; part < parts; part += kColumnThreads) {
      sum += sums[static_cast<int64_t>(part) * channels + channel];
      product += products[static_cast<int64_t>(part) * channels + channel];
    }
  }
  sum = column_total(totals, sum);
  product = column_total(totals, product);
  if (channel >= channels || threadIdx.y != 0) return;
  grad_beta[channel] = sum;
  grad_gamma[channel] = product * invstd[channel];
}

template <class T, int V, bool kRelu>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    batch_norm_propagate(Matrix m, const T* grad_y, const T* __restrict__ x, Affine affine,
                         const float* __restrict__ grad_gamma, const float* __restrict__ grad_beta,
                         T* grad_x) {  // grad_x may be grad_y
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  if (channel >= m.channels) return;
  const int64_t part = gridDim.x - 1 - blockIdx.x, begin = m.part_begin(part);
  const Normalize<V> normalize(affine, channel);
  Pack<float, V> constant = {}, slope = {};
  if (grad_gamma) {
    const float count = static_cast<float>(m.rows);
    constant = load_lanes<V>(grad_beta + channel);
    slope = load_lanes<V>(grad_gamma + channel);
    const Pack<float, V> invstd = load_lanes<V>(affine.invstd + channel);
#pragma unroll
    for (int i = 0; i < V; ++i) {
      constant.lane[i] /= count;
      slope.lane[i] = invstd.lane[i] * slope.lane[i] / count;
    }
  }
  constexpr int kInFlight = kRows / 2;  // rows, with two inputs each
  for (int64_t last = m.part_end(part) - 1 - threadIdx.y; last >= begin; last -= kInFlight * blockDim.y) {
    Pack<T, V> grads[kInFlight], in[kInFlight];
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      const int64_t row = last - r * static_cast<int64_t>(blockDim.y);
      if (row < begin) continue;
      grads[r] = load<V * sizeof(T)>(grad_y + row * m.channels + channel);
      in[r] = load<V * sizeof(T), Use::once>(x + row * m.channels + channel);
    }
#pragma unroll
    for (int r = 0; r < kInFlight; ++r) {
      const int64_t row = last - r * static_cast<int64_t>(blockDim.y);
      if (row < begin) continue;
      const Pack<float, V> grad = to_f32(grads[r]), value = to_f32(in[r]);
      Pack<float, V> out;
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float g = kRelu && !(normalize(i, value.lane[i]) > 0) ? 0.0f : grad.lane[i];
        out.lane[i] = normalize.scale.lane[i] *
                      (g - constant.lane[i] - (value.lane[i] - normalize.mean.lane[i]) * slope.lane[i]);
      }
      store<V * sizeof(T)>(grad_x + row * m.channels + channel, from_f32<T>(out));
    }
  }
}

// --- The launchers

struct Plan {
  Matrix matrix;
  ColumnTile tile;
  unsigned parts;

  Plan(int64_t rows, int64_t channels, int vector, int64_t blocks)
      : matrix{rows, 0, static_cast<uint32_t>(channels)}, tile(channels / vector, kThreads) {
    check(rows >= 0 && channels >= 0 && channels < (int64_t{1} << 31), "batch_norm: a matrix of ", rows,
          " x ", channels);
    matrix.rows_per_part = tile.rows_per_part(rows, blocks);
    parts = blocks_for(rows, matrix.rows_per_part);
  }
  // The default argument makes errors name the line of the launch, and not this one.
  Grid grid(int line = __builtin_LINE()) const { return {parts, tile.tiles, 1, __builtin_FILE(), line}; }
};

template <class T, class... Pointers>
bool all_fit_vectors(int64_t channels, const Affine& affine, Pointers... pointers) {
  return fits_vectors<T>(channels, affine.mean, affine.invstd, affine.gamma, affine.beta, pointers...);
}

template <class T, int V>
void run_statistics(Context& context, int64_t rows, int64_t channels, const T* x, double eps, Running running,
                    float* mean, float* invstd) {
  const Plan plan(rows, channels, V, kBlocks);
  const size_t size = plan.parts * static_cast<size_t>(channels);
  Context::Scratch scratch(context, 2 * size * sizeof(float));
  float *means = scratch.as<float>(), *squares = means + size;
  launch(batch_norm_statistics<T, V>, plan.grid(), plan.tile.block(), 0, context.stream(), plan.matrix, x,
         means, squares);
  launch(batch_norm_join, blocks_for(channels, kColumns), dim3(kColumns, kColumnThreads), 0, context.stream(),
         plan.matrix, plan.parts, means, squares, static_cast<float>(eps), mean, invstd, running);
}

template <class T, int V>
void run_apply(Context& context, int64_t rows, int64_t channels, const T* x, const Affine& affine,
               const T* residual, bool relu, T* y) {
  const Plan plan(rows, channels, V, kMapBlocks);
  launch(residual ? batch_norm_apply<T, V, true> : batch_norm_apply<T, V, false>, plan.grid(),
         plan.tile.block(), 0, context.stream(), plan.matrix, x, affine, residual, relu, y);
}

template <class T, int V>
void run_reduce(Context& context, int64_t rows, int64_t channels, const T* grad_y, const T* x, const T* y,
                const Affine& affine, bool relu, float* grad_gamma, float* grad_beta, T* g) {
  const Plan plan(rows, channels, V, kBlocks);
  const size_t size = plan.parts * static_cast<size_t>(channels);
  Context::Scratch scratch(context, 2 * size * sizeof(float));
  float *sums = scratch.as<float>(), *products = sums + size;
  const auto kernel = !relu ? batch_norm_reduce<T, V, Mask::none>
                      : y   ? batch_norm_reduce<T, V, Mask::from_y>
                            : batch_norm_reduce<T, V, Mask::from_x>;
  launch(kernel, plan.grid(), plan.tile.block(), 0, context.stream(), plan.matrix, grad_y, x, y, affine, sums,
         products, g);
  launch(batch_norm_parameters, blocks_for(channels, kColumns), dim3(kColumns, kColumnThreads), 0,
         context.stream(), plan.parts, plan.matrix.channels, sums, products, affine.invstd, grad_gamma,
         grad_beta);
}

template <class T, int V>
void run_propagate(Context& context, int64_t rows, int64_t channels, const T* grad_y, const T* x,
                   const Affine& affine, bool relu, const float* grad_gamma, const float* grad_beta,
                   T* grad_x) {
  const Plan plan(rows, channels, V, kMapBlocks);
  launch(relu ? batch_norm_propagate<T, V, true> : batch_norm_propagate<T, V, false>, plan.grid(),
         plan.tile.block(), 0, context.stream(), plan.matrix, grad_y, x, affine, grad_gamma, grad_beta,
         grad_x);
}

}  // namespace

template <>
template <>
void BatchNorm<kGpu>::invert(Context& context, int64_t channels, const float* var, double eps,
                             float* invstd) {
  launch(batch_norm_invert, blocks_for(channels, kThreads), kThreads, 0, context.stream(),
         static_cast<uint32_t>(channels), var, static_cast<float>(eps), invstd);
}

template <>
template <class T>
void BatchNorm<kGpu>::statistics(Context& context, int64_t rows, int64_t channels, const T* x, double eps,
                                 double momentum, Accumulator<T>* mean, Accumulator<T>* invstd,
                                 Accumulator<T>* running_mean, Accumulator<T>* running_var) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, channels,
                PlainStatistics<T>{rows, channels, x, static_cast<float>(eps), static_cast<float>(momentum),
                                   mean, invstd, running_mean, running_var});
  const Running running{static_cast<float>(momentum), running_mean, running_var};
  const auto run = fits_vectors<T>(channels, x) ? run_statistics<T, kVector<T, true>> : run_statistics<T, 1>;
  run(context, rows, channels, x, eps, running, mean, invstd);
}
template void BatchNorm<kGpu>::statistics(Context&, int64_t, int64_t, const float*, double, double, float*,
                                          float*, float*, float*);
template void BatchNorm<kGpu>::statistics(Context&, int64_t, int64_t, const bf16*, double, double, float*,
                                          float*, float*, float*);

template <>
template <class T>
void BatchNorm<kGpu>::apply(Context& context, int64_t rows, int64_t channels, const T* x,
                            const Accumulator<T>* mean, const Accumulator<T>* invstd,
                            const Accumulator<T>* gamma, const Accumulator<T>* beta, const T* residual,
                            bool relu, T* y) {
  check_element<T>(context);
  const Affine affine{mean, invstd, gamma, beta};
  const auto run =
      all_fit_vectors<T>(channels, affine, x, residual, y) ? run_apply<T, kVector<T, true>> : run_apply<T, 1>;
  run(context, rows, channels, x, affine, residual, relu, y);
}
template void BatchNorm<kGpu>::apply(Context&, int64_t, int64_t, const float*, const float*, const float*,
                                     const float*, const float*, const float*, bool, float*);
template void BatchNorm<kGpu>::apply(Context&, int64_t, int64_t, const bf16*, const float*, const float*,
                                     const float*, const float*, const bf16*, bool, bf16*);

template <>
template <class T>
void BatchNorm<kGpu>::reduce(Context& context, int64_t rows, int64_t channels, const T* grad_y, const T* x,
                             const T* y, const Accumulator<T>* mean, const Accumulator<T>* invstd,
                             const Accumulator<T>* gamma, const Accumulator<T>* beta, bool relu,
                             Accumulator<T>* grad_gamma, Accumulator<T>* grad_beta, T* g) {
  check_element<T>(context);
  const Affine affine{mean, invstd, gamma, beta};
  const auto run = all_fit_vectors<T>(channels, affine, grad_y, x, y, g) ? run_reduce<T, kVector<T, true>>
                                                                         : run_reduce<T, 1>;
  run(context, rows, channels, grad_y, x, y, affine, relu, grad_gamma, grad_beta, g);
}
template void BatchNorm<kGpu>::reduce(Context&, int64_t, int64_t, const float*, const float*, const float*,
                                      const float*, const float*, const float*, const float*, bool, float*,
                                      float*, float*);
template void BatchNorm<kGpu>::reduce(Context&, int64_t, int64_t, const bf16*, const bf16*, const bf16*,
                                      const float*, const float*, const float*, const float*, bool, float*,
                                      float*, bf16*);

template <>
template <class T>
void BatchNorm<kGpu>::propagate(Context& context, int64_t rows, int64_t channels, const T* grad_y, const T* x,
                                const Accumulator<T>* mean, const Accumulator<T>* invstd,
                                const Accumulator<T>* gamma, const Accumulator<T>* beta, bool relu,
                                const Accumulator<T>* grad_gamma, const Accumulator<T>* grad_beta,
                                T* grad_x) {
  check_element<T>(context);
  const Affine affine{mean, invstd, gamma, beta};
  const auto run = all_fit_vectors<T>(channels, affine, grad_y, x, grad_x, grad_gamma, grad_beta)
                       ? run_propagate<T, kVector<T, true>>
                       : run_propagate<T, 1>;
  run(context, rows, channels, grad_y, x, affine, relu, grad_gamma, grad_beta, grad_x);
}
template void BatchNorm<kGpu>::propagate(Context&, int64_t, int64_t, const float*, const float*, const float*,
                                         const float*, const float*, const float*, bool, const float*,
                                         const float*, float*);
template void BatchNorm<kGpu>::propagate(Context&, int64_t, int64_t, const bf16*, const bf16*, const float*,
                                         const float*, const float*, const float*, bool, const float*,
                                         const float*, bf16*);

}  // namespace saccade
