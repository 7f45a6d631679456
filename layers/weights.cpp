#include "layers/weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

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

// A network's parameters by name.
using Parameters = std::map<std::string_view, Parameter*>;

bool can_load(const HostTensor& tensor, const Parameter& p) {
  const bool floating =
      tensor.dtype == DType::f32 || tensor.dtype == DType::f64 || tensor.dtype == DType::bf16;
  return floating && tensor.shape == file_shape(p);
}

bool is_unused(const std::string& name) {
  return name.ends_with("num_batches_tracked");
}

// nn.Sequential(*resnet.children()) calls the parts of a residual network by their places, where ReLU and pooling are
// counted: "base.4.0.conv1.weight" is "base.layer1.0.conv1.weight". Any other name stays as it is.
std::string named_by_place(std::string_view name) {
  constexpr std::array<const char*, 8> kParts = {"conv1",  "bn1",    nullptr,  nullptr,
                                                 "layer1", "layer2", "layer3", "layer4"};
  for (size_t start = 0; start + 1 < name.size(); start = name.find('.', start) + 1) {
    const int place = name[start] - '0';
    if (name[start + 1] == '.' && place >= 0 && place < 8 && kParts[static_cast<size_t>(place)])
      return concat(name.substr(0, start), kParts[static_cast<size_t>(place)], name.substr(start + 1));
    if (name.find('.', start) == std::string_view::npos) break;
  }
  return std::string(name);
}

// What a file and a network have in common once the prefix of one of them is cut off.
struct Fit {
  bool by_place = false;  // the file's names go through named_by_place first
  std::string file_prefix, network_prefix;
  // How many tensors have a parameter and can be loaded, cannot be read, or have another shape or dtype.
  std::array<int64_t, 3> tensors = {};

  int64_t names() const { return tensors[0] + tensors[1] + tensors[2]; }
  auto dots() const {
    return std::count(file_prefix.begin(), file_prefix.end(), '.') +
           std::count(network_prefix.begin(), network_prefix.end(), '.');
  }
  // The parameter that the file's tensor `name` is for, or null.
  Parameter* find(const Parameters& parameters, std::string_view given) const {
    const std::string name = by_place ? named_by_place(given) : std::string(given);
    if (!name.starts_with(file_prefix)) return nullptr;
    const auto found = parameters.find(network_prefix + name.substr(file_prefix.size()));
    return found == parameters.end() ? nullptr : found->second;
  }
};

// Calls take(start) for each place where `name` may begin once a prefix is cut off.
template <class Take>
void for_each_start(std::string_view name, const Take& take) {
  for (size_t start = 0;; ++start) {
    take(start);
    start = name.find('.', start);
    if (start == std::string_view::npos) return;
  }
}

class FitFinder {
 public:
  FitFinder(const Parameters& parameters, const WeightFile& file, bool by_place)
      : parameters_(parameters), by_place_(by_place) {
    fits_.push_back({by_place, "", "", {}});
    for (const auto& [name, p] : parameters) longest_ = std::max(longest_, name.size());
    for (const HostTensor& tensor : file.tensors) add_file_name(tensor.name, &tensor);
    for (const auto& [name, why] : file.unread) add_file_name(name, nullptr);
    for (const auto& [name, p] : parameters) add_network_name(name, *p);
  }

  Fit best() const {
    int64_t most = 0;
    for (const Fit& fit : fits_) most = std::max(most, fit.names());
    const auto is_whole = [most](const Fit& fit) { return 2 * fit.names() >= most; };
    // max_element gives the first of equals.
    return *std::max_element(fits_.begin(), fits_.end(), [&](const Fit& a, const Fit& b) {
      if (is_whole(a) != is_whole(b)) return is_whole(b);
      return a.tensors != b.tensors ? a.tensors < b.tensors : a.dots() > b.dots();
    });
  }

 private:
  void count(std::string_view file_prefix, std::string_view network_prefix, const HostTensor* tensor,
             const Parameter& p) {
    const auto [place, fresh] =
        places_.emplace(std::pair(std::string(file_prefix), std::string(network_prefix)), fits_.size());
    if (fresh) fits_.push_back({by_place_, std::string(file_prefix), std::string(network_prefix), {}});
    ++fits_[place->second].tensors[!tensor ? 1 : can_load(*tensor, p) ? 0 : 2];
  }

  // `tensor` is null for one that cannot be read.
  void add_file_name(const std::string& given, const HostTensor* tensor) {
    const std::string_view name = by_place_ ? placed_.emplace_back(named_by_place(given)) : given;
    names_.emplace(name, tensor);
    for_each_start(name, [&](size_t start) {
      if (name.size() - start > longest_) return;
      const auto found = parameters_.find(name.substr(start));
      if (found != parameters_.end()) count(name.substr(0, start), "", tensor, *found->second);
    });
  }

  void add_network_name(std::string_view name, const Parameter& p) {
    for_each_start(name, [&](size_t start) {
      const auto found = names_.find(name.substr(start));
      if (start > 0 && found != names_.end()) count("", name.substr(0, start), found->second, p);
    });
  }

  const Parameters& parameters_;
  const bool by_place_;
  std::deque<std::string> placed_;                       // what names_ points to
  size_t longest_ = 0;                                   // of the parameters' names
  std::map<std::string_view, const HostTensor*> names_;  // of the file
  std::vector<Fit> fits_;
  std::map<std::pair<std::string, std::string>, size_t> places_ = {{{"", ""}, 0}};
};

// "'a', 'b', 'c' and 5 more"
std::string first_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i)
    out += (i > 0 ? ", " : "") + printable(names[i]);
  if (names.size() > kShown) out += concat(" and ", names.size() - kShown, " more");
  return names.empty() ? "nothing" : out;
}

// `lacking` are the parameters that must be loaded and were not.
std::string explain(const LoadReport& report, const std::vector<std::string>& lacking,
                    const ParameterArena& arena, const WeightFile& file) {
  std::vector<std::string> theirs, ours;
  for (const HostTensor& tensor : file.tensors) theirs.push_back(tensor.name);
  for (const auto& [name, why] : file.unread) theirs.push_back(name);
  for (const Parameter& p : arena.all()) ours.push_back(p.name);
  std::string out = concat("the file has ", first_names(theirs), "; the network has ", first_names(ours));
  for (size_t i = 0; i < std::min<size_t>(report.reshaped.size(), 3); ++i)
    out += (i == 0 ? "; of another shape: " : "; ") + report.reshaped[i];
  if (report.loaded > 0 && !lacking.empty()) out += "; not found: " + first_names(lacking);
  size_t shown = 0;
  for (const auto& [name, why] : file.unread)
    if (++shown <= 3) out += concat(shown == 1 ? "; not read: " : "; ", printable(name), ": ", why);
  return out;
}

}  // namespace

std::string LoadReport::text() const {
  std::ostringstream out;
  out << loaded << " tensors loaded";
  if (!file_prefix.empty()) out << ", which the file has under " << printable(file_prefix);
  if (by_place)
    out << (file_prefix.empty() ? ", which the file has" : "") << " by the places of an nn.Sequential";
  if (!network_prefix.empty()) out << ", which the network has under " << printable(network_prefix);
  out << '\n';
  append(out, "missing in the file", missing);
  append(out, "not part of the network", unexpected);
  append(out, "of another shape", reshaped);
  append(out, "not read", unread);
  return out.str();
}

LoadReport load_weights(Context& context, ParameterArena& arena, const WeightFile& file,
                        const std::function<bool(const std::string&)>& needed) {
  Parameters parameters;
  for (Parameter& p : arena.all()) parameters.emplace(p.name, &p);
  const Fit named = FitFinder(parameters, file, false).best(),
            placed = FitFinder(parameters, file, true).best();
  const Fit& fit = placed.names() > named.names() ? placed : named;
  LoadReport report;
  report.by_place = fit.by_place;
  report.file_prefix = fit.file_prefix;
  report.network_prefix = fit.network_prefix;
  std::set<const Parameter*> met, loaded;
  for (const HostTensor& tensor : file.tensors) {
    if (is_unused(tensor.name)) continue;
    Parameter* p = fit.find(parameters, tensor.name);
    if (!p) {
      report.unexpected.push_back(tensor.name);
      continue;
    }
    met.insert(p);
    if (!can_load(tensor, *p)) {
      report.reshaped.push_back(concat(printable(tensor.name), ": file ", name_of(tensor.dtype), " ",
                                       Shape(tensor.shape).text(), ", network ",
                                       Shape(file_shape(*p)).text()));
      continue;
    }
    const HostTensor ours = p->shape.rank() == 4 ? permute_oihw_to_krsc(tensor) : tensor;
    const Tensor value = Tensor::from_host(context, p->shape, ours.dtype, ours.bytes.data(),
                                           static_cast<size_t>(p->shape.count()));
    copy(context, p->value, converted(context, value, p->value.dtype()));
    loaded.insert(p);
    ++report.loaded;
  }
  for (const auto& [name, why] : file.unread)
    if (fit.find(parameters, name)) report.unread.push_back(concat(printable(name), ": ", why));
  for (const Parameter& p : arena.all())
    if (!met.count(&p)) report.missing.push_back(p.name);
  std::vector<std::string> lacking;
  for (const Parameter& p : arena.all())
    if (!loaded.count(&p) && needed && needed(p.name)) lacking.push_back(p.name);
  if (report.loaded == 0 || !lacking.empty()) report.misfit = explain(report, lacking, arena, file);
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
