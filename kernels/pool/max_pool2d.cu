#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/pool/max_pool2d.h"
#include "kernels/pool/max_pool2d.plain.h"
#include "kernels/pool/window_tile.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
// The launch bounds ask for two blocks on a multiprocessor: without them the compiler spilled a few
// bytes to fit one block more.
[[maybe_unused]] constexpr int kBlocksPerSm = 2;
constexpr int kInFlight = 3;  // taps of a row whose loads are issued before the first is used

// A thread takes one vector of V channels of one output position.
// Windows that overlap find their inputs in L1.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    max_pool2d_forward(WindowTile w, const T* __restrict__ x, T* __restrict__ y, uint8_t* __restrict__ tap) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= w.out_items) return;
  const auto at = w.place<V>(item, w.out_width, w.out_height);
  const auto rows = w.taps(at.row, w.height), columns = w.taps(at.column, w.width);
  const int top = at.row * w.stride - w.padding, left = at.column * w.stride - w.padding;

  // The first tap wins until one is larger, so that a window full of -infinity has a winner.
  Pack<float, V> best;
  int winner[V];
#pragma unroll
  for (int i = 0; i < V; ++i) best.lane[i] = -INFINITY, winner[i] = rows.begin * w.kernel + columns.begin;
  for (int r = rows.begin; r < rows.end; ++r) {
    const T* line = x + w.in_offset(at.image, top + r, 0) + at.channel;
    for (int first = columns.begin; first < columns.end; first += kInFlight) {
      Pack<T, V> loaded[kInFlight];
#pragma unroll
      for (int u = 0; u < kInFlight; ++u)
        if (first + u < columns.end)
          loaded[u] = load<V * sizeof(T)>(line + static_cast<int64_t>(left + first + u) * w.channels);
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) {
        if (first + u >= columns.end) continue;
        const Pack<float, V> value = to_f32(loaded[u]);
#pragma unroll
        for (int i = 0; i < V; ++i) {
          const float v = value.lane[i], b = best.lane[i];
          if (b == b && !(v <= b)) {  // a NaN wins against all but an earlier NaN
            best.lane[i] = v;
            winner[i] = r * w.kernel + first + u;
          }
        }
      }
    }
  }
  const int64_t out = w.out_offset(at.image, at.row, at.column) + at.channel;
  Pack<uint8_t, V> index;
#pragma unroll
  for (int i = 0; i < V; ++i) index.lane[i] = static_cast<uint8_t>(winner[i]);
  store<V * sizeof(T)>(y + out, from_f32<T>(best));
  store<V>(tap + out, index);
}

// A thread gathers for one vector of one input position from the windows that it won.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kBlocksPerSm)
    max_pool2d_backward(WindowTile w, const T* __restrict__ grad_y, const uint8_t* __restrict__ tap,
                        T* __restrict__ grad_x) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= w.in_items) return;
  const auto at = w.place<V>(item, w.width, w.height);
  const auto rows = w.outputs(at.row, w.out_height), columns = w.outputs(at.column, w.out_width);
  Pack<float, V> sum = {};
  for (int i = rows.begin; i < rows.end; ++i)
#pragma unroll 2
    for (int j = columns.begin; j < columns.end; ++j) {
      const int r = at.row + w.padding - i * w.stride, s = at.column + w.padding - j * w.stride;
      const int index = r * w.kernel + s;
      const int64_t out = w.out_offset(at.image, i, j) + at.channel;
      const Pack<float, V> grad = to_f32(load<V * sizeof(T)>(grad_y + out));
      const Pack<uint8_t, V> won = load<V>(tap + out);
#pragma unroll
      for (int lane = 0; lane < V; ++lane) sum.lane[lane] += won.lane[lane] == index ? grad.lane[lane] : 0.0f;
    }
  store<V * sizeof(T)>(grad_x + w.in_offset(at.image, at.row, at.column) + at.channel, from_f32<T>(sum));
}

template <class T>
bool window_fits_vectors(const Window& w, const T* a, const T* b, const uint8_t* tap) {
  constexpr int kPerVector = kVector<T, true>;
  return w.channels % kPerVector == 0 && aligned(a, 16) && aligned(b, 16) && aligned(tap, kPerVector);
}

template <class T, int V>
void run_forward(Context& context, const Window& window, const T* x, T* y, uint8_t* tap) {
  const WindowTile w(window, V, "max_pool2d");
  launch(max_pool2d_forward<T, V>, blocks_for(w.out_items, kThreads), kThreads, 0, context.stream(), w, x, y,
         tap);
}

template <class T, int V>
void run_backward(Context& context, const Window& window, const T* grad_y, const uint8_t* tap, T* grad_x) {
  const WindowTile w(window, V, "max_pool2d");
  launch(max_pool2d_backward<T, V>, blocks_for(w.in_items, kThreads), kThreads, 0, context.stream(), w,
         grad_y, tap, grad_x);
}

}  // namespace

template <>
template <class T>
void MaxPool2d<kGpu>::forward(Context& context, const Window& w, const T* x, T* y, uint8_t* tap) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, w.out_count(), PlainMaxPool2d<T>{WindowTile(w, 1, "max_pool2d"), x, y, tap});
  const auto run =
      window_fits_vectors<T>(w, x, y, tap) ? run_forward<T, kVector<T, true>> : run_forward<T, 1>;
  run(context, w, x, y, tap);
}
template void MaxPool2d<kGpu>::forward(Context&, const Window&, const float*, float*, uint8_t*);
template void MaxPool2d<kGpu>::forward(Context&, const Window&, const bf16*, bf16*, uint8_t*);

template <>
template <class T>
void MaxPool2d<kGpu>::backward(Context& context, const Window& w, const T* grad_y, const uint8_t* tap,
                               T* grad_x) {
  check_element<T>(context);
  if (context.kernels == Kernels::plain)
    return each(context, w.in_count(),
                PlainMaxPool2dGradient<T>{WindowTile(w, 1, "max_pool2d"), grad_y, tap, grad_x});
  const auto run =
      window_fits_vectors<T>(w, grad_y, grad_x, tap) ? run_backward<T, kVector<T, true>> : run_backward<T, 1>;
  run(context, w, grad_y, tap, grad_x);
}
template void MaxPool2d<kGpu>::backward(Context&, const Window&, const float*, const uint8_t*, float*);
template void MaxPool2d<kGpu>::backward(Context&, const Window&, const bf16*, const uint8_t*, bf16*);

}  // namespace saccade
