// Matrix products through cuBLASLt, loaded at its first use. Row-major C = A B is column-major C^T = B^T A^T;
// the bias and the ReLU are its epilogues. Sums over f32 are true f32 unless the context's precision is tf32;
// split-K that adds in place, whose order depends on scheduling, is not allowed. A plan is made once for a
// shape and kept in the Context. Where cuBLASLt has none, or is missing, our own kernels compute.
#pragma once

#include <string>

#include "kernels/common/bf16.h"
#include "kernels/matmul/batched_matmul.h"
#include "kernels/matmul/matmul.h"

namespace saccade::cublaslt {

// Whether cuBLASLt opens here; the reason, one line, when not.
bool is_available(std::string* reason = nullptr);

// False, and nothing was done: our own kernels must. cuda only; float, bf16, or bf16 with a float C; all
// pointers on its device.
template <class T, class C>
bool multiply(Context&, const MatmulShape&, const T* a, const T* b, const C* bias, C* c);

template <class T>
bool multiply(Context&, const BatchedMatmulShape&, const T* a, const T* b, T* c);

// "cuBLASLt 13.0.2, algorithm 66", or why it does not compute this product on this context's device.
std::string choice(Context&, const MatmulShape&, bool with_bias, bool bf16);

}  // namespace saccade::cublaslt
