// Two layers learn which points of a square lie in a ring, and draw what they learned.
//   hidden = relu(x W1^T + b1),  logits = hidden W2^T + b2,  loss = cross-entropy(logits, in the ring or not)
#include <cstdio>

#include "autograd/functions/loss.h"
#include "autograd/segment.h"
#include "layers/modules.h"

using namespace saccade;
using layers::Linear;

int main() {
  Context context;
  Learner network;  // what learns together: parameters and the optimizer that moves them
  const Linear hidden(network.parameters, "hidden", 2, 64), output(network.parameters, "output", 64, 2);
  network.start(context, 1, OptimizerConfig());  // from seed 1, moved by Adam
  network.set_learning_rate(0.05);
  constexpr int64_t side = 32, count = side * side;
  std::vector<float> points;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const float u = 2.0f * (i % side) / (side - 1) - 1, v = 2.0f * (i / side) / (side - 1) - 1;
    points.insert(points.end(), {u, v});
    labels.push_back(0.16f < u * u + v * v && u * u + v * v < 0.64f);
  }
  const Tensor x = Tensor::from(context, {count, 2}, points), y = Tensor::from(context, {count}, labels);
  const auto logits = [&](Tape& tape) { return output(tape, hidden(tape, tape.constant(x), true)); };
  Segment step(context);  // runs as it comes once, then replays on the same addresses
  for (int i = 0; i < 1000; ++i)
    step.run([&] {
      Tape tape(context, {&network});  // records what is computed, and teaches this learner
      tape.backward(cross_entropy(tape, logits(tape), y, 0));
      network.step();
    });

  Tape tape(context);  // teaches nobody, so it only computes
  const std::vector<float> learned = logits(tape).value.to_host<float>(context);
  for (size_t i = 0; i < learned.size(); i += 2)
    std::printf("%s%s", learned[i + 1] > learned[i] ? "##" : "..", i / 2 % side == side - 1 ? "\n" : "");
}
