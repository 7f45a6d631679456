#include "kernels/matmul/sgemm.h"

#include <algorithm>
#include <memory>

#include "kernels/common/parallel.h"

#ifdef SACCADE_ONEDNN
#include <dnnl.h>

#include "kernels/common/openmp.h"
#endif

namespace saccade {
namespace {

// An empty sum: C = beta * C.
void scale(int64_t m, int64_t n, float beta, float* c, int64_t ldc) {
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0.0f : beta * c[i * ldc + j];
}

#ifndef SACCADE_ONEDNN

// Blocks of A and B are copied so that the inner loop reads both in order; each task owns one block of C.
constexpr int64_t kRows = 64, kColumns = 256, kDepth = 128;
constexpr int64_t kTileRows = 4, kTileColumns = 32, kLanes = 16;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

struct Matrix {
  const float* data;
  int64_t pitch;
  bool transposed;
  float at(int64_t i, int64_t j) const { return transposed ? data[j * pitch + i] : data[i * pitch + j]; }
};

struct Panels {
  alignas(64) float a[kRows * kDepth];     // [row tile][depth][4]
  alignas(64) float b[kColumns * kDepth];  // [column tile][depth][32]
  alignas(64) float c[kRows * kColumns];   // [64][256]
};

// Missing rows and columns of a tile are zeros: the inner loop has no edges.
void pack_a(const Matrix& a, int64_t i0, int64_t rows, int64_t l0, int64_t depth, float* to) {
  for (int64_t tile = 0; tile < rows; tile += kTileRows)
    for (int64_t l = 0; l < depth; ++l)
      for (int64_t i = tile; i < tile + kTileRows; ++i) *to++ = i < rows ? a.at(i0 + i, l0 + l) : 0.0f;
}

void pack_b(const Matrix& b, int64_t l0, int64_t depth, int64_t j0, int64_t columns, float* to) {
  for (int64_t tile = 0; tile < columns; tile += kTileColumns)
    for (int64_t l = 0; l < depth; ++l)
      for (int64_t j = tile; j < tile + kTileColumns; ++j) *to++ = j < columns ? b.at(l0 + l, j0 + j) : 0.0f;
}

// c[4][32] += a[depth][4]^T b[depth][32], the accumulators in registers.
void multiply_tile(int64_t depth, const float* a, const float* b, float* c) {
  Lanes sum[kTileRows][kTileColumns / kLanes] = {};
  for (int64_t l = 0; l < depth; ++l) {
    const Lanes* row = reinterpret_cast<const Lanes*>(b + l * kTileColumns);
    for (int i = 0; i < kTileRows; ++i)
      for (int v = 0; v < kTileColumns / kLanes; ++v) sum[i][v] += a[l * kTileRows + i] * row[v];
  }
  for (int i = 0; i < kTileRows; ++i)
    for (int v = 0; v < kTileColumns / kLanes; ++v)
      reinterpret_cast<Lanes*>(c + i * kColumns)[v] += sum[i][v];
}

void multiply_block(Panels& p, const Matrix& a, const Matrix& b, int64_t i0, int64_t rows, int64_t j0,
                    int64_t columns, int64_t k) {
  std::fill(std::begin(p.c), std::end(p.c), 0.0f);
  for (int64_t l0 = 0; l0 < k; l0 += kDepth) {
    const int64_t depth = std::min(kDepth, k - l0);
    pack_a(a, i0, rows, l0, depth, p.a);
    pack_b(b, l0, depth, j0, columns, p.b);
    for (int64_t j = 0; j < columns; j += kTileColumns)
      for (int64_t i = 0; i < rows; i += kTileRows)
        multiply_tile(depth, p.a + i * depth, p.b + j * depth, p.c + i * kColumns + j);
  }
}

#endif

}  // namespace

void sgemm(Context& context, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
           const float* a, int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  if (m <= 0 || n <= 0) return;
  if (k <= 0 || alpha == 0) return scale(m, n, beta, c, ldc);
#ifdef SACCADE_ONEDNN
  set_onednn_threads(context.threads());
  const dnnl_status_t status =
      dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  check(status == dnnl_success, "oneDNN refused the matrix product ", m, " x ", n, " x ", k);
#else
  const int64_t row_blocks = (m + kRows - 1) / kRows, column_blocks = (n + kColumns - 1) / kColumns;
  const Matrix left{a, lda, trans_a}, right{b, ldb, trans_b};
  parallel_for(context, row_blocks * column_blocks, 1, [&](int64_t begin, int64_t end) {
    // Not the context's scratch memory: threads of a batched product call this at the same time.
    const std::unique_ptr<Panels> memory(new Panels);
    Panels& panels = *memory;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i0 = block / column_blocks * kRows, rows = std::min(kRows, m - i0);
      const int64_t j0 = block % column_blocks * kColumns, columns = std::min(kColumns, n - j0);
      multiply_block(panels, left, right, i0, rows, j0, columns, k);
      for (int64_t i = 0; i < rows; ++i) {
        float* to = c + (i0 + i) * ldc + j0;
        const float* sum = panels.c + i * kColumns;
        for (int64_t j = 0; j < columns; ++j)
          to[j] = beta == 0 ? alpha * sum[j] : alpha * sum[j] + beta * to[j];
      }
    }
  });
#endif
}

}  // namespace saccade
