// The network of the baseline: backbone, pooling, batch-norm neck, classifier (Luo, Gu,
// Liao, Lai, Jiang: "Bag of tricks and a strong baseline for deep person re-identification", CVPRW 2019).
#pragma once

#include <optional>
#include <string>

#include "layers/modules.h"
#include "layers/resnet.h"

namespace saccade::baseline {

struct NetworkConfig {
  layers::ResNetConfig backbone;
  std::string pooling = "average";  // or "gem": generalized mean with a learned exponent
  bool neck = true;                 // batch norm without a learned shift between embedding and classifier
  int64_t identities = 0;           // classes of the ID loss; 0: no classifier
};

class Network {
 public:
  using Mode = BatchNormOptions::Mode;

  Network(ParameterArena& arena, const NetworkConfig& config);

  // All in f32, whatever the network computes in.
  struct Output {
    Variable embedding;  // [N,D] after pooling: the triplet loss
    Variable feature;    // [N,D] after the neck (the embedding without one): retrieval
    Variable logits;     // [N,identities]; empty in eval mode or without a classifier
  };
  Output operator()(Tape& tape, const Variable& images, Mode mode) const;  // images [N,H,W,3], normalized
  int64_t feature_size() const { return backbone_.channels(); }

 private:
  NetworkConfig config_;
  layers::ResNet backbone_;
  Parameter* exponent_ = nullptr;
  std::optional<layers::BatchNorm> neck_;
  std::optional<layers::Linear> classifier_;
};

}  // namespace saccade::baseline
