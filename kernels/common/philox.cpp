#include "kernels/common/philox.h"

#include <algorithm>

#include "kernels/common/vector_math.h"

namespace saccade {

namespace {

constexpr int64_t kBlocks = 64;  // blocks of four words that normal_blocks() draws at once

// sin and cos of 2 pi t for t in [0, 1), each within 2 ulp of 1: whole quarter turns are subtracted exactly.
inline void sin_cos_turns(float t, float* sine, float* cosine) {
  const float quarter = detail::round_to_whole(t * 4.0f);
  const float x = (t - quarter * 0.25f) * 6.28318530717958647692f, z = x * x;  // |x| <= pi / 4
  float p = 1.0f / 362880;
  p = p * z - 1.0f / 5040;
  p = p * z + 1.0f / 120;
  p = p * z - 1.0f / 6;
  const float s = x + x * z * p;
  p = 1.0f / 40320;
  p = p * z - 1.0f / 720;
  p = p * z + 1.0f / 24;
  p = p * z - 0.5f;
  const float c = 1.0f + z * p;
  const int k = static_cast<int>(quarter);
  const float swapped_s = k & 1 ? c : s, swapped_c = k & 1 ? s : c;
  *sine = k & 2 ? -swapped_s : swapped_s;
  *cosine = (k + 1) & 2 ? -swapped_c : swapped_c;
}

// Box-Muller over kBlocks blocks of words: normals[4 * i + h] from block first + i.
void normal_blocks(uint64_t seed, uint64_t stream, uint64_t first, float mean, float deviation,
                   float* normals) {
  uint32_t words[4][kBlocks];
  float columns[4][kBlocks];
#pragma omp simd
  for (int64_t i = 0; i < kBlocks; ++i) {
    const PhiloxWords block = philox(seed, first + static_cast<uint64_t>(i), stream);
    for (int h = 0; h < 4; ++h) words[h][i] = block.word[h];
  }
#pragma omp simd
  for (int64_t i = 0; i < kBlocks; ++i)
    for (int h = 0; h < 4; h += 2) {
      const float u = (static_cast<float>(words[h][i] >> 8) + 1.0f) * 0x1p-24f;  // (0, 1]
      const float radius = deviation * std::sqrt(-2.0f * log_vector(u));
      float sine, cosine;
      sin_cos_turns(uniform_from(words[h + 1][i]), &sine, &cosine);
      columns[h][i] = mean + radius * cosine;
      columns[h + 1][i] = mean + radius * sine;
    }
  for (int64_t i = 0; i < kBlocks; ++i)
    for (int h = 0; h < 4; ++h) normals[4 * i + h] = columns[h][i];
}

}  // namespace

void PhiloxStream::fill_normal(float* values, int64_t count, float mean, float deviation) {
  constexpr int64_t batch = 4 * kBlocks;
  float last[batch];
  for (int64_t done = 0; done < count; done += batch, block_ += kBlocks) {
    const int64_t left = std::min(batch, count - done);
    normal_blocks(seed_, stream_, block_, mean, deviation, left == batch ? values + done : last);
    if (left < batch) std::copy(last, last + left, values + done);
  }
  used_ = 4;  // the next word starts a new block
}

}  // namespace saccade
