#include "layers/resnet.h"

#include <array>
#include <map>

#include "autograd/functions/pooling.h"
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

ResNet::ResNet(ParameterArena& arena, const ResNetConfig& config, const std::string& prefix) {
  const auto found = plans().find(config.name);
  check_input(found != plans().end(), "no backbone is called ", config.name, "; the nearest is ",
              nearest(config.name, names()));
  check_input(config.width > 0 && (config.last_stride == 1 || config.last_stride == 2),
              "a backbone needs a positive width and a last stride of 1 or 2");
  const Plan& plan = found->second;
  compact_ = plan.compact;
  const int64_t size = compact_ ? 3 : 7;
  stem_.emplace(arena, prefix + "conv1", 3, config.width, size, compact_ ? 1 : 2, size / 2);
  stem_norm_.emplace(arena, prefix + "bn1", config.width);

  channels_ = config.width;
  for (size_t stage = 0; stage < 4; ++stage) {
    const int64_t width = config.width << stage;
    for (int index = 0; index < plan.blocks[stage]; ++index) {
      const int64_t stride = index > 0 || stage == 0 ? 1 : stage == 3 ? config.last_stride : 2;
      const std::string name = concat(prefix, "layer", stage + 1, ".", index);
      blocks_.push_back(make_block(arena, name, plan.bottleneck, channels_, width, stride));
      channels_ = plan.bottleneck ? width * 4 : width;
    }
  }
}

ResNet::Block ResNet::make_block(ParameterArena& arena, const std::string& name, bool bottleneck, int64_t in,
                                 int64_t width, int64_t stride) {
  Block block;
  const int64_t out = bottleneck ? width * 4 : width;
  struct Step {
    int64_t in, out, size, stride;
  };
  const std::vector<Step> steps =
      bottleneck ? std::vector<Step>{{in, width, 1, 1}, {width, width, 3, stride}, {width, out, 1, 1}}
                 : std::vector<Step>{{in, width, 3, stride}, {width, out, 3, 1}};
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    block.convolutions.emplace_back(arena, concat(name, ".conv", i + 1), s.in, s.out, s.size, s.stride,
                                    s.size / 2);
    block.norms.emplace_back(arena, concat(name, ".bn", i + 1), s.out);
  }
  if (stride != 1 || in != out) {
    block.shortcut.emplace(arena, name + ".downsample.0", in, out, 1, stride, 0);
    block.shortcut_norm.emplace(arena, name + ".downsample.1", out);
  }
  return block;
}

Variable ResNet::Block::operator()(Tape& tape, const Variable& x, Mode mode) const {
  Variable y = x;
  for (size_t i = 0; i + 1 < convolutions.size(); ++i)
    y = norms[i](tape, convolutions[i](tape, y), mode, true);
  y = convolutions.back()(tape, y);
  const Variable residual = shortcut ? (*shortcut_norm)(tape, (*shortcut)(tape, x), mode) : x;
  return norms.back()(tape, y, mode, true, &residual);
}

Variable ResNet::operator()(Tape& tape, const Variable& images, Mode mode) const {
  Variable x = (*stem_norm_)(tape, (*stem_)(tape, images), mode, true);
  if (!compact_) x = max_pool2d(tape, x, 3, 2, 1);
  for (const Block& block : blocks_) x = block(tape, x, mode);
  return x;
}

}  // namespace saccade::layers
