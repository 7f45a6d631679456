// A pedestrian: the attributes and continuous traits of an identity, and how it is drawn in a pose.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/philox.h"
#include "reid/synthetic/attributes.h"
#include "reid/synthetic/difficulty.h"
#include "reid/synthetic/raster.h"

namespace saccade::synthetic {

// Cloth: a color, and a pattern in a second color that follows the surface of the body.
struct Garment {
  enum Pattern { plain, stripes, pinstripes, check, dots, band, block, mottled };
  Color base, accent;
  int pattern = plain;
  float frequency = 20;  // cycles per body height
  float phase = 0;       // radians; for `band` and `block` how high they are
};

// A print on the chest or back.
struct Print {
  enum Shape { none, disc, square, triangle, bars, cross };
  int shape = none;
  Color color;
  float size = 0.05f, height = 0.73f;  // in body heights
};

// The continuous traits of an identity, which tell apart two people who share every attribute. Lengths are in
// body heights, factors are around 1.
struct Traits {
  float shoulder = 1, hip = 1, build = 1, head = 1, arm = 1;
  float leg = 0.5f;  // height of the hip joint
  float stoop = 0, stride = 0.45f, swing = 0.45f, elbow = 0.3f;
  Color skin, hair, shoes, inner, hat, backpack, bag, handbag, stripe;
  float hairline = -0.3f, hair_length = 0.1f, hair_volume = 1;
  Garment upper, lower;
  Print chest, back;
  bool sleeves_accent = false, open_jacket = false, side_stripe = false, tall_shoes = false;
  float coat = 0, trouser_width = 1, sleeve = 0.6f, hem = 0;
  int hat_kind = 0, bag_side = 1, handbag_side = 1;
  float backpack_size = 1, bag_size = 1;
};
Traits draw_traits(const AttributeValues& values, const Difficulty& difficulty, PhiloxStream* random);

struct Pose {
  Point feet;         // pixels of the scene: the point of the ground under the body
  float height = 1;   // pixels from sole to crown of the person standing upright, seen horizontally
  float yaw = 0;      // radians; 0 walks toward the camera, pi/2 to the right, pi away from the camera
  float pitch = 0;    // radians; how steeply the camera looks down
  float phase = 0;    // radians in the walking cycle
  float wrinkle = 0;  // seed of the folds
};

struct Light {
  float x = 0.3f, z = 0.95f;  // direction to the light: right, toward the camera; unit length
  float ambient = 0.55f;      // share of the light that comes from everywhere
};

// The labels that a person leaves in the scene.
enum PersonLabel : uint8_t {
  kOther = 0,
  kHead = 1,
  kUpperBody = 2,
  kLowerBody = 3,
  kCarried = 4,
  kPersonLabels = 5
};

// Which attributes do not show in this image: a hidden hat, backpack, bag or handbag is not drawn, and hidden
// hair is under a hood. What hides the others is drawn by `take` (scene.h).
using HiddenAttributes = std::array<bool, kAttributes>;

// Without `labeled` all of the person has the label kOther, as bystanders do.
void draw_person(Raster* scene, const AttributeValues& values, const Traits& traits, const Pose& pose,
                 const Light& light, const HiddenAttributes& hidden, bool labeled);

}  // namespace saccade::synthetic
