#include "kernels/convolution/direct.h"

#include <cstring>
#include <memory>
#include <unordered_map>

#include "kernels/common/onednn.h"
#include "kernels/common/parallel.h"

namespace saccade::direct {

#ifdef SACCADE_ONEDNN

namespace {

using dnnl::memory;
using Md = memory::desc;
constexpr auto kF32 = memory::data_type::f32;

// All that oneDNN needs for one shape: descriptors of our dense tensors, and its three primitives, each made
// at its first use. Weights and their gradients pass through oneDNN's own blocked layout.
struct Plan {
  explicit Plan(const Conv2dShape& d, bool with_bias)
      : x({d.n, d.c, d.h, d.w}, kF32, memory::format_tag::nhwc),
        y({d.n, d.k, d.p(), d.q()}, kF32, memory::format_tag::nhwc),
        w({d.k, d.c, d.r, d.s}, kF32, memory::format_tag::ohwi),
        any_w({d.k, d.c, d.r, d.s}, kF32, memory::format_tag::any),
        b({d.k}, kF32, memory::format_tag::x),
        strides{d.stride_h, d.stride_w},
        padding{d.pad_h, d.pad_w},
        bias(with_bias) {}

  template <class Descriptor>
  struct Pass {
    dnnl::primitive primitive;
    Md packed, scratchpad;
    dnnl::reorder reorder;  // our weights -> packed; for the weight gradient packed -> ours

    Pass() = default;
    Pass(const dnnl::engine& engine, const Descriptor& pd, const Md& weights, const Md& packed_weights,
         bool inward)
        : primitive(pd), packed(packed_weights), scratchpad(pd.scratchpad_desc()) {
      reorder = inward ? dnnl::reorder({engine, weights, engine, packed})
                       : dnnl::reorder({engine, packed, engine, weights});
    }
  };
  using Forward = dnnl::convolution_forward;
  using BackwardData = dnnl::convolution_backward_data;
  using BackwardWeights = dnnl::convolution_backward_weights;

  Forward::primitive_desc forward_descriptor(const dnnl::engine& engine) const {
    const auto kind = dnnl::prop_kind::forward_training;
    const auto algorithm = dnnl::algorithm::convolution_direct;
    const Forward::desc desc = bias
                                   ? Forward::desc(kind, algorithm, x, any_w, b, y, strides, padding, padding)
                                   : Forward::desc(kind, algorithm, x, any_w, y, strides, padding, padding);
    return {desc, user_scratchpad(), engine};
  }

  Pass<Forward::primitive_desc>& forward(const dnnl::engine& engine) {
    if (!forward_.primitive) {
      const auto pd = forward_descriptor(engine);
      check_not_slow(pd, "convolution");
      forward_ = {engine, pd, w, pd.weights_desc(), true};
    }
    return forward_;
  }
  Pass<BackwardData::primitive_desc>& backward_data(const dnnl::engine& engine) {
    if (!data_.primitive) {
      const BackwardData::primitive_desc pd(
          {dnnl::algorithm::convolution_direct, x, any_w, y, strides, padding, padding}, user_scratchpad(),
          engine, forward_descriptor(engine));
      check_not_slow(pd, "convolution, gradient of the input");
      data_ = {engine, pd, w, pd.weights_desc(), true};
    }
    return data_;
  }
  Pass<BackwardWeights::primitive_desc>& backward_weights(const dnnl::engine& engine) {
    if (!weights_.primitive) {
      const auto algorithm = dnnl::algorithm::convolution_direct;
      const BackwardWeights::desc desc =
          bias ? BackwardWeights::desc(algorithm, x, any_w, b, y, strides, padding, padding)
               : BackwardWeights::desc(algorithm, x, any_w, y, strides, padding, padding);
      BackwardWeights::primitive_desc pd(desc, user_scratchpad(), engine, forward_descriptor(engine));
      // oneDNN 2.6's 1x1 kernels first gather a strided input into buffers of whole blocks of channels. Where
      // the last block is not full, the buffers of two threads overlap (seen with AVX2), and sums are wrong
      // from time to time.
      const bool gathers = strides != memory::dims{1, 1} && x.dims()[1] % 16 != 0;
      while (gathers && std::string(pd.impl_info_str()).find("jit_1x1") != std::string::npos)
        check(pd.next_impl(), "convolution, gradient of the weights: oneDNN has no kernel that is right for ",
              x.dims()[1], " channels");
      check_not_slow(pd, "convolution, gradient of the weights");
      weights_ = {engine, pd, w, pd.diff_weights_desc(), false};
    }
    return weights_;
  }

  Md x, y, w, any_w, b;
  memory::dims strides, padding;
  bool bias;

  struct Kept {
    uint64_t version = 0;
    std::shared_ptr<float[]> packed;
  };
  std::unordered_map<const float*, Kept> kept;  // packed weights, for inference

 private:
  Pass<Forward::primitive_desc> forward_;
  Pass<BackwardData::primitive_desc> data_;
  Pass<BackwardWeights::primitive_desc> weights_;
};

Plan& plan_of(Context& context, const Conv2dShape& d, bool bias) {
  const int64_t key[] = {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride_h, d.stride_w, d.pad_h, d.pad_w, bias};
  return context.plan<Plan>(std::string(reinterpret_cast<const char*>(key), sizeof key),
                            [&] { return Plan(d, bias); });
}

template <class T>
memory wrap(const Md& md, const OneDnn& dnn, T* data) {
  return memory(md, dnn.engine, const_cast<std::remove_const_t<T>*>(data));
}

}  // namespace

void forward(Context& context, const Conv2dShape& d, const float* x, const float* w, const float* b, float* y,
             uint64_t weight_version) {
  OneDnn& dnn = onednn(context);
  Plan& plan = plan_of(context, d, b != nullptr);
  auto& pass = plan.forward(dnn.engine);
  const size_t packed_bytes = pass.packed.get_size();

  const Context::Scratch scratch(context, pass.scratchpad.get_size() + packed_bytes);
  const float* packed = w;
  if (pass.packed != plan.w) {
    float* target = scratch.as<float>();
    bool stale = true;
    if (weight_version != 0) {
      Plan::Kept& kept = plan.kept[w];
      if (!kept.packed) kept.packed = std::shared_ptr<float[]>(new float[packed_bytes / sizeof(float) + 1]);
      stale = kept.version != weight_version;
      kept.version = weight_version;
      target = kept.packed.get();
    }
    if (stale)
      pass.reorder.execute(
          dnn.stream, {{DNNL_ARG_FROM, wrap(plan.w, dnn, w)}, {DNNL_ARG_TO, wrap(pass.packed, dnn, target)}});
    packed = target;
  }
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, wrap(plan.x, dnn, x)},
      {DNNL_ARG_WEIGHTS, wrap(pass.packed, dnn, packed)},
      {DNNL_ARG_DST, wrap(plan.y, dnn, y)},
      {DNNL_ARG_SCRATCHPAD, wrap(pass.scratchpad, dnn, scratch.as<char>() + packed_bytes)}};
  if (b) arguments.insert({DNNL_ARG_BIAS, wrap(plan.b, dnn, b)});
  pass.primitive.execute(dnn.stream, arguments);
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w,
                   float* grad_x) {
  OneDnn& dnn = onednn(context);
  Plan& plan = plan_of(context, d, false);
  auto& pass = plan.backward_data(dnn.engine);
  const size_t packed_bytes = pass.packed.get_size();
  const Context::Scratch scratch(context, pass.scratchpad.get_size() + packed_bytes);
  pass.reorder.execute(dnn.stream, {{DNNL_ARG_FROM, wrap(plan.w, dnn, w)},
                                    {DNNL_ARG_TO, wrap(pass.packed, dnn, scratch.as<float>())}});
  pass.primitive.execute(
      dnn.stream, {{DNNL_ARG_DIFF_DST, wrap(plan.y, dnn, grad_y)},
                   {DNNL_ARG_WEIGHTS, wrap(pass.packed, dnn, scratch.as<float>())},
                   {DNNL_ARG_DIFF_SRC, wrap(plan.x, dnn, grad_x)},
                   {DNNL_ARG_SCRATCHPAD, wrap(pass.scratchpad, dnn, scratch.as<char>() + packed_bytes)}});
}

void backward_weight(Context& context, const Conv2dShape& d, const float* x, const float* grad_y,
                     float* grad_w, float* grad_b) {
  OneDnn& dnn = onednn(context);
  Plan& plan = plan_of(context, d, grad_b != nullptr);
  auto& pass = plan.backward_weights(dnn.engine);
  const size_t packed_bytes = pass.packed.get_size();
  const Context::Scratch scratch(context, pass.scratchpad.get_size() + packed_bytes);
  const bool direct = pass.packed == plan.w;
  float* packed = direct ? grad_w : scratch.as<float>();
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, wrap(plan.x, dnn, x)},
      {DNNL_ARG_DIFF_DST, wrap(plan.y, dnn, grad_y)},
      {DNNL_ARG_DIFF_WEIGHTS, wrap(pass.packed, dnn, packed)},
      {DNNL_ARG_SCRATCHPAD, wrap(pass.scratchpad, dnn, scratch.as<char>() + packed_bytes)}};
  if (grad_b) arguments.insert({DNNL_ARG_DIFF_BIAS, wrap(plan.b, dnn, grad_b)});
  pass.primitive.execute(dnn.stream, arguments);
  if (!direct)
    pass.reorder.execute(dnn.stream, {{DNNL_ARG_FROM, wrap(pass.packed, dnn, packed)},
                                      {DNNL_ARG_TO, wrap(plan.w, dnn, grad_w)}});
}

#else  // the portable path without oneDNN: loops with the channels innermost

namespace {

// The filter taps [low, high) for which position * stride - pad + tap lies in [0, size).
struct Taps {
  int64_t low, high;
};
Taps taps_inside(int64_t position, int64_t stride, int64_t pad, int64_t taps, int64_t size) {
  const int64_t first = position * stride - pad;
  return {std::max<int64_t>(0, -first), std::min(taps, size - first)};
}

// Calls visit(pixel of x, tap) for the taps of output pixel (p, q) that fall inside image n.
template <class Visit>
void for_taps(const Conv2dShape& d, int64_t n, int64_t p, int64_t q, Visit&& visit) {
  const Taps rows = taps_inside(p, d.stride_h, d.pad_h, d.r, d.h),
             columns = taps_inside(q, d.stride_w, d.pad_w, d.s, d.w);
  for (int64_t r = rows.low; r < rows.high; ++r)
    for (int64_t s = columns.low; s < columns.high; ++s)
      visit((n * d.h + p * d.stride_h - d.pad_h + r) * d.w + q * d.stride_w - d.pad_w + s, r * d.s + s);
}

}  // namespace

void forward(Context& context, const Conv2dShape& d, const float* x, const float* w, const float* b, float* y,
             uint64_t) {
  parallel_for(context, d.n * d.p(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t q = 0; q < d.q(); ++q) {
        float* out = y + (row * d.q() + q) * d.k;
        for (int64_t k = 0; k < d.k; ++k) out[k] = b ? b[k] : 0.0f;
        for_taps(d, row / d.p(), row % d.p(), q, [&](int64_t pixel, int64_t tap) {
          const float* in = x + pixel * d.c;
          for (int64_t k = 0; k < d.k; ++k) {
            const float* filter = w + (k * d.r * d.s + tap) * d.c;
            float sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t c = 0; c < d.c; ++c) sum += in[c] * filter[c];
            out[k] += sum;
          }
        });
      }
  });
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w,
                   float* grad_x) {
  parallel_for(context, d.n, 1, [&](int64_t begin, int64_t end) {  // images share no pixels
    std::memset(grad_x + begin * d.h * d.w * d.c, 0,
                static_cast<size_t>((end - begin) * d.h * d.w * d.c) * sizeof(float));
    for (int64_t row = begin * d.p(); row < end * d.p(); ++row)
      for (int64_t q = 0; q < d.q(); ++q)
        for_taps(d, row / d.p(), row % d.p(), q, [&](int64_t pixel, int64_t tap) {
          for (int64_t k = 0; k < d.k; ++k) {
            const float g = grad_y[(row * d.q() + q) * d.k + k];
            const float* filter = w + (k * d.r * d.s + tap) * d.c;
            for (int64_t c = 0; c < d.c; ++c) grad_x[pixel * d.c + c] += g * filter[c];
          }
        });
  });
}

void backward_weight(Context& context, const Conv2dShape& d, const float* x, const float* grad_y,
                     float* grad_w, float* grad_b) {
  parallel_for(context, d.k, 1, [&](int64_t begin, int64_t end) {  // filters share no gradients
    for (int64_t k = begin; k < end; ++k) {
      float* filter = grad_w + k * d.r * d.s * d.c;
      std::memset(filter, 0, static_cast<size_t>(d.r * d.s * d.c) * sizeof(float));
      if (grad_b) grad_b[k] = 0;
      for (int64_t row = 0; row < d.n * d.p(); ++row)
        for (int64_t q = 0; q < d.q(); ++q) {
          const float g = grad_y[(row * d.q() + q) * d.k + k];
          if (grad_b) grad_b[k] += g;
          for_taps(d, row / d.p(), row % d.p(), q, [&](int64_t pixel, int64_t tap) {
            for (int64_t c = 0; c < d.c; ++c) filter[tap * d.c + c] += g * x[pixel * d.c + c];
          });
        }
    }
  });
}

#endif

}  // namespace saccade::direct
