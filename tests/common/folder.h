// A folder of its own for each test, removed when the test ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/common/error.h"

namespace saccade {

class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "saccade_test_XXXXXX").string();
    check(mkdtemp(name.data()) != nullptr, "no temporary folder");
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path() const { return path_.string(); }
  // The full name of `name` in this folder; folders on the way are made.
  std::string operator/(const std::string& name) const {
    const std::filesystem::path full = path_ / name;
    std::filesystem::create_directories(full.parent_path());
    return full.string();
  }
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::string full = *this / name;
    std::ofstream(full, std::ios::binary) << bytes;
    return full;
  }
  // How many entries the folder itself has.
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  check(file.good(), path, ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

// The message of the InputError that `call` throws, or a text that no test expects.
template <class Call>
std::string input_error_of(Call&& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

}  // namespace saccade
