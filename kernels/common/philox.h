// Philox4x32-10, a counter-based generator of random numbers. Word i of a stream is a pure function of
// (seed, stream, step, i), so results do not depend on threads, launch shape or device.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/common/host_device.h"

namespace saccade {

struct PhiloxWords {
  uint32_t word[4];
};

// Ten rounds over a 128-bit counter with a 64-bit key.
SACCADE_HD inline PhiloxWords philox(uint64_t key, uint64_t counter_low, uint64_t counter_high) {
  uint32_t c0 = static_cast<uint32_t>(counter_low), c1 = static_cast<uint32_t>(counter_low >> 32);
  uint32_t c2 = static_cast<uint32_t>(counter_high), c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The state from which random ops draw. It lives on the device, because it changes from step to step;
// `stream` numbers the random calls inside one step.
struct RandomState {
  uint64_t seed = 0;
  uint64_t step = 0;
};

// Words 4*block .. 4*block+3 of the stream.
SACCADE_HD inline PhiloxWords random_words(const RandomState& state, uint32_t stream, uint64_t block) {
  return philox(state.seed, block, (static_cast<uint64_t>(stream) << 40) ^ state.step);
}

// Uniform in [0, 1) with 24 bits: exact in float, so CPU and CUDA agree bit for bit.
SACCADE_HD inline float uniform_from(uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

// Box-Muller: two standard normals from two words.
SACCADE_HD inline void normal_from(uint32_t a, uint32_t b, float* first, float* second) {
  const float radius = sqrtf(-2.0f * logf((static_cast<float>(a >> 8) + 1.0f) * 0x1p-24f));
  const float angle = 6.28318530717958647692f * uniform_from(b);
  *first = radius * cosf(angle);
  *second = radius * sinf(angle);
}

// A stream on the host, for code that draws numbers one by one (samplers, augmentation, initialization).
class PhiloxStream {
 public:
  explicit PhiloxStream(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  uint32_t next() {
    if (used_ == 4) {
      words_ = philox(seed_, block_++, stream_);
      used_ = 0;
    }
    return words_.word[used_++];
  }
  float uniform() { return uniform_from(next()); }  // [0, 1)
  float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // Uniform integer in [0, bound), bound >= 1, without modulo bias (Lemire's method with rejection).
  uint32_t below(uint32_t bound) {
    uint64_t product = static_cast<uint64_t>(next()) * bound;
    if (static_cast<uint32_t>(product) < bound) {
      const uint32_t threshold = (0u - bound) % bound;
      while (static_cast<uint32_t>(product) < threshold) product = static_cast<uint64_t>(next()) * bound;
    }
    return static_cast<uint32_t>(product >> 32);
  }
  float normal() {
    float first, second;
    const uint32_t a = next();
    normal_from(a, next(), &first, &second);
    return first;
  }
  // values[i] = mean + deviation * N(0, 1), from whole blocks of words, vectorized: networks start from it.
  void fill_normal(float* values, int64_t count, float mean, float deviation);

 private:
  uint64_t seed_, stream_, block_ = 0;
  PhiloxWords words_{};
  int used_ = 4;
};

}  // namespace saccade
