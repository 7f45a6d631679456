// Convolution through cuDNN 9's graph interface, loaded at its first use. The plan is the first in cuDNN's
// own ranking that gives the same bits run after run and keeps the precision that was asked for. Where the
// context tunes, it is the fastest of the first eight such plans, timed on the device. A plan is made once
// for a shape and kept in the Context. Where there is no such plan, or no cuDNN, our own kernels compute.
//
// Engines are refused by their numerical notes: nondeterministic ones; those with sums of reduced precision;
// Winograd and FFT, whose error is more than a few rounding steps of each product; and, unless tf32 is
// allowed, those that convert f32 inputs for the tensor cores.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/convolution/conv2d.h"

namespace saccade::cudnn {

enum class Pass : uint8_t { forward, data, weight };
const char* name_of(Pass);

struct Problem {
  Conv2dShape shape;  // our own kernels add the bias and sum its gradient
  Pass pass;
  bool bf16 = false;  // whether all three tensors are bf16; else f32
  bool tf32 = false;  // whether f32 inputs may be rounded to 10 bits of mantissa
};

// How a plan was found.
struct Choice {
  bool found = false;
  int64_t engine = -1;  // cuDNN's number of the engine
  int64_t workspace_bytes = 0;
  int refused = 0;           // candidates before it that their notes exclude
  int failed = 0;            // candidates before it that did not finalize or wanted too much workspace
  int nondeterministic = 0;  // how many of the refused are nondeterministic
  std::string recipe;        // the engine and its settings as text, from which the plan can be made again
  std::string reason;        // why nothing was found
};

// Whether cuDNN opens here. If not, `reason` (may be null) receives one line.
bool is_available(std::string* reason = nullptr);
std::string version();

// A device that need not be there, described by the properties that cuDNN asks for.
class DescribedDevice {
 public:
  explicit DescribedDevice(const std::string& json);
  // Builds and finalizes the plan that would run there; or at most `most` plans that may run, cuDNN's best
  // guess first; or the plan of a recipe (Error where cuDNN does not make it).
  Choice plan(const Problem&) const;
  std::vector<Choice> plans(const Problem&, int most) const;
  Choice plan(const Problem&, const std::string& recipe) const;

 private:
  std::shared_ptr<void> descriptor_;
};

// Computes the pass. x, w and y are the input, the filters and the output, or their gradients; the pass says
// which one is written. They lie on the context's device, which is cuda. Returns false when it did nothing:
// our own kernels must compute then.
bool run(Context&, const Problem&, const void* x, const void* w, const void* y);

// The plan that computes this problem on the context's device if the context does not tune.
Choice choice(Context&, const Problem&);

}  // namespace saccade::cudnn
