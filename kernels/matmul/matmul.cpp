#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/common/onednn.h"
#include "kernels/common/parallel.h"

namespace saccade {

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
  if (s.k == 0) {  // an empty sum
    for (int64_t i = 0; i < s.m * s.n && !s.accumulate; ++i) {
      const float value = bias ? bias[i % s.n] : 0.0f;
      c[i] = s.relu ? std::max(value, 0.0f) : value;
    }
    return;
  }
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
  parallel_for(context, s.m, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = c + i * s.n;
      for (int64_t j = 0; j < s.n && !s.accumulate; ++j) row[j] = bias ? bias[j] : 0.0f;
      if (s.transpose_b && !s.transpose_a) {
        for (int64_t j = 0; j < s.n; ++j) {
          float sum = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t l = 0; l < s.k; ++l) sum += a[i * s.k + l] * b[j * s.k + l];
          row[j] += sum;
        }
      } else {
        for (int64_t l = 0; l < s.k; ++l) {
          const float left = a[s.transpose_a ? l * s.m + i : i * s.k + l];
          for (int64_t j = 0; j < s.n; ++j) row[j] += left * b[s.transpose_b ? j * s.k + l : l * s.n + j];
        }
      }
      for (int64_t j = 0; j < s.n && s.relu; ++j) row[j] = std::max(row[j], 0.0f);
    }
  });
}

#endif

}  // namespace saccade
