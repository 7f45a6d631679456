// The GPU, op by op. Every command takes --device cuda, or simt (or cpu) to run the same code without a GPU
// on small shapes, where times mean nothing. Results are one JSON object on stdout; an op that fails is a row
// with `error`, and makes the exit code 1. Commands:
//
//   device    what the machine is
//   roofs     bandwidth of a copy, a read and a write; rate of matrix products
//   list      the ops that have a version for this device, and those that have none
//   check     every registry case against the f64 oracle, values and gradients (--small: the small ones;
//             --own: without the vendors' kernels)
//   measure   every benchmark case, forward, and forward with backward
//   serve     measures on request, line by line, so that a peer can take turns with it
//
// Measuring: calls take turns over copies of inputs and outputs that together exceed twice the L2 cache. `eager` is the
// time of a call that the host launches through the tape, `graph` that of a call that a captured graph replays; the
// four series of a row are interleaved. Both are in microseconds a call: median, p10 and p90 over stretches of calls.
// Tables that the host makes from an op's inputs are made before the clock starts.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <deque>
#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>

#include "autograd/op_check.h"
#include "autograd/op_run.h"
#include "bench/cases.h"
#include "bench/timing.h"
#include "kernels/common/bandwidth.h"
#ifdef SACCADE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace {

using namespace saccade;
using namespace saccade::bench;
using Json = nlohmann::ordered_json;

struct Options {
  std::string shapes = "bench/shapes.json", roofs;
  std::vector<std::string> ops;  // only these; empty: all
  Device device = Device::cuda;
  double seconds = 0.4;  // spent on measuring each row
  bool small = false, own = false;
  bool dry() const { return device != Device::cuda; }
};

bool runs_on(const Op& op, Device device) {
  return std::find(op.devices.begin(), op.devices.end(), device) != op.devices.end();
}

std::vector<DType> dtypes_of(Device device) {
  if (device == Device::cpu) return {DType::f32};
  return {DType::f32, DType::bf16};
}

// --- The machine ---

#ifdef SACCADE_CUDA
void require(cudaError_t error, const char* what) {
  check(error == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(error));
}
#endif

Json describe_device(const Options& options) {
  Json device = {{"name", name_of(options.device)}};
#ifdef SACCADE_CUDA
  if (options.device != Device::cuda) return device;
  Context context(Device::cuda);
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, 0), "device properties");
  int driver = 0, runtime = 0, clock = 0, memory_clock = 0;
  require(cudaDriverGetVersion(&driver), "driver version");
  require(cudaRuntimeGetVersion(&runtime), "runtime version");
  cudaDeviceGetAttribute(&clock, cudaDevAttrClockRate, 0);
  cudaDeviceGetAttribute(&memory_clock, cudaDevAttrMemoryClockRate, 0);
  device = {{"name", properties.name},
            {"capability", compute_capability(context)},
            {"multiprocessors", properties.multiProcessorCount},
            {"clock_mhz", clock / 1000},
            {"memory_clock_mhz", memory_clock / 1000},
            {"memory_bytes", properties.totalGlobalMem},
            {"l2_bytes", properties.l2CacheSize},
            {"ecc", properties.ECCEnabled != 0},
            {"driver", concat(driver / 1000, ".", driver % 1000 / 10)},
            {"runtime", concat(runtime / 1000, ".", runtime % 1000 / 10)}};
#endif
  return device;
}

double l2_bytes(const Options& options) {
  if (options.dry()) return 0;
  int bytes = 0;
#ifdef SACCADE_CUDA
  require(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, 0), "size of the L2 cache");
#endif
  return bytes;
}

// --- One case, ready to run ---

class Work {
 public:
  Work(const Options& options, const Op& op, const Case& test_case, DType dtype,
       Precision precision = Precision::f32, Kernels kernels = Kernels::library)
      : context_(options.device) {
    context_.precision = precision;
    context_.kernels = kernels;
    std::vector<Tensor> first;
    double bytes = 0;
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      first.push_back(place(context_, op.inputs[i], test_case.inputs[i], dtype, i));
      bytes += static_cast<double>(first.back().bytes());
      shapes.push_back(test_case.inputs[i].shape);
    }
    runners_.emplace_back(context_, op, first, test_case.attributes);
    make_cotangents(op);
    for (const Tensor& output : runners_[0].outputs()) bytes += static_cast<double>(output.bytes());
    copies =
        static_cast<size_t>(std::clamp(std::ceil(2 * l2_bytes(options) / std::max(bytes, 1.0)), 2.0, 64.0));
    if (kernels == Kernels::plain) {  // may run on one thread; a call of such length needs no cold cache
      const double once = seconds_on_device(context_, [&] { runners_[0].forward(false); });
      slow = once > kSlow;
      copies = std::clamp<size_t>(static_cast<size_t>(kSlow / std::max(once, 1e-9)), 1, copies);
    }
    while (runners_.size() < copies) {
      std::vector<Tensor> inputs;
      for (const Tensor& tensor : first) inputs.push_back(copy_of(context_, tensor));
      runners_.emplace_back(context_, op, std::move(inputs), test_case.attributes);
    }
    for (const bool backward : {false, true})
      for (int i = slow ? 1 : 0; i < 2; ++i) go(backward);
    synchronize(context_);
  }

  // Runs every copy once. Outputs and gradients are kept until their copy's next turn: if they were freed at
  // once, each call would find them in the cache.
  void go(bool backward) {
    for (OpRunner& runner : runners_) {
      runner.forward(backward);
      if (backward && !cotangents_.empty()) runner.backward(cotangents_);
    }
  }
  // The seconds of a call, over one stretch.
  double sample(bool backward, bool graph) {
    if (!graph) return seconds_on_device(context_, [&] { go(backward); }) / static_cast<double>(copies);
    auto& captured = graphs_[backward];
    if (!captured) {
      captured = std::make_unique<Graph>(context_, [&] { go(backward); });
      captured->replay();
      synchronize(context_);
    }
    // Without this replay the clock would start on an idle device and run while the host launches the graph.
    captured->replay();
    return seconds_on_device(context_, [&] { captured->replay(); }) / static_cast<double>(copies);
  }

  // The bytes that no backward pass can do without: each cotangent read, each gradient written.
  double least_backward_bytes() const { return least_backward_; }

  static constexpr double kSlow = 0.02;  // seconds
  std::vector<Shape> shapes;
  size_t copies = 1;
  bool slow = false;  // a call takes longer than kSlow: one sample of each series must do, and no graph

 private:
  // Normal numbers of the right size: ones would make the gradient of a softmax vanish.
  void make_cotangents(const Op& op) {
    runners_[0].forward();
    for (const size_t i : runners_[0].ends()) {
      const Tensor& output = runners_[0].outputs()[i];
      cotangents_.push_back(place(context_, {"", Kind::floating}, {output.shape(), {}}, output.dtype(), 99));
    }
    if (cotangents_.empty()) return;
    for (const Tensor& cotangent : cotangents_) least_backward_ += static_cast<double>(cotangent.bytes());
    for (size_t i = 0; i < op.inputs.size(); ++i)
      if (takes_gradient(op.inputs[i]))
        least_backward_ += static_cast<double>(runners_[0].inputs()[i].bytes());
  }

  Context context_;
  std::deque<OpRunner> runners_;  // each on its own copy of the inputs
  std::vector<Tensor> cotangents_;
  std::unique_ptr<Graph> graphs_[2];
  double least_backward_ = 0;
};

// --- Roofs ---

// Bytes per second of a stream, the best of its stretches: a roof is what the machine can do.
template <Device D>
Json stream_roofs(Context& context, bool dry) {
  const int64_t bytes = dry ? 1 << 14 : int64_t{1} << 30;
  const Tensor from = Tensor::zeros(context, {bytes / 4}, DType::i32);
  const Tensor to = Tensor::zeros(context, {bytes / 4}, DType::i32);
  const Tensor seen = Tensor::zeros(context, {Bandwidth<D>::kSeen}, DType::i32);
  const auto words = [](const Tensor& t) { return static_cast<uint32_t*>(t.raw()); };
  const auto best = [&](double moved, const std::function<void()>& work) {
    double least = 1e30;
    for (int i = 0; i < (dry ? 2 : 20); ++i) least = std::min(least, seconds_on_device(context, work));
    return moved / least * 1e-9;
  };
  const auto moved = static_cast<double>(bytes);
  return {{"copy", best(2 * moved, [&] { Bandwidth<D>::copy(context, bytes, words(from), words(to)); })},
          {"read", best(moved, [&] { Bandwidth<D>::read(context, bytes, words(from), words(seen)); })},
          {"write", best(moved, [&] { Bandwidth<D>::write(context, bytes, words(to)); })}};
}

Json stream_roofs(const Options& options) {
  Context context(options.device);
#ifdef SACCADE_SIMT
  if (options.device == Device::simt) return stream_roofs<Device::simt>(context, true);
#endif
#ifdef SACCADE_CUDA
  if (options.device == Device::cuda) return stream_roofs<Device::cuda>(context, false);
#endif
  return Json::object();  // cpu: bench_ops measures it
}

// Operations per second of our matmul op, which is the vendor's library where that is present.
double product_rate(const Options& options, DType dtype, Precision precision) {
  const Op& op = find_op("matmul");
  check(runs_on(op, options.device), "matmul has no version for ", name_of(options.device));
  const int64_t n = options.dry() ? 8 : 8192;
  const Case square{.name = "square", .inputs = {{{n, n}}, {{n, n}}}};
  Work work(options, op, square, dtype, precision);
  double least = 1e30;
  for (int i = 0; i < (options.dry() ? 2 : 10); ++i) least = std::min(least, work.sample(false, false));
  return 2.0 * std::pow(static_cast<double>(n), 3) / least * 1e-12;
}

Json measure_roofs(const Options& options) {
  Json roofs = {{"gigabytes_per_second", stream_roofs(options)}, {"teraflops", Json::object()}};
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16}) try {
      const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
      roofs["teraflops"][name_of(precision)] = product_rate(options, dtype, precision);
    } catch (const std::exception& error) {
      roofs["errors"][name_of(precision)] = error.what();
    }
  return roofs;
}

// --- Rows ---

struct Roofs {
  double bandwidth = 0, f32 = 0, bf16 = 0;  // bytes and operations per second; 0: not known

  explicit Roofs(const Json& json) : bandwidth(json["gigabytes_per_second"].value("copy", 0.0) * 1e9) {
    f32 = json["teraflops"].value("f32", 0.0) * 1e12;
    bf16 = json["teraflops"].value("bf16", 0.0) * 1e12;
  }
  // The least seconds that a floor allows. Only libraries are held to the rate of the matrix units.
  double seconds(const Floor& floor, bool library, DType dtype) const {
    const double rate = library ? (dtype == DType::bf16 ? bf16 : f32) : 0;
    return std::max(bandwidth > 0 ? floor.bytes / bandwidth : 0, rate > 0 ? floor.operations / rate : 0);
  }
};

Json in_microseconds(const std::vector<double>& seconds) {
  const Times times(seconds);
  return {{"p10", times.p10 * 1e6},
          {"median", times.median * 1e6},
          {"p90", times.p90 * 1e6},
          {"stretches", seconds.size()}};
}

bool is_forward_only(const Op& op, Kernels kernels) {
  return kernels == Kernels::plain && !op.plain_backward;
}

// The version of the op that a row measures.
std::string version_name(const Op& op, Kernels kernels) {
  return concat(name_of(kernels), is_forward_only(op, kernels) ? ", forward only" : "");
}

Json measure_case(const Options& options, const Op& op, const Case& test_case, DType dtype, Kernels kernels,
                  const Roofs& roofs) {
  Json row = {{"op", op.name}, {"case", test_case.name}, {"dtype", name_of(dtype)}, {"library", op.library}};
  if (op.versions) row["kernels"] = version_name(op, kernels);
  const bool forward_only = is_forward_only(op, kernels);
  Work work(options, op, test_case, dtype, Precision::f32, kernels);
  constexpr const char* kNames[] = {"forward_eager", "forward_graph", "both_eager", "both_graph"};
  std::vector<double> seconds[4];
  std::string refused[4];
  for (const double begin = now();;) {
    for (size_t k = 0; k < (forward_only ? 2u : 4u); ++k) {
      if (!refused[k].empty() || (work.slow && k % 2 == 1)) continue;
      if (k % 2 == 1 && !can_record(options.device)) {
        refused[k] = "no graphs here";
        continue;
      }
      try {
        seconds[k].push_back(work.sample(k >= 2, k % 2 == 1));
      } catch (const std::exception& error) {
        if (k % 2 == 0) throw;
        refused[k] = error.what();  // the op cannot be captured, and the row says so
      }
    }
    const double least = (seconds[0].size() < 10 ? 4 : 1) * options.seconds;
    if (options.dry() || work.slow || now() - begin >= least) break;
  }
  for (size_t k = 0; k < 4; ++k) {
    if (!seconds[k].empty())
      row[kNames[k]] = in_microseconds(seconds[k]);
    else if (!refused[k].empty())
      row["refused"][kNames[k]] = refused[k];
  }
  const int element = dtype == DType::bf16 ? 2 : 4;
  const Floor floor = op.floor(work.shapes, complete(op, test_case.attributes), element);
  const double least = roofs.seconds(floor, op.library, dtype);
  const double least_both =
      roofs.seconds({floor.bytes + work.least_backward_bytes(), 3 * floor.operations}, op.library, dtype);
  const auto share = [&](double floor_seconds, size_t eager) {
    const auto& taken = seconds[eager + 1].empty() ? seconds[eager] : seconds[eager + 1];
    return floor_seconds / Times(taken).median;
  };
  row["copies"] = work.copies;
  row["floor_bytes"] = floor.bytes;
  row["floor_operations"] = floor.operations;
  row["floor_us"] = least * 1e6;
  row["forward_share"] = share(least, 0);
  if (forward_only) return row;
  row["both_floor_us"] = least_both * 1e6;
  row["both_share"] = share(least_both, 2);
  return row;
}

template <class Visit>
void for_each_op(const Options& options, Visit&& visit) {
  for (const std::string& name : options.ops)
    check_input(runs_on(find_op(name), options.device), name, " has no version for ",
                name_of(options.device));
  for (const Op& op : all_ops())
    if (runs_on(op, options.device) &&
        (options.ops.empty() || std::count(options.ops.begin(), options.ops.end(), op.name) > 0))
      visit(op);
}

Json measure(const Options& options, bool& failed) {
  Json result = {{"rows", Json::array()}};
  if (options.roofs.empty()) {
    result["roofs"] = measure_roofs(options);
  } else {
    std::ifstream file(options.roofs);
    check_input(file.good(), options.roofs, " cannot be read");
    result["roofs"] = Json::parse(file);
  }
  const Roofs roofs(result["roofs"]);
  for_each_op(options, [&](const Op& op) {
    for (const Case& test_case : cases_of(op, options.shapes, options.dry()))
      for (const DType dtype : dtypes_of(options.device))
        for (const Kernels kernels : versions_of(op, options.device)) try {
            if (kernels == Kernels::plain && dtype != DType::f32) continue;  // one dtype says enough about it
            result["rows"].push_back(measure_case(options, op, test_case, dtype, kernels, roofs));
          } catch (const std::exception& error) {
            failed = true;
            result["rows"].push_back({{"op", op.name},
                                      {"case", test_case.name},
                                      {"dtype", name_of(dtype)},
                                      {"kernels", version_name(op, kernels)},
                                      {"error", error.what()}});
          }
  });
  return result;
}

// --- Correctness ---

Json check_ops(const Options& options, bool& failed) {
  Json result = {{"rows", Json::array()}};
  Context context(options.device);
  for_each_op(options, [&](const Op& op) {
    for (const DType dtype : dtypes_of(options.device))
      for (const Kernels kernels : versions_of(op, options.device)) {
        if (options.own && op.versions && op.library && kernels == Kernels::library) continue;
        context.kernels = kernels;
        Json row = {
            {"op", op.name}, {"dtype", name_of(dtype)}, {"cases", 0}, {"compared", 0}, {"worst", 0.0}};
        if (op.versions) row["kernels"] = version_name(op, kernels);
        for (const Case& test_case : op.cases) {
          if (options.small && !test_case.small) continue;
          std::string failure;
          try {
            const CheckResult found = check_parity(op, test_case, context, dtype);
            failure = found.failure;
            row["compared"] = row["compared"].get<int64_t>() + found.compared;
            row["worst"] = std::max(row["worst"].get<double>(), found.worst);
          } catch (const std::exception& error) {
            failure = concat(op.name, "/", test_case.name, ": ", error.what());
          }
          row["cases"] = row["cases"].get<int>() + 1;
          if (failure.empty()) continue;
          failed = true;
          row["failures"].push_back(failure);
        }
        result["rows"].push_back(row);
      }
  });
  return result;
}

// --- Taking turns with a peer ---

// Each line of stdin is a request, each line of stdout its answer, {"error": ...} where it fails:
//   {"prepare": op, "case": name, "dtype": "f32"}  ->  {"copies": n}
//   {"sample": "forward" or "both", "graph": true, "stretches": n}  ->  {"microseconds": [...]}
class Server {
 public:
  explicit Server(const Options& options) : options_(options) {}

  Json answer(const Json& request) {
    if (request.contains("prepare")) {
      work_.reset();
      op_ = &find_op(request["prepare"].get<std::string>());
      check_input(runs_on(*op_, options_.device), op_->name, " has no version for ",
                  name_of(options_.device));
      for (const Case& one : cases_of(*op_, options_.shapes, options_.dry()))
        if (one.name == request.at("case")) case_ = one;
      check_input(case_.has_value() && case_->name == request.at("case"), op_->name, " has no such case");
      work_ = std::make_unique<Work>(options_, *op_, *case_,
                                     request.at("dtype") == "bf16" ? DType::bf16 : DType::f32);
      return {{"copies", work_->copies}};
    }
    check_input(work_ != nullptr, "nothing is prepared");
    std::vector<double> taken;
    // A warm-up, because since the last turn the peer has used the caches and the clocks.
    work_->go(request.at("sample") == "both");
    for (int i = request.value("stretches", 1); i > 0; --i)
      taken.push_back(1e6 * work_->sample(request.at("sample") == "both", request.value("graph", false)));
    return {{"microseconds", taken}};
  }

 private:
  const Options& options_;
  const Op* op_ = nullptr;
  std::optional<Case> case_;
  std::unique_ptr<Work> work_;
};

void serve(const Options& options) {
  Server server(options);
  for (std::string line; std::getline(std::cin, line);) {
    Json answer;
    try {
      answer = server.answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::string device = "cuda";
  CLI::App app{"The GPU, op by op: its roofs, correctness against the oracle, and times against floors"};
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--device", device)->check(CLI::IsMember({"cuda", "simt", "cpu"}))->capture_default_str();
  app.add_option("--op", options.ops, "These ops alone, comma-separated")->delimiter(',');
  app.add_option("--shapes", options.shapes, "The benchmark cases")->capture_default_str();
  app.add_option("--roofs", options.roofs, "What `roofs` printed, instead of measuring them again");
  app.add_option("--seconds", options.seconds, "Of measuring, for each row")->capture_default_str();
  app.add_flag("--small", options.small, "Check the small cases alone");
  app.add_flag("--own", options.own, "Check the project's kernels alone, not the vendors'");
  for (const char* command : {"device", "roofs", "check", "measure", "serve", "list"})
    app.add_subcommand(command);
  CLI11_PARSE(app, argc, argv);
  options.device = device == "cuda" ? Device::cuda : device == "simt" ? Device::simt : Device::cpu;
  try {
    std::string reason;
    check_input(is_available(options.device, &reason), "device ", device, ": ", reason);
    bool failed = false;
    Json result;
    if (app.got_subcommand("device")) result = describe_device(options);
    if (app.got_subcommand("roofs")) result = measure_roofs(options);
    if (app.got_subcommand("check")) result = check_ops(options, failed);
    if (app.got_subcommand("measure")) result = measure(options, failed);
    if (app.got_subcommand("serve")) return serve(options), 0;
    if (app.got_subcommand("list"))
      for (const Op& op : all_ops())
        (runs_on(op, options.device) ? result["ops"] : result["without"]).push_back(op.name);
    std::cout << result.dump(1) << "\n";
    return failed ? 1 : 0;
  } catch (const InputError& error) {
    std::cerr << "bench_gpu: " << error.what() << "\n";
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu: " << error.what() << "\n";
    return 1;
  }
}
