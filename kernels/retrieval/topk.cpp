#include "kernels/retrieval/topk.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {
namespace {

constexpr int64_t kBlock = 256;

// Whether (a, i) stands before (b, j); neither place is empty.
template <bool kLargest>
bool before(float a, int64_t i, float b, int64_t j) {
  if (kLargest ? a > b : a < b) return true;
  if (a == b) return i < j;
  if (std::isnan(a) == std::isnan(b)) return std::isnan(a) && i < j;
  return std::isnan(b);
}

// Whether any of x may enter before `worst`: one comparison for each element, vectorized.
template <bool kLargest, class T>
bool any_enters(const T* x, int64_t count, float worst) {
  int enters = 0;
#pragma omp simd reduction(| : enters)
  for (int64_t c = 0; c < count; ++c) enters |= kLargest ? float(x[c]) >= worst : float(x[c]) <= worst;
  return enters != 0;
}

// The kept items of one row: values[0..used) sorted, the rest empty.
template <class T>
struct Row {
  T* values;
  int64_t* indices;
  int64_t k, used;

  template <bool kLargest>
  void insert(T value, int64_t index) {
    int64_t place = used < k ? used++ : k - 1;
    for (; place > 0 && before<kLargest>(float(value), index, float(values[place - 1]), indices[place - 1]);
         --place) {
      values[place] = values[place - 1];
      indices[place] = indices[place - 1];
    }
    values[place] = value;
    indices[place] = index;
  }

  template <bool kLargest>
  void take(const T* x, int64_t columns, int64_t first) {
    for (int64_t block = 0; block < columns; block += kBlock) {
      const int64_t end = std::min(block + kBlock, columns);
      const float worst = float(values[k - 1]);
      if (used == k && !std::isnan(worst) && !any_enters<kLargest>(x + block, end - block, worst)) continue;
      for (int64_t c = block; c < end; ++c)
        if (used < k || before<kLargest>(float(x[c]), first + c, float(values[k - 1]), indices[k - 1]))
          insert<kLargest>(x[c], first + c);
    }
  }
};

}  // namespace

template <>
template <class T>
void TopK<Device::cpu>::clear(Context&, int64_t rows, int64_t k, T* values, int64_t* indices) {
  std::fill(values, values + rows * k, T(std::numeric_limits<float>::quiet_NaN()));
  std::fill(indices, indices + rows * k, int64_t{-1});
}
template void TopK<Device::cpu>::clear(Context&, int64_t, int64_t, float*, int64_t*);
template void TopK<Device::cpu>::clear(Context&, int64_t, int64_t, bf16*, int64_t*);

template <>
template <class T>
void TopK<Device::cpu>::update(Context& context, int64_t rows, int64_t columns, int64_t first, int64_t k,
                               bool largest, const T* x, int64_t pitch, T* values, int64_t* indices) {
  if (k == 0) return;
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(columns, 1));
  parallel_for(context, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      Row<T> row{values + r * k, indices + r * k, k, k};
      while (row.used > 0 && row.indices[row.used - 1] < 0) --row.used;
      if (largest) {
        row.template take<true>(x + r * pitch, columns, first);
      } else {
        row.template take<false>(x + r * pitch, columns, first);
      }
    }
  });
}
template void TopK<Device::cpu>::update(Context&, int64_t, int64_t, int64_t, int64_t, bool, const float*,
                                        int64_t, float*, int64_t*);
template void TopK<Device::cpu>::update(Context&, int64_t, int64_t, int64_t, int64_t, bool, const bf16*,
                                        int64_t, bf16*, int64_t*);

template <>
template <class T>
void TopK<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, int64_t k, bool largest,
                                const T* x, T* values, int64_t* indices) {
  check(0 <= k && k <= columns, "topk: k = ", k, " of ", columns, " columns");
  clear(context, rows, k, values, indices);
  update(context, rows, columns, 0, k, largest, x, columns, values, indices);
}
template void TopK<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, bool, const float*, float*,
                                         int64_t*);
template void TopK<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, bool, const bf16*, bf16*,
                                         int64_t*);

}  // namespace saccade
