// Replays the inputs that fuzzing kept through the entry point of their fuzzer.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/common/catch.h"

namespace saccade {

inline std::vector<std::filesystem::path> fuzz_corpus(const std::string& name) {
  const auto folder = std::filesystem::path(SACCADE_SOURCE_DIR) / "tests/fuzz/corpus" / name;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

// How many inputs `enter` reads and how many it refuses.
template <class Enter>
std::pair<int, int> replay(const std::string& name, const Enter& enter) {
  int read = 0, refused = 0;
  for (const auto& path : fuzz_corpus(name)) {
    INFO(path.filename());
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    bool accepted = false;
    REQUIRE_NOTHROW(accepted = enter(std::as_bytes(std::span(content))));
    ++(accepted ? read : refused);
  }
  return {read, refused};
}

}  // namespace saccade
