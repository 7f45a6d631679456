#include "reid/training/config.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "kernels/common/text.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Model, backbone, width, last_stride, pooling, neck, weights)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Data, height, width, identities_per_batch,
                                   images_per_identity, flip, erase, jitter, pad, workers)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Loss, id, triplet, margin, smoothing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Optimizer, kind, learning_rate, weight_decay, momentum, clip)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Schedule, epochs, kind, milestones, gamma, warmup_epochs,
                                   warmup_factor)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Evaluation, every, batch, metric)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig::Checkpoint, every_epochs, every_steps)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainConfig, model, data, loss, optimizer, schedule, evaluation,
                                   checkpoint, tune, report)

namespace {

using Json = nlohmann::json;

const char* kind_of(const Json& value) {
  if (value.is_boolean()) return "true or false";
  if (value.is_number_integer()) return "a whole number";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "a text";
  if (value.is_array()) return "a list of whole numbers";
  return "a section of keys";
}

bool fits(const Json& value, const Json& wanted) {
  if (wanted.is_number_integer()) return value.is_number_integer();
  if (wanted.is_number()) return value.is_number();
  if (wanted.is_array()) {
    if (!value.is_array()) return false;
    for (const Json& item : value)
      if (!item.is_number_integer()) return false;
    return true;
  }
  return value.type() == wanted.type();
}

constexpr int kDeepest = 16;  // sections within sections: more is no config, and would exhaust the stack

// Looks at a text while it is parsed, for what the value no longer tells: a key given twice, and too many levels.
class Watch {
 public:
  std::string twice;  // the first such key, as "section.key"
  bool too_deep = false;

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    too_deep = too_deep || depth > kDeepest;
    if (too_deep) return false;
    const auto level =
        static_cast<size_t>(depth);  // of the value itself; a key's is that of the object and one more
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      levels_.resize(level + 1);
      levels_[level] = {};
    } else if (event == Json::parse_event_t::key) {
      Level& object = levels_[level - 1];
      object.key = parsed.get<std::string>();
      if (!object.keys.insert(object.key).second && twice.empty()) twice = path(level);
    }
    return true;
  }

 private:
  struct Level {
    std::set<std::string> keys;
    std::string key;  // the last
  };
  std::string path(size_t depth) const {
    std::string text;
    for (size_t i = 0; i < depth; ++i)
      if (!levels_[i].key.empty()) text += (text.empty() ? "" : ".") + levels_[i].key;
    return text;
  }
  std::vector<Level> levels_;
};

// nlohmann calls a copy.
Json watched_parse(const std::string& text, Watch& watch, bool throws) {
  return Json::parse(
      text,
      [&watch](int depth, Json::parse_event_t event, Json& parsed) { return watch(depth, event, parsed); },
      throws);
}

std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace);
}

void refuse_twice(const Watch& watch, const std::string& name) {
  check_input(watch.twice.empty(), name, ": the key ", quoted(watch.twice), " is given twice");
}

// JSON's whole numbers reach twice as far as ours.
void refuse_huge(const Json& value, const std::string& name, const std::string& key) {
  if (value.is_array())
    for (const Json& item : value) refuse_huge(item, name, key);
  check_input(!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), name,
              ": ", key, " is too large a number: ", value.is_number() ? value.dump() : "");
}

// Copies `given` over `target`, which holds every key that exists.
void merge(Json& target, const Json& given, const std::string& name, const std::string& prefix) {
  for (const auto& [key, value] : given.items()) {
    const std::string full = prefix + key;
    if (!target.contains(key)) {
      std::vector<std::string> known;
      for (const auto& [other, unused] : target.items()) known.push_back(prefix + other);
      throw InputError(
          concat(name, ": there is no key ", quoted(full), "; the nearest is ", nearest(full, known)));
    }
    Json& slot = target[key];
    check_input(fits(value, slot), name, ": ", full, " must be ", kind_of(slot));
    if (!slot.is_number_float()) refuse_huge(value, name, full);
    if (slot.is_object()) {
      merge(slot, value, name, full + ".");
    } else if (slot.is_number_float()) {
      slot = value.get<double>();  // a whole number must not turn the key into one of whole numbers
    } else {
      slot = value;
    }
  }
}

void assign(Json& target, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  const std::string name = "--set " + printable(assignment);
  check_input(equals != std::string::npos && equals > 0, name, ": not of the form key=value");
  check_input(is_utf8(assignment), name, ": is not UTF-8");
  const std::string text = assignment.substr(equals + 1);
  Watch watch;
  Json value = watched_parse(text, watch, false);
  if (value.is_discarded()) value = text;  // a bare word is a text
  refuse_twice(watch, name);
  std::string path = assignment.substr(0, equals);
  for (size_t dot = path.rfind('.');; dot = path.rfind('.')) {
    const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
    value = Json{{key, value}};
    if (dot == std::string::npos) break;
    path = path.substr(0, dot);
  }
  merge(target, value, name, "");
}

// What the types cannot say.
void check_ranges(const TrainConfig& c, const std::string& name) {
  const auto in_range = [&](double value, double low, double high, const char* key) {
    check_input(value >= low && value <= high, name, ": ", key, " must lie between ", low, " and ", high,
                ", not ", value);
  };
  const auto one_of = [&](const std::string& value, const std::vector<std::string>& known, const char* key) {
    for (const std::string& k : known)
      if (k == value) return;
    throw InputError(
        concat(name, ": ", key, " has no value ", quoted(value), "; the nearest is ", nearest(value, known)));
  };
  one_of(c.model.backbone, layers::ResNet::names(), "model.backbone");
  one_of(c.model.pooling, {"average", "gem"}, "model.pooling");
  one_of(c.optimizer.kind, {"sgd", "adam", "amsgrad", "adamw"}, "optimizer.kind");
  one_of(c.schedule.kind, {"constant", "step", "cosine"}, "schedule.kind");
  one_of(c.evaluation.metric, {"euclidean", "cosine"}, "evaluation.metric");
  in_range(static_cast<double>(c.model.width), 1, 4096, "model.width");
  in_range(static_cast<double>(c.model.last_stride), 1, 2, "model.last_stride");
  in_range(static_cast<double>(c.data.height), 16, 4096, "data.height");
  in_range(static_cast<double>(c.data.width), 16, 4096, "data.width");
  in_range(static_cast<double>(c.data.identities_per_batch), 1, 65536, "data.identities_per_batch");
  in_range(static_cast<double>(c.data.images_per_identity), 1, 65536, "data.images_per_identity");
  in_range(c.data.flip, 0, 1, "data.flip");
  in_range(c.data.erase, 0, 1, "data.erase");
  in_range(c.data.jitter, 0, 1, "data.jitter");
  in_range(static_cast<double>(c.data.pad), 0, 1024, "data.pad");
  in_range(static_cast<double>(c.data.workers), 0, 256, "data.workers");
  in_range(c.loss.id, 0, 1e6, "loss.id");
  in_range(c.loss.triplet, 0, 1e6, "loss.triplet");
  in_range(c.loss.margin, 0, 1e6, "loss.margin");
  in_range(c.loss.smoothing, 0, 1, "loss.smoothing");
  in_range(c.optimizer.learning_rate, 0, 1e6, "optimizer.learning_rate");
  in_range(c.optimizer.weight_decay, 0, 1e6, "optimizer.weight_decay");
  in_range(c.optimizer.momentum, 0, 1, "optimizer.momentum");
  in_range(c.optimizer.clip, 0, 1e30, "optimizer.clip");
  in_range(static_cast<double>(c.schedule.epochs), 1, 1e6, "schedule.epochs");
  for (const int64_t milestone : c.schedule.milestones)
    in_range(static_cast<double>(milestone), 0, 1e6, "schedule.milestones");
  in_range(c.schedule.gamma, 0, 1, "schedule.gamma");
  in_range(static_cast<double>(c.schedule.warmup_epochs), 0, 1e6, "schedule.warmup_epochs");
  in_range(c.schedule.warmup_factor, 0, 1, "schedule.warmup_factor");
  in_range(static_cast<double>(c.evaluation.every), 1, 1e6, "evaluation.every");
  in_range(static_cast<double>(c.evaluation.batch), 1, 65536, "evaluation.batch");
  in_range(static_cast<double>(c.checkpoint.every_epochs), 0, 1e6, "checkpoint.every_epochs");
  in_range(static_cast<double>(c.checkpoint.every_steps), 0, 1e12, "checkpoint.every_steps");
}

}  // namespace

TrainConfig parse_config(const std::string& text, const std::string& name,
                         const std::vector<std::string>& assignments) {
  Watch watch;
  Json given;
  try {
    given = watched_parse(text, watch, true);
  } catch (const Json::exception& error) {
    throw InputError(concat(name, ": not JSON: ", error.what()));
  }
  check_input(!watch.too_deep && given.is_object(), name, ": not a JSON object of sections");
  refuse_twice(watch, name);
  Json all = TrainConfig();
  merge(all, given, name, "");
  for (const std::string& assignment : assignments) assign(all, assignment);
  try {
    const auto config = all.get<TrainConfig>();
    check_ranges(config, name);
    return config;
  } catch (const Json::exception& error) {
    throw InputError(concat(name, ": ", error.what()));
  }
}

TrainConfig read_config(const std::string& path, const std::vector<std::string>& assignments) {
  std::error_code ignored;
  check_input(!std::filesystem::is_directory(path, ignored), path, ": is a folder");
  std::ifstream file(path, std::ios::binary);
  check_input(file.good(), path, ": cannot be read");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  check_input(!file.bad(), path, ": cannot be read");
  return parse_config(text, path, assignments);
}

std::string to_json(const TrainConfig& config) {
  return Json(config).dump();
}

ModelConfig TrainConfig::model_config(int64_t identities) const {
  return {{model.backbone, model.width, model.last_stride}, model.pooling, model.neck, identities};
}

}  // namespace saccade
