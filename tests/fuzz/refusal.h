// The one answer that a reader may give to input that it cannot use.
#pragma once

#include <string>

#include "kernels/common/error.h"

namespace saccade {

// Whether `read` throws an InputError, which must be one line that starts with what is wrong: "input" or an
// assignment. Every other exception goes through.
template <class Read>
bool refuses(const Read& read) {
  try {
    read();
  } catch (const InputError& error) {
    const std::string message = error.what();
    check((message.rfind("input: ", 0) == 0 || message.rfind("--set ", 0) == 0) &&
              message.find('\n') == std::string::npos,
          "a bad message: ", message);
    return true;
  }
  return false;
}

}  // namespace saccade
