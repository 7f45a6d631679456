#include "kernels/common/device.h"

#include "kernels/common/vendor_library.h"
#include "tests/kernels/backends.h"

using namespace saccade;

TEST_CASE("a device that is missing is refused in one line") {
  std::string reason;
  CHECK(is_available(Device::cpu, &reason));
  CHECK(reason.empty());
  if (is_available(Device::cuda, &reason)) {
    CHECK_THROWS_AS(Context(Device::cuda, 4096), InputError);
    return;
  }
  CHECK(!reason.empty());
  CHECK(reason.find('\n') == std::string::npos);
  CHECK_THROWS_WITH(Context(Device::cuda), ContainsSubstring("device cuda: " + reason));
  CHECK_THROWS_AS(Context(Device::cuda), InputError);
}

TEST_CASE("copies and fills reach the device's memory") {
  for_each_backend([]<Device, class T>(Context& context, const char* backend) {
    INFO(backend);
    const auto values = normals<T>(1, 1000);
    DeviceArray<T> a(context, values), b(context, values.size());
    CHECK(reinterpret_cast<uintptr_t>(a.data()) % kAlignment == 0);
    copy_on_device(context, b.data(), a.data(), 1000 * sizeof(T));
    CHECK(as<double>(b.host()) == as<double>(values));
    fill_zero(context, b.data(), 1000 * sizeof(T));
    CHECK(as<double>(b.host()) == std::vector<double>(1000, 0.0));
    CHECK((compute_capability(context) > 0) == (context.device() == Device::cuda));
  });
}

TEST_CASE("a vendor library is opened at its first use, and named when it is missing") {
  VendorLibrary missing("libsaccade_nobody_has_this.so.9");
  std::string reason;
  CHECK(!missing.is_available(&reason));
  CHECK_THAT(reason, ContainsSubstring("libsaccade_nobody_has_this.so.9"));
  CHECK_THROWS_WITH(missing.function<int()>("anything"),
                    ContainsSubstring("libsaccade_nobody_has_this.so.9"));
  VendorLibrary math("libm.so.6");
  REQUIRE(math.is_available());
  CHECK(math.function<double(double)>("cos")(0) == 1.0);
  CHECK_THROWS_WITH(math.function<int()>("no_such_function"),
                    ContainsSubstring("libm.so.6 has no function no_such_function"));
}
