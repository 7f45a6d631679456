// The --checkpoint option, as every program takes it, and the context that its network runs in.
#pragma once

#include <memory>
#include <string>

#include "kernels/common/context.h"

namespace saccade {

// `path` itself; or of the folder of a training run the checkpoint that its result.json names (whose scores that file
// holds), else the newest: the run is not over yet, or was killed. Says on stderr which of them it took.
// InputError: a folder without checkpoints.
std::string find_checkpoint(const std::string& path);

// For --device and --precision. A checkpoint holds f32 values whatever it was trained in. InputError for a device or a
// precision that this machine lacks.
std::unique_ptr<Context> make_context(const std::string& device, const std::string& precision);

}  // namespace saccade
