#include "autograd/registry/registry.h"

#include <algorithm>
#include <cmath>

#include "kernels/common/hash.h"
#include "kernels/common/text.h"

namespace saccade {

namespace {
double rounded(double value, DType dtype) {
  if (dtype == DType::f32) return static_cast<float>(value);
  if (dtype == DType::bf16) return static_cast<float>(bf16(static_cast<float>(value)));
  return value;
}
}  // namespace

const std::vector<Op>& all_ops() {
  static const std::vector<Op> ops = ops_of_all_rooms();
  return ops;
}

std::vector<Op> joined(const std::vector<std::vector<Op>>& rooms) {
  const auto by_name = [](const Op& a, const Op& b) { return a.name < b.name; };
  std::vector<Op> all;
  for (const std::vector<Op>& room : rooms) {
    for (size_t i = 1; i < room.size(); ++i)
      check(!by_name(room[i], room[i - 1]), "the list of ops is not in alphabetical order: ", room[i].name,
            " stands behind ", room[i - 1].name);
    all.insert(all.end(), room.begin(), room.end());
  }
  std::sort(all.begin(), all.end(), by_name);
  for (size_t i = 1; i < all.size(); ++i)
    check(all[i].name != all[i - 1].name, "two ops are called ", all[i].name);
  for (Op& op : all) {
    check((op.run == nullptr) != (op.prepare == nullptr), op.name, " needs one of `run` and `prepare`");
    if (op.prepare)
      op.run = [prepare = op.prepare](Tape& tape, const std::vector<Variable>& in, const Attributes& a) {
        return prepare(tape, in, a)(tape, in, a);
      };
  }
  return all;
}

OpRun prepared(const Op& op, Tape& tape, const std::vector<Variable>& inputs, const Attributes& attributes) {
  return op.prepare ? op.prepare(tape, inputs, attributes) : op.run;
}

std::vector<Variable> constants(Tape& tape, const std::vector<Tensor>& tensors) {
  std::vector<Variable> variables;
  for (const Tensor& tensor : tensors) variables.push_back(tape.constant(tensor));
  return variables;
}

const Op& find_op(const std::string& name) {
  std::vector<std::string> names;
  for (const Op& op : all_ops()) {
    if (op.name == name) return op;
    names.push_back(op.name);
  }
  throw InputError(concat("no op is called ", name, "; the nearest is ", nearest(name, names)));
}

int64_t integer(const Attributes& attributes, const std::string& name) {
  const double value = attributes.at(name);
  check_input(std::fabs(value) <= 0x1p53 && value == std::floor(value), "attribute ", name, " = ", value,
              " is not a whole number");
  return static_cast<int64_t>(value);
}

DType dtype_for(const Port& port, DType floating) {
  switch (port.kind) {
    case Kind::floating:
      return port.stays_f32 && floating == DType::bf16 ? DType::f32 : floating;
    case Kind::u8:
      return DType::u8;
    case Kind::i32:
      return DType::i32;
    case Kind::i64:
      return DType::i64;
  }
  return floating;
}

std::vector<Kernels> versions_of(const Op& op, Device device) {
  if (!op.versions || device == Device::cpu || device == Device::reference) return {Kernels::library};
  if (op.library && device == Device::cuda) return {Kernels::library, Kernels::own, Kernels::plain};
  return {Kernels::own, Kernels::plain};
}

const Case& largest_case(const Op& op) {
  const auto count = [](const Case& test_case) {
    int64_t sum = 0;
    for (const CaseInput& input : test_case.inputs) sum += input.shape.count();
    return sum;
  };
  return *std::max_element(op.cases.begin(), op.cases.end(),
                           [&](const Case& a, const Case& b) { return count(a) < count(b); });
}

std::vector<double> filled(const Fill& fill, size_t count, PhiloxStream& random) {
  std::vector<double> values(count);
  for (size_t k = 0; k < count; ++k) switch (fill.rule) {
      case Fill::normal:
        values[k] = fill.low + fill.high * random.normal();
        break;
      case Fill::uniform:
        values[k] = fill.low + (fill.high - fill.low) * random.uniform();
        break;
      case Fill::integers:
        values[k] = fill.low + random.below(static_cast<uint32_t>(std::max(1.0, fill.high - fill.low)));
        break;
      case Fill::constant:
        values[k] = fill.low;
        break;
      case Fill::values:
        values[k] = fill.list[k % fill.list.size()];
        break;
    }
  return values;
}

std::vector<std::vector<double>> make_inputs(const Op& op, const Case& test_case, DType dtype) {
  check(test_case.inputs.size() == op.inputs.size(), op.name, ", case ", test_case.name, ": ",
        test_case.inputs.size(), " inputs, not ", op.inputs.size());
  std::vector<std::vector<double>> all;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const CaseInput& input = test_case.inputs[i];
    PhiloxStream random(hash_of(op.name + "/" + test_case.name), i);
    all.push_back(filled(input.fill, static_cast<size_t>(input.shape.count()), random));
    if (op.inputs[i].kind == Kind::floating)
      for (double& value : all.back()) value = rounded(value, dtype);
  }
  return all;
}

std::vector<Tensor> place_inputs(Context& context, const Op& op, const Case& test_case,
                                 const std::vector<std::vector<double>>& values, DType dtype) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const Tensor exact = Tensor::from(context, test_case.inputs[i].shape, values[i]);
    inputs.push_back(converted(context, exact, dtype_for(op.inputs[i], dtype)));
  }
  return inputs;
}

Attributes complete(const Op& op, const Attributes& given) {
  Attributes full;
  std::vector<std::string> names;
  for (const AttributeSpec& spec : op.attributes) {
    names.push_back(spec.name);
    const auto found = given.find(spec.name);
    check_input(found != given.end() || !spec.required, op.name, " needs the attribute ", spec.name);
    const double value = found != given.end() ? found->second : spec.fallback;
    check_input(!spec.flag || value == 0 || value == 1, op.name, ": ", spec.name,
                " is 0, 1, true or false, not ", value);
    full[spec.name] = value;
  }
  for (const auto& [name, value] : given)
    check_input(full.count(name) == 1, op.name, " has no attribute ", name,
                names.empty() ? std::string() : "; the nearest is " + nearest(name, names));
  return full;
}

}  // namespace saccade
