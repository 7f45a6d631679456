// Distances between every row of x [n, dim] and every row of y [m, dim]: d [n, m].
//
//   squared    d = sum_k (x_k - y_k)^2
//   euclidean  d = sqrt(max(sum_k (x_k - y_k)^2, 1e-12)), gradient 0 at and below the clamp
//   cosine     d = 1 - sum_k u_k v_k,   u = x / max(|x|, 1e-12), v likewise (x = 0: u = 0, d = 1)
//
// Squared distances come from |x|^2 + |y|^2 - 2 x.y, a matrix product. A pair so near that this cancels,
// d^2 < kNear (|x|^2 + |y|^2), is summed again from its differences, and so is its gradient. Let W be the
// factors of x - y in the gradient of d: W_ij = 2 g_ij (squared), or g_ij / d_ij and 0 at the clamp
// (euclidean). The gradient is
//
//   grad_x_i = (sum_j W_ij) x_i - sum_j W_ij y_j
//
// and for cosine the gradient of u_i is -sum_j (g_ij / |y_j|) y_j. On a GPU the products are those of
// matmul.h: bf16 on the tensor cores with sums in f32, and never tf32.
//
// Outputs are overwritten and alias nothing. Floor: x, y and d once, 2 n m dim operations.
//
// A GPU moves beside the product's traffic: x and y for their norms, and the products [n, m] in f32, written
// and read (for f32 they lie in d itself). The backward pass moves for each side: the norms, the distances
// and their gradients once, W written and read by the product, the product [n, dim] in f32 written and read.
// A near pair reads its two rows, and again for the gradient.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"
#include "kernels/metric/metric.h"

namespace saccade {

template <Device D>
struct PairwiseDistance {
  static constexpr double kNear = 0.02;
  static constexpr double kClamp = 1e-12;  // the least squared distance under the root, and the least norm

  template <class T>
  static void forward(Context&, Metric, int64_t n, int64_t m, int64_t dim, const T* x, const T* y,
                      T* distance);

  // The gradient with respect to x. For the gradient with respect to y, exchange x and y, n and m, and set
  // `transposed`: distance and grad_distance are [n, m], or [m, n] when transposed.
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
