// Where the values of a network start. Shapes are ours: convolution weights KRSC, linear weights [O,I].
#pragma once

#include "autograd/parameter.h"

namespace saccade::init {

// Numbers that feed one output, and that one input feeds. For KRSC: R*S*C and R*S*K; for [O,I]: I and O.
int64_t fan_in(const Shape& weight);
int64_t fan_out(const Shape& weight);

Initializer constant(float value);
Initializer normal(float deviation, float mean = 0);
Initializer uniform(float low, float high);

// N(0, gain^2 / fan) with gain sqrt(2), for layers before a ReLU (He et al., "Delving deep into rectifiers", 2015,
// eq. 10 for fan_in and eq. 14 for fan_out). torchvision's ResNet takes fan_out.
Initializer kaiming_normal_fan_in(const Shape& weight);
Initializer kaiming_normal_fan_out(const Shape& weight);

// Variance 2 / (fan_in + fan_out) (Glorot and Bengio, "Understanding the difficulty of training deep feedforward
// neural networks", 2010, eq. 12 and 16).
Initializer xavier_normal(const Shape& weight);
Initializer xavier_uniform(const Shape& weight);

// U(-1/sqrt(fan_in), 1/sqrt(fan_in)): what PyTorch gives a linear layer, weight and bias.
Initializer torch_linear(int64_t fan_in);

}  // namespace saccade::init
