// A convolution with its norm in fewer passes must be what the two ops are one after the other.
#include "autograd/functions/conv_norm.h"

#include <algorithm>
#include <cmath>

#include "tests/common/catch.h"

using namespace saccade;

namespace {

using Mode = BatchNormOptions::Mode;

struct Sizes {
  int64_t n, h, w, c, k;
};
constexpr Sizes kUsual{3, 9, 6, 16, 24},
    kFewPixels{1, 7, 4, 128, 132};  // the latter in Winograd's small form

// Tensors of one layer: x [N,H,W,C] -> y [N,P,Q,K], in a shape that takes the form asked for.
struct Layer {
  Context context{Device::cpu, 0, 2};
  ConvolutionOptions convolution;
  Tensor x, weight, gamma, beta, mean, var, residual, cotangent;

  Layer(int64_t size, int64_t stride, Sizes d = kUsual) : convolution{stride, stride, size / 2, size / 2} {
    const int64_t p = (d.h + 2 * (size / 2) - size) / stride + 1,
                  q = (d.w + 2 * (size / 2) - size) / stride + 1;
    x = normal(1, {d.n, d.h, d.w, d.c});
    weight = normal(2, {d.k, size, size, d.c});
    gamma = normal(3, {d.k});
    beta = normal(4, {d.k});
    mean = normal(5, {d.k});
    var = Tensor::from(context, {d.k}, std::vector<float>(static_cast<size_t>(d.k), 0.7f));
    residual = normal(6, {d.n, p, q, d.k});
    cotangent = normal(7, {d.n, p, q, d.k});
  }
  Tensor normal(uint64_t seed, const Shape& shape) {
    std::vector<float> values(static_cast<size_t>(shape.count()));
    PhiloxStream(seed).fill_normal(values.data(), shape.count(), 0, 1);
    return Tensor::from(context, shape, values);
  }

  // y, the new running statistics, and where `learns` the gradients of x, weight, gamma, beta and the residual.
  std::vector<std::vector<float>> run(bool together, const BatchNormOptions& norm, bool with_residual,
                                      bool learns, const MaxPoolOptions* pool = nullptr) {
    const Tensor moving_mean = copy_of(context, mean), moving_var = copy_of(context, var);
    Tape tape(context);
    const auto place = [&](const Tensor& value) { return learns ? tape.input(value) : tape.constant(value); };
    const Variable in[] = {place(x), place(weight), place(gamma), place(beta), place(residual)};
    const Variable* added = with_residual ? &in[4] : nullptr;
    Variable y = together ? conv_norm(tape, in[0], in[1], in[2], in[3], moving_mean, moving_var, convolution,
                                      norm, added, pool)
                          : batch_norm(tape, conv2d(tape, in[0], in[1], nullptr, convolution), in[2], &in[3],
                                       moving_mean, moving_var, norm, added);
    if (pool && !together) y = max_pool2d(tape, y, pool->kernel, pool->stride, pool->padding);
    std::vector<Tensor> all = {y.value, moving_mean, moving_var};
    if (learns) {
      tape.backward({y}, {pool ? normal(8, y.shape()) : cotangent});
      for (int i = 0; i < (with_residual ? 5 : 4); ++i) all.push_back(tape.grad(in[i]));
    }
    std::vector<std::vector<float>> numbers;
    for (const Tensor& tensor : all) numbers.push_back(tensor.to_host<float>(context));
    return numbers;
  }
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::fabs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
  }
  return difference / largest;
}

}  // namespace

TEST_CASE("a convolution and its norm in fewer passes are what they are one after the other") {
  struct Form {
    int64_t size, stride;
    Sizes sizes;
  };
  for (const auto& [size, stride, sizes] :
       {Form{1, 1, kUsual}, {3, 1, kUsual}, {3, 2, kUsual}, {3, 1, kFewPixels}}) {
    Layer layer(size, stride, sizes);
    for (const Mode mode : {Mode::train, Mode::batch_only, Mode::eval})
      for (const bool residual : {false, true})
        for (const bool relu : {false, true})
          for (const bool learns : {false, true}) {
            INFO(size << "x" << size << ", stride " << stride << ", " << sizes.c << " channels, mode " << mode
                      << (residual ? ", residual" : "") << (relu ? ", relu" : "")
                      << (learns ? ", learns" : ""));
            const BatchNormOptions norm{mode, 1e-5, 0.1, relu};
            const auto together = layer.run(true, norm, residual, learns);
            const auto apart = layer.run(false, norm, residual, learns);
            REQUIRE(together.size() == apart.size());
            for (size_t i = 0; i < apart.size(); ++i) CHECK(largest_difference(together[i], apart[i]) < 2e-6);
          }
  }
}

TEST_CASE("a convolution, its norm and a max pool in fewer passes are what they are one after the other") {
  for (const auto& [size, stride] : {std::pair<int64_t, int64_t>(1, 1), {3, 1}, {7, 2}})
    for (const MaxPoolOptions& pool : {MaxPoolOptions{3, 2, 1}, {2, 1, 0}}) {
      Layer layer(size, stride);
      for (const Mode mode : {Mode::train, Mode::batch_only, Mode::eval})
        for (const bool learns : {false, true}) {
          INFO(size << "x" << size << ", stride " << stride << ", pool of " << pool.kernel << ", mode "
                    << mode << (learns ? ", learns" : ""));
          const BatchNormOptions norm{mode, 1e-5, 0.1, true};
          const auto together = layer.run(true, norm, false, learns, &pool);
          const auto apart = layer.run(false, norm, false, learns, &pool);
          REQUIRE(together.size() == apart.size());
          for (size_t i = 0; i < apart.size(); ++i) CHECK(largest_difference(together[i], apart[i]) < 2e-6);
        }
    }

  Layer layer(3, 1);
  const MaxPoolOptions pool{3, 2, 1}, too_large{13, 2, 1};
  const BatchNormOptions norm{Mode::train, 1e-5, 0.1, true};
  CHECK_THROWS_AS(layer.run(true, norm, true, false, &pool), InputError);
  CHECK_THROWS_AS(layer.run(true, norm, false, false, &too_large), InputError);
}

TEST_CASE("a folded norm follows whatever was written since: weights, gamma, beta, statistics") {
  Layer layer(3, 1);
  const BatchNormOptions norm{Mode::eval, 1e-5, 0.1, false};
  Tape tape(layer.context);
  const auto y = [&] {
    return conv_norm(tape, tape.constant(layer.x), tape.constant(layer.weight), tape.constant(layer.gamma),
                     tape.constant(layer.beta), layer.mean, layer.var, layer.convolution, norm)
        .value.to_host<float>(layer.context);
  };
  std::vector<float> before = y();
  CHECK(y() == before);
  for (const Tensor* tensor : {&layer.weight, &layer.gamma, &layer.beta, &layer.mean, &layer.var}) {
    std::vector<float> values = tensor->to_host<float>(layer.context);
    values[3] += 1;
    tensor->write(layer.context, values.data());
    const std::vector<float> after = y();
    CHECK(after != before);
    before = after;
  }
  // And it is right, not only another one.
  CHECK(largest_difference(before, layer.run(false, norm, false, false)[0]) < 2e-6);
}

TEST_CASE("a picture's numbers do not depend on its batch, but for rounding where it is alone") {
  for (const auto& [size, stride] : {std::pair<int64_t, int64_t>(1, 1), {3, 1}, {3, 2}}) {
    Layer layer(size, stride);
    const BatchNormOptions norm{Mode::eval, 1e-5, 0.1, true};
    const std::vector<float> all = layer.run(true, norm, false, false)[0];
    const std::vector<float> pixels = layer.x.to_host<float>(layer.context);
    const size_t one = pixels.size() / 3;
    layer.x =
        Tensor::from(layer.context, {1, 9, 6, 16}, std::vector<float>(pixels.begin(), pixels.begin() + one));
    const std::vector<float> alone = layer.run(true, norm, false, false)[0];
    CHECK(std::equal(alone.begin(), alone.end(), all.begin()));
  }
  // Alone, a picture of few pixels and many channels is computed in Winograd's small form, which rounds otherwise.
  Layer layer(3, 1, {3, 7, 4, 128, 132});
  const BatchNormOptions norm{Mode::eval, 1e-5, 0.1, true};
  std::vector<float> first = layer.run(true, norm, false, false)[0];
  const std::vector<float> pixels = layer.x.to_host<float>(layer.context);
  layer.x = Tensor::from(layer.context, {1, 7, 4, 128},
                         std::vector<float>(pixels.begin(), pixels.begin() + 7 * 4 * 128));
  const std::vector<float> alone = layer.run(true, norm, false, false)[0];
  first.resize(alone.size());
  CHECK(alone != first);
  CHECK(largest_difference(alone, first) < 4e-6);
}
