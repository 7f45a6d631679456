#include "kernels/common/openmp.h"

#ifdef SACCADE_ONEDNN

#include "kernels/common/error.h"
#include "kernels/common/team.h"

#ifdef SACCADE_ONEDNN_OPENMP

#include <omp.h>

namespace saccade {

void set_onednn_threads(int threads) {
  const int usable = Team::is_inside() ? 1 : threads;
  if (omp_get_max_threads() != usable) omp_set_num_threads(usable);
}

}  // namespace saccade

#else

namespace saccade {
namespace {

thread_local int most_threads = 1;

// Which part of a parallel construct the calling thread computes.
struct Place {
  int part = 0, parts = 1;
  Team::Barrier* barrier = nullptr;
};
thread_local Place place;

// The place of the calling thread while it lasts.
class AtPlace {
 public:
  explicit AtPlace(const Place& now) : before_(place) { place = now; }
  ~AtPlace() { place = before_; }

 private:
  Place before_;
};

}  // namespace

void set_onednn_threads(int threads) {
  check(Team::is_inside() || Team::of_process().grow(threads), "a team of ", threads,
        " threads cannot be had");
  most_threads = Team::is_inside() ? 1 : threads;
}

}  // namespace saccade

// All that oneDNN asks of OpenMP, as libgomp declares it. The program's functions go before those of a library, so
// oneDNN calls these; the build checks whether the list is whole (CMakeLists.txt).
extern "C" {

int omp_get_max_threads() {
  return saccade::most_threads;
}

int omp_get_num_threads() {
  return saccade::place.parts;
}

int omp_get_thread_num() {
  return saccade::place.part;
}

int omp_in_parallel() {
  return saccade::Team::is_inside() ? 1 : 0;
}

void GOMP_parallel(void (*function)(void*), void* data, unsigned threads, unsigned) noexcept {
  using saccade::AtPlace, saccade::Place, saccade::Team, saccade::most_threads;
  const int parts = Team::is_inside() ? 1 : threads == 0 ? most_threads : static_cast<int>(threads);
  if (parts == 1) {
    const AtPlace alone{Place()};
    function(data);
    return;
  }
  Team::Barrier barrier(parts);
  const int most = most_threads;  // which all threads of a team see
  Team::of_process().run_together(parts, [&](int part) {
    const AtPlace among({part, parts, &barrier});
    most_threads = most;
    function(data);
  });
}

void GOMP_barrier() noexcept {
  if (saccade::place.barrier != nullptr) saccade::place.barrier->wait();
}

}  // extern "C"

#endif
#endif
