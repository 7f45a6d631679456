// A Tensor is a shape, a dtype and shared storage on one device: always dense and row-major, without strides.
#pragma once

#include <memory>
#include <vector>

#include "kernels/common/bf16.h"
#include "kernels/common/bound.h"
#include "kernels/common/context.h"
#include "tensor/dtype.h"
#include "tensor/memory.h"
#include "tensor/shape.h"

namespace saccade {

// Bytes on a device, given back when the last tensor on them goes. `version` counts the writes: a function
// that saves a tensor for its gradient compares it in backward, so that an overwritten value is an error and
// not a wrong gradient.
struct Storage {
  Storage(Context& context, size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::shared_ptr<Memory> memory;
  void* data;
  size_t bytes;
  Memory::Ticket ticket;
  uint64_t version = first_version();  // no two storages ever have the same

 private:
  static uint64_t first_version();
};

class Tensor {
 public:
  Tensor() = default;
  // The values are not initialized.
  Tensor(Context& context, const Shape& shape, DType dtype);

  static Tensor zeros(Context& context, const Shape& shape, DType dtype);
  template <class T>
  static Tensor from(Context& context, const Shape& shape, const std::vector<T>& values) {
    return from_host(context, shape, dtype_of<T>(), values.data(), values.size());
  }
  // `count` values in host memory. Error unless they are as many as the shape has, and inside a segment.
  static Tensor from_host(Context& context, const Shape& shape, DType dtype, const void* values,
                          size_t count);

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t size(int dimension) const { return shape_[dimension]; }
  int64_t count() const { return count_; }
  DType dtype() const { return dtype_; }
  size_t bytes() const { return static_cast<size_t>(count_) * size_of(dtype_); }

  // The first element. Error unless T is the tensor's dtype.
  template <class T>
  T* data() const {
    check(!storage_ || dtype_of<T>() == dtype_, "a ", name_of(dtype_), " tensor read as ",
          name_of(dtype_of<T>()));
    return static_cast<T*>(raw());
  }
  void* raw() const { return storage_ ? static_cast<char*>(storage_->data) + offset_ : nullptr; }

  // These share the storage. Error where they would leave it.
  Tensor reshape(const Shape& shape) const;
  Tensor slice(int64_t begin, int64_t end) const;                // rows [begin, end) of the first dimension
  Tensor view(int64_t first_element, const Shape& shape) const;  // for arenas of parameters

  uint64_t version() const { return storage_ ? storage_->version : 0; }
  void mark_written() const { ++storage_->version; }
  bool shares_storage_with(const Tensor& other) const { return storage_ && storage_ == other.storage_; }
  bool is_only_owner() const { return storage_.use_count() == 1; }

  // The values on the host. Error inside a segment: a captured step cannot wait for the device.
  template <class T>
  std::vector<T> to_host(Context& context) const {
    std::vector<T> values(static_cast<size_t>(count_));
    data<T>();
    read(context, values.data());
    return values;
  }
  template <class T>
  T item(Context& context) const {
    check(count_ == 1, "item() of a tensor of shape ", shape_.text());
    return to_host<T>(context)[0];
  }
  void read(Context& context, void* to_host) const;
  void write(Context& context, const void* from_host) const;

 private:
  std::shared_ptr<Storage> storage_;
  Shape shape_;
  int64_t count_ = 0;
  size_t offset_ = 0;  // bytes
  DType dtype_ = DType::f32;
};

Tensor copy_of(Context& context, const Tensor& tensor);
// Overwrites `to`. Error unless both have the same dtype and count.
void copy(Context& context, const Tensor& to, const Tensor& from);
// The same values in another dtype. They go through the host: for tests, files and tools.
Tensor converted(Context& context, const Tensor& tensor, DType dtype);

}  // namespace saccade
