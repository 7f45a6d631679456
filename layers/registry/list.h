// The ops of layers, in alphabetical order: composites, which have no kernels of their own.
#pragma once

#include "autograd/registry/registry.h"

namespace saccade {

std::vector<Op> layers_ops();

}  // namespace saccade
