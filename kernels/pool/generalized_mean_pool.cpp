#include "kernels/pool/generalized_mean_pool.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // channels of one task: their sums stay in registers and L1

struct Cube {
  float operator()(float u) const { return u * u * u; }
};
struct Power {
  float p;
  float operator()(float u) const { return exp_vector(p * log_vector(u)); }
};

template <class T, class Raise>
void sum_of_powers(const T* x, int64_t positions, int64_t channels, int64_t count, float epsilon, Raise raise,
                   float* sum) {
  std::fill(sum, sum + count, 0.0f);
  for (int64_t q = 0; q < positions; ++q, x += channels)
    for (int64_t c = 0; c < count; ++c) sum[c] += raise(float(x[c]) >= epsilon ? float(x[c]) : epsilon);
}
}  // namespace

template <>
template <class T>
void GeneralizedMeanPool<Device::cpu>::forward(Context& context, int64_t batch, int64_t positions,
                                               int64_t channels, double epsilon, const T* x, const T* p,
                                               T* y) {
  const int64_t blocks = (channels + kBlock - 1) / kBlock;
  const float power = float(*p), clamp = static_cast<float>(epsilon),
              scale = 1.0f / static_cast<float>(positions);
  const bool cube = power == 3.0f;
  parallel_for(context, batch * blocks, 2048 / (positions + 1) + 1, [&](int64_t begin, int64_t end) {
    float sum[kBlock];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kBlock,
                    count = std::min(kBlock, channels - first);
      const T* from = x + n * positions * channels + first;
      T* to = y + n * channels + first;
      if (cube) {
        sum_of_powers(from, positions, channels, count, clamp, Cube(), sum);
        for (int64_t c = 0; c < count; ++c) to[c] = std::cbrt(sum[c] * scale);
      } else {
        sum_of_powers(from, positions, channels, count, clamp, Power{power}, sum);
        for (int64_t c = 0; c < count; ++c) to[c] = Power{1.0f / power}(sum[c] * scale);
      }
    }
  });
}
template void GeneralizedMeanPool<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, double,
                                                        const float*, const float*, float*);
template void GeneralizedMeanPool<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, double,
                                                        const bf16*, const bf16*, bf16*);

template <>
template <class T>
void GeneralizedMeanPool<Device::cpu>::backward(Context& context, int64_t batch, int64_t positions,
                                                int64_t channels, double epsilon, const T* grad_y, const T* x,
                                                const T* p, const T* y, T* grad_x, T* grad_p) {
  const int64_t blocks = (channels + kBlock - 1) / kBlock;
  const float power = float(*p), clamp = static_cast<float>(epsilon),
              scale = 1.0f / static_cast<float>(positions);
  const bool cube = power == 3.0f;
  // Each task has its own partial sum of grad_p: the split is the same for any number of threads.
  Context::Scratch scratch(context, static_cast<size_t>(batch * blocks) * sizeof(double));
  double* partial = scratch.as<double>();
  parallel_for(context, batch * blocks, 2048 / (positions + 1) + 1, [&](int64_t begin, int64_t end) {
    float inverse[kBlock], weight[kBlock], sum[kBlock];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t n = task / blocks, first = task % blocks * kBlock,
                    count = std::min(kBlock, channels - first);
      const int64_t in = n * positions * channels + first, out = n * channels + first;
      for (int64_t c = 0; c < count; ++c) inverse[c] = 1.0f / float(y[out + c]);
      for (int64_t c = 0; c < count; ++c) weight[c] = float(grad_y[out + c]) * scale;
      for (int64_t q = 0; grad_x && q < positions; ++q) {
        const T* from = x + in + q * channels;
        T* to = grad_x + in + q * channels;
        if (cube) {
          for (int64_t c = 0; c < count; ++c) {
            const float u = float(from[c]) * inverse[c];
            to[c] = select(float(from[c]) >= clamp, weight[c] * (u * u), 0.0f);
          }
        } else {
          for (int64_t c = 0; c < count; ++c) {
            const float u = std::max(float(from[c]), clamp) * inverse[c];
            const float slope = weight[c] * exp_vector((power - 1.0f) * log_vector(u));
            to[c] = select(float(from[c]) >= clamp, slope, 0.0f);
          }
        }
      }
      if (!grad_p) continue;
      std::fill(sum, sum + count, 0.0f);
      for (int64_t q = 0; q < positions; ++q)
        for (int64_t c = 0; c < count; ++c) {
          const float log_u = log_vector(std::max(float(x[in + q * channels + c]), clamp) * inverse[c]);
          sum[c] += exp_vector(power * log_u) * log_u;
        }
      double total = 0;
      for (int64_t c = 0; c < count; ++c)
        total += static_cast<double>(weight[c]) * static_cast<double>(float(y[out + c])) *
                 static_cast<double>(sum[c]);
      partial[task] = total;
    }
  });
  if (!grad_p) return;
  double total = 0;
  for (int64_t task = 0; task < batch * blocks; ++task) total += partial[task];
  *grad_p = static_cast<float>(total / static_cast<double>(power));
}
template void GeneralizedMeanPool<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, double,
                                                         const float*, const float*, const float*,
                                                         const float*, float*, float*);
template void GeneralizedMeanPool<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, double,
                                                         const bf16*, const bf16*, const bf16*, const bf16*,
                                                         bf16*, bf16*);

}  // namespace saccade
