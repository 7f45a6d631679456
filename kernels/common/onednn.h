// oneDNN in a Context: one engine and one stream for each, and what its calls have in common.
#pragma once

#ifdef SACCADE_ONEDNN
#include <dnnl.hpp>

#include <string>
#include <type_traits>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/openmp.h"

namespace saccade {

struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};

  // Memory of ours as oneDNN's arguments have it. What is an input, oneDNN does not write.
  template <class T>
  dnnl::memory wrap(const dnnl::memory::desc& desc, const T* data) const {
    return {desc, engine, const_cast<T*>(data)};
  }
};

template <class T>
constexpr auto kDataType =
    std::is_same_v<T, bf16> ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;

// Whether oneDNN multiplies bf16 with instructions for it: AVX512-BF16, which every processor with AMX has, too.
inline bool multiplies_bf16() {
  constexpr auto kNeeded = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & kNeeded) == kNeeded;
}

// The context's oneDNN. Its number of threads counts both when a primitive is made and when it runs: call this before
// either.
inline OneDnn& onednn(Context& context) {
  set_onednn_threads(context.threads());
  return context.plan<OneDnn>("", [] { return OneDnn(); });
}

// The caller gives oneDNN its scratch memory, so that the memory is counted and keeps its address.
inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// Without a warning oneDNN falls back to loops that are a hundred times slower; here that is an Error.
template <class PrimitiveDescriptor>
void check_not_slow(const PrimitiveDescriptor& descriptor, const std::string& what) {
  const std::string name = descriptor.impl_info_str();
  check(name.find("ref") == std::string::npos, what, ": oneDNN took its slow implementation ", name);
}

}  // namespace saccade
#endif
