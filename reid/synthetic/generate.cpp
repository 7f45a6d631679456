#include "reid/synthetic/generate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/common/clock.h"
#include "kernels/common/context.h"
#include "kernels/common/error.h"
#include "reid/data/dataset.h"
#include "reid/data/for_each_index.h"
#include "reid/synthetic/files.h"
#include "reid/synthetic/scene.h"
#include "reid/synthetic/streams.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/folder_lock.h"

namespace saccade::synthetic {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kMadeBy = "saccade synthesize";
constexpr int kSequences = 3;

// One picture to take, decided before any is drawn.
struct PlannedImage {
  std::string file;  // relative to the set
  int person = 0;    // number in the name: -1 junk, 0 distractor
  int subject = -1;  // the identity that is drawn; from `ids` on, a person who is in no other picture
  int camera = 0, sequence = 0;  // from 0
  Shot shot;
};

// What is known of a picture after it was drawn.
struct ImageTruth {
  std::vector<Occluder> occluders;
  std::array<float, 3> visible{};
};

void check_options(const SetOptions& o) {
  check_input(!o.out.empty(), "--out: no folder given");
  check_input(o.ids >= 2 && o.ids <= 9999, "--ids: ", o.ids,
              " is not from 2 to 9999 (names have four digits)");
  check_input(o.cams >= 1 && o.cams <= 9, "--cams: ", o.cams, " is not from 1 to 9 (names have one digit)");
  check_input(o.images_per_cam >= 2 && o.images_per_cam <= 1000, "--images-per-cam: ", o.images_per_cam,
              " is not from 2 to 1000 (one for the query, one for the gallery)");
}

int64_t test_ids(const SetOptions& o) {
  return (o.ids + 1) / 2;
}
int64_t gallery_of_people(const SetOptions& o) {
  return test_ids(o) * o.cams * (o.images_per_cam - 1);
}
int64_t share_of_gallery(const SetOptions& o, float share) {
  return std::llround(static_cast<double>(share) * static_cast<double>(gallery_of_people(o)));
}

std::string image_name(int person, int camera, int sequence, int frame, int box) {
  char text[64];
  std::snprintf(text, sizeof text, person < 0 ? "%d_c%ds%d_%06d_%02d.jpg" : "%04d_c%ds%d_%06d_%02d.jpg",
                person, camera + 1, sequence + 1, frame, box);
  return text;
}

// An attribute can be hidden if that removes something that is seen: a thing, or a part of the body.
bool can_hide(const AttributeValues& values, int attribute) {
  switch (attribute) {
    case kHat:
    case kBackpack:
    case kBag:
    case kHandbag:
      return values[attribute] == 1;
    case kGender:
    case kAge:
      return false;  // the whole body shows these
    default:
      return true;
  }
}

HiddenAttributes draw_hidden(const AttributeValues& values, double rate, PhiloxStream* random) {
  HiddenAttributes hidden{};
  for (int a = 0; a < kAttributes; ++a) hidden[a] = random->uniform() < rate && can_hide(values, a);
  // What covers the torso hides both its sleeves and its color, and what covers the legs hides all three
  // of their attributes.
  hidden[kUp] = hidden[kUpColor];
  hidden[kDown] = hidden[kClothes] = hidden[kDownColor];
  return hidden;
}

void draw_box_error(const Difficulty& difficulty, Shot* shot, PhiloxStream* random) {
  shot->box_dx = std::clamp(difficulty.box_shift * random->normal(), -0.2f, 0.2f);
  shot->box_dy = std::clamp(0.6f * difficulty.box_shift * random->normal(), -0.12f, 0.12f);
  shot->box_scale = std::exp(difficulty.box_scale * std::clamp(random->normal(), -2.5f, 2.5f));
  if (random->uniform() < difficulty.box_cut) {
    shot->box_scale *= 1.35f;
    shot->box_dy += 0.19f;
  }
}

class Planner {
 public:
  Planner(const SetOptions& options, const AttributePlan& attributes, const std::vector<Camera>& cameras)
      : options_(options), attributes_(attributes), cameras_(cameras), frame_(options.cams, 0) {}

  std::vector<PlannedImage> plan() {
    for (int i = 0; i < options_.ids; ++i) {
      for (int camera = 0; camera < options_.cams; ++camera) walk(i, camera);
    }
    const auto distractors = share_of_gallery(options_, options_.difficulty.distractors);
    const auto junk = share_of_gallery(options_, options_.difficulty.junk);
    for (int64_t i = 0; i < distractors; ++i) distractor(static_cast<int>(i));
    for (int64_t i = 0; i < junk; ++i) bad_box(static_cast<int>(i));
    return std::move(images_);
  }

 private:
  // One person walks through the view of one camera: a tracklet, of which one picture becomes the query.
  void walk(int identity, int camera) {
    const bool train = identity % 2 == 1;
    PhiloxStream random(options_.seed,
                        stream_of(StreamKind::plan, static_cast<uint64_t>(identity) * 16 + camera));
    const int sequence = static_cast<int>(random.below(kSequences));
    const float turn = random.uniform() < options_.difficulty.turn_back ? 3.1416f : 0.0f;
    const float yaw = cameras_[camera].yaw + turn + options_.difficulty.yaw_spread * random.normal();
    const float place = random.uniform(-450, 450), pace = random.uniform(8, 30),
                rhythm = random.uniform(0.9f, 2.2f);
    const float start = random.uniform(0, 6.2832f);
    const int query = train ? -1 : static_cast<int>(random.below(options_.images_per_cam));
    int frame = 1 + static_cast<int>(random.below(20000));
    for (int k = 0; k < options_.images_per_cam; ++k) {
      frame += 5 + static_cast<int>(random.below(40));
      PlannedImage image;
      image.person = identity + 1;
      image.subject = identity;
      image.camera = camera;
      image.sequence = sequence;
      image.shot.pose.yaw = yaw + 0.12f * random.normal();
      image.shot.pose.phase = start + rhythm * static_cast<float>(k) + 0.3f * random.normal();
      image.shot.gain = light(camera, sequence);
      image.shot.street_offset = place + pace * static_cast<float>(k);
      image.shot.hidden = draw_hidden(attributes_.identities[identity].truth, options_.noise.hidden, &random);
      draw_box_error(options_.difficulty, &image.shot, &random);
      add(train        ? kTrainFolder
          : k == query ? kQueryFolder
                       : kGalleryFolder,
          frame, 1 + static_cast<int>(random.below(4)), std::move(image));
    }
  }

  // Someone who is in no other picture, or a box around no person at all.
  void distractor(int index) {
    PhiloxStream random(options_.seed,
                        stream_of(StreamKind::plan, uint64_t{1} << 32 | static_cast<uint64_t>(index)));
    PlannedImage image = anywhere(0, &random);
    image.subject = options_.ids + index;
    image.shot.empty = random.uniform() < 0.35f;
    draw_box_error(options_.difficulty, &image.shot, &random);
    add_apart(std::move(image));
  }

  // A test person in a box that is far off.
  void bad_box(int index) {
    PhiloxStream random(options_.seed,
                        stream_of(StreamKind::plan, uint64_t{2} << 32 | static_cast<uint64_t>(index)));
    PlannedImage image = anywhere(-1, &random);
    image.subject = 2 * static_cast<int>(random.below(static_cast<uint32_t>(test_ids(options_))));
    const float side = random.uniform() < 0.5f ? -1.0f : 1.0f;
    image.shot.box_scale = random.uniform(1.2f, 2.2f);
    image.shot.box_dx = side * random.uniform(0.25f, 0.6f);
    image.shot.box_dy = random.uniform(-0.3f, 0.4f);
    add_apart(std::move(image));
  }

  PlannedImage anywhere(int person, PhiloxStream* random) {
    PlannedImage image;
    image.person = person;
    image.camera = static_cast<int>(random->below(options_.cams));
    image.sequence = static_cast<int>(random->below(kSequences));
    image.shot.pose.yaw = cameras_[image.camera].yaw + options_.difficulty.yaw_spread * random->normal() +
                          (random->below(2) ? 3.1416f : 0.0f);
    image.shot.pose.phase = random->uniform(0, 6.2832f);
    image.shot.gain = light(image.camera, image.sequence);
    image.shot.street_offset = random->uniform(-450, 450);
    return image;
  }

  // Distractors share one person number, and so does junk: each picture needs a frame number of its own.
  void add_apart(PlannedImage image) {
    const int frame = frame_[image.camera] += 25;
    add(kGalleryFolder, frame, 0, std::move(image));
  }

  void add(const char* folder, int frame, int box, PlannedImage image) {
    image.file =
        std::string(folder) + "/" + image_name(image.person, image.camera, image.sequence, frame, box);
    images_.push_back(std::move(image));
  }

  float light(int camera, int sequence) const {
    PhiloxStream random(options_.seed,
                        stream_of(StreamKind::sequence, static_cast<uint64_t>(camera * 16 + sequence)));
    return std::exp(options_.difficulty.sequence_light * random.normal());
  }

  const SetOptions& options_;
  const AttributePlan& attributes_;
  const std::vector<Camera>& cameras_;
  std::vector<int> frame_;  // the last one used for a picture without an identity, by camera
  std::vector<PlannedImage> images_;
};

double rounded(float value) {
  return std::round(static_cast<double>(value) * 1000) / 1000;
}
Json box_json(const Box& box) {
  return {rounded(box.x0), rounded(box.y0), rounded(box.x1), rounded(box.y1)};
}

Json value_names(const AttributeValues& values) {
  Json json;
  for (int a = 0; a < kAttributes; ++a)
    json[attribute_table()[a].name] = attribute_table()[a].values[values[a]];
  return json;
}

template <class Flags>
Json names_where(const Flags& flag) {
  Json json = Json::array();
  for (int a = 0; a < kAttributes; ++a) {
    if (flag[a]) json.push_back(attribute_table()[a].name);
  }
  return json;
}

Json identity_json(int index, const IdentityAttributes& identity) {
  std::array<bool, kAttributes> wrong{};
  for (int a = 0; a < kAttributes; ++a) wrong[a] = identity.truth[a] != identity.annotated[a];
  return {{"id", index + 1},
          {"split", index % 2 == 1 ? "train" : "test"},
          {"true", value_names(identity.truth)},
          {"annotated", value_names(identity.annotated)},
          {"wrong", names_where(wrong)},
          {"rare", names_where(identity.rare)}};
}

Json image_json(const PlannedImage& image, const ImageTruth& truth) {
  Json occluders = Json::array();
  for (const Occluder& occluder : truth.occluders)
    occluders.push_back({{"kind", occluder.kind}, {"box", box_json(occluder.box)}});
  const float turns = image.shot.pose.yaw / 6.28318531f;
  return {
      {"file", image.file},
      {"id", image.person},
      {"camera", image.camera + 1},
      {"person", !image.shot.empty},
      {"yaw", rounded((turns - std::floor(turns)) * 6.28318531f)},
      {"hidden", names_where(image.shot.hidden)},
      {"occluders", occluders},
      {"box_offset", {rounded(image.shot.box_dx), rounded(image.shot.box_dy), rounded(image.shot.box_scale)}},
      {"visible",
       {{"head", rounded(truth.visible[0])},
        {"upper", rounded(truth.visible[1])},
        {"lower", rounded(truth.visible[2])}}}};
}

Json camera_json(int index, const Camera& camera) {
  return {{"camera", index + 1},
          {"yaw", rounded(camera.yaw)},
          {"pitch", rounded(camera.pitch)},
          {"exposure", rounded(camera.exposure)},
          {"cast", {rounded(camera.cast.r), rounded(camera.cast.g), rounded(camera.cast.b)}},
          {"gamma", rounded(camera.gamma)},
          {"saturation", rounded(camera.saturation)},
          {"blur", rounded(camera.blur)},
          {"resolution", rounded(camera.resolution)},
          {"noise", rounded(camera.noise)},
          {"jpeg_quality", camera.jpeg_quality}};
}

Json head_json(const SetOptions& options, bool complete) {
  return {{"made_by", kMadeBy},
          {"complete", complete},
          {"kind", "image"},
          {"seed", options.seed},
          {"ids", options.ids},
          {"cams", options.cams},
          {"images_per_cam", options.images_per_cam},
          {"width", kImageWidth},
          {"height", kImageHeight}};
}

// Each item has a line of its own, so that people and line tools can read the file.
std::string lines_of(const std::vector<Json>& items) {
  std::string text = "[";
  for (size_t i = 0; i < items.size(); ++i) text += (i ? ",\n  " : "\n  ") + items[i].dump();
  return text + "\n ]";
}

std::string truth_text(const SetOptions& options, const AttributePlan& plan,
                       const std::vector<Camera>& cameras, const std::vector<PlannedImage>& images,
                       const std::vector<ImageTruth>& truths, const SetSummary& summary) {
  Json head = head_json(options, true);
  head["noise"] = {
      {"wrong", {{"rate", options.noise.wrong}, {"count", summary.wrong}, {"of", summary.wrong_of}}},
      {"hidden", {{"rate", options.noise.hidden}, {"count", summary.hidden}, {"of", summary.hidden_of}}},
      {"rare", {{"rate", options.noise.rare}, {"count", summary.undiscriminating}, {"of", kAttributes}}}};
  for (const AttributeInfo& info : attribute_table()) head["attributes"][info.name] = info.values;
  head["undiscriminating"] = names_where(plan.undiscriminating);
  std::vector<Json> camera_lines, identity_lines, image_lines;
  for (size_t i = 0; i < cameras.size(); ++i)
    camera_lines.push_back(camera_json(static_cast<int>(i), cameras[i]));
  for (size_t i = 0; i < plan.identities.size(); ++i)
    identity_lines.push_back(identity_json(static_cast<int>(i), plan.identities[i]));
  for (size_t i = 0; i < images.size(); ++i) image_lines.push_back(image_json(images[i], truths[i]));
  std::string text = "{";
  for (const auto& [key, value] : head.items()) text += "\n \"" + key + "\": " + value.dump() + ",";
  return text + "\n \"cameras\": " + lines_of(camera_lines) +
         ",\n \"identities\": " + lines_of(identity_lines) + ",\n \"images\": " + lines_of(image_lines) +
         "\n}\n";
}

// InputError if `out` holds what is not of this program, or a whole set that is not to be replaced.
void check_folder(const SetOptions& options) {
  const fs::path out(options.out), truth = out / "truth.json";
  std::error_code ignored;
  check_input(!fs::exists(out, ignored) || fs::is_directory(out, ignored), options.out, ": is not a folder");
  const auto is_free = [&] {
    for (const auto& entry : fs::directory_iterator(out, ignored))
      if (entry.path().filename() != FolderLock::kFile) return false;
    return true;
  };
  if (fs::is_directory(out, ignored) && !is_free()) {
    std::ifstream stream(truth);
    const Json old = stream ? Json::parse(stream, nullptr, false) : Json();
    const bool ours = old.is_object() && old.contains("made_by") && old["made_by"] == kMadeBy;
    check_input(ours, options.out,
                ": is not empty and holds no set made by synthesize; choose another folder");
    const bool complete = old.contains("complete") && old["complete"] == true;
    check_input(!complete || options.force, options.out,
                ": already holds a generated set; --force replaces it");
  }
}

// Makes `out` an empty set: removes what an earlier run of this program left there.
void empty_folder(const SetOptions& options) {
  const fs::path out(options.out), truth = out / "truth.json";
  try {
    const std::string text = head_json(options, false).dump() + "\n";
    write_file(truth.string(), text.data(), text.size());
    for (const char* folder : {kTrainFolder, kQueryFolder, kGalleryFolder}) {
      fs::remove_all(out / folder);
      fs::create_directory(out / folder);
    }
    fs::remove(out / "market_attribute.mat");
  } catch (const fs::filesystem_error& error) {
    cannot_write(options.out, error.code().value());
  }
}

SetSummary summarize(const SetOptions& options, const AttributePlan& plan,
                     const std::vector<PlannedImage>& images) {
  SetSummary summary;
  summary.test_ids = test_ids(options);
  summary.train_ids = options.ids - summary.test_ids;
  for (const IdentityAttributes& identity : plan.identities) {
    summary.wrong_of += kAttributes;
    for (int a = 0; a < kAttributes; ++a) summary.wrong += identity.truth[a] != identity.annotated[a];
  }
  for (const bool flag : plan.undiscriminating) summary.undiscriminating += flag;
  for (const PlannedImage& image : images) {
    summary.train += image.file.rfind(kTrainFolder, 0) == 0;
    summary.query += image.file.rfind(kQueryFolder, 0) == 0;
    summary.gallery += image.person >= 0 && image.file.rfind(kGalleryFolder, 0) == 0;
    summary.distractors += image.person == 0;
    summary.junk += image.person < 0;
    if (image.person <= 0) continue;
    for (int a = 0; a < kAttributes; ++a) {
      summary.hidden_of += can_hide(plan.identities[image.subject].truth, a);
      summary.hidden += image.shot.hidden[a];
    }
  }
  return summary;
}

struct Person {
  AttributeValues values;
  Traits traits;
};

Person draw_identity(const SetOptions& options, const AttributePlan& plan, int subject) {
  Person person;
  PhiloxStream random(options.seed, stream_of(StreamKind::traits, static_cast<uint64_t>(subject)));
  if (subject < options.ids) {
    person.values = plan.identities[subject].truth;
  } else {
    const AttributePlan stranger =
        plan_attributes(1, {}, options.seed + 0x9e3779b97f4a7c15ull * static_cast<uint64_t>(subject));
    person.values = stranger.identities[0].truth;
  }
  person.traits = draw_traits(person.values, options.difficulty, &random);
  return person;
}

}  // namespace

int64_t count_images(const SetOptions& o) {
  check_options(o);
  return static_cast<int64_t>(o.ids) * o.cams * o.images_per_cam +
         share_of_gallery(o, o.difficulty.distractors) + share_of_gallery(o, o.difficulty.junk);
}

SetSummary make_image_set(const SetOptions& options, const std::function<void(int64_t)>& progress) {
  check_options(options);
  const Stopwatch watch;
  check_folder(options);
  const FolderLock lock(options.out);
  check_folder(
      options);  // once more, as another process may have finished a set before this one had the lock
  empty_folder(options);
  const AttributePlan attributes = plan_attributes(options.ids, options.noise, options.seed);
  std::vector<Camera> cameras;
  for (int i = 0; i < options.cams; ++i)
    cameras.push_back(draw_camera(options.difficulty, options.seed, i, options.cams));
  const std::vector<PlannedImage> images = Planner(options, attributes, cameras).plan();
  std::vector<ImageTruth> truths(images.size());

  for_each_index(static_cast<int64_t>(images.size()), Context(Device::cpu, 0, options.threads).threads(),
                 [&](int64_t i) {
                   const PlannedImage& image = images[i];
                   const Person person = draw_identity(options, attributes, image.subject);
                   PhiloxStream random(options.seed, stream_of(StreamKind::image, static_cast<uint64_t>(i)));
                   Picture picture = take(person.values, person.traits, cameras[image.camera], image.shot,
                                          options.difficulty, &random);
                   const std::vector<uint8_t> jpeg = encode_jpeg(picture.rgb, kImageHeight, kImageWidth,
                                                                 cameras[image.camera].jpeg_quality);
                   write_file(options.out + "/" + image.file, jpeg.data(), jpeg.size());
                   truths[i] = {std::move(picture.occluders), picture.visible};
                   if (progress) progress(1);
                 });

  write_market_attributes(options.out + "/market_attribute.mat", attributes.identities);
  SetSummary summary = summarize(options, attributes, images);
  const std::string text = truth_text(options, attributes, cameras, images, truths, summary);
  write_file(options.out + "/truth.json", text.data(), text.size());
  summary.seconds = watch.seconds();
  return summary;
}

}  // namespace saccade::synthetic
