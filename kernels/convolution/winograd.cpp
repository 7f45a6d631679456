#include "kernels/convolution/winograd.h"

#include <algorithm>
#include <cstring>

#include "kernels/common/parallel.h"
#include "kernels/common/per_thread.h"
#include "kernels/convolution/finish_rows.h"
#include "kernels/convolution/winograd.vectors.h"
#include "kernels/matmul/panels.h"

namespace saccade {

namespace portable {
extern const winograd::Transforms winograd_transforms;
}
namespace avx2 {
extern const winograd::Transforms winograd_transforms;
}
namespace avx512 {
extern const winograd::Transforms winograd_transforms;
}

namespace winograd {

const Transforms& transforms(Vectors vectors) {
#ifdef SACCADE_X86_VECTORS
  if (vectors == Vectors::avx512) return avx512::winograd_transforms;
  if (vectors == Vectors::avx2) return avx2::winograd_transforms;
#endif
  (void)vectors;
  return portable::winograd_transforms;
}

namespace {

// Floats between rows and positions: at pitches of a power of two all of them would share a few lines of the caches.
constexpr int64_t kGap = 16;

// Pieces that a thread takes through all three steps at once: what it holds of them stays in its L2 cache.
constexpr int64_t kBlock = 24;
// More of them where the transformed weights are as large as L3, as each block reads all of them.
constexpr int64_t kDeepBlock = 66, kDeepCount = int64_t{3} << 20;
// So few pieces of 4x4 pixels are faster as four times as many of 2x2 where the weights come from memory: for two of
// them and a pair of channels 64 bytes are read instead of 144, for 128 multiplications instead of 72.
constexpr int64_t kFewPieces = 2, kManyPairs = 128 * 128;
// With at most so many pieces gradients are faster by windows.
constexpr int64_t kTooFewPieces = 4;
// Pieces that the weight gradient holds at once, by the floats that they take: those stay in L3.
constexpr int64_t kSlabCount = int64_t{2} << 20;

// One convolution of this form: y from x, or the gradient of x from that of y, with turned filters.
struct Pass {
  const Form& form;
  Pieces in, out;
  int64_t pad_h, pad_w;
};

Pieces pieces(const Form& form, int64_t n, int64_t out_h, int64_t out_w, int64_t h, int64_t w,
              int64_t channels) {
  return {n, (out_h + form.out - 1) / form.out, (out_w + form.out - 1) / form.out, h, w, channels};
}

Pass forward_pass(const Form& form, const Conv2dShape& d) {
  return {form, pieces(form, d.n, d.p(), d.q(), d.h, d.w, d.c),
          pieces(form, d.n, d.p(), d.q(), d.p(), d.q(), d.k), d.pad_h, d.pad_w};
}

Pass data_pass(const Form& form, const Conv2dShape& d) {
  return {form, pieces(form, d.n, d.h, d.w, d.p(), d.q(), d.k), pieces(form, d.n, d.h, d.w, d.h, d.w, d.c),
          d.r - 1 - d.pad_h, d.s - 1 - d.pad_w};
}

// Pieces of 4x4 pixels of y.
int64_t pieces_of_y(const Conv2dShape& d) {
  return d.n * ((d.p() + kOut - 1) / kOut) * ((d.q() + kOut - 1) / kOut);
}

// The form in which y is made.
const Form& form_of(const Context& context, const Conv2dShape& d) {
  const Transforms& transform = transforms(context.vectors);
  return pieces_of_y(d) <= kFewPieces && d.c * d.k >= kManyPairs ? transform.small : transform.large;
}

size_t bytes(int64_t floats) {
  return static_cast<size_t>(floats) * sizeof(float);
}

// The floats of the transformed weights of a convolution from `in` to `out` channels: [position][panel][in][width].
int64_t weights_count(const Panels& panel, int64_t in, int64_t out) {
  return kPositions * panel.count(out) * in * panel.width;
}

// What the three steps of a pass share.
class Steps {
 public:
  // `block` pieces at most at once.
  Steps(const Context& context, const Pass& pass, int64_t block)
      : panel_(panels(context.vectors)), pass_(pass) {
    const int64_t pitch_v = pass.in.channels + kGap,
                  pitch_m = panel_.count(pass.out.channels) * panel_.width + kGap;
    v_ = {block * pitch_v + kGap, panel_.width, pitch_v};
    m_ = {block * pitch_m + kGap, panel_.width, pitch_m};
  }

  int64_t v_count() const { return pass_.form.positions() * v_.position; }
  int64_t m_count() const { return pass_.form.positions() * m_.position; }

  // The pieces [first, first + count) of x, in rows.
  void transform_input(const float* x, int64_t first, int64_t count, const float* zeros, float* v) const {
    pass_.form.input(pass_.in, x, pass_.pad_h, pass_.pad_w, first, count, zeros, v, v_);
  }
  // The product at one position with one panel of the weights, while the next panel, or the next position's first one,
  // comes from memory.
  void multiply(int64_t position, int64_t number, int64_t count, const float* v, const float* weights,
                float* m) const {
    const int64_t depth = pass_.in.channels, size = depth * panel_.width, numbers = panels_of_weights();
    const auto panel_at = [&](int64_t p, int64_t i) {
      return weights + (pass_.form.of_weights(p) * numbers + i) * size;
    };
    const float* next = nullptr;
    if (number + 1 < numbers)
      next = panel_at(position, number + 1);
    else if (position + 1 < pass_.form.positions())
      next = panel_at(position + 1, 0);
    panel_.multiply(count, panel_.width, depth, v + position * v_.position, v_.pitch,
                    panel_at(position, number), next, m + position * m_.position + number * panel_.width,
                    m_.pitch, false);
  }
  // The pieces of y, which `finished` then hears of line by line.
  template <class Finished>
  void transform_output(const float* m, int64_t first, int64_t count, bool add, float* beyond, float* y,
                        Finished&& finished) const {
    pass_.form.output(pass_.out, m, m_, first, count, add, beyond, y);
    const Pieces& out = pass_.out;
    const int64_t size = pass_.form.out;
    for (int64_t i = first; i < first + count; ++i) {
      const int64_t column = i % out.columns * size, row = i / out.columns % out.rows * size;
      for (int64_t line = row; line < std::min(row + size, out.h); ++line) {
        const int64_t pixel = (i / (out.rows * out.columns) * out.h + line) * out.w + column;
        finished(pixel, std::min(size, out.w - column), y + pixel * out.channels);
      }
    }
  }
  int64_t v_pitch() const { return v_.pitch; }
  int64_t m_pitch() const { return m_.pitch; }
  int64_t panels_of_weights() const { return panel_.count(pass_.out.channels); }

 private:
  const Panels& panel_;
  const Pass& pass_;
  Layout v_, m_;
};

// Each thread takes blocks of pieces from x to y.
void by_blocks(Context& context, const Pass& pass, int64_t block, const float* x, const float* weights,
               bool add, const Finish& finish, const float* zeros, float* y) {
  const int64_t count = pass.out.count(), blocks = (count + block - 1) / block;
  const Steps steps(context, pass, block);
  PerThread memory(context, bytes(steps.v_count() + steps.m_count() + pass.out.channels), blocks);
  FinishRows rest(context, finish, pass.out.channels, blocks);
  rest.for_blocks([&](int64_t begin, int64_t end, auto&& finished) {
    const PerThread::Block own(memory);
    float *v = own.as<float>(), *m = v + steps.v_count(), *beyond = m + steps.m_count();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * block, now = std::min(block, count - first);
      steps.transform_input(x, first, now, zeros, v);
      for (int64_t position = 0; position < pass.form.positions(); ++position)
        for (int64_t number = 0; number < steps.panels_of_weights(); ++number)
          steps.multiply(position, number, now, v, weights, m);
      steps.transform_output(m, first, now, add, beyond, y, finished);
    }
  });
}

// All threads take one step after the other, each of them some of the products: for few pieces and many channels.
void by_steps(Context& context, const Pass& pass, const float* x, const float* weights, bool add,
              const Finish& finish, const float* zeros, float* y) {
  const int64_t count = pass.out.count();
  const Steps steps(context, pass, count);
  const Context::Scratch scratch(context, bytes(steps.v_count() + steps.m_count()));
  float *v = scratch.as<float>(), *m = v + steps.v_count();
  parallel_for(context, count, 1, [&](int64_t begin, int64_t end) {
    steps.transform_input(x, begin, end - begin, zeros, v + begin * steps.v_pitch());
  });
  const int64_t numbers = steps.panels_of_weights();
  parallel_for(context, pass.form.positions() * numbers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) steps.multiply(i / numbers, i % numbers, count, v, weights, m);
  });
  PerThread beyond(context, bytes(pass.out.channels), count);
  FinishRows rest(context, finish, pass.out.channels, count);
  rest.for_blocks([&](int64_t begin, int64_t end, auto&& finished) {
    const PerThread::Block own(beyond);
    steps.transform_output(m + begin * steps.m_pitch(), begin, end - begin, add, own.as<float>(), y,
                           finished);
  });
}

void convolve(Context& context, const Pass& pass, const float* x, const float* weights, bool add,
              const Finish& finish, float* y) {
  const int64_t count = pass.out.count(), threads = context.threads();
  const Context::Scratch zeros(context, bytes(pass.in.channels));
  std::memset(zeros.as<float>(), 0, bytes(pass.in.channels));
  if (count < kBlock * threads) return by_steps(context, pass, x, weights, add, finish, zeros.as<float>(), y);
  int64_t block = kBlock;
  if (weights_count(panels(context.vectors), pass.in.channels, pass.out.channels) > kDeepCount) {
    const int64_t rounds = (count + kDeepBlock * threads - 1) / (kDeepBlock * threads);
    block = (count + rounds * threads - 1) / (rounds * threads);
  }
  by_blocks(context, pass, block, x, weights, add, finish, zeros.as<float>(), y);
}

}  // namespace

bool takes(const Conv2dShape& d) {
  return d.r == 3 && d.s == 3 && d.stride_h == 1 && d.stride_w == 1 && d.pad_h <= 2 && d.pad_w <= 2 &&
         d.c >= 16 && d.k >= 16;
}

bool takes_gradients(const Conv2dShape& d) {
  return takes(d) && pieces_of_y(d) > kTooFewPieces;
}

int64_t weights_count(const Context& context, const Conv2dShape& d) {
  return weights_count(panels(context.vectors), d.c, d.k);
}

void transform_weights(Context& context, const Conv2dShape& d, const float* w, float* transformed) {
  const Panels& panel = panels(context.vectors);
  const Transforms& transform = transforms(context.vectors);
  const int64_t count = panel.count(d.k), size = d.c * panel.width;
  parallel_for(context, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      transform.weights(d.k, d.c, i * panel.width, w, transformed + i * size, count * size);
  });
}

void forward(Context& context, const Conv2dShape& d, const float* x, const float* transformed,
             const Finish& finish, float* y) {
  convolve(context, forward_pass(form_of(context, d), d), x, transformed, false, finish, y);
}

void backward_data(Context& context, const Conv2dShape& d, const float* grad_y, const float* w, bool add,
                   float* grad_x) {
  const Panels& panel = panels(context.vectors);
  const Transforms& transform = transforms(context.vectors);
  const int64_t count = panel.count(d.c), size = d.k * panel.width;
  const Context::Scratch turned(context, bytes(kPositions * count * size));
  parallel_for(context, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      transform.turned_weights(d.k, d.c, i * panel.width, w, turned.as<float>() + i * size, count * size);
  });
  convolve(context, data_pass(transform.large, d), grad_y, turned.as<float>(), add, Finish(), grad_x);
}

void backward_weight(Context& context, const Conv2dShape& d, const float* x, const float* grad_y,
                     float* grad_w) {
  const Panels& panel = panels(context.vectors);
  const Transforms& transform = transforms(context.vectors);
  const Pass pass = forward_pass(transform.large, d);
  const int64_t pieces = pass.out.count();
  const int64_t slab = std::min(pieces, std::max<int64_t>(16, kSlabCount / (kPositions * (d.c + d.k))));

  // Both sides in panels: [position][panel][piece][width].
  const int64_t panels_c = panel.count(d.c), panels_k = panel.count(d.k), size = slab * panel.width;
  const Layout v_layout{panels_c * size + kGap, size, panel.width},
      g_layout{panels_k * size + kGap, size, panel.width};
  // Their products: [position][k][c].
  const int64_t pitch = panels_c * panel.width, position = d.k * pitch + kGap;
  const int64_t v_count = kPositions * v_layout.position, g_count = kPositions * g_layout.position;
  const int64_t zeros_count = std::max(d.c, d.k);
  const Context::Scratch scratch(context, bytes(v_count + g_count + kPositions * position + zeros_count));
  float *v = scratch.as<float>(), *g = v + v_count, *products = g + g_count,
        *zeros = products + kPositions * position;
  std::memset(zeros, 0, bytes(zeros_count));

  for (int64_t first = 0; first < pieces; first += slab) {
    const int64_t count = std::min(slab, pieces - first);
    parallel_for(context, count, 4, [&](int64_t begin, int64_t end) {
      transform.large.input(pass.in, x, d.pad_h, d.pad_w, first + begin, end - begin, zeros,
                            v + begin * panel.width, v_layout);
      transform.gradient(pass.out, grad_y, first + begin, end - begin, zeros, g + begin * panel.width,
                         g_layout);
    });
    parallel_for(context, kPositions * panels_c, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p = i / panels_c, number = i % panels_c;
        for (int64_t k = 0; k < panels_k; ++k)
          panel.multiply_transposed(
              std::min(panel.width, d.k - k * panel.width), panel.width, count,
              g + p * g_layout.position + k * size, v + p * v_layout.position + number * size,
              products + p * position + k * panel.width * pitch + number * panel.width, pitch, first > 0);
      }
    });
  }
  parallel_for(context, d.k, 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      transform.weight_gradient(d.c, products + k * pitch, position, grad_w + k * d.r * d.s * d.c);
  });
}

}  // namespace winograd
}  // namespace saccade
