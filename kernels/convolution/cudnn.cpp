#include "kernels/convolution/cudnn.h"

#include "kernels/common/vendor_library.h"

#ifdef SACCADE_CUDNN

#include <cudnn_backend.h>

#include <algorithm>
#include <array>
#include <limits>
#include <sstream>
#include <utility>

#include "kernels/common/device.h"

namespace saccade::cudnn {

namespace {

constexpr int64_t kAlignmentBytes = 16;               // the alignment of the pointers that a plan is made for
constexpr size_t kTimed = 8;                          // how many plans are timed where the context tunes
constexpr int64_t kMostWorkspace = int64_t{1} << 30;  // in bytes; a plan that wants more is passed over

VendorLibrary& library() {
  static VendorLibrary opened("libcudnn.so.9");
  return opened;
}

// The functions of cuDNN that this file calls, each looked up once.
struct Functions {
#define SACCADE_CUDNN_FUNCTION(name) decltype(&::name) name = library().function<decltype(::name)>(#name)
  SACCADE_CUDNN_FUNCTION(cudnnBackendCreateDescriptor);
  SACCADE_CUDNN_FUNCTION(cudnnBackendDestroyDescriptor);
  SACCADE_CUDNN_FUNCTION(cudnnBackendSetAttribute);
  SACCADE_CUDNN_FUNCTION(cudnnBackendGetAttribute);
  SACCADE_CUDNN_FUNCTION(cudnnBackendFinalize);
  SACCADE_CUDNN_FUNCTION(cudnnBackendExecute);
  SACCADE_CUDNN_FUNCTION(cudnnCreate);
  SACCADE_CUDNN_FUNCTION(cudnnDestroy);
  SACCADE_CUDNN_FUNCTION(cudnnSetStream);
  SACCADE_CUDNN_FUNCTION(cudnnGetErrorString);
  SACCADE_CUDNN_FUNCTION(cudnnGetVersion);
#undef SACCADE_CUDNN_FUNCTION
};
const Functions& cudnn() {
  static const Functions functions;
  return functions;
}

void require(cudnnStatus_t status, const char* what) {
  check(status == CUDNN_STATUS_SUCCESS, "cuDNN: ", what, ": ", cudnn().cudnnGetErrorString(status));
}

// A descriptor of cuDNN's backend: graphs, engines and plans are made of them.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    require(cudnn().cudnnBackendCreateDescriptor(type, &made), "create a descriptor");
    raw_ = std::shared_ptr<void>(made, [](void* p) { cudnn().cudnnBackendDestroyDescriptor(p); });
  }
  explicit Descriptor(std::shared_ptr<void> raw) : raw_(std::move(raw)) {}

  cudnnBackendDescriptor_t get() const { return raw_.get(); }
  const std::shared_ptr<void>& shared() const { return raw_; }

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* values) {
    require(cudnn().cudnnBackendSetAttribute(get(), name, type, count, values),
            concat("set attribute ", static_cast<int>(name)).c_str());
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.data());
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value) {
    cudnnBackendDescriptor_t raw = value.get();
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  }
  cudnnStatus_t try_finalize() { return cudnn().cudnnBackendFinalize(get()); }
  Descriptor& finalize(const char* what) {
    require(try_finalize(), what);
    return *this;
  }

  // Reads the first `capacity` values of an attribute; returns how many there are.
  int64_t read(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t capacity,
               void* values) const {
    int64_t count = 0;
    require(cudnn().cudnnBackendGetAttribute(get(), name, type, capacity, &count, values),
            concat("read attribute ", static_cast<int>(name)).c_str());
    return count;
  }
  int64_t read_int(cudnnBackendAttributeName_t name) const {
    int64_t value = 0;
    read(name, CUDNN_TYPE_INT64, 1, &value);
    return value;
  }

 private:
  std::shared_ptr<void> raw_;
};

// The device on which a plan will run: that of a handle, or one that is only described.
struct Target {
  cudnnHandle_t handle = nullptr;
  std::shared_ptr<void> described;

  void set(Descriptor& to, cudnnBackendAttributeName_t as_handle,
           cudnnBackendAttributeName_t as_described) const {
    if (handle)
      to.set(as_handle, CUDNN_TYPE_HANDLE, 1, &handle);
    else
      to.set(as_described, Descriptor(described));
  }
};

enum Id : int64_t { kX = 'x', kW = 'w', kY = 'y' };

// A tensor whose channels lie innermost. cuDNN lists dimensions as n, c, h, w whatever the order in memory.
Descriptor tensor(Id id, int64_t n, int64_t c, int64_t h, int64_t w, bool bf16) {
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const cudnnDataType_t type = bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
  d.set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
  d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {kAlignmentBytes});
  return d.finalize("a tensor");
}

Descriptor convolution(const Conv2dShape& s) {
  Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {s.pad_h, s.pad_w});
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.pad_h, s.pad_w});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.stride_h, s.stride_w});
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  return d.finalize("a convolution");
}

// cuDNN's names for the attributes of one pass.
struct PassNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, alpha, beta, x, w, y;
};
PassNames names_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
    case Pass::data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};
  }
}

// The graph of the problem: a single operation.
Descriptor graph(const Problem& problem, const Target& target) {
  const Conv2dShape& s = problem.shape;
  const PassNames names = names_of(problem.pass);
  const float one = 1, zero = 0;
  Descriptor operation(names.type);
  operation.set(names.convolution, convolution(s));
  operation.set(names.x, tensor(kX, s.n, s.c, s.h, s.w, problem.bf16));
  operation.set(names.w, tensor(kW, s.k, s.c, s.r, s.s, problem.bf16));
  operation.set(names.y, tensor(kY, s.n, s.k, s.p(), s.q(), problem.bf16));
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1, &one);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, 1, &zero);
  operation.finalize("an operation");
  Descriptor d(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (target.handle) d.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  d.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  return d.finalize("an operation graph");
}

// The engine configurations that cuDNN proposes, its best guess first.
std::vector<Descriptor> candidates(const Descriptor& of_graph, cudnnBackendHeurMode_t mode,
                                   const Target& target) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, of_graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (!target.handle) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, Descriptor(target.described));
  if (heuristic.try_finalize() != CUDNN_STATUS_SUCCESS) return {};  // cuDNN knows no engine
  int64_t count = 0;
  if (cudnn().cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                       CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count,
                                       nullptr) != CUDNN_STATUS_SUCCESS)
    return {};
  std::vector<Descriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(configurations.back().get());
  }
  const int64_t given =
      heuristic.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, raw.data());
  configurations.erase(configurations.begin() + std::min(given, count), configurations.end());
  return configurations;
}

Descriptor engine_of(const Descriptor& configuration) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  configuration.read(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  return engine;
}

// The numerical notes of an engine, one bit for each.
uint32_t notes_of(const Descriptor& engine) {
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  const int64_t count = engine.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                    CUDNN_NUMERICAL_NOTE_TYPE_COUNT, notes);
  uint32_t all = 0;
  for (int64_t i = 0; i < std::min<int64_t>(count, CUDNN_NUMERICAL_NOTE_TYPE_COUNT); ++i)
    all |= 1u << notes[i];
  return all;
}

uint32_t refused_notes(const Problem& problem) {
  uint32_t all = 0;
  for (const auto note :
       {CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
        CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4,
        CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13})
    all |= 1u << note;
  if (!problem.bf16 && !problem.tf32)
    all |= 1u << CUDNN_NUMERICAL_NOTE_TENSOR_CORE | 1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
  return all;
}

// An engine and its settings as text: "engine 38 2=1 14=0".
std::string recipe_of(const Descriptor& configuration) {
  std::string text = concat("engine ", engine_of(configuration).read_int(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  std::vector<Descriptor> settings;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; ++i) {
    settings.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    raw.push_back(settings.back().get());
  }
  const int64_t count = configuration.read(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                           CUDNN_KNOB_TYPE_COUNTS, raw.data());
  for (int64_t i = 0; i < count; ++i) {
    const Descriptor& setting = settings[static_cast<size_t>(i)];
    cudnnBackendKnobType_t type{};
    setting.read(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    text += concat(" ", static_cast<int>(type), "=", setting.read_int(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return text;
}

Descriptor configuration_of(const std::string& recipe, const Descriptor& of_graph, const Target& target) {
  std::istringstream text(recipe);
  std::string word;
  int64_t index = -1, value = 0;
  const auto require_text = [&](bool good) { check(good, "cuDNN: \"", recipe, "\" describes no plan"); };
  require_text(text >> word >> index && word == "engine");
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, of_graph);
  engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, {index});
  if (!target.handle) engine.set(CUDNN_ATTR_ENGINE_DEVICEPROP, Descriptor(target.described));
  engine.finalize("an engine");
  std::vector<Descriptor> settings;
  std::vector<cudnnBackendDescriptor_t> raw;
  int number = 0;
  char equals = 0;
  while (text >> number) {
    require_text(text >> equals >> value && equals == '=');
    const auto type = static_cast<cudnnBackendKnobType_t>(number);
    Descriptor& setting = settings.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    setting.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    setting.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, {value});
    raw.push_back(setting.finalize("an engine's setting").get());
  }
  require_text(text.eof());
  Descriptor configuration(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  configuration.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!raw.empty())
    configuration.set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                      static_cast<int64_t>(raw.size()), raw.data());
  return configuration.finalize("an engine's configuration");
}

struct Plan {
  Choice choice;
  std::shared_ptr<void> descriptor;
};

// Makes `plan` from a configuration; false if cuDNN does not finalize it, or if it wants too much memory.
bool finalize(Plan& plan, const Descriptor& configuration, const Target& target) {
  Descriptor made(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  target.set(made, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  made.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (made.try_finalize() != CUDNN_STATUS_SUCCESS) return false;
  plan.choice.workspace_bytes = made.read_int(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (plan.choice.workspace_bytes > kMostWorkspace) return false;
  plan.choice.found = true;
  plan.choice.engine = engine_of(configuration).read_int(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  plan.choice.recipe = recipe_of(configuration);
  plan.descriptor = made.shared();
  return true;
}

// At most `most` plans that may run, cuDNN's best guess first; if there is none, one whose choice says why.
std::vector<Plan> make_plans(const Problem& problem, const Target& target, size_t most) {
  std::vector<Plan> plans;
  Choice tally;
  const Descriptor of_graph = graph(problem, target);
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (const Descriptor& configuration : candidates(of_graph, mode, target)) {
      const uint32_t notes = notes_of(engine_of(configuration));
      if (notes & refused_notes(problem)) {
        ++tally.refused;
        tally.nondeterministic += (notes >> CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC & 1u) != 0;
        continue;
      }
      Plan plan{tally, nullptr};
      if (!finalize(plan, configuration, target)) {
        ++tally.failed;
        continue;
      }
      plans.push_back(std::move(plan));
      if (plans.size() == most) return plans;
    }
  if (!plans.empty()) return plans;
  tally.reason = concat("cuDNN ", version(), " has no plan for it (", tally.refused, " refused, ",
                        tally.failed, " failed)");
  return {{tally, nullptr}};
}

// The plan of a recipe. Its engine's notes are read again: a recipe must not bring back what is refused.
Plan plan_of_recipe(const Problem& problem, const Target& target, const std::string& recipe) {
  const Descriptor configuration = configuration_of(recipe, graph(problem, target), target);
  Plan plan;
  check(
      !(notes_of(engine_of(configuration)) & refused_notes(problem)) && finalize(plan, configuration, target),
      "cuDNN ", version(), " does not make the plan \"", recipe, "\"");
  return plan;
}

// cuDNN's state for one context.
struct Handle {
  cudnnHandle_t handle = nullptr;
  std::string reason;  // why handle is null

  explicit Handle(Context& context) {
    if (!library().is_available(&reason)) return;
    const cudnnStatus_t status = cudnn().cudnnCreate(&handle);
    if (status != CUDNN_STATUS_SUCCESS) {
      handle = nullptr;
      reason = concat("cuDNN does not start: ", cudnn().cudnnGetErrorString(status));
      return;
    }
    require(cudnn().cudnnSetStream(handle, static_cast<cudaStream_t>(context.stream())), "set the stream");
  }
  Handle(Handle&& other) noexcept
      : handle(std::exchange(other.handle, nullptr)), reason(std::move(other.reason)) {}
  ~Handle() {
    if (handle) cudnn().cudnnDestroy(handle);
  }
};

Handle& handle_of(Context& context) {
  return context.plan<Handle>("", [&] { return Handle(context); });
}

// The addresses of x, w and y.
using Pointers = std::array<const void*, 3>;

cudnnStatus_t execute(Context& context, const Plan& plan, const Pointers& pointers) {
  const Context::Scratch scratch(context, static_cast<size_t>(plan.choice.workspace_bytes));
  const int64_t ids[] = {kX, kW, kY};
  const void* workspace = scratch.as<char>();
  Descriptor arguments(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  arguments.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
  arguments.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data());
  arguments.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  arguments.finalize("the arguments of a plan");
  return cudnn().cudnnBackendExecute(handle_of(context).handle, plan.descriptor.get(), arguments.get());
}

// The plan that takes the least time in the best of its three stretches; the first plan where none runs. All
// write the same output, which the caller then writes once more.
const Plan& fastest(Context& context, const std::vector<Plan>& plans, const Pointers& pointers) {
  constexpr int kStretches = 3, kRuns = 5;
  const Plan* best = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const Plan& plan : plans) {
    if (!plan.choice.found || execute(context, plan, pointers) != CUDNN_STATUS_SUCCESS) continue;
    double seconds = std::numeric_limits<double>::infinity();  // the execution above was the warm-up
    for (int i = 0; i < kStretches; ++i)
      seconds = std::min(seconds, seconds_on_device(context, [&] {
                           for (int run = 0; run < kRuns; ++run) execute(context, plan, pointers);
                         }));
    if (best && seconds >= least) continue;
    least = seconds;
    best = &plan;
  }
  return best ? *best : plans.front();
}

// The key of a problem in Context::tuned. The plan was timed for the device and the cuDNN that it names.
std::string name_of(Context& context, const Problem& p) {
  const Conv2dShape& s = p.shape;
  return concat(device_name(context), ", cuDNN ", version(), ": conv2d ", cudnn::name_of(p.pass), ", ",
                p.bf16   ? "bf16"
                : p.tf32 ? "tf32"
                         : "f32",
                ", ", s.n, "x", s.h, "x", s.w, "x", s.c, " by ", s.k, "x", s.r, "x", s.s, ", stride ",
                s.stride_h, "x", s.stride_w, ", padding ", s.pad_h, "x", s.pad_w);
}

// The plan of a problem, made once. `pointers` may be null where the context does not tune.
Plan& plan_of(Context& context, const Problem& p, const Pointers* pointers) {
  const Conv2dShape& s = p.shape;
  const int64_t key[] = {s.n,    s.h,        s.w,          s.c,     s.k,     s.r,
                         s.s,    s.stride_h, s.stride_w,   s.pad_h, s.pad_w, static_cast<int64_t>(p.pass),
                         p.bf16, p.tf32,     context.tunes};
  return context.plan<Plan>(std::string(reinterpret_cast<const char*>(key), sizeof key), [&] {
    Plan none;
    const Handle& handle = handle_of(context);
    none.choice.reason = handle.reason;
    if (!handle.handle) return none;
    if (p.bf16 && compute_capability(context) < 80) {
      none.choice.reason = "bf16 needs sm_80 or newer";
      return none;
    }
    const Target target{handle.handle, nullptr};
    if (!context.tunes) return make_plans(p, target, 1).front();
    const std::string name = name_of(context, p);
    const auto known = context.tuned.find(name);
    if (known != context.tuned.end()) return plan_of_recipe(p, target, known->second);
    check(pointers != nullptr, "a plan is timed where it first runs");
    const std::vector<Plan> plans = make_plans(p, target, kTimed);
    Plan chosen = fastest(context, plans, *pointers);
    if (chosen.choice.found) context.tuned[name] = chosen.choice.recipe;
    return chosen;
  });
}

}  // namespace

bool is_available(std::string* reason) {
  return library().is_available(reason);
}

std::string version() {
  const size_t number = cudnn().cudnnGetVersion();  // 91900
  return concat(number / 10000, ".", number / 100 % 100, ".", number % 100);
}

DescribedDevice::DescribedDevice(const std::string& json) {
  Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<int64_t>(json.size()),
        json.data());
  descriptor_ = d.finalize("a device's description").shared();
}

Choice DescribedDevice::plan(const Problem& problem) const {
  return plans(problem, 1).front();
}

std::vector<Choice> DescribedDevice::plans(const Problem& problem, int most) const {
  std::vector<Choice> choices;
  for (const Plan& plan : make_plans(problem, {nullptr, descriptor_}, static_cast<size_t>(most)))
    choices.push_back(plan.choice);
  return choices;
}

Choice DescribedDevice::plan(const Problem& problem, const std::string& recipe) const {
  return plan_of_recipe(problem, {nullptr, descriptor_}, recipe).choice;
}

Choice choice(Context& context, const Problem& problem) {
  return plan_of(context, problem, nullptr).choice;
}

bool run(Context& context, const Problem& problem, const void* x, const void* w, const void* y) {
  const Pointers pointers = {x, w, y};
  for (const void* p : pointers)
    if (reinterpret_cast<uintptr_t>(p) % kAlignmentBytes != 0) return false;
  const Plan& plan = plan_of(context, problem, &pointers);
  if (!plan.choice.found) return false;
  require(execute(context, plan, pointers),
          concat("run a convolution (", cudnn::name_of(problem.pass), ", ", plan.choice.recipe, ")").c_str());
  return true;
}

}  // namespace saccade::cudnn

#else  // built without cuDNN's headers

namespace saccade::cudnn {

namespace {
constexpr const char* kMissing = "this binary was built without cuDNN";
}

bool is_available(std::string* reason) {
  if (reason) *reason = kMissing;
  return false;
}
std::string version() {
  return "none";
}
DescribedDevice::DescribedDevice(const std::string&) {
  throw Error(kMissing);
}
Choice DescribedDevice::plan(const Problem&) const {
  throw Error(kMissing);
}
std::vector<Choice> DescribedDevice::plans(const Problem&, int) const {
  throw Error(kMissing);
}
Choice DescribedDevice::plan(const Problem&, const std::string&) const {
  throw Error(kMissing);
}
Choice choice(Context&, const Problem&) {
  Choice none;
  none.reason = kMissing;
  return none;
}
bool run(Context&, const Problem&, const void*, const void*, const void*) {
  return false;
}

}  // namespace saccade::cudnn

#endif

namespace saccade::cudnn {

const char* name_of(Pass pass) {
  return pass == Pass::forward ? "forward" : pass == Pass::data ? "data gradient" : "weight gradient";
}

}  // namespace saccade::cudnn
