#include "autograd/parameter.h"

#include "autograd/cast.h"
#include "kernels/common/device.h"
#include "kernels/common/hash.h"

namespace saccade {

Parameter& ParameterArena::add(const std::string& name, const Shape& shape, Initializer initialize) {
  check(!values, "parameter ", name, " was added after the arena was allocated");
  check(find(name) == nullptr, "two parameters are called ", name);
  Parameter& parameter = parameters_.emplace_back();
  parameter.name = name;
  parameter.shape = shape;
  parameter.initialize = std::move(initialize);
  return parameter;
}

Parameter& ParameterArena::add_buffer(const std::string& name, const Shape& shape, Initializer initialize) {
  Parameter& parameter = add(name, shape, std::move(initialize));
  parameter.trainable = false;
  return parameter;
}

void ParameterArena::allocate(Context& context, uint64_t seed, DType dtype) {
  const int64_t align = static_cast<int64_t>(kAlignment / size_of(dtype));
  int64_t trained = 0, kept = 0;
  for (Parameter& p : parameters_) {
    int64_t& end = p.trainable ? trained : kept;
    p.offset = end;
    end += (p.shape.count() + align - 1) / align * align;
  }
  values = Tensor::zeros(context, {trained}, dtype);
  grads = Tensor::zeros(context, {trained}, dtype);
  buffers = Tensor::zeros(context, {kept}, dtype);
  if (context.precision == Precision::bf16 && dtype == DType::f32)
    narrow_values = Tensor::zeros(context, {trained}, DType::bf16);
  for (Parameter& p : parameters_) {
    p.value = (p.trainable ? values : buffers).view(p.offset, p.shape);
    if (p.trainable) p.grad = grads.view(p.offset, p.shape);
    if (p.trainable && narrow_values) p.narrow = narrow_values.view(p.offset, p.shape);
    std::vector<float> initial(static_cast<size_t>(p.shape.count()));
    PhiloxStream random(seed, hash_of(p.name));
    if (p.initialize) p.initialize(initial.data(), p.shape.count(), random);
    if (dtype == DType::f32)
      p.value.write(context, initial.data());
    else
      copy(context, p.value, converted(context, Tensor::from(context, p.shape, initial), dtype));
  }
  refresh_narrow(context);
}

void ParameterArena::refresh_narrow(Context& context) {
  if (narrow_values) assign(context, narrow_values, values);
}

Parameter* ParameterArena::find(const std::string& name) {
  for (Parameter& p : parameters_)
    if (p.name == name) return &p;
  return nullptr;
}

void ParameterArena::begin_step() {
  for (Parameter& p : parameters_) p.grad_written = false;
}

void ParameterArena::mark_moved() {
  for (const Tensor& flat : {values, grads, buffers, narrow_values})
    if (flat) flat.mark_written();
}

void ParameterArena::finish_gradients(Context& context) {
  for (Parameter& p : parameters_) {
    if (!p.trainable || p.grad_written) continue;
    fill_zero(context, p.grad.raw(), p.grad.bytes());
    p.grad_written = true;
  }
}

int64_t ParameterArena::trainable_count() const {
  int64_t count = 0;
  for (const Parameter& p : parameters_)
    if (p.trainable) count += p.shape.count();
  return count;
}

}  // namespace saccade
