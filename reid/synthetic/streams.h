// Which random stream each thing draws from. Every identity, camera and image has its own, so that what is
// drawn does not depend on the order of the work or on the number of threads.
#pragma once

#include <cstdint>

namespace saccade::synthetic {

enum class StreamKind : uint64_t { attributes = 1, traits, camera, sequence, plan, image, bystander };

// The number of a Philox stream. index < 2^48.
constexpr uint64_t stream_of(StreamKind kind, uint64_t index) {
  return static_cast<uint64_t>(kind) << 48 | index;
}

}  // namespace saccade::synthetic
