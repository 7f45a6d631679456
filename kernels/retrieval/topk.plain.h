// The plain kernel of topk.h: a thread for each row keeps its k best in order by insertion.
#pragma once

#include "kernels/common/each.h"
#include "kernels/retrieval/topk.h"

namespace saccade {
inline namespace SACCADE_TARGET {

template <class T>
struct PlainTopK {
  int64_t columns, first, k;
  bool largest;
  const T* x;
  int64_t pitch;
  T* values;
  int64_t* indices;

  __device__ void operator()(int64_t row) const {
    T* const best = values + row * k;
    int64_t* const index = indices + row * k;
    for (int64_t c = 0; c < columns; ++c) {
      const T value = x[row * pitch + c];
      int64_t place = k;  // after all items that stand before it
      while (place > 0 && before(value, first + c, best[place - 1], index[place - 1])) --place;
      if (place == k) continue;
      for (int64_t i = k - 1; i > place; --i) best[i] = best[i - 1], index[i] = index[i - 1];
      best[place] = value;
      index[place] = first + c;
    }
  }
  __device__ bool before(T a_value, int64_t a_index, T b_value, int64_t b_index) const {
    if (b_index < 0) return true;  // an empty place
    const float a = static_cast<float>(a_value), b = static_cast<float>(b_value);
    if (a != a || b != b) return a == a || (b != b && a_index < b_index);  // NaN comes last
    if (a != b) return largest ? a > b : a < b;
    return a_index < b_index;
  }
};

}  // namespace SACCADE_TARGET
}  // namespace saccade
