#include "kernels/elementwise/cast.h"

#include "kernels/common/parallel.h"

namespace saccade {

namespace {

constexpr int64_t kGrain = 16384;

template <class From, class To>
void convert_all(Context& context, int64_t count, const From* x, To* y) {
  parallel_for(context, count, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = static_cast<To>(static_cast<float>(x[i]));
  });
}

template <class From>
void add_all(Context& context, int64_t count, const From* x, float* y) {
  parallel_for(context, count, kGrain, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += static_cast<float>(x[i]);
  });
}

}  // namespace

template <>
template <>
void Cast<Device::cpu>::convert(Context& context, int64_t count, const bf16* x, float* y) {
  convert_all(context, count, x, y);
}
template <>
template <>
void Cast<Device::cpu>::convert(Context& context, int64_t count, const float* x, bf16* y) {
  convert_all(context, count, x, y);
}
template <>
template <>
void Cast<Device::cpu>::accumulate(Context& context, int64_t count, const bf16* x, float* y) {
  add_all(context, count, x, y);
}

}  // namespace saccade
