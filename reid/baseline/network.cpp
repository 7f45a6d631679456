#include "reid/baseline/network.h"

#include "autograd/functions/cast.h"
#include "autograd/functions/pooling.h"
#include "layers/init.h"

namespace saccade::baseline {

Network::Network(ParameterArena& arena, const NetworkConfig& config)
    : config_(config), backbone_(arena, config.backbone) {
  const int64_t size = backbone_.channels();
  check_input(config.pooling == "average" || config.pooling == "gem", "model.pooling is average or gem, not ",
              config.pooling);
  if (config.pooling == "gem") exponent_ = &arena.add("pool.p", {1}, init::constant(3));
  if (config.neck) {
    neck_.emplace(arena, "neck", size);
    arena.freeze("neck.bias");  // a shift would move the hyperspheres of the classes apart from the origin
  }
  if (config.identities > 0)
    classifier_.emplace(arena, "classifier", size, config.identities, false, init::normal(0.001f),
                        Initializer());
}

Network::Output Network::operator()(Tape& tape, const Variable& images, Mode mode) const {
  const Variable map = backbone_(tape, images, mode);
  Output out;
  const Variable pooled = exponent_ ? generalized_mean_pool(tape, map, tape.in_precision(*exponent_))
                                    : global_average_pool(tape, map);
  out.embedding = in_f32(tape, pooled);
  out.feature = neck_ ? (*neck_)(tape, out.embedding, mode) : out.embedding;
  if (classifier_ && mode != Mode::eval) out.logits = in_f32(tape, (*classifier_)(tape, out.feature));
  return out;
}

}  // namespace saccade::baseline
