// Features and distances of any origin, from safetensors files. What cannot be used is an InputError of one
// line with the file and the reason: what safetensors.h refuses, a missing tensor, another dtype, shapes that
// do not fit each other.
#pragma once

#include <string>

#include "reid/evaluation/retrieval_set.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

// `features` f32 [N,D], `pids` i64 [N], `camids` i64 [N]. The set points into the memory of the file.
struct FeatureFile {
  WeightFile file;
  RetrievalSet set;
};
FeatureFile read_features(const std::string& path);

// `distances` f32 [Q,G], `query_pids` and `query_camids` i64 [Q], `gallery_pids` and `gallery_camids` i64
// [G]. The sets point into the memory of the file.
struct DistanceFile {
  WeightFile file;
  std::span<const float> distances;
  RetrievalSet query, gallery;
};
DistanceFile read_distances(const std::string& path);

}  // namespace saccade
