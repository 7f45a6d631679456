// Refuses a processor that the program was not built for, before an instruction does that it lacks.
#include <unistd.h>

#include <cstring>

#ifdef SACCADE_BUILT_FOR

namespace {

bool runs_here(const char* level) {
  __builtin_cpu_init();
  if (std::strcmp(level, "x86-64-v4") == 0)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (std::strcmp(level, "x86-64-v3") == 0)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (std::strcmp(level, "x86-64-v2") == 0) return __builtin_cpu_supports("sse4.2");
  return true;  // a name that somebody chose
}

// Before every other initializer, which the compiler may have given such instructions.
__attribute__((constructor(101))) void check_processor() {
  if (runs_here(SACCADE_BUILT_FOR)) return;
  constexpr char text[] =
      "saccade: this program was built for processors of the level " SACCADE_BUILT_FOR
      ", and this one is older; build it on this machine, or with -DSACCADE_ARCH=x86-64-v2\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, text, sizeof text - 1);
  _exit(2);
}

}  // namespace

#endif
