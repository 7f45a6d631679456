// Every registered op: the time of its largest case against its floor, and what a small op costs beyond its kernel.
//   bench_ops [--op NAME] [--seconds S] [--threads N] [--json]
// The floor of a forward pass is the longer of bytes / copy bandwidth and operations / matrix-product rate,
// both measured here first. Calls take turns over copies of the inputs that together exceed the cache.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <deque>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "autograd/functions/activation.h"
#include "autograd/op_run.h"
#include "bench/timing.h"
#include "kernels/activation/relu.h"
#include "kernels/common/clock.h"
#include "kernels/common/parallel.h"
#include "kernels/matmul/sgemm.h"
#include "tensor/memory.h"

namespace {

using namespace saccade;
using bench::Times;

constexpr double kCache = 64e6;  // bytes

// The times of single calls of work(i) over about `seconds`, after three calls that warm up.
template <class Work>
Times measure(double seconds, Work&& work) {
  std::vector<double> times;
  size_t i = 0;
  for (; i < 3; ++i) work(i);
  for (const double end = now() + seconds; now() < end || times.size() < 5; ++i) {
    const double start = now();
    work(i);
    times.push_back(now() - start);
  }
  return Times(std::move(times));
}

// Bytes read and written per second by a copy that is larger than the cache.
double copy_bandwidth(Context& context, double seconds) {
  const int64_t bytes = int64_t{1} << 27;
  const Tensor from = Tensor::zeros(context, {bytes}, DType::u8),
               to = Tensor::zeros(context, {bytes}, DType::u8);
  const Times times = measure(seconds, [&](size_t) {
    parallel_for(context, bytes, 1 << 16, [&](int64_t begin, int64_t end) {
      std::memcpy(to.data<uint8_t>() + begin, from.data<uint8_t>() + begin, static_cast<size_t>(end - begin));
    });
  });
  return 2.0 * static_cast<double>(bytes) / times.p10;
}

double product_rate(Context& context, double seconds) {
  const int64_t n = 1024;
  const Tensor a = Tensor::zeros(context, {n, n}, DType::f32), b = Tensor::zeros(context, {n, n}, DType::f32);
  const Tensor c = Tensor::zeros(context, {n, n}, DType::f32);
  const Times times = measure(seconds, [&](size_t) {
    sgemm(context, false, false, n, n, n, 1, a.data<float>(), n, b.data<float>(), n, 0, c.data<float>(), n);
  });
  return 2.0 * static_cast<double>(n * n * n) / times.p10;
}

struct Machine {
  double bandwidth, rate;  // bytes/s, operations/s
};

nlohmann::json measure_op(Context& context, const Op& op, const Machine& machine, double seconds) {
  const Case& test_case = largest_case(op);
  double bytes = 0;
  std::vector<Shape> shapes;
  for (const CaseInput& input : test_case.inputs) {
    bytes += 4.0 * static_cast<double>(input.shape.count());
    shapes.push_back(input.shape);
  }
  const size_t copies = static_cast<size_t>(std::clamp(kCache / bytes, 2.0, 32.0));
  std::deque<OpRunner> runners;  // each on its own copy of the inputs
  while (runners.size() < copies) runners.emplace_back(context, op, test_case, DType::f32);
  runners[0].forward();
  const std::vector<Tensor> cotangents = runners[0].random_cotangents(test_case.name);
  const auto run = [&](size_t i, bool with_gradients) {
    OpRunner& runner = runners[i % copies];
    runner.forward(with_gradients);
    if (with_gradients) runner.backward(cotangents);
  };
  const Floor floor = op.floor(shapes, complete(op, test_case.attributes), 4);
  const double least = std::max(floor.bytes / machine.bandwidth, floor.operations / machine.rate);
  const Times forward = measure(seconds, [&](size_t i) { run(i, false); });
  const Times both = measure(seconds, [&](size_t i) { run(i, true); });
  return {{"op", op.name},
          {"case", test_case.name},
          {"library", op.library},
          {"forward_us", forward.median * 1e6},
          {"forward_p10_us", forward.p10 * 1e6},
          {"forward_p90_us", forward.p90 * 1e6},
          {"forward_backward_us", both.median * 1e6},
          {"floor_us", least * 1e6},
          {"share_of_floor", least / forward.median},
          {"gigabytes_per_second", floor.bytes / forward.median * 1e-9}};
}

// The time of an op on eight numbers, and of its kernel alone.
nlohmann::json overhead(Context& context, double seconds) {
  const int64_t calls = 1000;
  const Tensor x = Tensor::zeros(context, {8}, DType::f32), y = Tensor::zeros(context, {8}, DType::f32);
  const auto per_call = [&](auto&& work) {
    return measure(seconds,
                   [&](size_t) {
                     for (int64_t i = 0; i < calls; ++i) work();
                   })
               .median /
           static_cast<double>(calls);
  };
  const double kernel =
      per_call([&] { Relu<Device::cpu>::forward(context, 8, x.data<float>(), y.data<float>()); });
  const double plain = per_call([&] {
    Tape tape(context);
    relu(tape, tape.constant(x));
  });
  const double recorded = per_call([&] {
    Tape tape(context);
    relu(tape, tape.input(x));
  });
  return {{"kernel_us", kernel * 1e6}, {"op_us", plain * 1e6}, {"recorded_op_us", recorded * 1e6}};
}

}  // namespace

int main(int argc, char** argv) {
  std::string only;
  double seconds = 0.3;
  int threads = 0;
  bool json = false;
  CLI::App app{"Every registered op against its floor"};
  app.add_option("--op", only, "This op alone");
  app.add_option("--seconds", seconds, "Time for each measurement");
  app.add_option("--threads", threads, "0: one for each processor");
  app.add_flag("--json", json, "One JSON object instead of a table");
  CLI11_PARSE(app, argc, argv);
  try {
    Context context(Device::cpu, 0, threads);
    if (!only.empty()) find_op(only);
    const Machine machine{copy_bandwidth(context, seconds), product_rate(context, seconds)};
    nlohmann::json result = {{"threads", context.threads()},
                             {"copy_gigabytes_per_second", machine.bandwidth * 1e-9},
                             {"product_gigaflops", machine.rate * 1e-9},
                             {"overhead", overhead(context, seconds)},
                             {"ops", nlohmann::json::array()}};
    if (!json)
      std::cout << "copy " << std::setprecision(3) << machine.bandwidth * 1e-9 << " GB/s, matrix product "
                << machine.rate * 1e-9 << " GFLOP/s, " << context.threads() << " threads; relu of 8: kernel "
                << result["overhead"]["kernel_us"].get<double>() << " us, op "
                << result["overhead"]["op_us"].get<double>() << " us, on a tape "
                << result["overhead"]["recorded_op_us"].get<double>() << " us\n\n"
                << "op                        case          forward us       floor  share   GB/s  with "
                   "backward us\n";
    for (const Op& op : all_ops()) {
      if (!only.empty() && op.name != only) continue;
      const nlohmann::json row = measure_op(context, op, machine, seconds);
      result["ops"].push_back(row);
      if (json) continue;
      std::cout << std::left << std::setw(26) << op.name << std::setw(14)
                << row["case"].get<std::string>().substr(0, 13) << std::right << std::fixed
                << std::setprecision(1) << std::setw(10) << row["forward_us"].get<double>() << std::setw(12)
                << row["floor_us"].get<double>() << std::setprecision(2) << std::setw(7)
                << row["share_of_floor"].get<double>() << std::setprecision(1) << std::setw(7)
                << row["gigabytes_per_second"].get<double>() << std::setw(18)
                << row["forward_backward_us"].get<double>() << "\n";
    }
    if (json) std::cout << result.dump(2) << "\n";
  } catch (const InputError& error) {
    std::cerr << "bench_ops: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_ops: " << error.what() << "\n";
    return 1;
  }
}
