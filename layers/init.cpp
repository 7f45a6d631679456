#include "layers/init.h"

#include <algorithm>
#include <cmath>

namespace saccade::init {

int64_t fan_in(const Shape& weight) {
  return weight.count() / weight[0];
}
int64_t fan_out(const Shape& weight) {
  return weight.count() / weight[-1];
}

Initializer constant(float value) {
  return [value](float* values, int64_t count, PhiloxStream&) { std::fill_n(values, count, value); };
}

Initializer normal(float deviation, float mean) {
  return [=](float* values, int64_t count, PhiloxStream& random) {
    random.fill_normal(values, count, mean, deviation);
  };
}

Initializer uniform(float low, float high) {
  return [=](float* values, int64_t count, PhiloxStream& random) {
    for (int64_t i = 0; i < count; ++i) values[i] = random.uniform(low, high);
  };
}

Initializer kaiming_normal_fan_in(const Shape& weight) {
  return normal(std::sqrt(2.0f / static_cast<float>(fan_in(weight))));
}
Initializer kaiming_normal_fan_out(const Shape& weight) {
  return normal(std::sqrt(2.0f / static_cast<float>(fan_out(weight))));
}
Initializer xavier_normal(const Shape& weight) {
  return normal(std::sqrt(2.0f / static_cast<float>(fan_in(weight) + fan_out(weight))));
}
Initializer xavier_uniform(const Shape& weight) {
  const float bound = std::sqrt(6.0f / static_cast<float>(fan_in(weight) + fan_out(weight)));
  return uniform(-bound, bound);
}
Initializer torch_linear(int64_t inputs) {
  const float bound = 1.0f / std::sqrt(static_cast<float>(inputs));
  return uniform(-bound, bound);
}

}  // namespace saccade::init
