// A system with less than ours: a disk without fsync, a limit of threads. Put in front of a program by LD_PRELOAD.
//   SACCADE_FSYNC_ERRNO=22     fsync fails with this errno
//   SACCADE_MOST_THREADS=1     no more threads than this at a time, beside the first
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

namespace {

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

std::atomic<int> alive{0};

struct Start {
  void* (*routine)(void*);
  void* argument;
};

void* counted(void* start) {
  const Start work = *static_cast<Start*>(start);
  delete static_cast<Start*>(start);
  void* result = work.routine(work.argument);
  --alive;
  return result;
}

}  // namespace

extern "C" int fsync(int file) {
  if (const int error = setting("SACCADE_FSYNC_ERRNO", 0); error != 0) {
    errno = error;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(dlsym(RTLD_NEXT, "fsync"))(file);
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*),
                              void* argument) {
  using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (++alive > setting("SACCADE_MOST_THREADS", 1 << 20)) {
    --alive;
    return EAGAIN;
  }
  return create(thread, attributes, counted, new Start{routine, argument});
}
