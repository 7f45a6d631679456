// The one way in which CPU kernels use threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/context.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace saccade {

// Calls body(begin, end) on ranges that cover [0, count) once. The split depends on count, grain and the
// number of threads alone, never on timing, so results are the same run after run. `grain` is the least count
// worth a thread; below it, and inside another parallel_for, the calling thread does all the work.
template <class Body>
void parallel_for(const Context& context, int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
#ifdef _OPENMP
  const int64_t most = (count + std::max<int64_t>(grain, 1) - 1) / std::max<int64_t>(grain, 1);
  const int threads = static_cast<int>(std::min<int64_t>(context.threads(), most));
  if (threads > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(threads)
    {
      const int64_t rank = omp_get_thread_num(), parts = omp_get_num_threads();
      const int64_t begin = count * rank / parts, end = count * (rank + 1) / parts;
      if (begin < end) body(begin, end);
    }
    return;
  }
#else
  (void)context;
  (void)grain;
#endif
  body(int64_t{0}, count);
}

// Calls body(row) once for each of `rows` rows of `columns` elements. Short rows share a thread.
template <class Body>
void for_each_row(const Context& context, int64_t rows, int64_t columns, Body&& body) {
  constexpr int64_t kGrain = 8192;  // elements that are worth a thread
  parallel_for(context, rows, kGrain / (columns + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(row);
  });
}

}  // namespace saccade
