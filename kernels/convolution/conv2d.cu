// The three passes as implicit matrix products: the operand that repeats pixels for each filter tap is
// gathered while it is read, and never exists in memory. See kernels/matmul/tiled_product.h.
//
//   forward          y      [N P Q, K] = patches of x      [N P Q, R S C] times w^T          [R S C, K]
//   data gradient    grad_x [N H W, C] = patches of grad_y [N H W, R S K] times w            [R S K, C]
//   weight gradient  grad_w [K, R S C] = grad_y^T          [K, N P Q]     times patches of x [N P Q, R S C]
//
// With a stride the data gradient is one product for each phase of the pixels (Phase, below): a pixel meets
// only the filter taps of its phase, and one product for all phases would multiply zeros for the others.
#include "kernels/common/divider.h"
#include "kernels/common/launch.h"
#include "kernels/convolution/conv2d.h"
#include "kernels/convolution/cudnn.h"
#include "kernels/elementwise/broadcast.h"
#include "kernels/elementwise/sum.h"
#include "kernels/matmul/product.h"

namespace saccade {

namespace {

// One axis: the input positions first, first + stride, ... all meet the filter taps tap, tap + stride, ...
// and no others. Position number i meets tap number t in output position i + shift - t.
struct Phase {
  uint32_t first, tap, shift, stride;
  uint32_t positions, taps;  // their numbers
  Divider by_positions, by_taps;

  Phase(int64_t first_, int64_t size, int64_t filter, int64_t stride_, int64_t pad)
      : first(static_cast<uint32_t>(first_)),
        tap(static_cast<uint32_t>((first_ + pad) % stride_)),
        shift(static_cast<uint32_t>((first_ + pad) / stride_)),
        stride(static_cast<uint32_t>(stride_)),
        positions(steps(size - first_)),
        taps(steps(filter - tap)),
        by_positions(std::max(positions, 1u)),
        by_taps(std::max(taps, 1u)) {}

 private:
  uint32_t steps(int64_t length) const {
    return length > 0 ? static_cast<uint32_t>((length + stride - 1) / stride) : 0;
  }
};

// The sizes of Conv2dShape in 32 bits, and a phase of the data gradient.
struct Geometry {
  uint32_t h, w, c, k, p, q, r, s;
  int32_t stride_h, stride_w, pad_h, pad_w;
  Divider by_c, by_k, by_p, by_q, by_s;
  Phase down, across;

  explicit Geometry(const Conv2dShape& d, int64_t top = 0, int64_t left = 0)
      : h(in_32_bits(d.h)),
        w(in_32_bits(d.w)),
        c(in_32_bits(d.c)),
        k(in_32_bits(d.k)),
        p(in_32_bits(d.p())),
        q(in_32_bits(d.q())),
        r(in_32_bits(d.r)),
        s(in_32_bits(d.s)),
        stride_h(static_cast<int32_t>(in_32_bits(d.stride_h))),
        stride_w(static_cast<int32_t>(in_32_bits(d.stride_w))),
        pad_h(static_cast<int32_t>(in_32_bits(d.pad_h))),
        pad_w(static_cast<int32_t>(in_32_bits(d.pad_w))),
        by_c(std::max(c, 1u)),
        by_k(std::max(k, 1u)),
        by_p(p),
        by_q(q),
        by_s(s),
        down(top, d.h, d.r, d.stride_h, d.pad_h),
        across(left, d.w, d.s, d.stride_w, d.pad_w) {}

 private:
  static uint32_t in_32_bits(int64_t size) {
    check(size >= 0 && size < int64_t{1} << 30, "conv2d: a size of ", size, " is beyond 32-bit indices");
    return static_cast<uint32_t>(size);
  }
};

// A filter tap and a channel, from l = (r S + s) channels + channel.
struct Tap {
  uint32_t r, s, channel;
  __device__ __forceinline__ Tap(const Divider& by_s, const Divider& by_channels, uint32_t l)
      : channel(by_channels.split(l)) {
    s = by_s.split(l);
    r = l;
  }
};

// The input pixels that the filter covers at output pixel (n, p, q): x [N,H,W,C] as [N P Q, R S C].
template <class T, bool along_k_, bool vectorized>
struct ImagePatches {
  using Element = T;
  static constexpr bool along_k = along_k_;  // false for the weight gradient, where the axes change places
  Geometry d;
  const T* x;
  uint32_t pixels, columns;  // N P Q, R S C

  __device__ __forceinline__ Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const {
    uint32_t image = along_k ? i : l;
    const uint32_t column = along_k ? l : i;
    if (image >= pixels) return {};
    const int32_t left = static_cast<int32_t>(d.by_q.split(image)) * d.stride_w - d.pad_w;
    const int32_t top = static_cast<int32_t>(d.by_p.split(image)) * d.stride_h - d.pad_h;
    const T* first = x + static_cast<int64_t>(image) * d.h * d.w * d.c;
    Pack<T, kPack<T>> pack = {};
#pragma unroll
    for (int e = 0; e < (vectorized ? 1 : kPack<T>); ++e) {
      if (column + e >= columns) break;
      const Tap tap(d.by_s, d.by_c, column + e);
      const uint32_t row = static_cast<uint32_t>(top) + tap.r, at = static_cast<uint32_t>(left) + tap.s;
      if (row >= d.h || at >= d.w) continue;  // unsigned: a negative position wraps to far outside
      const T* from = first + (static_cast<int64_t>(row) * d.w + at) * d.c + tap.channel;
      if constexpr (vectorized)
        pack = load<16>(from);
      else
        pack.lane[e] = *from;
    }
    return pack;
  }
};

// The output pixels in which input pixel (n, h, w) took part: grad_y [N,P,Q,K] as the matrix [N H W, R S K],
// where H, W, R and S count the positions and taps of a phase.
template <class T, bool vectorized>
struct GradientPatches {
  using Element = T;
  static constexpr bool along_k = true;
  Geometry d;
  const T* grad_y;
  uint32_t pixels, columns;  // N H W, R S K

  __device__ __forceinline__ Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const {
    if (i >= pixels) return {};
    uint32_t image = i;
    const uint32_t right = d.across.by_positions.split(image) + d.across.shift;
    const uint32_t bottom = d.down.by_positions.split(image) + d.down.shift;
    const T* first = grad_y + static_cast<int64_t>(image) * d.p * d.q * d.k;
    Pack<T, kPack<T>> pack = {};
#pragma unroll
    for (int e = 0; e < (vectorized ? 1 : kPack<T>); ++e) {
      if (l + e >= columns) break;
      const Tap tap(d.across.by_taps, d.by_k, l + e);
      const uint32_t p = bottom - tap.r, q = right - tap.s;
      if (p >= d.p || q >= d.q) continue;  // unsigned: a negative position wraps to far outside
      const T* from = first + (static_cast<int64_t>(p) * d.q + q) * d.k + tap.channel;
      if constexpr (vectorized)
        pack = load<16>(from);
      else
        pack.lane[e] = *from;
    }
    return pack;
  }
};

// The filters w [K,R,S,C] as the matrix [R S K, C], where R and S of the matrix count the taps of a phase.
template <class T, bool vectorized>
struct FilterRows {
  using Element = T;
  static constexpr bool along_k = false;
  Geometry d;
  const T* w;
  uint32_t rows;  // R S K

  __device__ __forceinline__ Pack<T, kPack<T>> operator()(uint32_t i, uint32_t l) const {
    if (l >= rows) return {};
    const Tap tap(d.across.by_taps, d.by_k, l);
    const uint32_t r = d.down.tap + tap.r * d.down.stride, s = d.across.tap + tap.s * d.across.stride;
    const int64_t row = (static_cast<int64_t>(tap.channel) * d.r + r) * d.s + s;
    return load_row<vectorized>(w + row * d.c, i, d.c);
  }
};

// Where pixel `row` of a phase begins among all pixels, in elements.
struct PhaseRows {
  Geometry d;

  __device__ __forceinline__ int64_t operator()(uint32_t row, uint32_t n) const {
    const uint32_t j = d.across.by_positions.split(row), i = d.down.by_positions.split(row);
    const int64_t line = static_cast<int64_t>(row) * d.h + d.down.first + i * d.down.stride;
    return (line * d.w + d.across.first + j * d.across.stride) * n;
  }
};

template <class T>
bool channels_fit_vectors(int64_t channels, const T* data) {
  return channels % kPack<T> == 0 && aligned(data, 16);
}

// Lets cuDNN compute the pass; returns whether it did. On simt there is no cuDNN.
template <class T>
bool by_cudnn(Context& context, const Conv2dShape& s, cudnn::Pass pass, const T* x, const T* w, const T* y) {
  if constexpr (kGpu == Device::cuda) {
    const bool tf32 = context.precision == Precision::tf32;
    return context.kernels == Kernels::library &&
           cudnn::run(context, {s, pass, std::is_same_v<T, bf16>, tf32}, x, w, y);
  } else {
    return false;
  }
}

// The gradient of the pixels of one phase.
template <class T>
void data_gradient_of_phase(Context& context, const Conv2dShape& s, const Geometry& d, const T* grad_y,
                            const T* w, T* grad_x) {
  const int64_t pixels = s.n * d.down.positions * d.across.positions;
  const int64_t columns = static_cast<int64_t>(d.down.taps) * d.across.taps * s.k;
  const auto rows = static_cast<uint32_t>(pixels), depth = static_cast<uint32_t>(columns);
  with_vectorized(channels_fit_vectors(s.k, grad_y) && channels_fit_vectors(s.c, w), [&]<bool vectorized>() {
    launch_product(
        context, pixels, s.c, columns, GradientPatches<T, vectorized>{d, grad_y, rows, depth},
        FilterRows<T, vectorized>{d, w, depth},
        epilogue_of(pixels, s.c, static_cast<const T*>(nullptr), grad_x, false, false, PhaseRows{d}));
  });
}

template <class T>
void weight_gradient_on_gpu(Context& context, const Conv2dShape& s, const T* x, const T* grad_y, T* grad_w) {
  if (s.y_count() > 0 && by_cudnn(context, s, cudnn::Pass::weight, x, grad_w, grad_y)) return;
  const int64_t pixels = s.n * s.p() * s.q(), columns = s.r * s.s * s.c;
  const Geometry d(s);
  const auto depth = static_cast<uint32_t>(pixels), width = static_cast<uint32_t>(columns);
  with_vectorized(channels_fit_vectors(s.c, x) && channels_fit_vectors(s.k, grad_y), [&]<bool vectorized>() {
    launch_product(context, s.k, columns, pixels, Dense<T, false, vectorized>{grad_y, d.k, depth},
                   ImagePatches<T, false, vectorized>{d, x, depth, width},
                   epilogue_of(s.k, columns, static_cast<const T*>(nullptr), grad_w));
  });
}

}  // namespace

template <>
template <class T>
void Conv2d<kGpu>::forward(Context& context, const Conv2dShape& s, const T* x, const T* w, const T* b, T* y,
                           uint64_t) {
  check_element<T>(context);
  if (s.y_count() == 0) return;
  if (by_cudnn(context, s, cudnn::Pass::forward, x, w, y)) {
    if (b) Broadcast<kGpu>::add(context, {1, s.y_count() / s.k, s.k}, y, b, y);
    return;
  }
  const Geometry d(s);
  const int64_t pixels = s.n * s.p() * s.q(), columns = s.r * s.s * s.c;
  const auto rows = static_cast<uint32_t>(pixels), depth = static_cast<uint32_t>(columns);
  with_vectorized(channels_fit_vectors(s.c, x) && channels_fit_vectors(s.c, w), [&]<bool vectorized>() {
    launch_product(context, pixels, s.k, columns, ImagePatches<T, true, vectorized>{d, x, rows, depth},
                   Dense<T, true, vectorized>{w, d.k, depth}, epilogue_of(pixels, s.k, b, y));
  });
}
template void Conv2d<kGpu>::forward(Context&, const Conv2dShape&, const float*, const float*, const float*,
                                    float*, uint64_t);
template void Conv2d<kGpu>::forward(Context&, const Conv2dShape&, const bf16*, const bf16*, const bf16*,
                                    bf16*, uint64_t);

template <>
template <class T>
void Conv2d<kGpu>::backward_data(Context& context, const Conv2dShape& s, const T* grad_y, const T* w,
                                 T* grad_x) {
  check_element<T>(context);
  if (s.x_count() == 0) return;
  if (by_cudnn(context, s, cudnn::Pass::data, grad_x, w, grad_y)) return;
  for (int64_t top = 0; top < std::min(s.stride_h, s.h); ++top)
    for (int64_t left = 0; left < std::min(s.stride_w, s.w); ++left)
      data_gradient_of_phase(context, s, Geometry(s, top, left), grad_y, w, grad_x);
}
template void Conv2d<kGpu>::backward_data(Context&, const Conv2dShape&, const float*, const float*, float*);
template void Conv2d<kGpu>::backward_data(Context&, const Conv2dShape&, const bf16*, const bf16*, bf16*);

template <>
template <class T>
void Conv2d<kGpu>::backward_weight(Context& context, const Conv2dShape& s, const T* x, const T* grad_y,
                                   T* grad_w, T* grad_b) {
  check_element<T>(context);
  weight_gradient_on_gpu(context, s, x, grad_y, grad_w);
  if (grad_b) Sum<kGpu>::forward(context, 1, s.n * s.p() * s.q(), s.k, 1.0, grad_y, grad_b);
}
template void Conv2d<kGpu>::backward_weight(Context&, const Conv2dShape&, const float*, const float*, float*,
                                            float*);
template void Conv2d<kGpu>::backward_weight(Context&, const Conv2dShape&, const bf16*, const bf16*, bf16*,
                                            bf16*);

}  // namespace saccade
