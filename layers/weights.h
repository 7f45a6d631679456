// Parameters to and from weight files, by name.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "autograd/parameter.h"
#include "tensor/weights/safetensors.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

struct LoadReport {
  int64_t loaded = 0;
  std::vector<std::string> missing;     // parameters that the file does not hold: they keep their values
  std::vector<std::string> unexpected;  // tensors of the file that the network does not have
  std::vector<std::string> reshaped;    // "name: file [..], network [..]": same name, other shape, not loaded
  std::string text() const;             // the lists in a few lines for a person
};

// Copies every tensor of `file` that a parameter or buffer of the arena is called after, converting the dtype and
// the layout of convolutions. `num_batches_tracked`, which nothing here uses, is passed over.
LoadReport load_weights(Context& context, ParameterArena& arena, const WeightFile& file);

// The parameters and buffers as a file holds them. The views point to the arena where the host can read it, else to
// copies that `keep` owns.
std::vector<TensorView> weight_views(Context& context, const ParameterArena& arena,
                                     std::deque<std::vector<std::byte>>& keep);

}  // namespace saccade
