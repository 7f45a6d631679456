// Where work runs. A Context is passed explicitly to every function that computes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include "kernels/common/error.h"
#include "kernels/common/vectors.h"

namespace saccade {

class Segment;  // autograd/segment.h: a stretch of work that replays
class Memory;   // tensor/memory.h: the pool and the arenas that tensors of this context live in

// The devices for which an op can have a version. `reference` is the serial code of the equation in f64, the
// oracle, in the CPU's memory. `simt` runs the CUDA sources on the host.
enum class Device : uint8_t { cpu, reference, simt, cuda };

const char* name_of(Device device);

// The precision in which a network computes.
//   tf32: f32, but matrix products and convolutions may round their inputs to 10 bits, where the device can.
//   bf16: activations and weights are bf16, the weights as copies of f32 masters; statistics, losses and the
//         optimizer stay f32.
enum class Precision : uint8_t { f32, tf32, bf16 };

const char* name_of(Precision precision);
Precision precision_named(const std::string& name);  // InputError for another name

// Which of several versions of an op computes.
//   library: the vendor's where there is one, else ours.
//   own:     ours, for comparison with the vendor's.
//   plain:   of ours the simple kernel that explains the fast one, where there is one: that of <op>.plain.h;
//            of a bf16 matrix product, the kernel without tensor cores.
enum class Kernels : uint8_t { library, own, plain };

const char* name_of(Kernels kernels);

constexpr size_t kAlignment = 256;  // of every allocation, in bytes

class Context {
 public:
  // threads = 0: as many as OMP_NUM_THREADS says, else one for each processor that this process may use.
  explicit Context(Device device = Device::cpu, int device_index = 0, int threads = 0);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Device device() const { return device_; }
  int device_index() const { return device_index_; }
  int threads() const { return threads_; }
  void* stream() const { return stream_; }  // a cudaStream_t on cuda, null elsewhere

  // Memory of this context's device that a kernel needs while it runs. Scopes nest like a stack. The context
  // keeps the blocks, so the same sequence of calls sees the same addresses once it has made room for its largest.
  class Scratch {
   public:
    Scratch(Context& context, size_t bytes);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    template <class T>
    T* as() const {
      return static_cast<T*>(data_);
    }

   private:
    Context& context_;
    void* data_;
    size_t block_, used_before_;
  };

  // The bytes of the device that the context keeps for Scratch.
  size_t scratch_bytes() const {
    size_t bytes = 0;
    for (const Block& block : blocks_) bytes += block.bytes;
    return bytes;
  }

  // A value made once and kept for the life of the context: a compiled primitive, a tuned plan, a handle.
  // `key` tells apart the plans of one type.
  template <class Plan, class Make>
  Plan& plan(const std::string& key, Make&& make) {
    auto& slot = plans_[std::type_index(typeid(Plan))][key];
    if (!slot) slot = std::shared_ptr<void>(std::make_shared<Plan>(make()));
    return *static_cast<Plan*>(slot.get());
  }

  Precision precision = Precision::f32;  // set before the first tensor is made
  Kernels kernels = Kernels::library;
  Vectors vectors = best_vectors();  // of the CPU kernels that are written for several; fewer for comparison
  // True: 3x3 convolutions on the CPU in f32 are summed directly, more slowly and with half the rounding errors of
  // Winograd's form (kernels/convolution/winograd.h).
  bool exact = false;
  bool replays_segments = true;  // false: every run of a Segment calls its work anew (for comparison)

  // Whether a library's plans are timed on the device at their first use; if not, the library's first
  // proposal is taken. The fastest plan varies from run to run, and another plan gives other bits, so `tuned`
  // records the problem and the plan that was chosen for it, as text. A plan that is there beforehand, from a
  // checkpoint, is taken without timing.
  bool tunes = false;
  std::map<std::string, std::string> tuned;

  // True while a Segment (autograd/segment.h) runs or work is recorded: the host may read no device value then.
  bool in_segment = false;
  Segment* segment = nullptr;        // the one that runs
  const char* current_op = nullptr;  // for messages
  std::shared_ptr<Memory> memory;    // made by tensor/memory.h on first use

 private:
  struct Block {
    void* data;
    size_t bytes, used;
  };
  Device device_;
  int device_index_;
  int threads_;
  void* stream_ = nullptr;
  std::vector<Block> blocks_;
  size_t block_ = 0;  // the block that the next Scratch tries first
  std::unordered_map<std::type_index, std::unordered_map<std::string, std::shared_ptr<void>>> plans_;
};

}  // namespace saccade
