#include "tests/kernels/simt/shapes.h"

#include <map>

namespace saccade {

std::vector<Case> checker_cases(const std::string& op) {
  static const std::map<std::string, std::vector<Case>> cases = {
      // The gradient looks through the anchors a block of threads at a time: 32 of them at this depth.
      {"batch_hard_triplet",
       {{.name = "more anchors than threads",
         .inputs = {{{70, 5}}, {{70}, {Fill::integers, 0, 4}}},
         .attributes = {{"margin", 0.3}}}}},
      // A warp counts keys of the same digit in several rounds, each with another lane in front.
      {"scatter_add_rows",
       {{.name = "several rounds of a warp",
         .inputs = {{{300, 3}}, {{300}, {Fill::integers, 0, 5}}},
         .attributes = {{"rows", 5}}},
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
