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
  int threads = 0;     // 0: as many as the machine has; the bytes of the set do not depend on it
  bool force = false;  // whether a complete set that this program made is replaced
};

struct SetSummary {
  int64_t train_ids = 0, test_ids = 0;
  int64_t train = 0, query = 0, gallery = 0;  // pictures; the gallery with its distractors, without junk
  int64_t distractors = 0, junk = 0;
  int64_t wrong = 0, wrong_of = 0;    // wrong annotations, of ids x 12
  int64_t hidden = 0, hidden_of = 0;  // hidden attributes, of those that could be, over the images
  int64_t undiscriminating = 0;       // of the 12 attributes
  double seconds = 0;
  int64_t images() const { return train + query + gallery + junk; }
};

// How many pictures make_image_set() will write. InputError for options out of range.
int64_t count_images(const SetOptions& options);

// Writes in the layout of Market-1501:
// - bounding_box_train/, query/, bounding_box_test/: 64x128 JPEGs named 0002_c1s1_000451_03.jpg; distractors,
//   named 0000_, and junk, named -1_, lie in bounding_box_test.
// - market_attribute.mat: the annotated attributes, noise included (MATLAB v5).
// - truth.json: the cameras; for each identity the true and the annotated values, and which are wrong or
//   rare; for each image the hidden attributes, the boxes [x0, y0, x1, y1] of the occluders in pixels, how
//   far the image's own box is off [dx, dy, scale], and the visible share of head, upper and lower body.
//   "hidden" names what the noise of that kind took away; what an occluder or the angle happens to cover
//   besides follows from the boxes, the yaw and the shares.
// The same options and seed give the same bytes. Each file appears whole or not at all, and truth.json says
// "complete": false until everything else is there.
//
// Worker threads call `progress(n)` after n more pictures. InputError: options out of range; `out` holds
// other things, holds a complete set without `force`, or takes no files. Error: writing a file failed; it
// names the file and the system's reason.
SetSummary make_image_set(const SetOptions& options, const std::function<void(int64_t)>& progress = {});

}  // namespace saccade::synthetic
