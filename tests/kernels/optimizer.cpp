#include <cmath>

#include "kernels/optimizer/adam.ref.h"
#include "kernels/optimizer/gradient_clip.ref.h"
#include "kernels/optimizer/sgd.ref.h"
#include "kernels/optimizer/step_counter.ref.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

struct Rule {
  const char* name;
  bool sgd, nesterov;
  AdamRule adam;
};

std::vector<Rule> rules() {
  AdamRule amsgrad{0.9, 0.999, 1e-8, true, false}, adamw{0.8, 0.99, 1e-6, false, true},
      no_memory{0, 0.9, 1e-8, false, false};
  return {{"sgd", true, false, {}},       {"nesterov", true, true, {}},
          {"adam", false, false, {}},     {"amsgrad", false, false, amsgrad},
          {"adamw", false, false, adamw}, {"beta1 0", false, false, no_memory}};
}

// Spans of several lengths; between the second and the third lies a frozen parameter, and the last starts at an odd
// offset, which no vector may touch.
std::vector<ParameterSpan> make_spans(std::vector<ParameterSpan>* whole = nullptr) {
  const std::vector<ParameterSpan> runs = {
      {0, 3, 1, 0.01f}, {64, 2 * kSpan + 77, 0.5f, 0}, {17000, 500, 1, 0.1f}, {17601, 130, 2, 0.05f}};
  if (whole) *whole = runs;
  std::vector<ParameterSpan> spans;
  for (const ParameterSpan& run : runs) cut_span(run, spans);
  return spans;
}
constexpr size_t kCount = 17731 + 5;

// The arrays of one optimizer in host memory.
template <class S>
struct State {
  std::vector<S> values, first, second, largest;
  std::vector<bf16> copy = std::vector<bf16>(kCount);
};

template <class S>
State<S> start() {
  State<S> s;
  s.values = as<S>(normals<float>(1, kCount));
  s.first = s.second = s.largest = std::vector<S>(kCount);
  return s;
}

template <Device D, class S>
void run(Context& context, const Rule& rule, const std::vector<ParameterSpan>& spans,
         const ParameterSpan* table, const StepScalars& scalars, double limit, float* clip, const S* grads,
         S* values, S* first, S* second, S* largest, bf16* copy) {
  const auto count = static_cast<int64_t>(spans.size());
  GradientClip<D>::factor(context, table, count, limit, grads, clip);
  if (rule.sgd)
    Sgd<D>::step(context, table, count, scalars, 0.9, rule.nesterov, grads, values, first, copy);
  else
    Adam<D>::step(context, table, count, scalars, rule.adam, grads, values, first, second, largest, copy);
}

}  // namespace

TEST_CASE("optimizers agree with the oracle on every backend, and the copy is the rounded value") {
  for_each_version([]<Device D, class T>(Context& context, const std::string& name) {
    if constexpr (std::is_same_v<T, float>) {
      const std::vector<ParameterSpan> spans = make_spans();
      DeviceArray<ParameterSpan> table(context, spans);
      for (const Rule& rule : rules()) {
        State<double> exact = start<double>();
        State<Bound> bound = start<Bound>();
        const State<float> begin = start<float>();
        DeviceArray<float> values(context, begin.values), first(context, begin.first),
            second(context, begin.second), largest(context, begin.largest),
            rate(context, std::vector<float>{0.01f}), clip(context, 1);
        DeviceArray<int64_t> steps(context, std::vector<int64_t>{0});
        DeviceArray<bf16> copy(context, kCount);
        double worst = 0;
        for (int64_t step = 0; step < 4; ++step) {
          const std::vector<float> grads = normals<float>(100 + static_cast<uint64_t>(step), kCount);
          DeviceArray<float> grads_there(context, grads);
          run<D, float>(context, rule, spans, table.data(), {rate.data(), steps.data(), clip.data(), nullptr},
                        50, clip.data(), grads_there.data(), values.data(), first.data(), second.data(),
                        largest.data(), copy.data());
          StepCounter<D>::advance(context, nullptr, steps.data());
          Context host(Device::cpu, 0, 1);
          const float rate_here = 0.01f;
          float factor = 0;
          const auto reference = [&]<class S>(State<S>& s) {
            const std::vector<S> g = as<S>(grads);
            run<Device::reference, S>(host, rule, spans, spans.data(), {&rate_here, &step, &factor, nullptr},
                                      50, &factor, g.data(), s.values.data(), s.first.data(), s.second.data(),
                                      s.largest.data(), s.copy.data());
          };
          reference(exact);
          reference(bound);
          CHECK(clip.host()[0] == Approx(factor).epsilon(1e-5));
        }
        CHECK(steps.host()[0] == 4);
        // Adam's quotient of moments turns a relative error of the second into one of the step. S knows the terms of
        // the sums, but not the division by a root near 0, so those values are held to the step's own size.
        const std::vector<float> got = values.host();
        for (size_t i = 0; i < kCount; ++i) {
          const double error = std::fabs(got[i] - exact.values[i]);
          const double unit = 0x1p-24 * (std::fabs(exact.values[i]) + 4 * 0.02);
          worst = error <= worst * unit ? worst : error / unit;  // NaN counts
        }
        CHECK(worst <= 16);
        check_close(name + " " + rule.name + " first", first.host(), exact.first, bound.first, 16);
        const std::vector<bf16> rounded = copy.host();
        for (const ParameterSpan& span : spans)
          for (auto i = static_cast<size_t>(span.offset); i < static_cast<size_t>(span.offset + span.count);
               ++i)
            if (rounded[i].bits != bf16(got[i]).bits)
              FAIL_CHECK(name << ": copy[" << i << "] is not the rounded value");
        // What no span covers stays: the frozen parameter and the padding, in values and copy.
        CHECK(got[20] == begin.values[20]);
        CHECK(got[17600] == begin.values[17600]);
        CHECK(rounded[17600].bits == 0xFFFF);
        WARN(name << " " << rule.name << ": largest error " << worst << " eps of value and steps");
      }
    }
  });
}

TEST_CASE("an optimizer whose guard is not finite writes nothing, on every backend") {
  for_each_version([]<Device D, class T>(Context& context, const std::string& name) {
    if constexpr (std::is_same_v<T, float>) {
      const std::vector<ParameterSpan> spans = make_spans();
      DeviceArray<ParameterSpan> table(context, spans);
      DeviceArray<float> guard(context, std::vector<float>{NAN}), rate(context, std::vector<float>{0.1f}),
          clip(context, std::vector<float>{1});
      DeviceArray<int64_t> steps(context, std::vector<int64_t>{3});
      const State<float> begin = start<float>();
      for (const Rule& rule : rules()) {
        DeviceArray<float> values(context, begin.values), grads(context, begin.values),
            first(context, begin.first), second(context, begin.second), largest(context, begin.largest);
        DeviceArray<bf16> copy(context, kCount);
        run<D, float>(context, rule, spans, table.data(),
                      {rate.data(), steps.data(), clip.data(), guard.data()}, 1, clip.data(), grads.data(),
                      values.data(), first.data(), second.data(), largest.data(), copy.data());
        StepCounter<D>::advance(context, guard.data(), steps.data());
        INFO(name << " " << rule.name);
        CHECK(values.host() == begin.values);
        CHECK(first.host() == begin.first);
        CHECK(steps.host()[0] == 3);
        CHECK(copy.host()[0].bits == 0xFFFF);
      }
    }
  });
}

TEST_CASE("the clipping factor has the same bits in every run, and is 1 for a norm that is not finite") {
  for_each_version([]<Device D, class T>(Context& context, const std::string&) {
    if constexpr (std::is_same_v<T, float>) {
      std::vector<ParameterSpan> spans;
      cut_span({0, static_cast<int64_t>(kCount), 1, 0}, spans);
      DeviceArray<ParameterSpan> table(context, spans);
      std::vector<float> grads = normals<float>(5, kCount);
      DeviceArray<float> there(context, grads), one(context, 1), two(context, 1);
      GradientClip<D>::factor(context, table.data(), static_cast<int64_t>(spans.size()), 2.0, there.data(),
                              one.data());
      GradientClip<D>::factor(context, table.data(), static_cast<int64_t>(spans.size()), 2.0, there.data(),
                              two.data());
      CHECK(one.host() == two.host());
      grads[7] = INFINITY;
      DeviceArray<float> infinite(context, grads);
      GradientClip<D>::factor(context, table.data(), static_cast<int64_t>(spans.size()), 2.0, infinite.data(),
                              one.data());
      CHECK(one.host()[0] == 1.0f);
    }
  });
}
