#ifdef SACCADE_ONEDNN
#include "kernels/convolution/onednn_conv2d.h"

#include <unordered_map>

#include "kernels/common/kept_memory.h"
#include "kernels/common/onednn.h"

namespace saccade::onednn_conv2d {

namespace {

using dnnl::memory;
using Md = memory::desc;

// One of the three passes for one shape. Weights and their gradients pass through oneDNN's own blocked layout.
struct Pass {
  dnnl::primitive primitive;
  Md packed, scratchpad;
  dnnl::reorder reorder;  // our weights -> packed; for the weight gradient packed -> ours

  explicit operator bool() const { return static_cast<bool>(primitive); }
};

// All that oneDNN needs for one shape: descriptors of our dense tensors, and its passes, each made at its first use.
template <class T>
class Plan {
 public:
  Plan(const Conv2dShape& d, bool with_bias)
      : x({d.n, d.c, d.h, d.w}, kDataType<T>, memory::format_tag::nhwc),
        y({d.n, d.k, d.p(), d.q()}, kDataType<T>, memory::format_tag::nhwc),
        w({d.k, d.c, d.r, d.s}, kDataType<T>, memory::format_tag::ohwi),
        b(with_bias ? Md({d.k}, kDataType<T>, memory::format_tag::x) : Md()),
        any_w_({d.k, d.c, d.r, d.s}, kDataType<T>, memory::format_tag::any),
        strides_{d.stride_h, d.stride_w},
        padding_{d.pad_h, d.pad_w} {}

  const Pass& forward(const dnnl::engine& engine) {
    if (!forward_) {
      const auto pd = forward_descriptor(engine);
      check_not_slow(pd, "convolution");
      forward_ = {dnnl::convolution_forward(pd), pd.weights_desc(), pd.scratchpad_desc(),
                  dnnl::reorder({engine, w, engine, pd.weights_desc()})};
    }
    return forward_;
  }

  const Pass& backward_data(const dnnl::engine& engine) {
    using Data = dnnl::convolution_backward_data;
    if (!data_) {
      const Data::primitive_desc pd({kDirect, x, any_w_, y, strides_, padding_, padding_}, user_scratchpad(),
                                    engine, forward_descriptor(engine));
      check_not_slow(pd, "convolution, gradient of the input");
      data_ = {Data(pd), pd.weights_desc(), pd.scratchpad_desc(),
               dnnl::reorder({engine, w, engine, pd.weights_desc()})};
    }
    return data_;
  }

  const Pass& backward_weight(const dnnl::engine& engine) {
    using Weights = dnnl::convolution_backward_weights;
    if (!weights_) {
      const Weights::primitive_desc pd(
          b ? Weights::desc(kDirect, x, any_w_, b, y, strides_, padding_, padding_)
            : Weights::desc(kDirect, x, any_w_, y, strides_, padding_, padding_),
          user_scratchpad(), engine, forward_descriptor(engine));
      check_not_slow(pd, "convolution, gradient of the weights");
      weights_ = {Weights(pd), pd.diff_weights_desc(), pd.scratchpad_desc(),
                  dnnl::reorder({engine, pd.diff_weights_desc(), engine, w})};
    }
    return weights_;
  }

  const Md x, y, w, b;

  struct Kept {
    uint64_t version = 0;
    KeptMemory packed;
  };
  std::unordered_map<const T*, Kept> kept;  // packed weights, for inference

 private:
  static constexpr auto kDirect = dnnl::algorithm::convolution_direct;

  dnnl::convolution_forward::primitive_desc forward_descriptor(const dnnl::engine& engine) const {
    using Forward = dnnl::convolution_forward;
    constexpr auto kKind = dnnl::prop_kind::forward_training;
    return {b ? Forward::desc(kKind, kDirect, x, any_w_, b, y, strides_, padding_, padding_)
              : Forward::desc(kKind, kDirect, x, any_w_, y, strides_, padding_, padding_),
            user_scratchpad(), engine};
  }

  const Md any_w_;
  const memory::dims strides_, padding_;
  Pass forward_, data_, weights_;
};

template <class T>
Plan<T>& plan_of(Context& context, const Conv2dShape& d, bool bias) {
  const int64_t key[] = {d.n, d.h, d.w, d.c, d.k, d.r, d.s, d.stride_h, d.stride_w, d.pad_h, d.pad_w, bias};
  return context.plan<Plan<T>>(std::string(reinterpret_cast<const char*>(key), sizeof key),
                               [&] { return Plan<T>(d, bias); });
}

// The scratchpad of a pass, and behind it room for its packed weights.
struct PassMemory {
  PassMemory(Context& context, const Pass& pass)
      : scratch(context, aligned(pass.scratchpad.get_size()) + pass.packed.get_size()),
        packed(scratch.as<char>() + aligned(pass.scratchpad.get_size())) {}
  static size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

  Context::Scratch scratch;
  char* packed;
};

}  // namespace

template <class T>
void forward(Context& context, const Conv2dShape& d, const T* x, const T* w, const T* b, T* y,
             uint64_t weight_version) {
  OneDnn& dnn = onednn(context);
  Plan<T>& plan = plan_of<T>(context, d, b != nullptr);
  const Pass& pass = plan.forward(dnn.engine);
  const PassMemory memory(context, pass);
  char* packed = memory.packed;
  bool stale = true;
  if (weight_version != 0) {
    auto& kept = plan.kept[w];
    if (kept.version == 0) kept.packed = KeptMemory(pass.packed.get_size());
    packed = kept.packed.template as<char>();
    stale = kept.version != weight_version;
    kept.version = weight_version;
  }
  if (stale)
    pass.reorder.execute(
        dnn.stream, {{DNNL_ARG_FROM, dnn.wrap(plan.w, w)}, {DNNL_ARG_TO, dnn.wrap(pass.packed, packed)}});
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, dnn.wrap(plan.x, x)},
      {DNNL_ARG_WEIGHTS, dnn.wrap(pass.packed, packed)},
      {DNNL_ARG_DST, dnn.wrap(plan.y, y)},
      {DNNL_ARG_SCRATCHPAD, dnn.wrap(pass.scratchpad, memory.scratch.as<char>())}};
  if (b) arguments.insert({DNNL_ARG_BIAS, dnn.wrap(plan.b, b)});
  pass.primitive.execute(dnn.stream, arguments);
}

template <class T>
void backward_data(Context& context, const Conv2dShape& d, const T* grad_y, const T* w, T* grad_x) {
  OneDnn& dnn = onednn(context);
  Plan<T>& plan = plan_of<T>(context, d, false);
  const Pass& pass = plan.backward_data(dnn.engine);
  const PassMemory memory(context, pass);
  pass.reorder.execute(dnn.stream, {{DNNL_ARG_FROM, dnn.wrap(plan.w, w)},
                                    {DNNL_ARG_TO, dnn.wrap(pass.packed, memory.packed)}});
  pass.primitive.execute(dnn.stream,
                         {{DNNL_ARG_DIFF_DST, dnn.wrap(plan.y, grad_y)},
                          {DNNL_ARG_WEIGHTS, dnn.wrap(pass.packed, memory.packed)},
                          {DNNL_ARG_DIFF_SRC, dnn.wrap(plan.x, grad_x)},
                          {DNNL_ARG_SCRATCHPAD, dnn.wrap(pass.scratchpad, memory.scratch.as<char>())}});
}

template <class T>
void backward_weight(Context& context, const Conv2dShape& d, const T* x, const T* grad_y, T* grad_w,
                     T* grad_b) {
  OneDnn& dnn = onednn(context);
  Plan<T>& plan = plan_of<T>(context, d, grad_b != nullptr);
  const Pass& pass = plan.backward_weight(dnn.engine);
  const PassMemory memory(context, pass);
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, dnn.wrap(plan.x, x)},
      {DNNL_ARG_DIFF_DST, dnn.wrap(plan.y, grad_y)},
      {DNNL_ARG_DIFF_WEIGHTS, dnn.wrap(pass.packed, memory.packed)},
      {DNNL_ARG_SCRATCHPAD, dnn.wrap(pass.scratchpad, memory.scratch.as<char>())}};
  if (grad_b) arguments.insert({DNNL_ARG_DIFF_BIAS, dnn.wrap(plan.b, grad_b)});
  pass.primitive.execute(dnn.stream, arguments);
  pass.reorder.execute(dnn.stream, {{DNNL_ARG_FROM, dnn.wrap(pass.packed, memory.packed)},
                                    {DNNL_ARG_TO, dnn.wrap(plan.w, grad_w)}});
}

template void forward(Context&, const Conv2dShape&, const float*, const float*, const float*, float*,
                      uint64_t);
template void forward(Context&, const Conv2dShape&, const bf16*, const bf16*, const bf16*, bf16*, uint64_t);
template void backward_data(Context&, const Conv2dShape&, const float*, const float*, float*);
template void backward_data(Context&, const Conv2dShape&, const bf16*, const bf16*, bf16*);
template void backward_weight(Context&, const Conv2dShape&, const float*, const float*, float*, float*);
template void backward_weight(Context&, const Conv2dShape&, const bf16*, const bf16*, bf16*, bf16*);

}  // namespace saccade::onednn_conv2d
#endif
