// A file that appears whole or not at all: whatever happens until it is complete, the old one stays.
#pragma once

#include <cstddef>
#include <string>

namespace saccade {

// Throws "<path>: <what>: <reason>" for an errno: Error where the disk is full or fails, else InputError.
[[noreturn]] void cannot_write(const std::string& path, int reason, const char* what = "cannot write here");

class AtomicFile {
 public:
  // Creates `<path>.tmp.<process id>.<number>` beside `path`; a symbolic link stays, and the file that it names is
  // replaced. InputError if `path` is a folder or no regular file, or if the folder does not take it.
  explicit AtomicFile(std::string path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  // Without commit() the temporary file is removed.
  ~AtomicFile();

  // Error, with path and reason, when the disk is full or fails.
  void write(const void* data, size_t count);

  // Whether commit() waits until the disk has the file and its name (fsync): yes for what cannot be remade.
  enum class Sync { yes, no };

  // Gives the file its name. False if it is there, but the disk cannot be asked to keep it (some network disks know no
  // fsync). Error like write().
  bool commit(Sync sync = Sync::yes);

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;    // as it was given
  std::string target_;  // where links lead
  std::string temporary_;
  int file_ = -1;
};

// Writes a file whole or not at all, without waiting for the disk. Throws like AtomicFile.
void write_file(const std::string& path, const void* data, size_t count);

// Throws what AtomicFile(path) would and leaves nothing: for a program that will write after long work. InputError, too,
// for a file in the folder of a run that is still going on (folder_lock.h).
void check_output(const std::string& path);

}  // namespace saccade
