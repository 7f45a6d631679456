#pragma once

#include "kernels/convolution/conv2d.h"

namespace saccade {

// Calls visit(index in x of channel 0, index in w of (k = 0, c = 0), index in y of k = 0) for every pair of
// an output pixel and a filter tap that falls inside the image.
template <class Visit>
void for_each_tap(const Conv2dShape& d, Visit&& visit) {
  for (int64_t n = 0; n < d.n; ++n)
    for (int64_t p = 0; p < d.p(); ++p)
      for (int64_t q = 0; q < d.q(); ++q)
        for (int64_t r = 0; r < d.r; ++r)
          for (int64_t s = 0; s < d.s; ++s) {
            const int64_t i = p * d.stride_h - d.pad_h + r, j = q * d.stride_w - d.pad_w + s;
            if (i < 0 || i >= d.h || j < 0 || j >= d.w) continue;
            visit(((n * d.h + i) * d.w + j) * d.c, (r * d.s + s) * d.c, ((n * d.p() + p) * d.q() + q) * d.k);
          }
}

template <>
template <class T>
void Conv2d<Device::reference>::forward(Context&, const Conv2dShape& d, const T* x, const T* w, const T* b,
                                        T* y, uint64_t) {
  for (int64_t i = 0; i < d.y_count(); ++i) y[i] = b ? b[i % d.k] : T(0);
  for_each_tap(d, [&](int64_t xi, int64_t wi, int64_t yi) {
    for (int64_t k = 0; k < d.k; ++k) {
      T sum = T(0);
      for (int64_t c = 0; c < d.c; ++c) sum += x[xi + c] * w[k * d.r * d.s * d.c + wi + c];
      y[yi + k] += sum;
    }
  });
}

template <>
template <class T>
void Conv2d<Device::reference>::backward_data(Context&, const Conv2dShape& d, const T* grad_y, const T* w,
                                              T* grad_x) {
  for (int64_t i = 0; i < d.x_count(); ++i) grad_x[i] = T(0);
  for_each_tap(d, [&](int64_t xi, int64_t wi, int64_t yi) {
    for (int64_t k = 0; k < d.k; ++k)
      for (int64_t c = 0; c < d.c; ++c) grad_x[xi + c] += grad_y[yi + k] * w[k * d.r * d.s * d.c + wi + c];
  });
}

template <>
template <class T>
void Conv2d<Device::reference>::backward_weight(Context&, const Conv2dShape& d, const T* x, const T* grad_y,
                                                T* grad_w, T* grad_b) {
  for (int64_t i = 0; i < d.w_count(); ++i) grad_w[i] = T(0);
  for_each_tap(d, [&](int64_t xi, int64_t wi, int64_t yi) {
    for (int64_t k = 0; k < d.k; ++k)
      for (int64_t c = 0; c < d.c; ++c) grad_w[k * d.r * d.s * d.c + wi + c] += grad_y[yi + k] * x[xi + c];
  });
  if (!grad_b) return;
  for (int64_t k = 0; k < d.k; ++k) grad_b[k] = T(0);
  for (int64_t i = 0; i < d.y_count(); ++i) grad_b[i % d.k] += grad_y[i];
}

}  // namespace saccade
