// The matrix product with pitches: against the plain sum on whole numbers, where both are exact.
#include "kernels/matmul/sgemm.h"

#include <limits>

#include "kernels/common/parallel.h"
#include "kernels/common/philox.h"
#include "tests/common/catch.h"

namespace saccade {
namespace {

std::vector<float> whole_numbers(int64_t count, uint64_t seed) {
  PhiloxStream random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.below(9)) - 4.0f;
  return values;
}

float plain_sum(bool trans_a, bool trans_b, int64_t k, const float* a, int64_t lda, const float* b,
                int64_t ldb, int64_t i, int64_t j) {
  float sum = 0;
  for (int64_t l = 0; l < k; ++l)
    sum += a[trans_a ? l * lda + i : i * lda + l] * b[trans_b ? j * ldb + l : l * ldb + j];
  return sum;
}

}  // namespace

TEST_CASE("sgemm is the plain sum for every transposition, pitch and odd size", "[sgemm]") {
  const int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {65, 33, 129}, {70, 300, 17}, {4, 1, 260}};
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    for (const auto& [m, n, k] : sizes) {
      for (int transposed = 0; transposed < 4; ++transposed) {
        const bool trans_a = transposed & 1, trans_b = transposed & 2;
        const int64_t lda = (trans_a ? m : k) + 3, ldb = (trans_b ? k : n) + 1, ldc = n + 2;
        const auto a = whole_numbers((trans_a ? k : m) * lda, 1),
                   b = whole_numbers((trans_b ? n : k) * ldb, 2);
        const auto before = whole_numbers(m * ldc, 3);
        auto c = before;
        sgemm(context, trans_a, trans_b, m, n, k, -2, a.data(), lda, b.data(), ldb, 0.5f, c.data(), ldc);
        int64_t wrong = 0;
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < ldc; ++j) {
            const float old = before[i * ldc + j];
            const float expected =
                j < n ? -2 * plain_sum(trans_a, trans_b, k, a.data(), lda, b.data(), ldb, i, j) + 0.5f * old
                      : old;
            wrong += c[i * ldc + j] != expected;
          }
        INFO(m << " x " << n << " x " << k << ", transposed " << transposed);
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("sgemm: beta = 0 does not read C, and an empty sum is zero", "[sgemm]") {
  Context context;
  const float a[] = {1, 2}, b[] = {3, 4};
  float c[] = {std::numeric_limits<float>::quiet_NaN()};
  sgemm(context, false, true, 1, 1, 2, 1, a, 2, b, 2, 0, c, 1);
  CHECK(c[0] == 11);
  sgemm(context, false, true, 1, 1, 0, 1, a, 2, b, 2, 2, c, 1);
  CHECK(c[0] == 22);
  sgemm(context, false, true, 1, 1, 0, 1, a, 2, b, 2, 0, c, 1);
  CHECK(c[0] == 0);
}

TEST_CASE("sgemm inside a parallel_for gives the same bits for any number of threads", "[sgemm]") {
  constexpr int64_t kM = 37, kN = 96, kK = 300, kSlice = 16;
  PhiloxStream random(7);
  std::vector<float> a(kM * kK), b(kN * kK);
  for (float& value : a) value = random.normal();
  for (float& value : b) value = random.normal();
  std::vector<float> results[2];
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    auto& c = results[threads - 1];
    c.resize(kM * kN);
    parallel_for(context, kN / kSlice, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s)
        sgemm(context, false, true, kM, kSlice, kK, 1, a.data(), kK, b.data() + s * kSlice * kK, kK, 0,
              c.data() + s * kSlice, kN);
    });
  }
  CHECK(results[0] == results[1]);
}

}  // namespace saccade
