#include "kernels/matmul/cublaslt.h"

#ifdef SACCADE_CUBLASLT

#include <cublasLt.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/common/device.h"
#include "kernels/common/vendor_library.h"

namespace saccade::cublaslt {

namespace {

constexpr uint64_t kWorkspaceBytes = uint64_t{32} << 20;  // what the vendor recommends for its newest chips
constexpr uint32_t kAlignmentBytes = 16;                  // of the pointers that a plan is made for

VendorLibrary& library() {
  static VendorLibrary opened(concat("libcublasLt.so.", CUBLAS_VER_MAJOR));
  return opened;
}

// The functions of cuBLASLt that are used, each looked up once.
struct Functions {
#define SACCADE_CUBLASLT_FUNCTION(name) decltype(&::name) name = library().function<decltype(::name)>(#name)
  SACCADE_CUBLASLT_FUNCTION(cublasLtCreate);
  SACCADE_CUBLASLT_FUNCTION(cublasLtDestroy);
  SACCADE_CUBLASLT_FUNCTION(cublasLtGetStatusString);
  SACCADE_CUBLASLT_FUNCTION(cublasLtGetVersion);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmul);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulAlgoConfigGetAttribute);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulAlgoGetHeuristic);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulDescCreate);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulDescDestroy);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulDescSetAttribute);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceCreate);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceDestroy);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceSetAttribute);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatrixLayoutCreate);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatrixLayoutDestroy);
  SACCADE_CUBLASLT_FUNCTION(cublasLtMatrixLayoutSetAttribute);
#undef SACCADE_CUBLASLT_FUNCTION
};
const Functions& blas() {
  static const Functions functions;
  return functions;
}

void require(cublasStatus_t status, const char* what) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuBLASLt: ", what, ": ", blas().cublasLtGetStatusString(status));
}

// A descriptor that frees itself.
template <class Pointer>
using Owned = std::shared_ptr<std::remove_pointer_t<Pointer>>;

// What a plan is made for. Neither an offset nor the outer dimension of a batch matters to it.
struct Product {
  MatrixView a, b, c;
  bool relu = false, with_bias = false;
  bool bf16 = false, bf16_c = false;  // A and B; C
  bool tf32 = false;

  std::string key() const {
    std::vector<int64_t> all = {relu, with_bias, bf16, bf16_c, tf32};
    for (const MatrixView* v : {&a, &b, &c})
      all.insert(all.end(), {v->rows, v->columns, v->pitch, v->inner.count, v->inner.stride, v->transposed});
    return {reinterpret_cast<const char*>(all.data()), all.size() * sizeof(int64_t)};
  }
};

Product dense_product(const Context& context, const MatmulShape& s, bool with_bias, bool bf16, bool bf16_c) {
  const auto matrix = [](int64_t rows, int64_t columns, bool turned) {
    MatrixView view = dense_matrices(1, 1, turned ? columns : rows, turned ? rows : columns);
    view.transposed = turned;
    return view;
  };
  return {matrix(s.m, s.k, s.transpose_a),
          matrix(s.k, s.n, s.transpose_b),
          matrix(s.m, s.n, false),
          s.relu,
          with_bias,
          bf16,
          bf16_c,
          !bf16 && context.precision == Precision::tf32 && !s.true_f32};
}

struct Plan {
  std::string reason;  // when there is none
  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> left, right, out;
  cublasLtMatmulHeuristicResult_t chosen{};
};

// To cuBLASLt a row-major matrix [rows, columns] is a column-major one [columns, rows]. A batch has one
// dimension there, which is the view's inner one.
Owned<cublasLtMatrixLayout_t> layout(const MatrixView& view, cudaDataType_t type) {
  cublasLtMatrixLayout_t made = nullptr;
  require(blas().cublasLtMatrixLayoutCreate(&made, type, static_cast<uint64_t>(view.columns),
                                            static_cast<uint64_t>(view.rows), view.pitch),
          "a matrix layout");
  Owned<cublasLtMatrixLayout_t> owned(made, blas().cublasLtMatrixLayoutDestroy);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t name, auto value) {
    require(blas().cublasLtMatrixLayoutSetAttribute(made, name, &value, sizeof value),
            "a matrix layout's attribute");
  };
  set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<int32_t>(view.inner.count));
  set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, view.inner.stride);
  return owned;
}

Owned<cublasLtMatmulDesc_t> operation(const Product& p) {
  cublasLtMatmulDesc_t made = nullptr;
  require(blas().cublasLtMatmulDescCreate(&made, p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                                          CUDA_R_32F),
          "an operation");
  Owned<cublasLtMatmulDesc_t> owned(made, blas().cublasLtMatmulDescDestroy);
  const auto set = [&](cublasLtMatmulDescAttributes_t name, auto value) {
    require(blas().cublasLtMatmulDescSetAttribute(made, name, &value, sizeof value),
            "an operation's attribute");
  };
  const auto op = [](bool transposed) {
    return static_cast<int32_t>(transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, op(p.b.transposed));  // B^T comes first
  set(CUBLASLT_MATMUL_DESC_TRANSB, op(p.a.transposed));
  set(CUBLASLT_MATMUL_DESC_EPILOGUE,
      static_cast<uint32_t>(p.relu        ? p.with_bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU
                            : p.with_bias ? CUBLASLT_EPILOGUE_BIAS
                                          : CUBLASLT_EPILOGUE_DEFAULT));
  if (p.with_bias)
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(p.bf16_c ? CUDA_R_16BF : CUDA_R_32F));
  return owned;
}

Owned<cublasLtMatmulPreference_t> preference() {
  cublasLtMatmulPreference_t made = nullptr;
  require(blas().cublasLtMatmulPreferenceCreate(&made), "a preference");
  Owned<cublasLtMatmulPreference_t> owned(made, blas().cublasLtMatmulPreferenceDestroy);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
    require(blas().cublasLtMatmulPreferenceSetAttribute(made, name, &value, sizeof value),
            "a preference's attribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  // Parts of k are added from a buffer, in f32 and in order; never in place.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  for (const auto name :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
    set(name, kAlignmentBytes);
  return owned;
}

// cuBLASLt's state for one context.
struct Handle {
  cublasLtHandle_t handle = nullptr;
  std::string reason;  // when there is none

  Handle() {
    if (!library().is_available(&reason)) return;
    const cublasStatus_t status = blas().cublasLtCreate(&handle);
    if (status == CUBLAS_STATUS_SUCCESS) return;
    handle = nullptr;
    reason = concat("cuBLASLt does not start: ", blas().cublasLtGetStatusString(status));
  }
  Handle(Handle&& other) noexcept
      : handle(std::exchange(other.handle, nullptr)), reason(std::move(other.reason)) {}
  ~Handle() {
    if (handle) blas().cublasLtDestroy(handle);
  }
};

Handle& handle_of(Context& context) {
  return context.plan<Handle>("", [] { return Handle(); });
}

Plan make_plan(Context& context, const Product& p) {
  Plan plan;
  const Handle& handle = handle_of(context);
  plan.reason = handle.reason;
  if (!handle.handle) return plan;
  if (p.bf16 && compute_capability(context) < 80) {
    plan.reason = "bf16 needs sm_80 or newer";
    return plan;
  }
  const auto type = [](bool bf16) { return bf16 ? CUDA_R_16BF : CUDA_R_32F; };
  plan.operation = operation(p);
  plan.left = layout(p.b, type(p.bf16));
  plan.right = layout(p.a, type(p.bf16));
  plan.out = layout(p.c, type(p.bf16_c));
  int found = 0;
  const cublasStatus_t status = blas().cublasLtMatmulAlgoGetHeuristic(
      handle.handle, plan.operation.get(), plan.left.get(), plan.right.get(), plan.out.get(), plan.out.get(),
      preference().get(), 1, &plan.chosen, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found == 0)
    plan.reason = concat("cuBLASLt has no algorithm for it: ", blas().cublasLtGetStatusString(status));
  return plan;
}

Plan& plan_of(Context& context, const Product& p) {
  return context.plan<Plan>(p.key(), [&] { return make_plan(context, p); });
}

bool on_alignment(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % kAlignmentBytes == 0;
}

// Whether every matrix of the batch begins so.
template <class T>
bool on_alignment(const MatrixView& view, const T* data) {
  for (const int64_t elements : {view.offset, view.outer.stride, view.inner.stride})
    if (elements * sizeof(T) % kAlignmentBytes != 0) return false;
  return on_alignment(data);
}

void run(Context& context, const Plan& plan, float alpha, const void* a, const void* b, float beta, void* c) {
  const Context::Scratch scratch(context, plan.chosen.workspaceSize);
  require(blas().cublasLtMatmul(handle_of(context).handle, plan.operation.get(), &alpha, b, plan.left.get(),
                                a, plan.right.get(), &beta, c, plan.out.get(), c, plan.out.get(),
                                &plan.chosen.algo, scratch.as<char>(), plan.chosen.workspaceSize,
                                static_cast<cudaStream_t>(context.stream())),
          "multiply");
}

// Whether every matrix of the batch is equally far from the one before.
bool is_even(const MatrixView& view) {
  return view.outer.count == 1 || view.inner.count == 1 ||
         view.outer.stride == view.inner.count * view.inner.stride;
}

// The same matrices, with what one call takes in the inner dimension: the whole batch where its matrices are
// equally far apart, else its longer dimension.
BatchedMatmulShape for_one_batch(BatchedMatmulShape s) {
  const bool even = is_even(s.a) && is_even(s.b) && is_even(s.c);
  for (MatrixView* view : {&s.a, &s.b, &s.c})
    if (even) {
      view->inner = {view->batch(), view->inner.count == 1 ? view->outer.stride : view->inner.stride};
      view->outer = {};
    } else if (view->outer.count > view->inner.count) {
      std::swap(view->outer, view->inner);
    }
  return s;
}

}  // namespace

bool is_available(std::string* reason) {
  return library().is_available(reason);
}

std::string choice(Context& context, const MatmulShape& s, bool with_bias, bool bf16) {
  const Plan& plan = plan_of(context, dense_product(context, s, with_bias, bf16, bf16));
  if (!plan.reason.empty()) return plan.reason;
  int32_t algorithm = -1;
  blas().cublasLtMatmulAlgoConfigGetAttribute(&plan.chosen.algo, CUBLASLT_ALGO_CONFIG_ID, &algorithm,
                                              sizeof algorithm, nullptr);
  const size_t version = blas().cublasLtGetVersion();  // 130002
  return concat("cuBLASLt ", version / 10000, ".", version / 100 % 100, ".", version % 100, ", algorithm ",
                algorithm);
}

template <class T, class C>
bool multiply(Context& context, const MatmulShape& s, const T* a, const T* b, const C* bias, C* c) {
  if (s.m == 0 || s.n == 0 || s.k == 0) return false;  // an empty sum still has its epilogue: ours
  if (!on_alignment(a) || !on_alignment(b) || !on_alignment(bias) || !on_alignment(c)) return false;
  const Plan& plan =
      plan_of(context, dense_product(context, s, bias != nullptr, sizeof(T) == 2, sizeof(C) == 2));
  if (!plan.reason.empty()) return false;
  if (bias)
    require(blas().cublasLtMatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                  &bias, sizeof bias),
            "the bias");
  run(context, plan, 1, a, b, s.accumulate ? 1.0f : 0.0f, c);
  return true;
}

template <class T>
bool multiply(Context& context, const BatchedMatmulShape& shape, const T* a, const T* b, T* c) {
  if (shape.c.count() == 0 || shape.k() == 0) return false;
  const BatchedMatmulShape s = for_one_batch(shape);
  if (!on_alignment(s.a, a) || !on_alignment(s.b, b) || !on_alignment(s.c, c)) return false;
  constexpr bool kBf16 = sizeof(T) == 2;
  const Plan& plan = plan_of(
      context, {s.a, s.b, s.c, false, false, kBf16, kBf16, !kBf16 && context.precision == Precision::tf32});
  if (!plan.reason.empty()) return false;
  for (int64_t i = 0; i < s.batch(); i += s.c.inner.count)
    run(context, plan, static_cast<float>(s.alpha), a + s.a.begin(i), b + s.b.begin(i),
        s.accumulate ? 1.0f : 0.0f, c + s.c.begin(i));
  return true;
}

}  // namespace saccade::cublaslt

#else  // built without cuBLASLt's header

namespace saccade::cublaslt {

namespace {
constexpr const char* kMissing = "this binary was built without cuBLASLt";
}

bool is_available(std::string* reason) {
  if (reason) *reason = kMissing;
  return false;
}
std::string choice(Context&, const MatmulShape&, bool, bool) {
  return kMissing;
}
template <class T, class C>
bool multiply(Context&, const MatmulShape&, const T*, const T*, const C*, C*) {
  return false;
}
template <class T>
bool multiply(Context&, const BatchedMatmulShape&, const T*, const T*, T*) {
  return false;
}

}  // namespace saccade::cublaslt

#endif

namespace saccade::cublaslt {

template bool multiply(Context&, const MatmulShape&, const float*, const float*, const float*, float*);
template bool multiply(Context&, const MatmulShape&, const bf16*, const bf16*, const bf16*, bf16*);
template bool multiply(Context&, const MatmulShape&, const bf16*, const bf16*, const float*, float*);
template bool multiply(Context&, const BatchedMatmulShape&, const float*, const float*, float*);
template bool multiply(Context&, const BatchedMatmulShape&, const bf16*, const bf16*, bf16*);

}  // namespace saccade::cublaslt
