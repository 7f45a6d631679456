// The matrix product's own kernels where their paths begin: every transposition, packs and single elements,
// sizes at and around a tile, a k that is cut into parts, and each epilogue. (Shapes of layers: the
// registry.)
#include "kernels/matmul/matmul.h"

#include "kernels/matmul/matmul.ref.h"
#include "tests/kernels/backends.h"

namespace saccade {
namespace {

template <Device D, class T>
double compare(Context& context, const char* backend, const MatmulShape& s, bool with_bias,
               size_t offset = 0) {
  const auto a = normals<T>(1, s.m * s.k), b = normals<T>(2, s.k * s.n), bias = normals<T>(3, s.n),
             before = normals<T>(4, s.m * s.n);
  DeviceArray<T> left(context, a, offset), right(context, b, offset), added(context, bias, offset),
      c(context, before, offset);
  Matmul<D>::multiply(context, s, left.data(), right.data(), with_bias ? added.data() : nullptr, c.data());

  Context host(Device::cpu, 0, 1);
  auto reference = as<double>(before);
  auto bound = as<Bound>(before);
  const auto run = [&]<class S>(std::vector<S>& out) {
    const auto x = as<S>(a), y = as<S>(b), z = as<S>(bias);
    Matmul<Device::reference>::multiply(host, s, x.data(), y.data(),
                                        with_bias ? z.data() : static_cast<const S*>(nullptr), out.data());
  };
  run(reference);
  run(bound);
  return check_close(
      concat(backend, " ", name_of(context.kernels), " ", s.m, "x", s.n, "x", s.k, " transposed ",
             s.transpose_a, s.transpose_b, " relu ", s.relu, " accumulate ", s.accumulate),
      c.host(), reference, bound, 8);
}

}  // namespace

TEST_CASE("the matrix product is the sum for every transposition and size", "[matmul]") {
  const int64_t sizes[][3] = {{1, 1, 1},     {3, 5, 7},     {64, 64, 32}, {65, 72, 40},
                              {130, 66, 72}, {16, 130, 33}, {8, 24, 0}};
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    for (const Kernels version : versions<D>()) {
      context.kernels = version;
      double worst = compare<D, T>(context, backend, {65, 72, 40}, true, 1);  // nothing is aligned
      for (const auto& [m, n, k] : sizes)
        for (int transposed = 0; transposed < 4; ++transposed) {
          const MatmulShape shape{m, n, k, (transposed & 1) != 0, (transposed & 2) != 0};
          worst = std::max(worst, compare<D, T>(context, backend, shape, true));
        }
      WARN(backend << " " << name_of(version) << ": largest error " << worst << " eps S");
    }
  });
}

TEST_CASE("the matrix product's epilogues, with k whole and cut into parts", "[matmul]") {
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    for (const Kernels version : versions<D>())
      for (const int64_t k : {24, 2100})
        for (const int64_t n : {12, 13}) {
          context.kernels = version;
          MatmulShape shape{9, n, k, false, true};
          compare<D, T>(context, backend, shape, false);
          shape.accumulate = true;
          compare<D, T>(context, backend, shape, false);
          shape.accumulate = false;
          shape.relu = true;
          compare<D, T>(context, backend, shape, true);
        }
  });
}

TEST_CASE("the matrix product that stays in f32", "[matmul]") {
  const MatmulShape shapes[] = {{65, 72, 40, false, true},
                                {65, 70, 40, true, false},
                                {9, 12, 2100, false, true},  // k is cut into parts
                                {9, 13, 2100},
                                {8, 24, 0}};
  for_each_version([&]<Device D, class T>(Context& context, const std::string& backend) {
    if constexpr (D != Device::cpu)
      for (const MatmulShape& s : shapes) {
        const auto a = normals<T>(1, s.m * s.k), b = normals<T>(2, s.k * s.n);
        DeviceArray<T> left(context, a), right(context, b);
        DeviceArray<float> c(context, static_cast<size_t>(s.m * s.n));
        Matmul<D>::multiply_f32(context, s, left.data(), right.data(), c.data());

        Context host(Device::cpu, 0, 1);
        const auto product = [&]<class S>(S zero) {
          const auto x = as<S>(a), y = as<S>(b);
          std::vector<S> out(static_cast<size_t>(s.m * s.n), zero);
          Matmul<Device::reference>::multiply(host, s, x.data(), y.data(), static_cast<const S*>(nullptr),
                                              out.data());
          return out;
        };
        check_close(concat(backend, " ", s.m, "x", s.n, "x", s.k), c.host(), product(0.0), product(Bound(0)),
                    8);
      }
  });
}

}  // namespace saccade
