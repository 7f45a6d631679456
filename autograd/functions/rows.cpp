#include "autograd/functions/rows.h"

#include "autograd/functions/common.h"
#include "kernels/common/device.h"
#include "kernels/rows/copy_rows.ref.h"
#include "kernels/rows/gather.ref.h"
#include "kernels/rows/l2_normalize.ref.h"
#include "kernels/rows/transpose.ref.h"

namespace saccade {

namespace {
Shape with_size(const Shape& shape, int dimension, int64_t size) {
  std::vector<int64_t> sizes(shape.begin(), shape.end());
  sizes[static_cast<size_t>(dimension)] = size;
  return Shape(sizes);
}

int64_t width_of(const Shape& shape) {  // elements of a row of the first dimension
  int64_t width = 1;
  for (int d = 1; d < shape.rank(); ++d) width *= shape[d];
  return width;
}

Tensor gathered(Tape& t, const Tensor& x, const Tensor& index) {
  const Tensor y = t.empty(with_size(x.shape(), 0, index.count()), x.dtype());
  dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
    Gather<D>::gather(t.context(), x.size(0), index.count(), width_of(x.shape()), x.data<T>(),
                      index.data<int64_t>(), y.data<T>());
  });
  return y;
}

Tensor scattered(Tape& t, const Tensor& x, const Tensor& index, int64_t rows) {
  check_input(rows <= (int64_t{1} << 40) / std::max<int64_t>(1, width_of(x.shape())),
              "scatter_add_rows: ", rows, " rows of ", width_of(x.shape()), " elements are too many");
  const Tensor y = t.empty(with_size(x.shape(), 0, rows), x.dtype());
  dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
    Gather<D>::scatter_add(t.context(), rows, index.count(), width_of(x.shape()), x.data<T>(),
                           index.data<int64_t>(), y.data<T>());
  });
  return y;
}

// Tensors beside each other as CopyRows takes them; one that is missing has columns and no data.
template <class T>
std::vector<Columns<T>> columns_of(const std::vector<Tensor>& parts, const std::vector<int64_t>& widths) {
  std::vector<Columns<T>> columns;
  for (size_t i = 0; i < parts.size(); ++i)
    columns.push_back({parts[i] ? parts[i].data<std::remove_const_t<T>>() : nullptr, widths[i]});
  return columns;
}

// y = the parts beside each other; zeros for a part that is missing.
void join(Tape& t, const std::vector<Tensor>& parts, const std::vector<int64_t>& widths, const Tensor& y) {
  dispatch(t.context(), y.dtype(), [&]<Device D, class T>() {
    CopyRows<D>::join(t.context(), y.shape().rows(), columns_of<const T>(parts, widths), y.data<T>());
  });
}

// The columns of x into the parts; those of a part that is missing are left out.
void cut(Tape& t, const Tensor& x, const std::vector<Tensor>& parts, const std::vector<int64_t>& widths) {
  dispatch(t.context(), x.dtype(), [&]<Device D, class T>() {
    const T* from = x.data<T>();
    CopyRows<D>::cut(t.context(), x.shape().rows(), from, columns_of<T>(parts, widths));
  });
}
}  // namespace

Variable gather_rows(Tape& tape, const Variable& x, const Tensor& index) {
  tape.begin("gather_rows");
  check_input(x.shape().rank() >= 1 && index.shape().rank() == 1, "gather_rows: x ", x.shape().text(),
              " and index ", index.shape().text(), " do not fit [R,...] and [K]");
  return tape.record(
      gathered(tape, x.value, index), {&x},
      [x = slot_of(x), rows = x.shape()[0], index = Saved(index)](Tape& t, const Tensor& grad_y) {
        t.add_gradient(x, scattered(t, grad_y, index.get(), rows));
      });
}

Variable scatter_add_rows(Tape& tape, const Variable& x, const Tensor& index, int64_t rows) {
  tape.begin("scatter_add_rows");
  check_input(x.shape().rank() >= 1 && index.shape() == Shape{x.shape()[0]} && rows >= 0,
              "scatter_add_rows: x ", x.shape().text(), ", index ", index.shape().text(), " and ", rows,
              " rows do not fit [K,...] and [K]");
  return tape.record(scattered(tape, x.value, index, rows), {&x},
                     [x = slot_of(x), index = Saved(index)](Tape& t, const Tensor& grad_y) {
                       t.add_gradient(x, gathered(t, grad_y, index.get()));
                     });
}

Variable reshape(Tape& tape, const Variable& x, const Shape& shape) {
  tape.begin("reshape");
  check_input(shape.count() == x.value.count(), "reshape: x ", x.shape().text(), " has not the elements of ",
              shape.text());
  return tape.record(x.value.reshape(shape), {&x},
                     [x = slot_of(x), from = x.shape()](Tape& t, const Tensor& grad_y) {
                       t.add_gradient(x, grad_y.reshape(from));
                     });
}

Variable concat(Tape& tape, const std::vector<Variable>& parts) {
  tape.begin("concat");
  check_input(!parts.empty() && parts[0].shape().rank() >= 1, "concat: nothing to join");
  const Shape& first = parts[0].shape();
  int64_t width = 0;
  std::vector<const Variable*> inputs;
  for (const Variable& part : parts) {
    check_input(part.shape().rank() == first.rank() && part.dtype() == parts[0].dtype() &&
                    with_size(part.shape(), first.rank() - 1, 0) == with_size(first, first.rank() - 1, 0),
                "concat: shapes ", first.text(), " and ", part.shape().text(),
                " differ before the last dimension");
    width += part.shape()[-1];
    inputs.push_back(&part);
  }
  const Tensor y = tape.empty(with_size(first, first.rank() - 1, width), parts[0].dtype());
  std::vector<Variable> slots;
  std::vector<Tensor> values;
  std::vector<Shape> shapes;
  std::vector<int64_t> widths;
  for (const Variable& part : parts) {
    slots.push_back(slot_of(part));
    values.push_back(part.value);
    shapes.push_back(part.shape());
    widths.push_back(part.shape()[-1]);
  }
  join(tape, values, widths, y);
  return tape.record(y, inputs, [slots, shapes, widths](Tape& t, const Tensor& grad_y) {
    std::vector<Tensor> grads(slots.size());
    for (size_t i = 0; i < slots.size(); ++i)
      if (slots[i].needs_gradient()) grads[i] = t.empty(shapes[i], grad_y.dtype());
    cut(t, grad_y, grads, widths);
    for (size_t i = 0; i < slots.size(); ++i)
      if (grads[i]) t.add_gradient(slots[i], grads[i]);
  });
}

std::vector<Variable> split(Tape& tape, const Variable& x, const std::vector<int64_t>& widths) {
  tape.begin("split");
  int64_t total = 0;
  for (int64_t width : widths) {
    check_input(width >= 0, "split: a part of ", width, " columns");
    total += width;
  }
  check_input(x.shape().rank() >= 1 && total == x.shape()[-1], "split: parts of ", total,
              " columns together, x has shape ", x.shape().text());
  std::vector<Tensor> parts;
  for (int64_t width : widths)
    parts.push_back(tape.empty(with_size(x.shape(), x.shape().rank() - 1, width), x.dtype()));
  cut(tape, x.value, parts, widths);
  return tape.record_many(parts, {&x},
                          [x = slot_of(x), shape = x.shape(), dtype = x.dtype(), widths](
                              Tape& t, const std::vector<Tensor>& grads) {
                            const Tensor grad_x = t.empty(shape, dtype);
                            join(t, grads, widths, grad_x);
                            t.add_gradient(x, grad_x);
                          });
}

Variable slice_columns(Tape& tape, const Variable& x, int64_t begin, int64_t end) {
  tape.begin("slice_columns");
  check_input(x.shape().rank() >= 1 && 0 <= begin && begin <= end && end <= x.shape()[-1],
              "slice_columns: columns ", begin, "..", end, " of ", x.shape().text());
  const Tensor y = tape.empty(with_size(x.shape(), x.shape().rank() - 1, end - begin), x.dtype());
  const std::vector<int64_t> widths = {begin, end - begin, x.shape()[-1] - end};
  cut(tape, x.value, {Tensor(), y, Tensor()}, widths);
  return tape.record(y, {&x}, [widths, x = slot_of(x), shape = x.shape()](Tape& t, const Tensor& grad_y) {
    const Tensor grad_x = t.empty(shape, grad_y.dtype());
    join(t, {Tensor(), grad_y, Tensor()}, widths, grad_x);
    t.add_gradient(x, grad_x);
  });
}

Variable transpose2d(Tape& tape, const Variable& x) {
  tape.begin("transpose2d");
  check_input(x.shape().rank() == 2, "transpose2d: x has shape ", x.shape().text(), ", not [R,C]");
  const auto turned = [](Tape& t, const Tensor& from) {
    const Tensor to = t.empty({from.size(1), from.size(0)}, from.dtype());
    dispatch(t.context(), from.dtype(), [&]<Device D, class T>() {
      Transpose<D>::forward(t.context(), from.size(0), from.size(1), from.data<T>(), to.data<T>());
    });
    return to;
  };
  return tape.record(turned(tape, x.value), {&x}, [turned, x = slot_of(x)](Tape& t, const Tensor& grad_y) {
    t.add_gradient(x, turned(t, grad_y));
  });
}

Variable l2_normalize(Tape& tape, const Variable& x, double epsilon) {
  tape.begin("l2_normalize");
  check_input(x.shape().rank() >= 1, "l2_normalize: x has no dimension");
  check_input(epsilon > 0, "l2_normalize: epsilon ", epsilon, " is not above 0");
  const int64_t rows = x.shape().rows(), columns = x.shape()[-1];
  const Tensor y = tape.empty_like(x.value);
  const Tensor norm = tape.empty({rows}, accumulator_of(x.dtype()));
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    L2Normalize<D>::forward(tape.context(), rows, columns, epsilon, x.value.data<T>(), y.data<T>(),
                            norm.data<Accumulator<T>>());
  });
  return tape.record(y, {&x},
                     [=, x = slot_of(x), y = Saved(y), norm = Saved(norm)](Tape& t, const Tensor& grad_y) {
                       const Tensor grad_x = t.empty_like(grad_y);
                       dispatch(t.context(), grad_y.dtype(), [&]<Device D, class T>() {
                         L2Normalize<D>::backward(t.context(), rows, columns, epsilon, grad_y.data<T>(),
                                                  y.data<T>(), norm.data<Accumulator<T>>(), grad_x.data<T>());
                       });
                       t.add_gradient(x, grad_x);
                     });
}

}  // namespace saccade
