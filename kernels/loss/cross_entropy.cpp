#include "kernels/loss/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/parallel.h"
#include "kernels/common/vector_math.h"

namespace saccade {

template <>
template <>
void CrossEntropy<Device::cpu>::forward(Context& context, int64_t rows, int64_t classes, const float* logits,
                                        const int64_t* labels, double smoothing, float* loss,
                                        float* grad_logits) {
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
                   const float* x = logits + n * classes;
                   float* grad = grad_logits + n * classes;
                   const int64_t label = labels[n];
                   if (label < 0) {
                     terms[n] = 0;
                     std::fill_n(grad, classes, 0.0f);
                     continue;
                   }
                   const float top = largest(x, classes);
                   double sum = 0, shifted = 0;  // of exp(x - top), and of x - top
#pragma omp simd reduction(+ : sum, shifted)
                   for (int64_t c = 0; c < classes; ++c) {
                     const float power = exp_vector(x[c] - top);
                     grad[c] = power;
                     sum += power;
                     shifted += x[c] - top;
                   }
                   const float inverse = static_cast<float>(1 / sum);
                   for (int64_t c = 0; c < classes; ++c) grad[c] = (grad[c] * inverse - off) * share;
                   grad[label] -= static_cast<float>(1 - smoothing) * share;
                   terms[n] = std::log(sum) - (1 - smoothing) * (x[label] - top) -
                              smoothing / static_cast<double>(classes) * shifted;
                 }
               });
  double total = 0;
  for (int64_t n = 0; n < rows; ++n) total += terms[n];
  *loss = counted ? static_cast<float>(total / static_cast<double>(counted)) : 0.0f;
}

template <>
template <>
void CrossEntropy<Device::cpu>::backward(Context& context, int64_t rows, int64_t classes,
                                         const float* grad_loss, float* grad_logits) {
  const float factor = *grad_loss;
  parallel_for(context, rows * classes, 32768, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) grad_logits[i] *= factor;
  });
}

}  // namespace saccade
