#include "autograd/functions/pooling.h"

#include "autograd/functions/common.h"
#include "kernels/pool/average_pool2d.ref.h"
#include "kernels/pool/generalized_mean_pool.ref.h"
#include "kernels/pool/global_average_pool.ref.h"
#include "kernels/pool/max_pool2d.ref.h"
#include "kernels/pool/region_pool.ref.h"

namespace saccade {

namespace {
Window window_over(const char* op, const Shape& x, int64_t kernel, int64_t stride, int64_t padding) {
  check_input(x.rank() == 4, op, ": x has shape ", x.text(), ", not [N,H,W,C]");
  const Window window{x[0], x[1], x[2], x[3], kernel, stride, padding};
  window.validate(op);
  return window;
}
}  // namespace

Shape output_of(const Window& w) {
  return {w.batch, w.out_height(), w.out_width(), w.channels};
}

Variable max_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  tape.begin("max_pool2d");
  const Window w = window_over("max_pool2d", x.shape(), kernel, stride, padding);
  const Tensor y = tape.empty(output_of(w), x.dtype()), tap = tape.empty(y.shape(), DType::u8);
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    MaxPool2d<D>::forward(tape.context(), w, x.value.data<T>(), y.data<T>(), tap.data<uint8_t>());
  });
  return tape.record(
      y, {&x}, [x = slot_of(x), shape = x.shape(), w, tap = Saved(tap)](Tape& t, const Tensor& grad_y) {
        const Tensor grad_x = t.empty(shape, grad_y.dtype());
        dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
          MaxPool2d<D>::backward(t.context(), w, grad_y.data<T>(), tap.data<uint8_t>(), grad_x.data<T>());
        });
        t.add_gradient(x, grad_x);
      });
}

Variable average_pool2d(Tape& tape, const Variable& x, int64_t kernel, int64_t stride, int64_t padding) {
  tape.begin("average_pool2d");
  const Window w = window_over("average_pool2d", x.shape(), kernel, stride, padding);
  const Tensor y = tape.empty(output_of(w), x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    AveragePool2d<D>::forward(tape.context(), w, x.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), shape = x.shape(), w](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      AveragePool2d<D>::backward(t.context(), w, grad_y.data<T>(), grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

namespace {
struct Positions {
  int64_t batch, positions, channels;
};
// x [N,...,C] as [N,P,C].
Positions positions_of(const char* op, const Shape& x) {
  check_input(x.rank() >= 2, op, ": x has shape ", x.text(), ", not [N,...,C]");
  int64_t positions = 1;
  for (int d = 1; d + 1 < x.rank(); ++d) positions *= x[d];
  check_input(positions >= 1, op, ": x of shape ", x.text(), " has no position");
  return {x[0], positions, x[-1]};
}
}  // namespace

Variable global_average_pool(Tape& tape, const Variable& x) {
  tape.begin("global_average_pool");
  const Positions s = positions_of("global_average_pool", x.shape());
  const Tensor y = tape.empty({s.batch, s.channels}, x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    GlobalAveragePool<D>::forward(tape.context(), s.batch, s.positions, s.channels, x.value.data<T>(),
                                  y.data<T>());
  });
  return tape.record(y, {&x}, [x = slot_of(x), shape = x.shape(), s](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
      GlobalAveragePool<D>::backward(t.context(), s.batch, s.positions, s.channels, grad_y.data<T>(),
                                     grad_x.data<T>());
    });
    t.add_gradient(x, grad_x);
  });
}

Variable generalized_mean_pool(Tape& tape, const Variable& x, const Variable& p, double epsilon) {
  tape.begin("generalized_mean_pool");
  const Positions s = positions_of("generalized_mean_pool", x.shape());
  check_input(p.value.count() == 1, "generalized_mean_pool: p has shape ", p.shape().text(), ", not [1]");
  check_input(epsilon > 0, "generalized_mean_pool: epsilon ", epsilon, " is not above 0");
  const Tensor y = tape.empty({s.batch, s.channels}, x.dtype());
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    GeneralizedMeanPool<D>::forward(tape.context(), s.batch, s.positions, s.channels, epsilon,
                                    x.value.data<T>(), p.value.data<T>(), y.data<T>());
  });
  return tape.record(y, {&x, &p},
                     [s, epsilon, x = slot_of(x), p = slot_of(p), value = Saved(x.value),
                      power = Saved(p.value), y = Saved(y)](Tape& t, const Tensor& grad_y) {
                       const Tensor grad_x = x.needs_gradient() ? t.empty_like(value.get()) : Tensor();
                       const Tensor grad_p = p.needs_gradient() ? t.empty_like(power.get()) : Tensor();
                       dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                         GeneralizedMeanPool<D>::backward(t.context(), s.batch, s.positions, s.channels,
                                                          epsilon, grad_y.data<T>(), value.data<T>(),
                                                          power.data<T>(), y.data<T>(), grad_x.data<T>(),
                                                          grad_p.data<T>());
                       });
                       if (grad_x) t.add_gradient(x, grad_x);
                       if (grad_p) t.add_gradient(p, grad_p);
                     });
}

std::vector<RowRange> pyramid_bands(int64_t height, int64_t stripes, int64_t levels) {
  check_input(stripes >= 1 && stripes <= height, "region_pool: ", stripes, " stripes of ", height, " rows");
  check_input(levels >= 1 && levels <= stripes, "region_pool: ", levels, " levels of ", stripes, " stripes");
  std::vector<RowRange> bands;
  for (int64_t level = 1; level <= levels; ++level)
    for (int64_t first = 0; first + level <= stripes; ++first)
      bands.push_back({height * first / stripes, height * (first + level) / stripes});
  return bands;
}

Variable region_pool(Tape& tape, const Variable& x, const std::vector<RowRange>& bands, bool average,
                     bool maximum) {
  tape.begin("region_pool");
  check_input(x.shape().rank() == 4, "region_pool: x has shape ", x.shape().text(), ", not [N,H,W,C]");
  const int64_t height = x.shape()[1], width = x.shape()[2];
  check_input(average || maximum, "region_pool: neither the average nor the maximum is wanted");
  check_input(width >= 1 && height * width <= INT32_MAX, "region_pool: x has shape ", x.shape().text());
  for (const RowRange& band : bands)
    check_input(0 <= band.begin && band.begin < band.end && band.end <= height, "region_pool: rows ",
                band.begin, "..", band.end, " of ", height);
  const auto shape_with = [=, shape = x.shape()](const std::vector<RowRange>& rows) {
    return RegionShape{shape[0], height, width, shape[3], rows.data(), static_cast<int64_t>(rows.size()),
                       average,  maximum};
  };
  const RegionShape s = shape_with(bands);
  const Tensor y = tape.empty({s.count, s.batch, s.channels}, x.dtype());
  const Tensor winner = maximum ? tape.empty(y.shape(), DType::i32) : Tensor();
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    RegionPool<D>::forward(tape.context(), s, x.value.data<T>(), y.data<T>(), winner.data<int32_t>());
  });
  return tape.record(y, {&x},
                     [shape_with, bands, shape = x.shape(), x = slot_of(x), winner = Saved(winner)](
                         Tape& t, const Tensor& grad_y) {
                       const Tensor grad_x = t.empty(shape, grad_y.dtype());
                       dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                         RegionPool<D>::backward(t.context(), shape_with(bands), grad_y.data<T>(),
                                                 winner.data<int32_t>(), grad_x.data<T>());
                       });
                       t.add_gradient(x, grad_x);
                     });
}

}  // namespace saccade
