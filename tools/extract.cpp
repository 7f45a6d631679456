// extract: the features of a folder of images.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "reid/systems.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/safetensors.h"
#include "tools/common/checkpoint_option.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/reading.h"

using namespace saccade;

namespace {

// A feature a picture.
NamedFeatures features_of_pictures(Context& context, Embedder embedder, const std::string& images,
                                   bool flip) {
  Folder folder = list_images(images);
  std::cerr << notice_of(folder, images);
  ReadingProgress reading;
  check_pictures({&folder.images}, embedder.extraction.pictures, context.threads(), reading.report());
  Progress progress("extracting", static_cast<int64_t>(folder.images.size()), "images");
  embedder.extraction.flip = embedder.extraction.flip || flip;
  embedder.extraction.done = [&](int64_t count) { progress.advance(count); };
  NamedFeatures found{extract_features(context, embedder, folder.images), {}};
  for (const ImageRecord& record : folder.images)
    found.names.push_back(std::filesystem::path(record.path).filename().string());
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Computes the features of every image of a folder.");
  std::string checkpoint, images, out, device = "auto", precision = "f32";
  std::vector<std::string> assignments;
  bool json = false, flip = false;
  app.add_option("--checkpoint", checkpoint, "checkpoint of a training run, or the run's folder")->required();
  app.add_option("--images", images, "folder of .jpg and .png files")->required();
  app.add_option("--out", out, "safetensors file to write")->required();
  app.add_option("--device", device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--precision", precision, "f32, tf32 or bf16")
      ->check(CLI::IsMember({"f32", "tf32", "bf16"}))
      ->capture_default_str();
  app.add_option("--set", assignments,
                 "change one setting of the checkpoint's config: section.key=value (repeatable)")
      ->allow_extra_args(false);
  app.add_flag("--flip", flip, "the mean of the features of each picture and of its mirror image");
  app.add_flag("--json", json, "print a summary as JSON on stdout");

  return run_program("extract", app, argc, argv, [&] {
    check_output(out);  // now, and not after all the work
    const auto context = make_context(device, precision);
    const CheckpointSource source{find_checkpoint(checkpoint), assignments};
    const System& system = system_of_checkpoint(source.path);
    check_input(system.open || system.extract, source.path, ": the system ", system.name,
                " gives no features");
    check_input(!system.extract || !flip, "--flip: the system ", system.name, " has features of its own");
    const auto [features, names] =
        system.extract ? system.extract(*context, source, images)
                       : features_of_pictures(*context, system.open(*context, source), images, flip);
    const std::vector<TensorView> tensors = {
        {"features", DType::f32, {features.count, features.size}, features.values.data(), false},
        {"pids", DType::i64, {features.count}, features.pids.data(), false},
        {"camids", DType::i64, {features.count}, features.camids.data(), false}};
    const auto text = nlohmann::json(names).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    write_safetensors(out, tensors, {{"files", text}});
    if (json) {
      std::cout << nlohmann::json{{"images", features.count}, {"size", features.size}, {"out", out}}.dump()
                << '\n';
    } else {
      std::cout << features.count << " features of size " << features.size << " in " << out << '\n';
    }
  });
}
