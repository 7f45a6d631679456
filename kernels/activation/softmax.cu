#include "kernels/activation/softmax.h"
#include "kernels/activation/softmax_rows.h"

namespace saccade {

template <>
template <class T>
void Softmax<kGpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  softmax_forward<false>(context, rows, columns, x, y);
}
template void Softmax<kGpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void Softmax<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void Softmax<kGpu>::backward(Context& context, int64_t rows, int64_t columns, const T* grad_y, const T* y,
                             T* grad_x) {
  softmax_backward<false>(context, rows, columns, grad_y, y, grad_x);
}
template void Softmax<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*, float*);
template void Softmax<kGpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
