// Starts the matrix products of tiled_product.h and tensor_product.h, for matrices and convolutions alike.
#pragma once

#include <algorithm>

#include "kernels/matmul/tensor_product.h"
#include "kernels/matmul/tiled_product.h"

namespace saccade {
inline namespace SACCADE_TARGET {

constexpr int64_t kSizeLimit = (int64_t{1} << 31) - 256;  // of m, n and k: a tile may reach past the edge
constexpr int64_t kBlocks = 512;                          // k is cut until a launch has as many
constexpr int64_t kShortestPart = 512;

// How k is cut: into `count` parts of `length`, of which the last may be shorter.
struct Parts {
  unsigned count;
  uint32_t length;

  // step: k is cut at multiples of it.
  Parts(int64_t tiles, int64_t k, int64_t step) {
    const int64_t wanted =
        std::max<int64_t>(1, std::min(kBlocks / std::max<int64_t>(tiles, 1), k / kShortestPart));
    const int64_t whole = (k + wanted - 1) / wanted;
    length = static_cast<uint32_t>(std::max<int64_t>(1, (whole + step - 1) / step) * step);
    count = std::max(1u, blocks_for(k, length));
  }
};

// What a block covers: rows and columns of C, and how much of k it brings at a time.
struct TileShape {
  int64_t rows, columns, depth;
};

// An empty k gives the epilogue of sums that are zero. `finish` is the epilogue of the sums over all parts,
// where k is cut.
template <class A, class B, class T, class Rows, class Finish>
void launch_tiles(Context& context, void (*kernel)(uint32_t, uint32_t, A, B, Epilogue<T, Rows>),
                  const TileShape& tile, int64_t m, int64_t n, int64_t k, const A& a, const B& b,
                  const Epilogue<T, Rows>& epilogue, const Epilogue<Finish, Rows>& finish) {
  check(m < kSizeLimit && n < kSizeLimit && k < kSizeLimit, "a matrix product of ", m, " x ", n, " x ", k,
        " is beyond 32-bit indices");
  if (m == 0 || n == 0) return;
  const unsigned rows = blocks_for(m, tile.rows), columns = blocks_for(n, tile.columns);
  check(columns < 65536, "a matrix product with ", n, " columns is too large for one launch");
  const Parts parts(static_cast<int64_t>(rows) * columns, k, tile.depth);
  const auto run = [&](const Epilogue<T, Rows>& out) {
    launch(kernel, {rows, columns, parts.count}, kTileThreads, 0, context.stream(), k, parts.length, a, b,
           out);
  };
  if (parts.count == 1) return run(epilogue);
  const Context::Scratch scratch(context, static_cast<size_t>(parts.count) * m * n * sizeof(float));
  Epilogue<T, Rows> partial = epilogue;
  partial.parts = scratch.as<float>();
  run(partial);
  const auto add = [&]<int V>() {
    launch(finish_product<V, Finish, Rows>, blocks_for(m * n, kWarp * V), dim3(kWarp, kFinishGroups), 0,
           context.stream(), parts.count, m * n, scratch.as<float>(), finish);
  };
  n % kSide == 0 ? add.template operator()<kSide>() : add.template operator()<1>();
}

// bf16 goes to the tensor cores unless the context asks for the plain kernels.
template <class A, class B, class T, class Rows>
void launch_product(Context& context, int64_t m, int64_t n, int64_t k, const A& a, const B& b,
                    const Epilogue<T, Rows>& epilogue) {
  if constexpr (std::is_same_v<T, bf16>)
    if (context.kernels != Kernels::plain)
      return launch_tiles(context, tensor_product<A, B, Rows>, {kTensorRows, kTensorColumns, kTensorDepth}, m,
                          n, k, a, b, epilogue, epilogue);
  launch_tiles(context, tiled_product<A, B, T, Rows>, {kTile, kTile, 4 * kPack<T>}, m, n, k, a, b, epilogue,
               epilogue);
}

template <class T, class Rows = EveryRow>
Epilogue<T, Rows> epilogue_of(int64_t m, int64_t n, const T* bias, T* c, bool relu = false,
                              bool accumulate = false, const Rows& rows = {}) {
  const bool vectorized = n % kSide == 0 && aligned(c, kSide * sizeof(T));
  return {c, bias, static_cast<uint32_t>(m), static_cast<uint32_t>(n), relu, accumulate, vectorized, rows};
}

// c [m,n] = the product of bf16 operands in f32, on the tensor cores. c, which must be 16-byte aligned,
// takes the place of the buffer that the sums of a part go to.
template <class A, class B>
void launch_sums(Context& context, int64_t m, int64_t n, int64_t k, const A& a, const B& b, float* c) {
  Epilogue<bf16> sums = epilogue_of<bf16>(m, n, nullptr, nullptr);
  sums.parts = c;
  launch_tiles(context, tensor_product<A, B, EveryRow>, {kTensorRows, kTensorColumns, kTensorDepth}, m, n, k,
               a, b, sums, epilogue_of<float>(m, n, nullptr, c));
}

// Calls run.operator()<vectorized>(), with `vectorized` as a constant.
template <class Run>
void with_vectorized(bool vectorized, Run&& run) {
  vectorized ? run.template operator()<true>() : run.template operator()<false>();
}

// Calls run.operator()<a_along_k, b_along_k>(); tiled_product.h says what along_k means.
template <class Run>
void with_orders(bool transpose_a, bool transpose_b, Run&& run) {
  if (transpose_a)
    transpose_b ? run.template operator()<false, true>() : run.template operator()<false, false>();
  else
    transpose_b ? run.template operator()<true, true>() : run.template operator()<true, false>();
}

}  // namespace SACCADE_TARGET
}  // namespace saccade
