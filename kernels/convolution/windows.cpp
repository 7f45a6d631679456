#include "kernels/convolution/windows.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/common/parallel.h"
#include "kernels/common/per_thread.h"
#include "kernels/convolution/finish_rows.h"
#include "kernels/matmul/panels.h"

namespace saccade::windows {

namespace {

constexpr int64_t kRows = 66;    // of a product that a thread computes at once
constexpr int64_t kDepth = 512;  // of a product, before the next panel has its turn
constexpr int64_t kGathered = int64_t{96}
                              << 10;  // floats of windows at once: they stay in a thread's L2 cache
constexpr int64_t kPacked = 8;        // windows that the weight gradient gathers before it packs them
constexpr int64_t kGap = 16;  // floats between panels, which would else share a few lines of the caches

size_t bytes(int64_t floats) {
  return static_cast<size_t>(floats) * sizeof(float);
}

// Whether the windows are the pixels themselves.
bool are_pixels(const Conv2dShape& d) {
  return d.r == 1 && d.s == 1 && d.stride_h == 1 && d.stride_w == 1 && d.pad_h == 0 && d.pad_w == 0;
}

int64_t window_size(const Conv2dShape& d) {
  return d.r * d.s * d.c;
}

// memcpy for the short runs of windows, without a call.
void copy_run(float* to, const float* from, int64_t count) {
  constexpr int64_t kStep = 8;
  if (count < kStep) {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (int64_t i = 0; i < count - kStep; i += kStep) std::memcpy(to + i, from + i, kStep * sizeof(float));
  std::memcpy(to + count - kStep, from + count - kStep, kStep * sizeof(float));
}

// The columns [begin, end) of `rows` windows from `first` on, into rows of this pitch. The S taps of a row of the
// filter lie side by side in the image.
void gather(const Conv2dShape& d, const float* x, int64_t first, int64_t rows, int64_t begin, int64_t end,
            float* to, int64_t pitch) {
  const int64_t line = d.s * d.c;
  int64_t q = first % d.q(), p = first / d.q() % d.p(), n = first / (d.q() * d.p());
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t left = (q * d.stride_w - d.pad_w) * d.c;  // in floats from the image's left edge
    const bool whole = left >= 0 && left + line <= d.w * d.c;
    float* row = to + i * pitch - begin;
    for (int64_t r = begin / line; r * line < end; ++r) {
      const int64_t from = std::max(begin, r * line), stop = std::min(end, (r + 1) * line);
      const int64_t above = p * d.stride_h - d.pad_h + r, shift = left - r * line;  // from window to image
      if (above < 0 || above >= d.h) {
        std::memset(row + from, 0, bytes(stop - from));
        continue;
      }
      const float* image = x + (n * d.h + above) * d.w * d.c + shift;
      if (whole) {
        copy_run(row + from, image + from, stop - from);
        continue;
      }
      const int64_t inside = std::clamp(-shift, from, stop),
                    outside = std::clamp(d.w * d.c - shift, inside, stop);
      std::memset(row + from, 0, bytes(inside - from));
      std::memcpy(row + inside, image + inside, bytes(outside - inside));
      std::memset(row + outside, 0, bytes(stop - outside));
    }
    if (++q < d.q()) continue;
    q = 0;
    if (++p < d.p()) continue;
    p = 0;
    ++n;
  }
}

// to[row,:] (+)= from[row,:] * panels
void multiply_rows(const Panels& panel, int64_t rows, int64_t depth, int64_t columns, const float* from,
                   const float* packed, bool add, float* to) {
  const int64_t last = panel.count(columns) - 1;
  for (int64_t l = 0; l < depth; l += kDepth)
    for (int64_t number = 0; number <= last; ++number) {
      const float* here = packed + (number * depth + l) * panel.width;
      panel.multiply(rows, std::min(panel.width, columns - number * panel.width), std::min(kDepth, depth - l),
                     from + l, depth, here, number < last ? here + depth * panel.width : nullptr,
                     to + number * panel.width, columns, add || l > 0);
    }
}

// How `rows` rows are cut into blocks, about equally many for each thread.
struct Blocks {
  int64_t rows, size;
  Blocks(const Context& context, int64_t all, int64_t most) : rows(all) {
    const int64_t threads = context.threads(), rounds = (rows + most * threads - 1) / (most * threads);
    size = ((rows + rounds * threads - 1) / (rounds * threads) + 5) / 6 * 6;
  }
  int64_t count() const { return (rows + size - 1) / size; }
  int64_t first(int64_t block) const { return block * size; }
  int64_t rows_of(int64_t block) const { return std::min(size, rows - block * size); }
};

// Rows of gathered windows that a thread has at once.
int64_t most_rows(int64_t window) {
  return std::clamp<int64_t>(kGathered / std::max<int64_t>(window, 1), 12, kRows);
}

// The pixels of x that the same taps reach: those whose row is `row` modulo stride_h, and whose column `column` modulo
// stride_w.
struct PixelKind {
  struct Tap {
    int64_t r, s;
  };
  std::vector<Tap> taps;
  int64_t row, column;
  int64_t rows, columns;  // of such pixels in an image

  PixelKind(const Conv2dShape& d, int64_t i, int64_t j)
      : row(i),
        column(j),
        rows((d.h - i + d.stride_h - 1) / d.stride_h),
        columns((d.w - j + d.stride_w - 1) / d.stride_w) {
    for (int64_t r = (i + d.pad_h) % d.stride_h; r < d.r; r += d.stride_h)
      for (int64_t s = (j + d.pad_w) % d.stride_w; s < d.s; s += d.stride_w) taps.push_back({r, s});
  }
  int64_t depth(const Conv2dShape& d) const { return static_cast<int64_t>(taps.size()) * d.k; }
};

// w of the taps of a kind as panels of the matrix [taps K, C].
void pack_taps(Context& context, const Conv2dShape& d, const PixelKind& kind, const float* w, float* packed) {
  const Panels& panel = panels(context.vectors);
  const int64_t taps = static_cast<int64_t>(kind.taps.size()), stride = kind.depth(d) * panel.width;
  parallel_for(context, taps * d.k, 65536 / d.c + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const PixelKind::Tap& tap = kind.taps[static_cast<size_t>(i / d.k)];
      panel.pack(1, d.c, w + ((i % d.k * d.r + tap.r) * d.s + tap.s) * d.c, d.c, packed + i * panel.width,
                 stride);
    }
  });
}

// The gradients grad_y [taps, K] that reach pixel (n, i, j), 0 from beyond the edge.
void gather_gradients(const Conv2dShape& d, const PixelKind& kind, const float* grad_y, int64_t n, int64_t i,
                      int64_t j, float* to) {
  for (const PixelKind::Tap& tap : kind.taps) {
    const int64_t above = i + d.pad_h - tap.r, before = j + d.pad_w - tap.s, p = above / d.stride_h,
                  q = before / d.stride_w;
    if (above >= 0 && p < d.p() && before >= 0 && q < d.q())
      std::memcpy(to, grad_y + ((n * d.p() + p) * d.q() + q) * d.k, bytes(d.k));
    else
      std::memset(to, 0, bytes(d.k));
    to += d.k;
  }
}

void backward_data_of(Context& context, const Conv2dShape& d, const PixelKind& kind, const float* grad_y,
                      const float* w, bool add, float* grad_x) {
  const Panels& panel = panels(context.vectors);
  const int64_t depth = kind.depth(d), in_image = kind.rows * kind.columns;
  const bool direct = are_pixels(d);
  const Context::Scratch packed(context, bytes(panel.count(d.c) * depth * panel.width));
  pack_taps(context, d, kind, w, packed.as<float>());
  const Blocks blocks(context, d.n * in_image, direct ? kRows : most_rows(depth));
  PerThread memory(context, direct ? 0 : bytes(blocks.size * (depth + d.c)), blocks.count());
  parallel_for(context, blocks.count(), 1, [&](int64_t begin, int64_t end) {
    const PerThread::Block own(memory);
    float *gathered = own.as<float>(), *results = gathered + blocks.size * depth;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = blocks.first(block), rows = blocks.rows_of(block);
      if (direct) {
        multiply_rows(panel, rows, depth, d.c, grad_y + first * d.k, packed.as<float>(), add,
                      grad_x + first * d.c);
        continue;
      }
      const auto each = [&](auto&& visit) {
        for (int64_t row = 0; row < rows; ++row) {
          const int64_t at = (first + row) % in_image;
          visit(row, (first + row) / in_image, kind.row + at / kind.columns * d.stride_h,
                kind.column + at % kind.columns * d.stride_w);
        }
      };
      if (depth == 0) std::memset(results, 0, bytes(rows * d.c));
      each([&](int64_t row, int64_t n, int64_t i, int64_t j) {
        gather_gradients(d, kind, grad_y, n, i, j, gathered + row * depth);
      });
      multiply_rows(panel, rows, depth, d.c, gathered, packed.as<float>(), false, results);
      each([&](int64_t row, int64_t n, int64_t i, int64_t j) {
        const float* from = results + row * d.c;
        float* to = grad_x + ((n * d.h + i) * d.w + j) * d.c;
        for (int64_t c = 0; c < d.c; ++c) to[c] = add ? to[c] + from[c] : from[c];
      });
    }
  });
}

}  // namespace

int64_t weights_count(const Context& context, const Conv2dShape& d) {
  const Panels& panel = panels(context.vectors);
  return panel.count(d.k) * window_size(d) * panel.width;
}

void pack_weights(Context& context, const Conv2dShape& d, const float* w, float* packed) {
  const Panels& panel = panels(context.vectors);
  const int64_t depth = window_size(d), grain = 65536 / std::max<int64_t>(depth * panel.width, 1) + 1;
  parallel_for(context, panel.count(d.k), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      panel.pack_transposed(depth, std::min(panel.width, d.k - i * panel.width), w + i * panel.width * depth,
                            depth, packed + i * depth * panel.width);
  });
}

void forward(Context& context, const Conv2dShape& d, const float* x, const float* packed,
             const Finish& finish, float* y) {
  const Panels& panel = panels(context.vectors);
  const bool direct = are_pixels(d);
  const int64_t depth = window_size(d);
  const Blocks blocks(context, d.n * d.p() * d.q(), direct ? kRows : most_rows(depth));
  PerThread memory(context, direct ? 0 : bytes(blocks.size * depth), blocks.count());
  FinishRows rest(context, finish, d.k, blocks.count());
  rest.for_blocks([&](int64_t begin, int64_t end, auto&& finished) {
    const PerThread::Block own(memory);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = blocks.first(block), rows = blocks.rows_of(block);
      if (!direct && depth > 0) gather(d, x, first, rows, 0, depth, own.as<float>(), depth);
      float* to = y + first * d.k;
      if (depth == 0) std::memset(to, 0, bytes(rows * d.k));
      multiply_rows(panel, rows, depth, d.k, direct ? x + first * d.c : own.as<float>(), packed, false, to);
      finished(first, rows, to);
    }
  });
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w, bool add,
                   float* grad_x) {
  for (int64_t i = 0; i < std::min(d.stride_h, d.h); ++i)
    for (int64_t j = 0; j < std::min(d.stride_w, d.w); ++j)
      backward_data_of(context, d, PixelKind(d, i, j), grad_y, w, add, grad_x);
}

// Each thread has some panels of the wider side and all of the other one. It packs a slab of pixels of both, so that
// the inner loop reads them in order, and adds their product.
void backward_weight(Context& context, const Conv2dShape& d, const float* x, const float* grad_y,
                     float* grad_w) {
  const Panels& panel = panels(context.vectors);
  const bool direct = are_pixels(d);
  const int64_t rows = d.n * d.p() * d.q(), columns = window_size(d),
                slab = columns + d.k <= 1024 ? 256 : 128;
  const int64_t stride = slab * panel.width + kGap;
  const int64_t panels_x = panel.count(columns), panels_k = panel.count(d.k),
                longest = std::max(panels_x, panels_k);
  const int64_t gathered_floats = direct ? 0 : kPacked * panels_x * panel.width;
  PerThread memory(context, bytes((panels_x + panels_k) * stride + gathered_floats), longest);
  const auto work = [&](int64_t x_begin, int64_t x_end, int64_t k_begin, int64_t k_end) {
    const PerThread::Block own(memory);
    float *right = own.as<float>(), *left = right + (x_end - x_begin) * stride,
          *gathered = left + (k_end - k_begin) * stride;
    const int64_t c = x_begin * panel.width, c_count = std::min(columns, x_end * panel.width) - c;
    const int64_t k = k_begin * panel.width, k_count = std::min(d.k, k_end * panel.width) - k;
    for (int64_t first = 0; first < rows; first += slab) {
      const int64_t count = std::min(slab, rows - first);
      if (direct) {
        panel.pack(count, c_count, x + first * d.c + c, d.c, right, stride);
      } else {
        for (int64_t row = 0; row < count; row += kPacked) {
          const int64_t now = std::min(kPacked, count - row);
          gather(d, x, first + row, now, c, c + c_count, gathered, c_count);
          panel.pack(now, c_count, gathered, c_count, right + row * panel.width, stride);
        }
      }
      panel.pack(count, k_count, grad_y + first * d.k + k, d.k, left, stride);
      for (int64_t i = 0; i < x_end - x_begin; ++i)
        for (int64_t j = 0; j < k_end - k_begin; ++j)
          panel.multiply_transposed(
              std::min(panel.width, k_count - j * panel.width),
              std::min(panel.width, c_count - i * panel.width), count, left + j * stride, right + i * stride,
              grad_w + (k + j * panel.width) * columns + c + i * panel.width, columns, first > 0);
    }
  };
  const int64_t grain = (longest + context.threads() - 1) / context.threads();
  parallel_for(context, longest, grain, [&](int64_t begin, int64_t end) {
    if (panels_x >= panels_k)
      work(begin, end, 0, panels_k);
    else
      work(0, panels_x, begin, end);
  });
}

}  // namespace saccade::windows
