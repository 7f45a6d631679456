#include "kernels/elementwise/cast.h"

#include "kernels/elementwise/set_all.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

// Numbers of every size, the exact halves between two bf16 numbers, and what no rounding may touch.
std::vector<float> numbers(size_t count) {
  std::vector<float> all = normals<float>(9, static_cast<int64_t>(count), 100);
  const float special[] = {0.0f, -0.0f, 1 + 0x1p-8f, 1 + 0x3p-8f, 3.4e38f, INFINITY, -INFINITY, 1e-40f, NAN};
  for (size_t i = 0; i < count && i < std::size(special); ++i) all[count - 1 - i] = special[i];
  return all;
}

bool same(float a, float b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

}  // namespace

TEST_CASE("casts round as bf16 does, widen exactly and add in f32, aligned or not, on every backend") {
  for_each_backend([]<Device D, class T>(Context& context, const std::string& name) {
    if constexpr (std::is_same_v<T, float>)
      for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, size_t{4096}, size_t{10007}})
        for (const size_t offset : {size_t{0}, size_t{1}}) {
          INFO(name << ", " << count << " at " << offset);
          const auto n = static_cast<int64_t>(count);
          const std::vector<float> wide = numbers(count);
          DeviceArray<float> x(context, wide, offset), back(context, count, offset);
          DeviceArray<bf16> narrow(context, count, offset);
          Cast<D>::convert(context, n, x.data(), narrow.data());
          Cast<D>::convert(context, n, narrow.data(), back.data());
          Cast<D>::accumulate(context, n, narrow.data(), x.data());
          const std::vector<bf16> rounded = narrow.host();
          const std::vector<float> widened = back.host(), sums = x.host();
          int64_t wrong = 0;
          for (size_t i = 0; i < count; ++i) {
            const float expected = static_cast<float>(bf16(wide[i]));
            wrong += !same(static_cast<float>(rounded[i]), expected) || !same(widened[i], expected) ||
                     !same(sums[i], wide[i] + expected);
          }
          CHECK(wrong == 0);
        }
  });
}

TEST_CASE("set_all reaches every element and no other, on every backend") {
  for_each_backend([]<Device D, class T>(Context& context, const std::string& name) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{9}, size_t{5000}})
      for (const size_t offset : {size_t{0}, size_t{1}}) {
        INFO(name << ", " << count << " at " << offset);
        DeviceArray<T> y(context, count + 1, offset);
        SetAll<D>::to(context, static_cast<int64_t>(count), 1.5, y.data());
        const std::vector<T> got = y.host();
        int64_t wrong = 0;
        for (size_t i = 0; i < count; ++i) wrong += static_cast<float>(got[i]) != 1.5f;
        CHECK(wrong == 0);
        CHECK(std::isnan(static_cast<float>(got[count])));
      }
  });
}
