#include "kernels/common/columns.h"
#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/pool/generalized_mean_pool.h"
#include "kernels/pool/generalized_mean_pool.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;

struct Sizes {
  int64_t positions;
  uint32_t channels;
  float epsilon;
};

// max(x, epsilon), and epsilon for a NaN, as in generalized_mean_pool.ref.h.
__device__ __forceinline__ float clamped(float x, float epsilon) {
  return x >= epsilon ? x : epsilon;
}

__device__ __forceinline__ float power_of(float x, float p) {  // x > 0
  return expf(p * logf(x));
}

// A block takes one tile of channels of one sample; its rows of threads share the positions. p = 3 needs
// neither an exponential nor a logarithm; all threads branch alike.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    generalized_mean_pool_forward(Sizes s, const T* __restrict__ x, const T* __restrict__ p,
                                  T* __restrict__ y) {
  alignas(16) __shared__ float sums[V * kThreads];
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const float power = static_cast<float>(*p);
  const bool cube = power == 3.0f;
  Pack<float, V> sum = {};
  if (channel < s.channels) {
    const T* image = x + blockIdx.x * s.positions * s.channels + channel;
#pragma unroll 4
    for (int64_t q = threadIdx.y; q < s.positions; q += blockDim.y) {
      const Pack<float, V> value = to_f32(load<V * sizeof(T)>(image + q * s.channels));
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float u = clamped(value.lane[i], s.epsilon);
        sum.lane[i] += cube ? u * u * u : power_of(u, power);
      }
    }
  }
  put_columns(sums, sum);
  __syncthreads();
  if (!owns_channel<V>(s.channels)) return;
  const float total = column_sum<V>(sums);
  const float mean = total / static_cast<float>(s.positions);
  y[static_cast<int64_t>(blockIdx.x) * s.channels + own_channel<V>()] =
      static_cast<T>(cube ? cbrtf(mean) : power_of(mean, 1.0f / power));
}

// A block takes the same tile and with kSlope writes its part of grad_p * p to
// partial[blockIdx.y, blockIdx.x]. grad_x may be null, and without kSlope partial, too.
template <class T, int V, bool kSlope>
__global__ void __launch_bounds__(kThreads)
    generalized_mean_pool_backward(Sizes s, const T* __restrict__ grad_y, const T* __restrict__ x,
                                   const T* __restrict__ p, const T* __restrict__ y, T* __restrict__ grad_x,
                                   float* __restrict__ partial) {
  const uint32_t channel = (blockIdx.y * blockDim.x + threadIdx.x) * V;
  const float power = static_cast<float>(*p);
  const bool cube = power == 3.0f;
  float share = 0;
  if (channel < s.channels) {
    const int64_t out = static_cast<int64_t>(blockIdx.x) * s.channels + channel;
    const Pack<float, V> mean = to_f32(load<V * sizeof(T)>(y + out));
    Pack<float, V> weight = to_f32(load<V * sizeof(T)>(grad_y + out)), inverse, sum = {};
#pragma unroll
    for (int i = 0; i < V; ++i) {
      weight.lane[i] /= static_cast<float>(s.positions);
      inverse.lane[i] = 1.0f / mean.lane[i];
    }
    const int64_t image = blockIdx.x * s.positions * s.channels + channel;
    for (int64_t q = threadIdx.y; q < s.positions; q += blockDim.y) {
      const int64_t at = image + q * s.channels;
      const Pack<float, V> value = to_f32(load<V * sizeof(T), Use::once>(x + at));
      Pack<float, V> grad;
#pragma unroll
      for (int i = 0; i < V; ++i) {
        const float u = clamped(value.lane[i], s.epsilon) * inverse.lane[i];
        float slope = u * u;  // u^(p-1)
        if (kSlope || !cube) {
          const float log_u = logf(u);
          if (!cube) slope = expf((power - 1.0f) * log_u);
          if (kSlope) sum.lane[i] += slope * u * log_u;
        }
        grad.lane[i] = value.lane[i] >= s.epsilon ? weight.lane[i] * slope : 0.0f;
      }
      if (grad_x) store<V * sizeof(T)>(grad_x + at, from_f32<T>(grad));
    }
#pragma unroll
    for (int i = 0; i < V; ++i) share += weight.lane[i] * mean.lane[i] * sum.lane[i];
  }
  if (!kSlope) return;
  const float total = block_reduce<kThreads>(share, Add());
  if (thread_in_block() == 0) partial[static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x] = total;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    generalized_mean_pool_power(int64_t count, const float* __restrict__ partial, const T* __restrict__ p,
                                T* __restrict__ grad_p) {
  float sum = 0;
#pragma unroll 4
  for (int64_t k = threadIdx.x; k < count; k += kThreads) sum += partial[k];
  const float total = block_reduce<kThreads>(sum, Add());
  if (threadIdx.x == 0) *grad_p = static_cast<T>(total / static_cast<float>(*p));
}

Sizes sizes_of(int64_t positions, int64_t channels, double epsilon) {
  check(positions >= 1 && channels < (int64_t{1} << 31), "generalized_mean_pool: ", positions,
        " positions of ", channels, " channels cannot be pooled");
  return {positions, static_cast<uint32_t>(channels), static_cast<float>(epsilon)};
}

template <class T, int V>
void run_forward(Context& context, int64_t batch, const Sizes& s, const T* x, const T* p, T* y) {
  const ColumnTile tile(s.channels / V, kThreads);
  launch(generalized_mean_pool_forward<T, V>, {blocks_for(batch, 1), tile.tiles}, tile.block(), 0,
         context.stream(), s, x, p, y);
}

template <class T, int V>
void run_backward(Context& context, int64_t batch, const Sizes& s, const T* grad_y, const T* x, const T* p,
                  const T* y, T* grad_x, T* grad_p) {
  const ColumnTile tile(s.channels / V, kThreads);
  const int64_t parts = batch * tile.tiles;
  Context::Scratch scratch(context, grad_p ? static_cast<size_t>(parts) * sizeof(float) : 0);
  const auto kernel =
      grad_p ? generalized_mean_pool_backward<T, V, true> : generalized_mean_pool_backward<T, V, false>;
  launch(kernel, {blocks_for(batch, 1), tile.tiles}, tile.block(), 0, context.stream(), s, grad_y, x, p, y,
         grad_x, scratch.as<float>());
  if (grad_p)
    launch(generalized_mean_pool_power<T>, 1, kThreads, 0, context.stream(), parts, scratch.as<float>(), p,
           grad_p);
}

template <class T>
void plain_backward(Context& context, int64_t batch, const Sizes& s, const T* grad_y, const T* x, const T* p,
                    const T* y, T* grad_x, T* grad_p) {
  const int64_t means = batch * s.channels;
  Context::Scratch slopes(context, static_cast<size_t>(means) * sizeof(float));
  each(context, means,
       PlainGeneralizedMeanGradient<T>{s.positions, s.channels, s.epsilon, grad_y, x, p, y, grad_x,
                                       slopes.as<float>()});
  if (grad_p) each(context, 1, PlainGeneralizedMeanPower<T>{means, slopes.as<float>(), grad_p});
}

}  // namespace

template <>
template <class T>
void GeneralizedMeanPool<kGpu>::forward(Context& context, int64_t batch, int64_t positions, int64_t channels,
                                        double epsilon, const T* x, const T* p, T* y) {
  check_element<T>(context);
  const Sizes s = sizes_of(positions, channels, epsilon);
  if (context.kernels == Kernels::plain)
    return each(context, batch * channels, PlainGeneralizedMean<T>{positions, channels, s.epsilon, x, p, y});
  constexpr int kPerVector = kVector<T, true>;
  const bool vectorized = channels % kPerVector == 0 && aligned(x, 16) && aligned(y, 16);
  const auto run = vectorized ? run_forward<T, kPerVector> : run_forward<T, 1>;
  run(context, batch, s, x, p, y);
}
template void GeneralizedMeanPool<kGpu>::forward(Context&, int64_t, int64_t, int64_t, double, const float*,
                                                 const float*, float*);
template void GeneralizedMeanPool<kGpu>::forward(Context&, int64_t, int64_t, int64_t, double, const bf16*,
                                                 const bf16*, bf16*);

template <>
template <class T>
void GeneralizedMeanPool<kGpu>::backward(Context& context, int64_t batch, int64_t positions, int64_t channels,
                                         double epsilon, const T* grad_y, const T* x, const T* p, const T* y,
                                         T* grad_x, T* grad_p) {
  check_element<T>(context);
  constexpr int kPerVector = kVector<T, true>;
  const bool vectorized = channels % kPerVector == 0 && aligned(grad_y, 16) && aligned(x, 16) &&
                          aligned(y, 16) && aligned(grad_x, 16);
  const auto run = context.kernels == Kernels::plain ? plain_backward<T>
                   : vectorized                      ? run_backward<T, kPerVector>
                                                     : run_backward<T, 1>;
  run(context, batch, sizes_of(positions, channels, epsilon), grad_y, x, p, y, grad_x, grad_p);
}
template void GeneralizedMeanPool<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const float*,
                                                  const float*, const float*, const float*, float*, float*);
template void GeneralizedMeanPool<kGpu>::backward(Context&, int64_t, int64_t, int64_t, double, const bf16*,
                                                  const bf16*, const bf16*, const bf16*, bf16*, bf16*);

}  // namespace saccade
