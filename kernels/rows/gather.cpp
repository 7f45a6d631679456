#include "kernels/rows/gather.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/sum_in_f32.h"

namespace saccade {

template <>
template <class T>
void Gather<Device::cpu>::gather(Context& context, int64_t rows, int64_t picked, int64_t width, const T* x,
                                 const int64_t* index, T* y) {
  check_index(rows, picked, index);
  parallel_for(context, picked, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) std::copy_n(x + index[k] * width, width, y + k * width);
  });
}
template void Gather<Device::cpu>::gather(Context&, int64_t, int64_t, int64_t, const float*, const int64_t*,
                                          float*);
template void Gather<Device::cpu>::gather(Context&, int64_t, int64_t, int64_t, const bf16*, const int64_t*,
                                          bf16*);

template <>
template <class T>
void Gather<Device::cpu>::scatter_add(Context& context, int64_t rows, int64_t picked, int64_t width,
                                      const T* x, const int64_t* index, T* y) {
  check_index(rows, picked, index);
  // A counting sort of 0..picked-1 by row. Afterwards row j owns order[last[j-1] .. last[j]).
  Context::Scratch scratch(context, static_cast<size_t>(rows + 1 + picked) * sizeof(int64_t));
  int64_t *first = scratch.as<int64_t>(), *order = first + rows + 1;
  std::fill(first, first + rows + 1, 0);
  for (int64_t k = 0; k < picked; ++k) ++first[index[k] + 1];
  for (int64_t j = 0; j < rows; ++j) first[j + 1] += first[j];
  for (int64_t k = 0; k < picked; ++k) order[first[index[k]]++] = k;
  const int64_t* last = first;  // the sort has moved each row's start to its end
  parallel_for(context, rows, 16384 / (width + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      sum_in_f32(width, y + j * width, [&](int64_t left, int64_t count, float* sum) {
        for (int64_t at = j ? last[j - 1] : 0; at < last[j]; ++at) {
          const T* from = x + order[at] * width + left;
          for (int64_t c = 0; c < count; ++c) sum[c] += float(from[c]);
        }
      });
    }
  });
}
template void Gather<Device::cpu>::scatter_add(Context&, int64_t, int64_t, int64_t, const float*,
                                               const int64_t*, float*);
template void Gather<Device::cpu>::scatter_add(Context&, int64_t, int64_t, int64_t, const bf16*,
                                               const int64_t*, bf16*);

}  // namespace saccade
