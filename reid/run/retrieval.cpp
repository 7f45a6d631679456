#include "reid/run/retrieval.h"

namespace saccade {

Metric metric_named(const std::string& name) {
  check_input(name == "euclidean" || name == "cosine", "the metric is euclidean or cosine, not ", name);
  return name == "cosine" ? Metric::cosine : Metric::euclidean;
}

RetrievalSet retrieval_set(const std::string& name, const Features& features) {
  return {name, features.pids, features.camids, features.values, features.size};
}

static void check_some_valid(const ReidDataset& dataset) {
  std::vector<int64_t> query_pids, query_camids, gallery_pids, gallery_camids;
  for (const ImageRecord& record : dataset.query)
    query_pids.push_back(record.pid), query_camids.push_back(record.camid);
  for (const ImageRecord& record : dataset.gallery)
    gallery_pids.push_back(record.pid), gallery_camids.push_back(record.camid);
  check_some_valid({dataset.query_name, query_pids, query_camids, {}, 0},
                   {dataset.gallery_name, gallery_pids, gallery_camids, {}, 0});
}

void check_dataset(ReidDataset& dataset, const PictureRules& rules, int threads,
                   const ReadingReport& report) {
  check_some_valid(dataset);  // before the long reading
  if (check_pictures({&dataset.train, &dataset.query, &dataset.gallery}, rules, threads, report) == 0) return;
  dataset.labels = labels_of(dataset.train, &dataset.train_ids);
  check_some_valid(dataset);
}

Evaluation evaluate_retrieval(Context& context, const Embedder& embedder, const ReidDataset& dataset,
                              bool ranked) {
  const Features query = extract_features(context, embedder, dataset.query);
  const Features gallery = extract_features(context, embedder, dataset.gallery);
  EvaluationOptions options;
  Context host(Device::cpu, 0, context.threads());  // features are ranked where they are
  constexpr int64_t kShown = 8;                     // rows of ranked.png
  for (int64_t i = 0; ranked && i < std::min(kShown, query.count); ++i)
    options.ranked_queries.push_back(i * query.count / std::min(kShown, query.count));
  return evaluate_features(host, metric_named(embedder.metric), retrieval_set(dataset.query_name, query),
                           retrieval_set(dataset.gallery_name, gallery), options);
}

}  // namespace saccade
