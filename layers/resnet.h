// Residual networks (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016) in the form
// that torchvision made common: the stride of a bottleneck sits on its 3x3, and names and shapes in files are
// torchvision's, so that its weights load by name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "layers/modules.h"

namespace saccade::layers {

struct ResNetConfig {
  // resnet18, resnet34, resnet50, resnet101; and for small images resnet10_compact, resnet18_compact: basic blocks,
  // a 3x3 stem of stride 1 and no max pooling.
  std::string name = "resnet50";
  int64_t width = 64;       // channels of the stem; stage i has width * 2^i (times 4 with bottlenecks)
  int64_t last_stride = 1;  // of the last stage: 1 keeps a finer map for re-identification, 2 is ImageNet's
};

class ResNet {
 public:
  using Mode = BatchNormOptions::Mode;

  // InputError names the known networks if `config.name` is none of them.
  ResNet(ParameterArena& arena, const ResNetConfig& config, const std::string& prefix = "");

  // images [N,H,W,3] -> feature map [N,h,w,channels()]
  Variable operator()(Tape& tape, const Variable& images, Mode mode) const;
  int64_t channels() const { return channels_; }

  static std::vector<std::string> names();

 private:
  struct Block {
    std::vector<Conv2d> convolutions;  // two 3x3, or 1x1, 3x3, 1x1
    std::vector<BatchNorm> norms;
    std::optional<Conv2d> shortcut;
    std::optional<BatchNorm> shortcut_norm;
    Variable operator()(Tape& tape, const Variable& x, Mode mode) const;
  };
  static Block make_block(ParameterArena& arena, const std::string& name, bool bottleneck, int64_t in,
                          int64_t width, int64_t stride);

  bool compact_;
  std::optional<Conv2d> stem_;
  std::optional<BatchNorm> stem_norm_;
  std::vector<Block> blocks_;
  int64_t channels_;
};

}  // namespace saccade::layers
