// What an evaluation found, for programs and for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace saccade {

struct Scores {
  nlohmann::ordered_json json;
  std::string table;  // a few lines
};

}  // namespace saccade
