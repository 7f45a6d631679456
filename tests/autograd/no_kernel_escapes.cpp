// No kernel escapes the registry: its contract (a `template <Device D> struct` in a header of kernels/) has a
// reference, a CPU version, a registered op that it is tested through, and a CUDA version. The sources are
// read as text, so a kernel that no file includes is seen, too.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include "autograd/registry/registry.h"
#include "tests/common/catch.h"

using namespace saccade;
namespace fs = std::filesystem;

namespace {

using Names = std::set<std::string>;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Path and text of a folder's files whose names end in `end`.
std::map<fs::path, std::string> files(const fs::path& folder, const std::string& end) {
  std::map<fs::path, std::string> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && ends_with(entry.path().string(), end))
      found[entry.path()] = text_of(entry.path());
  return found;
}

std::map<fs::path, std::string> files_below(const fs::path& folder, const std::string& end) {
  std::map<fs::path, std::string> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && ends_with(entry.path().string(), end))
      found[entry.path()] = text_of(entry.path());
  return found;
}

bool any_holds(const std::map<fs::path, std::string>& all, const std::string& text) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& file) { return file.second.find(text) != std::string::npos; });
}

// What the kernels under `root` lack, a line each.
std::vector<std::string> escapes(const fs::path& root, const Names& without_cuda) {
  static const std::regex contract(R"(template\s*<Device D>\s*struct\s+(\w+))");
  const auto registry = files(root / "autograd/registry", ".cpp");
  std::vector<std::string> lacks;
  for (const auto& entry : fs::recursive_directory_iterator(root / "kernels")) {
    const fs::path header = entry.path();
    if (!ends_with(header.string(), ".h") || ends_with(header.string(), ".ref.h")) continue;
    // kernels/common holds what kernels share, and a probe of bandwidth.
    if (header.parent_path() == root / "kernels/common") continue;
    const std::string text = text_of(header);
    for (std::sregex_iterator match(text.begin(), text.end(), contract), end; match != end; ++match) {
      const std::string name = (*match)[1];
      const auto lack = [&](const std::string& what) {
        lacks.push_back(fs::relative(header, root).string() + ": " + name + " has no " + what);
      };
      const auto folder = header.parent_path();
      if (!any_holds(files(folder, ".ref.h"), name + "<Device::reference>::")) lack("reference (.ref.h)");
      if (!any_holds(files(folder, ".cpp"), name + "<Device::cpu>::")) lack("CPU version (.cpp)");
      Names users;  // registry/<op>.cpp takes the floor from its kernel's contract
      for (const auto& [path, source] : registry)
        if (source.find(name + "<Device::cpu>::") != std::string::npos) users.insert(path.stem().string());
      if (users.empty()) lack("registered op (autograd/registry)");
      const bool excused =
          std::includes(without_cuda.begin(), without_cuda.end(), users.begin(), users.end());
      if (!excused && !any_holds(files(folder, ".cu"), name + "<kGpu>::")) lack("CUDA version (.cu)");
    }
  }
  std::sort(lacks.begin(), lacks.end());
  return lacks;
}

std::string lines(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE(
    "no kernel escapes: each has a reference, a CPU version, a registered op and, where CUDA came, a .cu") {
  const auto lacks = escapes(SACCADE_SOURCE_DIR, {});
  INFO(lines(lacks));
  CHECK(lacks.empty());
}

TEST_CASE("every entry that a room defines stands in the table") {
  // A function left out of its room's list would compile, and nothing would call it.
  static const std::regex entry(R"(\nOp (\w+)_op\(\) \{)");
  Names defined, registered;
  for (const char* room : {"autograd", "layers", "rl", "reid"})
    for (const auto& [path, text] : files_below(fs::path(SACCADE_SOURCE_DIR) / room, ".cpp"))
      for (std::sregex_iterator match(text.begin(), text.end(), entry), end; match != end; ++match)
        defined.insert((*match)[1]);
  for (const Op& op : all_ops()) registered.insert(op.name);
  CHECK(defined == registered);
}

TEST_CASE(
    "every op names its contract: the header of its kernel, or of its function where it is a composite") {
  for (const Op& op : all_ops()) {
    INFO(op.name << " names " << op.contract);
    // Empty where there is no such file.
    const std::string text = text_of(fs::path(SACCADE_SOURCE_DIR) / op.contract);
    const std::string declared = op.composite ? " " + op.name + "(" : "template <Device D>";
    CHECK(text.find(declared) != std::string::npos);
    CHECK((op.contract.rfind("kernels/", 0) == 0) == !op.composite);
  }
}

TEST_CASE("every registered op runs on the CPU, on simt and on CUDA") {
  for (const Op& op : all_ops()) {
    INFO(op.name);
    for (const Device device : {Device::cpu, Device::simt, Device::cuda})
      CHECK(std::count(op.devices.begin(), op.devices.end(), device) == 1);
  }
}

TEST_CASE("the search for kernels that escape finds them") {
  const fs::path root = fs::path(SACCADE_BINARY_DIR) / "made_up_kernels";
  fs::remove_all(root);
  const auto write = [&](const std::string& name, const std::string& text) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << text;
  };
  const auto contract = [](const std::string& name) {
    return "template <Device D>\nstruct " + name + " {\n};\n";
  };
  write("kernels/a/whole.h", contract("Whole"));
  write("kernels/a/whole.ref.h", "void Whole<Device::reference>::forward() {}");
  write("kernels/a/whole.cpp", "void Whole<Device::cpu>::forward() {}");
  write("kernels/a/whole.cu", "void Whole<kGpu>::forward() {}");
  write("autograd/registry/whole.cpp", "floor = Whole<Device::cpu>::floor");
  CHECK(lines(escapes(root, {})).empty());

  write("kernels/b/deep/bare.h", contract("Bare"));
  CHECK(lines(escapes(root, {})) ==
        "kernels/b/deep/bare.h: Bare has no CPU version (.cpp)\n"
        "kernels/b/deep/bare.h: Bare has no reference (.ref.h)\n"
        "kernels/b/deep/bare.h: Bare has no registered op (autograd/registry)\n");
  write("kernels/b/deep/bare.cpp", "void Bare<Device::cpu>::forward() {}");
  write("kernels/b/deep/bare.ref.h", "void Bare<Device::reference>::forward() {}");
  write("autograd/registry/naked.cpp", "floor = Bare<Device::cpu>::floor");
  CHECK(lines(escapes(root, {})) == "kernels/b/deep/bare.h: Bare has no CUDA version (.cu)\n");
  CHECK(lines(escapes(root, {"naked"})).empty());
  // A second user that claims CUDA takes the excuse away.
  write("autograd/registry/bold.cpp", "floor = Bare<Device::cpu>::floor");
  CHECK(lines(escapes(root, {"naked"})) == "kernels/b/deep/bare.h: Bare has no CUDA version (.cu)\n");
  fs::remove_all(root);
}
