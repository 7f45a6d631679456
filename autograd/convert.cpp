#include "autograd/convert.h"

#include "kernels/elementwise/axpy.ref.h"
#include "kernels/elementwise/cast.ref.h"
#include "tensor/dispatch.h"

namespace saccade {

namespace {

void check_shapes(const Tensor& to, const Tensor& from) {
  check(to.shape() == from.shape(), "values of shapes ", to.shape().text(), " and ", from.shape().text());
}

// f.operator()<D>() for the device of the context.
template <class F>
void on_device(const Context& context, DType dtype, F&& f) {
  dispatch_f32(context, DType::f32, [&]<Device D, class>() {
    if constexpr (D == Device::reference)
      refuse(context, dtype);
    else
      f.template operator()<D>();
  });
}

}  // namespace

void assign(Context& context, const Tensor& to, const Tensor& from) {
  check_shapes(to, from);
  if (to.dtype() == from.dtype()) return copy(context, to, from);
  to.mark_written();
  on_device(context, from.dtype(), [&]<Device D>() {
    if (from.dtype() == DType::f32 && to.dtype() == DType::bf16)
      Cast<D>::convert(context, from.count(), from.data<float>(), to.data<bf16>());
    else if (from.dtype() == DType::bf16 && to.dtype() == DType::f32)
      Cast<D>::convert(context, from.count(), from.data<bf16>(), to.data<float>());
    else
      refuse(context, from.dtype());
  });
}

void add_in_place(Context& context, const Tensor& to, const Tensor& from) {
  check_shapes(to, from);
  to.mark_written();
  if (to.dtype() == from.dtype())
    return dispatch(context, to.dtype(), [&]<Device D, class T>() {
      Axpy<D>::accumulate(context, to.count(), 1.0, from.data<T>(), to.data<T>());
    });
  check(from.dtype() == DType::bf16 && to.dtype() == DType::f32, "a sum of ", name_of(from.dtype()), " into ",
        name_of(to.dtype()));
  on_device(context, from.dtype(), [&]<Device D>() {
    Cast<D>::accumulate(context, from.count(), from.data<bf16>(), to.data<float>());
  });
}

Tensor cast_copy(Context& context, const Tensor& from, DType dtype) {
  Tensor to(context, from.shape(), dtype);
  assign(context, to, from);
  return to;
}

}  // namespace saccade
