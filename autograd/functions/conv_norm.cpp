#include "autograd/functions/conv_norm.h"

#include <array>
#include <optional>

#include "kernels/convolution/conv2d_cpu.h"
#include "kernels/pool/max_pool2d.h"

namespace saccade {

namespace {

// A number for the values of the weights and of their norm together: another one as soon as one of them was written.
class FoldedVersions {
 public:
  uint64_t number(const float* weight, const std::array<uint64_t, 5>& versions) {
    Fold& fold = folds_[weight];
    if (fold.versions != versions) fold = {versions, ++last_};
    return fold.number;
  }

 private:
  struct Fold {
    std::array<uint64_t, 5> versions{};
    uint64_t number = 0;
  };
  std::unordered_map<const float*, Fold> folds_;
  uint64_t last_ = 0;
};

Variable conv_norm_folded(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                          const Variable& beta, const Tensor& mean, const Tensor& var,
                          const ConvolutionOptions& convolution, const BatchNormOptions& norm,
                          const Variable* residual, const Window* pool) {
  Context& context = tape.context();
  tape.begin("conv_norm");
  const Conv2dShape d = conv2d_shape(x.shape(), weight.shape(), convolution);
  check_batch_norm({d.n, d.p(), d.q(), d.k}, x.dtype(), gamma, &beta, mean, var, norm, residual);
  const Tensor y = tape.empty(pool ? output_of(*pool) : Shape{d.n, d.p(), d.q(), d.k}, x.dtype());
  const float* w = weight.value.data<float>();
  const uint64_t version = context.plan<FoldedVersions>("", [] { return FoldedVersions(); })
                               .number(w, {weight.value.version(), gamma.value.version(),
                                           beta.value.version(), mean.version(), var.version()});
  const conv2d_cpu::FixedNorm fixed{gamma.value.data<float>(), beta.value.data<float>(), mean.data<float>(),
                                    var.data<float>(), norm.eps};
  if (!pool) {
    conv2d_cpu::forward_folded(context, d, x.value.data<float>(), w, fixed,
                               residual ? residual->value.data<float>() : nullptr, norm.relu, y.data<float>(),
                               version);
    return tape.record(y, {}, nullptr);
  }
  Conv2dShape one = d;
  Window window = *pool;
  one.n = window.batch = 1;
  const Context::Scratch picture(context, static_cast<size_t>(one.y_count()) * sizeof(float)),
      tap(context, static_cast<size_t>(window.out_count()));
  for (int64_t n = 0; n < d.n; ++n) {
    conv2d_cpu::forward_folded(context, one, x.value.data<float>() + n * one.x_count(), w, fixed, nullptr,
                               norm.relu, picture.as<float>(), version);
    MaxPool2d<Device::cpu>::forward(context, window, picture.as<float>(),
                                    y.data<float>() + n * window.out_count(), tap.as<uint8_t>());
  }
  return tape.record(y, {}, nullptr);
}

}  // namespace

Variable conv_norm(Tape& tape, const Variable& x, const Variable& weight, const Variable& gamma,
                   const Variable& beta, const Tensor& running_mean, const Tensor& running_var,
                   const ConvolutionOptions& convolution, const BatchNormOptions& norm,
                   const Variable* residual, const MaxPoolOptions* pool) {
  check_input(!pool || !residual, "conv_norm: a residual before a pool");
  const bool takes_gradient = x.needs_gradient() || weight.needs_gradient() || gamma.needs_gradient() ||
                              beta.needs_gradient() || (residual && residual->needs_gradient());
  const bool on_cpu = tape.context().device() == Device::cpu && x.dtype() == DType::f32;
  std::optional<Window> window;
  if (on_cpu && pool) {
    const Conv2dShape d = conv2d_shape(x.shape(), weight.shape(), convolution);
    window = Window{d.n, d.p(), d.q(), d.k, pool->kernel, pool->stride, pool->padding};
    window->validate("max_pool2d");
  }
  const Window* pooled = window ? &*window : nullptr;
  if (on_cpu && norm.mode == BatchNormOptions::eval && !takes_gradient)
    return conv_norm_folded(tape, x, weight, gamma, beta, running_mean, running_var, convolution, norm,
                            residual, pooled);
  ColumnSums sums;
  const Variable z =
      conv2d(tape, x, weight, nullptr, convolution, norm.mode == BatchNormOptions::eval ? nullptr : &sums);
  const Variable y =
      batch_norm(tape, z, gamma, &beta, running_mean, running_var, norm, residual, &sums, pooled);
  return pool && !pooled ? max_pool2d(tape, y, pool->kernel, pool->stride, pool->padding) : y;
}

}  // namespace saccade
