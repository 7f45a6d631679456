#include "kernels/convolution/conv2d.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "kernels/common/parallel.h"
#include "kernels/convolution/direct.h"
#include "kernels/convolution/pointwise.h"
#include "kernels/convolution/winograd.h"

namespace saccade {

namespace {

enum class Form { winograd, pointwise, direct };

Form form_of(const Context& context, const Conv2dShape& d) {
  if (pointwise::takes(d)) return Form::pointwise;
  return !context.exact && winograd::takes(d) ? Form::winograd : Form::direct;
}

// Weights as a form reads them, kept as long as they are used with the same version.
struct Kept {
  uint64_t version = 0;
  std::unique_ptr<float[]> weights;
};
using KeptWeights = std::unordered_map<const float*, Kept>;

// Calls use(weights made ready by prepare(to)): kept ones where the version promises that they still hold.
template <class Prepare, class Use>
void with_weights(Context& context, const char* form, const float* w, int64_t count, uint64_t version,
                  Prepare&& prepare, Use&& use) {
  if (version == 0) {
    const Context::Scratch scratch(context, static_cast<size_t>(count) * sizeof(float));
    prepare(scratch.as<float>());
    return use(scratch.as<float>());
  }
  Kept& kept = context.plan<KeptWeights>(form, [] { return KeptWeights(); })[w];
  if (!kept.weights) kept.weights.reset(new float[static_cast<size_t>(count)]);
  if (kept.version != version) prepare(kept.weights.get());
  kept.version = version;
  use(kept.weights.get());
}

// grad_b[k] = sum of grad_y[.,k], in f64.
void sum_pixels(Context& context, const Conv2dShape& d, const float* grad_y, float* grad_b) {
  const int64_t rows = d.n * d.p() * d.q();
  parallel_for(context, d.k, 16, [&](int64_t begin, int64_t end) {
    constexpr int64_t kTogether = 16;
    for (int64_t first = begin; first < end; first += kTogether) {
      const int64_t count = std::min(kTogether, end - first);
      double sum[kTogether] = {};
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t k = 0; k < count; ++k) sum[k] += grad_y[row * d.k + first + k];
      for (int64_t k = 0; k < count; ++k) grad_b[first + k] = static_cast<float>(sum[k]);
    }
  });
}

}  // namespace

template <>
template <>
void Conv2d<Device::cpu>::forward(Context& context, const Conv2dShape& d, const float* x, const float* w,
                                  const float* b, float* y, uint64_t weight_version) {
  if (d.y_count() == 0) return;
  switch (form_of(context, d)) {
    case Form::winograd:
      return with_weights(
          context, "winograd", w, winograd::weights_count(context, d), weight_version,
          [&](float* to) { winograd::transform_weights(context, d, w, to); },
          [&](const float* transformed) { winograd::forward(context, d, x, transformed, b, y); });
    case Form::pointwise:
      return with_weights(
          context, "pointwise", w, pointwise::weights_count(context, d), weight_version,
          [&](float* to) { pointwise::pack_weights(context, d, w, to); },
          [&](const float* packed) { pointwise::forward(context, d, x, packed, b, y); });
    case Form::direct:
      return direct::forward(context, d, x, w, b, y, weight_version);
  }
}

template <>
template <>
void Conv2d<Device::cpu>::backward_data(Context& context, const Conv2dShape& d, const float* grad_y,
                                        const float* w, float* grad_x) {
  if (d.x_count() == 0) return;
  switch (form_of(context, d)) {
    case Form::winograd:
      return winograd::backward_data(context, d, grad_y, w, grad_x);
    case Form::pointwise:
      return pointwise::backward_data(context, d, grad_y, w, grad_x);
    case Form::direct:
      return direct::backward_data(context, d, grad_y, w, grad_x);
  }
}

template <>
template <>
void Conv2d<Device::cpu>::backward_weight(Context& context, const Conv2dShape& d, const float* x,
                                          const float* grad_y, float* grad_w, float* grad_b) {
  if (d.y_count() == 0) {
    std::memset(grad_w, 0, static_cast<size_t>(d.w_count()) * sizeof(float));
    if (grad_b) std::memset(grad_b, 0, static_cast<size_t>(d.k) * sizeof(float));
    return;
  }
  switch (form_of(context, d)) {
    case Form::winograd:
      winograd::backward_weight(context, d, x, grad_y, grad_w);
      break;
    case Form::pointwise:
      pointwise::backward_weight(context, d, x, grad_y, grad_w);
      break;
    case Form::direct:
      return direct::backward_weight(context, d, x, grad_y, grad_w, grad_b);
  }
  if (grad_b) sum_pixels(context, d, grad_y, grad_b);
}

}  // namespace saccade
