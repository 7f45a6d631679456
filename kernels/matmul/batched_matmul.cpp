#include "kernels/matmul/batched_matmul.h"

#include "kernels/common/bf16.h"
#include "kernels/common/parallel.h"
#include "kernels/common/per_thread.h"
#include "kernels/matmul/sgemm.h"

namespace saccade {

namespace {

// Calls multiply_some(first matrix, last matrix) so that threads share the work.
template <class MultiplySome>
void for_matrices(Context& context, const BatchedMatmulShape& s, MultiplySome&& multiply_some) {
  // Where threads would get unequal numbers of matrices, they share each of them.
  const bool few = s.batch() < 4 * context.threads() && s.batch() % context.threads() != 0;
  if (few) return multiply_some(0, s.batch());
  const int64_t grain = 1 + (1 << 14) / (1 + s.m() * s.n() * s.k());  // matrices that are worth a thread
  parallel_for(context, s.batch(), grain, multiply_some);
}

// C = alpha * A B (+ C) of matrices with these pitches.
void multiply_matrix(Context& context, const BatchedMatmulShape& s, const float* a, int64_t pitch_a,
                     const float* b, int64_t pitch_b, float* c, int64_t pitch_c) {
  sgemm(context, s.a.transposed, s.b.transposed, s.m(), s.n(), s.k(), static_cast<float>(s.alpha), a, pitch_a,
        b, pitch_b, s.accumulate ? 1.0f : 0.0f, c, pitch_c);
}

// One matrix of a view, from one row pitch to another.
template <class From, class To>
void copy_rows(const MatrixView& view, const From* from, int64_t pitch_from, To* to, int64_t pitch_to) {
  for (int64_t row = 0; row < view.rows; ++row)
    for (int64_t j = 0; j < view.columns; ++j)
      to[row * pitch_to + j] = static_cast<float>(from[row * pitch_from + j]);
}

}  // namespace

template <>
template <>
void BatchedMatmul<Device::cpu>::multiply(Context& context, const BatchedMatmulShape& s, const float* a,
                                          const float* b, float* c) {
  s.check_fit();
  for_matrices(context, s, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      multiply_matrix(context, s, a + s.a.begin(i), s.a.pitch, b + s.b.begin(i), s.b.pitch, c + s.c.begin(i),
                      s.c.pitch);
  });
}

// A matrix at a time, in f32.
template <>
template <>
void BatchedMatmul<Device::cpu>::multiply(Context& context, const BatchedMatmulShape& s, const bf16* a,
                                          const bf16* b, bf16* c) {
  s.check_fit();
  const int64_t a_count = s.m() * s.k(), b_count = s.k() * s.n(), c_count = s.m() * s.n();
  PerThread memory(context, static_cast<size_t>(a_count + b_count + c_count) * sizeof(float), s.batch());
  for_matrices(context, s, [&](int64_t begin, int64_t end) {
    const PerThread::Block own(memory);
    float *wide_a = own.as<float>(), *wide_b = wide_a + a_count, *sums = wide_b + b_count;
    for (int64_t i = begin; i < end; ++i) {
      copy_rows(s.a, a + s.a.begin(i), s.a.pitch, wide_a, s.a.columns);
      copy_rows(s.b, b + s.b.begin(i), s.b.pitch, wide_b, s.b.columns);
      if (s.accumulate) copy_rows(s.c, c + s.c.begin(i), s.c.pitch, sums, s.c.columns);
      multiply_matrix(context, s, wide_a, s.a.columns, wide_b, s.b.columns, sums, s.c.columns);
      copy_rows(s.c, sums, s.c.columns, c + s.c.begin(i), s.c.pitch);
    }
  });
}

}  // namespace saccade
