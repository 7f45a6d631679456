#include "tensor/weights/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "kernels/common/error.h"

namespace saccade {

namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), temporary_(concat(path_, ".tmp.", getpid())) {
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ >= 0) return;
  const std::string message = concat(path_, ": cannot write here: ", std::strerror(errno));
  if (errno == ENOSPC || errno == EDQUOT || errno == EIO) throw Error(message);
  throw InputError(message);
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

void AtomicFile::commit() {
  if (fsync(file_) != 0) fail("writing to the disk");
  if (close(std::exchange(file_, -1)) != 0) fail("closing");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("renaming the finished file");
  temporary_.clear();
  // From here on the file is whole; a folder that cannot be synchronised (some network disks) is no failure.
  const int folder = open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  fsync(folder);
  close(folder);
}

}  // namespace saccade
