// What a program shows while pictures are read.
#pragma once

#include <optional>

#include "reid/data/check_pictures.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"

namespace saccade {

// A bar that goes when all is read, and lines on stderr.
class ReadingProgress {
 public:
  // Refers to this object.
  ReadingReport report() {
    return {print_notice, [this](int64_t done, int64_t all) {
              if (!bar_) {
                bar_.emplace("reading pictures", all, "files");
                bar_->resume_at(done);  // the rate is that of the pictures to come
              }
              bar_->reach(done);
              if (done == all) bar_.reset();
            }};
  }

 private:
  std::optional<Progress> bar_;
};

}  // namespace saccade
