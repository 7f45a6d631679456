// Convolution's own kernels where their paths begin: channels that fill packs and channels that do not, each
// stride, a weight gradient whose pixels are cut into parts. (Shapes of layers: the registry.)
#include "kernels/convolution/conv2d.h"

#include "kernels/convolution/conv2d.ref.h"
#include "tests/kernels/backends.h"

namespace saccade {
namespace {

template <Device D, class T>
void compare(Context& context, const std::string& what, const Conv2dShape& s, size_t offset = 0) {
  const auto x = normals<T>(1, s.x_count()), w = normals<T>(2, s.w_count()), b = normals<T>(3, s.k),
             grad = normals<T>(4, s.y_count());
  DeviceArray<T> dx(context, x, offset), dw(context, w, offset), db(context, b, offset),
      dg(context, grad, offset);
  DeviceArray<T> y(context, grad.size(), offset), grad_x(context, x.size(), offset),
      grad_w(context, w.size(), offset), grad_b(context, b.size(), offset);
  Conv2d<D>::forward(context, s, dx.data(), dw.data(), db.data(), y.data(), 0);
  Conv2d<D>::backward_data(context, s, dg.data(), dw.data(), grad_x.data());
  Conv2d<D>::backward_weight(context, s, dx.data(), dg.data(), grad_w.data(), grad_b.data());

  Context host(Device::cpu, 0, 1);
  const auto run = [&]<class S>(std::vector<S>* out) {
    using Reference = Conv2d<Device::reference>;
    const auto xs = as<S>(x), ws = as<S>(w), bs = as<S>(b), gs = as<S>(grad);
    for (int i = 0; i < 4; ++i) out[i].resize((i == 0 ? grad : i == 1 ? x : i == 2 ? w : b).size());
    Reference::forward(host, s, xs.data(), ws.data(), bs.data(), out[0].data(), 0);
    Reference::backward_data(host, s, gs.data(), ws.data(), out[1].data());
    Reference::backward_weight(host, s, xs.data(), gs.data(), out[2].data(), out[3].data());
  };
  std::vector<double> reference[4];
  std::vector<Bound> bound[4];
  run(reference);
  run(bound);
  double worst = check_close(what + ", y", y.host(), reference[0], bound[0], 8);
  worst = std::max(worst, check_close(what + ", grad_x", grad_x.host(), reference[1], bound[1], 8));
  worst = std::max(worst, check_close(what + ", grad_w", grad_w.host(), reference[2], bound[2], 8));
  worst = std::max(worst, check_close(what + ", grad_b", grad_b.host(), reference[3], bound[3], 8));
  WARN(what << ": largest error " << worst << " eps S");
}

// 1 where a value is infinite, -1 where it is NaN, else 0.
template <class T>
std::vector<int> infinite(const std::vector<T>& values) {
  std::vector<int> out;
  for (const T& v : values) {
    const double value = static_cast<double>(v);
    out.push_back(std::isnan(value) ? -1 : std::isinf(value));
  }
  return out;
}

}  // namespace

// Packs that end beyond the filter's last tap must not bring in what lies there: infinity times zero is NaN.
TEST_CASE("an infinite pixel reaches the windows that hold it alone", "[conv2d]") {
  for_each_backend([&]<Device D, class T>(Context& context, const std::string& name) {
    if constexpr (D == Device::cpu) return;
    const Conv2dShape s{1, 5, 4, 5, 7, 3, 2, 1, 2, 1, 0};
    auto x = normals<T>(1, s.x_count()), w = normals<T>(2, s.w_count()), b = normals<T>(3, s.k),
         grad = normals<T>(4, s.y_count());
    x[(2 * 4 + 2) * 5] = grad[(1 * 2 + 1) * 7] = T(std::numeric_limits<float>::infinity());
    Context host(Device::cpu, 0, 1);
    std::vector<double> y(grad.size()), grad_x(x.size());
    Conv2d<Device::reference>::forward(host, s, as<double>(x).data(), as<double>(w).data(),
                                       as<double>(b).data(), y.data(), 0);
    Conv2d<Device::reference>::backward_data(host, s, as<double>(grad).data(), as<double>(w).data(),
                                             grad_x.data());
    for (const Kernels version : versions<D>()) {
      if (version == Kernels::library) continue;
      context.kernels = version;
      INFO(name << " " << name_of(version));
      DeviceArray<T> dx(context, x), dw(context, w), db(context, b), dg(context, grad), dy(context, y.size()),
          dgx(context, x.size());
      Conv2d<D>::forward(context, s, dx.data(), dw.data(), db.data(), dy.data(), 0);
      Conv2d<D>::backward_data(context, s, dg.data(), dw.data(), dgx.data());
      CHECK(infinite(as<double>(dy.host())) == infinite(y));
      CHECK(infinite(as<double>(dgx.host())) == infinite(grad_x));
    }
  });
}

TEST_CASE("convolution's three passes agree with the reference on every path", "[conv2d]") {
  for_each_backend([&]<Device D, class T>(Context& context, const std::string& name) {
    for (const Kernels version : versions<D>()) {
      context.kernels = version;
      context.exact = true;  // the forms that the CPU takes else have their own tests, and bounds
      const std::string backend = concat(name, " ", name_of(version));
      compare<D, T>(context, backend + " packs", {1, 5, 6, 16, 24, 3, 3, 1, 1, 1, 1});
      compare<D, T>(context, backend + " packs, unaligned", {1, 5, 6, 16, 24, 3, 3, 1, 1, 1, 1}, 1);
      compare<D, T>(context, backend + " packs, stride 2", {2, 7, 6, 8, 16, 3, 3, 2, 2, 1, 1});
      compare<D, T>(context, backend + " 1x1, stride 2", {1, 6, 7, 16, 8, 1, 1, 2, 2, 0, 0});
      compare<D, T>(context, backend + " data gradient in parts, stride 2",
                    {1, 7, 5, 8, 512, 3, 3, 2, 2, 1, 1});
      compare<D, T>(context, backend + " stride beyond the filter", {1, 8, 9, 8, 8, 2, 1, 3, 4, 1, 0});
      compare<D, T>(context, backend + " stride beyond the image", {2, 2, 3, 8, 8, 1, 1, 4, 5, 0, 0});
      compare<D, T>(context, backend + " odd channels", {1, 5, 4, 5, 7, 3, 2, 1, 2, 1, 0});
      compare<D, T>(context, backend + " pixels in parts", {2, 40, 30, 8, 8, 1, 1, 1, 1, 0, 0});
    }
  });
}

}  // namespace saccade
