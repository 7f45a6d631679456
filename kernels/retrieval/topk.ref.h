#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/retrieval/topk.h"

namespace saccade {

// Whether (a, at index i) stands before (b, at index j). Index -1 is an empty place, the last of all.
template <class T>
bool stands_before(bool largest, T a, int64_t i, T b, int64_t j) {
  using std::isnan;
  if (i < 0 || j < 0) return j < 0 && i >= 0;
  if (isnan(a) || isnan(b)) return isnan(a) == isnan(b) ? i < j : isnan(b);
  if (a == b) return i < j;
  return largest ? a > b : a < b;
}

template <>
template <class T>
void TopK<Device::reference>::clear(Context&, int64_t rows, int64_t k, T* values, int64_t* indices) {
  std::fill(values, values + rows * k, T(std::numeric_limits<double>::quiet_NaN()));
  std::fill(indices, indices + rows * k, int64_t{-1});
}

// Sorts the kept items together with the new ones.
template <>
template <class T>
void TopK<Device::reference>::update(Context&, int64_t rows, int64_t columns, int64_t first, int64_t k,
                                     bool largest, const T* x, int64_t pitch, T* values, int64_t* indices) {
  struct Item {
    T value;
    int64_t index;
  };
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<Item> items;
    for (int64_t p = 0; p < k; ++p) items.push_back({values[r * k + p], indices[r * k + p]});
    for (int64_t c = 0; c < columns; ++c) items.push_back({x[r * pitch + c], first + c});
    std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
      return stands_before(largest, a.value, a.index, b.value, b.index);
    });
    for (int64_t p = 0; p < k; ++p) {
      values[r * k + p] = items[static_cast<size_t>(p)].value;
      indices[r * k + p] = items[static_cast<size_t>(p)].index;
    }
  }
}

template <>
template <class T>
void TopK<Device::reference>::forward(Context& context, int64_t rows, int64_t columns, int64_t k,
                                      bool largest, const T* x, T* values, int64_t* indices) {
  check(0 <= k && k <= columns, "topk: k = ", k, " of ", columns, " columns");
  clear(context, rows, k, values, indices);
  update(context, rows, columns, 0, k, largest, x, columns, values, indices);
}

}  // namespace saccade
