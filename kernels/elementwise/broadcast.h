// y[o,r,i] = x[o,r,i] + b[o,i]  or  x[o,r,i] * b[o,i]: the registry's add and mul where b is smaller than x.
// x, y [outer, repeated, inner], b [outer, inner]; y may alias x and is overwritten.
//
//   b              outer    inner
//   bias [C]       1        C
//   gate [N,1,1,C] N        C
//   map [N,H,W,1]  N H W    1
//   scalar         1        1
//
// The gradient with respect to b is a sum over `repeated` (kernels/elementwise/sum.h).
// Floor: s (2 E + E / repeated) bytes.
#pragma once

#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

struct BroadcastShape {
  int64_t outer = 1, repeated = 1, inner = 1;

  int64_t count() const { return outer * repeated * inner; }
};

template <Device D>
struct Broadcast {
  template <class T>
  static void add(Context&, const BroadcastShape&, const T* x, const T* b, T* y);
  template <class T>
  static void multiply(Context&, const BroadcastShape&, const T* x, const T* b, T* y);

  static Floor floor(const BroadcastShape& s, int element_bytes) {
    const double all = static_cast<double>(s.count()), once = static_cast<double>(s.outer * s.inner);
    return {element_bytes * (2 * all + once), all};
  }
};

}  // namespace saccade
