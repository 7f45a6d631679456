// Draws a pedestrian: a skeleton in three dimensions, seen in parallel projection, whose parts are painted
// from far to near. The axes of the body are x to its left, y up and z forward; lengths are in body heights,
// and the ground is at y = 0.
#include "reid/synthetic/person.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace saccade::synthetic {
namespace {

struct Vec3 {
  float x = 0, y = 0, z = 0;
};
Vec3 operator+(Vec3 a, Vec3 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}

float smooth(float t) {
  t = std::clamp(t, 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

float hash01(int x, int y) {
  uint32_t h = static_cast<uint32_t>(x) * 0x8da6b343u ^ static_cast<uint32_t>(y) * 0xd8163841u;
  h = (h ^ (h >> 13)) * 0x9e3779b1u;
  return static_cast<float>((h ^ (h >> 16)) & 0xffff) / 65535.0f;
}

// The color of the cloth at an azimuth (radians around the body, 0 in front) and a height (in body heights).
Color cloth(const Garment& garment, float azimuth, float height) {
  const float u = azimuth * 0.1f, turn = 6.2832f * garment.frequency;
  const float across = std::sin(turn * u + garment.phase), down = std::sin(turn * height + garment.phase);
  bool accent = false;
  switch (garment.pattern) {
    case Garment::stripes:
      accent = down > 0.35f;
      break;
    case Garment::pinstripes:
      accent = across > 0.35f;
      break;
    case Garment::check:
      accent = (across > 0.3f) != (down > 0.3f);
      break;
    case Garment::dots:
      accent = across * down > 0.45f;
      break;
    case Garment::band:
      accent = std::fabs(height - 0.68f - 0.01f * garment.phase) < 0.6f / garment.frequency;
      break;
    case Garment::block:
      accent = height > 0.69f + 0.012f * garment.phase;
      break;
    case Garment::mottled: {
      const float cell = garment.frequency * 2.5f;
      accent = hash01(static_cast<int>(std::floor(u * cell + garment.phase)),
                      static_cast<int>(std::floor(height * cell))) > 0.68f;
      break;
    }
    default:
      break;
  }
  return accent ? garment.accent : garment.base;
}

bool inside_print(const Print& print, float u, float v) {
  const float x = u / print.size, y = v / print.size;
  switch (print.shape) {
    case Print::disc:
      return x * x + y * y < 1;
    case Print::square:
      return std::fabs(x) < 0.9f && std::fabs(y) < 0.9f;
    case Print::triangle:
      return y > -0.9f && y < 0.9f && std::fabs(x) < (0.9f - y) * 0.55f;
    case Print::bars:
      return std::fabs(x) < 1.2f && std::fabs(y) < 1 && std::sin(y * 9) > 0;
    case Print::cross:
      return std::min(std::fabs(x), std::fabs(y)) < 0.3f && std::max(std::fabs(x), std::fabs(y)) < 1;
    default:
      return false;
  }
}

class Painter {
 public:
  Painter(Raster* scene, const AttributeValues& values, const Traits& traits, const Pose& pose,
          const Light& light, const HiddenAttributes& hidden, bool labeled)
      : scene_(*scene),
        values_(values),
        traits_(traits),
        pose_(pose),
        light_(light),
        hidden_(hidden),
        labeled_(labeled),
        cos_(std::cos(pose.yaw)),
        sin_(std::sin(pose.yaw)) {}

  void draw() {
    shadow();
    for (const int side : {-1, 1}) {
      leg(side);
      arm(side);
    }
    if (values_[kClothes] == 0) skirt();
    torso();
    head();
    if (wears(kBackpack)) backpack();
    if (wears(kBag)) bag();
    std::stable_sort(parts_.begin(), parts_.end(),
                     [](const Part& a, const Part& b) { return a.depth < b.depth; });
    for (const Part& part : parts_) part.paint();
  }

 private:
  struct Part {
    float depth;
    std::function<void()> paint;
  };

  bool wears(Attribute attribute) const { return values_[attribute] == 1 && !hidden_[attribute]; }
  uint8_t label(PersonLabel which) const { return labeled_ ? which : kOther; }
  void later(float depth, std::function<void()> paint) { parts_.push_back({depth, std::move(paint)}); }

  // How far toward the camera, before its pitch.
  float depth(Vec3 p) const { return -p.x * sin_ + p.z * cos_; }
  // The upper body leans forward by the identity's stoop.
  Vec3 lean(Vec3 p) const { return {p.x, p.y, p.z + traits_.stoop * std::max(p.y - traits_.leg, 0.0f)}; }
  Point project(Vec3 p) const {
    const float x = p.x * cos_ + p.z * sin_;
    const float y = p.y * std::cos(pose_.pitch) - depth(p) * std::sin(pose_.pitch);
    return {pose_.feet.x + pose_.height * x, pose_.feet.y - pose_.height * y};
  }
  float px(float length) const { return length * pose_.height; }
  // Half the width in the picture of an ellipse with the half axes wx (left to right) and wz (front to back).
  float seen(float wx, float wz) const { return std::hypot(wx * cos_, wz * sin_); }
  // The azimuth of what is seen at s across a part, s from -1 to 1.
  float azimuth(float s) const {
    const float c = std::sqrt(std::max(1 - s * s, 0.0f));
    return std::atan2(s * cos_ - c * sin_, s * sin_ + c * cos_);
  }
  Color lit(Color color, float s, float fold = 0) const {
    const float facing = std::max(s * light_.x + std::sqrt(std::max(1 - s * s, 0.0f)) * light_.z, 0.0f);
    return color * ((light_.ambient + (1 - light_.ambient) * facing) * (1 + fold));
  }
  float fold(float along, float s) const {
    return 0.07f * std::sin(along * 40 + s * 3 + pose_.wrinkle) +
           0.05f * std::sin(along * 90 - s * 5 + 2 * pose_.wrinkle);
  }

  void shadow() {
    const Point ground = project({0, 0, 0});
    scene_.paint({ground.x - px(0.22f), ground.y - px(0.06f), ground.x + px(0.22f), ground.y + px(0.06f)},
                 kOther, [&](float x, float y, Color* color) {
                   const float u = (x - ground.x) / px(0.2f), v = (y - ground.y) / px(0.045f);
                   *color = {0.05f, 0.05f, 0.06f};
                   return 0.5f * std::clamp(1 - u * u - v * v, 0.0f, 1.0f);
                 });
  }

  // The part of a limb between two joints with the half widths wa and wb; color(t, s) as in Raster::tube.
  void limb(Vec3 a, Vec3 b, float wa, float wb, PersonLabel which, float nearer,
            std::function<Color(float, float)> color) {
    later((depth(a) + depth(b)) / 2 + nearer, [=, this] {
      scene_.tube(
          project(a), project(b), px(std::max(wa, wb)), true, label(which),
          [&](float t) { return px(wa + (wb - wa) * t); }, color);
    });
  }

  void leg(int side) {
    const float hip_y = traits_.leg, length = hip_y - 0.035f, sd = static_cast<float>(side);
    const float swing = std::sin(pose_.phase + (side > 0 ? 0 : 3.1416f));
    const float thigh_angle = traits_.stride * swing + 0.06f;
    // The knee bends while the leg swings forward.
    const float bend =
        0.1f + 0.8f * traits_.stride * (1 + std::cos(pose_.phase + (side > 0 ? 0.3f : 3.4416f)));
    const float shin_angle = thigh_angle - bend;
    const Vec3 hip{sd * 0.048f * traits_.hip, hip_y, 0};
    const Vec3 knee =
        hip + Vec3{0, -0.5f * length * std::cos(thigh_angle), 0.5f * length * std::sin(thigh_angle)};
    const Vec3 ankle =
        knee + Vec3{0, -0.5f * length * std::cos(shin_angle), 0.5f * length * std::sin(shin_angle)};
    const Vec3 toe = ankle + Vec3{sd * 0.012f, -0.012f - 0.03f * std::max(bend - 0.5f, 0.0f), 0.075f};
    const bool dress = values_[kClothes] == 0, bare_shin = dress || values_[kDown] == 1;
    const float loose = dress ? 1.0f : traits_.trouser_width, thick = 0.85f + 0.15f * traits_.build;
    const float base = thick * 0.052f * traits_.hip;
    limb(hip, knee, base * (0.5f + 0.5f * loose), 0.036f * thick * loose * (bare_shin ? 1.05f : 1),
         kLowerBody, 0,
         [=, this](float t, float s) { return lower_color(hip_y - 0.5f * length * t, s, dress, sd); });
    limb(knee, ankle, (bare_shin ? 0.036f : 0.036f * loose) * thick,
         bare_shin ? 0.02f : 0.022f * loose + 0.004f, kLowerBody, 0.001f, [=, this](float t, float s) {
           return lower_color(hip_y - 0.5f * length * (1 + t), s, bare_shin, sd);
         });
    if (traits_.tall_shoes) {
      const Vec3 top{ankle.x + (knee.x - ankle.x) * 0.4f, ankle.y + (knee.y - ankle.y) * 0.4f,
                     ankle.z + (knee.z - ankle.z) * 0.4f};
      limb(top, ankle, 0.03f, 0.026f, kLowerBody, 0.002f,
           [this](float, float s) { return lit(traits_.shoes, s); });
    }
    limb(ankle, toe, 0.024f, 0.017f, kLowerBody, 0.003f,
         [this](float, float s) { return lit(traits_.shoes, s); });
  }

  Color lower_color(float height, float s, bool bare, float side) const {
    if (bare) return lit(traits_.skin, s);
    const float around = azimuth(s);
    const bool stripe =
        traits_.side_stripe && std::fabs(std::fabs(around) - 1.57f) < 0.25f && around * side > 0;
    return lit(stripe ? traits_.stripe : cloth(traits_.lower, around, height), s, fold(height, s));
  }

  // A dress falls from the waist; a long one reaches the calf, a short one the knee.
  void skirt() {
    const float top = traits_.leg + 0.07f,
                bottom = traits_.leg * (values_[kDown] == 0 ? 0.3f : 0.62f) + traits_.hem;
    const float waist = 0.078f * traits_.build, flare = (0.1f + 0.04f * traits_.trouser_width) * traits_.hip;
    later(-0.002f, [=, this] {
      scene_.tube(
          project(lean({0, top, 0})), project({0, bottom, 0.015f}), px(flare * 1.3f), false,
          label(kLowerBody),
          [&](float t) { return px(seen(1, 0.8f) * (waist + (flare - waist) * std::sqrt(t))); },
          [&](float t, float s) {
            const float height = top + (bottom - top) * t;
            return lit(cloth(traits_.lower, azimuth(s), height), s,
                       1.6f * fold(0.1f * height + 0.08f * s, s));
          });
    });
  }

  void arm(int side) {
    const float sd = static_cast<float>(side), length = 0.165f * traits_.arm;
    // An arm swings with the opposite leg.
    const float angle =
        traits_.swing * std::sin(pose_.phase + (side > 0 ? 3.1416f : 0)) - traits_.stoop * 0.3f;
    const Vec3 shoulder = lean({sd * 0.103f * traits_.shoulder, 0.795f, 0});
    const float spread = sd * (0.1f + 0.06f * traits_.build);
    const Vec3 elbow = shoulder + Vec3{spread * length, -length * std::cos(angle), length * std::sin(angle)};
    const float fore = angle + traits_.elbow;
    const Vec3 hand = elbow + Vec3{0.3f * spread * length, -0.95f * length * std::cos(fore),
                                   0.95f * length * std::sin(fore)};
    const bool short_sleeve = values_[kUp] == 1;
    const float thick = 0.6f + 0.4f * traits_.build, cloth_width = short_sleeve ? 1.0f : 1.15f;
    const auto sleeve = [=, this](float t, float s) {
      if (short_sleeve && t > traits_.sleeve) return lit(traits_.skin, s);
      const Color color =
          traits_.sleeves_accent ? traits_.upper.accent : cloth(traits_.upper, azimuth(s), 0.8f - 0.16f * t);
      return lit(color, s, fold(0.1f * t, s));
    };
    const float nearer = 0.01f;  // the shoulder cap lies over the torso's edge
    limb(shoulder, elbow, 0.036f * thick * cloth_width, 0.028f * thick * cloth_width, kUpperBody, nearer,
         sleeve);
    limb(elbow, hand, 0.027f * thick * cloth_width, 0.019f * cloth_width, kUpperBody, nearer + 0.001f,
         [=, this](float t, float s) { return short_sleeve ? lit(traits_.skin, s) : sleeve(1 + t, s); });
    const Vec3 tip = hand + Vec3{0, -0.025f, 0.01f};
    limb(hand, tip, 0.018f, 0.014f, kUpperBody, nearer + 0.002f,
         [this](float, float s) { return lit(traits_.skin, s); });
    if (wears(kHandbag) && side == traits_.handbag_side) handbag(tip);
  }

  Color torso_color(float t, float height, float s) const {
    const float around = azimuth(s), front = std::cos(around);
    if (wears(kBackpack) && front > 0 && t < 0.5f && std::fabs(std::fabs(around) - 0.62f) < 0.13f)
      return traits_.backpack * 0.8f;
    if (wears(kBag)) {
      const float line =
          (1 - 2.1f * t) * 0.9f * static_cast<float>(-traits_.bag_side) * (front > 0 ? 1.0f : -1.0f);
      const float place = front > 0 ? around : std::remainder(around - 3.1416f, 6.2832f);
      if (std::fabs(place - line) < 0.13f) return traits_.bag * 0.8f;
    }
    if (t < 0.06f && front > 0.75f) return traits_.skin * 0.9f;  // the neckline
    if (traits_.open_jacket && std::fabs(around) < 0.22f + 0.2f * t) return traits_.inner;
    const float u = front > 0 ? around * 0.09f : std::remainder(around - 3.1416f, 6.2832f) * 0.09f;
    const Print& print = front > 0 ? traits_.chest : traits_.back;
    if (inside_print(print, u, print.height - height)) return print.color;
    return cloth(traits_.upper, around, height);
  }

  void torso() {
    const float top = 0.845f, hip = traits_.leg - 0.015f, bottom = hip - traits_.coat;
    const float shoulder = 0.118f * traits_.shoulder, waist = 0.084f * traits_.build,
                hips = 0.09f * traits_.hip;
    const float chest_z = 0.06f * traits_.build, belly_z = 0.062f * traits_.build * traits_.build,
                seat_z = 0.066f * traits_.hip;
    const auto half_width = [=, this](float t) {
      // 0 at the neck, 1 at the hips, from where a coat falls straight.
      const float at = std::min(t * (top - bottom) / (top - hip), 1.0f);
      if (at < 0.14f) return seen(shoulder, chest_z) * (0.42f + 0.58f * std::sqrt(at / 0.14f));
      if (at < 0.6f)
        return seen(shoulder + (waist - shoulder) * smooth((at - 0.14f) / 0.46f),
                    chest_z + (belly_z - chest_z) * (at - 0.14f) / 0.46f);
      return seen(waist + (hips - waist) * smooth((at - 0.6f) / 0.4f),
                  belly_z + (seat_z - belly_z) * (at - 0.6f) / 0.4f);
    };
    later(0, [=, this] {
      scene_.tube(
          project(lean({0, top, 0})), project(lean({0, bottom, 0})), px(0.2f), false, label(kUpperBody),
          [&](float t) { return px(half_width(t)); },
          [&](float t, float s) {
            const float height = top + (bottom - top) * t;
            return lit(torso_color(t, height, s), s, fold(height, s));
          });
    });
  }

  void head() {
    const float size = traits_.head, rx = 0.052f * size, ry = 0.067f * size;
    const Vec3 center = lean({0, 0.998f - ry, 0.012f});
    limb(lean({0, 0.875f, 0}), lean({0, 0.83f, 0}), 0.03f, 0.036f, kHead, 0.001f,
         [this](float, float s) { return lit(traits_.skin * 0.9f, s); });
    later(depth(center) + 0.03f, [=, this] {
      const float width = px(seen(rx, rx * 1.15f));
      scene_.ellipse(project(center), width, px(ry), label(kHead),
                     [&](float u, float v) { return lit(head_color(u, v), u); });
    });
    if (hidden_[kHair]) {
      hood(center, rx, ry);
    } else if (values_[kHair] == 1) {
      const Vec3 crown = center + Vec3{0, 0.01f, -0.02f};
      const Vec3 ends = lean({0, 0.83f - traits_.hair_length, -0.055f});
      limb(crown, ends, rx * 1.12f * traits_.hair_volume, rx * 0.8f * traits_.hair_volume, kHead, -0.01f,
           [this](float t, float s) { return lit(traits_.hair, s, 0.15f * std::sin(14 * s + 3 * t)); });
    }
    if (wears(kHat)) hat(center, rx, ry);
  }

  Color head_color(float u, float v) const {
    const float w = std::sqrt(std::max(1 - u * u - v * v, 0.0f));
    const float front = u * sin_ + w * cos_, side = u * cos_ - w * sin_;
    if (!(front > 0.2f && v > traits_.hairline) && !(v > 0.55f && front > -0.4f)) return traits_.hair;
    if (std::fabs(std::fabs(side) - 0.36f) < 0.11f && std::fabs(v - 0.05f) < 0.07f)
      return {0.12f, 0.09f, 0.08f};  // eyes
    if (std::fabs(side) < 0.24f && std::fabs(v - 0.6f) < 0.06f && front > 0.4f)
      return traits_.skin * Color{0.8f, 0.5f, 0.5f};
    return traits_.skin;
  }

  void hood(Vec3 center, float rx, float ry) {
    later(depth(center) + 0.031f, [=, this] {
      scene_.ellipse(
          project(center + Vec3{0, -0.004f, -0.006f}), px(rx * 1.35f), px(ry * 1.2f), label(kHead),
          [&](float u, float v) {
            const float w = std::sqrt(std::max(1 - u * u - v * v, 0.0f)), front = u * sin_ + w * cos_;
            return lit(front > 0.72f && v > -0.5f ? traits_.skin * 0.85f : traits_.upper.base * 0.95f, u);
          });
    });
  }

  void hat(Vec3 center, float rx, float ry) {
    const Vec3 crown = center + Vec3{0, ry * 0.55f, -0.002f};
    const float width = rx * (traits_.hat_kind == 2 ? 1.1f : 1.16f);
    later(depth(center) + 0.04f, [=, this] {
      const auto color = [&](float u, float) { return lit(traits_.hat, u); };
      scene_.ellipse(project(crown), px(width), px(ry * (traits_.hat_kind == 1 ? 0.75f : 0.6f)), label(kHead),
                     color);
      const Vec3 brim = center + Vec3{0, ry * 0.36f, 0};
      if (traits_.hat_kind == 0) {  // a cap with its peak in front
        scene_.tube(
            project(brim), project(brim + Vec3{0, -0.004f, rx * 2.0f}), px(0.02f), true, label(kHead),
            [&](float) { return px(0.011f + 0.012f * std::fabs(cos_) * 0.5f); },
            [&](float, float) { return traits_.hat * 0.75f; });
      } else if (traits_.hat_kind == 2) {  // a brim all around
        scene_.ellipse(project(brim), px(rx * 2.1f), px(0.012f + 0.05f * std::sin(pose_.pitch)), label(kHead),
                       [&](float, float) { return traits_.hat * 0.85f; });
      }
    });
  }

  void cased(Vec3 center, float half_width, float half_height, float round, Color color, float nearer,
             bool pocket) {
    later(depth(center) + nearer, [=, this] {
      const Point p = project(center);
      scene_.rounded_box(
          {p.x - px(half_width), p.y - px(half_height), p.x + px(half_width), p.y + px(half_height)},
          px(round), label(kCarried), [&](float u, float v) {
            const bool seam = pocket && std::fabs(v - 0.55f) < 0.03f;
            return lit(color * (seam ? 0.6f : 1.0f), (2 * u - 1) * 0.8f, -0.15f * v);
          });
    });
  }

  void backpack() {
    const float size = traits_.backpack_size;
    cased(lean({0, 0.7f, -0.1f}), seen(0.082f, 0.05f) * size, 0.105f * size, 0.03f, traits_.backpack, 0,
          true);
  }

  void bag() {
    const float side = static_cast<float>(traits_.bag_side), size = traits_.bag_size;
    cased({side * 0.125f, 0.5f, -0.01f}, seen(0.035f, 0.075f) * size, 0.055f * size, 0.012f, traits_.bag,
          0.02f, true);
  }

  void handbag(Vec3 hand) {
    limb(hand, hand + Vec3{0, -0.04f, 0}, 0.006f, 0.006f, kCarried, 0.01f,
         [this](float, float) { return traits_.handbag * 0.7f; });
    cased(hand + Vec3{0, -0.085f, 0}, seen(0.022f, 0.06f), 0.048f, 0.01f, traits_.handbag, 0.012f, false);
  }

  Raster& scene_;
  const AttributeValues& values_;
  const Traits& traits_;
  const Pose& pose_;
  const Light& light_;
  const HiddenAttributes& hidden_;
  const bool labeled_;
  const float cos_, sin_;
  std::vector<Part> parts_;
};

}  // namespace

void draw_person(Raster* scene, const AttributeValues& values, const Traits& traits, const Pose& pose,
                 const Light& light, const HiddenAttributes& hidden, bool labeled) {
  Painter(scene, values, traits, pose, light, hidden, labeled).draw();
}

}  // namespace saccade::synthetic
