#include "kernels/matmul/cublaslt.h"

#ifdef SACCADE_CUBLASLT

#include <cublasLt.h>

#include <memory>
#include <utility>

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

struct Plan {
  std::string reason;  // when there is none
  Owned<cublasLtMatmulDesc_t> operation;
  Owned<cublasLtMatrixLayout_t> left, right, out;
  cublasLtMatmulHeuristicResult_t chosen{};
};

// Our row-major matrix [rows, columns], which to cuBLASLt is column-major [columns, rows].
Owned<cublasLtMatrixLayout_t> layout(int64_t rows, int64_t columns, cudaDataType_t type) {
  cublasLtMatrixLayout_t made = nullptr;
  require(blas().cublasLtMatrixLayoutCreate(&made, type, static_cast<uint64_t>(columns),
                                            static_cast<uint64_t>(rows), columns),
          "a matrix layout");
  return {made, blas().cublasLtMatrixLayoutDestroy};
}

// bias_type: that of C.
Owned<cublasLtMatmulDesc_t> operation(const MatmulShape& s, bool with_bias, cudaDataType_t bias_type,
                                      bool tf32) {
  cublasLtMatmulDesc_t made = nullptr;
  require(blas().cublasLtMatmulDescCreate(&made, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
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
  set(CUBLASLT_MATMUL_DESC_TRANSA, op(s.transpose_b));  // B^T comes first
  set(CUBLASLT_MATMUL_DESC_TRANSB, op(s.transpose_a));
  set(CUBLASLT_MATMUL_DESC_EPILOGUE,
      static_cast<uint32_t>(s.relu      ? with_bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU
                            : with_bias ? CUBLASLT_EPILOGUE_BIAS
                                        : CUBLASLT_EPILOGUE_DEFAULT));
  if (with_bias) set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(bias_type));
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
  // Parts of k are added from a buffer, in fp32 and in order; never in place.
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

bool in_tf32(const Context& context, const MatmulShape& s) {
  return context.precision == Precision::tf32 && !s.true_f32;
}

// bf16: A and B; bf16_c: C.
Plan make_plan(Context& context, const MatmulShape& s, bool with_bias, bool bf16, bool bf16_c) {
  Plan plan;
  const Handle& handle = handle_of(context);
  plan.reason = handle.reason;
  if (!handle.handle) return plan;
  if (bf16 && compute_capability(context) < 80) {
    plan.reason = "bf16 needs sm_80 or newer";
    return plan;
  }
  const cudaDataType_t type = bf16 ? CUDA_R_16BF : CUDA_R_32F, type_c = bf16_c ? CUDA_R_16BF : CUDA_R_32F;
  plan.operation = operation(s, with_bias, type_c, !bf16 && in_tf32(context, s));
  plan.left = s.transpose_b ? layout(s.n, s.k, type) : layout(s.k, s.n, type);
  plan.right = s.transpose_a ? layout(s.k, s.m, type) : layout(s.m, s.k, type);
  plan.out = layout(s.m, s.n, type_c);
  int found = 0;
  const cublasStatus_t status = blas().cublasLtMatmulAlgoGetHeuristic(
      handle.handle, plan.operation.get(), plan.left.get(), plan.right.get(), plan.out.get(), plan.out.get(),
      preference().get(), 1, &plan.chosen, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found == 0)
    plan.reason = concat("cuBLASLt has no algorithm for it: ", blas().cublasLtGetStatusString(status));
  return plan;
}

Plan& plan_of(Context& context, const MatmulShape& s, bool with_bias, bool bf16, bool bf16_c) {
  const bool tf32 = in_tf32(context, s);
  const int64_t key[] = {s.m,          s.n,       s.k,  s.transpose_a, s.transpose_b, s.relu,
                         s.accumulate, with_bias, bf16, bf16_c,        tf32};
  return context.plan<Plan>(std::string(reinterpret_cast<const char*>(key), sizeof key),
                            [&] { return make_plan(context, s, with_bias, bf16, bf16_c); });
}

}  // namespace

bool is_available(std::string* reason) {
  return library().is_available(reason);
}

std::string choice(Context& context, const MatmulShape& s, bool with_bias, bool bf16) {
  const Plan& plan = plan_of(context, s, with_bias, bf16, bf16);
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
  for (const void* p : {static_cast<const void*>(a), static_cast<const void*>(b),
                        static_cast<const void*>(bias), static_cast<const void*>(c)})
    if (reinterpret_cast<uintptr_t>(p) % kAlignmentBytes != 0) return false;
  const Plan& plan = plan_of(context, s, bias != nullptr, sizeof(T) == 2, sizeof(C) == 2);
  if (!plan.reason.empty()) return false;
  if (bias)
    require(blas().cublasLtMatmulDescSetAttribute(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                  &bias, sizeof bias),
            "the bias");
  const float one = 1, before = s.accumulate ? 1.0f : 0.0f;
  const Context::Scratch scratch(context, plan.chosen.workspaceSize);
  require(blas().cublasLtMatmul(handle_of(context).handle, plan.operation.get(), &one, b, plan.left.get(), a,
                                plan.right.get(), &before, c, plan.out.get(), c, plan.out.get(),
                                &plan.chosen.algo, scratch.as<char>(), plan.chosen.workspaceSize,
                                static_cast<cudaStream_t>(context.stream())),
          "multiply");
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

}  // namespace saccade::cublaslt

#endif

namespace saccade::cublaslt {

template bool multiply(Context&, const MatmulShape&, const float*, const float*, const float*, float*);
template bool multiply(Context&, const MatmulShape&, const bf16*, const bf16*, const bf16*, bf16*);
template bool multiply(Context&, const MatmulShape&, const bf16*, const bf16*, const float*, float*);

}  // namespace saccade::cublaslt
