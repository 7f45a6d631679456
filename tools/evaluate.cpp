// evaluate: the retrieval scores of features or of distances, whatever made them.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "reid/evaluation/feature_file.h"
#include "reid/evaluation/report.h"
#include "reid/evaluation/rerank.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"

namespace {

using namespace saccade;

struct Options {
  std::string query, gallery, distances;
  Metric metric = Metric::euclidean;
  bool rerank = false, json = false, single_shot = false;
  uint64_t seed = 0;
};

// A report for work that takes more than a moment.
class LongWork {
 public:
  explicit LongWork(int64_t queries) : queries_(queries) {}
  void advance(int64_t count) {
    done_ += count;
    unshown_ += count;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    if (!progress_ && (elapsed.count() < 2 || done_ == queries_)) return;
    if (!progress_) progress_.emplace("evaluate", queries_, "queries");
    progress_->advance(std::exchange(unshown_, 0));
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const int64_t queries_;
  int64_t done_ = 0, unshown_ = 0;
  std::optional<Progress> progress_;
};

EvaluationOptions options_of(const Options& options, LongWork& work) {
  EvaluationOptions out;
  out.single_shot = options.single_shot;
  out.seed = options.seed;
  out.progress = [&work](int64_t count) { work.advance(count); };
  return out;
}

Evaluation evaluate_sets(Context& context, const Options& options, const RetrievalSet& query,
                         const RetrievalSet& gallery) {
  LongWork work(query.count());
  const EvaluationOptions evaluation = options_of(options, work);
  if (!options.rerank) return evaluate_features(context, options.metric, query, gallery, evaluation);
  const Reranker reranker(context, options.metric, query, gallery);
  const auto rows = [&](int64_t begin, int64_t end, float* to) { reranker.rows(context, begin, end, to); };
  return evaluate(context, query, gallery, rows, evaluation);
}

Evaluation evaluate_feature_files(Context& context, const Options& options) {
  const FeatureFile query = read_features(options.query), gallery = read_features(options.gallery);
  return evaluate_sets(context, options, query.set, gallery.set);
}

Evaluation evaluate_distance_file(Context& context, const Options& options) {
  const DistanceFile file = read_distances(options.distances);
  LongWork work(file.query.count());
  return evaluate_distances(context, file.distances, file.query, file.gallery, options_of(options, work));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Scores of a ranked gallery: mAP in both published forms, mINP and CMC, as fractions from 0 to 1");
  Options options;
  auto* query =
      app.add_option("--query", options.query,
                     "safetensors with features f32 [N,D], pids i64 [N], camids i64 [N] (-1: unknown)");
  auto* gallery = app.add_option("--gallery", options.gallery, "the same for the gallery");
  auto* distances = app.add_option("--distances", options.distances,
                                   "safetensors with distances f32 [Q,G], query_pids, query_camids, "
                                   "gallery_pids, gallery_camids (i64)");
  const std::map<std::string, Metric> metrics{{"euclidean", Metric::euclidean}, {"cosine", Metric::cosine}};
  auto* metric = app.add_option("--metric", options.metric, "euclidean (the default) or cosine")
                     ->transform(CLI::CheckedTransformer(metrics));
  auto* rerank =
      app.add_flag("--rerank", options.rerank, "k-reciprocal re-ranking (k1 20, k2 6, lambda 0.3)");
  app.add_flag("--single-shot", options.single_shot, "one random image of each gallery person, ten draws");
  app.add_option("--seed", options.seed, "of the draws");
  app.add_flag("--json", options.json, "one JSON object on stdout");
  query->needs(gallery);
  gallery->needs(query);
  distances->excludes(query)->excludes(gallery)->excludes(metric)->excludes(rerank);

  return run_program("evaluate", app, argc, argv, [&] {
    Context context;
    check_input(!options.distances.empty() || !options.query.empty(),
                "nothing to evaluate: give --query and --gallery, or --distances (--help lists the options)");
    const Evaluation result = options.distances.empty() ? evaluate_feature_files(context, options)
                                                        : evaluate_distance_file(context, options);
    std::cout << (options.json ? to_json(result).dump() + "\n" : table_of(result));
  });
}
