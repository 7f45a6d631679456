// A look at every picture before a long work begins.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "reid/data/dataset.h"
#include "reid/data/for_each_index.h"
#include "reid/data/image.h"

namespace saccade {

// What is done about pictures that can be read in two ways, and about those that cannot be read.
struct PictureRules {
  Orientation orientation = Orientation::apply;
  bool skip_damaged = false;  // they are left out; else they are an error
};

// Who is told of a long reading. Both may be empty. `progress` is called on the thread that reads; what it throws ends
// the reading and goes through.
struct ReadingReport {
  std::function<void(const std::string& line)> notice;
  Counted progress;
};

// Decodes each picture of `parts` once, with `threads` threads, and keeps none. Takes those that cannot be read out of
// their parts, where `rules` say so. Tells how many there are, how many have flaws (image.h), and how many are turned
// as their EXIF orientation says. Returns how many were taken out.
// InputError, which tells the number of pictures that cannot be read and names the first five: if they are not to be
// skipped, or if a part that held some pictures would be left with none.
int64_t check_pictures(const std::vector<std::vector<ImageRecord>*>& parts, const PictureRules& rules,
                       int threads, const ReadingReport& report);

}  // namespace saccade
