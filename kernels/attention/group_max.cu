#include "kernels/attention/group_max.h"
#include "kernels/attention/group_max.plain.h"
#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // groups whose loads are issued before the first is used
constexpr uint8_t kNone = 255;

struct Sizes {
  uint32_t images, pixels, groups, channels;
  uint32_t vectors;  // of V channels in a pixel's group
};

// A thread takes one vector of V channels of one pixel through all groups; blockIdx.y is the image. The
// launch bounds ask for one block a multiprocessor: for more, the compiler spills on sm_100.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, 1)
    group_max_forward(Sizes s, const T* __restrict__ features, const uint8_t* __restrict__ keep,
                      T* __restrict__ output, uint8_t* __restrict__ argmax) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= s.pixels * s.vectors) return;
  const uint32_t pixel = item / s.vectors, channel = (item - pixel * s.vectors) * V;
  for (uint32_t image = blockIdx.y; image < s.images; image += gridDim.y) {
    const int64_t row = static_cast<int64_t>(image) * s.pixels + pixel;
    const T* x = features + row * s.groups * s.channels + channel;
    const uint8_t* kept = keep + image * s.groups;

    Pack<float, V> best = {};
    int winner[V];
#pragma unroll
    for (int i = 0; i < V; ++i) winner[i] = kNone;

    for (uint32_t first = 0; first < s.groups; first += kInFlight) {
      Pack<T, V> loaded[kInFlight];
      bool take[kInFlight];
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) {
        take[u] = first + u < s.groups && kept[first + u] != 0;
        if (take[u])
          loaded[u] = load<V * sizeof(T), Use::once>(x + static_cast<int64_t>(first + u) * s.channels);
      }
#pragma unroll
      for (int u = 0; u < kInFlight; ++u) {
        if (!take[u]) continue;
        const Pack<float, V> value = to_f32(loaded[u]);
#pragma unroll
        for (int i = 0; i < V; ++i) {
          const float v = value.lane[i];
          if (winner[i] == kNone || v > best.lane[i] || v != v) {  // greater, or a NaN
            best.lane[i] = v;
            winner[i] = static_cast<int>(first) + u;
          }
        }
      }
    }

    Pack<uint8_t, V> index;
#pragma unroll
    for (int i = 0; i < V; ++i) index.lane[i] = static_cast<uint8_t>(winner[i]);
    store<V * sizeof(T)>(output + row * s.channels + channel, from_f32<T>(best));
    store<V>(argmax + row * s.channels + channel, index);
  }
}

// A thread writes the gradient of its vector to the group that won each channel, and zeros to the others.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    group_max_backward(Sizes s, const T* __restrict__ grad_output, const uint8_t* __restrict__ argmax,
                       T* __restrict__ grad_features) {
  const uint32_t item = blockIdx.x * kThreads + threadIdx.x;
  if (item >= s.pixels * s.vectors) return;
  const uint32_t pixel = item / s.vectors, channel = (item - pixel * s.vectors) * V;
  for (uint32_t image = blockIdx.y; image < s.images; image += gridDim.y) {
    const int64_t row = static_cast<int64_t>(image) * s.pixels + pixel;
    const auto grad = load<V * sizeof(T), Use::once>(grad_output + row * s.channels + channel);
    const auto winner = load<V, Use::once>(argmax + row * s.channels + channel);
    T* grad_x = grad_features + row * s.groups * s.channels + channel;
    for (uint32_t g = 0; g < s.groups; ++g) {
      Pack<T, V> out;
#pragma unroll
      for (int i = 0; i < V; ++i) out.lane[i] = winner.lane[i] == g ? grad.lane[i] : T(0.0f);
      store<V * sizeof(T)>(grad_x + static_cast<int64_t>(g) * s.channels, out);
    }
  }
}

Sizes sizes_of(int64_t images, int64_t pixels, int64_t groups, int64_t channels, int vector) {
  constexpr int64_t kMost = int64_t{1} << 31;
  check(images < kMost && pixels * channels < kMost && images * groups < kMost, "group_max: ", images,
        " images of ", pixels, " pixels and ", channels, " channels are too many for one launch");
  return {static_cast<uint32_t>(images), static_cast<uint32_t>(pixels), static_cast<uint32_t>(groups),
          static_cast<uint32_t>(channels), static_cast<uint32_t>(channels / vector)};
}

Grid grid_of(const Sizes& s, int line = __builtin_LINE()) {
  return {blocks_for(static_cast<int64_t>(s.pixels) * s.vectors, kThreads),
          s.images < 65535 ? s.images : 65535, 1, __builtin_FILE(), line};
}

}  // namespace

template <>
template <class T>
void GroupMax<kGpu>::forward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                             int64_t channels, const T* features, const uint8_t* keep, T* output,
                             uint8_t* argmax) {
  check_element<T>(context);
  check_sizes(images, pixels, groups, channels);
  if (context.kernels == Kernels::plain)
    return each(context, images * pixels * channels,
                PlainGroupMax<T>{pixels, groups, channels, features, keep, output, argmax});
  constexpr int kPerVector = kVector<T, true>;
  if (channels % kPerVector == 0 && aligned(features, 16) && aligned(output, 16) &&
      aligned(argmax, kPerVector)) {
    const Sizes s = sizes_of(images, pixels, groups, channels, kPerVector);
    launch(group_max_forward<T, kPerVector>, grid_of(s), kThreads, 0, context.stream(), s, features, keep,
           output, argmax);
  } else {
    const Sizes s = sizes_of(images, pixels, groups, channels, 1);
    launch(group_max_forward<T, 1>, grid_of(s), kThreads, 0, context.stream(), s, features, keep, output,
           argmax);
  }
}
template void GroupMax<kGpu>::forward(Context&, int64_t, int64_t, int64_t, int64_t, const float*,
                                      const uint8_t*, float*, uint8_t*);
template void GroupMax<kGpu>::forward(Context&, int64_t, int64_t, int64_t, int64_t, const bf16*,
                                      const uint8_t*, bf16*, uint8_t*);

template <>
template <class T>
void GroupMax<kGpu>::backward(Context& context, int64_t images, int64_t pixels, int64_t groups,
                              int64_t channels, const T* grad_output, const uint8_t* argmax,
                              T* grad_features) {
  check_element<T>(context);
  check_sizes(images, pixels, groups, channels);
  if (context.kernels == Kernels::plain)
    return each(context, images * pixels * groups * channels,
                PlainGroupMaxGradient<T>{groups, channels, grad_output, argmax, grad_features});
  constexpr int kPerVector = kVector<T, true>;
  if (channels % kPerVector == 0 && aligned(grad_output, 16) && aligned(grad_features, 16) &&
      aligned(argmax, kPerVector)) {
    const Sizes s = sizes_of(images, pixels, groups, channels, kPerVector);
    launch(group_max_backward<T, kPerVector>, grid_of(s), kThreads, 0, context.stream(), s, grad_output,
           argmax, grad_features);
  } else {
    const Sizes s = sizes_of(images, pixels, groups, channels, 1);
    launch(group_max_backward<T, 1>, grid_of(s), kThreads, 0, context.stream(), s, grad_output, argmax,
           grad_features);
  }
}
template void GroupMax<kGpu>::backward(Context&, int64_t, int64_t, int64_t, int64_t, const float*,
                                       const uint8_t*, float*);
template void GroupMax<kGpu>::backward(Context&, int64_t, int64_t, int64_t, int64_t, const bf16*,
                                       const uint8_t*, bf16*);

}  // namespace saccade
