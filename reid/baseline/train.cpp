#include <cmath>
#include <memory>
#include <utility>

#include "autograd/functions/loss.h"
#include "autograd/segment.h"
#include "kernels/common/clock.h"
#include "layers/weights.h"
#include "reid/baseline/baseline.h"
#include "reid/baseline/config.h"
#include "reid/evaluation/report.h"
#include "reid/run/figures.h"
#include "reid/run/fingerprint.h"
#include "reid/run/picture_batch.h"
#include "reid/run/retrieval.h"
#include "tensor/weights/read_weights.h"

namespace saccade::baseline {

using Json = nlohmann::json;

namespace {

PkSampler make_sampler(const Run& run, const ReidDataset& data, const DataSection& config) {
  PkSampler sampler(data.labels, config.identities_per_batch, config.images_per_identity, run.seed());
  const int64_t identities = sampler.identities_per_batch();
  if (identities < config.identities_per_batch)
    run.notice(concat("the training set has ", data.identities(), " identities: batches hold ", identities,
                      " instead of ", config.identities_per_batch));
  if (identities < 2)
    run.notice("batches hold one identity: no picture has a negative, and the triplet loss is 0");
  if (config.images_per_identity < 2)
    run.notice(
        "batches hold one picture of each identity: a picture's positive is itself, at the distance 0");
  return sampler;
}

using Notice = std::function<void(const std::string& line)>;

void read_weights_file(Context& context, Learner& learner, const std::string& backbone,
                       const std::string& path, const Notice& notice) {
  // A file from ImageNet, or of another set of persons, has no neck or another classifier.
  const auto is_backbone = [](const std::string& name) {
    return !name.starts_with("pool.") && !name.starts_with("neck.") && !name.starts_with("classifier.");
  };
  const LoadReport report = load_weights(context, learner.parameters, read_weights(path), is_backbone);
  check_input(report.unread.empty(), path, ": tensor ", report.unread.empty() ? "" : report.unread[0]);
  check_input(report.misfit.empty(), path, ": holds ", report.loaded > 0 ? "not all tensors" : "no tensor",
              " of the network ", backbone, ": ", report.misfit);
  for (const Parameter& p : learner.parameters.all())
    check_input(all_finite(context, p.value), path, ": the tensor for ", p.name,
                " holds a value that is not finite");
  notice(path + ": " + report.text());
}

Embedder embedder_of(std::shared_ptr<const Network> network, const Config& config) {
  Embedder embedder;
  embedder.feature_size = network->feature_size();
  embedder.embed = [network](Tape& tape, const Tensor& images) {
    return (*network)(tape, tape.constant(images), Network::Mode::eval).feature;
  };
  embedder.extraction = {config.data.height,
                         config.data.width,
                         config.evaluation.batch,
                         config.data.workers,
                         config.evaluation.flip,
                         config.data.pictures(),
                         {}};
  embedder.metric = config.evaluation.metric;
  return embedder;
}

void draw(const std::string& folder, const ReidDataset& data, Orientation orientation,
          const Evaluation& evaluation) {
  draw_training_curves(folder,
                       {{"losses", {{"loss", "total"}, {"id_loss", "ID"}, {"triplet_loss", "triplet"}}},
                        {"retrieval", {{"mAP", "mAP"}, {"rank1", "rank 1"}, {"mINP", "mINP"}}, 0, 1},
                        {"learning rate", {{"learning_rate", "learning rate"}}}});
  draw_ranked_lists(folder, data, orientation, evaluation);
}

}  // namespace

std::string train(const RunOptions& options) {
  const auto config = read_config<Config>(options.config);
  Run run(options, record_of(config));
  Context& context = run.context();
  context.exact = config.exact;
  const Place& place = run.place();

  const std::string& weights = config.model.weights;
  if (!weights.empty() && !run.resumed())
    weight_format(weights);  // a wrong path is told before pictures are read

  // What it learns from.
  ReidDataset data = load_reid_dataset(options.data);
  if (!data.notice.empty()) run.notice(data.notice);
  check_dataset(data, config.data.pictures(), context.threads(), {options.notice, options.reading});
  const PkSampler sampler = make_sampler(run, data, config.data);
  LoaderConfig loading = config.data.loader(run.seed());
  loading.pixels = host_augments(context, loading, data.train.size());
  Loader loader(data.train, data.labels, loading);
  loader.cache().preload(context.threads(), options.reading);
  run.check_data(fingerprint_of(data.train), "pictures", options.data);

  // What learns.
  Learner learner;
  const auto network = std::make_shared<const Network>(learner.parameters, config.network(data.identities()));
  learner.start(context, run.seed(), config.optimizer.config(learner.parameters));
  Json identities = data.identities(), before = "";
  run.keep("", learner);
  run.keep("identities", identities);
  run.keep("before", before);
  if (!run.resumed()) {
    if (weights.empty()) run.notice("model.weights names no file: the network starts from random values");
    const Notice notice = [&](const std::string& line) { run.notice(line); };
    if (!weights.empty()) read_weights_file(context, learner, config.model.backbone, weights, notice);
  }

  // A step. What it reads and leaves lies at addresses that stay.
  PictureBatch input(context, loader, sampler.batch_size());
  const Tensor losses(context, {3}, DType::f32);  // total, ID, triplet
  const auto forward = [&](Tape& tape) {
    tape.random = run.random();
    const auto out = (*network)(tape, tape.constant(input.images(tape)), Network::Mode::train);
    const Variable id = cross_entropy(tape, out.logits, input.labels(), config.loss.smoothing);
    const Variable triplet = batch_hard_triplet(tape, out.embedding, input.labels(), config.loss.margin).loss;
    const Variable total = weighted_sum(tape, {id, triplet}, {config.loss.id, config.loss.triplet});
    copy(context, losses.slice(0, 1), total.value);
    copy(context, losses.slice(1, 2), id.value);
    copy(context, losses.slice(2, 3), triplet.value);
    return total;
  };
  Segment segment(context);
  const auto step = [&](const Batch& batch, double rate) {
    input.write(batch);
    run.write_random();
    learner.set_learning_rate(rate);
    // In steps alone: what an evaluation found, a checkpoint before it would not know.
    context.tunes = config.tune;
    segment.run([&] {
      Tape tape(context, {&learner});
      tape.backward(forward(tape));
      learner.step(losses.slice(0, 1));
    });
    context.tunes = false;
    const std::vector<float> values = losses.to_host<float>(context);
    if (!std::isfinite(values[0])) run.stop_at_nan(forward);
    return values;
  };

  // What it has learned.
  Embedder embedder = embedder_of(network, config);
  embedder.extraction.done = [&](int64_t) { run.stop_if_asked(); };
  const auto evaluate = [&](const char* when) {
    run.notice(concat("evaluating ", when, ": ", data.query.size(), " queries, ", data.gallery.size(),
                      " gallery images"));
    const Evaluation scores =
        run.saving_if_it_fails([&] { return evaluate_retrieval(context, embedder, data, config.report); });
    run.log({{"mAP", scores.map}, {"rank1", scores.cmc.at(0)}, {"mINP", scores.minp}});
    run.notice(concat("mAP ", scores.map, ", rank 1 ", scores.cmc.at(0)));
    return scores;
  };

  const auto batches_of = [&](int64_t epoch) { return static_cast<int64_t>(sampler.batches(epoch).size()); };
  const int64_t whole = config.schedule.steps_in_all({place.step, place.epoch, place.batch}, batches_of);
  const int64_t last_step = run.stops_at(whole);
  const auto& keep = config.checkpoint;
  if (config.report && place.step == 0 && before == "") before = to_json(evaluate("before training")).dump();

  // A run that was stopped while it evaluated has the end of its epoch still before it.
  const auto epoch_is_over = [&] { return place.batch > 0 && place.batch == batches_of(place.epoch); };
  while (place.step < last_step || epoch_is_over()) {
    Batches batches = sampler.batches(place.epoch);
    const auto count = static_cast<int64_t>(batches.size());
    loader.start(place.epoch, std::move(batches), place.batch);
    Stopwatch watch;
    const auto next = [&](Batch& batch) {
      return run.saving_if_it_fails([&] { return loader.next(batch); });
    };
    for (Batch batch; place.step < last_step && next(batch);) {
      const double rate =
          config.schedule.rate(config.optimizer.learning_rate, {place.step, place.epoch, place.batch, count});
      const std::vector<float> values = step(batch, rate);
      run.step_done();
      run.log({{"loss", values[0]},
               {"id_loss", values[1]},
               {"triplet_loss", values[2]},
               {"learning_rate", rate},
               {"images_per_second", static_cast<double>(batch.count) / watch.lap()}});
      run.show_progress(last_step, values[0]);
      if (place.batch < count && is_due(place.step, keep.every_steps)) run.save();
      run.stop_if_asked();
    }
    loader.stop();
    if (place.batch == count) run.epoch_done();
    if (place.step == last_step) break;

    const bool evaluates = is_due(place.epoch, config.evaluation.every);
    if (evaluates) run.is_best(evaluate("the epoch").map);
    if (evaluates || is_due(place.epoch, keep.every_epochs) || is_due(place.step, keep.every_steps))
      run.save();
  }

  // A run may go on later as if it never had ended: only what its schedule evaluates counts as best.
  const Evaluation scores = evaluate("after training");
  if (place.batch == 0 && is_due(place.epoch, config.evaluation.every)) run.is_best(scores.map);
  run.save();

  Json result = to_json(scores);
  if (config.report) {
    result["before"] = before == "" ? Json() : Json::parse(before.get<std::string>());
    result["after"] = to_json(scores);
    draw(options.out, data, config.data.pictures().orientation, scores);
  }
  return run.finish(result);
}

namespace {

// A network that is not going to learn, with the parameters that it computes with.
struct Opened {
  Learner learner;
  Network network;
  explicit Opened(const NetworkConfig& settings) : network(learner.parameters, settings) {}
};

Embedder embedder_of(const std::shared_ptr<Opened>& opened, const Config& config) {
  return embedder_of(std::shared_ptr<const Network>(opened, &opened->network), config);
}

}  // namespace

Embedder open(Context& context, const CheckpointSource& source) {
  const RunState state = read_run_state(source.path);
  const auto config = parse_config<Config>(state.config, source.path, source.assignments);
  context.exact = config.exact;
  const auto opened = std::make_shared<Opened>(config.network(read_count(state, "identities", source.path)));
  check_shapes(source.path, "", opened->learner.parameters);
  opened->learner.start(context, state.seed);
  read_weights_of(context, source.path, "", opened->learner);
  return embedder_of(opened, config);
}

Embedder open_weights(Context& context, const ConfigSource& source, const std::string& weights,
                      const Notice& notice) {
  const auto config = read_config<Config>(source);
  context.exact = config.exact;
  const auto opened = std::make_shared<Opened>(config.network(0));
  opened->learner.start(context, 0);
  read_weights_file(context, opened->learner, config.model.backbone, weights, notice);
  return embedder_of(opened, config);
}

}  // namespace saccade::baseline
