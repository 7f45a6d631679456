// The programs as their users call them: exit code, what they print, and one clear line for bad input.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

namespace saccade {

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Output {
  int code;
  std::string out, errors;
};

// The shell's line that runs a program; what it prints goes to files in `folder`.
inline std::string command(const TestFolder& folder, const std::string& program,
                           const std::string& arguments) {
  return SACCADE_BINARY_DIR "/tools/" + program + " " + arguments + " >" + folder / "stdout" + " 2>" +
         folder / "stderr";
}

inline Output run_program(const TestFolder& folder, const std::string& program,
                          const std::string& arguments) {
  const int status = std::system(command(folder, program, arguments).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(folder / "stdout"),
          contents(folder / "stderr")};
}

// Bad input: exit code 2, nothing on stdout, and a last line on stderr that holds every given part.
inline void check_refused(const Output& result, std::initializer_list<std::string> parts) {
  INFO(result.errors);
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  const size_t end = result.errors.find_last_not_of('\n');
  const size_t begin = end == std::string::npos ? end : result.errors.rfind('\n', end);
  const std::string line = result.errors.substr(begin == std::string::npos ? 0 : begin + 1);
  for (const std::string& part : parts) CHECK_THAT(line, ContainsSubstring(part));
}

}  // namespace saccade
