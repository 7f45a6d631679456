// The f64 oracle of a registered op beside what PyTorch computed for its cases (tests/goldens/make_goldens.py).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "autograd/registry/registry.h"
#include "tests/common/golden.h"

namespace saccade {

using Values = std::vector<std::vector<double>>;

// The inputs of a case, rounded to bf16, so that an ulp of another math library cannot move them.
Values golden_inputs(const Op& op, const Case& test_case);

struct OracleRun {
  Values outputs, gradients;  // gradients: empty for inputs without one
};
OracleRun run_oracle(const Op& op, const Case& test_case);

struct GoldenResult {
  std::vector<std::string> failures;
  double worst = 0;
  std::string worst_name;
  std::set<std::string> used;  // tensors of the file
};
// Compares outputs and gradients of every case of the op. A case without goldens, or whose goldens were made
// from other inputs, is a failure.
void hold_to_goldens(const golden::File& file, const Op& op, GoldenResult& result);

// Whether each case of the op has goldens.
bool has_goldens(const golden::File& file, const Op& op);

// The goldens of all rooms.
golden::File stored_goldens();

}  // namespace saccade
