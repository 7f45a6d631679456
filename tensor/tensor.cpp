#include "tensor/tensor.h"

#include <atomic>

#include <cstring>

#include "kernels/common/device.h"
#include "tensor/memory.h"

namespace saccade {

namespace {
// A captured step can neither wait for the device nor read from the host when it is replayed.
void refuse_in_segment(const Context& context, const char* what, const Shape& shape, const char* remedy) {
  check(!context.in_segment, "the host ", what, " a tensor of shape ", shape.text(), " inside a segment",
        context.current_op ? concat(" (op ", context.current_op, ")") : "", ": ", remedy);
}
}  // namespace

uint64_t Storage::first_version() {
  static std::atomic<uint64_t> storages = 0;
  return ++storages << 32;
}

Storage::Storage(Context& context, size_t size) : bytes(size) {
  memory_of(context);
  memory = context.memory;
  data = memory->allocate(size, &ticket);
}

Storage::~Storage() {
  memory->release(data, bytes, ticket);
}

Tensor::Tensor(Context& context, const Shape& shape, DType dtype)
    : shape_(shape), count_(shape.count()), dtype_(dtype) {
  storage_ = std::make_shared<Storage>(context, bytes());
}

Tensor Tensor::zeros(Context& context, const Shape& shape, DType dtype) {
  Tensor tensor(context, shape, dtype);
  if (!tensor.storage_->ticket.is_zero) fill_zero(context, tensor.raw(), tensor.bytes());
  return tensor;
}

Tensor Tensor::from_host(Context& context, const Shape& shape, DType dtype, const void* values,
                         size_t count) {
  check(static_cast<int64_t>(count) == shape.count(), count, " values for a tensor of shape ", shape.text());
  refuse_in_segment(context, "writes", shape, "make it before the segment begins");
  Tensor tensor(context, shape, dtype);
  copy_to_device(context, tensor.raw(), values, tensor.bytes());
  return tensor;
}

Tensor Tensor::reshape(const Shape& shape) const {
  check(shape.count() == count_, "reshape of ", shape_.text(), " to ", shape.text());
  Tensor out = *this;
  out.shape_ = shape;
  return out;
}

Tensor Tensor::slice(int64_t begin, int64_t end) const {
  check(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0], "rows ", begin, "..", end,
        " of ", shape_.text());
  std::vector<int64_t> sizes(shape_.begin(), shape_.end());
  const int64_t row = shape_[0] ? count_ / shape_[0] : 0;
  sizes[0] = end - begin;
  return view(begin * row, Shape(sizes));
}

Tensor Tensor::view(int64_t first_element, const Shape& shape) const {
  check(first_element >= 0 && first_element + shape.count() <= count_, "a view of ", shape.text(), " at ",
        first_element, " leaves its tensor of ", count_, " elements");
  Tensor out = *this;
  out.shape_ = shape;
  out.count_ = shape.count();
  out.offset_ += static_cast<size_t>(first_element) * size_of(dtype_);
  return out;
}

void Tensor::read(Context& context, void* to_host) const {
  refuse_in_segment(context, "reads", shape_, "read it after the segment has ended");
  if (count_) copy_to_host(context, to_host, raw(), bytes());
}

void Tensor::write(Context& context, const void* from_host) const {
  refuse_in_segment(context, "writes", shape_, "write it before the segment begins");
  mark_written();
  if (count_) copy_to_device(context, raw(), from_host, bytes());
}

Tensor copy_of(Context& context, const Tensor& tensor) {
  Tensor out(context, tensor.shape(), tensor.dtype());
  copy(context, out, tensor);
  return out;
}

void copy(Context& context, const Tensor& to, const Tensor& from) {
  check(to.dtype() == from.dtype() && to.count() == from.count(), "copy of ", from.shape().text(), " into ",
        to.shape().text());
  to.mark_written();
  copy_on_device(context, to.raw(), from.raw(), from.bytes());
}

namespace {
double element(const void* data, DType dtype, int64_t i) {
  switch (dtype) {
    case DType::f32:
      return static_cast<const float*>(data)[i];
    case DType::bf16:
      return static_cast<float>(static_cast<const bf16*>(data)[i]);
    case DType::f64:
      return static_cast<const double*>(data)[i];
    case DType::i64:
      return static_cast<double>(static_cast<const int64_t*>(data)[i]);
    case DType::i32:
      return static_cast<const int32_t*>(data)[i];
    case DType::u8:
      return static_cast<const uint8_t*>(data)[i];
    case DType::bound:
      return static_cast<const Bound*>(data)[i].value;
  }
  return 0;
}
void set_element(void* data, DType dtype, int64_t i, double value) {
  switch (dtype) {
    case DType::f32:
      static_cast<float*>(data)[i] = static_cast<float>(value);
      break;
    case DType::bf16:
      static_cast<bf16*>(data)[i] = bf16(static_cast<float>(value));
      break;
    case DType::f64:
      static_cast<double*>(data)[i] = value;
      break;
    case DType::i64:
      static_cast<int64_t*>(data)[i] = static_cast<int64_t>(value);
      break;
    case DType::i32:
      static_cast<int32_t*>(data)[i] = static_cast<int32_t>(value);
      break;
    case DType::u8:
      static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(value);
      break;
    case DType::bound:
      static_cast<Bound*>(data)[i] = Bound(value);
      break;
  }
}
}  // namespace

Tensor converted(Context& context, const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return copy_of(context, tensor);
  std::vector<std::byte> from(tensor.bytes()), to(static_cast<size_t>(tensor.count()) * size_of(dtype));
  tensor.read(context, from.data());
  for (int64_t i = 0; i < tensor.count(); ++i)
    set_element(to.data(), dtype, i, element(from.data(), tensor.dtype(), i));
  return Tensor::from_host(context, tensor.shape(), dtype, to.data(), static_cast<size_t>(tensor.count()));
}

}  // namespace saccade
