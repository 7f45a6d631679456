#include "layers/resnet.h"

#include <algorithm>
#include <array>
#include <map>

#include "kernels/common/text.h"

namespace saccade::layers {

namespace {

struct Plan {
  std::array<int, 4> blocks;
  bool bottleneck, compact;
};

const std::map<std::string, Plan>& plans() {
  static const std::map<std::string, Plan> table = {
      {"resnet10_compact", {{1, 1, 1, 1}, false, true}}, {"resnet18", {{2, 2, 2, 2}, false, false}},
      {"resnet18_compact", {{2, 2, 2, 2}, false, true}}, {"resnet34", {{3, 4, 6, 3}, false, false}},
      {"resnet50", {{3, 4, 6, 3}, true, false}},         {"resnet101", {{3, 4, 23, 3}, true, false}}};
  return table;
}

}  // namespace

std::vector<std::string> ResNet::names() {
  std::vector<std::string> all;
  for (const auto& [name, plan] : plans()) all.push_back(name);
  return all;
}

ResidualBlock::ResidualBlock(ParameterArena& arena, const std::string& name, bool bottleneck, int64_t in,
                             int64_t width, int64_t stride)
    : channels_(bottleneck ? width * 4 : width) {
  struct Step {
    int64_t in, out, size, stride;
  };
  const std::vector<Step> steps =
      bottleneck ? std::vector<Step>{{in, width, 1, 1}, {width, width, 3, stride}, {width, channels_, 1, 1}}
                 : std::vector<Step>{{in, width, 3, stride}, {width, channels_, 3, 1}};
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    convolutions_.emplace_back(arena, concat(name, ".conv", i + 1), s.in, s.out, s.size, s.stride,
                               s.size / 2);
    norms_.emplace_back(arena, concat(name, ".bn", i + 1), s.out);
  }
  if (stride != 1 || in != channels_) {
    projection_.emplace(arena, name + ".downsample.0", in, channels_, 1, stride, 0);
    projection_norm_.emplace(arena, name + ".downsample.1", channels_);
  }
}

Variable ResidualBlock::before_last(Tape& tape, const Variable& x, Mode mode) const {
  Variable y = x;
  for (size_t i = 0; i + 1 < convolutions_.size(); ++i)
    y = conv_norm(tape, convolutions_[i], norms_[i], y, mode, true);
  return y;
}

Variable ResidualBlock::branch(Tape& tape, const Variable& x, Mode mode) const {
  return conv_norm(tape, convolutions_.back(), norms_.back(), before_last(tape, x, mode), mode);
}

Variable ResidualBlock::shortcut(Tape& tape, const Variable& x, Mode mode) const {
  return projection_ ? conv_norm(tape, *projection_, *projection_norm_, x, mode) : x;
}

Variable ResidualBlock::operator()(Tape& tape, const Variable& x, Mode mode) const {
  const Variable y = before_last(tape, x, mode);
  const Variable residual = shortcut(tape, x, mode);
  return conv_norm(tape, convolutions_.back(), norms_.back(), y, mode, true, &residual);
}

ResNet::ResNet(ParameterArena& arena, const ResNetConfig& config, const std::string& prefix)
    : config_(config) {
  const auto found = plans().find(config.name);
  check_input(found != plans().end(), "no backbone is called ", config.name, "; the nearest is ",
              nearest(config.name, names()));
  check_input(
      config.width > 0 && config.in_channels > 0 && (config.last_stride == 1 || config.last_stride == 2),
      "a backbone needs positive widths and a last stride of 1 or 2");
  check_input(0 <= config.first && config.first <= config.last && config.last <= 4,
              "a backbone has the parts 0 to 4, not ", config.first, " to ", config.last);
  const Plan& plan = found->second;
  compact_ = plan.compact;
  channels_ = config.width;
  if (config.first == 0) {
    const int64_t size = compact_ ? 3 : 7;
    stem_.emplace(arena, prefix + "conv1", config.in_channels, config.width, size, compact_ ? 1 : 2,
                  size / 2);
    stem_norm_.emplace(arena, prefix + "bn1", config.width);
  } else if (config.first > 1) {
    channels_ = config.width << (config.first - 2);
    if (plan.bottleneck) channels_ *= 4;
  }
  for (int number = std::max(config.first, 1); number <= config.last; ++number) {
    const auto stage = static_cast<size_t>(number - 1);
    for (int index = 0; index < plan.blocks[stage]; ++index) {
      const int64_t stride = index > 0 || number == 1 ? 1 : number == 4 ? config.last_stride : 2;
      stages_[stage].emplace_back(arena, concat(prefix, "layer", number, ".", index), plan.bottleneck,
                                  channels_, config.width << stage, stride);
      channels_ = stages_[stage].back().channels();
    }
  }
}

int64_t ResNet::channels(int part) const {
  return part == 0 ? config_.width : stage(part).back().channels();
}

const std::vector<ResidualBlock>& ResNet::stage(int number) const {
  check(1 <= number && number <= 4 && !stages_[static_cast<size_t>(number - 1)].empty(),
        "this backbone has no stage ", number);
  return stages_[static_cast<size_t>(number - 1)];
}

Variable ResNet::stem(Tape& tape, const Variable& images, Mode mode) const {
  check(stem_.has_value(), "this backbone has no stem");
  constexpr MaxPoolOptions kPool{3, 2, 1};
  return conv_norm(tape, *stem_, *stem_norm_, images, mode, true, nullptr, compact_ ? nullptr : &kPool);
}

Variable ResNet::parts(Tape& tape, const Variable& x, int first, int last, const Modes& modes) const {
  Variable y = x;
  for (int part = first; part <= last; ++part) {
    const Mode mode = modes[static_cast<size_t>(part)];
    if (part == 0) {
      y = stem(tape, y, mode);
      continue;
    }
    for (const ResidualBlock& block : stage(part)) y = block(tape, y, mode);
  }
  return y;
}

Variable ResNet::operator()(Tape& tape, const Variable& images, const Modes& modes) const {
  return parts(tape, images, config_.first, config_.last, modes);
}

Variable ResNet::operator()(Tape& tape, const Variable& images, Mode mode) const {
  Modes modes;
  modes.fill(mode);
  return (*this)(tape, images, modes);
}

}  // namespace saccade::layers
