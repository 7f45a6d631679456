// Pictures to features, by whatever network.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "reid/data/check_pictures.h"

namespace saccade {

// A network as retrieval sees it: images [N,H,W,3] f32, normalized -> features [N,D] f32.
using Embed = std::function<Variable(Tape& tape, const Tensor& images)>;

struct ExtractOptions {
  int64_t height = 256, width = 128;
  int64_t batch = 64;
  int64_t workers = 2;
  bool flip = false;        // the mean of a picture's feature and of its mirror image's
  PictureRules pictures{};  // extract_features() takes the orientation; a damaged picture is an error there
  std::function<void(int64_t count)> done;  // called after every batch; may be empty
};

struct Features {
  std::vector<float> values;          // [count, size]
  std::vector<int64_t> pids, camids;  // [count]
  int64_t count = 0, size = 0;
};

// An Embed with what `evaluate` and `extract` must know to use it. The function keeps alive what it computes with.
struct Embedder {
  Embed embed;
  int64_t feature_size = 0;
  ExtractOptions extraction;
  std::string metric = "euclidean";
};

// Features with what each is of, where that is no picture: a tracklet, or a picture with an instruction.
struct NamedFeatures {
  Features features;
  std::vector<std::string> names;  // [count]
};

// The features of `records`, in their order. Error if one has another size than `embedder` says, or is not finite: it
// names the picture.
Features extract_features(Context& context, const Embedder& embedder,
                          const std::vector<ImageRecord>& records);

}  // namespace saccade
