#include "kernels/common/launch.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/tiled_product.h"

namespace saccade {

namespace {

// Calls run(operand) for a matrix [size, k], or [k, size].
template <class T, class Run>
void with_operand(const T* data, int64_t size, int64_t k, bool along_k, Run&& run) {
  const auto s = static_cast<uint32_t>(size), depth = static_cast<uint32_t>(k);
  with_width((along_k ? k : size) % kPack<T> == 0 && aligned(data, 16), [&]<bool wide>() {
    along_k ? run(Dense<T, true, wide>{data, s, depth}) : run(Dense<T, false, wide>{data, s, depth});
  });
}

template <class T>
void multiply_on_gpu(Context& context, const MatmulShape& s, const T* a, const T* b, const T* bias, T* c) {
  check_element<T>(context);
  const Epilogue<T> epilogue = epilogue_of(s.m, s.n, bias, c, s.relu, s.accumulate);
  with_operand(a, s.m, s.k, !s.transpose_a, [&](const auto& left) {
    with_operand(b, s.n, s.k, s.transpose_b,
                 [&](const auto& right) { launch_product(context, s.m, s.n, s.k, left, right, epilogue); });
  });
}

}  // namespace

template <>
template <>
void Matmul<kGpu>::multiply(Context& context, const MatmulShape& s, const float* a, const float* b,
                            const float* bias, float* c) {
  multiply_on_gpu(context, s, a, b, bias, c);
}
template <>
template <>
void Matmul<kGpu>::multiply(Context& context, const MatmulShape& s, const bf16* a, const bf16* b,
                            const bf16* bias, bf16* c) {
  multiply_on_gpu(context, s, a, b, bias, c);
}

}  // namespace saccade
