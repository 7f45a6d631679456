#include "tests/kernels/simt/shapes.h"

#include <map>

namespace saccade {

namespace {

const Fill imagenet = {Fill::values, 0, 1, {0.485, 0.456, 0.406, 0.229, 0.224, 0.225}};
const Fill still = {Fill::values, 0, 1, {1, 1, 1, 0, 0, 0, 0}};

// Zeros, and a one at `at` and every `period` after it.
Fill one_of(size_t period, size_t at) {
  std::vector<double> list(period);
  list[at] = 1;
  return {Fill::values, 0, 1, list};
}

}  // namespace

std::vector<Case> checker_cases(const std::string& op) {
  static const std::map<std::string, std::vector<Case>> cases = {
      // Two blocks share a picture whose elements fill no vectors.
      {"augment",
       {{.name = "two blocks a picture",
         .inputs = {{{1, 13, 14, 3}, {Fill::integers, 0, 256}},
                    {{2, 8}, {Fill::constant}},
                    {{2, 7}, still},
                    {{2, 3}, imagenet}}}}},
      // The gradient looks through the anchors a block of threads at a time: 32 of them at this depth.
      {"batch_hard_triplet",
       {{.name = "more anchors than threads",
         .inputs = {{{70, 5}}, {{70}, {Fill::integers, 0, 4}}},
         .attributes = {{"margin", 0.3}}},
        // bf16 takes the tensor cores, and several blocks select.
        {.name = "more anchors than a block selects",
         .inputs = {{{261, 40}}, {{261}, {Fill::integers, 0, 60}}},
         .attributes = {{"margin", 0.3}}}}},
      // Two tiles of 32 channels: the first must leave the second's alone.
      {"batch_norm",
       {{.name = "two tiles of channels",
         .inputs = {{{9, 37}},
                    {{37}, {Fill::uniform, 0.5, 1.5}},
                    {{37}},
                    {{37}},
                    {{37}, {Fill::uniform, 0.2, 2}}}}}},
      {"global_average_pool",
       {{.name = "two tiles of channels, two parts of positions", .inputs = {{{2, 10, 7, 37}}}},
        // More vectors than a tile takes, each of as many channels as there are.
        {.name = "two tiles of vectors", .inputs = {{{1, 3, 1, 264}}}}}},
      // A value that is the clamp passes its gradient on.
      {"generalized_mean_pool",
       {{.name = "at the clamp",
         .inputs = {{{1, 2, 3, 4}, {Fill::values, 0, 1, {0.125, 1, 0.5, 0, 2}}}, {{1}, {Fill::constant, 3}}},
         .attributes = {{"epsilon", 0.125}}}}},
      // More cells than the threads of a block take.
      {"bin_pool",
       {{.name = "two blocks of cells",
         .inputs = {{{1, 3, 5, 5, 33}}, {{1, 3}, {Fill::constant, 1}}},
         .attributes = {{"bin_t", 2}, {"bin_h", 2}, {"bin_w", 3}}}}},
      // A warp takes a row in two turns; several tiles of weights each way, with near pairs in each; more
      // words of near pairs than a block reads in one turn.
      {"pairwise_distance",
       {{.name = "longer than a warp", .inputs = {{{3, 37}}, {{4, 37}}}, .attributes = {{"metric", 2}}},
        {.name = "tiles of near pairs",
         .inputs = {{{40, 3}, {Fill::normal, 3, 0.01}}, {{264, 3}, {Fill::normal, 3, 0.01}}}},
        {.name = "two turns of near pairs", .inputs = {{{1, 3}}, {{4129, 3}}}}}},
      {"region_pool",
       {{.name = "as many bands as a launch takes",
         .inputs = {{{1, 56, 2, 3}}},
         .attributes = {{"stripes", 56}}},
        // The first position of the gradient's second part of 256 wins.
        {.name = "a winner where a part begins",
         .inputs = {{{1, 20, 13, 1}, one_of(260, 256)}},
         .attributes = {{"stripes", 1}}}}},
      // A warp counts keys of the same digit in several rounds, each with another lane in front.
      {"scatter_add_rows",
       {{.name = "several rounds of a warp",
         .inputs = {{{300, 3}}, {{300}, {Fill::integers, 0, 5}}},
         .attributes = {{"rows", 5}}},
        // Wider than the widest tile.
        {.name = "wide rows",
         .inputs = {{{5, 259}}, {{5}, {Fill::integers, 0, 3}}},
         .attributes = {{"rows", 3}}},
        // The scan of the blocks' 256 counters each has 1024 threads.
        {.name = "more counters than threads",
         .inputs = {{{4 * 2048 + 1, 1}}, {{4 * 2048 + 1}, {Fill::integers, 0, 3}}},
         .attributes = {{"rows", 3}}}}},
      // The first chunk of 1024 columns holds the best, and two more come.
      {"topk",
       {{.name = "chunks without a candidate",
         .inputs = {{{1, 3000}, {Fill::constant, 1}}},
         .attributes = {{"k", 2}}}}},
  };
  const auto found = cases.find(op);
  return found == cases.end() ? std::vector<Case>() : found->second;
}

}  // namespace saccade
