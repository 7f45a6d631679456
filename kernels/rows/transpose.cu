#include "kernels/common/launch.h"
#include "kernels/common/vector.h"
#include "kernels/rows/transpose.h"
#include "kernels/rows/transpose.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kTile = 64;  // rows and columns of a block
// One more column than kTile, so that the words of a column lie in different banks;
// two where two elements share a word.
template <class T>
constexpr int kPitch = kTile + 4 / static_cast<int>(sizeof(T));

// Reads a tile along the rows of x and writes it along the rows of y, both in vectors of V elements.
template <class T, int V>
__global__ void __launch_bounds__(kThreads) transpose(int64_t rows, int64_t columns, uint32_t tiles_across,
                                                      const T* __restrict__ x, T* __restrict__ y) {
  __shared__ T tile[kTile][kPitch<T>];
  constexpr int kVectors = kTile / V, kStep = kThreads / kVectors, kSteps = kTile / kStep;
  const uint32_t tile_row = blockIdx.x / tiles_across, tile_column = blockIdx.x - tile_row * tiles_across;
  const int64_t top = static_cast<int64_t>(tile_row) * kTile,
                left = static_cast<int64_t>(tile_column) * kTile;
  const int along = static_cast<int>(threadIdx.x) % kVectors * V;
  const int across = static_cast<int>(threadIdx.x) / kVectors;
  Pack<T, V> in[kSteps];
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int r = across + s * kStep;
    if (top + r < rows && left + along < columns)
      in[s] = load<V * sizeof(T), Use::once>(x + (top + r) * columns + left + along);
  }
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int r = across + s * kStep;
    if (top + r >= rows || left + along >= columns) continue;
#pragma unroll
    for (int i = 0; i < V; ++i) tile[r][along + i] = in[s].lane[i];
  }
  __syncthreads();
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int c = across + s * kStep;
    if (left + c >= columns || top + along >= rows) continue;
    Pack<T, V> out;
#pragma unroll
    for (int i = 0; i < V; ++i) out.lane[i] = tile[along + i][c];
    store<V * sizeof(T)>(y + (left + c) * rows + top + along, out);
  }
}

}  // namespace

template <>
template <class T>
void Transpose<kGpu>::forward(Context& context, int64_t rows, int64_t columns, const T* x, T* y) {
  check_element<T>(context);
  if (rows == 0 || columns == 0) return;
  if (context.kernels == Kernels::plain)
    return each(context, rows * columns, PlainTranspose<T>{rows, columns, x, y});
  constexpr int kPerVector = kVector<T, true>;
  const int64_t down = (rows + kTile - 1) / kTile, across = (columns + kTile - 1) / kTile;
  const bool vectorized =
      rows % kPerVector == 0 && columns % kPerVector == 0 && aligned(x, 16) && aligned(y, 16);
  launch(vectorized ? transpose<T, kPerVector> : transpose<T, 1>, blocks_for(down * across, 1), kThreads, 0,
         context.stream(), rows, columns, across, x, y);
}
template void Transpose<kGpu>::forward(Context&, int64_t, int64_t, const float*, float*);
template void Transpose<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, bf16*);

}  // namespace saccade
