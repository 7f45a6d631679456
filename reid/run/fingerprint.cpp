#include "reid/run/fingerprint.h"

#include <zlib.h>

#include <filesystem>

#include "kernels/common/error.h"

namespace saccade {

std::string fingerprint_of(const std::vector<ImageRecord>& records) {
  uLong sum = crc32_z(0, nullptr, 0);
  for (const ImageRecord& record : records) {
    const std::string name = std::filesystem::path(record.path).filename().string();
    sum = crc32_z(sum, reinterpret_cast<const Bytef*>(name.c_str()), name.size() + 1);
  }
  return concat(records.size(), " pictures, names ", sum);
}

}  // namespace saccade
