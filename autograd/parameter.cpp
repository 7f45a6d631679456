#include "autograd/parameter.h"

#include <algorithm>

#include "autograd/convert.h"
#include "kernels/common/device.h"
#include "kernels/common/hash.h"
#include "kernels/common/parallel.h"

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

namespace {

void draw(const Parameter& p, uint64_t seed, float* values) {
  PhiloxStream random(seed, hash_of(p.name));
  if (p.initialize) p.initialize(values, p.shape.count(), random);
}

}  // namespace

void ParameterArena::draw_in_place(Context& context, uint64_t seed) {
  values.mark_written();
  buffers.mark_written();
  int64_t all = 0;
  for (const Parameter& p : parameters_) all += p.shape.count();
  // A range of all numbers stands for the parameters whose middle lies in it: the ranges share the work, and a
  // parameter is drawn by one thread.
  parallel_for(context, all, 65536, [&](int64_t begin, int64_t end) {
    int64_t first = 0;
    for (const Parameter& p : parameters_) {
      const int64_t middle = first + p.shape.count() / 2;
      if (begin <= middle && middle < end) draw(p, seed, p.value.data<float>());
      first += p.shape.count();
    }
  });
}

void ParameterArena::draw_and_copy(Context& context, uint64_t seed) {
  for (const Parameter& p : parameters_) {
    std::vector<float> initial(static_cast<size_t>(p.shape.count()));
    draw(p, seed, initial.data());
    if (p.value.dtype() == DType::f32)
      p.value.write(context, initial.data());
    else
      copy(context, p.value, converted(context, Tensor::from(context, p.shape, initial), p.value.dtype()));
  }
}

void ParameterArena::allocate(Context& context, uint64_t seed, DType dtype) {
  check(!context.in_segment, "parameters get their memory before a segment begins");
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
  }
  if (context.device() == Device::cpu && dtype == DType::f32)
    draw_in_place(context, seed);
  else
    draw_and_copy(context, seed);
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

namespace {
bool lies_under(const std::string& name, const std::string& prefix) {
  return prefix.empty() || name == prefix || name.starts_with(prefix.ends_with('.') ? prefix : prefix + '.');
}
}  // namespace

bool ParameterArena::holds(const std::string& prefix) const {
  return std::any_of(parameters_.begin(), parameters_.end(),
                     [&](const Parameter& p) { return p.trainable && lies_under(p.name, prefix); });
}

template <class Field>
void ParameterArena::set_field(const std::string& prefix, Field Parameter::*field, Field value) {
  bool any = false, changes = false;
  for (Parameter& p : parameters_) {
    if (!p.trainable || !lies_under(p.name, prefix)) continue;
    any = true;
    changes = changes || p.*field != value;
    p.*field = value;
  }
  check(any, "no parameter is called ", prefix, ", or lies under it");
  if (changes) ++version_;
}

void ParameterArena::freeze(const std::string& prefix, bool on) {
  set_field(prefix, &Parameter::frozen_, on);
}

void ParameterArena::set_group(const std::string& prefix, int group) {
  set_field(prefix, &Parameter::group_, group);
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
