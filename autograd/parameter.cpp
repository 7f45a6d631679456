#include "autograd/parameter.h"

#include "autograd/convert.h"
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
  parameter.arena = this;
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
    bf16_values = Tensor::zeros(context, {trained}, DType::bf16);
  for (Parameter& p : parameters_) {
    p.value = (p.trainable ? values : buffers).view(p.offset, p.shape);
    if (p.trainable) p.grad = grads.view(p.offset, p.shape);
    if (p.trainable && bf16_values) p.bf16_copy = bf16_values.view(p.offset, p.shape);
    std::vector<float> initial(static_cast<size_t>(p.shape.count()));
    PhiloxStream random(seed, hash_of(p.name));
    if (p.initialize) p.initialize(initial.data(), p.shape.count(), random);
    if (dtype == DType::f32)
      p.value.write(context, initial.data());
    else
      copy(context, p.value, converted(context, Tensor::from(context, p.shape, initial), dtype));
  }
  refresh_bf16(context);
}

void ParameterArena::refresh_bf16(Context& context) {
  if (bf16_values) assign(context, bf16_values, values);
}

Parameter* ParameterArena::find(const std::string& name) {
  for (Parameter& p : parameters_)
    if (p.name == name) return &p;
  return nullptr;
}

template <class Change>
void ParameterArena::change(const std::string& prefix, const Change& to) {
  bool any = false;
  for (Parameter& p : parameters_) {
    if (!p.trainable || !p.name.starts_with(prefix)) continue;
    to(p);
    any = true;
  }
  check(any, "no parameter's name begins with \"", prefix, "\"");
  ++version_;
}

void ParameterArena::freeze(const std::string& prefix, bool on) {
  change(prefix, [on](Parameter& p) { p.frozen_ = on; });
}

void ParameterArena::set_group(const std::string& prefix, int group) {
  change(prefix, [group](Parameter& p) { p.group_ = group; });
}

std::vector<bool> ParameterArena::waiting() const {
  std::vector<bool> all;
  for (const Parameter& p : parameters_) all.push_back(p.grad_written);
  return all;
}

void ParameterArena::set_waiting(const std::vector<bool>& waiting) {
  size_t i = 0;
  for (Parameter& p : parameters_) p.grad_written = waiting[i++];
}

std::vector<uint64_t> ParameterArena::writes() const {
  return {values.version(), grads.version(), buffers.version(), bf16_values.version()};
}

void ParameterArena::count_writes(const std::vector<uint64_t>& more) {
  size_t i = 0;
  for (const Tensor& flat : {values, grads, buffers, bf16_values}) {
    if (flat && more[i] > 0) flat.mark_written();
    ++i;
  }
}

void ParameterArena::begin_step() {
  for (Parameter& p : parameters_) p.grad_written = false;
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
