#include "reid/baseline/config.h"

namespace saccade::baseline {

void describe(Keys& keys, Config::Model& model) {
  keys("backbone", model.backbone, layers::ResNet::names());
  keys("width", model.width, {1, 4096});
  keys("last_stride", model.last_stride, {1, 2});
  keys("pooling", model.pooling, {"average", "gem"});
  keys("neck", model.neck);
  keys("weights", model.weights);
}

void describe(Keys& keys, Config::Loss& loss) {
  keys("id", loss.id, {0, 1e6});
  keys("triplet", loss.triplet, {0, 1e6});
  keys("margin", loss.margin, {0, 1e6});
  keys("smoothing", loss.smoothing, {0, 1});
}

void describe(Keys& keys, Config& config) {
  keys("system", config.system, {"baseline"});
  keys.section("model", config.model);
  keys.section("loss", config.loss);
  keys.section("data", config.data);
  keys.section("optimizer", config.optimizer);
  keys.section("schedule", config.schedule);
  keys.section("evaluation", config.evaluation);
  keys.section("checkpoint", config.checkpoint);
  keys("tune", config.tune);
  keys("exact", config.exact);
  keys("report", config.report, Keys::Decides::nothing);
}

NetworkConfig Config::network(int64_t identities) const {
  return {{model.backbone, model.width, model.last_stride}, model.pooling, model.neck, identities};
}

}  // namespace saccade::baseline
