// Activations: elementwise ones, and softmax over the last dimension.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// y = max(x, 0).
Variable relu(Tape& tape, const Variable& x);

// y = 1 / (1 + exp(-x)).
Variable sigmoid(Tape& tape, const Variable& x);

// y = tanh(x).
Variable tanh(Tape& tape, const Variable& x);

// y = x Phi(x) with the exact normal distribution function.
Variable gelu(Tape& tape, const Variable& x);

// Over the last dimension. A row of -infinity (all masked) gives zeros and no gradient.
Variable softmax(Tape& tape, const Variable& x);

// log(softmax(x)) over the last dimension, without leaving the range.
Variable log_softmax(Tape& tape, const Variable& x);

}  // namespace saccade
