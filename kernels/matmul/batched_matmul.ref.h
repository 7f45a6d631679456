#pragma once

#include "kernels/matmul/batched_matmul.h"

namespace saccade {

template <>
template <class T>
void BatchedMatmul<Device::reference>::multiply(Context&, const BatchedMatmulShape& s, const T* a, const T* b,
                                                T* c) {
  s.check_fit();
  const auto at = [](const MatrixView& view, int64_t index, int64_t i, int64_t j) {
    return view.begin(index) + (view.transposed ? j * view.pitch + i : i * view.pitch + j);
  };
  for (int64_t index = 0; index < s.batch(); ++index)
    for (int64_t i = 0; i < s.m(); ++i)
      for (int64_t j = 0; j < s.n(); ++j) {
        T sum = T(0);
        for (int64_t l = 0; l < s.k(); ++l) sum += a[at(s.a, index, i, l)] * b[at(s.b, index, l, j)];
        T& to = c[at(s.c, index, i, j)];
        to = (s.accumulate ? to : T(0)) + T(s.alpha) * sum;
      }
}

}  // namespace saccade
