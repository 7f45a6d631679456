// Matrix product with an epilogue.
//
//   C[i,j] = act( bias[j] + sum over l of A[i,l] * B[l,j] )  (+ C[i,j] before, when `accumulate`)
//
// A [m,k] (or [k,m] when transpose_a), B [k,n] (or [n,k] when transpose_b), bias [n] or null, C [m,n]; act is
// ReLU or nothing; accumulate excludes bias and act. Sums of bf16 are in f32. Nothing may alias. On CUDA,
// cuBLASLt computes where it can (kernels/matmul/cublaslt.h) and our own kernels elsewhere; Context::kernels
// chooses. simt runs our own. On the CPU oneDNN computes, or sgemm.h where there is none; in bf16 where the processor
// has instructions for it, else in f32 and rounded. Floor: A, B and C once, 2 m n k operations.
//
// All three are dense. batched_matmul.h multiplies matrices that lie in larger tensors.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct MatmulShape {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false, relu = false, accumulate = false;
  bool true_f32 = false;  // a product of f32 is not rounded, even where the context's precision is tf32
};

template <Device D>
struct Matmul {
  template <class T>
  static void multiply(Context&, const MatmulShape&, const T* a, const T* b, const T* bias, T* c);

  // The same with C in f32, whatever T is, and with neither act nor accumulate. Where T is bf16, c must be
  // 16-byte aligned. GPUs alone have it, for kernels that go on from C.
  template <class T>
  static void multiply_f32(Context&, const MatmulShape&, const T* a, const T* b, float* c);

  static Floor floor(const MatmulShape& s, int element_bytes) {
    return {static_cast<double>(element_bytes) * static_cast<double>(s.m * s.k + s.k * s.n + s.m * s.n),
            2.0 * static_cast<double>(s.m * s.n * s.k)};
  }
};

}  // namespace saccade
