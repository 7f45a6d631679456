// The buffers of Device::simt.
#pragma once

#include <cstddef>

#include "kernels/common/context.h"

namespace saccade::simt {

// Returns null when there is no memory left. std::free releases it.
void* allocate(size_t alignment, size_t bytes);

// Whether each buffer must be an allocation of its own, exactly as large as asked for, without pool or arena:
// in the memory checker, which then sees every access beside a buffer.
bool separate_buffers();

}  // namespace saccade::simt

namespace saccade {

// The same for any device; false for all but simt.
bool separate_buffers(Device device);

}  // namespace saccade
