#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/pool/average_pool2d.h"
#include "kernels/pool/window_tile.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
// The launch bounds ask for two blocks on a multiprocessor: without them the compiler spilled a few
// bytes to fit one block more.
[[maybe_unused]] constexpr int kBlocksPerSm = 2;

// A thread takes one vector of V channels of one output position.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    average_pool2d_forward(WindowTile w, const T* __restrict__ x, T* __restrict__ y) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= w.out_items) return;
  const auto at = w.place<V>(item, w.out_width, w.out_height);
  const auto rows = w.taps(at.row, w.height), columns = w.taps(at.column, w.width);
  const int top = at.row * w.stride - w.padding, left = at.column * w.stride - w.padding;
  Pack<float, V> sum = {};
  for (int r = rows.begin; r < rows.end; ++r)
#pragma unroll 3
    for (int s = columns.begin; s < columns.end; ++s) {
      const Pack<float, V> value =
          to_f32(load<V * sizeof(T)>(x + w.in_offset(at.image, top + r, left + s) + at.channel));
#pragma unroll
      for (int i = 0; i < V; ++i) sum.lane[i] += value.lane[i];
    }
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
#pragma unroll
  for (int i = 0; i < V; ++i) sum.lane[i] *= scale;
  store<V * sizeof(T)>(y + w.out_offset(at.image, at.row, at.column) + at.channel, from_f32<T>(sum));
}

// A thread gathers for one vector of one input position from the windows that hold it.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    average_pool2d_backward(WindowTile w, const T* __restrict__ grad_y, T* __restrict__ grad_x) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= w.in_items) return;
  const auto at = w.place<V>(item, w.width, w.height);
  const auto rows = w.outputs(at.row, w.out_height), columns = w.outputs(at.column, w.out_width);
  const float scale = 1.0f / static_cast<float>(w.kernel * w.kernel);
  Pack<float, V> sum = {};
  for (int i = rows.begin; i < rows.end; ++i)
#pragma unroll 2
    for (int j = columns.begin; j < columns.end; ++j) {
      const Pack<float, V> grad =
          to_f32(load<V * sizeof(T)>(grad_y + w.out_offset(at.image, i, j) + at.channel));
#pragma unroll
      for (int lane = 0; lane < V; ++lane) sum.lane[lane] = fmaf(scale, grad.lane[lane], sum.lane[lane]);
    }
  store<V * sizeof(T)>(grad_x + w.in_offset(at.image, at.row, at.column) + at.channel, from_f32<T>(sum));
}

template <class T, int V>
void run_forward(Context& context, const Window& window, const T* x, T* y) {
  const WindowTile w(window, V, "average_pool2d");
  launch(average_pool2d_forward<T, V>, blocks_for(w.out_items, kThreads), kThreads, 0, context.stream(), w, x,
         y);
}

template <class T, int V>
void run_backward(Context& context, const Window& window, const T* grad_y, T* grad_x) {
  const WindowTile w(window, V, "average_pool2d");
  launch(average_pool2d_backward<T, V>, blocks_for(w.in_items, kThreads), kThreads, 0, context.stream(), w,
         grad_y, grad_x);
}

template <class T>
bool window_fits_vectors(const Window& w, const T* a, const T* b) {
  return w.channels % kVector<T, true> == 0 && aligned(a, 16) && aligned(b, 16);
}

}  // namespace

template <>
template <class T>
void AveragePool2d<kGpu>::forward(Context& context, const Window& w, const T* x, T* y) {
  check_element<T>(context);
  const auto run = window_fits_vectors<T>(w, x, y) ? run_forward<T, kVector<T, true>> : run_forward<T, 1>;
  run(context, w, x, y);
}
template void AveragePool2d<kGpu>::forward(Context&, const Window&, const float*, float*);
template void AveragePool2d<kGpu>::forward(Context&, const Window&, const bf16*, bf16*);

template <>
template <class T>
void AveragePool2d<kGpu>::backward(Context& context, const Window& w, const T* grad_y, T* grad_x) {
  check_element<T>(context);
  const auto run =
      window_fits_vectors<T>(w, grad_y, grad_x) ? run_backward<T, kVector<T, true>> : run_backward<T, 1>;
  run(context, w, grad_y, grad_x);
}
template void AveragePool2d<kGpu>::backward(Context&, const Window&, const float*, float*);
template void AveragePool2d<kGpu>::backward(Context&, const Window&, const bf16*, bf16*);

}  // namespace saccade
