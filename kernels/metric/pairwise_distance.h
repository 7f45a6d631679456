// Distances between every row of x [n, dim] and every row of y [m, dim]: d [n, m].
//
//   squared    d = sum_k (x_k - y_k)^2
//   euclidean  d = sqrt(max(sum_k (x_k - y_k)^2, 1e-12)), gradient 0 at and below the clamp
//   cosine     d = 1 - sum_k u_k v_k,   u = x / max(|x|, 1e-12), v likewise (x = 0: u = 0, d = 1)
//
// Squared distances come from |x|^2 + |y|^2 - 2 x.y, a matrix product; a pair so near that this would cancel,
// d^2 < kNear (|x|^2 + |y|^2), is summed again from its differences, and so is its gradient. With W the
// factors of x - y in the gradient of d, W_ij = 2 g_ij or g_ij / d_ij (0 at the clamp), the gradient is
//   grad_x_i = (sum_j W_ij) x_i - sum_j W_ij y_j
// and for cosine that of u is -sum_j (g_ij / |y_j|) y_j. On a GPU the products are those of matmul.h, with
// bf16 on the tensor cores and sums in fp32, never in tf32.
// Outputs are overwritten and alias nothing. Floor: x, y and d once, 2 n m dim operations.
//
// Traffic on a GPU beside the product's: x and y for their norms, and the products [n, m] in f32, written and
// read (for f32 they lie where the distances go). Backward, for each side: the norms, the distances and their
// gradients once, W written and read by the product, the product [n, dim] in f32 written and read. A near
// pair reads its two rows, and again for the gradient.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/metric/metric.h"

namespace saccade {

template <Device D>
struct PairwiseDistance {
  static constexpr double kNear = 0.02;
  static constexpr double kClamp = 1e-12;  // of a squared distance, and of a norm

  template <class T>
  static void forward(Context&, Metric, int64_t n, int64_t m, int64_t dim, const T* x, const T* y,
                      T* distance);

  // The gradient with respect to x. That with respect to y is the same function with x and y, n and m
  // exchanged and `transposed` set: distance and grad_distance are [n, m], or [m, n] when transposed.
  template <class T>
  static void backward(Context&, Metric, bool transposed, int64_t n, int64_t m, int64_t dim, const T* x,
                       const T* y, const T* distance, const T* grad_distance, T* grad_x);

  static Floor floor(int64_t n, int64_t m, int64_t dim, int element_bytes) {
    const double rows = static_cast<double>(n), columns = static_cast<double>(m),
                 size = static_cast<double>(dim);
    return {element_bytes * ((rows + columns) * size + rows * columns), 2 * rows * columns * size};
  }
};

}  // namespace saccade
