// bench_traffic: what each kernel asks of memory, counted on simt (kernels/simt/traffic.h). The numbers are
// exact and the same on every machine, so they are tests, too.
//
//   bench_traffic                  the table: every op with CUDA kernels of its own, forward and backward, f32 and bf16
//   bench_traffic --op NAME        one op, with the source lines of its kernels
//   bench_traffic --table FILE     the table as Markdown
//   bench_traffic --check FILE     fails where a pass exceeds its recorded bounds, where a pass has no bounds or
//                                  bounds have no pass, or where the copies that are wrong on purpose are missed
//   bench_traffic --record FILE    writes the bounds as they are now, keeping the reasons that FILE gives; with
//                                  --op NAME the rows of this op alone
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "autograd/op_run.h"
#include "bench/traffic/cases.h"
#include "kernels/simt/checker.h"
#include "kernels/simt/traffic.h"
#include "tests/common/chosen_ops.h"
#include "tests/kernels/simt/faults.h"

using namespace saccade;

namespace {

struct Row {
  std::string op, test_case, element, pass;
  double floor = 0;  // bytes
  simt::Traffic traffic;
  std::string name() const { return op + "\t" + test_case + "\t" + element + "\t" + pass; }
  double ratio() const { return static_cast<double>(traffic.moved) / floor; }
  simt::Counts counts() const {
    simt::Counts all;
    for (const simt::KernelTraffic& kernel : traffic.kernels) all += kernel.counts;
    return all;
  }
};

// Whether an op is measured: the one of --op, or all that are chosen.
bool runs(const std::string& op, const std::string& only) {
  return only.empty() ? is_chosen(op) : op == only;
}

// --- Measuring ---

double bytes_of(const Tensor& tensor) {
  return static_cast<double>(tensor.count()) * static_cast<double>(size_of(tensor.dtype()));
}

// The gradient reads the cotangents and what its formula needs, and writes the inputs' gradients: each once.
double backward_floor(const Op& op, const bench::TrafficCase& one, const OpRunner& runner) {
  const auto &inputs = runner.inputs(), &outputs = runner.outputs();
  double bytes = one.saved * static_cast<double>(outputs[0].count());
  for (const size_t i : runner.ends()) bytes += bytes_of(outputs[i]);  // its cotangent is as large
  for (size_t i = 0; i < inputs.size(); ++i)
    if (takes_gradient(op.inputs[i])) bytes += bytes_of(inputs[i]);
  const auto add_port = [&](const std::string& name) {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (op.inputs[i].name == name) return bytes += bytes_of(inputs[i]);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (op.outputs[i].name == name) return bytes += bytes_of(outputs[i]);
    throw Error(concat("bench/traffic/cases.h: ", op.name, " has no port ", name));
  };
  for (const std::string& name : one.needs) add_port(name);
  return bytes;
}

std::vector<Row> measure(const Op& op, const bench::TrafficCase& one, DType dtype) {
  const Case& test_case = one.shape;
  Context context(Device::simt, 0, 1);
  OpRunner runner(context, op, test_case, dtype);
  std::vector<Row> rows(1, {op.name, test_case.name, dtype == DType::f32 ? "f32" : "bf16", "forward", 0, {}});

  simt::begin_traffic(!one.in_place);
  runner.forward();
  rows[0].traffic = simt::end_traffic();
  std::vector<Shape> shapes;
  for (const CaseInput& input : test_case.inputs) shapes.push_back(input.shape);
  rows[0].floor = op.floor(shapes, complete(op, test_case.attributes), dtype == DType::f32 ? 4 : 2).bytes;

  if (!runner.ends().empty()) {
    const std::vector<Tensor> cotangents = runner.random_cotangents(test_case.name);
    rows.push_back({op.name, test_case.name, rows[0].element, "backward", 0, {}});
    rows[1].floor = backward_floor(op, one, runner);
    simt::begin_traffic();
    runner.backward(cotangents);
    rows[1].traffic = simt::end_traffic();
  }
  // A cast to the dtype that x already has launches nothing.
  std::erase_if(rows, [](const Row& row) { return row.traffic.kernels.empty(); });
  return rows;
}

std::vector<bench::TrafficCase> cases_of(const Op& op) {
  const auto found = bench::traffic_cases().find(op.name);
  if (found != bench::traffic_cases().end()) return found->second;
  return {{largest_case(op)}};
}

// --- Source lines ---

// Where each instruction comes from: the line of the kernel, not of a helper that it calls. The program is
// linked to fixed addresses, so that addr2line knows them; without addr2line the address itself is shown.
class Lines {
 public:
  explicit Lines(const std::vector<Row>& rows) {
    std::set<const void*> all;
    for (const Row& row : rows)
      for (const auto& kernel : row.traffic.kernels)
        for (const auto& [address, counts] : kernel.instructions) all.insert(address);
    std::string addresses;
    for (const void* address : all) {
      // This is the return address of a call: one byte earlier is still the call.
      addresses += concat(" ", static_cast<const void*>(static_cast<const char*>(address) - 1));
      if (addresses.size() > 60000) resolve(std::exchange(addresses, {}));
    }
    if (!addresses.empty()) resolve(addresses);
  }
  std::string of(const void* address) const {
    const auto found = lines_.find(reinterpret_cast<uintptr_t>(address) - 1);
    return found != lines_.end() ? found->second : concat(address);
  }

 private:
  void resolve(const std::string& addresses) {
    char program[4096] = {};
    if (readlink("/proc/self/exe", program, sizeof program - 1) <= 0) return;
    FILE* pipe = popen(concat("addr2line -a -i -e '", program, "'", addresses).c_str(), "r");
    if (!pipe) return;
    char text[4096];
    std::string* line = nullptr;
    // addr2line prints each address, then its calls, the innermost first.
    for (bool helper = false; std::fgets(text, sizeof text, pipe);) {
      const std::string at(text, std::strcspn(text, " \n"));
      if (at.rfind("0x", 0) == 0) {
        line = &lines_[std::stoull(at, nullptr, 16)];
        helper = true;
        continue;
      }
      const size_t kernels = at.find("kernels/");
      if (kernels == std::string::npos || !helper || !line) continue;
      *line = at.substr(kernels);
      helper = line->rfind("kernels/common/", 0) == 0 || line->rfind("kernels/simt/", 0) == 0;
    }
    pclose(pipe);
  }
  std::map<uintptr_t, std::string> lines_;
};

std::map<std::string, simt::Counts> by_line(const simt::KernelTraffic& kernel, const Lines& lines) {
  std::map<std::string, simt::Counts> counted;
  for (const auto& [address, counts] : kernel.instructions) counted[lines.of(address)] += counts;
  return counted;
}

// --- Tables ---

double kib(double bytes) {
  return bytes / 1024;
}

// Sectors for each request and the share of them that was asked for; "-" where there is no such request.
std::string text(const simt::Counts& counts, const char* between) {
  char global[64] = "-", used[64] = "-", shared[64] = "-";
  if (counts.requests > 0) {
    std::snprintf(global, sizeof global, "%.2f", counts.sectors_per_request());
    std::snprintf(used, sizeof used, "%.0f %%", 100 * counts.coalescing());
  }
  if (counts.shared_requests > 0) std::snprintf(shared, sizeof shared, "%.2f", counts.conflicts());
  return concat(global, between, used, between, shared);
}

void print(const Row& row, const Lines* lines) {
  std::printf("%-22s %-16s %-5s %-9s %10.1f %10.1f %10.1f %7.3f\n", row.op.c_str(), row.test_case.c_str(),
              row.element.c_str(), row.pass.c_str(), kib(row.floor),
              kib(static_cast<double>(row.traffic.touched)), kib(static_cast<double>(row.traffic.moved)),
              row.ratio());
  if (!lines) return;
  for (const simt::KernelTraffic& kernel : row.traffic.kernels) {
    std::printf("    %-44s x%-3llu %10.1f KiB moved   %s\n", kernel.launch.c_str(),
                static_cast<unsigned long long>(kernel.launches), kib(static_cast<double>(kernel.moved)),
                text(kernel.counts, "   ").c_str());
    for (const auto& [line, counts] : by_line(kernel, *lines))
      std::printf("        %-44s %8llu requests   %s\n", line.c_str(),
                  static_cast<unsigned long long>(counts.requests + counts.shared_requests),
                  text(counts, "   ").c_str());
  }
}

// The kernels of the rows, and those of their lines that fetch more than they use or wait for a bank.
void write_table(const std::string& path, const std::vector<Row>& rows, const Lines& lines) {
  std::ofstream out(path);
  check_input(out.good(), path, " cannot be written");
  const auto number = [](double value, const char* format) {
    char digits[64];
    std::snprintf(digits, sizeof digits, format, value);
    return std::string(digits);
  };
  out << "# What every kernel asks of memory\n\n"
         "Made by `build/release/simt_checkers/bench_traffic --table build/traffic.md`; counted, not "
         "timed, and the "
         "same\non every machine. `kernels/simt/traffic.h` states the model, `bench/traffic/cases.h` the "
         "cases and the floor "
         "of a\nbackward pass, `tests/kernels/traffic_bounds.tsv` the bounds that the tests hold and the "
         "reason for each above "
         "1.1.\n\n## Bytes moved\n\n"
         "| op | case | element | pass | floor KiB | moved KiB | moved / floor |\n| --- | --- | --- | --- | "
         "---: | ---: | ---: |\n";
  for (const Row& row : rows)
    out << "| " << row.op << " | " << row.test_case << " | " << row.element << " | " << row.pass << " | "
        << number(kib(row.floor), "%.1f") << " | "
        << number(kib(static_cast<double>(row.traffic.moved)), "%.1f") << " | " << number(row.ratio(), "%.3f")
        << " |\n";
  out << "\n## Kernels\n\nBy launch. Sectors: of 32 bytes, for a request of one warp to global memory. Used: "
         "the share of "
         "them that lanes\nasked for; below 100 % neighbors lie apart, or rows start inside a sector. "
         "Passes: through the "
         "banks of shared memory,\nagainst the fewest that such a request takes.\n\n"
         "| op | case | element | pass | launch | times | moved KiB | sectors | used | passes |\n"
         "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n";
  for (const Row& row : rows)
    for (const simt::KernelTraffic& kernel : row.traffic.kernels)
      out << "| " << row.op << " | " << row.test_case << " | " << row.element << " | " << row.pass << " | "
          << kernel.launch << " | " << kernel.launches << " | "
          << number(kib(static_cast<double>(kernel.moved)), "%.1f") << " | " << text(kernel.counts, " | ")
          << " |\n";
  out << "\n## Source lines\n\nThose with more than 1 % of their kernel's requests that use less than 90 % "
         "of what they "
         "fetch, or need more than 1.1\ntimes the fewest passes.\n\n"
         "| line | op | element | pass | requests | sectors | used | passes |\n| --- | --- | --- | --- | "
         "---: | ---: | ---: | ---: |\n";
  std::map<std::string, std::string> worst;  // by line, a row each
  for (const Row& row : rows)
    for (const simt::KernelTraffic& kernel : row.traffic.kernels)
      for (const auto& [line, counts] : by_line(kernel, lines)) {
        const uint64_t requests = counts.requests + counts.shared_requests;
        if (requests * 100 < kernel.counts.requests + kernel.counts.shared_requests) continue;
        if (counts.coalescing() >= 0.9 && counts.conflicts() <= 1.1) continue;
        worst[line] += concat("| ", line, " | ", row.op, ", ", row.test_case, " | ", row.element, " | ",
                              row.pass, " | ", requests, " | ", text(counts, " | "), " |\n");
      }
  for (const auto& [line, written] : worst) out << written;
}

// --- Bounds ---

struct Limit {
  double moved = 0, used = 0, passes = 0;
  std::string why;
  bool met = false;  // by a pass that was measured
};
using Bounds = std::map<std::string, Limit>;  // by Row::name()
constexpr double kStreaming = 1.1;
// Of used and passes: another release of clang may join or split an access.
constexpr double kCompiler = 0.02;

Bounds read_bounds(const std::string& path) {
  std::ifstream file(path);
  check_input(file.good(), path, " cannot be read");
  Bounds bounds;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string name, word;
    for (int i = 0; i < 4 && std::getline(words, word, '\t'); ++i) name += (i ? "\t" : "") + word;
    Limit limit;
    words >> limit.moved >> limit.used >> limit.passes;
    check_input(!words.fail(), path, ": no bounds in: ", line);
    std::getline(words >> std::ws, limit.why);
    bounds[name] = limit;
  }
  return bounds;
}

bool failed(const std::string& name, const std::string& what) {
  std::string words = name;
  std::replace(words.begin(), words.end(), '\t', ' ');
  std::printf("FAILED  %s %s\n", words.c_str(), what.c_str());
  return false;
}

bool check_bounds(const std::vector<Row>& rows, Bounds bounds, const std::string& only) {
  bool ok = true;
  for (const Row& row : rows) {
    const auto found = bounds.find(row.name());
    if (found == bounds.end()) {
      ok = failed(row.name(), "has no recorded bound");
      continue;
    }
    Limit& limit = found->second;
    limit.met = true;
    if (!(row.ratio() <= limit.moved))
      ok = failed(row.name(), concat("moves ", row.ratio(), " times its floor, recorded ", limit.moved));
    const simt::Counts counts = row.counts();
    if (!(counts.coalescing() >= limit.used - kCompiler))
      ok = failed(row.name(), concat("uses ", counts.coalescing(),
                                     " of the sectors that it asks for, recorded ", limit.used));
    if (!(counts.conflicts() <= limit.passes + kCompiler))
      ok = failed(row.name(),
                  concat("takes ", counts.conflicts(), " times the fewest passes, recorded ", limit.passes));
    if (limit.moved > kStreaming && limit.why.empty())
      ok = failed(row.name(), concat("has a bound above ", kStreaming, " and no reason for it"));
  }
  for (const auto& [name, limit] : bounds)
    if (!limit.met && runs(name.substr(0, name.find('\t')), only))
      ok = failed(name, "has a bound, and no such pass was measured");
  return ok;
}

// The rows of other ops stay as they are.
void record(const std::string& path, const std::vector<Row>& rows, const std::string& only) {
  Bounds before;
  std::map<std::string, std::string> lines;  // by op, in the order of the table
  if (std::ifstream(path).good()) before = read_bounds(path);
  std::ifstream file(path);
  for (std::string line; !only.empty() && std::getline(file, line);) {
    const std::string op = line.substr(0, line.find('\t'));
    if (!line.empty() && line[0] != '#' && op != only) lines[op] += line + "\n";
  }
  for (const Row& row : rows) {
    const auto up = [](double x) { return std::ceil(x * 100 - 1e-9) / 100; };
    const simt::Counts counts = row.counts();
    std::string& written = lines[row.op];
    written += concat(row.name(), "\t", up(row.ratio()), "\t", -up(-counts.coalescing()), "\t",
                      up(counts.conflicts()));
    if (up(row.ratio()) > kStreaming) written += "\t" + before[row.name()].why;
    written += "\n";
  }
  std::ofstream out(path);
  check_input(out.good(), path, " cannot be written");
  out << "# What bench_traffic --record counted, to the worse hundredth, and the tests hold. With tabs: op, "
         "case, element, "
         "pass;\n# the most bytes moved, as a multiple of the floor; the least share of the sectors asked "
         "for that lanes used; "
         "the most passes\n# through the banks of shared memory, as a multiple of the fewest; the reason "
         "where the first is "
         "above 1.1.\n";
  for (const auto& [op, written] : lines) out << written;
}

// --- Faults ---

// A copy whose neighbors lie far apart takes 8 times the sectors; a column of a tile without padding takes 32 passes.
bool sees_faults() {
  constexpr unsigned n = 1u << 18;
  std::vector<float> in(n + 8), out(n + 8);
  const auto aligned_to_sector = [](std::vector<float>& v) {
    return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(v.data()) + 31) / 32 * 32);
  };
  float *from = aligned_to_sector(in), *to = aligned_to_sector(out);
  const auto count = [&](auto&& run) {
    simt::begin_traffic();
    run();
    return simt::end_traffic();
  };
  const auto good = count([&] { faults::copy_strided(from, to, n, 1); });
  const auto bad = count([&] { faults::copy_strided(from, to, n, 32); });
  const auto padded = count([&] { faults::read_column(from, to, true); }).kernels.at(0).counts;
  const auto packed = count([&] { faults::read_column(from, to, false); }).kernels.at(0).counts;
  const simt::Counts near = good.kernels.at(0).counts, apart = bad.kernels.at(0).counts;
  const bool seen = near.sectors_per_request() == 4 && apart.sectors_per_request() == 32 &&
                    good.moved == 8 * n && bad.moved > 4 * good.moved && padded.conflicts() == 1 &&
                    packed.conflicts() > 16;
  std::printf(
      "%s  a strided copy: %.2f sectors a request instead of %.2f, %.2f bytes moved instead of 8; a column "
      "without "
      "padding: %.2f passes instead of %.2f\n",
      seen ? "seen  " : "MISSED", apart.sectors_per_request(), near.sectors_per_request(),
      static_cast<double>(bad.moved) / n, packed.conflicts(), padded.conflicts());
  return seen;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> options = {
      {"--op", ""}, {"--table", ""}, {"--check", ""}, {"--record", ""}};
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc || !options.count(argv[i])) {
      std::fprintf(stderr,
                   "usage: bench_traffic [--op NAME] [--table FILE] [--check FILE] [--record FILE]\n");
      return 2;
    }
    options[argv[i]] = argv[i + 1];
  }
  try {
    const std::string& only = options["--op"];
    if (!only.empty()) find_op(only);
    simt::set_seed(0);  // blocks and threads run by number: a GPU starts them so, and the cache depends on it
    bool ok = sees_faults();
    std::vector<Row> rows;
    for (const Op& op : all_ops()) {
      if (op.composite) continue;  // the kernels that it calls are counted with their own ops
      if (!runs(op.name, only) || !std::count(op.devices.begin(), op.devices.end(), Device::simt)) continue;
      for (const bench::TrafficCase& one : cases_of(op))
        for (const DType dtype : {DType::f32, DType::bf16}) {
          try {
            for (Row& row : measure(op, one, dtype)) rows.push_back(std::move(row));
          } catch (const std::exception& error) {
            ok = failed(op.name, error.what());
          }
        }
    }
    const bool with_lines = !only.empty() || !options["--table"].empty();
    const Lines lines(with_lines ? rows : std::vector<Row>{});
    std::printf("%-22s %-16s %-5s %-9s %10s %10s %10s %7s\n", "op", "case", "", "pass", "floor KiB",
                "touched", "moved", "/ floor");
    for (const Row& row : rows) print(row, only.empty() ? nullptr : &lines);
    if (!options["--table"].empty()) write_table(options["--table"], rows, lines);
    if (!options["--record"].empty()) record(options["--record"], rows, only);
    if (!options["--check"].empty()) ok = check_bounds(rows, read_bounds(options["--check"]), only) && ok;
    if (only.empty()) std::printf("%s\n", chosen_of(all_ops()).c_str());
    return ok ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_traffic: %s\n", error.what());
    return 2;
  }
}
