#include "kernels/convolution/winograd.vectors.h"

#include <cstring>

#include "kernels/common/lanes.h"
#include "kernels/matmul/panels.h"

namespace saccade::SACCADE_VECTORS {

extern const Panels panels;

namespace {

using winograd::kIn;
using winograd::kOut;
using winograd::kPositions;
using winograd::kSmallIn;
using winograd::kSmallOut;
using winograd::Layout;
using winograd::Pieces;

constexpr int kWeights = 3;

// --- One dimension: vectors from[0], from[step], ... to to[0], to[step_to], ... ---
// With the points a = 0, 1, -1, 1/2, -2, infinity the matrices are, row by row,
//   B^T: the coefficients of x^0..x^5 in P(x) / (x - a) for P(x) = x (x-1) (x+1) (x-1/2) (x+2), and of P(x) itself
//   A^T: a^0, a^1, a^2, a^3          G: (1, a, a^2) / (P(x) / (x - a) at x = a)

template <class V>
inline __attribute__((always_inline)) void input_line(const V* d, int step, V* to) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const V half3 = V::all(1.5f), e = d4 - d2, f = d3 - d1;
  const V even = fma(half3, d3, e), odd = fma(half3, d2, f);
  to[0] = fma(half3, f, d0) + (e - d2);  // d0 - 3/2 d1 - 2 d2 + 3/2 d3 + d4
  to[1] = even + odd;                    //    -     d1 + 1/2 d2 + 5/2 d3 + d4
  to[2] = even - odd;                    //          d1 - 5/2 d2 + 1/2 d3 + d4
  to[3] = fma(V::all(2), f, e);          //    -   2 d1 -     d2 +   2 d3 + d4
  to[4] = fma(V::all(-0.5f), f, e);      //      1/2 d1 -     d2 - 1/2 d3 + d4
  to[5] = fma(half3, e, d5) - (f + d3);  //          d1 - 3/2 d2 -   2 d3 + 3/2 d4 + d5
}

template <class V>
inline __attribute__((always_inline)) void output_line(const V* m, int step, V* to) {
  const V m3 = m[3 * step], m4 = m[4 * step], sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
  to[0] = (m[0] + sum) + (m3 + m4);
  to[1] = fma(V::all(0.5f), m3, fma(V::all(-2), m4, difference));
  to[2] = fma(V::all(0.25f), m3, fma(V::all(4), m4, sum));
  to[3] = fma(V::all(0.125f), m3, fma(V::all(-8), m4, difference)) + m[5 * step];
}

// The small form has the points 0, 1, -1 and infinity, and P(x) = x (x-1) (x+1). At 0, 1 and -1 the weights are divided
// by 1, 3 and -3, as the large form has it, where this one has -1, 2 and 2: A^T makes up for 3/2, B^T for the signs.
//   B^T: (1, 0, -1, 0), (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 0, 1)       A^T: (1, 3/2, 3/2, 0), (0, 3/2, -3/2, 1)

template <class V>
inline __attribute__((always_inline)) void small_input_line(const V* d, int step, V* to) {
  const V d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  to[0] = d0 - d2;
  to[1] = d1 + d2;
  to[2] = d1 - d2;
  to[3] = d3 - d1;
}

template <class V>
inline __attribute__((always_inline)) void small_output_line(const V* m, int step, V* to) {
  const V m1 = m[step], m2 = m[2 * step], half3 = V::all(1.5f);
  to[0] = fma(half3, m1 + m2, m[0]);
  to[1] = fma(half3, m1 - m2, m[3 * step]);
}

template <class V>
inline __attribute__((always_inline)) void gradient_line(const V* g, int step, V* to) {
  const V g0 = g[0], g1 = g[step], g2 = g[2 * step], g3 = g[3 * step], even = g0 + g2, odd = g1 + g3;
  to[0] = g0;
  to[1] = even + odd;
  to[2] = even - odd;
  to[3] = fma(V::all(0.5f), g1, fma(V::all(0.25f), g2, fma(V::all(0.125f), g3, g0)));
  to[4] = fma(V::all(-2), g1, fma(V::all(4), g2, fma(V::all(-8), g3, g0)));
  to[5] = g3;
}

template <class V>
inline __attribute__((always_inline)) void weights_line(const V* g, int step, V* to) {
  const V g0 = g[0], g1 = g[step], g2 = g[2 * step], even = g0 + g2, third = V::all(1.0f / 3);
  to[0] = g0;
  to[1] = (even + g1) * third;
  to[2] = (g1 - even) * third;
  to[3] = fma(V::all(0.25f), g2, fma(V::all(0.5f), g1, g0)) * V::all(-16.0f / 15);
  to[4] = fma(V::all(4), g2, fma(V::all(-2), g1, g0)) * V::all(1.0f / 15);
  to[5] = g2;
}

template <class V>
inline __attribute__((always_inline)) void weight_gradient_line(const V* m, int step, V* to) {
  const V third = V::all(1.0f / 3), m1 = m[step] * third, m2 = m[2 * step] * third;
  const V m3 = m[3 * step] * V::all(-16.0f / 15), m4 = m[4 * step] * V::all(1.0f / 15);
  const V difference = m1 - m2, sum = m1 + m2;
  to[0] = (m[0] + difference) + (m3 + m4);
  to[1] = fma(V::all(0.5f), m3, fma(V::all(-2), m4, sum));
  to[2] = fma(V::all(0.25f), m3, fma(V::all(4), m4, difference)) + m[5 * step];
}

// --- Two dimensions: line(columns), then line(rows); from [n][n] to [m][m], in place of the last ---

template <int n, int m, class V, class Line>
inline __attribute__((always_inline)) void both_ways(const V* from, V* to, Line&& line) {
  V turned[n * m];  // [n columns][m]
#pragma GCC unroll 6
  for (int j = 0; j < n; ++j) line(from + j, n, turned + j * m);
  V row[m];
#pragma GCC unroll 6
  for (int i = 0; i < m; ++i) {
    line(turned + i, m, row);
#pragma GCC unroll 6
    for (int j = 0; j < m; ++j) to[i * m + j] = row[j];
  }
}

// The pixels of size x size around piece `index`, from `pad` before its first one: their addresses, `outside` for those
// that the image has not. A piece has out x out.
template <int size, int out, class T>
void pixels_of(const Pieces& image, T* data, int64_t pad_h, int64_t pad_w, int64_t index, T* outside,
               T** pixels) {
  const int64_t in_image = image.rows * image.columns;
  const int64_t top = index % in_image / image.columns * out - pad_h,
                left = index % image.columns * out - pad_w;
  T* start = data + index / in_image * image.h * image.w * image.channels;
  for (int i = 0; i < size; ++i)
    for (int j = 0; j < size; ++j) {
      const int64_t row = top + i, column = left + j;
      const bool inside = 0 <= row && row < image.h && 0 <= column && column < image.w;
      pixels[i * size + j] = inside ? start + (row * image.w + column) * image.channels : outside;
    }
}

inline float* place(float* data, const Layout& at, int64_t piece, int64_t channel) {
  return data + channel / panels.width * at.panel + piece * at.pitch + channel % panels.width;
}

template <int in, int out, class Line>
inline __attribute__((always_inline)) void input_by(Line&& line, const Pieces& image, const float* x,
                                                    int64_t pad_h, int64_t pad_w, int64_t first,
                                                    int64_t count, const float* zeros, float* to,
                                                    const Layout& at) {
  constexpr int positions = in * in;
  for (int64_t i = 0; i < count; ++i) {
    const float* pixels[positions];
    pixels_of<in, out>(image, x, pad_h, pad_w, first + i, zeros, pixels);
    for_lanes(image.channels, [&]<class V>(V, int64_t c) {
      V d[positions];
      for (int p = 0; p < positions; ++p) d[p] = V::load(pixels[p] + c);
      both_ways<in, in>(d, d, line);
      float* here = place(to, at, i, c);
      for (int p = 0; p < positions; ++p) d[p].store(here + p * at.position);
    });
  }
}

void input(const Pieces& image, const float* x, int64_t pad_h, int64_t pad_w, int64_t first, int64_t count,
           const float* zeros, float* to, const Layout& at) {
  input_by<kIn, kOut>([](const auto* d, int step, auto* line) { input_line(d, step, line); }, image, x, pad_h,
                      pad_w, first, count, zeros, to, at);
}

void small_input(const Pieces& image, const float* x, int64_t pad_h, int64_t pad_w, int64_t first,
                 int64_t count, const float* zeros, float* to, const Layout& at) {
  input_by<kSmallIn, kSmallOut>([](const auto* d, int step, auto* line) { small_input_line(d, step, line); },
                                image, x, pad_h, pad_w, first, count, zeros, to, at);
}

void gradient(const Pieces& image, const float* grad_y, int64_t first, int64_t count, const float* zeros,
              float* to, const Layout& at) {
  for (int64_t i = 0; i < count; ++i) {
    const float* pixels[kOut * kOut];
    pixels_of<kOut, kOut>(image, grad_y, 0, 0, first + i, zeros, pixels);
    for_lanes(image.channels, [&]<class V>(V, int64_t c) {
      V g[kOut * kOut], m[kPositions];
      for (int p = 0; p < kOut * kOut; ++p) g[p] = V::load(pixels[p] + c);
      both_ways<kOut, kIn>(g, m, [](const V* line, int step, V* out) { gradient_line(line, step, out); });
      float* here = place(to, at, i, c);
      for (int p = 0; p < kPositions; ++p) m[p].store(here + p * at.position);
    });
  }
}

template <int in, int out, class Line>
inline __attribute__((always_inline)) void output_by(Line&& line, const Pieces& image, const float* from,
                                                     const Layout& at, int64_t first, int64_t count, bool add,
                                                     float* beyond, float* y) {
  for (int64_t i = 0; i < count; ++i) {
    float* pixels[out * out];
    pixels_of<out, out>(image, y, 0, 0, first + i, beyond, pixels);
    for_lanes(image.channels, [&]<class V>(V, int64_t c) {
      const float* here = place(const_cast<float*>(from), at, i, c);
      V m[in * in], sums[out * out];
      for (int p = 0; p < in * in; ++p) m[p] = V::load(here + p * at.position);
      both_ways<in, out>(m, sums, line);
      for (int p = 0; p < out * out; ++p)
        (add ? sums[p] + V::load(pixels[p] + c) : sums[p]).store(pixels[p] + c);
    });
  }
}

void output(const Pieces& image, const float* from, const Layout& at, int64_t first, int64_t count, bool add,
            float* beyond, float* y) {
  output_by<kIn, kOut>([](const auto* m, int step, auto* line) { output_line(m, step, line); }, image, from,
                       at, first, count, add, beyond, y);
}

void small_output(const Pieces& image, const float* from, const Layout& at, int64_t first, int64_t count,
                  bool add, float* beyond, float* y) {
  output_by<kSmallIn, kSmallOut>(
      [](const auto* m, int step, auto* line) { small_output_line(m, step, line); }, image, from, at, first,
      count, add, beyond, y);
}

// --- Weights ---

template <class V>
inline __attribute__((always_inline)) void transform_filter(const float* const* taps, int64_t c, V* to) {
  V g[kWeights * kWeights];
  for (int i = 0; i < kWeights * kWeights; ++i) g[i] = V::load(taps[i] + c);
  both_ways<kWeights, kIn>(g, to, [](const V* line, int step, V* out) { weights_line(line, step, out); });
}

// Filters side by side whose transforms are gathered before they are written: the rows of the panel and the positions
// lie at powers of two, so that single numbers would push each other's lines out of the caches.
constexpr int64_t kTogether = 16;

void weights(int64_t k, int64_t c, int64_t first, const float* w, float* to, int64_t position) {
  const int64_t columns = k - first < panels.width ? k - first : panels.width;
  for (int64_t j0 = 0; j0 < panels.width; j0 += kTogether) {
    const int64_t together = panels.width - j0 < kTogether ? panels.width - j0 : kTogether;
    for_lanes(c, [&]<class V>(V, int64_t channel) {
      float gathered[kPositions][V::kCount][kTogether];
      if (j0 + together > columns) std::memset(gathered, 0, sizeof gathered);
      for (int64_t j = 0; j < together && j0 + j < columns; ++j) {
        const float* taps[kWeights * kWeights];
        for (int i = 0; i < kWeights * kWeights; ++i)
          taps[i] = w + ((first + j0 + j) * kWeights * kWeights + i) * c;
        V u[kPositions];
        transform_filter(taps, channel, u);
        for (int p = 0; p < kPositions; ++p) {
          float lane[V::kCount];
          u[p].store(lane);
          for (int64_t l = 0; l < V::kCount; ++l) gathered[p][l][j] = lane[l];
        }
      }
      for (int p = 0; p < kPositions; ++p)
        for (int64_t l = 0; l < V::kCount; ++l) {
          float* here = to + p * position + (channel + l) * panels.width + j0;
          std::memcpy(here, gathered[p][l], static_cast<size_t>(together) * sizeof(float));
        }
    });
  }
}

void turned_weights(int64_t k, int64_t c, int64_t first, const float* w, float* to, int64_t position) {
  const int64_t columns = c - first < panels.width ? c - first : panels.width;
  for (int64_t filter = 0; filter < k; ++filter) {
    const float* taps[kWeights * kWeights];
    for (int i = 0; i < kWeights * kWeights; ++i)
      taps[i] = w + (filter * kWeights * kWeights + kWeights * kWeights - 1 - i) * c + first;
    float* here = to + filter * panels.width;
    for_lanes(columns, [&]<class V>(V, int64_t j) {
      V u[kPositions];
      transform_filter(taps, j, u);
      for (int p = 0; p < kPositions; ++p) u[p].store(here + p * position + j);
    });
    for (int64_t j = columns; j < panels.width; ++j)
      for (int p = 0; p < kPositions; ++p) here[p * position + j] = 0;
  }
}

void weight_gradient(int64_t c, const float* from, int64_t position, float* grad_w) {
  for_lanes(c, [&]<class V>(V, int64_t channel) {
    V m[kPositions], g[kWeights * kWeights];
    for (int p = 0; p < kPositions; ++p) m[p] = V::load(from + p * position + channel);
    both_ways<kIn, kWeights>(m, g,
                             [](const V* line, int step, V* out) { weight_gradient_line(line, step, out); });
    for (int i = 0; i < kWeights * kWeights; ++i) g[i].store(grad_w + i * c + channel);
  });
}

constexpr int kPoints[] = {0, 1, 2, 3, 4, 5}, kSmallPoints[] = {0, 1, 2, 5};

}  // namespace

extern const winograd::Transforms winograd_transforms;
const winograd::Transforms winograd_transforms = {
    {kOut, kIn, kPoints, input, output},
    {kSmallOut, kSmallIn, kSmallPoints, small_input, small_output},
    gradient,
    weights,
    turned_weights,
    weight_gradient};

}  // namespace saccade::SACCADE_VECTORS
