#include "tensor/weights/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/folder_lock.h"

namespace saccade {

namespace fs = std::filesystem;

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where the symbolic links of `path` lead, whether something lies there or not yet.
std::string target_of(const std::string& path) {
  fs::path target(path);
  std::error_code error;
  for (int links = 0; fs::is_symlink(target, error); ++links) {
    if (links == 40) cannot_write(path, ELOOP);
    target = target.parent_path() / fs::read_symlink(target, error);  // an absolute one stands alone
    if (error) cannot_write(path, error.value());
  }
  return target.string();
}

}  // namespace

void cannot_write(const std::string& path, int reason, const char* what) {
  const std::string message = concat(path, ": ", what, ": ", std::strerror(reason));
  if (reason == ENOSPC || reason == EDQUOT || reason == EIO) throw Error(message);
  throw InputError(message);
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), target_(target_of(path_)) {
  check_input(!path_.empty(), "a file to write has no name");
  struct stat old;
  if (stat(target_.c_str(), &old) == 0) {  // a rename would replace whatever is there: a device, too
    check_input(!S_ISDIR(old.st_mode), path_, ": is a folder");
    check_input(S_ISREG(old.st_mode), path_, ": is not a regular file");
  }
  // Two containers that share the disk may have the same process id: what lies there may be another's who lives.
  for (int number = 0; file_ < 0 && number < 10000; ++number) {
    temporary_ = concat(target_, ".tmp.", getpid(), ".", number);
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) break;
  }
  if (file_ >= 0) return;
  temporary_.clear();
  cannot_write(path_, errno);
}

AtomicFile::~AtomicFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::fail(const char* what) const {
  throw Error(concat(path_, ": ", what, " failed: ", std::strerror(errno)));
}

void AtomicFile::write(const void* data, size_t count) {
  const auto* next = static_cast<const char*>(data);
  while (count > 0) {
    const ssize_t done = ::write(file_, next, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("writing");
    next += done;
    count -= static_cast<size_t>(done);
  }
}

bool AtomicFile::commit(Sync sync) {
  bool kept = true;
  if (sync == Sync::yes && fsync(file_) != 0) {
    kept = false;
    if (errno != EINVAL && errno != EOPNOTSUPP && errno != ENOSYS) fail("writing to the disk");
  }
  if (close(std::exchange(file_, -1)) != 0) fail("closing");
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("renaming the finished file");
  temporary_.clear();
  if (sync == Sync::no) return true;
  // From here on the file is whole; a folder that cannot be synchronized (some network disks) is no failure.
  const int folder = open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return kept;
  fsync(folder);
  close(folder);
  return kept;
}

void write_file(const std::string& path, const void* data, size_t count) {
  AtomicFile file(path);
  file.write(data, count);
  file.commit(AtomicFile::Sync::no);
}

void check_output(const std::string& path) {
  const AtomicFile file(path);
  check_unlocked(std::filesystem::weakly_canonical(path).parent_path());
}

}  // namespace saccade
