// Draws what an identity looks like beyond its attributes.
#include <algorithm>
#include <cmath>

#include "reid/synthetic/person.h"

namespace saccade::synthetic {
namespace {

// The range of hues, saturations and values that people call by one name.
struct NamedColor {
  float hue0, hue1, saturation0, saturation1, value0, value1;
};

constexpr NamedColor kUpperColors[] = {
    {0, 360, 0.0f, 0.25f, 0.05f, 0.19f},     // black
    {20, 260, 0.0f, 0.09f, 0.80f, 0.97f},    // white
    {-12, 10, 0.65f, 0.92f, 0.45f, 0.85f},   // red
    {268, 305, 0.35f, 0.70f, 0.35f, 0.70f},  // purple
    {0, 360, 0.0f, 0.10f, 0.34f, 0.62f},     // gray
    {198, 238, 0.45f, 0.85f, 0.35f, 0.85f},  // blue
    {85, 160, 0.35f, 0.75f, 0.28f, 0.70f},   // green
    {44, 60, 0.55f, 0.90f, 0.70f, 0.95f},    // yellow
};
constexpr NamedColor kLowerColors[] = {
    kUpperColors[0],
    kUpperColors[1],
    {325, 350, 0.30f, 0.60f, 0.70f, 0.95f},  // pink
    kUpperColors[4],
    {205, 235, 0.35f, 0.75f, 0.25f, 0.65f},  // blue, mostly jeans
    kUpperColors[6],
    {20, 36, 0.35f, 0.65f, 0.25f, 0.55f},  // brown
    kUpperColors[7],
    kUpperColors[3],
};

Color named(const NamedColor& name, float jitter, PhiloxStream* random) {
  const auto within = [&](float low, float high) {
    return (low + high) / 2 + jitter * random->uniform(-0.5f, 0.5f) * (high - low);
  };
  const float hue = within(name.hue0, name.hue1), saturation = within(name.saturation0, name.saturation1);
  return hsv(hue, saturation, within(name.value0, name.value1));
}

Color any_color(PhiloxStream* random) {
  const float hue = random->uniform(0, 360), saturation = random->uniform();
  return hsv(hue, 0.8f * saturation * saturation, random->uniform(0.1f, 0.95f));
}

float around(float mean, float spread, PhiloxStream* random) {
  return mean + spread * std::clamp(random->normal(), -2.2f, 2.2f);
}

Garment draw_garment(Color base, float plain, PhiloxStream* random) {
  Garment garment;
  garment.base = base;
  // The second color is a lighter or darker shade, or any color; it never covers most of the cloth.
  const float shade = random->uniform() < 0.5f ? 0.45f : 1.7f;
  garment.accent = random->uniform() < 0.5f ? any_color(random) : base * shade + Color{0.05f, 0.05f, 0.05f};
  garment.pattern = random->uniform() < plain ? Garment::plain : 1 + static_cast<int>(random->below(7));
  garment.frequency = random->uniform(9.0f, 26.0f);
  garment.phase = random->uniform(0, 6.2832f);
  return garment;
}

Print draw_print(float probability, PhiloxStream* random) {
  Print print;
  print.shape = random->uniform() < probability ? 1 + static_cast<int>(random->below(5)) : Print::none;
  print.color = any_color(random);
  print.size = random->uniform(0.025f, 0.065f);
  print.height = random->uniform(0.66f, 0.76f);
  return print;
}

Color draw_skin(PhiloxStream* random) {
  const float tone = random->uniform();
  return mix({0.93f, 0.76f, 0.65f}, {0.38f, 0.25f, 0.18f}, tone * tone);
}

Color draw_hair(bool old, PhiloxStream* random) {
  const float kind = random->uniform();
  const float value = random->uniform();
  if (old && kind < 0.8f) return hsv(40, 0.05f, 0.55f + 0.35f * value);
  if (kind < 0.55f) return hsv(25, 0.3f, 0.06f + 0.12f * value);
  if (kind < 0.85f) return hsv(25, 0.6f, 0.2f + 0.2f * value);
  return hsv(40, 0.55f, 0.55f + 0.3f * value);
}

}  // namespace

Traits draw_traits(const AttributeValues& values, const Difficulty& difficulty, PhiloxStream* random) {
  const bool female = values[kGender] == 1, child = values[kAge] == 0, old = values[kAge] == 3;
  const float spread = difficulty.build_spread;
  Traits t;
  t.shoulder = around((female ? 0.92f : 1.05f) * (child ? 0.95f : 1.0f), 0.06f * spread, random);
  t.hip = around(female ? 1.06f : 0.96f, 0.06f * spread, random);
  t.build = std::max(around(old ? 1.08f : 1.0f, 0.13f * spread, random), 0.75f);
  t.head = around(child ? 1.28f : 1.0f, 0.05f * spread, random);
  t.arm = around(1.0f, 0.05f * spread, random);
  t.leg = around(child ? 0.46f : 0.5f, 0.012f * spread, random);
  t.stoop = std::max(around(old ? 0.22f : 0.03f, 0.05f * spread, random), -0.02f);
  t.stride = std::max(around(old ? 0.28f : 0.45f, 0.07f * spread, random), 0.15f);
  t.swing = std::max(around(0.45f, 0.15f * spread, random), 0.05f);
  t.elbow = random->uniform(0.1f, 0.7f);
  t.skin = draw_skin(random);
  t.hair = draw_hair(old, random);
  t.shoes = any_color(random) * 0.8f;
  t.inner = any_color(random);
  t.hat = any_color(random);
  t.backpack = any_color(random) * 0.8f;
  t.bag = any_color(random) * 0.8f;
  t.handbag = any_color(random) * 0.9f;
  t.stripe = any_color(random);
  t.hairline = !female && random->uniform() < (old ? 0.5f : 0.1f) ? -0.75f : random->uniform(-0.45f, -0.15f);
  t.hair_length = random->uniform(0.06f, 0.2f);
  t.hair_volume = random->uniform(0.85f, 1.25f);
  t.upper = draw_garment(named(kUpperColors[values[kUpColor]], difficulty.hue_jitter, random),
                         difficulty.plain, random);
  const float lower_plain = 1 - 0.45f * (1 - difficulty.plain);
  t.lower = draw_garment(named(kLowerColors[values[kDownColor]], difficulty.hue_jitter, random), lower_plain,
                         random);
  t.chest = draw_print(difficulty.print, random);
  t.back = draw_print(0.6f * difficulty.print, random);
  t.sleeves_accent = random->uniform() < 0.2f;
  t.open_jacket = values[kUp] == 0 && random->uniform() < 0.35f;
  t.side_stripe = random->uniform() < 0.15f;
  t.tall_shoes = random->uniform() < 0.2f;
  t.coat = values[kUp] == 0 && random->uniform() < 0.3f ? random->uniform(0.03f, 0.14f)
                                                        : random->uniform(0.0f, 0.03f);
  t.trouser_width = random->uniform(0.85f, 1.35f);
  t.sleeve = random->uniform(0.35f, 0.95f);
  t.hem = random->uniform(-0.04f, 0.04f);
  t.hat_kind = static_cast<int>(random->below(3));
  t.bag_side = random->below(2) ? 1 : -1;
  t.handbag_side = random->below(2) ? 1 : -1;
  t.backpack_size = random->uniform(0.8f, 1.3f);
  t.bag_size = random->uniform(0.8f, 1.3f);
  return t;
}

}  // namespace saccade::synthetic
