#include <deque>

#include "kernels/activation/log_softmax.ref.h"
#include "kernels/activation/softmax.ref.h"
#include "kernels/rows/copy_rows.ref.h"
#include "kernels/rows/gather.ref.h"
#include "kernels/rows/l2_normalize.ref.h"
#include "kernels/rows/transpose.ref.h"
#include "tests/kernels/held.h"

using namespace saccade;

namespace {

constexpr double kEpsilon = 2;  // of l2_normalize: clamps the shortest rows
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows that a warp holds, that a block holds, and that are streamed; in vectors and one by one.
const int64_t kColumns[] = {1, 8, 37, 256, 257, 264, 751, 2049, 4096, 4097, 4104};

// run.operator()<Device, scalar>(context, rows, columns, inputs, y), with y over the first input, too.
template <class Run>
void check_rows(const std::string& what, float scale, Run run) {
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    double worst = 0;
    for (const int64_t columns : kColumns) {
      const int64_t rows = columns < 256 ? 9 : 2, count = rows * columns;
      for (const Placing& placing : {Placing{0, false}, Placing{1, false}, Placing{0, true}})
        worst = std::max(worst,
                         check_held<D, T>(context, concat(what, " of ", rows, "x", columns, " on ", backend),
                                          {normals<T>(1, count, scale), normals<T>(2, count)}, count, placing,
                                          [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                                            run.template operator()<E, S>(c, rows, columns, in, y);
                                          }));
    }
    WARN(what << " on " << backend << ": largest error " << worst << " eps S");
  });
}

std::vector<int64_t> integers(uint64_t seed, int64_t count, int64_t below) {
  PhiloxStream random(seed);
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& v : values) v = random.below(static_cast<uint32_t>(below));
  return values;
}

}  // namespace

TEST_CASE("softmax and its gradient agree with the reference for every length of a row") {
  check_rows("softmax", 5,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               Softmax<D>::forward(c, rows, columns, in[0], y);
             });
  check_rows("its gradient", 1,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               Softmax<D>::backward(c, rows, columns, in[0], in[1], y);
             });
}

TEST_CASE("log_softmax and its gradient agree with the reference for every length of a row") {
  check_rows("log_softmax", 5,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               LogSoftmax<D>::forward(c, rows, columns, in[0], y);
             });
  check_rows("its gradient", 1,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               LogSoftmax<D>::backward(c, rows, columns, in[0], in[1], y);
             });
}

TEST_CASE("a row of softmax that is masked gives zeros, one with a NaN gives NaN") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    for (const int64_t columns : kColumns) {
      const size_t width = static_cast<size_t>(columns);
      std::vector<T> x(3 * width, T(-kInfinity));
      x[2 * width - 1] = T(1.0f);
      std::fill(x.begin() + 2 * columns, x.end(), T(0.0f));
      x[3 * width - 1] = T(std::numeric_limits<float>::quiet_NaN());
      DeviceArray<T> in(context, x), out(context, x.size());
      Softmax<D>::forward(context, 3, columns, in.data(), out.data());
      const auto y = out.host();
      INFO(backend << ", " << columns << " columns");
      CHECK(std::all_of(y.begin(), y.begin() + columns, [](T v) { return static_cast<float>(v) == 0; }));
      CHECK(static_cast<float>(y[2 * width - 1]) == 1);
      CHECK(std::all_of(y.begin() + 2 * columns, y.end(),
                        [](T v) { return std::isnan(static_cast<float>(v)); }));
    }
  });
}

TEST_CASE("l2_normalize and its gradient agree with the reference for every length of a row") {
  check_rows("l2_normalize", 1,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               DeviceArray<Accumulator<S>> norm(c, static_cast<size_t>(rows));
               L2Normalize<D>::forward(c, rows, columns, kEpsilon, in[0], y, norm.data());
             });
  check_rows("its gradient", 1,
             []<Device D, class S>(Context& c, int64_t rows, int64_t columns, const auto& in, S* y) {
               std::vector<Accumulator<S>> lengths;
               for (int64_t r = 0; r < rows; ++r) lengths.emplace_back(r % 2 ? 2.0f : 3.0f);
               DeviceArray<Accumulator<S>> norm(c, lengths);
               L2Normalize<D>::backward(c, rows, columns, kEpsilon, in[0], in[1], norm.data(), y);
             });
}

TEST_CASE("join and cut move columns whatever their alignment and number, and touch nothing else") {
  struct Parts {
    int64_t rows;
    std::vector<int64_t> widths;  // negative: a part without data
  };
  const Parts all[] = {{5, {16, 8, 32}},
                       {5, {-4, 6, 2}},
                       {70, {5, -3, 1}},
                       {3, {700, 1}},
                       {40, {64, 64, -64}},
                       {9, {0, 3, 0, 2}},
                       {300, {-8, 4}},
                       {0, {2, 1}},
                       {2, {1030}},
                       {4, {-5}},
                       {1, {}},
                       {33, {8, 8, -8, -8, 8, 8, 8, 8, 8, -8, 8}},
                       {6, {-1, 1, -1, 1, 1, 1, 1, 1, 1, -1, -1, 1, 1, 1, 1, 1, 1, -3}}};
  for_each_backend([&]<Device D, class T>(Context& context, const char* backend) {
    for (const Parts& p : all)
      for (const size_t offset : {0, 1}) {
        int64_t width = 0;
        for (const int64_t w : p.widths) width += std::abs(w);
        INFO(backend << ", " << p.rows << " rows of " << width << " in " << p.widths.size() << " parts");
        const auto whole = normals<T>(1, p.rows * width);
        std::vector<T> zeroed = whole;
        std::deque<DeviceArray<T>> arrays;
        std::vector<Columns<const T>> from;
        std::vector<Columns<T>> to;
        std::vector<std::vector<T>> expected;
        int64_t begin = 0;
        for (const int64_t w : p.widths) {
          const int64_t columns = std::abs(w);
          std::vector<T> part(offset + static_cast<size_t>(p.rows * columns), T(7.0f));
          for (int64_t r = 0; r < p.rows; ++r) {
            const auto at = r * width + begin;
            if (w >= 0)
              std::copy_n(whole.begin() + at, columns,
                          part.begin() + static_cast<int64_t>(offset) + r * columns);
            else
              std::fill_n(zeroed.begin() + at, columns, T(0.0f));
          }
          arrays.emplace_back(context, part);
          from.push_back({w >= 0 ? arrays.back().data() + offset : nullptr, columns});
          expected.push_back(std::move(part));
          begin += columns;
        }
        const auto same = [](const std::vector<T>& a, const std::vector<T>& b) {
          return a.size() == b.size() &&
                 (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
        };
        DeviceArray<T> y(context, std::vector<T>(whole.size(), T(7.0f))), x(context, whole);
        CopyRows<D>::join(context, p.rows, from, y.data());
        CHECK(same(y.host(), zeroed));

        std::deque<DeviceArray<T>> cut;
        for (size_t k = 0; k < expected.size(); ++k) {
          cut.emplace_back(context, std::vector<T>(expected[k].size(), T(7.0f)));
          to.push_back({from[k].data ? cut.back().data() + offset : nullptr, from[k].width});
        }
        const T* read = x.data();
        CopyRows<D>::cut(context, p.rows, read, to);
        for (size_t k = 0; k < expected.size(); ++k)
          CHECK(same(cut[k].host(),
                     p.widths[k] >= 0 ? expected[k] : std::vector<T>(expected[k].size(), T(7.0f))));
      }
  });
}

TEST_CASE("transpose agrees with the reference in whole tiles and in parts of them") {
  for_each_backend([]<Device D, class T>(Context& context, const char* backend) {
    const std::pair<int64_t, int64_t> shapes[] = {{64, 64}, {128, 72}, {65, 130},
                                                  {1, 300}, {300, 1},  {8, 200}};
    for (const auto& [rows, columns] : shapes)
      for (const size_t offset : {0, 1})
        check_held<D, T>(
            context, concat("transpose of ", rows, "x", columns, " on ", backend),
            {normals<T>(1, rows * columns)}, rows * columns, {offset},
            [&, r = rows, n = columns]<Device E, class S>(Context& c, const auto& in, S* y) {
              Transpose<E>::forward(c, r, n, in[0], y);
            },
            0);
  });
}

TEST_CASE("gather and scatter_add agree with the reference, however many rows go to one") {
  struct Sizes {
    int64_t rows, picked, width, named;  // `named`: rows below it are named by the index
  };
  const Sizes all[] = {{300, 5000, 3, 300}, {70000, 900, 1, 70000}, {4, 2500, 16, 1},
                       {257, 33, 72, 257},  {255, 2049, 1, 255},    {256, 2048, 8, 256},
                       {9, 0, 4, 9},        {1, 1, 1, 1},           {5, 40, 1100, 5}};
  for_each_version([&]<Device D, class T>(Context& context, const std::string& backend) {
    double worst = 0;
    for (const Sizes& s : all)
      for (const size_t offset : {0, 1}) {
        const auto index = integers(3, s.picked, s.named);
        DeviceArray<int64_t> on_device(context, index);
        const auto index_for = [&]<Device E>() { return E == D ? on_device.data() : index.data(); };
        const std::string what = concat(s.picked, " of ", s.rows, " rows of ", s.width, " on ", backend);
        check_held<D, T>(
            context, "gather " + what, {normals<T>(1, s.rows * s.width)}, s.picked * s.width, {offset},
            [&]<Device E, class S>(Context& c, const auto& in, S* y) {
              Gather<E>::gather(c, s.rows, s.picked, s.width, in[0], index_for.template operator()<E>(), y);
            },
            0);
        worst =
            std::max(worst, check_held<D, T>(context, "scatter_add " + what,
                                             {normals<T>(1, s.picked * s.width)}, s.rows * s.width, {offset},
                                             [&]<Device E, class S>(Context& c, const auto& in, S* y) {
                                               Gather<E>::scatter_add(c, s.rows, s.picked, s.width, in[0],
                                                                      index_for.template operator()<E>(), y);
                                             }));
      }
    WARN("scatter_add on " << backend << ": largest error " << worst << " eps S");
  });
}

TEST_CASE("an index outside the rows: an error on the CPU; on a GPU a row of NaN, and no part of a sum") {
  const std::vector<int64_t> index{1, -1, 3, 0};
  for_each_version([&]<Device D, class T>(Context& context, const std::string& backend) {
    INFO(backend);
    DeviceArray<int64_t> on_device(context, index);
    DeviceArray<T> x(context, normals<T>(1, 3 * 2)), y(context, 4 * 2), sums(context, 3 * 2);
    if (D == Device::cpu) {
      CHECK_THROWS_AS(Gather<D>::gather(context, 3, 4, 2, x.data(), on_device.data(), y.data()), InputError);
      CHECK_THROWS_AS(Gather<D>::scatter_add(context, 3, 4, 2, y.data(), on_device.data(), sums.data()),
                      InputError);
      return;
    }
    Gather<D>::gather(context, 3, 4, 2, x.data(), on_device.data(), y.data());
    const auto gathered = y.host();
    for (size_t i = 0; i < gathered.size(); ++i)
      CHECK(std::isnan(static_cast<float>(gathered[i])) == (i / 2 == 1 || i / 2 == 2));
    Gather<D>::scatter_add(context, 3, 4, 2, y.data(), on_device.data(), sums.data());
    const auto from = x.host(), back = sums.host();  // rows 0 and 1 came and went, row 2 was never named
    for (size_t i = 0; i < back.size(); ++i)
      CHECK(static_cast<float>(back[i]) == (i < 4 ? static_cast<float>(from[i]) : 0.0f));
  });
}
