#include "kernels/common/context.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/common/device.h"
#include "kernels/common/team.h"
#include "kernels/simt/memory.h"

namespace saccade {

const char* name_of(Device device) {
  switch (device) {
    case Device::cpu:
      return "cpu";
    case Device::reference:
      return "reference";
    case Device::simt:
      return "simt";
    case Device::cuda:
      return "cuda";
  }
  return "?";
}

const char* name_of(Kernels kernels) {
  return kernels == Kernels::library ? "library" : kernels == Kernels::own ? "own" : "plain";
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "?";
}

Precision precision_named(const std::string& name) {
  for (const Precision precision : {Precision::f32, Precision::tf32, Precision::bf16})
    if (name == name_of(precision)) return precision;
  throw InputError(concat("a precision is f32, tf32 or bf16, not ", name));
}

namespace {
// OMP_NUM_THREADS, as every program with OpenMP takes it ("4", or "4,2" for levels), else a thread for each processor.
int threads_of_this_process() {
  const char* wish = std::getenv("OMP_NUM_THREADS");
  int wished = 0;
  if (wish != nullptr && std::from_chars(wish, wish + std::strlen(wish), wished).ec == std::errc() &&
      wished > 0)
    return std::min(wished, Team::kMost);
  return usable_processors();
}
}  // namespace

Context::Context(Device device, int device_index, int threads)
    : device_(device),
      device_index_(device_index),
      threads_(threads > 0 ? threads : threads_of_this_process()) {
  std::string reason;
  check_input(is_available(device, &reason), "device ", name_of(device), ": ", reason);
  stream_ = create_stream(device, device_index);
}

Context::~Context() {
  memory.reset();
  plans_.clear();
  for (Block& block : blocks_) free_device_memory(device_, device_index_, block.data);
  destroy_stream(device_, device_index_, stream_);
}

namespace {
constexpr size_t kOwn = SIZE_MAX;  // the block number of a Scratch with an allocation of its own
}

Context::Scratch::Scratch(Context& context, size_t bytes) : context_(context) {
  if (separate_buffers(context.device_)) {
    block_ = kOwn;
    data_ = allocate_device_memory(context.device_, context.device_index_, bytes);
    return;
  }
  bytes = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  auto& blocks = context.blocks_;
  block_ = context.block_;
  while (block_ < blocks.size() && blocks[block_].bytes - blocks[block_].used < bytes) ++block_;
  if (block_ == blocks.size()) {
    // The last blocks are too small. If nobody uses them, and no recorded work knows their addresses, they go.
    while (!blocks.empty() && blocks.back().used == 0 && !can_record(context.device_)) {
      free_device_memory(context.device_, context.device_index_, blocks.back().data);
      blocks.pop_back();
    }
    block_ = blocks.size();
    const size_t size = std::max<size_t>(bytes, size_t{1} << 20);
    blocks.push_back({allocate_device_memory(context.device_, context.device_index_, size), size, 0});
  }
  used_before_ = blocks[block_].used;
  data_ = static_cast<char*>(blocks[block_].data) + used_before_;
  blocks[block_].used += bytes;
  std::swap(block_, context.block_);  // block_ now holds the block that the destructor restores
}

Context::Scratch::~Scratch() {
  if (block_ == kOwn) {
    free_device_memory(context_.device_, context_.device_index_, data_);
    return;
  }
  context_.blocks_[context_.block_].used = used_before_;
  context_.block_ = block_;
}

}  // namespace saccade
