// What tests of raw kernels share: arrays on a device, the backends to run on, and the comparison with the oracle.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/common/bf16.h"
#include "kernels/common/bound.h"
#include "kernels/common/device.h"
#include "kernels/common/philox.h"
#include "tests/common/catch.h"

namespace saccade {

// An array on a context's device. `offset` elements before it make it misaligned. A new array holds NaN,
// which shows whatever a kernel leaves unwritten.
template <class T>
class DeviceArray {
 public:
  DeviceArray(Context& context, size_t count, size_t offset = 0)
      : context_(context),
        count_(count),
        offset_(offset),
        memory_(allocate_device_memory(context.device(), context.device_index(), bytes(count + offset))) {
    const std::vector<uint8_t> poison(bytes(count + offset), 0xFF);
    copy_to_device(context, memory_, poison.data(), poison.size());
    synchronize(context);
  }
  DeviceArray(Context& context, const std::vector<T>& values, size_t offset = 0)
      : DeviceArray(context, values.size(), offset) {
    copy_to_device(context, data(), values.data(), bytes(count_));
    synchronize(context);
  }
  ~DeviceArray() { free_device_memory(context_.device(), context_.device_index(), memory_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return static_cast<T*>(memory_) + offset_; }
  std::vector<T> host() {
    std::vector<T> values(count_);
    copy_to_host(context_, values.data(), data(), bytes(count_));
    return values;
  }

 private:
  static size_t bytes(size_t count) { return count * sizeof(T); }
  Context& context_;
  size_t count_, offset_;
  void* memory_;
};

// Calls test.operator()<Device, scalar>(context, name) for each backend that was built and can run here.
template <class Test>
void for_each_backend(Test&& test) {
  {
    Context cpu(Device::cpu, 0, 2);
    test.template operator()<Device::cpu, float>(cpu, "cpu f32");
    test.template operator()<Device::cpu, bf16>(cpu, "cpu bf16");
  }
#ifdef SACCADE_SIMT
  {
    Context simt(Device::simt);
    test.template operator()<Device::simt, float>(simt, "simt f32");
    test.template operator()<Device::simt, bf16>(simt, "simt bf16");
  }
#endif
#ifdef SACCADE_CUDA
  if (is_available(Device::cuda)) {
    Context cuda(Device::cuda);
    test.template operator()<Device::cuda, float>(cuda, "cuda f32");
    test.template operator()<Device::cuda, bf16>(cuda, "cuda bf16");
  }
#endif
}

// The versions of an op that has several on device D.
template <Device D>
std::vector<Kernels> versions() {
  if (D == Device::cuda) return {Kernels::library, Kernels::own, Kernels::plain};
  if (D == Device::simt) return {Kernels::own, Kernels::plain};
  return {Kernels::library};
}

// for_each_backend(), with each of these versions chosen in turn.
template <class Test>
void for_each_version(Test&& test) {
  for_each_backend([&]<Device D, class T>(Context& context, const std::string& backend) {
    for (const Kernels version : versions<D>()) {
      context.kernels = version;
      test.template operator()<D, T>(context, concat(backend, " ", name_of(version)));
    }
  });
}

template <class T>
constexpr double epsilon_of() {
  return sizeof(T) == 2 ? 0x1p-8 : 0x1p-24;
}

// Standard normals, as T holds them.
template <class T>
std::vector<T> normals(uint64_t seed, int64_t count, float scale = 1) {
  PhiloxStream random(seed);
  std::vector<T> values(static_cast<size_t>(count));
  for (T& v : values) v = T(scale * random.normal());
  return values;
}

// The same values as the scalar of a reference.
template <class S, class T>
std::vector<S> as(const std::vector<T>& values) {
  std::vector<S> out;
  for (const T& v : values) out.push_back(S(static_cast<double>(static_cast<float>(v))));
  return out;
}

// |got - reference| <= c eps S + absolute for each element. Returns the largest error in units of eps S.
template <class T>
double check_close(const std::string& what, const std::vector<T>& got, const std::vector<double>& reference,
                   const std::vector<Bound>& bound, double c, double epsilon = epsilon_of<T>()) {
  REQUIRE(got.size() == reference.size());
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double value = static_cast<float>(got[i]), error = std::fabs(value - reference[i]);
    const double unit = epsilon * bound[i].magnitude;
    if (!(error <= c * unit + std::numeric_limits<float>::min())) {
      FAIL_CHECK(what << "[" << i << "] = " << value << ", reference " << reference[i] << ", S "
                      << bound[i].magnitude);
      return std::numeric_limits<double>::infinity();
    }
    if (unit > 0) worst = std::max(worst, error / unit);
  }
  CHECK(got.size() == reference.size());
  return worst;
}

}  // namespace saccade
