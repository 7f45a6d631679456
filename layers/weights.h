// Parameters to and from weight files, by name.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "autograd/parameter.h"
#include "tensor/weights/safetensors.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

struct LoadReport {
  int64_t loaded = 0;
  bool by_place = false;    // the file has the parts of a residual network by number, as nn.Sequential does
  std::string file_prefix;  // what the file's names have before the network's: "module.base."
  std::string network_prefix;        // or the other way round; at most one of the two is not empty
  std::vector<std::string> missing;  // parameters that were not in the file to read: they keep their values
  std::vector<std::string> unexpected;  // tensors of the file that the network does not have
  std::vector<std::string> reshaped;  // "'name': file [..], network [..]": same name, other shape, not loaded
  std::vector<std::string>
      unread;  // "'name': why": the network has it, but it cannot be read (WeightFile::unread)
  // If nothing was loaded, or not all that must be: names of both sides and both shapes, in one line.
  std::string misfit;
  std::string text() const;  // the lists in a few lines for a person
};

// Copies every tensor of `file` that a parameter or buffer of the arena is called after, converting the dtype and
// the layout of convolutions. `num_batches_tracked`, which nothing here uses, is passed over.
//
// Programs save networks inside of others, so names may carry a prefix: "module." (DataParallel), "backbone.",
// "net.module.base.". A prefix ends with a dot, or it is empty. Of all prefixes of the file's names, and of the
// network's, the one is taken that gives the most tensors of equal shape once it is cut off, but for those that give
// less than half as many names as another: the blocks of a network resemble each other, and a single one of another
// width may fit a wrong place. Among equals it is the one with the most unread tensors of the network's names, then
// the most tensors of other shapes, then the fewest dots, then the one that the file names first. Where more names fit
// once the numbers that nn.Sequential gives the parts of a residual network are replaced by their names, they are.
// `needed` says which parameters must be loaded, so that a network that is mostly random does not pass for one that was
// trained; without it a single tensor is enough.
LoadReport load_weights(Context& context, ParameterArena& arena, const WeightFile& file,
                        const std::function<bool(const std::string& parameter)>& needed = {});

// The parameters and buffers as a file holds them. The views point to the arena where the host can read it, else to
// copies that `keep` owns.
std::vector<TensorView> weight_views(Context& context, const ParameterArena& arena,
                                     std::deque<std::vector<std::byte>>& keep);

}  // namespace saccade
