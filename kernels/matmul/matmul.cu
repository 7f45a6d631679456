#include "kernels/common/launch.h"
#include "kernels/matmul/cublaslt.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/product.h"

namespace saccade {

namespace {

template <class T>
bool fits_packs(const T* data, int64_t across) {
  return across % kPack<T> == 0 && aligned(data, 16);
}

// Calls run(A, B) with the operands of tiled_product.h.
template <class T, class Run>
void with_operands(const MatmulShape& s, const T* a, const T* b, Run&& run) {
  const bool both_fit = fits_packs(a, s.transpose_a ? s.m : s.k) && fits_packs(b, s.transpose_b ? s.k : s.n);
  const auto m = static_cast<uint32_t>(s.m), n = static_cast<uint32_t>(s.n), k = static_cast<uint32_t>(s.k);
  with_vectorized(both_fit, [&]<bool vectorized>() {
    with_orders(s.transpose_a, s.transpose_b, [&]<bool a_along_k, bool b_along_k>() {
      run(Dense<T, a_along_k, vectorized>{a, m, k}, Dense<T, b_along_k, vectorized>{b, n, k});
    });
  });
}

}  // namespace

template <>
template <class T>
void Matmul<kGpu>::multiply(Context& context, const MatmulShape& s, const T* a, const T* b, const T* bias,
                            T* c) {
  check_element<T>(context);
  if constexpr (kGpu == Device::cuda)
    if (context.kernels == Kernels::library && cublaslt::multiply(context, s, a, b, bias, c)) return;
  const Epilogue<T> epilogue = epilogue_of(s.m, s.n, bias, c, s.relu, s.accumulate);
  with_operands(s, a, b, [&](const auto& left, const auto& right) {
    launch_product(context, s.m, s.n, s.k, left, right, epilogue);
  });
}
template void Matmul<kGpu>::multiply(Context&, const MatmulShape&, const float*, const float*, const float*,
                                     float*);
template void Matmul<kGpu>::multiply(Context&, const MatmulShape&, const bf16*, const bf16*, const bf16*,
                                     bf16*);

template <>
template <class T>
void Matmul<kGpu>::multiply_f32(Context& context, const MatmulShape& s, const T* a, const T* b, float* c) {
  check(!s.relu && !s.accumulate, "multiply_f32: no epilogue");
  if constexpr (std::is_same_v<T, float>) {
    multiply<float>(context, s, a, b, nullptr, c);
  } else {
    check_element<T>(context);
    if constexpr (kGpu == Device::cuda)
      if (context.kernels == Kernels::library &&
          cublaslt::multiply(context, s, a, b, static_cast<const float*>(nullptr), c))
        return;
    with_operands(s, a, b, [&](const auto& left, const auto& right) {
      launch_sums(context, s.m, s.n, s.k, left, right, c);
    });
  }
}
template void Matmul<kGpu>::multiply_f32(Context&, const MatmulShape&, const float*, const float*, float*);
template void Matmul<kGpu>::multiply_f32(Context&, const MatmulShape&, const bf16*, const bf16*, float*);

}  // namespace saccade
