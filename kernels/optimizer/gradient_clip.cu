#include "kernels/common/reduce.h"
#include "kernels/optimizer/gradient_clip.h"
#include "kernels/optimizer/gradient_clip.plain.h"

namespace saccade {

namespace {

constexpr int kThreads = 256;

// squares[b] = sum of grads^2 over span b.
__global__ void __launch_bounds__(kThreads)
    sum_squares(const ParameterSpan* __restrict__ spans, const float* __restrict__ grads, bool all_aligned,
                float* __restrict__ squares) {
  constexpr int V = kVector<float, true>;  // gradients of a 16-byte access
  const ParameterSpan span = spans[blockIdx.x];
  const int64_t vectors = all_aligned && span.offset % V == 0 ? span.count / V : 0;
  float sum = 0;
#pragma unroll 4
  for (int64_t v = threadIdx.x; v < vectors; v += kThreads) {
    const Pack<float, V> g = load<16>(grads + span.offset + v * V);
#pragma unroll
    for (int lane = 0; lane < V; ++lane) sum += g.lane[lane] * g.lane[lane];
  }
  for (int64_t i = vectors * V + threadIdx.x; i < span.count; i += kThreads) {
    const float g = grads[span.offset + i];
    sum += g * g;
  }
  sum = block_reduce<kThreads>(sum, Add());
  if (threadIdx.x == 0) squares[blockIdx.x] = sum;
}

// One block.
__global__ void __launch_bounds__(kThreads)
    clip_factor(int64_t spans, const float* __restrict__ squares, float limit, float* __restrict__ factor) {
  float sum = 0;
#pragma unroll 4
  for (int64_t span = threadIdx.x; span < spans; span += kThreads) sum += squares[span];
  const float norm = sqrtf(block_reduce<kThreads>(sum, Add()));
  if (threadIdx.x == 0) *factor = norm > limit && is_finite(norm) ? limit / norm : 1.0f;
}

}  // namespace

template <>
template <>
void GradientClip<kGpu>::factor(Context& context, const ParameterSpan* spans, int64_t span_count,
                                double limit, const float* grads, float* factor) {
  if (context.kernels == Kernels::plain) {
    Context::Scratch squares(context, static_cast<size_t>(span_count) * sizeof(double));
    each(context, span_count, PlainSquares{spans, grads, squares.as<double>()});
    return each(context, 1,
                PlainClipFactor{span_count, squares.as<double>(), static_cast<float>(limit), factor});
  }
  Context::Scratch squares(context, static_cast<size_t>(span_count) * sizeof(float));
  launch(sum_squares, blocks_for(span_count, 1), kThreads, 0, context.stream(), spans, grads,
         aligned(grads, 16), squares.as<float>());
  launch(clip_factor, 1, kThreads, 0, context.stream(), span_count, squares.as<float>(),
         static_cast<float>(limit), factor);
}

}  // namespace saccade
