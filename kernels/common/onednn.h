// oneDNN behind a Context: one engine and one stream, and the arguments of a call.
#pragma once

#ifdef SACCADE_ONEDNN
#include <dnnl.hpp>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <string>

#include "kernels/common/context.h"

namespace saccade {

struct OneDnn {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

// oneDNN takes as many threads as OpenMP would give the caller, both when it makes a primitive and when it runs it:
// call this before either.
inline OneDnn& onednn(Context& context) {
#ifdef _OPENMP
  if (omp_get_max_threads() != context.threads()) omp_set_num_threads(context.threads());
#endif
  return context.plan<OneDnn>("", [] { return OneDnn(); });
}

// The caller gives oneDNN its scratch memory, so that it is counted and its address is stable.
inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// oneDNN falls back to loops a hundred times slower without a word; here that is an error.
template <class PrimitiveDescriptor>
void check_not_slow(const PrimitiveDescriptor& descriptor, const std::string& what) {
  const std::string name = descriptor.impl_info_str();
  check(name.find("ref") == std::string::npos, what, ": oneDNN took its slow implementation ", name);
}

}  // namespace saccade
#endif
