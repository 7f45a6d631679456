// op: lists the registered ops, and runs one on the tensors of a safetensors file. This is how other software
// checks the kernels.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/op_run.h"
#include "kernels/common/device.h"
#include "kernels/common/text.h"
#include "reid/run/threads.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/json_text.h"
#include "tensor/weights/safetensors.h"
#include "tools/common/program.h"

using namespace saccade;

namespace {

// --- list ---

std::vector<std::string> names_of(const std::vector<Port>& ports) {
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name);
  return names;
}

std::vector<std::string> attributes_of(const Op& op) {
  std::vector<std::string> names;
  for (const AttributeSpec& spec : op.attributes) names.push_back(spec.name);
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void list(bool json) {
  auto array = nlohmann::ordered_json::array();
  for (const Op& op : all_ops()) {
    std::vector<std::string> devices;
    for (Device device : op.devices) devices.emplace_back(name_of(device));
    if (json) {
      array.push_back({{"name", op.name},
                       {"inputs", names_of(op.inputs)},
                       {"outputs", names_of(op.outputs)},
                       {"attrs", attributes_of(op)},
                       {"devices", devices},
                       {"contract", op.contract}});
    } else {
      std::vector<std::string> attributes;
      for (const AttributeSpec& spec : op.attributes)
        attributes.push_back(spec.required ? spec.name : concat(spec.name, "=", spec.fallback));
      std::cout << op.name << "(" << joined(names_of(op.inputs)) << ")"
                << (attributes.empty() ? "" : " [" + joined(attributes) + "]") << " -> "
                << joined(names_of(op.outputs)) << "   on " << joined(devices) << "   " << op.contract
                << "\n";
    }
  }
  if (json) std::cout << json_text(array, 1) << "\n";
}

// --- run ---

struct RunOptions {
  std::string op, in, out, device = "cpu";
  std::vector<std::string> attributes;
  bool gradients = false;
  int64_t seed = 0;
};

// "true" or "false", where the op has a flag of that name.
std::optional<double> flag_value(const Op& op, const std::string& name, const std::string& text) {
  if (text != "true" && text != "false") return std::nullopt;
  for (const AttributeSpec& spec : op.attributes)
    if (spec.name == name && spec.flag) return text == "true" ? 1 : 0;
  return std::nullopt;
}

Attributes parse_attributes(const Op& op, const std::vector<std::string>& given) {
  Attributes attributes;
  for (const std::string& text : given) {
    const size_t equals = text.find('=');
    check_input(equals != std::string::npos && equals > 0, "--attr ", printable(text), " is not key=value");
    const std::string name = text.substr(0, equals);
    const char *begin = text.data() + equals + 1, *end = text.data() + text.size();
    double value = 0;
    if (const auto flag = flag_value(op, name, {begin, end})) {
      value = *flag;
    } else {
      const auto parsed = std::from_chars(begin, end, value);
      check_input(parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(value), "--attr ",
                  printable(text), ": ", printable(std::string(begin, end)), " is not a number");
    }
    check_input(attributes.emplace(name, value).second, "--attr ", printable(name), " is given twice");
  }
  return attributes;
}

Device device_named(const Op& op, const std::string& name) {
  for (Device device : {Device::cpu, Device::simt, Device::cuda}) {
    if (name != name_of(device)) continue;
    std::string reason;
    check_input(is_available(device, &reason), "--device ", name, ": ", reason);
    check_input(std::find(op.devices.begin(), op.devices.end(), device) != op.devices.end(), op.name,
                " has no version for --device ", name);
    return device;
  }
  throw InputError(concat("--device ", printable(name), " is none of cpu, simt, cuda"));
}

const HostTensor& find_tensor(const WeightFile& file, const std::string& path, const std::string& name) {
  const HostTensor* tensor = file.find(name);
  const auto unread = file.unread.find(name);
  check_input(unread == file.unread.end(), path, ": tensor ", name, ": ",
              unread == file.unread.end() ? "" : unread->second);
  check_input(tensor != nullptr, path, ": there is no tensor ", name);
  return *tensor;
}

bool is_floating(DType dtype) {
  return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f64;
}

// The dtype that the op computes in: the one of its floating inputs.
DType floating_dtype(const Op& op, const WeightFile& file, const std::string& path) {
  // An input that stays f32 tells the dtype only where no other does.
  const bool others = std::any_of(op.inputs.begin(), op.inputs.end(), [](const Port& port) {
    return port.kind == Kind::floating && !port.stays_f32;
  });
  const HostTensor* first = nullptr;
  for (const Port& port : op.inputs) {
    if (port.kind != Kind::floating || (port.stays_f32 && others)) continue;
    const HostTensor& tensor = find_tensor(file, path, port.name);
    check_input(is_floating(tensor.dtype), path, ": ", port.name, " is ", name_of(tensor.dtype),
                ", not f32, bf16 or f64");
    if (!first) first = &tensor;
    check_input(tensor.dtype == first->dtype, path, ": ", port.name, " is ", name_of(tensor.dtype), " but ",
                first->name, " is ", name_of(first->dtype));
  }
  return first ? first->dtype : DType::f32;
}

void refuse_unexpected(const Op& op, const WeightFile& file, const std::string& path) {
  std::vector<std::string> known = names_of(op.inputs);
  for (const Port& port : op.outputs)
    if (port.kind == Kind::floating) known.push_back("grad_" + port.name);
  const auto check_name = [&](const std::string& name) {
    check_input(std::find(known.begin(), known.end(), name) != known.end(), path, ": ", op.name,
                " takes no tensor ", printable(name), "; the nearest is ", nearest(name, known));
  };
  for (const HostTensor& tensor : file.tensors) check_name(tensor.name);
  for (const auto& [name, why] : file.unread) check_name(name);
}

Tensor on_device(Context& context, const HostTensor& tensor, const std::string& path) {
  check_input(tensor.shape.size() <= static_cast<size_t>(Shape::kMaxRank), path, ": ", tensor.name, " has ",
              tensor.shape.size(), " dimensions");
  const Shape shape(tensor.shape);
  return Tensor::from_host(context, shape, tensor.dtype, tensor.bytes.data(),
                           static_cast<size_t>(shape.count()));
}

HostTensor on_host(Context& context, const Tensor& tensor, const std::string& name) {
  HostTensor host{name, tensor.dtype(), {tensor.shape().begin(), tensor.shape().end()}, {}};
  host.bytes.resize(tensor.bytes());
  tensor.read(context, host.bytes.data());
  return host;
}

// The cotangents in the file: one for each output that has a gradient, of which `ends` takes those
// that an input reaches.
std::vector<Tensor> read_cotangents(Context& context, const Op& op, const OpRunner& runner,
                                    const WeightFile& file, const std::string& path) {
  std::vector<Tensor> cotangents;
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    if (!takes_gradient(op.outputs[i])) continue;
    const HostTensor& grad = find_tensor(file, path, "grad_" + op.outputs[i].name);
    const Tensor& output = runner.outputs()[i];
    check_input(grad.dtype == output.dtype(), path, ": ", grad.name, " is ", name_of(grad.dtype), ", but ",
                op.outputs[i].name, " is ", name_of(output.dtype()));
    const Tensor cotangent = on_device(context, grad, path);
    check_input(cotangent.shape() == output.shape(), path, ": ", grad.name, " has shape ",
                cotangent.shape().text(), ", but ", op.outputs[i].name, " has ", output.shape().text());
    const auto& ends = runner.ends();
    if (std::find(ends.begin(), ends.end(), i) != ends.end()) cotangents.push_back(cotangent);
  }
  return cotangents;
}

std::vector<Tensor> read_inputs(Context& context, const Op& op, const WeightFile& file,
                                const std::string& path) {
  const DType dtype = floating_dtype(op, file, path);
  std::vector<Tensor> inputs;
  for (const Port& port : op.inputs) {
    const HostTensor& tensor = find_tensor(file, path, port.name);
    const DType expected = dtype_for(port, dtype);
    check_input(tensor.dtype == expected, path, ": ", port.name, " is ", name_of(tensor.dtype), ", not ",
                name_of(expected));
    inputs.push_back(on_device(context, tensor, path));
  }
  return inputs;
}

WeightFile compute(const Op& op, const RunOptions& options, const WeightFile& file,
                   const Attributes& attributes, Context& context) {
  const std::vector<Tensor> inputs = read_inputs(context, op, file, options.in);
  if (op.check_values) op.check_values(context, inputs, attributes);
  OpRunner runner(context, op, inputs, attributes);
  runner.random = Tensor::from<int64_t>(context, {2}, {options.seed, 0});
  runner.forward(options.gradients);
  WeightFile result;
  for (size_t i = 0; i < op.outputs.size(); ++i)
    result.tensors.push_back(on_host(context, runner.outputs()[i], op.outputs[i].name));
  if (!options.gradients) return result;
  runner.backward(read_cotangents(context, op, runner, file, options.in));
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (op.inputs[i].kind != Kind::floating) continue;
    const Tensor grad = takes_gradient(op.inputs[i])
                            ? runner.gradient(i)
                            : Tensor::zeros(context, inputs[i].shape(), inputs[i].dtype());
    result.tensors.push_back(on_host(context, grad, "grad_" + op.inputs[i].name));
  }
  return result;
}

void run(const RunOptions& options) {
  const Op& op = find_op(options.op);
  const Attributes attributes = complete(op, parse_attributes(op, options.attributes));
  const Device device = device_named(op, options.device);
  check_output(options.out);  // now, and not after all the work
  const WeightFile file = read_safetensors(options.in);
  for (const Port& port : op.inputs) find_tensor(file, options.in, port.name);
  refuse_unexpected(op, file, options.in);
  Context context(device, 0, default_threads(print_notice));
  WeightFile result;
  try {
    result = compute(op, options, file, attributes, context);
  } catch (const InputError& error) {
    const std::string reason = error.what();
    throw InputError(reason.rfind(options.in, 0) == 0 ? reason : options.in + ": " + reason);
  } catch (const Error& error) {
    // An op refuses what it is given, and all that it is given comes from the file and the command line.
    throw InputError(concat(options.in, ": ", error.what()));
  }
  write_safetensors(options.out, result);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Lists the registered ops, or runs one on the tensors of a safetensors file."};
  app.require_subcommand(1);
  bool json = false;
  RunOptions options;
  CLI::App* list_command = app.add_subcommand(
      "list", "the ops with their inputs, attributes, outputs and the header of their contract");
  list_command->add_flag("--json", json, "as a JSON array");
  CLI::App* run_command = app.add_subcommand(
      "run",
      "run one op; the file holds its inputs by name, and with --grad also grad_<output> for each output");
  run_command->add_option("name", options.op, "the op")->required();
  run_command->add_option("--in", options.in, "safetensors file with the inputs: f32, bf16 or f64")
      ->required();
  run_command->add_option("--out", options.out, "safetensors file for the outputs and grad_<input>")
      ->required();
  run_command->add_option("--attr", options.attributes, "key=value; once for each attribute")
      ->allow_extra_args(false);
  run_command->add_flag("--grad", options.gradients, "run backward, too, and write the gradients");
  run_command->add_option("--device", options.device, "cpu, simt or cuda")->capture_default_str();
  run_command->add_option("--seed", options.seed, "of ops that draw random numbers")->capture_default_str();
  return run_program("op", app, argc, argv, [&] {
    if (list_command->parsed()) return list(json);
    run(options);
  });
}
