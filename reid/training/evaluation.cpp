#include "reid/training/evaluation.h"

namespace saccade {

Metric metric_named(const std::string& name) {
  check_input(name == "euclidean" || name == "cosine", "the metric is euclidean or cosine, not ", name);
  return name == "cosine" ? Metric::cosine : Metric::euclidean;
}

RetrievalSet retrieval_set(const std::string& name, const Features& features) {
  return {name, features.pids, features.camids, features.values, features.size};
}

Evaluation evaluate_model(Context& context, const ReidModel& model, const ReidDataset& dataset,
                          const TrainConfig& config, bool ranked) {
  const Features query = extract_features(context, model, dataset.query, config);
  const Features gallery = extract_features(context, model, dataset.gallery, config);
  EvaluationOptions options;
  Context host(Device::cpu, 0, context.threads());  // features are ranked where they are
  constexpr int64_t kShown = 8;  // rows of ranked.png
  for (int64_t i = 0; ranked && i < std::min(kShown, query.count); ++i)
    options.ranked_queries.push_back(i * query.count / std::min(kShown, query.count));
  return evaluate_features(host, metric_named(config.evaluation.metric), retrieval_set("the query set", query),
                           retrieval_set("the gallery", gallery), options);
}

}  // namespace saccade
