// Kernels that are wrong on purpose, one fault each, which the checkers must see in every run. With `fault`
// false each is right, and the checkers must see nothing.
#pragma once

#include <cstdint>

namespace saccade::faults {

// Races. out[i] = in[n - 1 - i] by one block of n threads.
void reverse_without_barrier(const int* in, int* out, unsigned n, bool fault);
// A warp reads what another wrote, with a __syncwarp and no __syncthreads between them.
void cross_warp_read(const int* in, int* out, bool fault);
// A shuffle between the write and the read of another lane: it exchanges values and orders nothing.
void shuffle_as_barrier(const int* in, int* out, bool fault);
// A block of 1024 threads overwrites what some of them may still be reading, since all have passed the only barrier.
void second_turn(const int* in, int* out, bool fault);
// Each block writes out[block]; with the fault all write out[0].
void blocks_write_one_cell(int* out, unsigned blocks, bool fault);

// Memory. Each writes n elements of out.
void store_past_the_end(float* out, unsigned n, bool fault);
void shared_past_the_end(float* out, unsigned n, bool fault);          // static shared memory
void dynamic_shared_past_the_end(float* out, unsigned n, bool fault);  // n <= 1024 threads, one block
void registers_past_the_end(float* out, unsigned n, bool fault);       // an array of one thread
void leave_one_unwritten(float* out, unsigned n, bool fault);
void read_shared_unwritten(float* out, unsigned n, bool fault);
void skip_a_barrier(float* out, unsigned n, bool fault);

// Right, but used by no kernel of the engine: block_reduce is called again at once, as its contract allows.
// For 64 elements, out[i] is three times their sum.
void reduce_twice(const float* in, float* out);

// Traffic. out = in, coalesced or with neighbors `stride` elements apart; n a multiple of 32 * stride.
void copy_strided(const float* in, float* out, unsigned n, unsigned stride);
// A warp reads a column of a 32x32 tile of shared memory whose rows are `pitch` words apart: 32 or 33.
void read_column(const float* in, float* out, bool padded);

}  // namespace saccade::faults
