#include "kernels/simt/recording.h"

namespace saccade::simt {

Recording*& active_recording() {
  static thread_local Recording* active = nullptr;
  return active;
}

}  // namespace saccade::simt
