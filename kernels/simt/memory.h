// The buffers of Device::simt.
#pragma once

#include <cstddef>

#include "kernels/common/context.h"

namespace saccade::simt {

// Null when there is no memory left. Released by std::free.
void* allocate(size_t alignment, size_t bytes);

// Whether each buffer is to be an allocation of its own, exactly as large as asked for, so that the memory checker sees
// every access beside it: no pool, no arena.
bool separate_buffers();

}  // namespace saccade::simt

namespace saccade {

// The same of any device; false for all but simt.
bool separate_buffers(Device device);

}  // namespace saccade
