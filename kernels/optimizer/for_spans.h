// What sgd.cpp and adam.cpp share: the walk over the spans on the CPU.
#pragma once

#include "kernels/common/parallel.h"
#include "kernels/optimizer/parameter_span.h"

namespace saccade {

// Calls update(span, begin, end) for every span, [begin, end) being its parameters, and then rounds their values into
// `copy`, which may be null. How many spans a thread takes changes no bit of the result.
template <class Update>
void for_spans(Context& context, const ParameterSpan* spans, int64_t span_count, const float* values,
               bf16* copy, Update&& update) {
  parallel_for(context, span_count, 4, [&](int64_t first, int64_t last) {
    for (const ParameterSpan* span = spans + first; span < spans + last; ++span) {
      const int64_t begin = span->offset, end = span->offset + span->count;
      update(*span, begin, end);
      for (int64_t i = begin; copy && i < end; ++i) copy[i] = bf16(values[i]);
    }
  });
}

}  // namespace saccade
