#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/common/onednn.h"
#include "kernels/common/parallel.h"
#include "kernels/matmul/sgemm.h"

namespace saccade {

namespace {

// sgemm has no epilogue: C passes through memory once more.
void multiply_by_sgemm(Context& context, const MatmulShape& s, const float* a, const float* b,
                       const float* bias, float* c) {
  sgemm(context, s.transpose_a, s.transpose_b, s.m, s.n, s.k, 1, a, s.transpose_a ? s.m : s.k, b,
        s.transpose_b ? s.k : s.n, s.accumulate ? 1.0f : 0.0f, c, s.n);
  if (!bias && !s.relu) return;
  parallel_for(context, s.m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        float& to = c[i * s.n + j];
        if (bias) to += bias[j];
        if (s.relu) to = std::max(to, 0.0f);
      }
  });
}

}  // namespace

#ifdef SACCADE_ONEDNN

namespace {

using dnnl::memory;
using Md = memory::desc;

struct Plan {
  Md a, b, bias, c, scratchpad;
  dnnl::matmul primitive;
};

Plan make_plan(const dnnl::engine& engine, const MatmulShape& s, bool with_bias) {
  using Tag = memory::format_tag;
  constexpr auto kF32 = memory::data_type::f32;
  Plan plan{Md({s.m, s.k}, kF32, s.transpose_a ? Tag::ba : Tag::ab),
            Md({s.k, s.n}, kF32, s.transpose_b ? Tag::ba : Tag::ab),
            with_bias ? Md({1, s.n}, kF32, Tag::ab) : Md(),
            Md({s.m, s.n}, kF32, Tag::ab),
            {},
            {}};
  dnnl::primitive_attr attr = user_scratchpad();
  dnnl::post_ops epilogue;
  if (s.accumulate) epilogue.append_sum(1.0f);
  if (s.relu) epilogue.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attr.set_post_ops(epilogue);
  const auto desc = with_bias ? dnnl::matmul::desc(plan.a, plan.b, plan.bias, plan.c)
                              : dnnl::matmul::desc(plan.a, plan.b, plan.c);
  const dnnl::matmul::primitive_desc pd(desc, attr, engine);
  if (s.m * s.n * s.k > 4096) check_not_slow(pd, "matrix product");
  plan.scratchpad = pd.scratchpad_desc();
  plan.primitive = dnnl::matmul(pd);
  return plan;
}

}  // namespace

template <>
template <>
void Matmul<Device::cpu>::multiply(Context& context, const MatmulShape& s, const float* a, const float* b,
                                   const float* bias, float* c) {
  if (s.m * s.n == 0) return;
  if (s.k == 0) return multiply_by_sgemm(context, s, a, b, bias, c);  // oneDNN has no empty sum
  OneDnn& dnn = onednn(context);
  const int64_t key[] = {s.m, s.n, s.k, s.transpose_a, s.transpose_b, s.relu, s.accumulate, bias != nullptr};
  Plan& plan = context.plan<Plan>(std::string(reinterpret_cast<const char*>(key), sizeof key),
                                  [&] { return make_plan(dnn.engine, s, bias != nullptr); });
  const Context::Scratch scratch(context, plan.scratchpad.get_size());
  const auto wrap = [&](const Md& md, const float* data) {
    return memory(md, dnn.engine, const_cast<float*>(data));
  };
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, wrap(plan.a, a)},
      {DNNL_ARG_WEIGHTS, wrap(plan.b, b)},
      {DNNL_ARG_DST, wrap(plan.c, c)},
      {DNNL_ARG_SCRATCHPAD, wrap(plan.scratchpad, scratch.as<float>())}};
  if (bias) arguments.insert({DNNL_ARG_BIAS, wrap(plan.bias, bias)});
  plan.primitive.execute(dnn.stream, arguments);
}

#else

template <>
template <>
void Matmul<Device::cpu>::multiply(Context& context, const MatmulShape& s, const float* a, const float* b,
                                   const float* bias, float* c) {
  multiply_by_sgemm(context, s, a, b, bias, c);
}

#endif

}  // namespace saccade
