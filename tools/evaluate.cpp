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
#include "reid/systems.h"
#include "tools/common/checkpoint_option.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/reading.h"
#include "tools/common/whole_number.h"

namespace {

using namespace saccade;

struct Options {
  std::string query, gallery, distances, checkpoint, data, device = "auto", precision = "f32";
  std::vector<std::string> assignments;
  std::string metric;  // empty: euclidean, or what the checkpoint's config says
  bool rerank = false, json = false, single_shot = false, flip = false;
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
  std::cerr << dataset.notice;
  ReadingProgress reading;
  check_dataset(dataset, embedder.extraction.pictures, context.threads(), reading.report());
  if (options.metric.empty()) options.metric = embedder.metric;
  Progress progress("extracting", static_cast<int64_t>(dataset.query.size() + dataset.gallery.size()),
                    "images");
  embedder.extraction.flip = embedder.extraction.flip || options.flip;
  embedder.extraction.done = [&](int64_t count) { progress.advance(count); };
  const Features query = extract_features(context, embedder, dataset.query);
  const Features gallery = extract_features(context, embedder, dataset.gallery);
  progress.finish();
  Context host;
  return evaluate_sets(host, options, retrieval_set(dataset.query_name, query),
                       retrieval_set(dataset.gallery_name, gallery));
}

Scores scores_of(const Evaluation& evaluation) {
  return {to_json(evaluation), table_of(evaluation)};
}

Scores evaluate_checkpoint(const Options& options) {
  const auto context = make_context(options.device, options.precision);
  const CheckpointSource source{find_checkpoint(options.checkpoint), options.assignments};
  const System& system = system_of_checkpoint(source.path);
  check_input(system.reads_data() != options.data.empty(), "--data: the system ", system.name,
              system.reads_data() ? " is scored on a folder of data, which must be given" : " reads no data");
  if (!system.evaluate) return scores_of(evaluate_embedder(*context, options, system.open(*context, source)));
  check_input(options.metric.empty() && !options.rerank && !options.single_shot && !options.flip,
              "the system ", system.name,
              " has scores of its own: --metric, --rerank, --single-shot and --flip are for retrieval");
  return system.evaluate(*context, source, options.data);
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
  auto* checkpoint =
      app.add_option("--checkpoint", options.checkpoint, "checkpoint of a training run, or the run's folder");
  auto* data = app.add_option("--data", options.data,
                              "folder that the checkpoint is scored on, or its parent; it holds " +
                                  data_of_systems() + ", without what is for training");
  auto* device = app.add_option("--device", options.device, "of the network: auto, cpu, cuda or cuda:N")
                     ->capture_default_str();
  auto* precision = app.add_option("--precision", options.precision, "of the network: f32, tf32 or bf16")
                        ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
                        ->capture_default_str();
  auto* set = app.add_option("--set", options.assignments,
                             "change one setting of the checkpoint's config: section.key=value (repeatable)")
                  ->allow_extra_args(false);
  auto* metric = app.add_option("--metric", options.metric,
                                "without it euclidean, or the metric of the checkpoint's config")
                     ->check(CLI::IsMember({"euclidean", "cosine"}));
  auto* rerank =
      app.add_flag("--rerank", options.rerank, "k-reciprocal re-ranking (k1 20, k2 6, lambda 0.3)");
  auto* flip = app.add_flag("--flip", options.flip,
                            "features are the mean of those of each picture and of its mirror image");
  auto* single_shot = app.add_flag("--single-shot", options.single_shot,
                                   "one random image of each gallery person, ten draws");
  auto* seed = app.add_option("--seed", options.seed, "of the draws")->check(whole_number());
  app.add_flag("--json", options.json, "one JSON object on stdout");
  query->needs(gallery);
  gallery->needs(query);
  checkpoint->excludes(query)->excludes(gallery)->excludes(distances);
  data->needs(checkpoint);
  device->needs(checkpoint);
  precision->needs(checkpoint);
  set->needs(checkpoint);
  flip->needs(checkpoint);
  seed->needs(single_shot);
  distances->excludes(query)->excludes(gallery)->excludes(metric)->excludes(rerank);

  return run_program("evaluate", app, argc, argv, [&] {
    Context context;
    check_input(
        !options.distances.empty() || !options.query.empty() || !options.checkpoint.empty(),
        "nothing to evaluate: give --checkpoint and --data, --query and --gallery, or --distances (--help "
        "lists the options)");
    const Scores scores = !options.checkpoint.empty() ? evaluate_checkpoint(options)
                          : options.distances.empty() ? scores_of(evaluate_feature_files(context, options))
                                                      : scores_of(evaluate_distance_file(context, options));
    std::cout << (options.json ? scores.json.dump() + "\n" : scores.table);
  });
}
