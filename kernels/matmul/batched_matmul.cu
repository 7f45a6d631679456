#include "kernels/matmul/batched_matmul.h"

#include "kernels/common/launch.h"
#include "kernels/matmul/cublaslt.h"
#include "kernels/matmul/product.h"

namespace saccade {

namespace {

// A matrix with a row pitch: [size, k] where neighbors lie along k, else [k, size].
template <class T, bool along_k_, bool vectorized>
struct Pitched {
  using Element = T;
  static constexpr bool along_k = along_k_;
  const T* data;
  uint32_t size, k, pitch;

  __device__ __forceinline__ Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const {
    const uint32_t row = along_k ? i : l;
    if (row >= (along_k ? size : k)) return {};
    return load_row<vectorized>(data + static_cast<int64_t>(row) * pitch, along_k ? l : i,
                                along_k ? k : size);
  }
};

struct PitchedRows {
  uint32_t pitch;

  __device__ __forceinline__ int64_t operator()(uint32_t row, uint32_t) const {
    return static_cast<int64_t>(row) * pitch;
  }
};

// C = alpha * sum, or C += alpha * sum.
template <class T>
struct Scaled {
  Epilogue<T, PitchedRows> to;
  float alpha;

  template <int V>
  __device__ __forceinline__ void operator()(uint32_t part, uint32_t row, uint32_t column,
                                             Pack<float, V> sum) const {
#pragma unroll
    for (int e = 0; e < V; ++e) sum.lane[e] *= alpha;
    to(part, row, column, sum);
  }
};

// From the first matrix of a batch to the one of this block.
struct Step {
  int64_t outer, inner;

  __device__ __forceinline__ int64_t operator()(uint32_t inner_count) const {
    return blockIdx.z / inner_count * outer + blockIdx.z % inner_count * inner;
  }
};

struct Steps {
  Step a, b, c;
  uint32_t inner_count;
};

// Block (x, y, z): tile (x, y) of matrix z. k is never cut: many matrices fill a chip.
template <class A, class B, class T>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<T>)
    batched_tiled_product(uint32_t k, Steps steps, A a, B b, Scaled<T> out) {
  a.data += steps.a(steps.inner_count);
  b.data += steps.b(steps.inner_count);
  out.to.c += steps.c(steps.inner_count);
  multiply_tile(0, k, k, a, b, out);
}

template <class A, class B>
__global__ void __launch_bounds__(kTileThreads)
    batched_tensor_product(uint32_t k, Steps steps, A a, B b, Scaled<bf16> out) {
  a.data += steps.a(steps.inner_count);
  b.data += steps.b(steps.inner_count);
  out.to.c += steps.c(steps.inner_count);
  multiply_tensor_tile(0, k, k, a, b, out);
}

// Whether every row of every matrix is made of whole packs that start at multiples of their size.
template <class T>
bool in_packs(const MatrixView& view, const T* data, int64_t pack) {
  for (const int64_t elements : {view.columns, view.pitch, view.offset, view.outer.stride, view.inner.stride})
    if (elements % pack != 0) return false;
  return aligned(data, static_cast<size_t>(pack) * sizeof(T));
}

template <class A, class B, class T>
void launch_batch(Context& context, const BatchedMatmulShape& s, const A& a, const B& b, T* c) {
  const auto step = [](const MatrixView& view) { return Step{view.outer.stride, view.inner.stride}; };
  const Steps steps{step(s.a), step(s.b), step(s.c), static_cast<uint32_t>(s.c.inner.count)};
  const auto m = static_cast<uint32_t>(s.m()), n = static_cast<uint32_t>(s.n()),
             k = static_cast<uint32_t>(s.k());
  const Scaled<T> out{{c + s.c.offset,
                       nullptr,
                       m,
                       n,
                       false,
                       s.accumulate,
                       in_packs(s.c, c, kSide),
                       {static_cast<uint32_t>(s.c.pitch)}},
                      static_cast<float>(s.alpha)};
  const auto run = [&](auto kernel, int64_t rows, int64_t columns) {
    launch(kernel, {blocks_for(m, rows), blocks_for(n, columns), static_cast<unsigned>(s.batch())},
           kTileThreads, 0, context.stream(), k, steps, a, b, out);
  };
  if constexpr (std::is_same_v<T, bf16>)
    if (context.kernels != Kernels::plain)
      return run(batched_tensor_product<A, B>, kTensorRows, kTensorColumns);
  run(batched_tiled_product<A, B, T>, kTile, kTile);
}

void check_limits(const BatchedMatmulShape& s) {
  for (const MatrixView* view : {&s.a, &s.b, &s.c})
    check(view->rows < kSizeLimit && view->pitch < kSizeLimit, "matrices of ", view->rows, " rows of ",
          view->pitch, " elements are beyond 32-bit indices");
  check(s.batch() < 65536, s.batch(), " matrices are too many for one launch");
  check(s.n() < 65536 * kTile, "matrices of ", s.n(), " columns are too large for one launch");
}

}  // namespace

template <>
template <class T>
void BatchedMatmul<kGpu>::multiply(Context& context, const BatchedMatmulShape& s, const T* a, const T* b,
                                   T* c) {
  check_element<T>(context);
  s.check_fit();
  if constexpr (kGpu == Device::cuda)
    if (context.kernels == Kernels::library && cublaslt::multiply(context, s, a, b, c)) return;
  if (s.c.count() == 0) return;
  check_limits(s);
  const auto operand = [&]<bool along_k, bool vectorized>(const MatrixView& view, const T* data) {
    const auto rows = static_cast<uint32_t>(view.rows), columns = static_cast<uint32_t>(view.columns);
    return Pitched<T, along_k, vectorized>{data + view.offset, along_k ? rows : columns,
                                           along_k ? columns : rows, static_cast<uint32_t>(view.pitch)};
  };
  with_vectorized(in_packs(s.a, a, kPack<T>) && in_packs(s.b, b, kPack<T>), [&]<bool vectorized>() {
    with_orders(s.a.transposed, s.b.transposed, [&]<bool a_along_k, bool b_along_k>() {
      launch_batch(context, s, operand.template operator()<a_along_k, vectorized>(s.a, a),
                   operand.template operator()<b_along_k, vectorized>(s.b, b), c);
    });
  });
}
template void BatchedMatmul<kGpu>::multiply(Context&, const BatchedMatmulShape&, const float*, const float*,
                                            float*);
template void BatchedMatmul<kGpu>::multiply(Context&, const BatchedMatmulShape&, const bf16*, const bf16*,
                                            bf16*);

}  // namespace saccade
