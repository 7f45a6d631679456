#include "kernels/activation/log_softmax.h"
#include "kernels/activation/softmax_rows.h"

namespace saccade {

template <>
template <class T>
void LogSoftmax<kGpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  softmax_forward<true>(context, rows, columns, x, y);
}
template void LogSoftmax<kGpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void LogSoftmax<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

template <>
template <class T>
void LogSoftmax<kGpu>::backward(Context& context, int64_t rows, int64_t columns, const T* grad_y, const T* y,
                                T* grad_x) {
  softmax_backward<true>(context, rows, columns, grad_y, y, grad_x);
}
template void LogSoftmax<kGpu>::backward(Context&, int64_t, int64_t, const float*, const float*, float*);
template void LogSoftmax<kGpu>::backward(Context&, int64_t, int64_t, const bf16*, const bf16*, bf16*);

}  // namespace saccade
