#include "kernels/common/vendor_library.h"

#include <dlfcn.h>

namespace saccade {

bool VendorLibrary::is_available(std::string* reason) {
  std::call_once(tried_, [this] {
    handle_ = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle_) reason_ = concat(file_, " does not open: ", dlerror());
  });
  if (!handle_ && reason) *reason = reason_;
  return handle_ != nullptr;
}

void* VendorLibrary::symbol(const char* name) {
  std::string reason;
  check(is_available(&reason), reason);
  void* address = dlsym(handle_, name);
  check(address != nullptr, file_, " has no function ", name);
  return address;
}

}  // namespace saccade
