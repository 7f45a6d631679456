// Features and distances of any origin, from safetensors files. Every function throws InputError: one line
// with the file and the reason, for what safetensors.h refuses, missing tensors, other dtypes and shapes that
// do not fit.
#pragma once

#include <string>

#include "reid/evaluation/retrieval_set.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

// `features` f32 [N,D], `pids` i64 [N], `camids` i64 [N]. The set looks into the file: keep both.
struct FeatureFile {
  WeightFile file;
  RetrievalSet set;
};
FeatureFile read_features(const std::string& path);

// `distances` f32 [Q,G], `query_pids`, `query_camids` i64 [Q], `gallery_pids`, `gallery_camids` i64 [G].
struct DistanceFile {
  WeightFile file;
  std::span<const float> distances;
  RetrievalSet query, gallery;
};
DistanceFile read_distances(const std::string& path);

}  // namespace saccade
