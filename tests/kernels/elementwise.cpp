#include "kernels/activation/gelu.ref.h"
#include "kernels/activation/relu.ref.h"
#include "kernels/activation/sigmoid.ref.h"
#include "kernels/activation/tanh.ref.h"
#include "kernels/elementwise/arithmetic.ref.h"
#include "kernels/elementwise/axpy.ref.h"
#include "kernels/elementwise/broadcast.ref.h"
#include "kernels/elementwise/dropout.ref.h"
#include "kernels/elementwise/sum.ref.h"
#include "tests/kernels/held.h"

using namespace saccade;

namespace {

const Placing kPlacings[] = {{0, false}, {1, false}, {0, true}, {3, true}};

// Checks a kernel of two inputs at counts around a vector, a block and several blocks.
template <class Run>
void check_pairs(const std::string& what, Run run) {
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const int64_t count : {1, 7, 8, 1023, 4096, 9001})
      for (const Placing& placing : kPlacings)
        worst = std::max(worst, check_held<D, T>(context, concat(what, " of ", count, " on ", backend),
                                                 {normals<T>(1, count), normals<T>(2, count)}, count, placing,
                                                 [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                                                   run.template operator()<E, S>(c, count, in, y);
                                                 }));
    WARN(what << " on " << backend << ": largest error " << worst << " eps S");
  });
}

}  // namespace

TEST_CASE("arithmetic agrees with the reference at every count and alignment, in place too") {
  check_pairs("add", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Arithmetic<D>::add(c, count, in[0], in[1], y);
  });
  check_pairs("scale", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Arithmetic<D>::scale(c, count, -1.75, in[0], y);
  });
  check_pairs("divide_gradient", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Arithmetic<D>::divide_gradient(c, count, in[0], in[1], in[1], y);
  });
}

TEST_CASE("activations agree with the reference at every count and alignment, in place too") {
  check_pairs("relu", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Relu<D>::backward(c, count, in[0], in[1], y);
  });
  check_pairs("sigmoid", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Sigmoid<D>::forward(c, count, in[0], y);
  });
  check_pairs("tanh", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Tanh<D>::forward(c, count, in[0], y);
  });
  check_pairs("gelu", []<Device D, class S>(Context& c, int64_t count, const auto& in, S* y) {
    Gelu<D>::backward(c, count, in[0], in[1], y);
  });
}

TEST_CASE("axpy agrees with the reference at every count and alignment") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    for (const int64_t count : {1, 1023, 4097})
      for (const size_t offset : {0, 1}) {
        const auto x = normals<T>(1, count), y = normals<T>(2, count);
        DeviceArray<T> from(context, x, offset), to(context, y, offset);
        Axpy<D>::accumulate(context, count, 0.5, from.data(), to.data());
        Context host;
        const auto reference = [&]<class S>(std::vector<S> sum) {
          Axpy<Device::reference>::accumulate(host, count, 0.5, as<S>(x).data(), sum.data());
          return sum;
        };
        check_close(concat("axpy of ", count, " on ", backend), to.host(), reference(as<double>(y)),
                    reference(as<Bound>(y)), 8);
      }
  });
}

TEST_CASE("broadcasts agree with the reference whichever dimensions repeat") {
  const BroadcastShape shapes[] = {{1, 300, 64}, {3, 5, 24}, {7, 9, 5},   {1, 9001, 1},
                                   {37, 16, 1},  {37, 7, 1}, {600, 8, 1}, {2, 1, 8}};
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    for (const BroadcastShape& s : shapes)
      for (const Placing& placing : kPlacings) {
        const std::string what = concat("of ", s.outer, "x", s.repeated, "x", s.inner, " on ", backend);
        const auto x = normals<T>(1, s.count()), b = normals<T>(2, s.outer * s.inner);
        check_held<D, T>(context, "sums " + what, {x, b}, s.count(), placing,
                         [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                           Broadcast<E>::add(c, s, in[0], in[1], y);
                         });
        check_held<D, T>(context, "products " + what, {x, b}, s.count(), placing,
                         [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                           Broadcast<E>::multiply(c, s, in[0], in[1], y);
                         });
        if (placing.in_place) continue;
        check_held<D, T>(context, "gradient of a sum " + what, {b}, s.count(), placing,
                         [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                           Sum<E>::backward(c, s.outer, s.repeated, s.inner, 0.25, in[0], y);
                         });
      }
  });
}

TEST_CASE("sums agree with the reference in one stage and in two, along rows and down columns") {
  const BroadcastShape shapes[] = {{1, 70001, 1}, {1, 40000, 1}, {3, 9000, 1},  {3, 20003, 1},
                                   {600, 33, 1},  {5, 0, 1},     {1, 3000, 64}, {1, 2500, 3},
                                   {2, 700, 8},   {3, 40, 300},  {4, 0, 8},     {1, 1, 24}};
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const BroadcastShape& s : shapes)
      for (const size_t offset : {0, 1}) {
        const std::string what = concat("sum of ", s.outer, "x", s.repeated, "x", s.inner, " on ", backend);
        const std::vector<std::vector<T>> inputs{normals<T>(1, s.count()), normals<T>(2, s.count())};
        const auto sum = [&]<Device E, class S>(Context& c, const auto& in, S* y) {
          Sum<E>::forward(c, s.outer, s.repeated, s.inner, 0.5, in[0], y);
        };
        const auto products = [&]<Device E, class S>(Context& c, const auto& in, S* y) {
          Sum<E>::of_products(c, s.outer, s.repeated, s.inner, in[0], in[1], y);
        };
        const int64_t count = s.outer * s.inner;
        worst = std::max(worst, check_held<D, T>(context, what, inputs, count, {offset}, sum));
        worst = std::max(worst,
                         check_held<D, T>(context, what + " of products", inputs, count, {offset}, products));
        const std::vector<std::vector<T>> product{inputs[0], inputs[1], normals<T>(3, count)};
        check_held<D, T>(context, what + ": gradient of the factor that is not summed", product, s.count(),
                         {offset}, [&]<Device E, class S>(Context& c, const auto& in, S* grad_a) {
                           DeviceArray<S> grad_b(c, static_cast<size_t>(count), offset);
                           Sum<E>::product_gradients(c, s.outer, s.repeated, s.inner, in[0], in[1], in[2],
                                                     grad_a, grad_b.data());
                         });
        check_held<D, T>(context, what + ": gradient of the factor that is broadcast", product, count,
                         {offset}, [&]<Device E, class S>(Context& c, const auto& in, S* grad_b) {
                           DeviceArray<S> grad_a(c, static_cast<size_t>(s.count()), offset);
                           Sum<E>::product_gradients(c, s.outer, s.repeated, s.inner, in[0], in[1], in[2],
                                                     grad_a.data(), grad_b);
                         });
      }
    WARN("sum on " << backend << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("dropout draws the same mask on every backend, whatever the alignment") {
  const std::vector<int64_t> state{17, 3};
  Context host;
  for (const int64_t count : {1, 3, 4, 7, 8, 1031, 5000}) {
    const std::vector<float> ones(static_cast<size_t>(count), 1.0f);
    std::vector<float> mask(ones.size());
    Dropout<Device::cpu>::apply(host, count, 0.3, state.data(), 5, ones.data(), mask.data());
    for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
      for (const Placing& placing : kPlacings) {
        DeviceArray<int64_t> on_device(context, state);
        DeviceArray<T> x(context, std::vector<T>(ones.size(), T(1.0f)), placing.offset);
        DeviceArray<T> out(context, ones.size(), placing.offset), &y = placing.in_place ? x : out;
        Dropout<D>::apply(context, count, 0.3, on_device.data(), 5, x.data(), y.data());
        const auto got = y.host();
        int64_t wrong = 0;
        for (size_t i = 0; i < got.size(); ++i)
          wrong += static_cast<float>(got[i]) != static_cast<float>(T(mask[i]));
        INFO(backend << ", " << count << " elements, offset " << placing.offset);
        CHECK(wrong == 0);
      }
    });
  }
}

TEST_CASE("dropout keeps a number whose draw is p itself") {
  const std::vector<int64_t> state{17, 3};
  const double p = uniform_from(random_words(RandomState{17, 3}, 5, 0).word[0]);
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    DeviceArray<int64_t> on_device(context, state);
    DeviceArray<T> x(context, std::vector<T>(1, T(1.0f))), y(context, 1);
    Dropout<D>::apply(context, 1, p, on_device.data(), 5, x.data(), y.data());
    INFO(backend << ", p = " << p);
    CHECK(static_cast<float>(y.host()[0]) > 0);
  });
}
