// What a camera sees: the street behind the person, what stands in front, and how the picture is taken.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "reid/synthetic/difficulty.h"
#include "reid/synthetic/person.h"
#include "reid/synthetic/raster.h"

namespace saccade::synthetic {

constexpr int kImageWidth = 64, kImageHeight = 128;

// A fixed camera: where it looks from and how its pictures differ from those of the others.
struct Camera {
  float yaw = 0;        // radians: the usual walking direction as seen from here
  float pitch = 0;      // radians: how steeply it looks down
  float exposure = 1;   // brightness gain
  Color cast{1, 1, 1};  // gain of each channel
  float gamma = 1, saturation = 1, blur = 0, resolution = 1, noise = 0;
  int jpeg_quality = 90;
  Light light;
  uint64_t street = 0;  // seed of the scenery
};
// Camera `index` of `count`. Each property is stratified over the cameras, so that even a few differ.
Camera draw_camera(const Difficulty& difficulty, uint64_t seed, int index, int count);

// One picture to take. Shifts and scale say how far the detector's box is off.
struct Shot {
  Pose pose;                     // `take` sets feet, height, pitch and wrinkle
  float gain = 1;                // light of the sequence
  float street_offset = 0;       // pixels along the street
  float box_dx = 0, box_dy = 0;  // shift of the person in the box, as a share of its width and height
  float box_scale = 1;           // size of the person relative to a well-placed box
  bool empty = false;            // a false detection, without a person
  HiddenAttributes hidden{};     // for upcolor something covers the torso, for downcolor the legs
};

struct Occluder {
  std::string kind;  // car, pole, bag, bush, passer-by, sign
  Box box;           // pixels of the finished image, clipped to it
};

struct Picture {
  std::vector<uint8_t> rgb;  // [kImageHeight, kImageWidth, 3]
  std::vector<Occluder> occluders;
  // For head, upper and lower body (the order of PersonLabel from kHead on) the share of their pixels that is
  // inside the image and not behind an occluder; 0 for a part without pixels.
  std::array<float, 3> visible{};
};

// Draws and photographs one person. Any other randomness comes from `random`.
Picture take(const AttributeValues& values, const Traits& traits, const Camera& camera, const Shot& shot,
             const Difficulty& difficulty, PhiloxStream* random);

}  // namespace saccade::synthetic
