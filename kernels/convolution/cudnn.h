// Convolution through cuDNN 9's graph interface, loaded at its first use. A plan is the first of cuDNN's own
// ranking that gives the same bits run after run and keeps the precision that was asked for; where the
// context tunes, the fastest of the first eight such, timed on the device. It is made once for a shape and
// kept in the Context. Where there is no such plan, or no cuDNN, our own kernels compute.
//
// Engines that are refused, by their numerical notes: nondeterministic ones; reduced-precision sums; Winograd
// and FFT, whose error is not a few rounding steps of each product; for f32 inputs, unless tf32 is allowed,
// those that convert them for the tensor cores.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/convolution/conv2d.h"

namespace saccade::cudnn {

enum class Pass : uint8_t { forward, data, weight };
const char* name_of(Pass);

struct Problem {
  Conv2dShape shape;  // without a bias: it is added, and its gradient summed, by kernels of our own
  Pass pass;
  bool bf16 = false;  // of all three tensors; else f32
  bool tf32 = false;  // f32 inputs may be rounded to 10 bits of mantissa
};

// How a plan was found.
struct Choice {
  bool found = false;
  int64_t engine = -1;  // cuDNN's number of it
  int64_t workspace_bytes = 0;
  int refused = 0,
      failed = 0;  // candidates before it: by their notes, and at their finalization or by their workspace
  int nondeterministic = 0;  // of the refused
  std::string recipe;        // the engine and its settings, as text: enough to make the plan again
  std::string reason;        // when nothing was found
};

// Whether cuDNN opens here; the reason, one line, when not.
bool is_available(std::string* reason = nullptr);
std::string version();

// A device that need not be there, as the properties that cuDNN asks for.
class DescribedDevice {
 public:
  explicit DescribedDevice(const std::string& json);
  // Builds and finalizes the plan that would run there; at most `most` of those that may run, the first one first;
  // the one of a recipe (Error where cuDNN does not make it).
  Choice plan(const Problem&) const;
  std::vector<Choice> plans(const Problem&, int most) const;
  Choice plan(const Problem&, const std::string& recipe) const;

 private:
  std::shared_ptr<void> descriptor_;
};

// x, w and y are the input, the filters and the output, or their gradients; the pass says which is written.
// False, and nothing was done: our own kernels must. cuda only; all pointers on the context's device.
bool run(Context&, const Problem&, const void* x, const void* w, const void* y);

// What computes this problem on this context's device, if the context does not tune.
Choice choice(Context&, const Problem&);

}  // namespace saccade::cudnn
