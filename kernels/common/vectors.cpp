#include "kernels/common/vectors.h"

namespace saccade {

const char* name_of(Vectors vectors) {
  switch (vectors) {
    case Vectors::portable:
      return "portable";
    case Vectors::avx2:
      return "avx2";
    case Vectors::avx512:
      return "avx512";
  }
  return "?";
}

Vectors best_vectors() {
#ifdef SACCADE_X86_VECTORS
  static const Vectors best = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
      return Vectors::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Vectors::avx2;
    return Vectors::portable;
  }();
  return best;
#else
  return Vectors::portable;
#endif
}

}  // namespace saccade
