// The evaluator at the size of Market-1501: 3,368 queries x 15,913 gallery images x 2,048 features, and
// re-ranking on top. Prints the median seconds of several runs and the peak memory.
//   bench_evaluator [--runs N] [--queries Q] [--gallery G] [--width D] [--rerank]
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "bench/timing.h"
#include "kernels/common/philox.h"
#include "reid/evaluation/evaluate.h"
#include "reid/evaluation/rerank.h"

namespace {

using namespace saccade;

struct Set {
  std::vector<int64_t> pids, camids;
  std::vector<float> features;
  int64_t width;
};

// Cluster centers plus noise: hard enough that ranks spread over the gallery.
Set make_set(int64_t count, int64_t width, uint64_t seed) {
  Set set{{}, {}, std::vector<float>(static_cast<size_t>(count * width)), width};
  PhiloxStream labels(seed);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t pid = labels.below(751);
    set.pids.push_back(pid);
    set.camids.push_back(1 + labels.below(6));
    PhiloxStream center(7, static_cast<uint64_t>(pid)), noise(seed + 1, static_cast<uint64_t>(i));
    for (int64_t l = 0; l < width; ++l)
      set.features[static_cast<size_t>(i * width + l)] = 0.3f * center.uniform() + noise.uniform();
  }
  return set;
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

template <class Work>
double seconds(int runs, Work&& work) {
  std::vector<double> times;
  for (int r = 0; r < runs; ++r) {
    const double start = now();
    work();
    times.push_back(now() - start);
  }
  return bench::Times(std::move(times)).median;
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 3;
  int64_t queries = 3368, images = 15913, width = 2048;
  CLI::App app("Times the evaluator");
  app.add_option("--runs", runs);
  app.add_option("--queries", queries);
  app.add_option("--gallery", images);
  app.add_option("--width", width);
  bool rerank = false;
  app.add_flag("--rerank", rerank);
  CLI11_PARSE(app, argc, argv);

  const Set query = make_set(queries, width, 1), gallery = make_set(images, width, 2);
  const RetrievalSet q{"query", query.pids, query.camids, query.features, width};
  const RetrievalSet g{"gallery", gallery.pids, gallery.camids, gallery.features, width};
  Context context;
  const double before = peak_mib();
  Evaluation result;
  const double time = seconds(runs, [&] { result = evaluate_features(context, Metric::euclidean, q, g); });
  std::cout << "evaluate " << queries << " x " << images << " x " << width << ": " << time << " s, mAP "
            << result.map << ", peak " << peak_mib() << " MiB (features alone " << before << ")\n";

  std::vector<float> row(static_cast<size_t>(images) * 256);
  const FeatureRows a(context, Metric::euclidean, q), b(context, Metric::euclidean, g);
  const double distances = seconds(runs, [&] {
    for (int64_t begin = 0; begin < queries; begin += 256)
      distance_keys(context, a, begin, std::min(begin + 256, queries), b, 0, images, row.data(), images);
  });
  std::cout << "  of this, distances: " << distances << " s, "
            << 2e-9 * static_cast<double>(queries) * static_cast<double>(images) *
                   static_cast<double>(width) / distances
            << " GFLOP/s\n";
  if (!rerank) return 0;
  const double reranked = seconds(1, [&] {
    const Reranker reranker(context, Metric::euclidean, q, g);
    const auto rows = [&](int64_t begin, int64_t end, float* to) { reranker.rows(context, begin, end, to); };
    result = evaluate(context, q, g, rows);
  });
  std::cout << "re-ranked: " << reranked << " s, mAP " << result.map << ", peak " << peak_mib() << " MiB\n";
}
