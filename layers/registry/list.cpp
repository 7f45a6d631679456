// The ops of layers, in alphabetical order. Each is defined in the file of its name; a new one joins both lists.
#include "layers/registry/list.h"

namespace saccade {

Op conv_norm_relu_op();

std::vector<Op> layers_ops() {
  return {
      conv_norm_relu_op(),
  };
}

}  // namespace saccade
