// extract: the features of a folder of images.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "reid/systems.h"
#include "tensor/weights/atomic_file.h"
#include "tensor/weights/json_text.h"
#include "tensor/weights/safetensors.h"
#include "tools/common/network_option.h"
#include "tools/common/program.h"
#include "tools/common/progress.h"
#include "tools/common/reading.h"

using namespace saccade;

namespace {

// A feature a picture.
NamedFeatures features_of_pictures(Context& context, Embedder embedder, const std::string& images,
                                   bool flip) {
  Folder folder = list_images(images);
  print_notice(notice_of(folder, images));
  ReadingProgress reading;
  check_pictures({&folder.images}, embedder.extraction.pictures, context.threads(), reading.report());
  Progress progress("extracting", static_cast<int64_t>(folder.images.size()), "images");
  embedder.extraction.flip = embedder.extraction.flip || flip;
  embedder.extraction.done = [&](int64_t count) { progress.advance(count); };
  NamedFeatures found{extract_features(context, embedder, folder.images), {}};
  for (const ImageRecord& record : folder.images)
    found.names.push_back(std::filesystem::path(record.path).lexically_relative(images).string());
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Computes the features of every image of a folder.");
  NetworkOptions options;
  std::string images, out;
  bool json = false;
  add_network_options(app, options);
  app.add_option("--images", images, "folder of .jpg and .png files")->required();
  app.add_option("--out", out, "safetensors file to write")->required();
  app.add_flag("--json", json, "print a summary as JSON on stdout");

  return run_program("extract", app, argc, argv, [&] {
    check_output(out);  // now, and not after all the work
    const FoundNetwork network = find_network(options);
    const bool own = network.system.extract != nullptr && !network.checkpoint.path.empty();
    check_input(!own || !options.flip, "--flip: the system ", network.system.name,
                " has features of its own");
    const auto [features, names] =
        own ? network.system.extract(*network.context, network.checkpoint, images)
            : features_of_pictures(*network.context, network.open(), images, options.flip);
    const std::vector<TensorView> tensors = {
        {"features", DType::f32, {features.count, features.size}, features.values.data(), false},
        {"pids", DType::i64, {features.count}, features.pids.data(), false},
        {"camids", DType::i64, {features.count}, features.camids.data(), false}};
    const auto text = json_text(nlohmann::json(names));
    write_safetensors(out, tensors, {{"files", text}});
    if (json) {
      const nlohmann::json summary = {{"images", features.count}, {"size", features.size}, {"out", out}};
      std::cout << json_text(summary) << '\n';
    } else {
      std::cout << features.count << " features of size " << features.size << " in " << out << '\n';
    }
  });
}
