#include "kernels/elementwise/sum.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/elementwise/broadcast.h"

namespace saccade {

namespace {
constexpr int64_t kBlock = 64;  // columns whose sums stay in registers and L1
constexpr int64_t kRun = 32;    // rows that are added in f32 before they join a sum in f64

// to[i] = sum over `rows` rows of term(row * inner + i)
template <class Term>
void sum_columns(int64_t rows, int64_t inner, Term term, double* to) {
  for (int64_t first = 0; first < inner; first += kBlock) {
    const int64_t count = std::min(kBlock, inner - first);
    float run[kBlock];
    std::fill(to + first, to + first + count, 0.0);
    for (int64_t start = 0; start < rows; start += kRun) {
      std::fill(run, run + count, 0.0f);
      for (int64_t r = start; r < std::min(rows, start + kRun); ++r)
        for (int64_t i = 0; i < count; ++i) run[i] += term(r * inner + first + i);
      for (int64_t i = 0; i < count; ++i) to[first + i] += static_cast<double>(run[i]);
    }
  }
}

// It is not inlined: in the loop over tasks g++ makes two versions of it, one with vectors and one without, and then
// the order of a sum depends on whether its task is the first of its range.
template <class Term>
[[gnu::noinline]] double sum_row(int64_t count, Term term) {
  double total = 0;
  for (int64_t start = 0; start < count; start += 1024) {
    const int64_t end = std::min(count, start + 1024);
    float run = 0;
#pragma omp simd reduction(+ : run)
    for (int64_t i = start; i < end; ++i) run += term(i);
    total += static_cast<double>(run);
  }
  return total;
}

// y[o,i] = scale * sum over r of term(the position of o, r, i)
template <class T, class Term>
void reduce(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale, Term term, T* y) {
  if (outer * inner == 0) return;
  // At most 256 chunks of at least 16384 terms each.
  const int64_t rows = std::max<int64_t>({1, 16384 / inner, (reduced + 255) / 256});
  const int64_t chunks = std::max<int64_t>(1, (reduced + rows - 1) / rows);
  Context::Scratch scratch(context, static_cast<size_t>(outer * chunks * inner) * sizeof(double));
  double* partial = scratch.as<double>();
  const int64_t grain = std::max<int64_t>(1, 16384 / (std::min(rows, reduced + 1) * inner));
  parallel_for(context, outer * chunks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % chunks * rows, count = std::min(rows, reduced - first);
      const int64_t start = (task / chunks * reduced + first) * inner;
      const auto at = [=](int64_t i) { return term(start + i); };
      if (inner == 1) {
        partial[task] = sum_row(count, at);
      } else {
        sum_columns(count, inner, at, partial + task * inner);
      }
    }
  });
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < chunks; ++k) sum += partial[(o * chunks + k) * inner + i];
      y[o * inner + i] = static_cast<float>(scale * sum);
    }
}
}  // namespace

template <>
template <class T>
void Sum<Device::cpu>::forward(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale,
                               const T* x, T* y) {
  reduce(
      context, outer, reduced, inner, scale, [=](int64_t i) { return float(x[i]); }, y);
}
template void Sum<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, double, const float*, float*);
template void Sum<Device::cpu>::forward(Context&, int64_t, int64_t, int64_t, double, const bf16*, bf16*);

template <>
template <class T>
void Sum<Device::cpu>::of_products(Context& context, int64_t outer, int64_t reduced, int64_t inner,
                                   const T* a, const T* b, T* y) {
  reduce(
      context, outer, reduced, inner, 1.0, [=](int64_t i) { return float(a[i]) * float(b[i]); }, y);
}
template void Sum<Device::cpu>::of_products(Context&, int64_t, int64_t, int64_t, const float*, const float*,
                                            float*);
template void Sum<Device::cpu>::of_products(Context&, int64_t, int64_t, int64_t, const bf16*, const bf16*,
                                            bf16*);

template <>
template <class T>
void Sum<Device::cpu>::product_gradients(Context& context, int64_t outer, int64_t reduced, int64_t inner,
                                         const T* grad_y, const T* a, const T* b, T* grad_a, T* grad_b) {
  Broadcast<Device::cpu>::multiply(context, {outer, reduced, inner}, grad_y, b, grad_a);
  of_products(context, outer, reduced, inner, grad_y, a, grad_b);
}
template void Sum<Device::cpu>::product_gradients(Context&, int64_t, int64_t, int64_t, const float*,
                                                  const float*, const float*, float*, float*);
template void Sum<Device::cpu>::product_gradients(Context&, int64_t, int64_t, int64_t, const bf16*,
                                                  const bf16*, const bf16*, bf16*, bf16*);

template <>
template <class T>
void Sum<Device::cpu>::backward(Context& context, int64_t outer, int64_t reduced, int64_t inner, double scale,
                                const T* grad_y, T* grad_x) {
  const float factor = static_cast<float>(scale);
  const int64_t stretch = inner == 1 ? reduced : inner;
  parallel_for(context, outer * reduced * inner, 32768, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / stretch, column = begin % stretch,
                    length = std::min(stretch - column, end - begin);
      if (inner == 1) {
        std::fill(grad_x + begin, grad_x + begin + length, T(factor * float(grad_y[row])));
      } else {
        const T* from = grad_y + row / reduced * inner + column;
        for (int64_t i = 0; i < length; ++i) grad_x[begin + i] = factor * float(from[i]);
      }
      begin += length;
    }
  });
}
template void Sum<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, double, const float*, float*);
template void Sum<Device::cpu>::backward(Context&, int64_t, int64_t, int64_t, double, const bf16*, bf16*);

}  // namespace saccade
