// The one table of ops: what each is called, where its contract stands, how it runs, on which cases it is tested and
// what it must cost. Tests, benchmarks and tools/op all read it. It is the only global state, and nothing changes it
// once it is made. How to add an op: autograd/README.md.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "kernels/common/floor.h"

namespace saccade {

// What an input or output holds. Floating tensors take the dtype under test and carry gradients.
enum class Kind { floating, u8, i32, i64 };

struct Case;
using Pick = std::function<Bound(const Case&, const std::vector<std::vector<double>>& inputs, size_t position,
                                 int64_t index)>;

// An input or output of an op.
struct Port {
  std::string name;
  Kind kind = Kind::floating;
  bool differentiable = true;  // floating ones only: running statistics, say, take no gradient
  // A floating port that is f32 where the op runs in bf16: statistics, losses, the parameters of norms, the arenas of
  // an optimizer. In f32 and f64 it is like the others.
  bool stays_f32 = false;
  // For an output of indices: the number that the op looked at to choose `index` at this position of the output, by
  // the inputs of the case; NaN for an index that may not stand there. Rounding may then choose another one whose
  // number is as good within tolerance; an exact tie may not be broken otherwise. Without it indices must be equal.
  Pick pick = nullptr;
};

using Attributes = std::map<std::string, double>;  // every attribute is a number; switches are 0 or 1

struct AttributeSpec {
  std::string name;
  bool required = true;
  double fallback = 0;
  bool flag = false;  // 0 or 1 and nothing else
};

inline AttributeSpec flag(const char* name, bool fallback) {
  return {name, false, fallback ? 1.0 : 0.0, true};
}

// How a case fills one input. Values are a function of (case name, input index, position) alone.
struct Fill {
  enum Rule { normal, uniform, integers, constant, values } rule = normal;
  double low = 0, high = 1;       // uniform and integers: [low, high); normal: low + high * N(0,1)
  std::vector<double> list = {};  // values: in order, repeated
};

struct CaseInput {
  Shape shape;
  Fill fill = {};
};

struct Case {
  std::string name;
  std::vector<CaseInput> inputs;
  Attributes attributes = {};
  bool kink = false;     // values at a corner of the function: finite differences are skipped
  bool small = true;     // cheap enough for simt and for a full gradient check
  double tolerance = 0;  // c of this case, when it must differ from the op's; `why` says the reason
  std::string why = {};
};

using OpRun =
    std::function<std::vector<Variable>(Tape&, const std::vector<Variable>& inputs, const Attributes&)>;

struct Op {
  std::string name;
  // The header that states its equation, shapes and errors, from the top of the sources: the kernel's, or the
  // function's where the op is a composite.
  std::string contract;
  std::vector<Port> inputs, outputs;
  std::vector<AttributeSpec> attributes;
  // Runs the op on the tape's device in the dtype of its floating inputs. Random ops draw from tape.random.
  OpRun run = nullptr;
  // In place of `run`, where the kernel takes a table that the host makes of some inputs: makes the table, and returns
  // what runs the op on these inputs, as often as wanted, without more work of the host. See prepared().
  std::function<OpRun(Tape&, const std::vector<Variable>& inputs, const Attributes&)> prepare = nullptr;
  // Throws InputError for a label or an index that is out of range. A kernel on a device cannot throw, so this reads
  // the inputs on the host; tools/op calls it for values that come from a file, and no training step does.
  std::function<void(Context&, const std::vector<Tensor>& inputs, const Attributes&)> check_values = nullptr;
  std::vector<Case> cases;
  // Of the forward pass; element = bytes of a floating element.
  std::function<Floor(const std::vector<Shape>& inputs, const Attributes&, int element)> floor;
  std::vector<Device> devices = {Device::cpu};
  bool library = false;   // computed by a vendor library on some device
  bool versions = false;  // several kernels on CUDA, among which Context::kernels chooses: see versions_of()
  // Whether the plain version has a backward pass, too. Where it has none, Kernels::plain is "forward only", and
  // backward takes the fast kernels.
  bool plain_backward = false;
  bool composite = false;  // a function of other ops, whose weights are inputs; it has no kernel of its own
  // Why the gradient is on purpose not the derivative of the outputs; empty for nearly every op. Finite differences
  // would find such an op wrong, so it is held to its goldens instead.
  std::string stops_gradient = {};
  double tolerance = 8;  // c in |out - ref| <= c * eps * S + absolute
  double absolute = 1e-30;
};

// --- The table ---

const std::vector<Op>& all_ops();            // sorted by name
const Op& find_op(const std::string& name);  // InputError with the nearest name if there is none

// Each room that has ops lists them in registry/list.cpp, in alphabetical order. all_ops() calls the second function,
// once; the highest room that has a registry defines it (reid/registry/list.cpp), as it may include all the lists.
std::vector<Op> autograd_ops();
std::vector<Op> ops_of_all_rooms();

// The lists of several rooms as one, sorted by name. Error where a list is not in alphabetical order, where two ops
// have one name, and where an op has not exactly one of `run` and `prepare`; all have `run` afterwards.
std::vector<Op> joined(const std::vector<std::vector<Op>>& rooms);

// --- What an entry says ---

// The op on these inputs, so that it can be measured, or recorded and replayed: tables that the host
// makes are made here.
OpRun prepared(const Op& op, Tape& tape, const std::vector<Variable>& inputs, const Attributes& attributes);

// Outputs that take no gradient, for an OpRun to return.
std::vector<Variable> constants(Tape& tape, const std::vector<Tensor>& tensors);

// The devices of an op that has a CUDA version. Whether this build and this machine have them: is_available().
inline std::vector<Device> devices_with_gpu() {
  return {Device::cpu, Device::simt, Device::cuda};
}

// What Context::kernels may be for the op on a device: its default alone, or ours beside the vendor's, fast and plain.
std::vector<Kernels> versions_of(const Op& op, Device device);

// Whether a gradient flows to an input, or a cotangent comes to an output.
inline bool takes_gradient(const Port& port) {
  return port.kind == Kind::floating && port.differentiable;
}

DType dtype_for(const Port& port, DType floating);

// Fills in the attributes that have a fallback; InputError for an unknown or a missing one, and for a flag that is
// neither 0 nor 1.
Attributes complete(const Op& op, const Attributes& given);

// The attribute as a whole number; InputError if it is none (or beyond 2^53).
int64_t integer(const Attributes& attributes, const std::string& name);

// --- Cases ---

// The case with the most input elements.
const Case& largest_case(const Op& op);

// `count` numbers by the rule.
std::vector<double> filled(const Fill& fill, size_t count, PhiloxStream& random);

// The inputs of a case as host doubles, already rounded to the dtype under test.
std::vector<std::vector<double>> make_inputs(const Op& op, const Case& test_case, DType dtype);

// Puts such inputs on a device.
std::vector<Tensor> place_inputs(Context& context, const Op& op, const Case& test_case,
                                 const std::vector<std::vector<double>>& values, DType dtype);

}  // namespace saccade
