#include "kernels/rows/copy_rows.h"

#include "kernels/rows/move_rows.h"

namespace saccade {

namespace {
template <class T>
void copy_on_gpu(Context& context, int64_t rows, int64_t width, const T* x, int64_t x_pitch, T* y,
                 int64_t y_pitch) {
  check_element<T>(context);
  constexpr int64_t kBytes = sizeof(T);
  move_rows(context, {rows, width * kBytes, x, x_pitch * kBytes, y, y_pitch * kBytes});
}
}  // namespace

template <>
template <>
void CopyRows<kGpu>::copy(Context& context, int64_t rows, int64_t width, const float* x, int64_t x_pitch,
                          float* y, int64_t y_pitch) {
  copy_on_gpu(context, rows, width, x, x_pitch, y, y_pitch);
}
template <>
template <>
void CopyRows<kGpu>::copy(Context& context, int64_t rows, int64_t width, const bf16* x, int64_t x_pitch,
                          bf16* y, int64_t y_pitch) {
  copy_on_gpu(context, rows, width, x, x_pitch, y, y_pitch);
}

}  // namespace saccade
