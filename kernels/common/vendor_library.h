// A vendor's shared library, opened at its first use. If they were linked, cuBLASLt and cuDNN would cost
// every start 0.1 s and 200 MB, and a binary could not start where they are missing.
#pragma once

#include <mutex>
#include <string>

#include "kernels/common/error.h"

namespace saccade {

class VendorLibrary {
 public:
  // `file` is the name that the loader searches: "libcublasLt.so.13", "libcudnn.so.9".
  explicit VendorLibrary(std::string file) : file_(std::move(file)) {}
  VendorLibrary(const VendorLibrary&) = delete;
  VendorLibrary& operator=(const VendorLibrary&) = delete;

  // Whether the library opens here. `reason` (may be null) receives one line when it does not.
  bool is_available(std::string* reason = nullptr);

  // The function `name`. Error, which names the library, when it does not open or has no such function.
  template <class Function>
  Function* function(const char* name) {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name);

  std::string file_, reason_;
  std::once_flag tried_;    // several threads may ask at once
  void* handle_ = nullptr;  // never closed: vendor libraries keep state until the process ends
};

}  // namespace saccade
