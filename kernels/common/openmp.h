// oneDNN's threads. It asks OpenMP for them through six functions; where it asks for no others, openmp.cpp has these,
// and oneDNN computes on our threads.
#pragma once

namespace saccade {

// How many threads oneDNN is to take when the calling thread makes or runs a primitive; inside a parallel_for it is
// one, whatever is set. Throws Error where so many cannot be had.
void set_onednn_threads(int threads);

}  // namespace saccade
