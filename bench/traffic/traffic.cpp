// bench_traffic: what each kernel asks of memory, counted on simt (kernels/simt/traffic.h). The numbers are exact and the
// same on every machine, so they are tests, too.
//     bench_traffic                     the table: for each op with a CUDA version, its largest case, forward and backward
//     bench_traffic --op NAME           one op, with the instructions of its kernels (address in the program: addr2line)
//     bench_traffic --check FILE        fails where an op's forward pass moves more than its recorded bound, or where the
//                                       copies that are wrong on purpose are not seen
//     bench_traffic --record FILE       writes the bounds as they are now
// A line of the file: op, element, bound of moved / floor, and why where it is above 1.1.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "autograd/op_check.h"
#include "kernels/simt/checker.h"
#include "kernels/simt/traffic.h"
#include "tests/kernels/simt/faults.h"

using namespace saccade;

namespace {

struct Row {
  std::string op, element, pass, test_case;
  double floor = 0;  // bytes; 0: the registry has none for this pass
  simt::Traffic traffic;
  double ratio() const { return floor > 0 ? static_cast<double>(traffic.moved) / floor : 0; }
};

double elements_of(const Case& test_case) {
  double count = 0;
  for (const CaseInput& input : test_case.inputs) count += static_cast<double>(input.shape.count());
  return count;
}

const Case* largest_case(const Op& op) {
  const Case* largest = nullptr;
  for (const Case& test_case : op.cases)
    if (!largest || elements_of(test_case) > elements_of(*largest)) largest = &test_case;
  return largest;
}

std::vector<Row> measure(const Op& op, DType dtype) {
  const Case& test_case = *largest_case(op);
  Context context(Device::simt, 0, 1);
  Tape tape(context, true);
  tape.random = Tensor::from<int64_t>(context, {2}, {17, 3});
  const auto values = make_inputs(op, test_case, dtype);
  const auto inputs = place_inputs(tape, op, test_case, values, dtype);
  const Attributes attributes = complete(op, test_case.attributes);
  std::vector<Row> rows(1, {op.name, dtype == DType::f32 ? "f32" : "bf16", "forward", test_case.name, 0, {}});

  simt::begin_traffic();
  const auto outputs = op.run(tape, inputs, attributes);
  rows[0].traffic = simt::end_traffic();
  if (op.floor) {
    std::vector<Shape> shapes;
    for (const CaseInput& input : test_case.inputs) shapes.push_back(input.shape);
    rows[0].floor = op.floor(shapes, attributes, dtype == DType::f32 ? 4 : 2).bytes;
  }

  std::vector<Variable> ends;
  std::vector<Tensor> cotangents;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].needs_gradient() || !op.outputs[i].differentiable) continue;
    const auto count = static_cast<size_t>(outputs[i].value.count());
    const Tensor wide = Tensor::from(context, outputs[i].shape(), cotangent(test_case.name, i, count));
    ends.push_back(outputs[i]);
    cotangents.push_back(converted(context, wide, outputs[i].dtype()));
  }
  if (ends.empty()) return rows;
  rows.push_back({op.name, rows[0].element, "backward", test_case.name, 0, {}});
  simt::begin_traffic();
  tape.backward(ends, cotangents);
  rows[1].traffic = simt::end_traffic();
  return rows;
}

void print(const Row& row, bool instructions) {
  std::printf("%-24s %-5s %-9s %-12s %10.1f %10.1f %10.1f %7s\n", row.op.c_str(), row.element.c_str(), row.pass.c_str(),
              row.test_case.c_str(), row.floor / 1024, static_cast<double>(row.traffic.touched) / 1024,
              static_cast<double>(row.traffic.moved) / 1024,
              row.floor > 0 ? concat(std::round(row.ratio() * 100) / 100).c_str() : "-");
  for (const simt::KernelTraffic& kernel : row.traffic.kernels) {
    std::printf("    %-52s x%-4llu sectors/request %6.2f  used %3.0f%%  conflicts %5.2f\n", kernel.launch.c_str(),
                static_cast<unsigned long long>(kernel.launches), kernel.counts.sectors_per_request(),
                100 * kernel.counts.coalescing(), kernel.counts.conflicts());
    if (!instructions) continue;
    for (const auto& [address, counts] : kernel.instructions)
      std::printf("        %p %10llu sectors/request %6.2f  used %3.0f%%  conflicts %5.2f\n", address,
                  static_cast<unsigned long long>(counts.requests + counts.shared_requests),
                  counts.sectors_per_request(), 100 * counts.coalescing(), counts.conflicts());
  }
}

// --- Bounds ---

struct Limit {
  double bound = 0;
  std::string why;
};
constexpr double kStreaming = 1.1;

std::map<std::string, Limit> read_bounds(const std::string& path) {
  std::ifstream file(path);
  check_input(file.good(), path, " cannot be read");
  std::map<std::string, Limit> bounds;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string op, element;
    Limit limit;
    words >> op >> element >> limit.bound;
    std::getline(words >> std::ws, limit.why);
    check_input(limit.bound <= kStreaming || !limit.why.empty(), path, ": ", op, " needs a reason for more than ",
                kStreaming);
    bounds[op + " " + element] = limit;
  }
  return bounds;
}

bool within(const Row& row, const std::map<std::string, Limit>& bounds) {
  if (row.pass != "forward" || row.floor <= 0) return true;
  const auto found = bounds.find(row.op + " " + row.element);
  if (found == bounds.end()) {
    std::printf("FAILED  %s %s has no recorded bound\n", row.op.c_str(), row.element.c_str());
    return false;
  }
  const bool ok = row.ratio() <= found->second.bound;
  if (!ok)
    std::printf("FAILED  %s %s moves %.3f times its floor, recorded %.3f\n", row.op.c_str(), row.element.c_str(),
                row.ratio(), found->second.bound);
  return ok;
}

// A copy by neighbours far apart takes 8 times the sectors; a column of a tile without padding takes 32 passes.
bool sees_faults() {
  constexpr unsigned n = 1u << 16;
  std::vector<float> in(n + 8), out(n + 8);
  const auto aligned = [](std::vector<float>& v) {
    return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(v.data()) + 31) / 32 * 32);
  };
  const auto count = [&](auto&& run) {
    simt::begin_traffic();
    run();
    return simt::end_traffic().kernels.at(0).counts;
  };
  const auto good = count([&] { faults::copy_strided(aligned(in), aligned(out), n, 1); });
  const auto bad = count([&] { faults::copy_strided(aligned(in), aligned(out), n, 32); });
  const auto padded = count([&] { faults::read_column(aligned(in), aligned(out), true); });
  const auto packed = count([&] { faults::read_column(aligned(in), aligned(out), false); });
  const bool seen = good.sectors_per_request() == 4 && bad.sectors_per_request() == 32 && padded.conflicts() == 1 &&
                    packed.conflicts() > 16;
  std::printf("%s  a strided copy: %.2f sectors a request instead of %.2f; a column without padding: %.2f passes "
              "instead of %.2f\n",
              seen ? "seen  " : "MISSED", bad.sectors_per_request(), good.sectors_per_request(), packed.conflicts(),
              padded.conflicts());
  return seen;
}

}  // namespace

int main(int argc, char** argv) {
  std::string only, bounds_file, record_file;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--op") == 0) only = argv[i + 1];
    if (std::strcmp(argv[i], "--check") == 0) bounds_file = argv[i + 1];
    if (std::strcmp(argv[i], "--record") == 0) record_file = argv[i + 1];
  }
  simt::set_seed(0);  // blocks and threads by number: a GPU starts them so, and the cache sees them so
  bool ok = sees_faults();
  std::map<std::string, Limit> bounds;
  if (!bounds_file.empty()) bounds = read_bounds(bounds_file);
  std::ofstream record;
  if (!record_file.empty()) {
    record.open(record_file);
    record << "# op, element, bound of bytes moved / floor of the forward pass, why where it is above 1.1. bench_traffic "
              "--record.\n";
  }
  std::printf("%-24s %-5s %-9s %-12s %10s %10s %10s %7s\n", "op", "", "pass", "case", "floor KiB", "touched", "moved",
              "/ floor");
  for (const Op& op : all_ops()) {
    if ((!only.empty() && op.name != only) || !std::count(op.devices.begin(), op.devices.end(), Device::simt)) continue;
    for (const DType dtype : {DType::f32, DType::bf16}) {
      try {
        for (const Row& row : measure(op, dtype)) {
          print(row, !only.empty());
          if (!bounds_file.empty()) ok = within(row, bounds) && ok;
          if (record.is_open() && row.pass == "forward" && row.floor > 0)
            record << row.op << " " << row.element << " " << std::ceil(row.ratio() * 100) / 100
                   << (row.ratio() > kStreaming ? " not yet explained" : "") << "\n";
        }
      } catch (const std::exception& error) {
        std::printf("FAILED  %s: %s\n", op.name.c_str(), error.what());
        ok = false;
      }
      std::fflush(stdout);
    }
  }
  return ok ? 0 : 1;
}
