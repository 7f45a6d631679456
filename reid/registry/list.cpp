// The one place where the rooms' lists of ops are joined: this room may include all the others that have one.
#include "layers/registry/list.h"

namespace saccade {

std::vector<Op> ops_of_all_rooms() {
  return joined({autograd_ops(), layers_ops()});
}

}  // namespace saccade
