// Distances on the tape.
#pragma once

#include "autograd/tape.h"
#include "kernels/metric/pairwise_distance.h"

namespace saccade {

// d[i,j] between row i of x and row j of y (kernels/metric/pairwise_distance.h). x [N,D], y [M,D] -> [N,M].
Variable pairwise_distance(Tape& tape, const Variable& x, const Variable& y, Metric metric);

}  // namespace saccade
