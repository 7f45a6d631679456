#include "kernels/convolution/pointwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/common/parallel.h"
#include "kernels/common/per_thread.h"
#include "kernels/matmul/panels.h"

namespace saccade::pointwise {

namespace {

constexpr int64_t kRows =
    48;  // pixels that a thread takes at once: they and their results stay in its L2 cache
constexpr int64_t kDepth = 512;  // of a product, before the next panel has its turn
constexpr int64_t kGap = 16;     // floats between panels, which would else share a few lines of the caches

size_t bytes(int64_t floats) {
  return static_cast<size_t>(floats) * sizeof(float);
}

bool strides(const Conv2dShape& d) {
  return d.stride_h != 1 || d.stride_w != 1;
}

// Calls visit(first pixel of x, pixels, done) for runs of pixels of y in [begin, end) whose pixels in x lie stride_w
// apart; `done` of them came before.
template <class Visit>
void for_runs(const Conv2dShape& d, int64_t begin, int64_t end, Visit&& visit) {
  if (!strides(d)) return visit(begin, end - begin, int64_t{0});
  for (int64_t at = begin; at < end;) {
    const int64_t q = at % d.q(), row = at / d.q(), count = std::min(end - at, d.q() - q);
    visit(((row / d.p()) * d.h + row % d.p() * d.stride_h) * d.w + q * d.stride_w, count, at - begin);
    at += count;
  }
}

// to[row,:] = from[row,:] * panels, for `rows` rows.
void multiply_rows(const Panels& panel, int64_t rows, int64_t depth, int64_t columns, const float* from,
                   const float* packed, float* to) {
  for (int64_t l = 0; l < depth; l += kDepth)
    for (int64_t number = 0; number < panel.count(columns); ++number)
      panel.multiply(rows, std::min(panel.width, columns - number * panel.width), std::min(kDepth, depth - l),
                     from + l, depth, packed + (number * depth + l) * panel.width, to + number * panel.width,
                     columns, l > 0);
}

// Calls body(first row, rows, floats of the thread's own) for blocks of rows, about equally many for each thread.
template <class Body>
void by_rows(Context& context, int64_t rows, int64_t own_floats_a_row, Body&& body) {
  const int64_t threads = context.threads(), rounds = (rows + kRows * threads - 1) / (kRows * threads);
  const int64_t block = ((rows + rounds * threads - 1) / (rounds * threads) + 5) / 6 * 6;
  const int64_t blocks = (rows + block - 1) / block;
  PerThread memory(context, bytes(own_floats_a_row * block), blocks);
  parallel_for(context, blocks, 1, [&](int64_t begin, int64_t end) {
    const PerThread::Block own(memory);
    for (int64_t i = begin; i < end; ++i) body(i * block, std::min(block, rows - i * block), own.as<float>());
  });
}

}  // namespace

bool takes(const Conv2dShape& d) {
  return d.r == 1 && d.s == 1 && d.pad_h == 0 && d.pad_w == 0;
}

int64_t weights_count(const Context& context, const Conv2dShape& d) {
  const Panels& panel = panels(context.vectors);
  return panel.count(d.k) * d.c * panel.width;
}

void pack_weights(Context& context, const Conv2dShape& d, const float* w, float* packed) {
  const Panels& panel = panels(context.vectors);
  const int64_t grain = 65536 / (d.c * panel.width) + 1;
  parallel_for(context, panel.count(d.k), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      panel.pack_transposed(d.c, std::min(panel.width, d.k - i * panel.width), w + i * panel.width * d.c, d.c,
                            packed + i * d.c * panel.width);
  });
}

void forward(Context& context, const Conv2dShape& d, const float* x, const float* packed, const float* b,
             float* y) {
  const Panels& panel = panels(context.vectors);
  const bool gather = strides(d);
  by_rows(context, d.n * d.p() * d.q(), gather ? d.c : 0, [&](int64_t first, int64_t rows, float* own) {
    const float* from = gather ? own : x + first * d.c;
    if (gather)
      for_runs(d, first, first + rows, [&](int64_t pixel, int64_t count, int64_t done) {
        for (int64_t i = 0; i < count; ++i)
          std::memcpy(own + (done + i) * d.c, x + (pixel + i * d.stride_w) * d.c, bytes(d.c));
      });
    multiply_rows(panel, rows, d.c, d.k, from, packed, y + first * d.k);
    if (b)
      for (int64_t row = first; row < first + rows; ++row)
        for (int64_t k = 0; k < d.k; ++k) y[row * d.k + k] += b[k];
  });
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w,
                   float* grad_x) {
  const Panels& panel = panels(context.vectors);
  const int64_t size = d.k * panel.width;
  const Context::Scratch packed(context, bytes(panel.count(d.c) * size));
  parallel_for(context, d.k, 65536 / d.c + 1, [&](int64_t begin, int64_t end) {
    panel.pack(end - begin, d.c, w + begin * d.c, d.c, packed.as<float>() + begin * panel.width, size);
  });
  const bool scatter = strides(d);
  if (scatter)
    parallel_for(context, d.x_count(), 65536,
                 [&](int64_t begin, int64_t end) { std::memset(grad_x + begin, 0, bytes(end - begin)); });
  by_rows(context, d.n * d.p() * d.q(), scatter ? d.c : 0, [&](int64_t first, int64_t rows, float* own) {
    multiply_rows(panel, rows, d.k, d.c, grad_y + first * d.k, packed.as<float>(),
                  scatter ? own : grad_x + first * d.c);
    if (scatter)
      for_runs(d, first, first + rows, [&](int64_t pixel, int64_t count, int64_t done) {
        for (int64_t i = 0; i < count; ++i)
          std::memcpy(grad_x + (pixel + i * d.stride_w) * d.c, own + (done + i) * d.c, bytes(d.c));
      });
  });
}

// Each thread has some panels of the wider side and all of the other one. It packs a slab of pixels of both, so that
// the inner loop reads them in order, and adds their product.
void backward_weight(Context& context, const Conv2dShape& d, const float* x, const float* grad_y,
                     float* grad_w) {
  const Panels& panel = panels(context.vectors);
  const int64_t rows = d.n * d.p() * d.q(), slab = d.c + d.k <= 1024 ? 256 : 128,
                stride = slab * panel.width + kGap;
  const int64_t panels_c = panel.count(d.c), panels_k = panel.count(d.k),
                longest = std::max(panels_c, panels_k);
  PerThread memory(context, bytes((panels_c + panels_k) * stride), longest);
  const auto work = [&](int64_t c_begin, int64_t c_end, int64_t k_begin, int64_t k_end) {
    const PerThread::Block own(memory);
    float *right = own.as<float>(), *left = right + (c_end - c_begin) * stride;
    const int64_t c = c_begin * panel.width, c_count = std::min(d.c, c_end * panel.width) - c;
    const int64_t k = k_begin * panel.width, k_count = std::min(d.k, k_end * panel.width) - k;
    for (int64_t first = 0; first < rows; first += slab) {
      const int64_t count = std::min(slab, rows - first);
      for_runs(d, first, first + count, [&](int64_t pixel, int64_t pixels, int64_t done) {
        panel.pack(pixels, c_count, x + pixel * d.c + c, d.stride_w * d.c, right + done * panel.width,
                   stride);
      });
      panel.pack(count, k_count, grad_y + first * d.k + k, d.k, left, stride);
      for (int64_t i = 0; i < c_end - c_begin; ++i)
        for (int64_t j = 0; j < k_end - k_begin; ++j)
          panel.multiply_transposed(
              std::min(panel.width, k_count - j * panel.width),
              std::min(panel.width, c_count - i * panel.width), count, left + j * stride, right + i * stride,
              grad_w + (k + j * panel.width) * d.c + c + i * panel.width, d.c, first > 0);
    }
  };
  const int64_t grain = (longest + context.threads() - 1) / context.threads();
  parallel_for(context, longest, grain, [&](int64_t begin, int64_t end) {
    if (panels_c >= panels_k)
      work(begin, end, 0, panels_k);
    else
      work(0, panels_c, begin, end);
  });
}

}  // namespace saccade::pointwise
