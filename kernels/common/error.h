// What can go wrong, in two kinds that a program turns into its exit code.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace saccade {

// The work failed (NaN loss, full disk, a broken promise between two functions). Exit code 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the user gave cannot be used (a file, an option, a device that this machine lacks). Exit code 2.
// The message is one line and names the file or option and the reason.
struct InputError : Error {
  using Error::Error;
};

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

// Throws Error(parts...) unless `ok`.
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw Error(concat(parts...));
}

// Throws InputError(parts...) unless `ok`.
template <class... Parts>
void check_input(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    throw InputError(concat(parts...));
}

}  // namespace saccade
