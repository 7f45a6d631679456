// The benchmark cases: bench/shapes.json, one line for each case. The peers of bench/compare/ read it, too, so that
// both sides cannot drift apart. An op with no line there is measured on the largest case of its registration.
//   {"op", "case", "inputs": [...], "dry": [...], "attributes": {...}, "dry_attributes": {...}}
// An input is its shape, or {"shape", and one of "integers": [low, high), "uniform": [low, high), "normal":
// [mean, deviation], "constant": value, "values": [repeated]}; a bare shape is standard normal. `dry` holds
// the small shapes that replace `inputs` in a dry run on a machine without a GPU.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "autograd/registry/registry.h"

namespace saccade::bench {

inline CaseInput read_input(const nlohmann::json& line) {
  const auto shape = [](const nlohmann::json& sizes) { return Shape(sizes.get<std::vector<int64_t>>()); };
  if (line.is_array()) return {shape(line), {}};
  CaseInput input{shape(line.at("shape")), {}};
  for (const auto& [name, rule] :
       {std::pair{"integers", Fill::integers}, {"uniform", Fill::uniform}, {"normal", Fill::normal}})
    if (line.contains(name)) input.fill = {rule, line[name][0], line[name][1]};
  if (line.contains("constant")) input.fill = {Fill::constant, line["constant"]};
  if (line.contains("values")) input.fill = {Fill::values, 0, 1, line["values"]};
  return input;
}

// The cases of `op` in the file at `path`. An op with none has the largest case of its registration, or on a
// dry run a small one.
inline std::vector<Case> cases_of(const Op& op, const std::string& path, bool dry) {
  std::ifstream file(path);
  check_input(file.good(), path, " cannot be read; run from the top folder or give --shapes");
  std::vector<Case> cases;
  for (const nlohmann::json& line : nlohmann::json::parse(file)) {
    if (line.at("op") != op.name) continue;
    Case one{.name = line.at("case"), .inputs = {}};
    for (const nlohmann::json& input : line.at(dry ? "dry" : "inputs"))
      one.inputs.push_back(read_input(input));
    const char* attributes = dry && line.contains("dry_attributes") ? "dry_attributes" : "attributes";
    if (line.contains(attributes)) one.attributes = line[attributes].get<Attributes>();
    check_input(one.inputs.size() == op.inputs.size(), path, ": ", op.name, ", ", one.name, ": ",
                one.inputs.size(), " inputs, not ", op.inputs.size());
    cases.push_back(std::move(one));
  }
  if (!cases.empty()) return cases;
  Case fallback = largest_case(op);
  if (dry)
    for (const Case& c : op.cases)
      if (c.small) fallback = c;
  fallback.name = "registry: " + fallback.name;
  return {fallback};
}

// One input of a case on the device. A block of values is repeated, since no op's time depends on more of them.
inline Tensor place(Context& context, const Port& port, const CaseInput& input, DType floating,
                    size_t number) {
  constexpr size_t kBlock = 1 << 16;
  const auto count = static_cast<size_t>(input.shape.count());
  PhiloxStream random(0xbe9c4, number);
  const std::vector<double> block = filled(input.fill, std::min(count, kBlock), random);
  const auto repeated = [&]<class T>(T) {
    std::vector<T> values(count);
    for (size_t k = 0; k < values.size(); ++k) {
      if constexpr (std::is_same_v<T, bf16>)
        values[k] = bf16(static_cast<float>(block[k % kBlock]));
      else
        values[k] = static_cast<T>(block[k % kBlock]);
    }
    return Tensor::from(context, input.shape, values);
  };
  switch (dtype_for(port, floating)) {
    case DType::u8:
      return repeated(uint8_t{});
    case DType::i32:
      return repeated(int32_t{});
    case DType::i64:
      return repeated(int64_t{});
    case DType::bf16:
      return repeated(bf16{});
    default:
      return repeated(float{});
  }
}

}  // namespace saccade::bench
