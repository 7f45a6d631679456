// A folder of its own for each test, and small pictures to put in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "kernels/common/error.h"
#include "kernels/common/philox.h"
#include "reid/data/image.h"

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

 private:
  std::filesystem::path path_;
};

inline Image noise_image(int height, int width, uint64_t seed) {
  Image image(height, width);
  PhiloxStream random(seed);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random.below(256));
  return image;
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
