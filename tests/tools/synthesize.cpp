// synthesize as a user meets it: exit codes, one line on stderr, JSON on stdout.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/common/catch.h"

namespace fs = std::filesystem;

namespace {

struct Outcome {
  int code = -1;
  std::string out, err;
};

// A folder for one test, and the program run with its output caught there.
struct Workshop {
  fs::path path = fs::temp_directory_path() / ("saccade-synthesize-" + std::to_string(getpid()));
  Workshop() { fs::create_directories(path); }
  ~Workshop() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Outcome run(const std::string& arguments) const {
    const std::string program = std::string(SACCADE_BINARY_DIR) + "/tools/synthesize";
    const std::string out = (path / "out.txt").string(), err = (path / "err.txt").string();
    const int status = std::system((program + " " + arguments + " >" + out + " 2>" + err).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }
  static std::string read(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

const std::string kSmall = " --ids 4 --cams 2 --images-per-cam 2 --seed 1 ";

}  // namespace

TEST_CASE("synthesize refuses bad usage and bad input with code 2 and one line", "[synthesize]") {
  const Workshop shop;
  const std::string out = (shop.path / "set").string();
  std::ofstream(shop.path / "note.txt") << "mine";
  const std::string refused[] = {
      "",
      "--kind image --out " + out,
      "--kind gif --out " + out + kSmall,
      "--kind video --out " + out + kSmall,
      "--kind image --out " + out + kSmall + "--noise loud=1",
      "--kind image --out " + out + kSmall + "--bogus",
      "--kind image --out " + out + " --ids 4 --cams 2 --images-per-cam 2 --seed -1",
      "--kind image --out " + out + " --ids x --cams 2 --images-per-cam 2 --seed 1",
      "--kind image --out " + out + " --ids 1 --cams 2 --images-per-cam 2 --seed 1",
      "--kind image --out " + shop.path.string() + kSmall,
      "--kind image --out " + (shop.path / "note.txt").string() + kSmall,
  };
  for (const std::string& arguments : refused) {
    INFO(arguments);
    const Outcome outcome = shop.run(arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.rfind("synthesize: ", 0) == 0);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
  CHECK_FALSE(fs::exists(out));
}

TEST_CASE("synthesize reports its set as JSON and help on stdout", "[synthesize]") {
  const Workshop shop;
  const std::string out = (shop.path / "set").string();
  const Outcome made = shop.run("--kind image --out " + out + kSmall + "--json");
  REQUIRE(made.code == 0);
  const auto json = nlohmann::json::parse(made.out);
  CHECK(json["train"] == 8);
  CHECK(json["query"] == 4);
  CHECK(json["gallery"] == 4 + json["distractors"].get<int>());
  CHECK(fs::exists(out + "/market_attribute.mat"));
  CHECK(made.err.find("images") != std::string::npos);  // progress, as plain lines

  const Outcome help = shop.run("--help");
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  CHECK(help.out.find("--images-per-cam") != std::string::npos);
}

TEST_CASE("synthesize: a place that takes no files is bad input, and named with the reason", "[synthesize]") {
  const Workshop shop;
  std::ofstream(shop.path / "note.txt") << "mine";
  // No folder can be made under /proc or in a file, not even by root.
  for (const fs::path& place : {fs::path("/proc/saccade/set"), shop.path / "note.txt/set"}) {
    const std::string out = place.string();
    const Outcome outcome = shop.run("--kind image --out " + out + kSmall);
    CHECK(outcome.code == 2);
    CHECK(outcome.err.rfind("synthesize: " + out + ": cannot write here: ", 0) == 0);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
}
