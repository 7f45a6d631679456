// JSON as text, whatever bytes its strings have.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace saccade {

// Paths and names of users may hold bytes that are no UTF-8, which JSON cannot say: U+FFFD stands for them. `indent` as
// in nlohmann's dump.
template <class Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace saccade
