// An array of bf16 as f32, for what the CPU computes in f32 alone.
#pragma once

#include "kernels/elementwise/cast.h"

namespace saccade {

class WideCopy {
 public:
  // `count` values, those of x unless it is null.
  WideCopy(Context& context, int64_t count, const bf16* x = nullptr)
      : context_(context), count_(count), scratch_(context, static_cast<size_t>(count) * sizeof(float)) {
    if (x) Cast<Device::cpu>::convert(context, count, x, data());
  }

  float* data() const { return scratch_.as<float>(); }
  void round_to(bf16* y) const { Cast<Device::cpu>::convert(context_, count_, data(), y); }

 private:
  Context& context_;
  int64_t count_;
  Context::Scratch scratch_;
};

}  // namespace saccade
