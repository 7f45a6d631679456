#include "reid/evaluation/feature_file.h"

#include <algorithm>

#include "tensor/shape.h"
#include "tensor/weights/safetensors.h"

namespace saccade {
namespace {

// Looks for the names in the header first, so that a wrong file costs neither time nor memory.
WeightFile read_only(const std::string& path, const std::vector<std::string>& names, const char* what) {
  const SafetensorsHeader header = read_safetensors_header(path);
  for (const std::string& name : names) {
    const bool found = std::any_of(header.tensors.begin(), header.tensors.end(),
                                   [&](const TensorInfo& tensor) { return tensor.name == name; });
    check_input(found || header.unread.count(name), path, ": there is no tensor '", name,
                "'; the file must hold ", what);
  }
  return read_safetensors(path, [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

template <class T>
const HostTensor& tensor_of(const std::string& path, const WeightFile& file, const char* name, size_t rank) {
  const HostTensor* tensor = file.find(name);
  check(tensor != nullptr, path, ": ", name, " was there before");
  check_input(tensor->dtype == dtype_of<T>(), path, ": '", name, "' must be ", name_of(dtype_of<T>()),
              ", but is ", name_of(tensor->dtype));
  check_input(tensor->shape.size() == rank, path, ": '", name, "' must have ", rank, " dimension",
              rank == 1 ? "" : "s", ", but is ", Shape(tensor->shape).text());
  return *tensor;
}

std::span<const int64_t> labels_of(const std::string& path, const WeightFile& file, const char* name,
                                   const HostTensor& matrix, size_t axis) {
  const HostTensor& labels = tensor_of<int64_t>(path, file, name, 1);
  check_input(labels.shape[0] == matrix.shape[axis], path, ": '", name, "' is ", Shape(labels.shape).text(),
              ", which does not fit '", matrix.name, "' ", Shape(matrix.shape).text());
  return labels.values<int64_t>();
}

}  // namespace

FeatureFile read_features(const std::string& path) {
  FeatureFile out{read_only(path, {"features", "pids", "camids"},
                            "features f32 [N,D], pids i64 [N] and camids i64 [N], as extract writes them"),
                  {}};
  const HostTensor& features = tensor_of<float>(path, out.file, "features", 2);
  out.set = {path, labels_of(path, out.file, "pids", features, 0),
             labels_of(path, out.file, "camids", features, 0), features.values<float>(), features.shape[1]};
  return out;
}

DistanceFile read_distances(const std::string& path) {
  DistanceFile out{
      read_only(path, {"distances", "query_pids", "query_camids", "gallery_pids", "gallery_camids"},
                "distances f32 [Q,G], query_pids, query_camids, gallery_pids and gallery_camids (i64)"),
      {},
      {},
      {}};
  const HostTensor& distances = tensor_of<float>(path, out.file, "distances", 2);
  out.distances = distances.values<float>();
  out.query = {path,
               labels_of(path, out.file, "query_pids", distances, 0),
               labels_of(path, out.file, "query_camids", distances, 0),
               {},
               0};
  out.gallery = {path,
                 labels_of(path, out.file, "gallery_pids", distances, 1),
                 labels_of(path, out.file, "gallery_camids", distances, 1),
                 {},
                 0};
  return out;
}

}  // namespace saccade
