// A folder has one owner at a time: a lock that dies with its process.
#pragma once

#include <string>

namespace saccade {

// InputError if another process, or a FolderLock of this one, has the lock of `folder`: for a program that is about to
// write a file there.
void check_unlocked(const std::string& folder);

class FolderLock {
 public:
  static constexpr const char* kFile = ".lock";

  // Makes `folder` where it is missing and locks the file kFile in it. The file goes with the lock; that of a
  // process that was killed stays, and is nobody's. InputError names the process that has it, or says why the
  // folder cannot be written.
  explicit FolderLock(const std::string& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

  // False on a disk that knows no locks.
  bool held() const { return held_; }

  // Error if another folder, or none, has the name by now: what is written there is no longer this process's own.
  void check_place() const;

 private:
  std::string path_;
  int file_ = -1;
  bool held_ = false;
};

}  // namespace saccade
