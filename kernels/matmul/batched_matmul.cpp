#include "kernels/matmul/batched_matmul.h"

#include "kernels/common/parallel.h"
#include "kernels/matmul/sgemm.h"

namespace saccade {

template <>
template <>
void BatchedMatmul<Device::cpu>::multiply(Context& context, const BatchedMatmulShape& s, const float* a,
                                          const float* b, float* c) {
  s.check_fit();
  const auto multiply_some = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sgemm(context, s.a.transposed, s.b.transposed, s.m(), s.n(), s.k(), static_cast<float>(s.alpha),
            a + s.a.begin(i), s.a.pitch, b + s.b.begin(i), s.b.pitch, s.accumulate ? 1.0f : 0.0f,
            c + s.c.begin(i), s.c.pitch);
  };
  // Where threads would get unequal numbers of matrices, they share each of them.
  const bool few = s.batch() < 4 * context.threads() && s.batch() % context.threads() != 0;
  if (few) return multiply_some(0, s.batch());
  const int64_t grain = 1 + (1 << 14) / (1 + s.m() * s.n() * s.k());  // matrices that are worth a thread
  parallel_for(context, s.batch(), grain, multiply_some);
}

}  // namespace saccade
