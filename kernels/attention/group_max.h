// Maximum over groups of channels, under a mask: the aggregation of the attribute attention block.
//
//   output[n, p, c] = max over the kept groups g of features[n, p, g * C + c],   kept: keep[n, g] != 0
//
// Source: "Reinforced Attribute Attention Selection", Fa = max(F^0, b^1 F^1, ..., b^M F^M). The paper's
// groups come after a ReLU, so multiplying one by b = 0 is the same as leaving it out. Here a dropped group
// takes no part, which agrees with the paper and is right for negative features, too.
//
// Shapes: features [images, pixels, groups * channels] group-major, keep [images, groups], output and argmax
// [images, pixels, channels]; pixels = H * W. 1 <= groups <= 255.
// argmax holds the group that won, or kNoGroup where none is kept: there the output is 0
// and passes no gradient on. Ties go to the lowest group; a NaN in a kept group wins.
// Outputs are overwritten; nothing may alias.
// Error: a number of groups out of range, or a negative size.
#pragma once

#include <cstdint>

#include "kernels/common/bf16.h"
#include "kernels/common/context.h"
#include "kernels/common/floor.h"

namespace saccade {

template <Device D>
struct GroupMax {
  static constexpr uint8_t kNoGroup = 255;

  template <class T>
  static void forward(Context&, int64_t images, int64_t pixels, int64_t groups, int64_t channels,
                      const T* features, const uint8_t* keep, T* output, uint8_t* argmax);

  // grad_features[n, p, g * C + c] = grad_output[n, p, c] where argmax[n, p, c] == g, else 0. Every element
  // is written once, so nothing has to be cleared before.
  template <class T>
  static void backward(Context&, int64_t images, int64_t pixels, int64_t groups, int64_t channels,
                       const T* grad_output, const uint8_t* argmax, T* grad_features);

  // With every group kept. E = output elements; forward and backward each move s E (G + 1) + E bytes.
  static Floor floor(int64_t images, int64_t pixels, int64_t groups, int64_t channels, int element_bytes) {
    const double outputs = static_cast<double>(images) * pixels * channels;
    return {element_bytes * outputs * (groups + 1) + outputs, outputs * groups};
  }

  static void check_sizes(int64_t images, int64_t pixels, int64_t groups, int64_t channels) {
    check(groups >= 1 && groups <= 255, "group_max: ", groups, " groups, not 1 to 255");
    check(images >= 0 && pixels >= 0 && channels >= 0, "group_max: a negative size");
  }
};

}  // namespace saccade
