#pragma once

#include "kernels/matmul/matmul.h"

namespace saccade {

template <>
template <class T>
void Matmul<Device::reference>::multiply(Context&, const MatmulShape& s, const T* a, const T* b,
                                         const T* bias, T* c) {
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      T sum = s.accumulate ? c[i * s.n + j] : bias ? bias[j] : T(0);
      for (int64_t l = 0; l < s.k; ++l)
        sum += a[s.transpose_a ? l * s.m + i : i * s.k + l] * b[s.transpose_b ? j * s.k + l : l * s.n + j];
      c[i * s.n + j] = s.relu && sum < T(0) ? T(0) : sum;
    }
}

}  // namespace saccade
