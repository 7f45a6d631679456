#include "tensor/weights/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "kernels/common/error.h"
#include "tensor/weights/atomic_file.h"

namespace saccade {

namespace {

// What the owner wrote, in one line.
std::string owner_in(int file) {
  char text[256];
  const ssize_t size = pread(file, text, sizeof text, 0);
  std::string owner(text, size > 0 ? static_cast<size_t>(size) : 0);
  owner.resize(std::min(owner.size(), owner.find('\n')));
  return owner.empty() ? "another process" : owner;
}

bool is_file_at(const std::string& path, int file) {
  struct stat there, ours;
  return stat(path.c_str(), &there) == 0 && fstat(file, &ours) == 0 && there.st_ino == ours.st_ino &&
         there.st_dev == ours.st_dev;
}

std::string this_process() {
  char host[128] = {};
  gethostname(host, sizeof host - 1);
  return concat("process ", getpid(), " on ", host);
}

}  // namespace

void check_unlocked(const std::string& folder) {
  const int file = open((folder + "/" + FolderLock::kFile).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  const bool taken = flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  const std::string owner = owner_in(file);
  close(file);
  check_input(!taken, folder, ": belongs to a run that is still going on (", owner, ")");
}

FolderLock::FolderLock(const std::string& folder) : path_(folder + "/" + kFile) {
  check_input(!folder.empty(), "a folder to write into has no name");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) cannot_write(folder, error.value());
  while (true) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) cannot_write(folder, errno);
    int refused = 0;
    do refused = flock(file_, LOCK_EX | LOCK_NB);
    while (refused != 0 && errno == EINTR);
    if (refused != 0) break;
    if (is_file_at(path_, file_)) {
      held_ = true;
      // For messages alone, so that a full disk is no reason to stop.
      const std::string owner = this_process() + "\n";
      [[maybe_unused]] const bool written =
          ftruncate(file_, 0) == 0 && pwrite(file_, owner.data(), owner.size(), 0) > 0;
      return;
    }
    close(file_);  // its owner has just removed it
  }
  if (errno != EWOULDBLOCK) return;
  const std::string owner = owner_in(file_);
  close(file_);
  throw InputError(concat(folder, ": belongs to a run that is still going on (", owner, ")"));
}

void FolderLock::check_place() const {
  if (!held_ || is_file_at(path_, file_)) return;
  // Linux knows where an open file lies now.
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path folder = fs::path(path_).parent_path();
  const fs::path now = fs::read_symlink(concat("/proc/self/fd/", file_), ignored).parent_path();
  const bool moved = fs::is_directory(now, ignored) && !fs::equivalent(now, folder, ignored);
  throw Error(concat(folder.string(), ": the folder was moved or removed, or its file ", kFile,
                     ", while this run trained into it", moved ? "; it is now " + now.string() : ""));
}

FolderLock::~FolderLock() {
  // Before the lock ends, so that it is no one else's; and only ours: the folder may have been moved.
  if (held_ && is_file_at(path_, file_)) unlink(path_.c_str());
  close(file_);
}

}  // namespace saccade
