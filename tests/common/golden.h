// Goldens: what PyTorch computed, in tests/goldens/*.safetensors. A small tensor is kept whole; a large one
// under "<name>|summary" as its norm, two seeded projections and 64 entries (tests/goldens/formula.py
// computes the same).
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "kernels/common/hash.h"
#include "kernels/common/philox.h"
#include "kernels/common/text.h"
#include "tensor/weights/safetensors.h"

namespace saccade::golden {

constexpr size_t kEntries = 64, kWhole = 256;
// Where terms of order one cancel to exactly zero, both sides keep rounding noise of their own below this.
constexpr double kNoise = 1e-16;

// 2 u - 1: in [-1, 1), exact in f32.
inline double signed_uniform(PhiloxStream& random) {
  return 2.0 * static_cast<double>(random.uniform()) - 1.0;
}

// offset + bound * signed, rounded to f32: the values of a parameter, in the order of PyTorch's layout.
inline std::vector<float> scaled(const std::string& name, int64_t count, double bound, double offset = 0) {
  PhiloxStream random(hash_of(name), 0);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& v : values) v = static_cast<float>(offset + bound * signed_uniform(random));
  return values;
}

inline double projection(const std::vector<double>& values, uint64_t stream) {
  PhiloxStream random(0x901D, stream);
  double sum = 0;
  for (double v : values) {
    const double weight = signed_uniform(random);
    if (std::isfinite(v)) sum += v * weight;
  }
  return sum;
}

inline double norm(const std::vector<double>& values) {
  double largest = 0, sum = 0;
  for (double v : values) largest = std::max(largest, std::fabs(v));
  if (!(largest > 0) || !std::isfinite(largest)) return largest;
  // Scaled, as 1e300 squared would overflow an f64.
  for (double v : values) sum += (v / largest) * (v / largest);
  return largest * std::sqrt(sum);
}

struct Verdict {
  bool passed = true;
  std::string failure;
  double worst = 0;  // the largest error, relative to what it was held against
};

class File {
 public:
  explicit File(const std::string& path) {
    for (HostTensor& tensor : read_safetensors(path).tensors) {
      const auto values = tensor.values<double>();
      tensors_[tensor.name].assign(values.begin(), values.end());
    }
  }
  const std::map<std::string, std::vector<double>>& tensors() const { return tensors_; }
  const std::vector<double>* find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }

  // |value - golden| <= tolerance * max(|golden|, root mean square of the tensor); projections against the norm.
  Verdict compare(const std::string& name, const std::vector<double>& values, double tolerance) const {
    Verdict verdict;
    if (const auto* whole = find(name)) {
      if (whole->size() != values.size())
        return missing(concat(name, ": ", values.size(), " elements, golden ", whole->size()));
      const double scale = norm(*whole) / std::sqrt(std::max<double>(1, static_cast<double>(whole->size())));
      for (size_t i = 0; i < values.size(); ++i)
        hold(verdict, concat(name, "[", i, "]"), values[i], (*whole)[i], scale, tolerance);
      return verdict;
    }
    const auto* kept = find(name + "|summary");
    if (!kept || values.size() <= kWhole) return missing(name + ": there is no golden");
    const double size = (*kept)[0], scale = size / std::sqrt(static_cast<double>(values.size()));
    hold(verdict, name + ": norm", norm(values), size, size, tolerance);
    for (size_t j = 0; j < 2; ++j)
      hold(verdict, concat(name, ": projection ", j), projection(values, j), (*kept)[1 + j], size, tolerance);
    for (size_t i = 0; i < kEntries; ++i) {
      const size_t at = i * values.size() / kEntries;
      hold(verdict, concat(name, "[", at, "]"), values[at], (*kept)[3 + i], scale, tolerance);
    }
    return verdict;
  }

 private:
  static Verdict missing(const std::string& why) { return {false, why, 0}; }
  static void hold(Verdict& verdict, const std::string& what, double value, double golden, double scale,
                   double tolerance) {
    if (value == golden || (std::isnan(value) && std::isnan(golden)) || std::fabs(value - golden) <= kNoise)
      return;
    const double against = std::max(std::fabs(golden), std::isfinite(scale) ? scale : 0.0);
    const double error = std::fabs(value - golden) / against;
    if (error > verdict.worst) verdict.worst = error;
    if (error <= tolerance) return;  // false for NaN
    if (verdict.passed)
      verdict.failure = concat(what, " = ", value, ", golden ", golden, ", error ", error, " of ", against);
    verdict.passed = false;
  }

  std::map<std::string, std::vector<double>> tensors_;
};

}  // namespace saccade::golden
