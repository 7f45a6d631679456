#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/common/onednn.h"
#include "kernels/common/parallel.h"
#include "kernels/common/wide_copy.h"
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

template <class T>
Plan make_plan(const dnnl::engine& engine, const MatmulShape& s, bool with_bias) {
  using Tag = memory::format_tag;
  Plan plan{Md({s.m, s.k}, kDataType<T>, s.transpose_a ? Tag::ba : Tag::ab),
            Md({s.k, s.n}, kDataType<T>, s.transpose_b ? Tag::ba : Tag::ab),
            with_bias ? Md({1, s.n}, kDataType<T>, Tag::ab) : Md(),
            Md({s.m, s.n}, kDataType<T>, Tag::ab),
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

template <class T>
void multiply_by_onednn(Context& context, const MatmulShape& s, const T* a, const T* b, const T* bias, T* c) {
  OneDnn& dnn = onednn(context);
  const int64_t key[] = {
      s.m, s.n, s.k, s.transpose_a, s.transpose_b, s.relu, s.accumulate, bias != nullptr, sizeof(T)};
  Plan& plan = context.plan<Plan>(std::string(reinterpret_cast<const char*>(key), sizeof key),
                                  [&] { return make_plan<T>(dnn.engine, s, bias != nullptr); });
  const Context::Scratch scratch(context, plan.scratchpad.get_size());
  std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, dnn.wrap(plan.a, a)},
      {DNNL_ARG_WEIGHTS, dnn.wrap(plan.b, b)},
      {DNNL_ARG_DST, dnn.wrap(plan.c, c)},
      {DNNL_ARG_SCRATCHPAD, dnn.wrap(plan.scratchpad, scratch.as<char>())}};
  if (bias) arguments.insert({DNNL_ARG_BIAS, dnn.wrap(plan.bias, bias)});
  plan.primitive.execute(dnn.stream, arguments);
}

}  // namespace

#endif

template <>
template <>
void Matmul<Device::cpu>::multiply(Context& context, const MatmulShape& s, const float* a, const float* b,
                                   const float* bias, float* c) {
  if (s.m * s.n == 0) return;
#ifdef SACCADE_ONEDNN
  if (s.k > 0) return multiply_by_onednn(context, s, a, b, bias, c);  // oneDNN has no empty sum
#endif
  multiply_by_sgemm(context, s, a, b, bias, c);
}

template <>
template <>
void Matmul<Device::cpu>::multiply(Context& context, const MatmulShape& s, const bf16* a, const bf16* b,
                                   const bf16* bias, bf16* c) {
  if (s.m * s.n == 0) return;
#ifdef SACCADE_ONEDNN
  if (s.k > 0 && multiplies_bf16()) return multiply_by_onednn(context, s, a, b, bias, c);
#endif
  const WideCopy wide_a(context, s.m * s.k, a), wide_b(context, s.k * s.n, b), wide_bias(context, s.n, bias),
      sums(context, s.m * s.n, s.accumulate ? c : nullptr);
  multiply(context, s, wide_a.data(), wide_b.data(), bias ? wide_bias.data() : nullptr, sums.data());
  sums.round_to(c);
}

}  // namespace saccade
