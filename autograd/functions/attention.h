// The attention blocks' own functions.
#pragma once

#include "autograd/tape.h"

namespace saccade {

// The largest of the kept groups, channel by channel (kernels/attention/group_max.h).
// features [N,H,W,groups*C] group-major, keep u8 [N,groups] -> [N,H,W,C]; 0 and no gradient where none is kept.
Variable group_max(Tape& tape, const Variable& features, const Tensor& keep, int64_t groups);

// feature * sigmoid(logits + bias) + feature (kernels/attention/sigmoid_gate.h).
// feature, logits [N,H,W,C], bias [C].
Variable sigmoid_gate(Tape& tape, const Variable& feature, const Variable& logits, const Variable& bias);

// The mean over one bin a sample (kernels/pool/bin_pool.h).
// features [N,T,H,W,C], corner i32 [N,3]: the first (t,h,w) of the bin -> [N,C]. The corner takes no gradient.
Variable bin_pool(Tape& tape, const Variable& features, const Tensor& corner, int64_t bin_t, int64_t bin_h,
                  int64_t bin_w);

}  // namespace saccade
