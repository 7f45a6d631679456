// What bench_traffic measures: shapes whose tensors are several times the modeled cache (traffic.h) but small
// enough for a CPU, whose rows start at a sector, and whose inputs are all read. An op with no line here is
// measured on the largest case of its registration. A case whose batch is small on a GPU, too, keeps its
// proportions and fits in the cache; the reason beside its bound says so.
#pragma once

#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "autograd/registry/registry.h"

namespace saccade::bench {

struct TrafficCase {
  Case shape;
  // The tensors that the gradient's formula needs beside the cotangents, by the names of the op's ports. Together with
  // the cotangents read and the input gradients written they are the floor of the backward pass.
  std::vector<std::string> needs = {};
  double saved = 0;  // further bytes that forward keeps for each element of the first output: an argmax, say
  bool in_place = false;  // the op's copies of its state stand for an update in place: they are not counted
};

namespace traffic_detail {

constexpr int64_t kRows = 512, kColumns = 1024;  // 2 MiB in f32, 8 caches

inline CaseInput positive(Shape shape) {
  return {std::move(shape), {Fill::uniform, 0.5, 2}};
}
inline CaseInput constant(Shape shape, double value) {
  return {std::move(shape), {Fill::constant, value}};
}
inline CaseInput values(Shape shape, std::vector<double> list) {
  return {std::move(shape), {Fill::values, 0, 1, std::move(list)}};
}
// i * step modulo `rows` for i below `count`: out of order, and each row as often as any other.
inline CaseInput scattered(int64_t count, int64_t rows, int64_t step = 389) {
  std::vector<double> list(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) list[static_cast<size_t>(i)] = static_cast<double>(i * step % rows);
  return values({count}, std::move(list));
}

inline TrafficCase map(std::vector<std::string> needs, Attributes attributes = {}) {
  return {{.name = "512x1024", .inputs = {{{kRows, kColumns}}}, .attributes = std::move(attributes)},
          std::move(needs)};
}
inline TrafficCase of_two(std::vector<std::string> needs) {
  return {{.name = "512x1024", .inputs = {{{kRows, kColumns}}, positive({kRows, kColumns})}},
          std::move(needs)};
}
inline TrafficCase bias(std::vector<std::string> needs) {
  return {{.name = "bias", .inputs = {{{8, 32, 16, 128}}, {{128}}}}, std::move(needs)};
}
inline std::vector<TrafficCase> reductions() {
  return {{{.name = "all", .inputs = {{{kRows, kColumns}}}}},
          {{.name = "last", .inputs = {{{kRows, kColumns}}}, .attributes = {{"over", 1}}}},
          {{.name = "leading", .inputs = {{{4096, 128}}}, .attributes = {{"over", 2}}}}};
}

inline TrafficCase norm(const std::string& name, Shape shape, std::vector<std::string> needs, bool residual) {
  const Shape channels = {shape[-1]};
  TrafficCase one{{.name = name,
                   .inputs = {{shape}, positive(channels), {channels}, {channels}, positive(channels)},
                   .attributes = {{"relu", 1}}},
                  std::move(needs)};
  if (residual) one.shape.inputs.push_back({shape});
  return one;
}

constexpr int64_t kParameters = 1 << 18;
// Cut as the optimizer cuts them, one span for each block.
inline CaseInput spans() {
  std::vector<double> list;
  for (int64_t at = 0; at < kParameters; at += 8192) list.insert(list.end(), {static_cast<double>(at), 8192});
  return values({kParameters / 8192, 2}, std::move(list));
}
inline TrafficCase step(size_t moments, Attributes attributes, const std::string& name) {
  TrafficCase one{
      {.name = name, .inputs = {{{kParameters}}, {{kParameters}}}, .attributes = std::move(attributes)}};
  for (size_t i = 0; i < moments; ++i) one.shape.inputs.push_back(positive({kParameters}));
  one.shape.inputs.push_back(spans());
  one.shape.inputs.push_back(constant({kParameters / 8192, 2}, 1));
  for (const double scalar : {0.01, 1.0, 0.0, 3.0}) one.shape.inputs.push_back(constant({1}, scalar));
  one.in_place = true;
  return one;
}

// Sixteen pictures, each used once, every other one mirrored; colors jittered, nothing erased.
inline TrafficCase pictures() {
  std::vector<double> placement;
  for (int i = 0; i < 16; ++i)
    placement.insert(placement.end(), {i * 5.0 - i * 5 / 16 * 16, i % 2 * 1.0, 0, 0, 0, 0, 0, 0});
  return {{.name = "16 pictures",
           .inputs = {{{16, 128, 64, 3}, {Fill::integers, 0, 256}},
                      values({16, 8}, placement),
                      values({16, 7}, {1.25, 0.75, 0.5, 100, 0.5, -1, 2}),
                      values({2, 3}, {0.485, 0.456, 0.406, 0.229, 0.224, 0.225})}}};
}

}  // namespace traffic_detail

inline const std::map<std::string, std::vector<TrafficCase>>& traffic_cases() {
  using namespace traffic_detail;
  static const std::map<std::string, std::vector<TrafficCase>> cases = {
      {"adam", {step(3, {{"amsgrad", 1}}, "amsgrad"), step(3, {}, "adam")}},
      {"add", {of_two({}), bias({})}},
      {"augment", {pictures()}},
      {"average_pool2d",
       {{{.name = "2x2", .inputs = {{{4, 64, 32, 64}}}, .attributes = {{"kernel", 2}, {"stride", 2}}}}}},
      {"batch_hard_triplet",
       {{{.name = "PK batch",
          .inputs = {{{64, 512}}, {{64}, {Fill::integers, 0, 16}}},
          .attributes = {{"margin", 0.3}}},
         {"embeddings", "positive", "negative"}},
        {{.name = "large batch",
          .inputs = {{{320, 512}}, {{320}, {Fill::integers, 0, 80}}},
          .attributes = {{"margin", 0.3}}},
         {"embeddings", "positive", "negative"}}}},
      {"batch_norm", {norm("ReLU", {8, 64, 32, 64}, {"x"}, false)}},
      {"batch_norm_residual", {norm("ReLU", {8, 64, 32, 64}, {"x", "y"}, true)}},
      {"batched_matmul",
       {{{.name = "24 heads of 128x64",
          .inputs = {{{24, 128, 64}}, {{24, 128, 64}}},
          .attributes = {{"transpose_b", 1}}},
         {"a", "b"}}}},
      {"bin_pool",
       {{{.name = "a glimpse",
          .inputs = {{{4, 8, 16, 8, 256}}, {{4, 3}, {Fill::integers, 0, 4}}},
          .attributes = {{"bin_t", 4}, {"bin_h", 8}, {"bin_w", 4}}},
         {"corner"}}}},
      {"cast", {map({})}},
      {"concat", {{{.name = "groups", .inputs = {{{2048, 64}}, {{2048, 128}}, {{2048, 64}}}}}}},
      {"conv2d",
       {{{.name = "3x3",
          .inputs = {{{4, 16, 8, 128}}, {{128, 3, 3, 128}}, {{128}}},
          .attributes = {{"pad_h", 1}, {"pad_w", 1}}},
         {"x", "weight"}},
        {{.name = "3x3, stride 2",
          .inputs = {{{2, 32, 16, 128}}, {{128, 3, 3, 128}}, {{128}}},
          .attributes = {{"stride_h", 2}, {"stride_w", 2}, {"pad_h", 1}, {"pad_w", 1}}},
         {"x", "weight"}}}},
      {"cross_entropy",
       {{{.name = "smoothed",
          .inputs = {{{kRows, kColumns}}, {{kRows}, {Fill::integers, 0, kColumns}}},
          .attributes = {{"smoothing", 0.1}}},
         {"logits"}}}},
      {"div", {of_two({"a", "b"})}},
      {"dropout", {map({}, {{"p", 0.2}})}},
      {"fill", {map({}, {{"value", 2.5}})}},
      {"gather_rows", {{{.name = "each once", .inputs = {{{1024, 512}}, scattered(1024, 1024)}}, {"index"}}}},
      {"gelu", {map({"x"})}},
      {"generalized_mean_pool",
       {{{.name = "p = 3", .inputs = {positive({8, 16, 8, 512}), constant({1}, 3)}}, {"x", "p", "y"}},
        {{.name = "p = 2.5", .inputs = {positive({8, 16, 8, 512}), constant({1}, 2.5)}}, {"x", "p", "y"}}}},
      {"global_average_pool", {{{.name = "conv5_x", .inputs = {{{8, 16, 8, 512}}}}}}},
      {"gradient_clip",
       {{{.name = "one arena", .inputs = {{{kParameters}}, spans()}, .attributes = {{"limit", 2}}}}}},
      {"group_max",
       {{{.name = "7 of 7 groups",
          .inputs = {{{8, 24, 8, 448}}, constant({8, 7}, 1)},
          .attributes = {{"groups", 7}}},
         {},
         1}}},
      {"l2_normalize", {map({"y"})}},
      {"linear",
       {{{.name = "512x512, k = 256",
          .inputs = {{{512, 256}}, {{512, 256}}, {{512}}},
          .attributes = {{"relu", 1}}},
         {"x", "weight", "y"}}}},
      {"log_softmax", {map({"y"})}},
      {"matmul", {{{.name = "512x512, k = 256", .inputs = {{{512, 256}}, {{256, 512}}}}, {"a", "b"}}}},
      {"max_pool2d",
       {{{.name = "3x3, stride 2",
          .inputs = {{{4, 64, 32, 64}}},
          .attributes = {{"kernel", 3}, {"stride", 2}, {"padding", 1}}},
         {},
         1}}},
      {"mean", reductions()},
      {"mul", {of_two({"a", "b"}), bias({"a", "b"})}},
      {"pairwise_distance",
       {{{.name = "64 against 512", .inputs = {{{64, 512}}, {{512, 512}}}}, {"x", "y", "distance"}}}},
      {"region_pool",
       {{{.name = "pyramid of 21",
          .inputs = {{{8, 24, 8, 256}}},
          .attributes = {{"stripes", 6}, {"levels", 6}}},
         {},
         4}}},
      {"relu", {map({"y"})}},
      {"scale", {map({}, {{"factor", 0.5}})}},
      {"scatter_add_rows",
       {{{.name = "32 rows", .inputs = {{{1024, 512}}, scattered(1024, 32)}, .attributes = {{"rows", 32}}},
         {"index"}}}},
      {"sgd", {step(1, {{"momentum", 0.9}}, "momentum")}},
      {"sigmoid", {map({"y"})}},
      {"sigmoid_gate",
       {{{.name = "AAB3", .inputs = {{{8, 24, 8, 256}}, {{8, 24, 8, 256}}, {{256}}}},
         {"feature", "logits", "bias"}}}},
      {"slice_columns",
       {{{.name = "one group", .inputs = {{{2048, 256}}}, .attributes = {{"begin", 64}, {"end", 192}}}}}},
      {"softmax", {map({"y"})}},
      {"split", {{{.name = "groups", .inputs = {{{2048, 256}}}, .attributes = {{"at", 64}}}}}},
      {"sub", {of_two({})}},
      {"sum", reductions()},
      {"tanh", {map({"y"})}},
      {"topk",
       {{{.name = "50 of 8192", .inputs = {{{64, 8192}}}, .attributes = {{"k", 50}, {"largest", 0}}}}}},
      {"transpose2d", {map({})}},
      {"weighted_sum", {of_two({})}},
  };
  return cases;
}

}  // namespace saccade::bench
