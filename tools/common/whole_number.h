// Options that count: a whole number from 0.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <string>

namespace saccade {

// CLI11 reads -1 into an unsigned option as 18446744073709551615. This says what is wrong instead.
inline CLI::Validator whole_number(uint64_t most = UINT64_MAX) {
  const auto check = [most](std::string& text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool fits = error == std::errc() && end == text.data() + text.size() && value <= most;
    return fits ? std::string() : text + " is not a whole number from 0 to " + std::to_string(most);
  };
  return {check, ""};
}

}  // namespace saccade
