// The --checkpoint option, as every program takes it.
#pragma once

#include <string>

namespace saccade {

// `path` itself; or of the folder of a training run the checkpoint that its result.json names (whose scores that file
// holds), else the newest: the run is not over yet, or was killed. Says on stderr which of them it took.
// InputError: a folder without checkpoints.
std::string find_checkpoint(const std::string& path);

}  // namespace saccade
