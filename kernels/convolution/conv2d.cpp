#include "kernels/convolution/conv2d.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <unordered_map>

#include "kernels/common/kept_memory.h"
#include "kernels/common/onednn.h"
#include "kernels/common/parallel.h"
#include "kernels/common/wide_copy.h"
#include "kernels/convolution/conv2d_cpu.h"
#include "kernels/convolution/onednn_conv2d.h"
#include "kernels/convolution/windows.h"
#include "kernels/convolution/winograd.h"

namespace saccade {

namespace {

bool takes_winograd(const Context& context, const Conv2dShape& d) {
  return !context.exact && winograd::takes(d);
}

bool takes_winograd_for_gradients(const Context& context, const Conv2dShape& d) {
  return !context.exact && winograd::takes_gradients(d);
}

int64_t packed_count(const Context& context, const Conv2dShape& d) {
  return takes_winograd(context, d) ? winograd::weights_count(context, d)
                                    : windows::weights_count(context, d);
}

void pack(Context& context, const Conv2dShape& d, const float* w, float* to) {
  takes_winograd(context, d) ? winograd::transform_weights(context, d, w, to)
                             : windows::pack_weights(context, d, w, to);
}

void convolve(Context& context, const Conv2dShape& d, const float* x, const float* packed,
              const Finish& finish, float* y) {
  takes_winograd(context, d) ? winograd::forward(context, d, x, packed, finish, y)
                             : windows::forward(context, d, x, packed, finish, y);
}

// Weights as a form reads them, kept as long as they are used with the same version.
struct Kept {
  uint64_t version = 0;
  int64_t count = 0;
  KeptMemory weights;
};
using KeptWeights = std::unordered_map<const float*, Kept>;

// What tells packed weights apart that are made of the same ones.
std::string kind_of_packing(const Context& context, const Conv2dShape& d, const char* what) {
  return concat(what, takes_winograd(context, d) ? ", winograd, " : ", windows, ", name_of(context.vectors));
}

// Calls use(weights made ready by prepare(to)): kept ones where the version promises that they still hold.
template <class Prepare, class Use>
void with_weights(Context& context, const Conv2dShape& d, const char* what, const float* w, int64_t count,
                  uint64_t version, Prepare&& prepare, Use&& use) {
  if (version == 0) {
    const Context::Scratch scratch(context, static_cast<size_t>(count) * sizeof(float));
    prepare(scratch.as<float>());
    return use(scratch.as<float>());
  }
  Kept& kept = context.plan<KeptWeights>(kind_of_packing(context, d, what), [] { return KeptWeights(); })[w];
  if (kept.count != count)  // other weights were at this address before
    kept = {0, count, KeptMemory(static_cast<size_t>(count) * sizeof(float))};
  if (kept.version != version) prepare(kept.weights.as<float>());
  kept.version = version;
  use(kept.weights.as<float>());
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

#ifdef SACCADE_ONEDNN
bool takes_onednn(const Conv2dShape& d) {
  return multiplies_bf16() && d.x_count() > 0 && d.w_count() > 0 && d.y_count() > 0;
}
#endif

}  // namespace

namespace conv2d_cpu {

void forward(Context& context, const Conv2dShape& d, const float* x, const float* w, const Finish& finish,
             float* y, uint64_t weight_version) {
  if (d.y_count() == 0) {
    if (finish.sums) std::fill_n(finish.sums, 2 * d.k, 0.0);
    return;
  }
  with_weights(
      context, d, "weights", w, packed_count(context, d), weight_version,
      [&](float* to) { pack(context, d, w, to); },
      [&](const float* packed) { convolve(context, d, x, packed, finish, y); });
}

void forward_folded(Context& context, const Conv2dShape& d, const float* x, const float* w,
                    const FixedNorm& norm, const float* residual, bool relu, float* y, uint64_t version) {
  if (d.y_count() == 0) return;
  const int64_t count = packed_count(context, d);  // behind them is what the norm adds
  const auto prepare = [&](float* to) {
    const Context::Scratch scratch(context, static_cast<size_t>(d.w_count()) * sizeof(float));
    float* folded = scratch.as<float>();
    const int64_t size = d.r * d.s * d.c;
    parallel_for(context, d.k, 65536 / std::max<int64_t>(size, 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const double scale = norm.gamma[k] / std::sqrt(norm.var[k] + norm.eps);
        for (int64_t i = 0; i < size; ++i) folded[k * size + i] = static_cast<float>(scale * w[k * size + i]);
        to[count + k] = static_cast<float>(norm.beta[k] - norm.mean[k] * scale);
      }
    });
    pack(context, d, folded, to);
  };
  with_weights(context, d, "folded weights", w, count + d.k, version, prepare, [&](const float* packed) {
    convolve(context, d, x, packed, {packed + count, residual, relu, nullptr}, y);
  });
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w, bool add,
                   float* grad_x) {
  if (d.x_count() == 0) return;
  if (takes_winograd_for_gradients(context, d))
    winograd::backward_data(context, d, grad_y, w, add, grad_x);
  else
    windows::backward_data(context, d, grad_y, w, add, grad_x);
}

}  // namespace conv2d_cpu

template <>
template <>
void Conv2d<Device::cpu>::forward(Context& context, const Conv2dShape& d, const float* x, const float* w,
                                  const float* b, float* y, uint64_t weight_version) {
  Finish finish;
  finish.b = b;
  conv2d_cpu::forward(context, d, x, w, finish, y, weight_version);
}

template <>
template <>
void Conv2d<Device::cpu>::backward_data(Context& context, const Conv2dShape& d, const float* grad_y,
                                        const float* w, float* grad_x) {
  conv2d_cpu::backward_data(context, d, grad_y, w, false, grad_x);
}

template <>
template <>
void Conv2d<Device::cpu>::backward_weight(Context& context, const Conv2dShape& d, const float* x,
                                          const float* grad_y, float* grad_w, float* grad_b) {
  if (d.y_count() == 0) {
    std::memset(grad_w, 0, static_cast<size_t>(d.w_count()) * sizeof(float));
  } else if (takes_winograd_for_gradients(context, d)) {
    winograd::backward_weight(context, d, x, grad_y, grad_w);
  } else if (d.w_count() > 0) {
    windows::backward_weight(context, d, x, grad_y, grad_w);
  }
  if (grad_b) sum_pixels(context, d, grad_y, grad_b);
}

// --- bf16: by oneDNN where the processor has instructions for it, else in f32, with each result rounded once ---

template <>
template <>
void Conv2d<Device::cpu>::forward(Context& context, const Conv2dShape& d, const bf16* x, const bf16* w,
                                  const bf16* b, bf16* y, [[maybe_unused]] uint64_t weight_version) {
#ifdef SACCADE_ONEDNN
  if (takes_onednn(d)) return onednn_conv2d::forward(context, d, x, w, b, y, weight_version);
#endif
  const WideCopy wide_x(context, d.x_count(), x), wide_w(context, d.w_count(), w), wide_b(context, d.k, b),
      wide_y(context, d.y_count());
  forward(context, d, wide_x.data(), wide_w.data(), b ? wide_b.data() : nullptr, wide_y.data(), 0);
  wide_y.round_to(y);
}

template <>
template <>
void Conv2d<Device::cpu>::backward_data(Context& context, const Conv2dShape& d, const bf16* grad_y,
                                        const bf16* w, bf16* grad_x) {
#ifdef SACCADE_ONEDNN
  if (takes_onednn(d)) return onednn_conv2d::backward_data(context, d, grad_y, w, grad_x);
#endif
  const WideCopy wide_grad(context, d.y_count(), grad_y), wide_w(context, d.w_count(), w),
      wide_x(context, d.x_count());
  backward_data(context, d, wide_grad.data(), wide_w.data(), wide_x.data());
  wide_x.round_to(grad_x);
}

template <>
template <>
void Conv2d<Device::cpu>::backward_weight(Context& context, const Conv2dShape& d, const bf16* x,
                                          const bf16* grad_y, bf16* grad_w, bf16* grad_b) {
#ifdef SACCADE_ONEDNN
  if (takes_onednn(d) && onednn_conv2d::has_backward_weight(d))
    return onednn_conv2d::backward_weight(context, d, x, grad_y, grad_w, grad_b);
#endif
  const WideCopy wide_x(context, d.x_count(), x), wide_grad(context, d.y_count(), grad_y),
      wide_w(context, d.w_count()), wide_b(context, d.k);
  backward_weight(context, d, wide_x.data(), wide_grad.data(), wide_w.data(),
                  grad_b ? wide_b.data() : nullptr);
  wide_w.round_to(grad_w);
  if (grad_b) wide_b.round_to(grad_b);
}

}  // namespace saccade
