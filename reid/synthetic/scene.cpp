#include "reid/synthetic/scene.h"

#include <algorithm>
#include <cmath>

#include "reid/synthetic/streams.h"

namespace saccade::synthetic {
namespace {

// The scene is drawn at twice the size of the image and with a margin, because a person can be partly outside
// the box, and so that the blur at the edge sees what is really there.
constexpr int kScale = 2, kMargin = 32;
constexpr int kBoxWidth = kImageWidth * kScale, kBoxHeight = kImageHeight * kScale;
constexpr int kSceneWidth = kBoxWidth + 2 * kMargin, kSceneHeight = kBoxHeight + 2 * kMargin;

Color street_color(float low, float high, float max_saturation, PhiloxStream* random) {
  const float hue = random->uniform(0, 360), saturation = random->uniform(0, max_saturation);
  return hsv(hue, saturation, random->uniform(low, high));
}

// The texture of a whole scene, from a coarse grid of random values.
struct Grain {
  static constexpr int kCell = 8, kColumns = kSceneWidth / kCell + 2, kRows = kSceneHeight / kCell + 2;
  std::array<float, kColumns * kRows> value;
  explicit Grain(PhiloxStream* random) {
    for (float& v : value) v = random->uniform();
  }
  float operator()(float x, float y) const {
    const float gx = x / kCell, gy = y / kCell;
    const int i = static_cast<int>(gx), j = static_cast<int>(gy);
    const float a = gx - static_cast<float>(i), b = gy - static_cast<float>(j);
    const float* row = &value[j * kColumns + i];
    return (row[0] * (1 - a) + row[1] * a) * (1 - b) + (row[kColumns] * (1 - a) + row[kColumns + 1] * a) * b;
  }
};

// What the wall behind one stretch of the street looks like.
struct Facade {
  Color wall, window;
  float pitch, width;  // of the windows: distance in pixels, and share that is glass (0: a bare wall)
  explicit Facade(PhiloxStream random)
      : wall(street_color(0.25f, 0.85f, 0.35f, &random)),
        window(street_color(0.1f, 0.45f, 0.3f, &random)),
        pitch(random.uniform(30, 70)),
        width(std::max(random.uniform(-0.4f, 0.75f), 0.0f)) {}
};

// Walls change along the street, so that the background of a picture does not simply name its camera.
void draw_ground_and_walls(Raster* scene, float horizon, float offset, uint64_t seed, PhiloxStream* random) {
  constexpr float kStretch = 110;
  PhiloxStream street(seed, 100);
  const Color ground = street_color(0.4f, 0.65f, 0.12f, &street),
              joint = ground * street.uniform(0.75f, 0.95f);
  const float tile = street.uniform(14, 40);
  const auto facade_at = [&](int stretch) {
    return Facade(PhiloxStream(seed, static_cast<uint64_t>(1000 + stretch)));
  };
  std::vector<Facade> facades;
  const int first = static_cast<int>(std::floor(offset / kStretch));
  for (int k = 0; static_cast<float>(first + k) * kStretch < offset + static_cast<float>(scene->width());
       ++k) {
    facades.push_back(facade_at(first + k));
  }
  const Grain grain(random);
  for (int j = 0; j < scene->height(); ++j) {
    for (int i = 0; i < scene->width(); ++i) {
      const float x = static_cast<float>(i), y = static_cast<float>(j), rough = 0.9f + 0.2f * grain(x, y);
      if (y < horizon) {
        const int stretch = static_cast<int>(std::floor((x + offset) / kStretch)) - first;
        const Facade& f = facades[std::clamp(stretch, 0, static_cast<int>(facades.size()) - 1)];
        const float u = (x + offset) / f.pitch, v = y / (1.4f * f.pitch);
        const bool glass = u - std::floor(u) < f.width && v - std::floor(v) < 0.6f;
        scene->at(j, i) = (glass ? f.window : f.wall) * rough;
      } else {
        // Tiles grow toward the camera.
        const float near = 0.35f + (y - horizon) / 200;
        const float u = (x - 0.5f * kSceneWidth) / near + offset, v = std::log(near) * 60;
        const bool line =
            u / tile - std::floor(u / tile) < 0.06f || v / tile * 2 - std::floor(v / tile * 2) < 0.06f;
        scene->at(j, i) = (line ? joint : ground) * rough;
      }
    }
  }
}

void draw_car(Raster* scene, const Box& box, Color paint, const Light& light) {
  const float height = box.y1 - box.y0, width = box.x1 - box.x0;
  const Color glass{0.16f, 0.2f, 0.24f}, tyre{0.06f, 0.06f, 0.07f};
  scene->rounded_box({box.x0 + 0.12f * width, box.y0, box.x1 - 0.16f * width, box.y0 + 0.6f * height},
                     0.18f * height, kOther, [&](float u, float v) {
                       return v > 0.18f && v < 0.75f && u > 0.06f && u < 0.94f && std::fabs(u - 0.5f) > 0.02f
                                  ? glass
                                  : paint;
                     });
  scene->rounded_box({box.x0, box.y0 + 0.38f * height, box.x1, box.y1 - 0.1f * height}, 0.12f * height,
                     kOther, [&](float, float v) { return paint * (light.ambient + 0.4f * (1 - v)); });
  for (const float at : {0.22f, 0.78f}) {
    scene->ellipse({box.x0 + at * width, box.y1 - 0.14f * height}, 0.17f * height, 0.17f * height, kOther,
                   [&](float u, float v) {
                     return u * u + v * v < 0.3f ? Color{0.5f, 0.5f, 0.52f} : tyre;
                   });
  }
}

void draw_bush(Raster* scene, const Box& box, Color leaf, PhiloxStream* random) {
  const float width = box.x1 - box.x0, height = box.y1 - box.y0, r = 0.32f * std::min(width, height);
  for (int i = 0; i < 14; ++i) {
    const float x = random->uniform(box.x0 + r, box.x1 - r), y = random->uniform(box.y0 + r, box.y1 - r);
    const float size = r * random->uniform(0.7f, 1.0f), shade = random->uniform(0.6f, 1.2f);
    scene->ellipse({x, y}, size, size, kOther, [&](float u, float v) {
      return leaf * (shade * (0.8f - 0.25f * v + 0.2f * std::sin(9 * u + 5 * v) * std::sin(11 * v - 4 * u)));
    });
  }
}

Color leaf_color(PhiloxStream* random) {
  const float hue = random->uniform(75, 140), value = random->uniform(0.2f, 0.5f);
  return hsv(hue, random->uniform(0.3f, 0.65f), value);
}

// One thing of the street at world position `x`, standing on the ground at `y`.
void draw_clutter(Raster* scene, float x, float y, const Light& light, PhiloxStream* random) {
  const float size = random->uniform(0.6f, 1.4f);
  const Color color = street_color(0.15f, 0.9f, 0.8f, random);
  switch (random->below(6)) {
    case 0:
      return draw_car(scene, {x - 60 * size, y - 55 * size, x + 60 * size, y}, color, light);
    case 1:  // a tree
      scene->tube(
          {x, y - 130 * size}, {x, y}, 9, false, kOther, [&](float t) { return (4 + 3 * t) * size; },
          [&](float, float s) {
            return Color{0.3f, 0.22f, 0.16f} * (0.7f + 0.3f * s);
          });
      return draw_bush(scene, {x - 55 * size, y - 250 * size, x + 55 * size, y - 100 * size},
                       leaf_color(random), random);
    case 2:
      return draw_bush(scene, {x - 40 * size, y - 50 * size, x + 40 * size, y}, leaf_color(random), random);
    case 3:  // a lamp post
      return scene->tube(
          {x, y - 300}, {x, y}, 6, false, kOther, [&](float) { return 3.5f * size; },
          [&](float, float s) { return color * (0.4f + 0.2f * s); });
    case 4:  // a bin, a box, a stall
      return scene->rounded_box(
          {x - 18 * size, y - 50 * size, x + 18 * size, y}, 4, kOther,
          [&](float u, float v) { return color * (v < 0.15f ? 0.6f : 0.75f + 0.3f * u); });
    default:  // a sign or poster
      return scene->rounded_box(
          {x - 22 * size, y - 170 * size, x + 22 * size, y - 100 * size}, 2, kOther, [&](float u, float v) {
            return std::sin(u * 14) * std::sin(v * 17) > 0.3f ? Color{0.9f, 0.9f, 0.85f} : color;
          });
  }
}

// A person of no identity, for the background and for walking through the picture.
struct Stranger {
  AttributeValues values;
  Traits traits;
  Stranger(const Difficulty& difficulty, PhiloxStream* random) {
    for (int a = 0; a < kAttributes; ++a) {
      values[a] = static_cast<int>(random->below(static_cast<uint32_t>(attribute_table()[a].values.size())));
    }
    values[kClothes] = values[kGender] == 1 && random->uniform() < 0.3f ? 0 : 1;
    traits = draw_traits(values, difficulty, random);
  }
};

void draw_stranger(Raster* scene, Point feet, float height, const Camera& camera,
                   const Difficulty& difficulty, PhiloxStream* random) {
  const Stranger stranger(difficulty, random);
  Pose pose;
  pose.feet = feet;
  pose.height = height;
  pose.yaw = camera.yaw + (random->uniform() < 0.5f ? 3.1416f : 0.0f) + 0.5f * random->normal();
  pose.pitch = camera.pitch;
  pose.phase = random->uniform(0, 6.2832f);
  draw_person(scene, stranger.values, stranger.traits, pose, camera.light, {}, false);
}

void draw_background(Raster* scene, const Camera& camera, const Shot& shot, const Difficulty& difficulty,
                     PhiloxStream* random) {
  PhiloxStream street(camera.street, 0);
  const float horizon = kMargin + kBoxHeight * (0.62f - 0.9f * camera.pitch) + street.uniform(-20, 20);
  draw_ground_and_walls(scene, horizon, shot.street_offset, camera.street, random);
  // The street is 1,000 pixels long; things stand at fixed places along it.
  const int things = static_cast<int>(13 * difficulty.clutter);
  for (int i = 0; i < things; ++i) {
    PhiloxStream own(camera.street, 1 + i);
    const float x = own.uniform(-500, 500) - shot.street_offset + 0.5f * kSceneWidth;
    const float y = horizon + 10 + 70 * static_cast<float>(i) / static_cast<float>(std::max(things, 1));
    draw_clutter(scene, x, y, camera.light, &own);
  }
  if (random->uniform() < difficulty.bystander) {
    const float height = kBoxHeight * random->uniform(0.45f, 0.9f),
                side = random->uniform() < 0.5f ? -1.0f : 1.0f;
    const Point feet{0.5f * kSceneWidth + side * random->uniform(0.25f, 0.65f) * kBoxWidth,
                     horizon + 25 + 0.45f * height};
    draw_stranger(scene, feet, height, camera, difficulty, random);
  }
}

Box in_image(const Box& box) {
  const auto place = [](float v, int size) {
    return std::clamp((v - kMargin) / kScale, 0.0f, static_cast<float>(size));
  };
  return {place(box.x0, kImageWidth), place(box.y0, kImageHeight), place(box.x1, kImageWidth),
          place(box.y1, kImageHeight)};
}

class Foreground {
 public:
  Foreground(Raster* scene, const Camera& camera, const Pose& pose, const Difficulty& difficulty,
             PhiloxStream* random)
      : scene_(*scene), camera_(camera), pose_(pose), difficulty_(difficulty), random_(*random) {}

  void cover_legs() {
    const float top = pose_.feet.y - 0.56f * pose_.height, half = random_.uniform(0.3f, 0.5f) * pose_.height;
    const Box box{pose_.feet.x - half, top, pose_.feet.x + half, kSceneHeight + 20.0f};
    const Color color = street_color(0.2f, 0.9f, 0.7f, &random_);
    if (random_.uniform() < 0.5f) {
      // The body of a car hides everything below its windows, so its roof need not be drawn.
      scene_.rounded_box(box, 14, kOther,
                         [&](float, float v) { return color * (v < 0.06f ? 1.1f : 0.95f - 0.5f * v); });
      add("car", box);
    } else {
      scene_.rounded_box(box, 2, kOther, [&](float u, float v) {
        return color * (0.7f + 0.15f * std::sin(60 * u) + 0.1f * std::sin(25 * v));
      });
      draw_bush(&scene_, {box.x0, box.y0 - 6, box.x1, box.y0 + 30}, leaf_color(&random_), &random_);
      add("bush", {box.x0, box.y0 - 6, box.x1, box.y1});
    }
  }

  void cover_torso() {
    const float half = random_.uniform(0.2f, 0.27f) * pose_.height;
    const Box box{pose_.feet.x - half, pose_.feet.y - 0.88f * pose_.height, pose_.feet.x + half,
                  pose_.feet.y - 0.44f * pose_.height};
    const Color color = street_color(0.2f, 0.95f, 0.7f, &random_),
                ink = street_color(0.05f, 0.95f, 0.5f, &random_);
    const float lines = random_.uniform(10, 30);
    scene_.rounded_box(box, 3, kOther, [&](float u, float v) {
      return std::sin(lines * v) > 0.4f && std::fabs(u - 0.5f) < 0.35f ? ink : color;
    });
    add("sign", box);
  }

  void anything() {
    const float side = random_.uniform() < 0.5f ? -1.0f : 1.0f, center = 0.5f * kSceneWidth;
    const Color color = street_color(0.12f, 0.9f, 0.7f, &random_);
    switch (random_.below(5)) {
      case 0: {
        const float x = center + side * random_.uniform(0.1f, 0.6f) * kBoxWidth,
                    size = random_.uniform(75, 120);
        const Box box{x - 1.3f * size, kSceneHeight - kMargin - 0.8f * size, x + 1.3f * size,
                      kSceneHeight - kMargin + 0.35f * size};
        draw_car(&scene_, box, color, camera_.light);
        return add("car", box);
      }
      case 1: {
        const float x = center + random_.uniform(-0.3f, 0.3f) * kBoxWidth, half = random_.uniform(4, 11);
        scene_.tube(
            {x, 0}, {x, kSceneHeight}, half, false, kOther, [&](float) { return half; },
            [&](float, float s) { return color * (0.6f + 0.25f * s); });
        return add("pole", {x - half, 0, x + half, kSceneHeight});
      }
      case 2: {
        const float x = center + side * random_.uniform(0.05f, 0.3f) * kBoxWidth,
                    half = random_.uniform(16, 28);
        const float bottom = pose_.feet.y + 4, top = bottom - random_.uniform(2.2f, 3.4f) * half;
        scene_.rounded_box({x - half, top, x + half, bottom}, 6, kOther, [&](float u, float v) {
          return color * (0.7f + 0.3f * u - 0.2f * v - (std::fabs(u - 0.5f) < 0.04f ? 0.2f : 0.0f));
        });
        return add("bag", {x - half, top, x + half, bottom});
      }
      case 3: {
        const float x = center + side * random_.uniform(0.15f, 0.45f) * kBoxWidth,
                    half = random_.uniform(30, 60);
        const Box box{x - half, kSceneHeight - kMargin - random_.uniform(50, 130), x + half, kSceneHeight};
        draw_bush(&scene_, box, leaf_color(&random_), &random_);
        return add("bush", box);
      }
      default: {
        const float height = pose_.height * random_.uniform(0.95f, 1.15f);
        const Point feet{center + side * random_.uniform(0.3f, 0.5f) * kBoxWidth,
                         pose_.feet.y + random_.uniform(2, 16)};
        draw_stranger(&scene_, feet, height, camera_, difficulty_, &random_);
        return add("passer-by", {feet.x - 0.17f * height, feet.y - height, feet.x + 0.17f * height, feet.y});
      }
    }
  }

  std::vector<Occluder> occluders;

 private:
  void add(const char* kind, const Box& box) {
    const Box seen = in_image(box);
    if (seen.x1 > seen.x0 && seen.y1 > seen.y0) occluders.push_back({kind, seen});
  }

  Raster& scene_;
  const Camera& camera_;
  const Pose& pose_;
  const Difficulty& difficulty_;
  PhiloxStream& random_;
};

using LabelCounts = std::array<int, kPersonLabels>;

LabelCounts count_labels(const Raster& scene, int margin) {
  LabelCounts counts{};
  for (int y = margin; y < scene.height() - margin; ++y) {
    for (int x = margin; x < scene.width() - margin; ++x) ++counts[scene.label(y, x)];
  }
  return counts;
}

// Lens, light and sensor turn the scene into the pixels of the image.
std::vector<uint8_t> photograph(const Raster& scene, const Camera& camera, float gain, PhiloxStream* random) {
  const int width = std::max(static_cast<int>(std::lround(kImageWidth * camera.resolution)), 8);
  const int height = std::max(static_cast<int>(std::lround(kImageHeight * camera.resolution)), 16);
  Raster image =
      resample(scene, {kMargin, kMargin, kMargin + kBoxWidth, kMargin + kBoxHeight}, height, width);
  const float motion = std::fabs(0.5f * random->normal()), shake = random->uniform(0.6f, 1.4f);
  blur(&image, (shake * camera.blur + motion) * camera.resolution, shake * camera.blur * camera.resolution);
  image = bilinear(image, kImageHeight, kImageWidth);
  const Color cast = camera.cast * (camera.exposure * gain);
  // Highlights saturate softly, as those of cameras do.
  const auto tone = [&](float value) {
    constexpr float kKnee = 0.7f;
    const float curved = std::pow(std::max(value, 0.0f), camera.gamma);
    const float soft =
        curved < kKnee ? curved : kKnee + (1 - kKnee) * (1 - std::exp((kKnee - curved) / (1 - kKnee)));
    return soft + camera.noise * random->normal();
  };
  for (int y = 0; y < kImageHeight; ++y) {
    for (int x = 0; x < kImageWidth; ++x) {
      Color c = image.at(y, x) * cast;
      const float gray = 0.3f * c.r + 0.59f * c.g + 0.11f * c.b;
      c = mix({gray, gray, gray}, c, camera.saturation);
      const float r = tone(c.r), g = tone(c.g);
      image.at(y, x) = {r, g, tone(c.b)};
    }
  }
  return to_bytes(image);
}

}  // namespace

Camera draw_camera(const Difficulty& difficulty, uint64_t seed, int index, int count) {
  PhiloxStream own(seed, stream_of(StreamKind::camera, 1 + index));
  PhiloxStream shared(seed, stream_of(StreamKind::camera, 0));
  // Latin hypercube: in each property, every camera has its own of `count` equal ranges.
  const auto stratified = [&] {
    std::vector<int> order(count);
    for (int i = 0; i < count; ++i) order[i] = i;
    for (int i = count - 1; i > 0; --i) std::swap(order[i], order[shared.below(i + 1)]);
    return (static_cast<float>(order[index]) + own.uniform()) / static_cast<float>(count);
  };
  const auto spread = [&](float most) { return std::exp(most * (2 * stratified() - 1)); };
  Camera camera;
  // Directions are spread evenly over the circle from a random one, so that front, back and sides are seen.
  const float step = 6.2832f / static_cast<float>(count), first = shared.uniform(0, step);
  camera.yaw = first + step * (static_cast<float>(index) + own.uniform(-0.2f, 0.2f));
  camera.pitch = 0.32f * stratified();
  camera.exposure = spread(difficulty.exposure);
  const float r = spread(difficulty.cast), g = spread(0.6f * difficulty.cast), b = spread(difficulty.cast);
  camera.cast = {r, g, b};
  camera.gamma = spread(difficulty.gamma);
  camera.saturation = 1 - difficulty.saturation * stratified();
  camera.blur = difficulty.blur * stratified();
  camera.resolution = difficulty.resolution + (1 - difficulty.resolution) * stratified();
  camera.noise = difficulty.noise * stratified();
  camera.jpeg_quality =
      static_cast<int>(static_cast<float>(difficulty.jpeg_worst) +
                       stratified() * static_cast<float>(difficulty.jpeg_best - difficulty.jpeg_worst));
  const float angle = 1.2f * (2 * stratified() - 1);
  camera.light = {std::sin(angle), std::cos(angle), 0.4f + 0.35f * stratified()};
  camera.street = static_cast<uint64_t>(own.next()) << 32 | own.next();
  return camera;
}

Picture take(const AttributeValues& values, const Traits& traits, const Camera& camera, const Shot& shot,
             const Difficulty& difficulty, PhiloxStream* random) {
  Raster scene(kSceneHeight, kSceneWidth);
  draw_background(&scene, camera, shot, difficulty, random);
  Pose pose = shot.pose;
  pose.height = 0.9f * kBoxHeight * shot.box_scale;
  pose.pitch = camera.pitch;
  // When the scale changes, the middle of the body stays in place.
  const float middle = kMargin + kBoxHeight * (0.505f + shot.box_dy);
  pose.feet = {kMargin + kBoxWidth * (0.5f + shot.box_dx),
               middle + 0.5f * pose.height * std::cos(pose.pitch)};
  pose.wrinkle = random->uniform(0, 6.2832f);
  if (!shot.empty) draw_person(&scene, values, traits, pose, camera.light, shot.hidden, true);

  const LabelCounts drawn = count_labels(scene, 0);
  Foreground foreground(&scene, camera, pose, difficulty, random);
  if (shot.hidden[kUpColor]) foreground.cover_torso();
  if (shot.hidden[kDownColor]) foreground.cover_legs();
  if (random->uniform() < difficulty.occluder) foreground.anything();
  const LabelCounts seen = count_labels(scene, kMargin);

  Picture picture;
  for (int part = 0; part < 3; ++part) {
    const int all = drawn[kHead + part];
    picture.visible[part] = all > 0 ? static_cast<float>(seen[kHead + part]) / static_cast<float>(all) : 0.0f;
  }
  picture.occluders = std::move(foreground.occluders);
  picture.rgb = photograph(scene, camera, shot.gain, random);
  return picture;
}

}  // namespace saccade::synthetic
