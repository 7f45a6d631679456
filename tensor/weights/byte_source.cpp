#include "tensor/weights/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/common/error.h"

namespace saccade {

ByteSource::ByteSource(const std::string& path) : name_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer; it is refused below.
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  check_input(file_ >= 0, path, ": cannot be opened: ", std::strerror(errno));
  struct stat status {};
  const bool known = fstat(file_, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    close(file_);
    throw InputError(path + (known && S_ISDIR(status.st_mode) ? ": is a folder" : ": is not a regular file"));
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

ByteSource::ByteSource(std::span<const std::byte> bytes, std::string name)
    : name_(std::move(name)), memory_(bytes), size_(bytes.size()) {}

ByteSource::~ByteSource() {
  if (file_ >= 0) close(file_);
}

void ByteSource::read(uint64_t offset, void* to, size_t count) const {
  check_input(offset <= size_ && count <= size_ - offset, name_, ": the file ends too early");
  if (count == 0) return;
  if (file_ < 0) {
    std::memcpy(to, memory_.data() + offset, count);
    return;
  }
  auto* next = static_cast<std::byte*>(to);
  while (count > 0) {
    const ssize_t got = pread(file_, next, count, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    check_input(got >= 0, name_, ": ", std::strerror(errno));
    check_input(got > 0, name_, ": the file became shorter while it was read");
    next += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<size_t>(got);
  }
}

}  // namespace saccade
