#include "kernels/rows/transpose.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"

namespace saccade {

template <>
template <class T>
void Transpose<Device::cpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  constexpr int64_t kTile = 16;  // rows and columns: one cache line each
  parallel_for(context, (columns + kTile - 1) / kTile, 16384 / (kTile * (rows + 1)) + 1,
               [&](int64_t begin, int64_t end) {
                 for (int64_t tile = begin; tile < end; ++tile) {
                   const int64_t left = tile * kTile, right = std::min(columns, left + kTile);
                   for (int64_t top = 0; top < rows; top += kTile)
                     for (int64_t c = left; c < right; ++c)
                       for (int64_t r = top; r < std::min(rows, top + kTile); ++r)
                         y[c * rows + r] = x[r * columns + c];
                 }
               });
}
template void Transpose<Device::cpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void Transpose<Device::cpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

}  // namespace saccade
