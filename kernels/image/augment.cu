#include "kernels/image/augment.h"

#include "kernels/common/launch.h"
#include "kernels/common/vector.h"

namespace saccade {

namespace {

constexpr unsigned kThreads = 256;
constexpr int kInFlight = 2;  // vectors of a thread

// The jitter of one sample, in the arithmetic of the CPU version.
struct Colors {
  bool jittered;
  float gain, offset, saturation, rest;  // p -> gain p + offset, then saturation p + rest gray(p)

  __device__ explicit Colors(const Augmentation& a)
      : jittered(a.brightness != 1 || a.contrast != 1 || a.saturation != 1),
        gain(a.contrast * a.brightness),
        offset((1 - a.contrast) * a.brightness * a.gray_mean),
        saturation(a.saturation),
        rest(1 - a.saturation) {}

  __device__ __forceinline__ void jitter(float (&pixel)[3]) const {
#pragma unroll
    for (float& v : pixel) v = gain * v + offset;
    const float gray = rest * (0.299f * pixel[0] + 0.587f * pixel[1] + 0.114f * pixel[2]);
#pragma unroll
    for (float& v : pixel) v = fminf(255.0f, fmaxf(0.0f, saturation * v + gray));
  }
};

// The three values of output pixel (row, column).
__device__ __forceinline__ void augment_pixel(const Augmentation& a, const Colors& colors, int height,
                                              int width, const uint8_t* __restrict__ picture,
                                              const Normalization& norm, int row, int column,
                                              float (&pixel)[3]) {
  // Differences in 64 bits: a box or a shift may lie anywhere.
  const int64_t in_box_y = int64_t{row} - a.erase_y, in_box_x = int64_t{column} - a.erase_x;
  if (in_box_y >= 0 && in_box_y < a.erase_height && in_box_x >= 0 && in_box_x < a.erase_width) {
#pragma unroll
    for (int c = 0; c < 3; ++c) pixel[c] = a.fill[c];
    return;
  }
  const int64_t y = int64_t{row} + a.shift_y, x = int64_t{column} + a.shift_x;
  const bool inside = y >= 0 && y < height && x >= 0 && x < width;
  const uint8_t* from = picture + (y * width + (a.flip ? width - 1 - x : x)) * 3;
#pragma unroll
  for (int c = 0; c < 3; ++c) pixel[c] = inside ? static_cast<float>(from[c]) : 0.0f;
  if (colors.jittered) colors.jitter(pixel);
#pragma unroll
  for (int c = 0; c < 3; ++c) pixel[c] = (pixel[c] / 255 - norm.mean[c]) / norm.std[c];
}

// blockIdx.y is the sample. A thread writes V elements that lie side by side,
// which belong to at most V / 3 + 2 pixels, and computes these pixels whole:
// the bytes come from the cache, and a store moves all V elements at once.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    augment(int height, int width, const uint8_t* __restrict__ images, const Augmentation* __restrict__ table,
            Normalization norm, T* __restrict__ y) {
  const Augmentation& a = table[blockIdx.y];
  const Colors colors(a);
  const int64_t elements = int64_t{height} * width * 3;
  const uint8_t* picture = images + a.image * elements;
  const int64_t first = (static_cast<int64_t>(blockIdx.x) * kInFlight * kThreads + threadIdx.x) * V;
#pragma unroll 1
  for (int u = 0; u < kInFlight; ++u) {
    const int64_t at = first + static_cast<int64_t>(u) * kThreads * V;
    if (at >= elements) return;
    const int start = static_cast<int>(at % 3), at_pixel = static_cast<int>(at / 3);
    Pack<float, V> out;
    constexpr int kPixels = V == 1 ? 1 : V / 3 + 2;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      const int index = at_pixel + p;
      if (p * 3 - start >= V) continue;
      float pixel[3];
      augment_pixel(a, colors, height, width, picture, norm, index / width, index % width, pixel);
      // Comparing instead of indexing with c keeps `pixel` and `out` in registers.
#pragma unroll
      for (int lane = 0; lane < V; ++lane) {
        const int c = start + lane - 3 * p;
        if (c == 0) out.lane[lane] = pixel[0];
        if (c == 1) out.lane[lane] = pixel[1];
        if (c == 2) out.lane[lane] = pixel[2];
      }
    }
    store<V * sizeof(T), Use::once>(y + blockIdx.y * elements + at, from_f32<T>(out));
  }
}

template <class T, int V>
void run(Context& context, int64_t count, int64_t height, int64_t width, const uint8_t* images,
         const Augmentation* table, const Normalization& norm, T* y) {
  constexpr int64_t kMostRows = 65535;  // rows of a grid: more samples take several launches
  const unsigned blocks = blocks_for(height * width * 3, int64_t{kInFlight} * kThreads * V);
  for (int64_t done = 0; done < count; done += kMostRows) {
    const auto rows = static_cast<unsigned>(count - done < kMostRows ? count - done : kMostRows);
    launch(augment<T, V>, {blocks, rows}, kThreads, 0, context.stream(), height, width, images, table + done,
           norm, y + done * height * width * 3);
  }
}

}  // namespace

template <>
template <class T>
void Augment<kGpu>::forward(Context& context, int64_t count, int64_t height, int64_t width,
                            const uint8_t* images, const Augmentation* table,
                            const Normalization& normalization, T* y) {
  check_element<T>(context);
  check(height < (1 << 15) && width < (1 << 15), "augment: pictures of ", height, " x ", width,
        " are too large");
  constexpr int kPerVector = kVector<T, true>;
  if (aligned(y, 16) && height * width * 3 % kPerVector == 0)
    run<T, kPerVector>(context, count, height, width, images, table, normalization, y);
  else
    run<T, 1>(context, count, height, width, images, table, normalization, y);
}
template void Augment<kGpu>::forward(Context&, int64_t, int64_t, int64_t, const uint8_t*, const Augmentation*,
                                     const Normalization&, float*);
template void Augment<kGpu>::forward(Context&, int64_t, int64_t, int64_t, const uint8_t*, const Augmentation*,
                                     const Normalization&, bf16*);

}  // namespace saccade
