// Losses on the tape. Each is a mean over the batch, of shape [1].
#pragma once

#include <vector>

#include "autograd/tape.h"

namespace saccade {

// Softmax cross-entropy with label smoothing (kernels/loss/cross_entropy.h). logits [N,C], labels i64 [N], -1 ignored;
// on the CPU another label that is no class is an InputError, on a device the loss is NaN then.
Variable cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, double smoothing);

struct Triplet {
  Variable loss;
  Tensor positive, negative;  // i64 [N]: the pair that each anchor was held against; -1: there was none
};

// Batch-hard triplet loss (kernels/metric/batch_hard_triplet.h). embeddings [N,D], labels i64 [N].
Triplet batch_hard_triplet(Tape& tape, const Variable& embeddings, const Tensor& labels, double margin,
                           bool squared = false);

// sum of weights[i] * terms[i], all of one shape.
Variable weighted_sum(Tape& tape, const std::vector<Variable>& terms, const std::vector<double>& weights);

}  // namespace saccade
