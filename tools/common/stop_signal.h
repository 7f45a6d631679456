// SIGINT, SIGTERM and SIGHUP as a wish: the program ends when its work is saved, and at once on the second one.
#pragma once

namespace saccade {

// From now on these signals only set a flag; one that the process was told to ignore (nohup) stays ignored. The first
// one says on stderr that the program is going to stop, the second one has its usual effect.
void catch_stop_signals();

// The signal that came; 0: none.
int stop_signal();

}  // namespace saccade
