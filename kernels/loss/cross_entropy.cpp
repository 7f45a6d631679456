#include "kernels/loss/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <class T>
void CrossEntropy<Device::cpu>::forward(Context& context, int64_t rows, int64_t classes, const T* logits,
                                        const int64_t* labels, double smoothing, Accumulator<T>* loss,
                                        T* grad_logits) {
  check_labels(rows, classes, labels);
  const int64_t counted = rows - std::count(labels, labels + rows, int64_t{-1});
  const Context::Scratch scratch(context, static_cast<size_t>(std::max<int64_t>(rows, 1)) * sizeof(double));
  double* terms =
      scratch.as<double>();  // of the rows, added in order: the same bits for any number of threads
  const float share = counted ? 1.0f / static_cast<float>(counted) : 0.0f;
  const float off = static_cast<float>(smoothing / static_cast<double>(classes));
  parallel_for(context, rows, std::max<int64_t>(1, 4096 / std::max<int64_t>(classes, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t n = begin; n < end; ++n) {
                   const T* x = logits + n * classes;
                   T* grad = grad_logits + n * classes;
                   const int64_t label = labels[n];
                   if (label < 0) {
                     terms[n] = 0;
                     std::fill_n(grad, classes, T(0));
                     continue;
                   }
                   const float top = largest(x, classes);
                   double sum = 0, shifted = 0;  // of exp(x - top), and of x - top
#pragma omp simd reduction(+ : sum, shifted)
                   for (int64_t c = 0; c < classes; ++c) {
                     const float below = float(x[c]) - top, power = exp_vector(below);
                     if constexpr (std::is_same_v<T, float>) grad[c] = power;
                     sum += power;
                     shifted += below;
                   }
                   const float inverse = static_cast<float>(1 / sum);
                   const auto gradient = [&](int64_t c) {
                     float power;
                     if constexpr (std::is_same_v<T, float>)
                       power = grad[c];
                     else  // it would have been rounded there
                       power = exp_vector(float(x[c]) - top);
                     return (power * inverse - off) * share;
                   };
                   const float of_label = gradient(label) - static_cast<float>(1 - smoothing) * share;
                   for (int64_t c = 0; c < classes; ++c) grad[c] = gradient(c);
                   grad[label] = of_label;
                   terms[n] = std::log(sum) - (1 - smoothing) * (float(x[label]) - top) -
                              smoothing / static_cast<double>(classes) * shifted;
                 }
               });
  double total = 0;
  for (int64_t n = 0; n < rows; ++n) total += terms[n];
  *loss = counted ? static_cast<float>(total / static_cast<double>(counted)) : 0.0f;
}
template void CrossEntropy<Device::cpu>::forward(Context&, int64_t, int64_t, const float*, const int64_t*,
                                                 double, float*, float*);
template void CrossEntropy<Device::cpu>::forward(Context&, int64_t, int64_t, const bf16*, const int64_t*,
                                                 double, float*, bf16*);

template <>
template <class T>
void CrossEntropy<Device::cpu>::backward(Context& context, int64_t rows, int64_t classes,
                                         const Accumulator<T>* grad_loss, T* grad_logits) {
  const float factor = *grad_loss;
  parallel_for(context, rows * classes, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_logits[i] = float(grad_logits[i]) * factor;
  });
}
template void CrossEntropy<Device::cpu>::backward(Context&, int64_t, int64_t, const float*, float*);
template void CrossEntropy<Device::cpu>::backward(Context&, int64_t, int64_t, const float*, bf16*);

}  // namespace saccade
