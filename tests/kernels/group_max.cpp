#include "kernels/attention/group_max.h"

#include "kernels/attention/group_max.ref.h"
#include "tests/kernels/backends.h"

using namespace saccade;

namespace {

struct Problem {
  int64_t images, pixels, groups, channels;
  size_t inputs() const { return static_cast<size_t>(images * pixels * groups * channels); }
  size_t outputs() const { return static_cast<size_t>(images * pixels * channels); }
};

// Maxima and selections round nothing: every backend must give the reference's bits.
template <Device D, class T>
void compare(Context& context, const Problem& p, const std::vector<T>& features,
             const std::vector<uint8_t>& keep, size_t offset = 0) {
  DeviceArray<T> x(context, features, offset), y(context, p.outputs(), offset);
  DeviceArray<uint8_t> mask(context, keep), argmax(context, p.outputs(), offset);
  GroupMax<D>::forward(context, p.images, p.pixels, p.groups, p.channels, x.data(), mask.data(), y.data(),
                       argmax.data());
  Context host;
  std::vector<double> expected(p.outputs());
  std::vector<uint8_t> winner(p.outputs());
  GroupMax<Device::reference>::forward(host, p.images, p.pixels, p.groups, p.channels,
                                       as<double>(features).data(), keep.data(), expected.data(),
                                       winner.data());
  CHECK(argmax.host() == winner);
  CHECK(as<double>(y.host()) == expected);

  const auto grad = normals<T>(5, static_cast<int64_t>(p.outputs()));
  DeviceArray<T> grad_y(context, grad, offset), grad_x(context, p.inputs(), offset);
  GroupMax<D>::backward(context, p.images, p.pixels, p.groups, p.channels, grad_y.data(), argmax.data(),
                        grad_x.data());
  std::vector<double> expected_grad(p.inputs());
  GroupMax<Device::reference>::backward(host, p.images, p.pixels, p.groups, p.channels,
                                        as<double>(grad).data(), winner.data(), expected_grad.data());
  CHECK(as<double>(grad_x.host()) == expected_grad);
}

std::vector<uint8_t> random_mask(int64_t count) {
  PhiloxStream random(3);
  std::vector<uint8_t> keep(static_cast<size_t>(count));
  for (auto& k : keep) k = random.below(2) ? static_cast<uint8_t>(1 + random.below(255)) : 0;
  return keep;
}

}  // namespace

TEST_CASE("group_max agrees with the reference bit for bit") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    for (const Problem& p : {Problem{2, 12, 7, 16},
                             {1, 1, 1, 1},
                             {3, 5, 13, 24},
                             {2, 7, 5, 3},
                             {0, 4, 3, 8},
                             {2, 0, 3, 8},
                             {1, 40, 255, 8},
                             {5, 64, 4, 64}}) {
      INFO(backend << " " << p.images << "x" << p.pixels << " G " << p.groups << " C " << p.channels);
      const auto features = normals<T>(1, static_cast<int64_t>(p.inputs()));
      compare<D, T>(context, p, features, random_mask(p.images * p.groups));
      compare<D, T>(context, p, features, std::vector<uint8_t>(static_cast<size_t>(p.images * p.groups), 1));
      compare<D, T>(context, p, features, random_mask(p.images * p.groups), 1);
    }
  });
}

TEST_CASE("group_max gives ties to the lowest group, and nothing where none is kept") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const Problem p{2, 3, 4, 8};
    std::vector<T> features(p.inputs());
    PhiloxStream random(9);
    for (T& x : features) x = T(static_cast<float>(random.below(3)) - 1);  // -1, 0, 1: ties everywhere
    compare<D, T>(context, p, features, {1, 1, 1, 1, 0, 0, 0, 0});
    compare<D, T>(context, p, features, {0, 0, 1, 1, 0, 1, 0, 0});

    DeviceArray<T> x(context, features), y(context, p.outputs()), grad_x(context, p.inputs());
    DeviceArray<T> grad_y(context, std::vector<T>(p.outputs(), T(1.0f)));
    DeviceArray<uint8_t> keep(context, std::vector<uint8_t>(8, 0)), argmax(context, p.outputs());
    GroupMax<D>::forward(context, 2, 3, 4, 8, x.data(), keep.data(), y.data(), argmax.data());
    GroupMax<D>::backward(context, 2, 3, 4, 8, grad_y.data(), argmax.data(), grad_x.data());
    CHECK(as<double>(y.host()) == std::vector<double>(p.outputs(), 0.0));
    CHECK(argmax.host() == std::vector<uint8_t>(p.outputs(), 255));
    CHECK(as<double>(grad_x.host()) == std::vector<double>(p.inputs(), 0.0));
  });
}

TEST_CASE("group_max keeps infinities and lets a NaN through") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    INFO(backend);
    const float infinity = std::numeric_limits<float>::infinity();
    std::vector<T> features(3 * 8, T(-infinity));
    features[8 + 1] = T(std::numeric_limits<float>::quiet_NaN());
    features[16 + 2] = T(infinity);
    features[3] = T(std::numeric_limits<float>::quiet_NaN());  // its group is dropped
    DeviceArray<T> x(context, features), y(context, size_t{8});
    DeviceArray<uint8_t> keep(context, std::vector<uint8_t>{0, 1, 1}), argmax(context, size_t{8});
    GroupMax<D>::forward(context, 1, 1, 3, 8, x.data(), keep.data(), y.data(), argmax.data());
    const auto out = as<double>(y.host());
    CHECK(out[0] == -infinity);
    CHECK(std::isnan(out[1]));
    CHECK(out[2] == infinity);
    CHECK(out[3] == -infinity);
    CHECK(argmax.host() == std::vector<uint8_t>{1, 1, 2, 1, 1, 1, 1, 1});
  });
}

TEST_CASE("group_max refuses what its index cannot hold") {
  Context context;
  CHECK_THROWS_WITH((GroupMax<Device::cpu>::forward(context, 1, 1, 256, 1, static_cast<const float*>(nullptr),
                                                    nullptr, static_cast<float*>(nullptr), nullptr)),
                    ContainsSubstring("256 groups"));
}
