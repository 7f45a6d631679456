// Memory that each thread of a parallel_for works in.
#pragma once

#include <atomic>
#include <memory>

#include "kernels/common/context.h"

namespace saccade {

// As many equal blocks of scratch memory as the context has threads, at most `parts`. A part of a parallel_for borrows
// one for as long as it runs, so there is always one that is free.
class PerThread {
 public:
  PerThread(Context& context, size_t bytes, int64_t parts)
      : count_(static_cast<int>(std::min<int64_t>(std::max<int64_t>(parts, 1), context.threads()))),
        // Blocks a whole number of pages apart would meet in the same lines of the caches.
        bytes_((bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment),
        scratch_(context, bytes_ * static_cast<size_t>(count_)),
        taken_(new std::atomic<bool>[static_cast<size_t>(count_)]()) {}

  class Block {
   public:
    explicit Block(PerThread& owner) : owner_(owner) {
      for (number_ = 0; owner.taken_[static_cast<size_t>(number_)].exchange(true, std::memory_order_acquire);)
        number_ = (number_ + 1) % owner.count_;
    }
    ~Block() { owner_.taken_[static_cast<size_t>(number_)].store(false, std::memory_order_release); }
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    template <class T>
    T* as() const {
      return reinterpret_cast<T*>(owner_.scratch_.as<char>() + owner_.bytes_ * static_cast<size_t>(number_));
    }

   private:
    PerThread& owner_;
    int number_;
  };

 private:
  int count_;
  size_t bytes_;
  Context::Scratch scratch_;
  std::unique_ptr<std::atomic<bool>[]> taken_;
};

}  // namespace saccade
