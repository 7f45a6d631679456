// The one way in which CPU kernels use threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/team.h"

namespace saccade {

// They are enough that a thread which the system stops holds up little, and few enough that taking them costs nothing.
inline constexpr int64_t kRangesPerThread = 4;

// Which end of [0, count) the threads begin with. A pass that follows another one over the same memory finds its end in
// the cache.
enum class Begin { first, last };

// Calls body(begin, end) on ranges that cover [0, count) once. The ranges depend on count, grain and the number of
// threads alone, never on timing, so results are the same run after run; which thread has a range, and after which
// other one, is a matter of timing. `grain` is the least count worth a thread; below it, and inside another
// parallel_for, the calling thread does all the work in one range. What the body throws is thrown here.
template <Begin kBegin = Begin::first, class Body>
void parallel_for(const Context& context, int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
  const int64_t most = (count - 1) / std::max<int64_t>(grain, 1) + 1;
  const int64_t threads = std::min<int64_t>(context.threads(), most);
  if (threads <= 1 || Team::is_inside()) {
    body(int64_t{0}, count);
    return;
  }
  const int64_t ranges = std::min(kRangesPerThread * threads, most);
  Team::of_process().run(static_cast<int>(threads), static_cast<int>(ranges), [&](int part) {
    int64_t range = part;
    if (kBegin == Begin::last) {  // of the thread whose share holds the part
      const int64_t thread = ((part + 1) * threads - 1) / ranges;
      range = ranges * thread / threads + ranges * (thread + 1) / threads - 1 - part;
    }
    body(count * range / ranges, count * (range + 1) / ranges);
  });
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
