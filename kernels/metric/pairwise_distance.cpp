#include "kernels/metric/pairwise_distance.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"
#include "kernels/common/wide_copy.h"
#include "kernels/matmul/sgemm.h"

namespace saccade {

namespace {

constexpr float kNear = static_cast<float>(PairwiseDistance<Device::cpu>::kNear);
constexpr float kClamp = static_cast<float>(PairwiseDistance<Device::cpu>::kClamp);

int64_t grain_of(int64_t dim) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(dim, 1));
}

void squared_norms(Context& context, int64_t rows, int64_t dim, const float* x, float* norms) {
  parallel_for(context, rows, grain_of(dim), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * dim;
      norms[r] = sum_over(dim, [&](int64_t k) { return row[k] * row[k]; });
    }
  });
}

float squared_difference(int64_t dim, const float* a, const float* b) {
  return sum_over(dim, [&](int64_t k) { return (a[k] - b[k]) * (a[k] - b[k]); });
}

// u = x / max(|x|, clamp), row by row.
void normalize(Context& context, int64_t rows, int64_t dim, const float* x, float* u) {
  parallel_for(context, rows, grain_of(dim), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = x + r * dim;
      const float norm = std::sqrt(sum_over(dim, [&](int64_t k) { return row[k] * row[k]; }));
      const float scale = 1.0f / std::max(norm, kClamp);
      for (int64_t k = 0; k < dim; ++k) u[r * dim + k] = row[k] * scale;
    }
  });
}

// weights[i,j] = the factor of x_i - y_j in the gradient. grad and distance may be stored transposed.
void difference_weights(Context& context, Metric metric, bool transposed, int64_t n, int64_t m,
                        const float* distance, const float* grad, float* weights) {
  const float least = std::sqrt(kClamp);
  parallel_for(context, n, grain_of(m), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < m; ++j) {
        const int64_t at = transposed ? j * n + i : i * m + j;
        float& weight = weights[i * m + j];
        if (metric == Metric::squared)
          weight = 2 * grad[at];
        else
          weight = distance[at] > least ? grad[at] / distance[at] : 0.0f;
      }
  });
}

// grad_x = weights * (x - y) for the near pairs, whose weights are then set to zero, plus (sum of the other
// weights) * x. The matrix product then adds what is left, -weights * y.
void add_near_and_own(Context& context, Metric metric, bool transposed, int64_t n, int64_t m, int64_t dim,
                      const float* x, const float* y, const float* x_norms, const float* y_norms,
                      const float* distance, float* weights, float* grad_x) {
  parallel_for(context, n, grain_of(m + dim), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* a = x + i * dim;
      float* grad = grad_x + i * dim;
      std::fill(grad, grad + dim, 0.0f);
      double own = 0;
      for (int64_t j = 0; j < m; ++j) {
        float& weight = weights[i * m + j];
        const float d = distance[transposed ? j * n + i : i * m + j];
        const float d2 = metric == Metric::squared ? d : d * d;
        if (d2 < kNear * (x_norms[i] + y_norms[j])) {
          const float* b = y + j * dim;
          for (int64_t k = 0; k < dim; ++k) grad[k] += weight * (a[k] - b[k]);
          weight = 0;
        }
        own += weight;
      }
      for (int64_t k = 0; k < dim; ++k) grad[k] += static_cast<float>(own) * a[k];
    }
  });
}

// grad_x = (g - (g.u) u) / |x| from the gradient g of u = x / |x|; below the clamp g / clamp.
void undo_normalization(Context& context, int64_t rows, int64_t dim, const float* x, const float* u,
                        float* grad_x) {
  parallel_for(context, rows, grain_of(dim), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float *row = x + r * dim, *unit = u + r * dim;
      float* grad = grad_x + r * dim;
      const float norm = std::sqrt(sum_over(dim, [&](int64_t k) { return row[k] * row[k]; }));
      const float along = norm > kClamp ? sum_over(dim, [&](int64_t k) { return grad[k] * unit[k]; }) : 0.0f;
      const float scale = 1.0f / std::max(norm, kClamp);
      for (int64_t k = 0; k < dim; ++k) grad[k] = (grad[k] - along * unit[k]) * scale;
    }
  });
}

}  // namespace

template <>
template <>
void PairwiseDistance<Device::cpu>::forward(Context& context, Metric metric, int64_t n, int64_t m,
                                            int64_t dim, const float* x, const float* y, float* distance) {
  const bool cosine = metric == Metric::cosine;
  const Context::Scratch scratch(context, static_cast<size_t>((n + m) * (cosine ? dim : 1)) * sizeof(float));
  float *of_x = scratch.as<float>(), *of_y = of_x + n * (cosine ? dim : 1);
  if (cosine) {
    normalize(context, n, dim, x, of_x);
    normalize(context, m, dim, y, of_y);
    std::fill(distance, distance + n * m, 1.0f);
    sgemm(context, false, true, n, m, dim, -1, of_x, dim, of_y, dim, 1, distance, m);
    return;
  }
  squared_norms(context, n, dim, x, of_x);
  squared_norms(context, m, dim, y, of_y);
  sgemm(context, false, true, n, m, dim, -2, x, dim, y, dim, 0, distance, m);
  parallel_for(context, n, grain_of(m), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < m; ++j) {
        const float scale = of_x[i] + of_y[j];
        float d2 = scale + distance[i * m + j];
        if (d2 < kNear * scale) d2 = squared_difference(dim, x + i * dim, y + j * dim);
        // A NaN stays.
        distance[i * m + j] = metric == Metric::squared ? d2 : std::sqrt(d2 < kClamp ? kClamp : d2);
      }
  });
}

template <>
template <>
void PairwiseDistance<Device::cpu>::backward(Context& context, Metric metric, bool transposed, int64_t n,
                                             int64_t m, int64_t dim, const float* x, const float* y,
                                             const float* distance, const float* grad_distance,
                                             float* grad_x) {
  if (metric == Metric::cosine) {
    const Context::Scratch scratch(context, static_cast<size_t>((n + m) * dim) * sizeof(float));
    float *u = scratch.as<float>(), *v = u + n * dim;
    normalize(context, n, dim, x, u);
    normalize(context, m, dim, y, v);
    sgemm(context, transposed, false, n, dim, m, -1, grad_distance, transposed ? n : m, v, dim, 0, grad_x,
          dim);
    undo_normalization(context, n, dim, x, u, grad_x);
    return;
  }
  const Context::Scratch scratch(context, static_cast<size_t>(n + m + n * m) * sizeof(float));
  float *x_norms = scratch.as<float>(), *y_norms = x_norms + n, *weights = y_norms + m;
  squared_norms(context, n, dim, x, x_norms);
  squared_norms(context, m, dim, y, y_norms);
  difference_weights(context, metric, transposed, n, m, distance, grad_distance, weights);
  add_near_and_own(context, metric, transposed, n, m, dim, x, y, x_norms, y_norms, distance, weights, grad_x);
  sgemm(context, false, false, n, dim, m, -1, weights, m, y, dim, 1, grad_x, dim);
}

// Every row is read many times, so bf16 is widened once, and the result rounded once.
template <>
template <>
void PairwiseDistance<Device::cpu>::forward(Context& context, Metric metric, int64_t n, int64_t m,
                                            int64_t dim, const bf16* x, const bf16* y, bf16* distance) {
  const WideCopy wide_x(context, n * dim, x), wide_y(context, m * dim, y), result(context, n * m);
  forward(context, metric, n, m, dim, wide_x.data(), wide_y.data(), result.data());
  result.round_to(distance);
}

// A distance at the clamp is rounded down to bf16, so that its gradient is 0 here, too.
template <>
template <>
void PairwiseDistance<Device::cpu>::backward(Context& context, Metric metric, bool transposed, int64_t n,
                                             int64_t m, int64_t dim, const bf16* x, const bf16* y,
                                             const bf16* distance, const bf16* grad_distance, bf16* grad_x) {
  const WideCopy wide_x(context, n * dim, x), wide_y(context, m * dim, y),
      wide_distance(context, n * m, distance), wide_grad(context, n * m, grad_distance),
      result(context, n * dim);
  backward(context, metric, transposed, n, m, dim, wide_x.data(), wide_y.data(), wide_distance.data(),
           wide_grad.data(), result.data());
  result.round_to(grad_x);
}

}  // namespace saccade
