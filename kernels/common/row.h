// A row of one or two matrices, for kernels that reduce over a row and then write a value for each of its
// elements (softmax, normalization). A kernel is written once against this interface:
//
//   const Row row(columns, index, {x});
//   const float best = row.reduce(-INFINITY, [](float v) { return v; }, Max());
//   row.write(y, [=](float v) { return v - best; });
//
// HeldRow keeps the row in registers: one read, one write. StreamedRow, for rows that do not fit, reads the
// row again in each pass. for_rows() chooses between them. All threads of a row (a warp or a block) must call
// every function of the row.
#pragma once

#include "kernels/common/reduce.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr unsigned kRowThreads = 256;  // threads of a block
constexpr unsigned kRowBlocks = 4;     // blocks that must fit on a multiprocessor: 64 registers a thread

template <class T, int N>
struct RowInputs {
  const T* at[N];
};

namespace row_detail {

template <class F>
__device__ __forceinline__ float call(const F& f, const float (&x)[1]) {
  return f(x[0]);
}
template <class F>
__device__ __forceinline__ float call(const F& f, const float (&x)[2]) {
  return f(x[0], x[1]);
}

template <class F, class T, int V, int N>
__device__ __forceinline__ float call(const F& f, const Pack<T, V> (&x)[N], int lane) {
  float values[N];
#pragma unroll
  for (int n = 0; n < N; ++n) values[n] = static_cast<float>(x[n].lane[lane]);
  return call(f, values);
}

template <unsigned Threads, class Join>
__device__ __forceinline__ float reduce_threads(float value, Join join) {
  if constexpr (Threads == kWarp)
    return warp_reduce(value, join);
  else
    return block_reduce<Threads>(value, join);
}

}  // namespace row_detail

// `Threads` threads, each with `Slots` vectors of V elements from each of N matrices.
template <class T_, int V, int N_, unsigned Threads_, int Slots>
class HeldRow {
 public:
  using T = T_;
  static constexpr int N = N_;
  static constexpr unsigned kThreads = Threads_;
  static constexpr int kMost = static_cast<int>(kThreads) * V * Slots;  // columns that it can hold

  __device__ __forceinline__ HeldRow(int columns, int64_t row, const RowInputs<T, N>& inputs)
      : columns_(columns), start_(row * columns) {
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (column(s) >= columns_) continue;
#pragma unroll
      for (int n = 0; n < N; ++n)
        slots_[s][n] = load<V * sizeof(T), Use::once>(inputs.at[n] + start_ + column(s));
    }
  }

  template <class Term, class Join>
  __device__ __forceinline__ float reduce(float first, Term term, Join join) const {
    float result = first;
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (column(s) >= columns_) continue;
#pragma unroll
      for (int i = 0; i < V; ++i) result = join(result, row_detail::call(term, slots_[s], i));
    }
    return row_detail::reduce_threads<kThreads>(result, join);
  }

  template <class F>
  __device__ __forceinline__ void write(T* y, F f) const {
#pragma unroll
    for (int s = 0; s < Slots; ++s) {
      if (column(s) >= columns_) continue;
      Pack<float, V> out;
#pragma unroll
      for (int i = 0; i < V; ++i) out.lane[i] = row_detail::call(f, slots_[s], i);
      store<V * sizeof(T)>(y + start_ + column(s), from_f32<T>(out));
    }
  }

 private:
  __device__ __forceinline__ int column(int slot) const {
    return (slot * static_cast<int>(kThreads) + static_cast<int>(threadIdx.x)) * V;
  }
  int columns_;
  int64_t start_;
  Pack<T, V> slots_[Slots][N];
};

template <class T_, int V, int N_>
class StreamedRow {
 public:
  using T = T_;
  static constexpr int N = N_;
  static constexpr unsigned kThreads = kRowThreads;

  __device__ __forceinline__ StreamedRow(int columns, int64_t row, const RowInputs<T, N>& inputs)
      : columns_(columns), start_(row * columns), inputs_(inputs) {}

  template <class Term, class Join>
  __device__ __forceinline__ float reduce(float first, Term term, Join join) const {
    float result = first;
#pragma unroll 2
    for (int c = threadIdx.x * V; c < columns_; c += kThreads * V) {
      Pack<T, V> x[N];
#pragma unroll
      for (int n = 0; n < N; ++n) x[n] = load<V * sizeof(T)>(inputs_.at[n] + start_ + c);
#pragma unroll
      for (int i = 0; i < V; ++i) result = join(result, row_detail::call(term, x, i));
    }
    return row_detail::reduce_threads<kThreads>(result, join);
  }

  template <class F>
  __device__ __forceinline__ void write(T* y, F f) const {
    for (int c = threadIdx.x * V; c < columns_; c += kThreads * V) {
      Pack<T, V> x[N];
#pragma unroll
      for (int n = 0; n < N; ++n) x[n] = load<V * sizeof(T), Use::once>(inputs_.at[n] + start_ + c);
      Pack<float, V> out;
#pragma unroll
      for (int i = 0; i < V; ++i) out.lane[i] = row_detail::call(f, x, i);
      store<V * sizeof(T)>(y + start_ + c, from_f32<T>(out));
    }
  }

 private:
  int columns_;
  int64_t start_;
  RowInputs<T, N> inputs_;
};

namespace row_detail {

// The threads of a row (a warp or a block, Row::kThreads) call kernel(row, index).
template <class Row, class Kernel>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks)
    row_kernel(int64_t rows, int columns, RowInputs<typename Row::T, Row::N> inputs, Kernel kernel) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * (kRowThreads / Row::kThreads) + threadIdx.y;
  if (row >= rows) return;  // all threads of a row agree
  kernel(Row(columns, row, inputs), row);
}

template <class Row, class Kernel>
void run(Context& context, int64_t rows, int64_t columns, const RowInputs<typename Row::T, Row::N>& inputs,
         const Kernel& kernel) {
  constexpr unsigned kRows = kRowThreads / Row::kThreads;
  launch(row_kernel<Row, Kernel>, blocks_for(rows, kRows), dim3(Row::kThreads, kRows), 0, context.stream(),
         rows, columns, inputs, kernel);
}

template <class T, int V, int N, class Kernel>
void pick(Context& context, int64_t rows, int64_t columns, const RowInputs<T, N>& inputs,
          const Kernel& kernel) {
  using InWarp = HeldRow<T, V, N, kWarp, 8 / V>;
  // Without vectors each slot also takes registers for its address: more than 8 slots would spill.
  using InBlock = HeldRow<T, V, N, kRowThreads, V == 1 ? 8 : 16 / V>;
  if (columns <= InWarp::kMost)
    run<InWarp>(context, rows, columns, inputs, kernel);
  else if (columns <= InBlock::kMost)
    run<InBlock>(context, rows, columns, inputs, kernel);
  else
    run<StreamedRow<T, V, N>>(context, rows, columns, inputs, kernel);
}

}  // namespace row_detail

// Calls kernel(row, index) on the device for each of `rows` rows of the matrices x, rest... [rows, columns].
// It writes to `y`, which may be one of the inputs. `kernel` is a struct with
//   template <class Row> __device__ void operator()(const Row&, int64_t index) const
template <class T, class Kernel, class... Rest>
void for_rows(Context& context, int64_t rows, int64_t columns, const T* y, const Kernel& kernel, const T* x,
              const Rest*... rest) {
  check_element<T>(context);
  check(columns < (int64_t{1} << 31) - 65536, "rows of ", columns, " columns are too long");
  constexpr int N = 1 + sizeof...(Rest), kPerVector = kVector<T, true>;
  const RowInputs<T, N> inputs{{x, rest...}};
  bool vectorized = columns % kPerVector == 0 && aligned(y, 16);
  for (const T* p : inputs.at) vectorized = vectorized && aligned(p, 16);
  if (vectorized)
    row_detail::pick<T, kPerVector>(context, rows, columns, inputs, kernel);
  else
    row_detail::pick<T, 1>(context, rows, columns, inputs, kernel);
}

// exp(x), as precise as its result is stored in T: error 2 ulp for f32; for bf16 the hardware's exponential,
// with an error of 2 + 1.2 |x| ulp of f32.
template <class T>
__device__ __forceinline__ float exp_for(float x) {
  return sizeof(T) == sizeof(float) ? expf(x) : __expf(x);
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
