// A file that appears whole or not at all: whatever happens while it is written, the old one stays.
#pragma once

#include <cstddef>
#include <string>

namespace saccade {

// Throws "<path>: <what>: <reason>" for the errno `reason`: Error where the disk is full or fails, else InputError.
[[noreturn]] void cannot_write(const std::string& path, int reason, const char* what = "cannot write here");

class AtomicFile {
 public:
  // Creates `<path>.tmp.<process id>` beside `path`; a symbolic link stays, and the file that it names is replaced.
  // InputError if `path` is a folder or another thing that is no file, or if the folder does not take it.
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

  std::string path_;    // as it was given
  std::string target_;  // where links lead
  std::string temporary_;
  int file_ = -1;
};

// Throws what AtomicFile(path) would, and leaves nothing: for a program that computes long before it writes.
void check_output(const std::string& path);

}  // namespace saccade
