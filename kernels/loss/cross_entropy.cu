#include "kernels/common/launch.h"
#include "kernels/common/reduce.h"
#include "kernels/common/vector.h"
#include "kernels/loss/cross_entropy.h"
#include "kernels/loss/cross_entropy.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kMeanThreads = 1024;
// Up to so many rows each block counts the labels itself, which saves a launch.
constexpr int64_t kCountedInPlace = 2048;

struct Smoothing {
  float on, off;  // q[label] - q[other], q[other]
};

// The number of labels that are not -1. Every thread of the block must call it.
template <unsigned Threads>
__device__ __forceinline__ unsigned counted_labels(uint32_t rows, const int64_t* __restrict__ labels) {
  unsigned count = 0;
  for (uint32_t n = threadIdx.x; n < rows; n += Threads) count += labels[n] != -1;
  return block_reduce<Threads>(count, Add());
}

__global__ void __launch_bounds__(kMeanThreads)
    cross_entropy_count(uint32_t rows, const int64_t* __restrict__ labels, unsigned* __restrict__ counted) {
  const unsigned count = counted_labels<kMeanThreads>(rows, labels);
  if (threadIdx.x == 0) *counted = count;
}

// A block takes one row and walks it three times: for the maximum, for the sums and for the gradient. The second and
// third time the row comes from cache. `counted` may be null.
template <class T, int V, unsigned Threads>
__global__ void __launch_bounds__(Threads)
    cross_entropy_rows(uint32_t rows, uint32_t classes, const T* __restrict__ logits,
                       const int64_t* __restrict__ labels, Smoothing smoothing, const unsigned* counted,
                       float* __restrict__ terms, T* __restrict__ grad_logits) {
  const unsigned count = counted ? *counted : counted_labels<Threads>(rows, labels);
  const T* x = logits + static_cast<int64_t>(blockIdx.x) * classes;
  T* grad = grad_logits + static_cast<int64_t>(blockIdx.x) * classes;
  const int64_t label = labels[blockIdx.x];
  if (label < 0 || label >= classes) {  // left out, or no label at all
    for (uint32_t c = threadIdx.x * V; c < classes; c += Threads * V)
      store<V * sizeof(T)>(grad + c, from_f32<T>(Pack<float, V>{}));
    if (threadIdx.x == 0) terms[blockIdx.x] = label == -1 ? 0.0f : __uint_as_float(0x7fc00000u);
    return;
  }

  float largest = static_cast<float>(x[0]);
  for (uint32_t c = threadIdx.x * V; c < classes; c += Threads * V) {
    const Pack<float, V> value = to_f32(load<V * sizeof(T)>(x + c));
#pragma unroll
    for (int i = 0; i < V; ++i) largest = value.lane[i] > largest ? value.lane[i] : largest;
  }
  largest = block_reduce<Threads>(largest, Max());

  Pack<float, 2> sums = {};  // the sums of exp(x - largest) and of largest - x
  for (uint32_t c = threadIdx.x * V; c < classes; c += Threads * V) {
    const Pack<float, V> value = to_f32(load<V * sizeof(T)>(x + c));
#pragma unroll
    for (int i = 0; i < V; ++i) {
      sums.lane[0] += __expf(value.lane[i] - largest);
      sums.lane[1] += largest - value.lane[i];
    }
  }
  sums = block_reduce<Threads>(sums, Add());

  const float inverse = 1.0f / sums.lane[0], share = 1.0f / static_cast<float>(count);
  for (uint32_t c = threadIdx.x * V; c < classes; c += Threads * V) {
    const Pack<float, V> value = to_f32(load<V * sizeof(T), Use::once>(x + c));
    Pack<float, V> out;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const float q = c + i == label ? smoothing.on + smoothing.off : smoothing.off;
      out.lane[i] = (__expf(value.lane[i] - largest) * inverse - q) * share;
    }
    store<V * sizeof(T)>(grad + c, from_f32<T>(out));
  }
  if (threadIdx.x != 0) return;
  // A logit may be -infinity where q is 0.
  float term = logf(sums.lane[0]);
  if (smoothing.on != 0) term += smoothing.on * (largest - static_cast<float>(x[label]));
  if (smoothing.off != 0) term += smoothing.off * sums.lane[1];
  terms[blockIdx.x] = term;
}

__global__ void __launch_bounds__(kMeanThreads)
    cross_entropy_mean(uint32_t rows, const float* __restrict__ terms, const int64_t* __restrict__ labels,
                       float* __restrict__ loss) {
  const unsigned count = counted_labels<kMeanThreads>(rows, labels);
  float sum = 0;
  for (uint32_t n = threadIdx.x; n < rows; n += kMeanThreads) sum += terms[n];
  const float total = block_reduce<kMeanThreads>(sum, Add());
  if (threadIdx.x == 0) *loss = count > 0 ? total / static_cast<float>(count) : 0.0f;
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_backward(int64_t vectors, const float* __restrict__ grad_loss,
                           T* __restrict__ grad_logits) {
  const int64_t item = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (item >= vectors) return;
  const float factor = *grad_loss;
  Pack<float, V> grad = to_f32(load<V * sizeof(T)>(grad_logits + item * V));
#pragma unroll
  for (int i = 0; i < V; ++i) grad.lane[i] *= factor;
  store<V * sizeof(T)>(grad_logits + item * V, from_f32<T>(grad));
}

}  // namespace

template <>
template <class T>
void CrossEntropy<kGpu>::forward(Context& context, int64_t rows, int64_t classes, const T* logits,
                                 const int64_t* labels, double smoothing, Accumulator<T>* loss,
                                 T* grad_logits) {
  check_element<T>(context);
  check(rows < (int64_t{1} << 31) && classes < (int64_t{1} << 31), "cross_entropy: ", rows, " rows of ",
        classes, " classes");
  constexpr int V = kVector<T, true>;
  const bool vectorized = fits_vectors<T>(classes, logits, grad_logits);
  const Smoothing q{static_cast<float>(1 - smoothing),
                    static_cast<float>(smoothing / static_cast<double>(classes > 0 ? classes : 1))};
  const uint32_t n = static_cast<uint32_t>(rows);
  Context::Scratch scratch(context, static_cast<size_t>(rows + 1) * sizeof(float));
  float* terms = scratch.as<float>();
  if (context.kernels == Kernels::plain) {
    each(context, rows,
         PlainCrossEntropy<T>{rows, classes, logits, labels, static_cast<float>(smoothing), terms,
                              grad_logits});
    return each(context, 1, PlainCrossEntropyMean{rows, terms, labels, loss});
  }
  unsigned* counted = nullptr;
  if (rows > kCountedInPlace) {
    counted = reinterpret_cast<unsigned*>(terms + rows);
    launch(cross_entropy_count, 1, kMeanThreads, 0, context.stream(), n, labels, counted);
  }
  const bool few = classes <= kWarp * (vectorized ? V : 1);  // one warp is enough
  const auto kernel = few ? (vectorized ? cross_entropy_rows<T, V, kWarp> : cross_entropy_rows<T, 1, kWarp>)
                      : vectorized ? cross_entropy_rows<T, V, kThreads>
                                   : cross_entropy_rows<T, 1, kThreads>;
  launch(kernel, blocks_for(rows, 1), few ? kWarp : kThreads, 0, context.stream(), n,
         static_cast<uint32_t>(classes), logits, labels, q, counted, terms, grad_logits);
  launch(cross_entropy_mean, 1, kMeanThreads, 0, context.stream(), n, terms, labels, loss);
}
template void CrossEntropy<kGpu>::forward(Context&, int64_t, int64_t, const float*, const int64_t*, double,
                                          float*, float*);
template void CrossEntropy<kGpu>::forward(Context&, int64_t, int64_t, const bf16*, const int64_t*, double,
                                          float*, bf16*);

template <>
template <class T>
void CrossEntropy<kGpu>::backward(Context& context, int64_t rows, int64_t classes,
                                  const Accumulator<T>* grad_loss, T* grad_logits) {
  check_element<T>(context);
  constexpr int V = kVector<T, true>;
  const bool vectorized = fits_vectors<T>(rows * classes, grad_logits);
  const int64_t vectors = rows * classes / (vectorized ? V : 1);
  launch(vectorized ? cross_entropy_backward<T, V> : cross_entropy_backward<T, 1>,
         blocks_for(vectors, kThreads), kThreads, 0, context.stream(), vectors, grad_loss, grad_logits);
}
template void CrossEntropy<kGpu>::backward(Context&, int64_t, int64_t, const float*, float*);
template void CrossEntropy<kGpu>::backward(Context&, int64_t, int64_t, const float*, bf16*);

}  // namespace saccade
