// Top-k: the streamed version against the sort of the reference, exactly, with ties and NaN.
#include "kernels/retrieval/topk.h"

#include <cmath>
#include <limits>

#include "kernels/common/philox.h"
#include "kernels/retrieval/topk.ref.h"
#include "tests/common/catch.h"
#include "tests/kernels/backends.h"

namespace saccade {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool same(float a, double b) {
  return std::isnan(a) ? std::isnan(b) : static_cast<double>(a) == b;
}

}  // namespace

TEST_CASE("topk by hand: ties to the lowest index, NaN last", "[topk]") {
  Context context;
  const float x[] = {3, kNaN, 1, 1, 3};
  float values[5];
  int64_t indices[5];
  TopK<Device::cpu>::forward(context, 1, 5, 3, false, x, values, indices);
  CHECK(std::vector<int64_t>(indices, indices + 3) == std::vector<int64_t>{2, 3, 0});
  CHECK(std::vector<float>(values, values + 3) == std::vector<float>{1, 1, 3});
  TopK<Device::cpu>::forward(context, 1, 5, 5, true, x, values, indices);
  CHECK(std::vector<int64_t>(indices, indices + 5) == std::vector<int64_t>{0, 4, 2, 3, 1});
  CHECK_THROWS_AS(TopK<Device::cpu>::forward(context, 1, 5, 6, true, x, values, indices), Error);
}

TEST_CASE("topk equals the reference for every size, whole or streamed in any order", "[topk]") {
  for (int threads : {1, 2}) {
    Context context(Device::cpu, 0, threads);
    for (const int64_t columns : {1, 5, 255, 256, 257, 1000}) {
      for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{5}, int64_t{21}, columns}) {
        if (k > columns) continue;
        for (const bool largest : {false, true}) {
          constexpr int64_t kRows = 7;
          PhiloxStream random(static_cast<uint64_t>(columns * 100 + k));
          std::vector<float> x(kRows * columns);
          for (float& value : x) {  // few values: many ties
            value = static_cast<float>(random.below(50)) - 25;
            if (value == 3) value = kNaN;
            if (value == 4) value = std::numeric_limits<float>::infinity();
          }
          const std::vector<double> wide(x.begin(), x.end());
          std::vector<double> expected(kRows * k);
          std::vector<float> values(kRows * k), streamed(kRows * k);
          std::vector<int64_t> wanted(kRows * k), indices(kRows * k), streamed_indices(kRows * k);
          TopK<Device::reference>::forward(context, kRows, columns, k, largest, wide.data(), expected.data(),
                                           wanted.data());
          TopK<Device::cpu>::forward(context, kRows, columns, k, largest, x.data(), values.data(),
                                     indices.data());
          INFO(columns << " columns, k " << k << ", largest " << largest);
          CHECK(indices == wanted);
          CHECK(std::equal(values.begin(), values.end(), expected.begin(), same));

          // In two parts, either of which may come first: the first of all columns has the index 0.
          const int64_t cut = columns / 3;
          const auto take = [&](int64_t first, int64_t last) {
            TopK<Device::cpu>::update(context, kRows, last - first, first, k, largest, x.data() + first,
                                      columns, streamed.data(), streamed_indices.data());
          };
          for (const bool later_first : {false, true}) {
            TopK<Device::cpu>::clear(context, kRows, k, streamed.data(), streamed_indices.data());
            if (later_first) take(cut, columns);
            take(0, cut);
            if (!later_first) take(cut, columns);
            CHECK(streamed_indices == wanted);
          }
        }
      }
    }
  }
}

// The CUDA source takes chunks of 1,024 columns, and vectors where the columns are a multiple of four. It
// joins lists of at most 1,024 places in shared memory, longer ones in scratch.
TEST_CASE("topk on every backend equals the reference, whole and streamed", "[topk]") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    struct Sizes {
      int64_t rows, columns, k;
    };
    for (const Sizes s : {Sizes{3, 1, 1}, Sizes{3, 37, 5}, Sizes{2, 1030, 0}, Sizes{4, 2504, 21},
                          Sizes{2, 3001, 1024}, Sizes{2, 1500, 1500}}) {
      for (const bool largest : {false, true}) {
        PhiloxStream random(static_cast<uint64_t>(s.columns * 100 + s.k));
        std::vector<T> x;
        // Few values: many ties, of zeros of both signs, too.
        for (int64_t i = 0; i < s.rows * s.columns; ++i) {
          const auto draw = random.below(60);
          x.push_back(T(draw == 3   ? kNaN
                        : draw == 4 ? std::numeric_limits<float>::infinity()
                        : draw == 5 ? -std::numeric_limits<float>::infinity()
                        : draw == 6 ? -0.0f
                                    : static_cast<float>(draw) - 25));
        }
        const std::vector<double> wide = as<double>(x);
        const size_t places = static_cast<size_t>(s.rows * s.k);
        std::vector<double> expected(places);
        std::vector<int64_t> wanted(places);
        Context host;
        TopK<Device::reference>::forward(host, s.rows, s.columns, s.k, largest, wide.data(), expected.data(),
                                         wanted.data());
        INFO(backend << ": " << s.columns << " columns, k " << s.k << ", largest " << largest);
        const auto check_result = [&](DeviceArray<T>& values, DeviceArray<int64_t>& indices) {
          CHECK(indices.host() == wanted);
          const std::vector<T> got = values.host();
          CHECK(std::equal(got.begin(), got.end(), expected.begin(),
                           [](T a, double b) { return same(static_cast<float>(a), b); }));
        };
        DeviceArray<T> on_device(context, x), values(context, places);
        DeviceArray<int64_t> indices(context, places);
        TopK<D>::forward(context, s.rows, s.columns, s.k, largest, on_device.data(), values.data(),
                         indices.data());
        check_result(values, indices);

        const int64_t cut = s.columns / 3;
        DeviceArray<T> streamed(context, places);
        DeviceArray<int64_t> streamed_indices(context, places);
        const auto take = [&](int64_t first, int64_t last) {
          TopK<D>::update(context, s.rows, last - first, first, s.k, largest, on_device.data() + first,
                          s.columns, streamed.data(), streamed_indices.data());
        };
        for (const bool later_first : {false, true}) {
          TopK<D>::clear(context, s.rows, s.k, streamed.data(), streamed_indices.data());
          if (later_first) take(cut, s.columns);
          take(0, cut);
          if (!later_first) take(cut, s.columns);
          check_result(streamed, streamed_indices);
        }
      }
    }
  });
}

}  // namespace saccade
