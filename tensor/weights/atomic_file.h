// A file that appears whole or not at all: whatever happens while it is written, the old one stays.
#pragma once

#include <cstddef>
#include <string>

namespace saccade {

class AtomicFile {
 public:
  // Creates `<path>.tmp.<process id>` beside `path`. Throws InputError if the folder does not take it.
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  // Without commit() the temporary file is removed.
  ~AtomicFile();

  // Throws Error(path and reason) when the disk is full or fails.
  void write(const void* data, size_t count);

  // To the disk (fsync), to its name (rename), and the name to the disk (fsync of the folder).
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::string temporary_;
  int file_ = -1;
};

}  // namespace saccade
