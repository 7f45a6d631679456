// A function marked SACCADE_HD runs on the host and in CUDA kernels.
#pragma once

#ifdef __CUDACC__
#define SACCADE_HD __host__ __device__
#else
#define SACCADE_HD
#endif
