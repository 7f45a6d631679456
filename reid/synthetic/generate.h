// The generated image set: who is in it, which pictures are taken, and how it is written.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "reid/synthetic/attributes.h"
#include "reid/synthetic/difficulty.h"

namespace saccade::synthetic {

struct SetOptions {
  std::string out;         // the folder to fill
  int ids = 100;           // 2 to 9999; even numbers train, odd ones test
  int cams = 4;            // 1 to 9
  int images_per_cam = 8;  // of each identity, 2 to 1000; of a test identity one of them is a query
  uint64_t seed = 1;
  NoiseRates noise;
  Difficulty difficulty;
  int threads = 0;     // 0: as many as the machine has; the bytes written do not depend on it
  bool force = false;  // replace a complete set that this program made
};

struct SetSummary {
  int64_t train_ids = 0, test_ids = 0;
  int64_t train = 0, query = 0, gallery = 0;  // pictures; the gallery with its distractors, without junk
  int64_t distractors = 0, junk = 0;
  int64_t wrong = 0, wrong_of = 0;  // wrong annotations, of ids x 12
  int64_t hidden = 0,
          hidden_of = 0;         // hidden attributes, of the values that could be hidden (see truth.json)
  int64_t undiscriminating = 0;  // of the 12 attributes
  double seconds = 0;
  int64_t images() const { return train + query + gallery + junk; }
};

// Number of pictures that make_image_set will write.
int64_t count_images(const SetOptions& options);

// Writes, in the layout of Market-1501:
// - bounding_box_train/, query/, bounding_box_test/: 64x128 JPEGs named 0002_c1s1_000451_03.jpg; 0000_ are
//   distractors and -1_ junk, both in bounding_box_test.
// - market_attribute.mat: the annotated attributes, noise included (MATLAB v5).
// - truth.json: the cameras; per identity the true and the annotated values, and which are wrong or rare; per
//   image the hidden attributes, the occluders' boxes [x0, y0, x1, y1] in pixels, how far the box is off
//   [dx, dy, scale], and the visible share of head, upper and lower body. "hidden" names what the hidden
//   noise took away; what an occluder or the angle happens to cover as well is told by the boxes, yaw and
//   shares.
// The same options and seed give the same bytes. A file appears whole or not at all, and truth.json says
// "complete": false until everything else is there.
//
// `progress(n)` is called from worker threads after n more pictures.
// InputError: options out of range; `out` holds other things, or a complete set and not `force`, or takes no files.
// Error: writing a file failed (its name and the system's reason).
SetSummary make_image_set(const SetOptions& options, const std::function<void(int64_t)>& progress = {});

}  // namespace saccade::synthetic
