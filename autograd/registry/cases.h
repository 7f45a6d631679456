// Tables of cases that more than one op has.
#pragma once

#include "autograd/registry/registry.h"

namespace saccade {

std::vector<Case> saturating_cases();  // activations that saturate
std::vector<Case> broadcast_cases();   // an operation of two tensors, the second of which may be broadcast
std::vector<Case> reduction_cases();   // reductions `over` all, the last or the leading dimensions

// `own` first.
std::vector<Case> with_cases(std::vector<Case> own, const std::vector<Case>& shared);

}  // namespace saccade
