#include "layers/weights.h"

#include <set>

#include "tensor/weights/layout.h"

namespace saccade {

namespace {

// The shape that a file gives a parameter: OIHW for KRSC.
std::vector<int64_t> file_shape(const Parameter& p) {
  if (p.shape.rank() == 4) return {p.shape[0], p.shape[3], p.shape[1], p.shape[2]};
  return {p.shape.begin(), p.shape.end()};
}

void append(std::ostringstream& out, const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out << names.size() << ' ' << what << ':';
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    out << ' ' << names[i] << (i + 1 < names.size() ? "," : "");
  if (names.size() > kShown) out << " and " << names.size() - kShown << " more";
  out << '\n';
}

}  // namespace

std::string LoadReport::text() const {
  std::ostringstream out;
  out << loaded << " tensors loaded\n";
  append(out, "missing in the file", missing);
  append(out, "not part of the network", unexpected);
  append(out, "of another shape", reshaped);
  return out.str();
}

LoadReport load_weights(Context& context, ParameterArena& arena, const WeightFile& file) {
  LoadReport report;
  std::set<std::string> met;
  for (const HostTensor& tensor : file.tensors) {
    if (tensor.name.ends_with("num_batches_tracked")) continue;
    Parameter* p = arena.find(tensor.name);
    if (!p) {
      report.unexpected.push_back(tensor.name);
      continue;
    }
    met.insert(tensor.name);
    const bool floating =
        tensor.dtype == DType::f32 || tensor.dtype == DType::f64 || tensor.dtype == DType::bf16;
    if (tensor.shape != file_shape(*p) || !floating) {
      report.reshaped.push_back(concat(tensor.name, ": file ", name_of(tensor.dtype), " ",
                                       Shape(tensor.shape).text(), ", network ",
                                       Shape(file_shape(*p)).text()));
      continue;
    }
    const HostTensor ours = p->shape.rank() == 4 ? permute_oihw_to_krsc(tensor) : tensor;
    const Tensor value = Tensor::from_host(context, p->shape, ours.dtype, ours.bytes.data(),
                                           static_cast<size_t>(p->shape.count()));
    copy(context, p->value, converted(context, value, p->value.dtype()));
    ++report.loaded;
  }
  for (const Parameter& p : arena.all())
    if (!met.count(p.name)) report.missing.push_back(p.name);
  arena.refresh_bf16(context);
  return report;
}

std::vector<TensorView> weight_views(Context& context, const ParameterArena& arena,
                                     std::deque<std::vector<std::byte>>& keep) {
  std::vector<TensorView> views;
  for (const Parameter& p : arena.all()) {
    const void* data = p.value.raw();
    if (context.device() == Device::cuda) {
      keep.emplace_back(p.value.bytes());
      p.value.read(context, keep.back().data());
      data = keep.back().data();
    }
    views.push_back({p.name, p.value.dtype(), file_shape(p), data, p.shape.rank() == 4});
  }
  return views;
}

}  // namespace saccade
