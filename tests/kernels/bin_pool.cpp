#include "kernels/pool/bin_pool.h"

#include "kernels/pool/bin_pool.ref.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

constexpr double kTolerance = 4;

std::vector<int32_t> random_corners(const BinPoolShape& s) {
  PhiloxStream random(11);
  std::vector<int32_t> corner;
  for (int64_t n = 0; n < s.batch; ++n)
    for (const int64_t room : {s.time - s.bin_t, s.height - s.bin_h, s.width - s.bin_w})
      corner.push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(room + 1))));
  return corner;
}

template <class S>
struct Reference {
  std::vector<S> output, grad, accumulated;

  template <class T>
  Reference(const BinPoolShape& s, const std::vector<T>& features, const std::vector<int32_t>& corner,
            const std::vector<T>& cotangent)
      : output(cotangent.size()), grad(features.size()), accumulated(as<S>(features)) {
    using Pool = BinPool<Device::reference>;
    Context host;
    const auto x = as<S>(features), g = as<S>(cotangent);
    Pool::forward(host, s, x.data(), corner.data(), output.data());
    Pool::backward(host, s, g.data(), corner.data(), false, grad.data());
    Pool::backward(host, s, g.data(), corner.data(), true, accumulated.data());
  }
};

template <Device D, class T>
double compare(Context& context, const BinPoolShape& s, size_t offset) {
  const auto features = normals<T>(1, s.batch * s.cells() * s.channels);
  const auto cotangent = normals<T>(2, s.batch * s.channels);
  const auto corner = random_corners(s);
  DeviceArray<T> x(context, features, offset), y(context, cotangent.size(), offset);
  DeviceArray<T> g(context, cotangent, offset), grad(context, features.size(), offset),
      sum(context, features, offset);
  DeviceArray<int32_t> first(context, corner);
  BinPool<D>::forward(context, s, x.data(), first.data(), y.data());
  BinPool<D>::backward(context, s, g.data(), first.data(), false, grad.data());
  BinPool<D>::backward(context, s, g.data(), first.data(), true, sum.data());
  const Reference<double> value(s, features, corner, cotangent);
  const Reference<Bound> bound(s, features, corner, cotangent);
  double worst = check_close("output", y.host(), value.output, bound.output, kTolerance);
  worst = std::max(worst, check_close("grad", grad.host(), value.grad, bound.grad, kTolerance));
  return std::max(worst,
                  check_close("accumulated", sum.host(), value.accumulated, bound.accumulated, kTolerance));
}

}  // namespace

TEST_CASE("bin_pool agrees with the reference") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const BinPoolShape& s : {BinPoolShape{2, 6, 8, 4, 64, 4, 6, 3},
                                  {1, 1, 1, 1, 1, 1, 1, 1},
                                  {3, 2, 5, 3, 7, 1, 2, 3},
                                  {2, 3, 4, 4, 520, 3, 4, 4},
                                  {0, 2, 2, 2, 8, 1, 1, 1},
                                  {2, 2, 2, 2, 0, 1, 1, 1},
                                  {1, 4, 7, 5, 24, 2, 7, 1}})
      for (const size_t offset : {0, 1}) {
        INFO(backend << " C " << s.channels << " bin " << s.bin_t << "x" << s.bin_h << "x" << s.bin_w
                     << " offset " << offset);
        worst = std::max(worst, compare<D, T>(context, s, offset));
      }
    WARN("bin_pool " << backend << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("bin_pool reads the bin and nothing else") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const BinPoolShape s{1, 2, 3, 3, 8, 1, 2, 2};
    std::vector<T> features(static_cast<size_t>(s.cells() * 8), T(std::numeric_limits<float>::quiet_NaN()));
    for (const size_t cell : {13, 14, 16, 17})  // t = 1, h = 1..2, w = 1..2
      for (size_t c = 0; c < 8; ++c) features[cell * 8 + c] = T(static_cast<float>(cell));
    DeviceArray<T> x(context, features), y(context, size_t{8});
    DeviceArray<int32_t> corner(context, std::vector<int32_t>{1, 1, 1});
    BinPool<D>::forward(context, s, x.data(), corner.data(), y.data());
    CHECK(as<double>(y.host()) == std::vector<double>(8, 15.0));
  });
}

TEST_CASE("bin_pool shows a bin that leaves the volume") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    const BinPoolShape s{2, 2, 3, 3, 8, 1, 2, 2};
    for (const std::vector<int32_t>& bad :
         {std::vector<int32_t>{0, 0, 0, 2, 0, 0}, {0, 0, 0, 0, -1, 0}, {0, 0, 0, 0, 0, 2}}) {
      INFO(backend << " " << bad[3] << " " << bad[4] << " " << bad[5]);
      DeviceArray<T> x(context, normals<T>(1, 2 * s.cells() * 8)), y(context, size_t{16});
      DeviceArray<int32_t> corner(context, bad);
      if (D == Device::cpu) {
        CHECK_THROWS_WITH(BinPool<D>::forward(context, s, x.data(), corner.data(), y.data()),
                          ContainsSubstring("sample 1") && ContainsSubstring("leaves the volume"));
        continue;
      }
      BinPool<D>::forward(context, s, x.data(), corner.data(), y.data());
      const auto out = as<double>(y.host());
      CHECK(!std::isnan(out[7]));
      for (size_t c = 8; c < 16; ++c) CHECK(std::isnan(out[c]));
      DeviceArray<T> grad(context, static_cast<size_t>(2 * s.cells() * 8));
      BinPool<D>::backward(context, s, y.data(), corner.data(), false, grad.data());
      const auto gradient = as<double>(grad.host());
      CHECK(!std::isnan(gradient[0]));
      CHECK(std::isnan(gradient.back()));
    }
  });
  Context context;
  CHECK_THROWS_WITH(
      (BinPool<Device::cpu>::forward(context, {1, 2, 2, 2, 1, 3, 1, 1}, static_cast<const float*>(nullptr),
                                     nullptr, static_cast<float*>(nullptr))),
      ContainsSubstring("bin of 3x1x1"));
}
