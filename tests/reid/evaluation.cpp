// The evaluator: each convention by hand, then everything against a brute-force version on sets full of ties.
#include "reid/evaluation/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/metric/pairwise_distance.h"
#include "tests/common/catch.h"
#include "tests/reid/folder.h"
#include "tests/reid/retrieval.h"

namespace saccade {
namespace {

// One query of person 7 in camera 1 against a gallery given as labels and distances.
struct OneQuery {
  std::vector<int64_t> pids, camids;
  std::vector<float> distances;
  int64_t pid = 7, camid = 1;

  Evaluation run(const EvaluationOptions& options = {}) const {
    Context context;
    const OwnedSet query{"query", {pid}, {camid}, {}, 0}, gallery{"gallery", pids, camids, {}, 0};
    return evaluate_distances(context, distances, query.view(), gallery.view(), options);
  }
};

// The definitions, written as directly as they can be: in f64, sorting the whole gallery.
Evaluation brute_force(const std::vector<double>& distances, const OwnedSet& query, const OwnedSet& gallery) {
  Evaluation out;
  const size_t n = gallery.pids.size();
  out.gallery = static_cast<int64_t>(n);
  out.queries = static_cast<int64_t>(query.pids.size());
  out.cmc.assign(std::min<size_t>(50, n), 0.0);
  for (size_t q = 0; q < query.pids.size(); ++q) {
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return distances[q * n + a] < distances[q * n + b]; });
    double hits = 0, place = 0, ap = 0, trapezoid = 0, last = 0, first = 0;
    for (const size_t j : order) {
      const bool same = gallery.pids[j] == query.pids[q];
      if (gallery.pids[j] == -1) continue;
      if (same && query.camids[q] != -1 && gallery.camids[j] == query.camids[q]) continue;
      if (same) {
        ap += (hits + 1) / (place + 1);
        trapezoid += 0.5 * ((hits + 1) / (place + 1) + (place > 0 ? hits / place : 1.0));
        hits += 1;
        last = place + 1;
        if (hits == 1) first = place;
      }
      place += 1;
    }
    if (hits == 0) continue;
    ++out.valid_queries;
    out.map += ap / hits;
    out.map_trapezoid += trapezoid / hits;
    out.minp += hits / last;
    for (size_t k = static_cast<size_t>(first); k < out.cmc.size(); ++k) out.cmc[k] += 1;
  }
  const auto valid = static_cast<double>(out.valid_queries);
  out.map /= valid;
  out.map_trapezoid /= valid;
  out.minp /= valid;
  for (double& rate : out.cmc) rate /= valid;
  return out;
}

std::vector<double> distances_of(Metric metric, const OwnedSet& query, const OwnedSet& gallery) {
  std::vector<double> distances;
  const auto width = static_cast<size_t>(query.width);
  for (size_t q = 0; q < query.pids.size(); ++q)
    for (size_t g = 0; g < gallery.pids.size(); ++g) {
      double square = 0, dot = 0, xx = 0, yy = 0;
      for (size_t l = 0; l < width; ++l) {
        const double x = query.features[q * width + l], y = gallery.features[g * width + l];
        square += (x - y) * (x - y);
        dot += x * y;
        xx += x * x;
        yy += y * y;
      }
      distances.push_back(metric == Metric::euclidean ? std::sqrt(square) : 1 - dot / std::sqrt(xx * yy));
    }
  return distances;
}

void check_equal(const Evaluation& a, const Evaluation& b) {
  CHECK(a.map == Approx(b.map).epsilon(1e-12));
  CHECK(a.map_trapezoid == Approx(b.map_trapezoid).epsilon(1e-12));
  CHECK(a.minp == Approx(b.minp).epsilon(1e-12));
  CHECK(a.queries == b.queries);
  CHECK(a.valid_queries == b.valid_queries);
  CHECK(a.gallery == b.gallery);
  REQUIRE(a.cmc.size() == b.cmc.size());
  for (size_t k = 0; k < a.cmc.size(); ++k) CHECK(a.cmc[k] == Approx(b.cmc[k]).epsilon(1e-12));
}

}  // namespace

TEST_CASE("average precision by hand, in both published forms", "[evaluation]") {
  const std::vector<int64_t> perfect = {1, 2, 3, 4}, sparse = {1, 3, 5, 7}, late = {3};
  CHECK(score_of_ranks(perfect).ap == 1);
  CHECK(score_of_ranks(perfect).ap_trapezoid == 1);
  CHECK(score_of_ranks(sparse).ap == Approx((1 + 2.0 / 3 + 3.0 / 5 + 4.0 / 7) / 4).epsilon(1e-15));
  CHECK(score_of_ranks(sparse).ap == Approx(0.70952).epsilon(1e-5));
  // Trapezoid: before the hits at ranks 3, 5, 7 the precision was 1/2, 2/4 and 3/6.
  CHECK(score_of_ranks(sparse).ap_trapezoid ==
        Approx((2 + (2.0 / 3 + 0.5) + (0.6 + 0.5) + (4.0 / 7 + 0.5)) / 8).epsilon(1e-15));
  CHECK(score_of_ranks(sparse).inp == Approx(4.0 / 7).epsilon(1e-15));
  CHECK(score_of_ranks(late).ap == Approx(1.0 / 3));
  CHECK(score_of_ranks(late).ap_trapezoid == Approx(1.0 / 6));
  CHECK(score_of_ranks({}).correct == 0);
}

TEST_CASE("junk takes no rank, distractors do", "[evaluation]") {
  const Evaluation junk = OneQuery{{-1, 7, -1}, {2, 2, 3}, {1, 2, 0}}.run();
  CHECK(junk.map == 1);
  CHECK(junk.cmc[0] == 1);
  const Evaluation distractor = OneQuery{{0, 7}, {2, 2}, {1, 2}}.run();
  CHECK(distractor.map == 0.5);
  CHECK(distractor.cmc == std::vector<double>{0, 1});
}

TEST_CASE("the query's person in the query's camera takes no rank; others in that camera do",
          "[evaluation]") {
  CHECK(OneQuery{{7, 7, 8}, {1, 2, 2}, {1, 2, 3}}.run().map == 1);
  CHECK(OneQuery{{8, 7}, {1, 2}, {1, 2}}.run().map == 0.5);
  // It counts neither as a hit nor as one of the correct images to be found.
  CHECK(OneQuery{{7, 8, 7}, {1, 2, 2}, {1, 2, 3}}.run().minp == 0.5);
}

TEST_CASE("camera -1 is unknown and equals no camera, not even itself", "[evaluation]") {
  OneQuery without{{7, 8, 7}, {-1, -1, -1}, {1, 2, 3}};
  without.camid = -1;
  CHECK(without.run().map == Approx((1 + 2.0 / 3) / 2));
  const std::string message = input_error_of([] { OneQuery{{7, 8}, {1, 1}, {1, 2}}.run(); });
  CHECK_THAT(message, ContainsSubstring("only in their own camera"));
  CHECK_THAT(message, ContainsSubstring("camids of -1"));
}

TEST_CASE("ties are broken by gallery index", "[evaluation]") {
  CHECK(OneQuery{{8, 7}, {2, 2}, {1, 1}}.run().map == 0.5);
  CHECK(OneQuery{{7, 8}, {2, 2}, {1, 1}}.run().map == 1);
  CHECK(OneQuery{{8, 7, 9, 7}, {2, 2, 2, 2}, {5, 5, 5, 5}}.run().map == 0.5);
  // A junk image at the same distance as a hit, even at infinity, still takes no rank.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(OneQuery{{-1, 7}, {2, 2}, {kInfinity, kInfinity}}.run().map == 1);
}

TEST_CASE("average precision divides by all correct images, however far down", "[evaluation]") {
  OneQuery deep;
  for (int j = 0; j < 400; ++j) {
    deep.pids.push_back(j == 0 || j == 399 ? 7 : 8);
    deep.camids.push_back(2);
    deep.distances.push_back(static_cast<float>(j));
  }
  const Evaluation result = deep.run();
  CHECK(result.map == Approx((1 + 2.0 / 400) / 2));
  CHECK(result.minp == Approx(2.0 / 400));
  CHECK(result.cmc.size() == 50);
  CHECK(result.cmc == std::vector<double>(50, 1.0));
}

TEST_CASE("same-camera images are removed before anything is cut off", "[evaluation]") {
  OneQuery crowded;  // 120 images of the same camera stand before the only correct one
  for (int j = 0; j < 121; ++j) {
    crowded.pids.push_back(7);
    crowded.camids.push_back(j < 120 ? 1 : 2);
    crowded.distances.push_back(static_cast<float>(j));
  }
  CHECK(crowded.run().map == 1);
  CHECK(crowded.run().cmc[0] == 1);
}

TEST_CASE("a query with no correct image is counted and left out of the mean", "[evaluation]") {
  Context context;
  const OwnedSet query{"query", {7, 9}, {1, 1}, {}, 0}, gallery{"gallery", {7, 8}, {2, 2}, {}, 0};
  const std::vector<float> distances = {1, 2, 1, 2};
  const Evaluation result = evaluate_distances(context, distances, query.view(), gallery.view());
  CHECK(result.queries == 2);
  CHECK(result.valid_queries == 1);
  CHECK(result.gallery == 2);
  CHECK(result.map == 1);
  CHECK(result.of_query[1].correct == 0);
}

TEST_CASE("what cannot be evaluated is refused with its cause", "[evaluation]") {
  Context context;
  const OwnedSet query{"q.safetensors", {7}, {1}, {1, 2}, 2}, gallery{"g.safetensors", {7}, {2}, {1, 2}, 2};
  const auto error = [&](OwnedSet q, OwnedSet g) {
    return input_error_of([&] { evaluate_features(context, Metric::euclidean, q.view(), g.view()); });
  };
  const OwnedSet none{"none.safetensors", {}, {}, {}, 2};
  CHECK(error(query, none) == "none.safetensors: the gallery is empty");
  CHECK(error(none, gallery) == "none.safetensors: the query set is empty");
  OwnedSet other = gallery;
  other.pids = {8};
  CHECK_THAT(error(query, other), ContainsSubstring("none of the query persons is in it"));
  other.pids = {-1};
  CHECK_THAT(error(query, other), ContainsSubstring("no query has a correct image"));
  other = gallery;
  other.width = 1;
  other.features = {1};
  CHECK(error(query, other) == "g.safetensors: features of width 1, but those of q.safetensors have width 2");
  other = gallery;
  other.camids = {1, 2};
  CHECK(error(query, other) == "g.safetensors: 1 pids but 2 camids");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30f}) {
    other = gallery;
    other.features[1] = bad;
    CHECK_THAT(error(query, other), ContainsSubstring("g.safetensors: the features of image 0 hold NaN"));
  }
  CHECK_THAT(input_error_of([] {
               OneQuery{{7, -1}, {2, 2}, {1, NAN}}.run();
             }),
             ContainsSubstring("the distance of query 0 to gallery image 1 is NaN"));
  CHECK_THAT(input_error_of([] {
               OneQuery{{7, 8}, {2, 2}, {1}}.run();
             }),
             ContainsSubstring("1 distances for 1"));
}

TEST_CASE("whole-number features full of ties: equal to brute force in everything", "[evaluation]") {
  const OwnedSet query = random_set("query", 300, 5, 1, 12), gallery = random_set("gallery", 2000, 5, 2, 12);
  const Evaluation expected = brute_force(distances_of(Metric::euclidean, query, gallery), query, gallery);
  REQUIRE(expected.valid_queries > 200);
  REQUIRE(expected.valid_queries < 300);
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    check_equal(evaluate_features(context, Metric::euclidean, query.view(), gallery.view()), expected);
  }
}

TEST_CASE("a large class takes the sorting path and gives the same", "[evaluation]") {
  const OwnedSet query = random_set("query", 20, 5, 3, 1), gallery = random_set("gallery", 5000, 5, 4, 1);
  Context context;
  check_equal(evaluate_features(context, Metric::euclidean, query.view(), gallery.view()),
              brute_force(distances_of(Metric::euclidean, query, gallery), query, gallery));
}

TEST_CASE("given distances with ties and a gallery smaller than 50", "[evaluation]") {
  const OwnedSet query = random_set("query", 50, 1, 5, 4), gallery = random_set("gallery", 30, 1, 6, 4);
  PhiloxStream random(9);
  std::vector<float> distances(50 * 30);
  for (float& d : distances) d = static_cast<float>(random.below(6)) - 2;
  Context context;
  const Evaluation result = evaluate_distances(context, distances, query.view(), gallery.view());
  CHECK(result.cmc.size() == 30);
  check_equal(result, brute_force({distances.begin(), distances.end()}, query, gallery));
}

TEST_CASE("cosine and real features agree with brute force in f64", "[evaluation]") {
  const OwnedSet query = random_set("query", 200, 64, 7, 9, false);
  const OwnedSet gallery = random_set("gallery", 900, 64, 8, 9, false);
  Context context;
  for (const Metric metric : {Metric::euclidean, Metric::cosine}) {
    const Evaluation result = evaluate_features(context, metric, query.view(), gallery.view());
    const Evaluation expected = brute_force(distances_of(metric, query, gallery), query, gallery);
    // f32 may swap two neighbors whose distances agree to seven digits; one such swap moves mAP by less than this.
    CHECK(result.map == Approx(expected.map).margin(1e-6));
    CHECK(result.minp == Approx(expected.minp).margin(1e-6));
    CHECK(result.valid_queries == expected.valid_queries);
  }
}

TEST_CASE("cosine does not see the length of a feature, euclidean does", "[evaluation]") {
  Context context;
  const OwnedSet query{"query", {7}, {1}, {1, 0}, 2}, gallery{"gallery", {8, 7}, {2, 2}, {1, 1, 100, 1}, 2};
  CHECK(evaluate_features(context, Metric::cosine, query.view(), gallery.view()).map == 1);
  CHECK(evaluate_features(context, Metric::euclidean, query.view(), gallery.view()).map == 0.5);
  // A row of zeros has no direction: its cosine distance to any row is 1, not NaN.
  const OwnedSet zero{"gallery", {8, 7}, {2, 2}, {0, 0, 1, 0}, 2};
  CHECK(evaluate_features(context, Metric::cosine, query.view(), zero.view()).map == 1);
}

TEST_CASE("the distances of a ranking are those of the kernel, in each metric that ranks", "[evaluation]") {
  Context context;
  const OwnedSet query{"query", {7}, {1}, {0.5f, -2, 3}, 3};
  const OwnedSet gallery{"gallery", {7, 8, 8}, {2, 2, 2}, {1, 2, 3, -4, 0.25f, 1, 0, 0, 0}, 3};
  EvaluationOptions options;
  options.ranked_queries = {0};
  for (const Metric metric : {Metric::euclidean, Metric::cosine}) {
    float distances[3];
    PairwiseDistance<Device::cpu>::forward(context, metric, 1, 3, 3, query.features.data(),
                                           gallery.features.data(), distances);
    const auto ranked = evaluate_features(context, metric, query.view(), gallery.view(), options).ranked[0];
    REQUIRE(ranked.images.size() == 3);
    for (const RankedImage& image : ranked.images)
      CHECK(image.distance == Approx(distances[image.gallery]).epsilon(1e-6));
  }
  CHECK_THROWS_WITH(evaluate_features(context, Metric::squared, query.view(), gallery.view()),
                    ContainsSubstring("euclidean or cosine"));
}

TEST_CASE("large distances that a square root in f32 would make equal stay apart", "[evaluation]") {
  // d^2 = 3000^2 + 5 and 3000^2 + 4 have the same root in f32, and the tie would go to the wrong image.
  Context context;
  const OwnedSet query{"query", {7}, {1}, {0, 0, 0}, 3};
  const OwnedSet gallery{"gallery", {8, 7}, {2, 2}, {3000, 2, 1, 3000, 2, 0}, 3};
  REQUIRE(std::sqrt(9000005.0f) == std::sqrt(9000004.0f));
  CHECK(evaluate_features(context, Metric::euclidean, query.view(), gallery.view()).map == 1);
}

TEST_CASE("results do not depend on the number of threads, to the last bit", "[evaluation]") {
  const OwnedSet query = random_set("query", 270, 100, 10, 20, false);
  const OwnedSet gallery = random_set("gallery", 1300, 100, 11, 20, false);
  std::vector<Evaluation> results;
  EvaluationOptions options;
  for (int64_t q = 0; q < 270; ++q) options.ranked_queries.push_back(q);
  for (int threads : {1, 2, 3}) {
    Context context(Device::cpu, 0, threads);
    results.push_back(evaluate_features(context, Metric::euclidean, query.view(), gallery.view(), options));
  }
  for (const Evaluation& other : results) {
    CHECK(other.map == results[0].map);
    for (size_t q = 0; q < 270; ++q)
      for (size_t p = 0; p < other.ranked[q].images.size(); ++p)
        CHECK(other.ranked[q].images[p].distance == results[0].ranked[q].images[p].distance);
  }
}

TEST_CASE("ranked lists hold the nearest kept images, right and wrong", "[evaluation]") {
  Context context;
  const OwnedSet query{"query", {5, 7}, {1, 1}, {0, 0}, 1};
  const OwnedSet gallery{"gallery", {-1, 7, 8, 7, 0, 5}, {2, 1, 2, 2, 2, 2}, {1, 2, 3, 4, 3, 9}, 1};
  EvaluationOptions options;
  options.ranked_queries = {1, 0};
  options.ranked_length = 3;
  const Evaluation result =
      evaluate_features(context, Metric::euclidean, query.view(), gallery.view(), options);
  REQUIRE(result.ranked.size() == 2);
  CHECK(result.ranked[0].query == 1);
  const auto& images = result.ranked[0].images;
  REQUIRE(images.size() == 3);
  CHECK((images[0].gallery == 2 && images[0].distance == 3 && !images[0].correct));
  CHECK((images[1].gallery == 4 && images[1].distance == 3 && !images[1].correct));
  CHECK((images[2].gallery == 3 && images[2].distance == 4 && images[2].correct));
  options.ranked_length = 100;  // more than take a rank
  CHECK(evaluate_features(context, Metric::euclidean, query.view(), gallery.view(), options)
            .ranked[0]
            .images.size() == 4);
}

TEST_CASE("single-gallery-shot: one image of each person, ten draws, the same every time", "[evaluation]") {
  EvaluationOptions options;
  options.single_shot = true;
  // Person 8 has one image before the hit and one behind it. A draw takes one of them, so the rank is 2 or 1.
  OneQuery two{{8, 7, 8}, {2, 2, 2}, {1, 2, 3}};
  const Evaluation result = two.run(options);
  CHECK(result.map == Approx(0.5 + 0.5 * result.cmc[0]));
  CHECK(result.cmc[1] == 1);
  CHECK(std::fabs(result.cmc[0] * 10 - std::round(result.cmc[0] * 10)) < 1e-9);
  CHECK(two.run(options).map == result.map);

  options.draws = 4000;  // the mean of many draws is the expectation: half, within five standard deviations
  CHECK(two.run(options).cmc[0] == Approx(0.5).margin(0.04));
  options.seed = 1;
  const double other_seed = two.run(options).cmc[0];
  options.seed = 2;
  CHECK(other_seed != two.run(options).cmc[0]);

  // Ten images of person 8 count once; junk and same-camera images are never drawn.
  OneQuery many{{-1, 7, 8, 8, 8, 8, 7}, {2, 1, 2, 2, 2, 2, 2}, {0, 0, 1, 1, 1, 1, 2}};
  options.draws = 10;
  CHECK(many.run(options).map == Approx(0.5));
}

}  // namespace saccade
