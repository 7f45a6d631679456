#include "tensor/weights/read_weights.h"

#include <algorithm>
#include <cstring>

#include "tensor/weights/byte_source.h"
#include "tensor/weights/other_kind.h"
#include "tensor/weights/safetensors.h"
#include "tensor/weights/torch_pickle.h"

namespace saccade {

WeightFormat weight_format(const std::string& path) {
  const ByteSource source(path);
  check_input(source.size() > 0, path, ": the file is empty");
  unsigned char start[512] = {};
  source.read(0, start, std::min<uint64_t>(source.size(), sizeof start));
  const auto has = [&](size_t at, const char* text) {
    return std::memcmp(start + at, text, std::strlen(text)) == 0;
  };
  if (has(0, "PK\x03\x04")) return WeightFormat::torch;
  if (start[8] == '{') return WeightFormat::safetensors;
  if (has(0, "\x80")) return WeightFormat::torch;
  check_input(!has(257, "ustar"), path,
              ": the .pth format of PyTorch's first year, a tar archive; write it anew: "
              "torch.save(torch.load(path), path)");
  const std::string other = other_kind(source).name;
  throw InputError(
      concat(path, ": neither a safetensors file nor a PyTorch .pth", other.empty() ? "" : ", but ", other));
}

WeightFile read_weights(const std::string& path, const std::function<bool(const std::string&)>& wanted) {
  return weight_format(path) == WeightFormat::torch ? read_torch_pickle(path, wanted)
                                                    : read_safetensors(path, wanted);
}

}  // namespace saccade
