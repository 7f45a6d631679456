// Makes zip archives of stored entries, as torch.save does, for tests of the .pth reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace saccade {

struct StoredZip {
  std::string bytes, directory;
  size_t count = 0;

  template <class T>
  static std::string word(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
  }
  StoredZip& add(const std::string& name, const std::string& data) {
    const auto header = static_cast<uint32_t>(bytes.size());
    const auto size = static_cast<uint32_t>(data.size());
    const std::string sizes = word(size) + word(size) + word(static_cast<uint16_t>(name.size()));
    // Version, flags, method, time, date and checksum are zero.
    bytes += "PK\x03\x04" + std::string(14, '\0') + sizes + std::string(2, '\0') + name + data;
    directory += "PK\x01\x02" + std::string(16, '\0') + sizes + std::string(12, '\0') + word(header) + name;
    ++count;
    return *this;
  }
  std::string finish() const {
    const auto n = static_cast<uint16_t>(count);
    return bytes + directory + "PK\x05\x06" + std::string(4, '\0') + word(n) + word(n) +
           word(static_cast<uint32_t>(directory.size())) + word(static_cast<uint32_t>(bytes.size())) +
           std::string(2, '\0');
  }
};

}  // namespace saccade
