// A pedestrian: what is constant about an identity (attributes and continuous traits), and how it is drawn in
// a pose.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/philox.h"
#include "reid/synthetic/attributes.h"
#include "reid/synthetic/canvas.h"
#include "reid/synthetic/difficulty.h"

namespace saccade::synthetic {

// Cloth: a color, and a pattern in a second color that follows the body's surface.
struct Garment {
  enum Pattern { plain, stripes, pinstripes, check, dots, band, block, mottled };
  Color base, accent;
  int pattern = plain;
  float frequency = 20, phase = 0;  // cycles per body height; radians, or a place for `band` and `block`
};

// A print on the chest or back.
struct Print {
  enum Shape { none, disc, square, triangle, bars, cross };
  int shape = none;
  Color color;
  float size = 0.05f, height = 0.73f;  // in body heights
};

// The continuous traits of an identity: what tells apart two people who share every attribute. Lengths are in
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
  Point feet;         // canvas position of the ground point under the body
  float height = 1;   // pixels from sole to crown when standing upright, seen from the horizontal
  float yaw = 0;      // radians, 0: walks towards the camera, pi: away from it, pi/2: towards the right
  float pitch = 0;    // radians, how steeply the camera looks down
  float phase = 0;    // radians in the walking cycle
  float wrinkle = 0;  // seed of the folds
};

struct Light {
  float x = 0.3f, z = 0.95f;  // direction to the light: right, towards the camera; unit length
  float ambient = 0.55f;      // share of the light that comes from everywhere
};

// Labels that a person leaves on the canvas.
enum PersonLabel : uint8_t {
  kOther = 0,
  kHead = 1,
  kUpperBody = 2,
  kLowerBody = 3,
  kCarried = 4,
  kPersonLabels = 5
};

// Attributes that do not show in this image, by index: hat, backpack, bag and handbag are not worn, hair is
// under a hood.
using HiddenAttributes = std::array<bool, kAttributes>;

// `labelled` false: a bystander, which leaves the label kOther.
void draw_person(Canvas* canvas, const AttributeValues& values, const Traits& traits, const Pose& pose,
                 const Light& light, const HiddenAttributes& hidden, bool labelled);

}  // namespace saccade::synthetic
