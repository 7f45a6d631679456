// How an op is shown to be right: parity with the f64 oracle and gradients by finite differences.
#pragma once

#include <string>

#include "autograd/registry/registry.h"

namespace saccade {

struct CheckResult {
  bool passed = true;
  std::string failure;   // the first one: op, case, tensor, index, both values
  double worst = 0;      // the largest |out - ref| / (eps * S) seen
  int64_t compared = 0;  // numbers that were compared
};

// Runs the case on `context` in `dtype` and as the f64 oracle, with the inputs rounded to `dtype` and one random
// cotangent, and compares every output and every input gradient: |out - ref| <= c * eps * S + atol, where S
// comes from the reference run on Bound. Integer outputs must be equal; an index that says what it was picked by
// (Port::pick) may differ where that is as good within tolerance, but not where it is exactly as good: then the op's
// rule for ties holds.
CheckResult check_parity(const Op& op, const Case& test_case, Context& context, DType dtype);

// In f64: the oracle's gradient against central differences of <cotangent, outputs>, with a random cotangent.
// `fault` multiplies the gradient under test: with 1.01 the check must fail, which is how the check is checked.
CheckResult check_gradient(const Op& op, const Case& test_case, double fault = 1.0);

}  // namespace saccade
