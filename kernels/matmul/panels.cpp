#include "kernels/matmul/panels.h"

namespace saccade {

namespace portable {
extern const Panels panels;
}
namespace avx2 {
extern const Panels panels;
}
namespace avx512 {
extern const Panels panels;
}

const Panels& panels(Vectors vectors) {
#ifdef SACCADE_X86_VECTORS
  if (vectors == Vectors::avx512) return avx512::panels;
  if (vectors == Vectors::avx2) return avx2::panels;
#endif
  (void)vectors;
  return portable::panels;
}

}  // namespace saccade
