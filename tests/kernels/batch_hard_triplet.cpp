#include "kernels/metric/batch_hard_triplet.h"

#include "kernels/metric/batch_hard_triplet.ref.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

constexpr double kTolerance = 8;

struct Problem {
  int64_t count, dim, identities;
  double margin;
  bool squared;
};

template <class T>
struct Result {
  std::vector<Accumulator<T>> loss, positive_d2, negative_d2;
  std::vector<int64_t> positive, negative;
  std::vector<T> grad;
};

// Forward and backward on a device, or on the host by the reference.
template <Device D, class T>
Result<T> run(Context& context, const Problem& p, const std::vector<T>& embeddings,
              const std::vector<int64_t>& labels, size_t offset = 0) {
  using Loss = BatchHardTriplet<D>;
  using A = Accumulator<T>;
  const size_t n = labels.size();
  DeviceArray<T> x(context, embeddings, offset), grad(context, embeddings.size(), offset);
  DeviceArray<int64_t> label(context, labels), positive(context, n), negative(context, n);
  DeviceArray<A> loss(context, size_t{1}), positive_d2(context, n), negative_d2(context, n);
  DeviceArray<A> grad_loss(context, std::vector<A>{A(0.75)});
  Loss::forward(context, p.count, p.dim, x.data(), label.data(), p.margin, p.squared, loss.data(),
                positive.data(), negative.data(), positive_d2.data(), negative_d2.data());
  Loss::backward(context, p.count, p.dim, grad_loss.data(), x.data(), positive.data(), negative.data(),
                 positive_d2.data(), negative_d2.data(), p.margin, p.squared, grad.data());
  return {loss.host(), positive_d2.host(), negative_d2.host(), positive.host(), negative.host(), grad.host()};
}

template <class S, class T>
Result<S> reference(const Problem& p, const std::vector<T>& embeddings, const std::vector<int64_t>& labels) {
  Context host;
  return run<Device::reference>(host, p, as<S>(embeddings), labels);
}

template <Device D, class T>
double compare(Context& context, const Problem& p, const std::vector<T>& embeddings,
               const std::vector<int64_t>& labels, size_t offset = 0) {
  const auto value = reference<double>(p, embeddings, labels);
  const auto bound = reference<Bound>(p, embeddings, labels);
  const auto got = run<D>(context, p, embeddings, labels, offset);
  CHECK(got.positive == value.positive);
  CHECK(got.negative == value.negative);
  return std::max(
      {check_close("loss", got.loss, value.loss, bound.loss, kTolerance),
       check_close("positive_d2", got.positive_d2, value.positive_d2, bound.positive_d2, kTolerance),
       check_close("negative_d2", got.negative_d2, value.negative_d2, bound.negative_d2, kTolerance),
       check_close("grad", got.grad, value.grad, bound.grad, kTolerance)});
}

// Rows that are one of `values` unit vectors each: many exact ties, and duplicates at distance 0 of either kind.
template <class T>
std::vector<T> unit_rows(const Problem& p, uint32_t values) {
  std::vector<T> x;
  PhiloxStream random(21);
  for (int64_t row = 0; row < p.count; ++row) {
    const int64_t value = random.below(values);
    for (int64_t k = 0; k < p.dim; ++k) x.push_back(T(k == value ? 1.0f : 0.0f));
  }
  return x;
}

template <class T>
std::vector<T> constant_rows(const Problem& p, float value) {
  return std::vector<T>(static_cast<size_t>(p.count * p.dim), T(value));
}

std::vector<int64_t> interleaved_labels(int64_t count, int64_t identities) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(1000000007ll * (i * 7 % identities) - 5);
  return labels;
}

}  // namespace

TEST_CASE("batch_hard_triplet agrees with the reference") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const Problem& p : {Problem{16, 128, 4, 0.3, false},
                             {16, 128, 4, 0.3, true},
                             {1, 8, 1, 0.3, false},
                             {0, 8, 1, 0.3, false},
                             {33, 5, 9, 1.2, false},
                             {70, 264, 16, 0.0, false},
                             {3, 1, 2, 0.3, false},
                             {9, 2056, 3, 1.2, true},
                             {261, 1032, 40, 0.3, false},
                             {264, 8, 40, 0.3, false}})
      for (const size_t offset : {0, 1}) {
        INFO(backend << " " << p.count << "x" << p.dim << " squared " << p.squared << " offset " << offset);
        const auto x = normals<T>(1, p.count * p.dim, 1 / std::sqrt(static_cast<float>(p.dim)));
        worst =
            std::max(worst, compare<D, T>(context, p, x, interleaved_labels(p.count, p.identities), offset));
      }
    WARN("batch_hard_triplet " << backend << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("batch_hard_triplet with one identity has no negatives and loss 0") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const Problem p{6, 16, 1, 0.3, false};
    const auto got = run<D>(context, p, normals<T>(1, 6 * 16), std::vector<int64_t>(6, 4));
    CHECK(got.negative == std::vector<int64_t>(6, -1));
    CHECK(got.loss[0] == 0.0f);
    CHECK(got.negative_d2 == std::vector<float>(6, 0.0f));
    CHECK(as<double>(got.grad) == std::vector<double>(6 * 16, 0));
  });
}

TEST_CASE("batch_hard_triplet counts anchors without a negative and singletons") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    // Every identity is alone: the positive is the anchor itself, at the clamped distance 1e-6.
    const Problem p{5, 24, 5, 0.3, false};
    const auto x = normals<T>(1, 5 * 24, 0.05f);
    compare<D, T>(context, p, x, {0, 1, 2, 3, 4});
    CHECK(run<D>(context, p, x, {0, 1, 2, 3, 4}).positive == std::vector<int64_t>{0, 1, 2, 3, 4});
  });
}

TEST_CASE("batch_hard_triplet gives ties to the lowest index") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    for (const bool squared : {false, true}) {
      INFO(backend << " squared " << squared);
      const Problem p{48, 8, 6, 0.3, squared};
      const auto labels = interleaved_labels(48, 6);
      compare<D, T>(context, p, unit_rows<T>(p, 4), labels);
      const auto all_equal = run<D>(context, p, constant_rows<T>(p, 0.5f), labels);
      for (size_t a = 0; a < 48; ++a) {
        CHECK(all_equal.positive[a] == std::find(labels.begin(), labels.end(), labels[a]) - labels.begin());
        CHECK(all_equal.negative[a] == (labels[a] == labels[0] ? 1 : 0));
      }
      CHECK(as<double>(all_equal.grad) == std::vector<double>(48 * 8, 0));
    }
  });
}

TEST_CASE("batch_hard_triplet of many rows gives ties to the lowest index, and equal rows are at 0") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const Problem p{270, 16, 6, 0.3, false};
    const auto x = unit_rows<T>(p, 16);
    const auto labels = interleaved_labels(270, 6);
    const auto value = reference<double>(p, x, labels);
    const auto got = run<D>(context, p, x, labels);
    CHECK(got.positive == value.positive);
    CHECK(got.negative == value.negative);
    // Not a whole number, so that its square is rounded.
    const auto equal = run<D>(context, p, constant_rows<T>(p, 0.7f), labels);
    CHECK(equal.positive_d2 == std::vector<float>(270, 0.0f));
    CHECK(equal.negative_d2 == std::vector<float>(270, 0.0f));
    for (size_t a = 0; a < 270; ++a) CHECK(equal.negative[a] == (a % 6 == 0 ? 1 : 0));
  });
}

TEST_CASE("batch_hard_triplet far from the origin: what cancels in the choice does not in the distances") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const int64_t count = 264, dim = 1032;
    const Problem p{count, dim, 40, 0.3, false};
    auto x = normals<T>(1, count * dim);
    for (T& value : x) value = T(96.0f + static_cast<float>(value));  // |x|^2 is 5000 times a distance
    const auto labels = interleaved_labels(count, p.identities);
    const auto got = run<D>(context, p, x, labels);
    const std::vector<double> values = as<double>(x);
    const auto exact = [&](int64_t a, int64_t b) {
      double d2 = 0;
      for (int64_t k = 0; k < dim; ++k) {
        const double difference =
            values[static_cast<size_t>(a * dim + k)] - values[static_cast<size_t>(b * dim + k)];
        d2 += difference * difference;
      }
      return d2;
    };
    double loss = 0;
    for (size_t a = 0; a < labels.size(); ++a) {
      const auto anchor = static_cast<int64_t>(a);
      double farthest = 0, nearest = std::numeric_limits<double>::infinity();
      for (int64_t b = 0; b < count; ++b) {
        const double d2 = exact(anchor, b);
        if (labels[a] == labels[static_cast<size_t>(b)])
          farthest = std::max(farthest, d2);
        else
          nearest = std::min(nearest, d2);
      }
      const double positive = exact(anchor, got.positive[a]), negative = exact(anchor, got.negative[a]);
      const double rounding = 8 * 0x1p-24 * 4 * 96 * 96 * static_cast<double>(dim);
      REQUIRE(positive >= farthest - rounding);
      REQUIRE(negative <= nearest + rounding);
      REQUIRE(std::fabs(got.positive_d2[a] - positive) <= 1e-6 * positive);
      REQUIRE(std::fabs(got.negative_d2[a] - negative) <= 1e-6 * negative);
      loss +=
          std::max(0.0, std::sqrt(positive) - std::sqrt(negative) + p.margin) / static_cast<double>(count);
    }
    CHECK(std::fabs(got.loss[0] - loss) <= 1e-5 * loss);
  });
}

TEST_CASE("batch_hard_triplet does not hide a NaN") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    for (const int64_t count : {8, 264}) {
      INFO(backend << ", " << count << " rows");
      const Problem p{count, 16, 2, 0.3, false};
      auto x = normals<T>(1, count * 16);
      x[3 * 16 + 5] = T(std::numeric_limits<float>::quiet_NaN());
      const auto got = run<D>(context, p, x, interleaved_labels(count, 2));
      CHECK(std::isnan(got.loss[0]));
      CHECK(std::isnan(static_cast<float>(got.grad[3 * 16])));
    }
  });
}

TEST_CASE("batch_hard_triplet gives the same bits with any number of threads") {
  const Problem p{200, 96, 25, 0.3, false};
  const auto x = normals<float>(1, p.count * p.dim);
  const auto labels = interleaved_labels(p.count, p.identities);
  std::vector<Result<float>> results;
  for (const int threads : {1, 2, 3}) {
    Context context(Device::cpu, 0, threads);
    results.push_back(run<Device::cpu>(context, p, x, labels));
  }
  for (const auto& r : results) {
    CHECK(r.loss == results[0].loss);
    CHECK(r.positive == results[0].positive);
    CHECK(r.grad == results[0].grad);
  }
}

TEST_CASE("of infinitely far pairs the one of the lowest index is the hardest, for any number of threads") {
  // Neighbors lie so far apart that their distance is no float; the second eight are another person.
  constexpr int64_t kCount = 16, kDim = 16;
  std::vector<float> x(kCount * kDim);
  std::vector<int64_t> labels(kCount), farthest(kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    std::fill_n(x.begin() + i * kDim, kDim, i % 2 == 0 ? 1e30f : -1e30f);
    labels[static_cast<size_t>(i)] = i / 8;
    farthest[static_cast<size_t>(i)] = i / 8 * 8 + (i % 2 == 0 ? 1 : 0);
  }
  for (const int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    CHECK(run<Device::cpu>(context, {kCount, kDim, 2, 0.3, true}, x, labels).positive == farthest);
  }
}
