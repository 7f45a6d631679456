// evaluate: the retrieval scores of a trained network, or of features or distances, whatever made them.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "kernels/common/clock.h"
#include "reid/evaluation/feature_file.h"
#include "reid/evaluation/report.h"
#include "reid/evaluation/rerank.h"
#include "reid/run/retrieval.h"
#include "reid/run/threads.h"
#include "reid/systems.h"
#include "tensor/weights/json_text.h"
#include "tools/common/network_option.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/reading.h"
#include "tools/common/whole_number.h"

namespace {

using namespace saccade;

struct Options {
  std::string query, gallery, distances, data;
  NetworkOptions network;
  std::string metric;  // empty: euclidean, or what the network's config says
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
    if (!progress_ && (watch_.seconds() < 2 || done_ == queries_)) return;
    if (!progress_) progress_.emplace("evaluate", queries_, "queries");
    progress_->advance(std::exchange(unshown_, 0));
  }

 private:
  const Stopwatch watch_;
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
  const Metric metric = metric_named(options.metric.empty() ? "euclidean" : options.metric);
  if (!options.rerank) return evaluate_features(context, metric, query, gallery, evaluation);
  const Reranker reranker(context, metric, query, gallery);
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

// By retrieval on query and gallery of --data.
Evaluation evaluate_embedder(Context& context, Options options, Embedder embedder) {
  ReidDataset dataset = load_reid_dataset(options.data, {.train = false});
  print_notice(dataset.notice);
  ReadingProgress reading;
  check_dataset(dataset, embedder.extraction.pictures, context.threads(), reading.report());
  if (options.metric.empty()) options.metric = embedder.metric;
  Progress progress("extracting", static_cast<int64_t>(dataset.query.size() + dataset.gallery.size()),
                    "images");
  embedder.extraction.flip = embedder.extraction.flip || options.network.flip;
  embedder.extraction.done = [&](int64_t count) { progress.advance(count); };
  const Features query = extract_features(context, embedder, dataset.query);
  const Features gallery = extract_features(context, embedder, dataset.gallery);
  progress.finish();
  Context host(Device::cpu, 0, context.threads());
  return evaluate_sets(host, options, retrieval_set(dataset.query_name, query),
                       retrieval_set(dataset.gallery_name, gallery));
}

Scores scores_of(const Evaluation& evaluation) {
  return {to_json(evaluation), table_of(evaluation)};
}

Scores evaluate_network(const Options& options) {
  const FoundNetwork network = find_network(options.network);
  const System& system = network.system;
  check_input(system.reads_data() != options.data.empty(), "--data: the system ", system.name,
              system.reads_data() ? " is scored on a folder of data, which must be given" : " reads no data");
  if (!system.evaluate || network.checkpoint.path.empty())
    return scores_of(evaluate_embedder(*network.context, options, network.open()));
  check_input(options.metric.empty() && !options.rerank && !options.single_shot && !options.network.flip,
              "the system ", system.name,
              " has scores of its own: --metric, --rerank, --single-shot and --flip are for retrieval");
  return system.evaluate(*network.context, network.checkpoint, options.data);
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
  add_network_options(app, options.network);
  app.add_option("--data", options.data,
                 "folder that the network is scored on, or one above it; it holds " + data_of_systems() +
                     ", without what is for training");
  auto* metric = app.add_option("--metric", options.metric,
                                "without it euclidean, or the metric of the network's config")
                     ->check(CLI::IsMember({"euclidean", "cosine"}));
  auto* rerank =
      app.add_flag("--rerank", options.rerank, "k-reciprocal re-ranking (k1 20, k2 6, lambda 0.3)");
  auto* single_shot = app.add_flag("--single-shot", options.single_shot,
                                   "one random image of each gallery person, ten draws");
  auto* seed = app.add_option("--seed", options.seed, "of the draws")->check(whole_number());
  app.add_flag("--json", options.json, "one JSON object on stdout");
  query->needs(gallery);
  gallery->needs(query);
  seed->needs(single_shot);
  distances->excludes(query)->excludes(gallery)->excludes(metric)->excludes(rerank);

  return run_program("evaluate", app, argc, argv, [&] {
    const bool files = !options.distances.empty() || !options.query.empty();
    check_input(files || options.network.given(),
                "nothing to evaluate: give --checkpoint (or --weights and --config) and --data, --query and "
                "--gallery, or "
                "--distances (--help lists the options)");
    for (const std::string name :
         {"--checkpoint", "--weights", "--data", "--device", "--precision", "--set", "--flip"})
      check_input(!files || app.count(name) == 0, name,
                  ": of a network, and not of --query, --gallery and --distances");
    const auto of_files = [&] {
      Context host(Device::cpu, 0, default_threads(print_notice));
      return scores_of(options.distances.empty() ? evaluate_feature_files(host, options)
                                                 : evaluate_distance_file(host, options));
    };
    const Scores scores = files ? of_files() : evaluate_network(options);
    std::cout << (options.json ? json_text(scores.json) + "\n" : scores.table);
  });
}
