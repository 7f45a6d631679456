#include "tensor/weights/other_kind.h"

#include <algorithm>
#include <string_view>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

namespace {

struct Kind {
  std::string_view start;
  size_t at;
  const char* name;
  bool has_tensors;
};
constexpr Kind kKinds[] = {{"PK\x03\x04", 0, "a zip archive, such as a PyTorch .pth or a NumPy .npz", true},
                           {"\x80\x02", 0, "a pickle, such as an old PyTorch .pth", true},
                           {"\x80\x03", 0, "a pickle", true},
                           {"\x80\x04", 0, "a pickle", true},
                           {"\x80\x05", 0, "a pickle", true},
                           {"\x93NUMPY", 0, "a NumPy .npy file", true},
                           {"\x89HDF", 0, "an HDF5 file, such as a MATLAB .mat or a Keras .h5", true},
                           {"MATLAB", 0, "a MATLAB .mat file", true},
                           {"\x1f\x8b", 0, "a gzip archive, to be unpacked first", false},
                           {"ustar", 257, "a tar archive, to be unpacked first", false},
                           {"\xff\xd8\xff", 0, "a JPEG picture", false},
                           {"\x89PNG", 0, "a PNG picture", false}};

// A web page that was saved in the place of a download, a config, a pointer to a file kept elsewhere.
bool is_text(std::string_view start) {
  while (!start.empty() && static_cast<unsigned char>(start.back()) >= 0x80)
    start.remove_suffix(1);  // cut, perhaps
  return !start.empty() && is_utf8(start) && std::all_of(start.begin(), start.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7f : c == '\n' || c == '\r' || c == '\t';
  });
}

}  // namespace

OtherKind other_kind(const ByteSource& source) {
  char bytes[512];
  const std::string_view start(bytes, std::min<uint64_t>(source.size(), sizeof bytes));
  source.read(0, bytes, start.size());
  for (const Kind& kind : kKinds)
    if (start.size() > kind.at && start.substr(kind.at).starts_with(kind.start))
      return {kind.name, kind.has_tensors};
  if (!is_text(start)) return {};
  const std::string_view first = start.substr(0, std::min<size_t>(start.find_first_of("\r\n"), 40));
  return {concat("a text file, which begins with ", printable(first)), false};
}

}  // namespace saccade
