// autograd/README.md quotes the sources: what stands under a heading that names a file stands in that file, too.
#include <fstream>
#include <sstream>

#include "tests/common/catch.h"

namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(std::string(SACCADE_SOURCE_DIR) + "/" + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The quoted lines that the files do not hold in this order, each with its file. "..." stands for lines left out.
std::vector<std::string> missing_quotes(const std::string& page) {
  std::vector<std::string> missing;
  std::istringstream lines(page);
  std::string path, source;
  bool quoting = false;
  size_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("### ", 0) == 0) {
      const size_t begin = line.find('`'), end = line.rfind('`');
      path = begin < end ? line.substr(begin + 1, end - begin - 1) : "";  // "Run it" names no file
      source = path.empty() ? "" : text_of(path);
      at = 0;
    } else if (line.rfind("```", 0) == 0) {
      quoting = line == "```cpp";
    } else if (quoting && line != "...") {
      const size_t found = source.find(line + "\n", at);
      if (found == std::string::npos)
        missing.push_back(path + ": " + line);
      else
        at = found + line.size();
    }
  }
  return missing;
}

}  // namespace

TEST_CASE("the excerpts of autograd/README.md stand in the files that they name") {
  const std::string page = text_of("autograd/README.md");
  CHECK(page.find("```cpp") != std::string::npos);
  CHECK(missing_quotes(page) == std::vector<std::string>());
}

TEST_CASE("an excerpt that differs from its file is found") {
  const std::string heading = "### The list: `autograd/registry/list.cpp`\n```cpp\n";
  CHECK(missing_quotes(heading + "Op add_op();\n...\nOp mul_op();\n```\n").empty());
  CHECK(missing_quotes(heading + "Op mul_op();\nOp add_op();\n```\n") ==
        std::vector<std::string>{"autograd/registry/list.cpp: Op add_op();"});
  CHECK(missing_quotes(heading + "Op plus_op();\n```\n").size() == 1);
}
