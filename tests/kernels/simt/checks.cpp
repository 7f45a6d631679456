// The checkers of the simt device (test_simt_race, test_simt_memory): every small case of every op that has a
// CUDA version, values and gradients, f32 and bf16, with no finding; and kernels that are wrong on purpose,
// each of which must be found, with its line.
//     test_simt_race                                                   all of it
//     test_simt_race check --small --device simt [--op NAME]           the ops alone; rows as JSON
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "autograd/op_check.h"
#include "kernels/common/bandwidth.h"
#include "kernels/simt/checker.h"
#include "tests/common/chosen_ops.h"
#include "tests/kernels/simt/faults.h"
#include "tests/kernels/simt/shapes.h"

// The sanitizers ask for these before main.
extern "C" const char* __tsan_default_options() {
  return "exitcode=0:report_signal_unsafe=0:history_size=4:ignore_noninstrumented_modules=0";
}
extern "C" const char* __asan_default_options() {
  return "halt_on_error=0:detect_leaks=0:detect_stack_use_after_return=0:verbosity=0";
}

using namespace saccade;

namespace {

// --- Findings ---

// The lines of the sources that a report names first: the accesses themselves.
std::string summary(const std::string& report) {
  std::string lines;
  for (size_t at = report.find("#0 "); at != std::string::npos; at = report.find("#0 ", at + 1)) {
    const std::string line = report.substr(at + 3, report.find('\n', at) - at - 3);
    if (line.find("kernels/") != std::string::npos) lines.append("\n    ").append(line);
  }
  const std::string head = report.substr(0, report.find('\n'));
  return concat(head, lines.empty() ? report.substr(head.size(), 3000) : lines);
}

std::string found_now() {
  std::string text;
  for (const std::string& finding : simt::take_findings()) text += summary(finding) + "\n";
  return text;
}

// --- Ops ---

struct Row {
  std::string op;
  std::vector<std::string> failures;
};

Row check_op(const Op& op) {
  Row row{op.name, {}};
  std::vector<Case> cases = op.cases;
  for (const Case& more : checker_cases(op.name)) cases.push_back(more);
  for (const DType dtype : {DType::f32, DType::bf16})
    for (const Case& test_case : cases) {
      if (!test_case.small) continue;
      for (const Kernels kernels : versions_of(op, Device::simt)) {
        const std::string name = concat(op.name, "/", test_case.name, " ",
                                        dtype == DType::f32 ? "f32" : "bf16", ", ", name_of(kernels), ": ");
        try {
          Context context(Device::simt, 0, 1);
          context.kernels = kernels;
          const CheckResult result = check_parity(op, test_case, context, dtype);
          if (!result.passed) row.failures.push_back(result.failure);
        } catch (const std::exception& error) {
          row.failures.push_back(name + error.what());
        }
        const std::string found = found_now();
        if (!found.empty()) row.failures.push_back(name + found);
      }
    }
  return row;
}

// A promise of kernels/common/reduce.h that no op relies on.
Row check_reduce_twice() {
  Context context(Device::simt, 0, 1);
  const Tensor in = Tensor::from(context, {64}, std::vector<float>(64, 1)), out(context, {64}, DType::f32);
  faults::reduce_twice(in.data<float>(), out.data<float>());
  Row row{"block_reduce twice", {}};
  for (const float value : out.to_host<float>(context))
    if (value != 192) row.failures.push_back(concat("three times 64 is ", value));
  const std::string found = found_now();
  if (!found.empty()) row.failures.push_back(found);
  return row;
}

// Streams that are no op: two blocks of a copy and of a fill.
Row check_bandwidth() {
  constexpr size_t words = 8200;
  Context context(Device::simt, 0, 1);
  const Tensor from = Tensor::from(context, {words}, std::vector<int32_t>(words, 7)),
               to(context, {words}, DType::i32);
  const auto words_of = [](const Tensor& tensor) { return static_cast<uint32_t*>(tensor.raw()); };
  Row row{"bandwidth", {}};
  Bandwidth<Device::simt>::copy(context, 4 * words, words_of(from), words_of(to));
  if (to.to_host<int32_t>(context) != std::vector<int32_t>(words, 7))
    row.failures.push_back("the copy differs");
  Bandwidth<Device::simt>::write(context, 4 * words, words_of(to));
  if (to.to_host<int32_t>(context) != std::vector<int32_t>(words, 0))
    row.failures.push_back("the fill differs");
  const std::string found = found_now();
  if (!found.empty()) row.failures.push_back(found);
  return row;
}

std::vector<Row> check_ops(const std::string& only) {
  std::vector<Row> rows;
  if (only.empty() || only == "block_reduce twice") rows.push_back(check_reduce_twice());
  if (only.empty() || only == "bandwidth") rows.push_back(check_bandwidth());
  for (const Op& op : all_ops())
    if ((only.empty() ? is_chosen(op.name) : op.name == only) &&
        std::count(op.devices.begin(), op.devices.end(), Device::simt))
      rows.push_back(check_op(op));
  return rows;
}

// --- Kernels that are wrong on purpose ---

int line_of(const std::string& kernel) {
  std::ifstream file("tests/kernels/simt/faults.cu");
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find("// fault: " + kernel) != std::string::npos) return number;
  }
  throw Error("tests/kernels/simt/faults.cu holds no fault " + kernel +
              "; run this in the root of the sources");
}

// What a run of the kernel leads to: findings, an error, or both.
std::string outcome(const std::function<void(bool)>& run, bool fault) {
  std::string text;
  try {
    run(fault);
  } catch (const Error& error) {
    text = error.what();
  }
  return text + found_now();
}

struct Fault {
  std::string name;
  std::function<void(bool)> run;
  std::string expected;  // in the report
};

std::string at_line(const std::string& kernel) {
  return concat("faults.cu:", line_of(kernel));
}

std::vector<Fault> races() {
  static std::vector<int> in(1024, 1), out(1024);
  return {
      {"a removed __syncthreads",
       [](bool f) { faults::reverse_without_barrier(in.data(), out.data(), 256, f); }, at_line("reverse")},
      {"a read across warps behind a __syncwarp",
       [](bool f) { faults::cross_warp_read(in.data(), out.data(), f); }, at_line("neighbor_warp")},
      {"a shuffle in place of a __syncwarp",
       [](bool f) { faults::shuffle_as_barrier(in.data(), out.data(), f); }, at_line("neighbor_lane")},
      {"a removed __syncthreads at the end of a loop, in a block of 1024",
       [](bool f) { faults::second_turn(in.data(), out.data(), f); }, at_line("two_turns")},
      {"two blocks that write one cell", [](bool f) { faults::blocks_write_one_cell(out.data(), 2, f); },
       at_line("one_cell")},
  };
}

// Runs a kernel that fills n elements and says which it did not.
using Filler = void (*)(float*, unsigned, bool);
void fill_and_look(Filler filler, bool fault) {
  constexpr unsigned n = 100;
  Context context(Device::simt, 0, 1);
  const Tensor out(context, {n}, DType::f32);
  filler(out.data<float>(), n, fault);
  const std::vector<float> values = out.to_host<float>(context);
  for (unsigned i = 0; i < n; ++i) check(values[i] == 1, "element ", i, " is ", values[i]);
}

std::vector<Fault> memory_faults() {
  const auto filling = [](Filler filler) { return [filler](bool fault) { fill_and_look(filler, fault); }; };
  return {
      {"a store past the end of a buffer", filling(faults::store_past_the_end), at_line("fill")},
      {"a store past the end of a shared array", filling(faults::shared_past_the_end),
       at_line("through_shared")},
      {"a store past the end of dynamic shared memory", filling(faults::dynamic_shared_past_the_end),
       at_line("through_dynamic")},
      {"an index past the end of a thread's own array", filling(faults::registers_past_the_end),
       at_line("through_registers")},
      {"an output that is not written", filling(faults::leave_one_unwritten), "element 50 is "},
      {"a read of shared memory that nobody wrote", filling(faults::read_shared_unwritten), "element 6 is "},
      {"a barrier that a part of the block skips", filling(faults::skip_a_barrier),
       "waits at __syncthreads of"},
  };
}

int check_faults(const std::vector<Fault>& all) {
  int missed = 0;
  for (const Fault& fault : all) {
    const std::string right = outcome(fault.run, false), wrong = outcome(fault.run, true);
    const bool seen = right.empty() && wrong.find(fault.expected) != std::string::npos;
    missed += !seen;
    std::cout << (seen ? "seen    " : "MISSED  ") << fault.name << "\n";
    if (!seen)
      std::cout << "  expected: " << fault.expected << "\n  right kernel: " << right
                << "\n  wrong kernel: " << wrong << "\n";
  }
  return missed;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}

void print_json(const std::vector<Row>& rows) {
  std::cout << "{\"rows\": [";
  for (size_t i = 0; i < rows.size(); ++i) {
    std::cout << (i ? ", " : "") << "{\"op\": " << quoted(rows[i].op) << ", \"failures\": [";
    for (size_t k = 0; k < rows[i].failures.size(); ++k)
      std::cout << (k ? ", " : "") << quoted(rows[i].failures[k]);
    std::cout << "]}";
  }
  std::cout << "]}\n";
}

}  // namespace

int main(int argc, char** argv) {
  std::string only;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], "--op") == 0) only = argv[i + 1];
  const bool json = argc > 1 && std::strcmp(argv[1], "check") == 0;
  int missed = 0;
  if (!json) {
    const bool race = std::strcmp(simt::checker_name(), "race") == 0;
    missed = check_faults(race ? races() : memory_faults());
  }
  const std::vector<Row> rows = check_ops(only);
  int failed = 0;
  for (const Row& row : rows) failed += !row.failures.empty();
  if (json) {
    print_json(rows);
  } else {
    for (const Row& row : rows)
      for (const std::string& failure : row.failures) std::cout << "FAILED  " << failure << "\n";
    std::cout << simt::checker_name() << " checker: " << rows.size() << " ops, " << failed
              << " with findings; " << missed << " seeded faults missed; " << chosen_of(all_ops()) << "\n";
  }
  return failed + missed > 0 || rows.empty() ? 1 : 0;
}
