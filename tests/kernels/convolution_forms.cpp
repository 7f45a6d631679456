// The forms that a convolution takes on the CPU (winograd.h, windows.h, onednn_conv2d.h): each against the reference,
// with every vector unit that this machine has, where their paths begin and end.
#include <algorithm>

#include "kernels/convolution/conv2d.ref.h"

#include "kernels/common/onednn.h"
#include "kernels/convolution/onednn_conv2d.h"
#include "kernels/convolution/winograd.h"
#include "tests/kernels/backends.h"

namespace saccade {
namespace {

std::vector<Vectors> vectors_here() {
  std::vector<Vectors> all;
  for (const Vectors vectors : {Vectors::portable, Vectors::avx2, Vectors::avx512})
    if (vectors <= best_vectors()) all.push_back(vectors);
  return all;
}

// Errors within c eps S, where S is the largest of piece x piece pixels, which Winograd's form computes together. The
// largest seen, of two million numbers from 16 to 300 channels, is 18.3 eps S in the large form, 2.1 in the small one.
struct Tolerance {
  double c;
  int64_t piece;
};
constexpr Tolerance kDirect{8, 1}, kLarge{24, 4}, kSmall{3, 2};

// y, grad_x, grad_w and grad_b of random images, filters and gradients of a shape.
struct Convolved {
  std::vector<float> y, grad_x, grad_w, grad_b;
};

class Problem {
 public:
  explicit Problem(const Conv2dShape& shape)
      : shape_(shape),
        x_(normals<float>(1, shape.x_count())),
        w_(normals<float>(2, shape.w_count())),
        b_(normals<float>(3, shape.k)),
        grad_(normals<float>(4, shape.y_count())) {}

  Convolved on(Context& context) const {
    constexpr float kUnwritten = std::numeric_limits<float>::quiet_NaN();
    Convolved out{std::vector<float>(grad_.size(), kUnwritten), std::vector<float>(x_.size(), kUnwritten),
                  std::vector<float>(w_.size(), kUnwritten), std::vector<float>(b_.size(), kUnwritten)};
    using Op = Conv2d<Device::cpu>;
    Op::forward(context, shape_, x_.data(), w_.data(), b_.data(), out.y.data(), 0);
    Op::backward_data(context, shape_, grad_.data(), w_.data(), out.grad_x.data());
    Op::backward_weight(context, shape_, x_.data(), grad_.data(), out.grad_w.data(), out.grad_b.data());
    return out;
  }

#ifdef SACCADE_ONEDNN
  Convolved by_onednn(Context& context) const {
    return by_onednn(context, x_, w_, b_, grad_);
  }

  // The same of rounded numbers in bf16: the sums are f32's, and each is rounded once.
  void check_bf16_by_onednn(Context& context, const std::string& what) const {
    Problem rounded(shape_);
    for (std::vector<float>* values : {&rounded.x_, &rounded.w_, &rounded.b_, &rounded.grad_})
      for (float& value : *values) value = static_cast<float>(bf16(value));
    const Convolved out = by_onednn(context, as<bf16>(rounded.x_), as<bf16>(rounded.w_), as<bf16>(rounded.b_),
                                    as<bf16>(rounded.grad_));
    rounded.run(rounded.references_);
    rounded.run(rounded.bounds_);
    const std::vector<float>* parts[] = {&out.y, &out.grad_x, &out.grad_w, &out.grad_b};
    for (size_t i = 0; i < 4; ++i) {
      for (size_t k = 0; k < parts[i]->size(); ++k) {
        double& allowed = rounded.bounds_[i][k].magnitude;
        allowed = epsilon_of<bf16>() * std::fabs(rounded.references_[i][k]) +
                  kDirect.c * epsilon_of<float>() * allowed;
      }
      check_close(concat(what, ", bf16, ", i), *parts[i], rounded.references_[i], rounded.bounds_[i], 1, 1);
    }
  }
#endif

  // Every number of y, and of the gradients, against the reference. In grad_w a piece is a filter's 9 taps.
  void check_close_to_reference(const std::string& what, const Convolved& out, Tolerance y,
                                Tolerance gradients) {
    if (bounds_[0].empty()) {
      run(references_);
      run(bounds_);
      spread_in_pieces(bounds_[0], y.piece, shape_.n, shape_.p(), shape_.q(), shape_.k);
      spread_in_pieces(bounds_[1], gradients.piece, shape_.n, shape_.h, shape_.w, shape_.c);
      spread_in_pieces(bounds_[2], gradients.piece, shape_.k, shape_.r, shape_.s, shape_.c);
    }
    const std::vector<float>* parts[] = {&out.y, &out.grad_x, &out.grad_w, &out.grad_b};
    const char* names[] = {", y", ", grad_x", ", grad_w", ", grad_b"};
    double worst[4];
    for (size_t i = 0; i < 4; ++i)
      worst[i] =
          check_close(what + names[i], *parts[i], references_[i], bounds_[i], i == 0 ? y.c : gradients.c);
    WARN(what << ": largest errors " << worst[0] << ", " << worst[1] << ", " << worst[2] << ", " << worst[3]
              << " eps S");
  }

 private:
#ifdef SACCADE_ONEDNN
  template <class T>
  Convolved by_onednn(Context& context, const std::vector<T>& x, const std::vector<T>& w,
                      const std::vector<T>& b, const std::vector<T>& grad) const {
    std::vector<T> y(grad.size()), grad_x(x.size()), grad_w(w.size()), grad_b(b.size());
    onednn_conv2d::forward<T>(context, shape_, x.data(), w.data(), b.data(), y.data(), 0);
    onednn_conv2d::backward_data<T>(context, shape_, grad.data(), w.data(), grad_x.data());
    onednn_conv2d::backward_weight<T>(context, shape_, x.data(), grad.data(), grad_w.data(), grad_b.data());
    return {as<float>(y), as<float>(grad_x), as<float>(grad_w), as<float>(grad_b)};
  }
#endif

  template <class S>
  void run(std::vector<S> (&out)[4]) const {
    using Reference = Conv2d<Device::reference>;
    Context host(Device::cpu, 0, 1);
    const auto xs = as<S>(x_), ws = as<S>(w_), bs = as<S>(b_), gs = as<S>(grad_);
    const size_t sizes[] = {grad_.size(), x_.size(), w_.size(), b_.size()};
    for (size_t i = 0; i < 4; ++i) out[i].resize(sizes[i]);
    Reference::forward(host, shape_, xs.data(), ws.data(), bs.data(), out[0].data(), 0);
    Reference::backward_data(host, shape_, gs.data(), ws.data(), out[1].data());
    Reference::backward_weight(host, shape_, xs.data(), gs.data(), out[2].data(), out[3].data());
  }

  static void spread_in_pieces(std::vector<Bound>& bounds, int64_t piece, int64_t count, int64_t h, int64_t w,
                               int64_t channels) {
    const auto at = [&](int64_t n, int64_t i, int64_t j, int64_t c) -> double& {
      return bounds[static_cast<size_t>(((n * h + i) * w + j) * channels + c)].magnitude;
    };
    for (int64_t n = 0; n < count; ++n)
      for (int64_t i = 0; i < h; i += piece)
        for (int64_t j = 0; j < w; j += piece)
          for (int64_t c = 0; c < channels; ++c) {
            double largest = 0;
            const auto each = [&](auto&& visit) {
              for (int64_t row = i; row < std::min(i + piece, h); ++row)
                for (int64_t column = j; column < std::min(j + piece, w); ++column)
                  visit(at(n, row, column, c));
            };
            each([&](double& magnitude) { largest = std::max(largest, magnitude); });
            each([&](double& magnitude) { magnitude = largest; });
          }
  }

  Conv2dShape shape_;
  std::vector<float> x_, w_, b_, grad_;
  std::vector<double> references_[4];
  std::vector<Bound> bounds_[4];
};

void check_on_all(const std::string& name, const Conv2dShape& shape, bool exact, Tolerance y,
                  Tolerance gradients) {
  Problem problem(shape);
  Convolved first;
  for (const Vectors vectors : vectors_here()) {
    Convolved one;
    for (const int threads : {1, 2, 5}) {
      INFO(name << ", " << name_of(vectors) << ", " << threads << " threads");
      Context context(Device::cpu, 0, threads);
      context.vectors = vectors;
      context.exact = exact;
      const Convolved out = problem.on(context);
      if (threads == 1) {
        problem.check_close_to_reference(concat(name, ", ", name_of(vectors)), out, y, gradients);
        one = out;
      }
      CHECK(out.y == one.y);
      CHECK(out.grad_x == one.grad_x);
      CHECK(out.grad_w == one.grad_w);
    }
    if (vectors == Vectors::portable) continue;  // it may round twice where the others round once
    if (first.y.empty()) first = one;
    CHECK(one.y == first.y);
    CHECK(one.grad_x == first.grad_x);
    CHECK(one.grad_w == first.grad_w);
  }
}

}  // namespace

TEST_CASE("Winograd's form agrees with the reference, whatever the threads and vectors", "[conv2d]") {
  const std::pair<const char*, Conv2dShape> shapes[] = {
      {"whole pieces", {2, 8, 12, 16, 32, 3, 3, 1, 1, 1, 1}},
      {"pieces cut below and at the right", {2, 9, 7, 17, 37, 3, 3, 1, 1, 1, 1}},
      {"less than a piece", {5, 1, 2, 16, 16, 3, 3, 1, 1, 1, 1}},
      {"no padding", {1, 10, 11, 24, 16, 3, 3, 1, 1, 0, 0}},
      {"unequal padding", {2, 6, 9, 16, 24, 3, 3, 1, 1, 2, 0}},
      {"a piece more than the small form has", {3, 4, 4, 128, 128, 3, 3, 1, 1, 1, 1}},
      {"a channel less than the small form has", {1, 8, 4, 127, 129, 3, 3, 1, 1, 1, 1}},
      {"blocks of pieces", {1, 45, 58, 16, 16, 3, 3, 1, 1, 1, 1}},
      {"weights larger than a cache", {1, 36, 60, 300, 300, 3, 3, 1, 1, 1, 1}},
      {"slabs of pieces in the weight gradient", {1, 180, 180, 16, 16, 3, 3, 1, 1, 1, 1}}};
  for (const auto& [name, shape] : shapes) {
    REQUIRE(winograd::takes(shape));
    check_on_all(name, shape, false, kLarge, winograd::takes_gradients(shape) ? kLarge : kDirect);
  }
}

TEST_CASE("few pixels of many channels are computed in Winograd's small form, their gradients directly",
          "[conv2d]") {
  const std::pair<const char*, Conv2dShape> shapes[] = {
      {"two pieces of 4x4 below each other", {1, 8, 4, 128, 128, 3, 3, 1, 1, 1, 1}},
      {"two pieces beside each other, cut", {1, 3, 7, 130, 136, 3, 3, 1, 1, 1, 1}},
      {"unequal padding", {1, 7, 2, 136, 130, 3, 3, 1, 1, 1, 2}},
      {"a piece of each of two pictures", {2, 2, 1, 128, 130, 3, 3, 1, 1, 1, 1}}};
  for (const auto& [name, shape] : shapes) {
    REQUIRE(winograd::takes(shape));
    REQUIRE(!winograd::takes_gradients(shape));
    check_on_all(name, shape, false, kSmall, kDirect);
    Problem problem(shape);
    Context context(Device::cpu, 0, 2);
    const Convolved fast = problem.on(context);
    context.exact = true;
    const Convolved exact = problem.on(context);
    CHECK(fast.y != exact.y);
    CHECK(fast.grad_x == exact.grad_x);
    CHECK(fast.grad_w == exact.grad_w);
  }
}

TEST_CASE("convolutions by windows agree with the reference, whatever the threads and vectors", "[conv2d]") {
  const std::pair<const char*, Conv2dShape> shapes[] = {
      {"one of everything", {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}},
      {"cut panels", {2, 5, 7, 67, 33, 1, 1, 1, 1, 0, 0}},
      {"wide to narrow", {1, 6, 5, 700, 20, 1, 1, 1, 1, 0, 0}},
      {"narrow to wide", {1, 6, 5, 20, 700, 1, 1, 1, 1, 0, 0}},
      {"slabs of pixels", {2, 20, 17, 16, 80, 1, 1, 1, 1, 0, 0}},
      {"strides that end before the image does", {2, 8, 9, 24, 40, 1, 1, 3, 2, 0, 0}},
      {"a stride beyond the image", {2, 2, 3, 8, 8, 1, 1, 4, 5, 0, 0}},
      {"3x3, stride 2", {2, 9, 12, 24, 40, 3, 3, 2, 2, 1, 1}},
      {"a stem", {2, 19, 14, 3, 20, 7, 7, 2, 2, 3, 3}},
      {"padding past the filter", {1, 2, 2, 2, 5, 2, 2, 1, 1, 3, 3}},
      {"strides beyond the filter", {1, 8, 9, 8, 8, 2, 1, 3, 4, 1, 0}},
      {"unequal filters, strides and padding", {2, 6, 11, 5, 7, 2, 5, 2, 3, 1, 2}},
      {"windows of more than one depth", {1, 6, 5, 90, 70, 3, 3, 1, 1, 1, 1}}};
  for (const auto& [name, shape] : shapes) {
    check_on_all(name, shape, true, kDirect, kDirect);
  }
}

#ifdef SACCADE_ONEDNN
// bf16 goes this way where the processor has instructions for it. In f32 all but the element type is the same, and
// every processor can run it.
TEST_CASE("convolutions by oneDNN agree with the reference", "[conv2d]") {
  const std::pair<const char*, Conv2dShape> shapes[] = {
      {"one of everything", {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}},
      {"1x1", {2, 5, 7, 64, 32, 1, 1, 1, 1, 0, 0}},
      {"1x1, strides", {2, 8, 9, 32, 40, 1, 1, 2, 2, 0, 0}},
      {"3x3", {2, 9, 7, 32, 64, 3, 3, 1, 1, 1, 1}},
      {"3x3, stride 2", {2, 9, 12, 24, 40, 3, 3, 2, 2, 1, 1}},
      {"a stem", {2, 19, 14, 3, 64, 7, 7, 2, 2, 3, 3}},
      {"unequal filters, strides and padding", {2, 6, 11, 5, 7, 2, 5, 2, 3, 1, 2}}};
  for (const auto& [name, shape] : shapes)
    for (const int threads : {1, 2}) {
      INFO(name << ", " << threads << " threads");
      Context context(Device::cpu, 0, threads);
      Problem problem(shape);
      problem.check_close_to_reference(name, problem.by_onednn(context), kDirect, kDirect);
      if (multiplies_bf16()) problem.check_bf16_by_onednn(context, name);
    }
}

TEST_CASE("oneDNN's packed weights are kept for one version", "[conv2d]") {
  Context context(Device::cpu, 0, 2);
  const Conv2dShape shape{1, 6, 5, 16, 24, 3, 3, 1, 1, 1, 1};
  const auto x = normals<float>(1, shape.x_count());
  auto w = normals<float>(2, shape.w_count());
  const auto y_of = [&](uint64_t version) {
    std::vector<float> y(static_cast<size_t>(shape.y_count()));
    onednn_conv2d::forward<float>(context, shape, x.data(), w.data(), nullptr, y.data(), version);
    return y;
  };
  const auto first = y_of(7);
  for (float& value : w) value *= 2;
  CHECK(y_of(7) == first);
  const auto second = y_of(8);
  CHECK(second != first);
  CHECK(y_of(0) == second);
}
#endif

TEST_CASE("`exact` sums 3x3 convolutions directly", "[conv2d]") {
  const Conv2dShape shape{2, 9, 8, 48, 32, 3, 3, 1, 1, 1, 1};
  Problem problem(shape);
  Context context(Device::cpu, 0, 2);
  const Convolved fast = problem.on(context);
  context.exact = true;
  const Convolved exact = problem.on(context);
  problem.check_close_to_reference("exact", exact, kDirect, kDirect);
  CHECK(exact.y != fast.y);
  CHECK(exact.grad_x != fast.grad_x);
  CHECK(exact.grad_w != fast.grad_w);
}

TEST_CASE("packed weights are kept for one version, for images of any number", "[conv2d]") {
  Context context(Device::cpu, 0, 2);
  for (const int64_t size : {int64_t{1}, int64_t{3}}) {
    Conv2dShape shape{2, 6, 5, 16, 24, size, size, 1, 1, size / 2, size / 2};
    const auto x = normals<float>(1, shape.x_count()), b = normals<float>(3, shape.k);
    std::vector<float> w = normals<float>(2, shape.w_count());
    const auto run = [&](uint64_t version) {
      std::vector<float> y(static_cast<size_t>(shape.y_count()));
      Conv2d<Device::cpu>::forward(context, shape, x.data(), w.data(), b.data(), y.data(), version);
      return y;
    };
    const std::vector<float> before = run(7);
    w[5] += 1;
    CHECK(run(7) ==
          before);  // the promise that nothing changed was broken on purpose: the old ones are still there
    const std::vector<float> after = run(8);
    CHECK(after != before);
    CHECK(run(0) == after);
    shape.n = 1;
    w[5] -= 1;
    const std::vector<float> alone = run(8);
    CHECK(std::equal(alone.begin(), alone.end(), after.begin()));
  }
}

TEST_CASE("packed weights are those of their shape, form and vectors, whatever lay at their address before",
          "[conv2d]") {
  Context context(Device::cpu, 0, 2);
  const std::vector<float> w = normals<float>(2, 40 * 3 * 3 * 64);
  uint64_t version = 0;
  for (const auto& [k, c] : {std::pair<int64_t, int64_t>(16, 16), {40, 64}, {24, 16}}) {
    const Conv2dShape shape{1, 6, 5, c, k, 3, 3, 1, 1, 1, 1};
    const auto x = normals<float>(1, shape.x_count()), b = normals<float>(3, shape.k);
    const auto run = [&](uint64_t number) {
      std::vector<float> y(static_cast<size_t>(shape.y_count()));
      Conv2d<Device::cpu>::forward(context, shape, x.data(), w.data(), b.data(), y.data(), number);
      return y;
    };
    ++version;
    for (const bool exact : {false, true})
      for (const Vectors vectors : vectors_here()) {
        context.exact = exact;
        context.vectors = vectors;
        CHECK(run(version) == run(0));
      }
  }
}

}  // namespace saccade
