// synthesize: draws a re-identification data set, in the layout of Market-1501.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "kernels/common/error.h"
#include "reid/synthetic/generate.h"
#include "tensor/weights/json_text.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/whole_number.h"

namespace {

using saccade::synthetic::SetOptions;
using saccade::synthetic::SetSummary;

void print_json(const SetOptions& options, const SetSummary& set) {
  const nlohmann::ordered_json json{{"out", options.out},
                                    {"kind", "image"},
                                    {"seed", options.seed},
                                    {"cameras", options.cams},
                                    {"train_ids", set.train_ids},
                                    {"test_ids", set.test_ids},
                                    {"train", set.train},
                                    {"query", set.query},
                                    {"gallery", set.gallery},
                                    {"distractors", set.distractors},
                                    {"junk", set.junk},
                                    {"wrong", set.wrong},
                                    {"hidden", set.hidden},
                                    {"undiscriminating", set.undiscriminating},
                                    {"images", set.images()},
                                    {"seconds", set.seconds},
                                    {"images_per_second", static_cast<double>(set.images()) / set.seconds}};
  std::cout << saccade::json_text(json, 1) << "\n";
}

void print_table(const SetOptions& options, const SetSummary& set) {
  const auto row = [](const char* what, int64_t ids, int64_t images) {
    char text[80];
    std::snprintf(text, sizeof text, "%-10s %6lld %8lld\n", what, static_cast<long long>(ids),
                  static_cast<long long>(images));
    std::cout << text;
  };
  std::cout << options.out << ": " << options.cams << " cameras\n              ids   images\n";
  row("train", set.train_ids, set.train);
  row("query", set.test_ids, set.query);
  row("gallery", set.test_ids, set.gallery);
  std::cout << "The gallery has " << set.distractors << " distractors, and " << set.junk
            << " junk images lie beside it.\n";
  if (set.wrong + set.hidden + set.undiscriminating > 0) {
    std::cout << "Noise: " << set.wrong << " of " << set.wrong_of << " annotations wrong, " << set.hidden
              << " of " << set.hidden_of << " attributes hidden, " << set.undiscriminating
              << " of 12 attributes undiscriminating (truth.json says which).\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Draws pedestrians seen by several cameras and writes them as a re-identification data set."};
  SetOptions options;
  std::string kind, noise;
  bool json = false;
  app.add_option("--kind", kind, "image or video")->required()->check(CLI::IsMember({"image", "video"}));
  app.add_option("--out", options.out, "folder to write the set to; new or empty")->required();
  app.add_option("--ids", options.ids, "identities, 2 to 9999: half train, half test")->required();
  app.add_option("--cams", options.cams, "cameras, 1 to 9")->required();
  app.add_option("--images-per-cam", options.images_per_cam,
                 "images of each identity in each camera, 2 to 1000")
      ->required();
  app.add_option("--seed", options.seed, "the same seed gives the same bytes")
      ->check(saccade::whole_number())
      ->required();
  app.add_option(
      "--noise", noise,
      "wrong=P,hidden=P,rare=P: rate of wrong annotations, rate of attributes hidden in an image, share of "
      "attributes that are undiscriminating; each from 0 to 1, and 0 where it is not named");
  app.add_option("--threads", options.threads, "worker threads (0: all cores); does not change the result")
      ->check(CLI::Range(0, 1024));
  app.add_flag("--force", options.force, "replace a set that synthesize made");
  app.add_flag("--json", json, "print the result as JSON");
  return saccade::run_program("synthesize", app, argc, argv, [&] {
    saccade::check_input(kind == "image", "--kind video: not available yet; only image sets can be made");
    if (app.count("--noise")) options.noise = saccade::synthetic::parse_noise(noise);
    const int64_t total = saccade::synthetic::count_images(options);
    SetSummary set;
    {
      saccade::Progress progress("drawing", total, "images");
      set = make_image_set(options, [&](int64_t count) { progress.advance(count); });
    }
    json ? print_json(options, set) : print_table(options, set);
  });
}
