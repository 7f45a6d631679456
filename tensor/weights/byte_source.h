// Bytes that can be read at any offset: a file, or memory that stands for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace saccade {

class ByteSource {
 public:
  // Opens a regular file. InputError if it cannot be opened or is something else.
  explicit ByteSource(const std::string& path);
  // Looks at `bytes`, which must outlive this; `name` stands for the path in messages.
  ByteSource(std::span<const std::byte> bytes, std::string name);
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  ~ByteSource();

  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  // Copies the bytes [offset, offset + count) to `to`. InputError if the file ends before.
  void read(uint64_t offset, void* to, size_t count) const;

 private:
  std::string name_;
  std::span<const std::byte> memory_;
  int file_ = -1;
  uint64_t size_ = 0;
};

}  // namespace saccade
