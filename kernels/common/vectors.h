// Which vector instructions the CPU kernels that are written for them use. Such a kernel is one source,
// `<kernel>.vectors.cpp`, compiled once for each of these, in a namespace of that name; which of them runs is chosen
// at run time, so a program built for any x86-64 uses what its processor has.
#pragma once

#include <cstdint>

namespace saccade {

// f32 lanes: portable 4, avx2 (with FMA, x86-64-v3) 8, avx512 (x86-64-v4) 16.
enum class Vectors : uint8_t { portable, avx2, avx512 };

const char* name_of(Vectors vectors);

// The most that this program was compiled with and this processor runs.
Vectors best_vectors();

}  // namespace saccade
