// 3x3 convolutions of stride 1 with a quarter of the multiplications: Winograd's F(4x4, 3x3) on the CPU in f32.
//
//   y = A^T [ (G w G^T) * (B^T x B) ] A,    x a 6x6 piece of the image, w a 3x3 filter, y 4x4 pixels, * by element,
//
// summed over the channels before A. So for each of the 36 positions of a transformed piece there is one matrix
// product [pieces, C] x [C, K]. The gradients of more than 4 pieces are of the same form:
//
//   grad_x = the convolution of grad_y with the filters turned by 180 degrees, C and K exchanged
//   grad_w = G^T [ sum over the pieces of (A grad_y A^T) * (B^T x B) ] G
//
// One or two pieces with many channels, as a picture alone has in the deep layers, are computed in a small form,
// F(2x2, 3x3): with 16 of the 36 positions of the same transformed weights, which take longer to read than to multiply
// with. So the last bits of a picture's features depend on whether it is alone in its batch.
//
// Sources: Winograd: "Arithmetic Complexity of Computations" (1980); Lavin, Gray: "Fast Algorithms for Convolutional
// Neural Networks" (CVPR 2016), section 4.
//
// Rounding. The polynomials are evaluated at 0, 1, -1, 1/2, -2 and infinity: with 1/2 beside -2 the numbers grow less
// than with the usual 2 and -2, and most factors are exact. With u = 2^-24 and S the sum of |x| |w| over the filter's
// window, the largest of a piece, errors are about 1.4 u S (root of the mean square; 0.5 summed directly, 2.3 at the
// usual points). The largest seen, with few channels, is 18.3 u S (tests/kernels/convolution_forms.cpp). They belong to
// the piece: a window of small numbers beside large ones has the errors of the large ones, an infinite pixel makes all
// 4x4 results NaN, and an exact 0 need not stay one. The small form has 0, 1, -1 and infinity, pieces of 2x2, and
// errors of up to 2.1 u S (seen). Context::exact asks for the direct form instead.
//
// A sum runs over channels (forward, grad_x) or pieces (grad_w) in order: the bits depend on the shape alone, not on
// the number of threads or the width of the vectors (avx2 or avx512).
#pragma once

#include "kernels/convolution/conv2d.h"
#include "kernels/convolution/finish.h"

namespace saccade::winograd {

// Whether the shape is one of these convolutions at all, with enough channels to gain by it.
bool takes(const Conv2dShape&);
// Whether its gradients gain, too: with few pixels the transforms of filters take longer than what they save.
bool takes_gradients(const Conv2dShape&);

// The floats of transformed weights, and what makes them: once for each value of the weights.
int64_t weights_count(const Context&, const Conv2dShape&);
void transform_weights(Context&, const Conv2dShape&, const float* w, float* transformed);

// As Conv2d's functions of these names.
void forward(Context&, const Conv2dShape&, const float* x, const float* transformed, const Finish&, float* y);
void backward_data(Context&, const Conv2dShape&, const float* grad_y, const float* w, bool add,
                   float* grad_x);
void backward_weight(Context&, const Conv2dShape&, const float* x, const float* grad_y, float* grad_w);

}  // namespace saccade::winograd
