// The matrix product's own kernels where their paths begin: every transposition, packs and single elements,
// sizes at and around a tile, a k that is cut into parts, and each epilogue; products of matrices that lie in
// larger tensors. (Shapes of layers: the registry.)
#include "kernels/matmul/matmul.h"

#include "kernels/matmul/batched_matmul.ref.h"
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

// The whole tensor that C lies in is compared: what the view does not show must stay as it was.
template <Device D, class T>
void compare_views(Context& context, const std::string& what, const BatchedMatmulShape& s,
                   size_t offset = 0) {
  const auto a = normals<T>(1, s.a.end()), b = normals<T>(2, s.b.end()),
             before = normals<T>(3, s.c.end() + 9);
  DeviceArray<T> left(context, a, offset), right(context, b, offset), c(context, before, offset);
  BatchedMatmul<D>::multiply(context, s, left.data(), right.data(), c.data());

  Context host(Device::cpu, 0, 1);
  const auto product = [&]<class S>(std::vector<S> out) {
    const auto x = as<S>(a), y = as<S>(b);
    BatchedMatmul<Device::reference>::multiply(host, s, x.data(), y.data(), out.data());
    return out;
  };
  check_close(what, c.host(), product(as<double>(before)), product(as<Bound>(before)), 8);
}

// The queries, keys or values of two heads, side by side in one tensor [3, tokens, 3 * 2 * width].
MatrixView part_of_qkv(int64_t part, int64_t tokens, int64_t width) {
  return matrices_of_heads(3, tokens, 6 * width, part * 2 * width, 2, width);
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

TEST_CASE("products of matrices that lie in larger tensors", "[matmul]") {
  for_each_version([&]<Device D, class T>(Context& context, const std::string& backend) {
    for (const int64_t width : {5, 8, 40})
      for (const int64_t tokens : {1, 9, 72, 130}) {
        const MatrixView q = part_of_qkv(0, tokens, width), k = part_of_qkv(1, tokens, width),
                         v = part_of_qkv(2, tokens, width), scores = dense_matrices(3, 2, tokens, tokens),
                         output = matrices_of_heads(3, tokens, 2 * width, 0, 2, width);
        const std::string what = concat(backend, " ", tokens, " tokens of ", width, ": ");
        compare_views<D, T>(context, what + "scores", {q, transposed(k), scores, 0.25});
        compare_views<D, T>(context, what + "output", {scores, v, output});
        compare_views<D, T>(context, what + "gradient of v", {transposed(scores), output, v, 1, true});
        compare_views<D, T>(
            context, what + "both transposed",
            {transposed(q), transposed(scores), dense_matrices(3, 2, width, tokens), -3, true});
        if (tokens == 72) compare_views<D, T>(context, what + "not aligned", {q, transposed(k), scores}, 1);
      }
  });
}

TEST_CASE("a batch of products that is empty, has an empty sum, or repeats a matrix", "[matmul]") {
  for_each_version([&]<Device D, class T>(Context& context, const std::string& backend) {
    compare_views<D, T>(context, backend + " no sample",
                        {dense_matrices(0, 2, 3, 4), dense_matrices(0, 2, 4, 5), dense_matrices(0, 2, 3, 5)});
    compare_views<D, T>(context, backend + " no row",
                        {dense_matrices(3, 2, 0, 4), dense_matrices(3, 2, 4, 5), dense_matrices(3, 2, 0, 5)});
    for (const bool accumulate : {false, true})
      compare_views<D, T>(context, backend + " empty sum",
                          {dense_matrices(3, 2, 3, 0), dense_matrices(3, 2, 0, 5), dense_matrices(3, 2, 3, 5),
                           2, accumulate});
    MatrixView shared = dense_matrices(1, 1, 4, 5);
    shared.outer = {3, 0}, shared.inner = {2, 0};
    compare_views<D, T>(context, backend + " shared",
                        {dense_matrices(3, 2, 3, 4), shared, dense_matrices(3, 2, 3, 5)});
  });
}

TEST_CASE("views that do not fit each other are refused", "[matmul]") {
  const MatrixView a = dense_matrices(2, 3, 4, 5), b = dense_matrices(2, 3, 5, 6),
                   c = dense_matrices(2, 3, 4, 6);
  BatchedMatmulShape{a, b, c}.check_fit();
  CHECK_THROWS_WITH((BatchedMatmulShape{transposed(a), b, c}.check_fit()),
                    "a product of 5 x 4 and 5 x 6 does not fit 4 x 6");
  CHECK_THROWS_AS((BatchedMatmulShape{a, b, transposed(c)}.check_fit()), Error);
  CHECK_THROWS_AS((BatchedMatmulShape{a, dense_matrices(3, 2, 5, 6), c}.check_fit()), Error);
  MatrixView narrow = a;
  narrow.pitch = 4;
  CHECK_THROWS_AS((BatchedMatmulShape{narrow, b, c}.check_fit()), Error);
  CHECK_THROWS_AS(matrices_of_heads(2, 4, 30, 20, 2, 6), Error);
}

}  // namespace saccade
