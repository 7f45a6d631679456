// Residual networks (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016) in the form
// that torchvision made common: the stride of a bottleneck sits on its 3x3, and names and shapes in files are
// torchvision's, so that its weights load by name.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "layers/modules.h"

namespace saccade::layers {

struct ResNetConfig {
  // resnet18, resnet34, resnet50, resnet101; and for small images resnet10_compact, resnet18_compact: basic blocks,
  // a 3x3 stem of stride 1 and no max pooling.
  std::string name = "resnet50";
  int64_t width = 64;       // channels of the stem; stage i has width * 2^(i-1) (times 4 with bottlenecks)
  int64_t last_stride = 1;  // of the fourth stage: 1 keeps a finer map for re-identification, 2 is ImageNet's
  int64_t in_channels = 3;  // of the stem
  int first = 0, last = 4;  // the parts that are built: 0 is the stem, 1 to 4 are the stages
};

// Two convolutions of 3x3, or 1x1, 3x3 and 1x1, beside a shortcut: y = relu(branch(x) + shortcut(x)). Attention that
// weighs the branch before the sum calls the two sides by themselves.
class ResidualBlock {
 public:
  using Mode = BatchNormOptions::Mode;

  ResidualBlock(ParameterArena& arena, const std::string& name, bool bottleneck, int64_t in, int64_t width,
                int64_t stride);

  Variable operator()(Tape& tape, const Variable& x, Mode mode) const;  // [N,H,W,in] -> [N,h,w,channels()]
  Variable branch(Tape& tape, const Variable& x, Mode mode) const;      // up to its last norm
  Variable shortcut(Tape& tape, const Variable& x, Mode mode) const;    // x, or its projection
  int64_t channels() const { return channels_; }

 private:
  Variable before_last(Tape& tape, const Variable& x, Mode mode) const;  // convolution
  std::vector<Conv2d> convolutions_;
  std::vector<BatchNorm> norms_;
  std::optional<Conv2d> projection_;
  std::optional<BatchNorm> projection_norm_;
  int64_t channels_;
};

class ResNet {
 public:
  using Mode = BatchNormOptions::Mode;
  using Modes = std::array<Mode, 5>;  // of the stem and the four stages

  // InputError names the known networks if `config.name` is none of them.
  ResNet(ParameterArena& arena, const ResNetConfig& config, const std::string& prefix = "");

  // images [N,H,W,in_channels] (or the map that the first part built takes) -> feature map [N,h,w,channels()]
  Variable operator()(Tape& tape, const Variable& images, Mode mode) const;
  // With a mode for each part, so that a frozen one can run on its running statistics while others train.
  Variable operator()(Tape& tape, const Variable& images, const Modes& modes) const;
  // Parts first to last alone, as in ResNetConfig: a network can stop after any of them and go on from there.
  Variable parts(Tape& tape, const Variable& x, int first, int last, const Modes& modes) const;

  Variable stem(Tape& tape, const Variable& images, Mode mode) const;
  const std::vector<ResidualBlock>& stage(int number) const;  // 1 to 4
  int64_t channels() const { return channels_; }              // of the last part
  int64_t channels(int part) const;                           // of the map that this part leaves

  static std::vector<std::string> names();

 private:
  ResNetConfig config_;
  bool compact_;
  std::optional<Conv2d> stem_;
  std::optional<BatchNorm> stem_norm_;
  std::array<std::vector<ResidualBlock>, 4> stages_;
  int64_t channels_;
};

}  // namespace saccade::layers
