// How the distance between two rows of features is measured.
#pragma once

namespace saccade {

enum class Metric {
  euclidean,  // sqrt(sum_k (x_k - y_k)^2)
  squared,    // sum_k (x_k - y_k)^2
  cosine,     // 1 - sum_k x_k y_k / (|x| |y|), and 1 where a row is all zeros
};

}  // namespace saccade
