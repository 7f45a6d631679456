#include "kernels/rows/copy_rows.h"

#include "kernels/common/divider.h"
#include "kernels/rows/move_rows.h"

namespace saccade {

namespace {
constexpr unsigned kThreads = 256;
constexpr int kInFlight = 4;  // words of a thread

// y in the order of its memory: each word is one of x, or zeros. Sizes are in words of Bytes.
template <int Bytes>
__global__ void __launch_bounds__(kThreads)
    pad_rows(uint32_t words, Divider y_width, uint32_t begin, uint32_t width, const uint8_t* __restrict__ x,
             uint8_t* __restrict__ y) {
  const uint32_t first = blockIdx.x * kInFlight * kThreads + threadIdx.x;
  Pack<uint8_t, Bytes> word[kInFlight] = {};
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    uint32_t row = first + u * kThreads;
    if (row >= words) continue;
    const uint32_t column = y_width.split(row) - begin;  // left of the slice it wraps around
    if (column < width)
      word[u] = load<Bytes, Use::once>(x + (static_cast<int64_t>(row) * width + column) * Bytes);
  }
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    const uint32_t at = first + u * kThreads;
    if (at < words) store<Bytes>(y + static_cast<int64_t>(at) * Bytes, word[u]);
  }
}
}  // namespace

template <>
template <class T>
void CopyRows<kGpu>::copy(Context& context, int64_t rows, int64_t width, const T* x, int64_t x_pitch, T* y,
                          int64_t y_pitch) {
  check_element<T>(context);
  constexpr int64_t kBytes = sizeof(T);
  move_rows(context, {rows, width * kBytes, x, x_pitch * kBytes, y, y_pitch * kBytes});
}
template void CopyRows<kGpu>::copy(Context&, int64_t, int64_t, const float*, int64_t, float*, int64_t);
template void CopyRows<kGpu>::copy(Context&, int64_t, int64_t, const bf16*, int64_t, bf16*, int64_t);

template <>
template <class T>
void CopyRows<kGpu>::pad(Context& context, int64_t rows, int64_t width, const T* x, int64_t begin, T* y,
                         int64_t y_width) {
  check_element<T>(context);
  if (rows * y_width == 0) return;
  const int64_t x_row = width * sizeof(T), y_row = y_width * sizeof(T), first = begin * sizeof(T);
  const auto run = [&]<int Bytes>() {
    constexpr int64_t kPerBlock = kInFlight * static_cast<int64_t>(kThreads);
    const int64_t words = rows * (y_row / Bytes);
    check(words < (int64_t{1} << 31) - kPerBlock, "a matrix of ", rows, " x ", y_width,
          " elements is too large for one launch");
    launch(pad_rows<Bytes>, blocks_for(words, kPerBlock), kThreads, 0, context.stream(), words,
           Divider(y_row / Bytes), first / Bytes, x_row / Bytes, reinterpret_cast<const uint8_t*>(x),
           reinterpret_cast<uint8_t*>(y));
  };
  with_widest_word(bits_of(x, y) | static_cast<uint64_t>(x_row | y_row | first), run);
}
template void CopyRows<kGpu>::pad(Context&, int64_t, int64_t, const float*, int64_t, float*, int64_t);
template void CopyRows<kGpu>::pad(Context&, int64_t, int64_t, const bf16*, int64_t, bf16*, int64_t);

}  // namespace saccade
