// What the fuzzers of the config and the attribute reader run on each input, and what the normal tests run
// on the kept corpus.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "reid/baseline/config.h"
#include "reid/data/attributes.h"
#include "tests/fuzz/refusal.h"

namespace saccade {

// A config, then assignments, each after a zero byte. True if they were taken.
inline bool enter_config(std::span<const std::byte> input) {
  const std::string all(reinterpret_cast<const char*>(input.data()), input.size());
  const std::string text = all.substr(0, all.find('\0'));
  std::vector<std::string> assignments;
  for (size_t at = text.size(); at < all.size();) {
    const size_t end = std::min(all.find('\0', at + 1), all.size());
    assignments.push_back(all.substr(at + 1, end - at - 1));
    at = end;
  }
  baseline::Config config;
  if (refuses([&] { config = parse_config<baseline::Config>(text, "input", assignments); })) return false;
  // A config that was taken, written as JSON, must read back as itself.
  const std::string json = json_of(config);
  check(json_of(parse_config<baseline::Config>(json, "input")) == json,
        "a config does not come back: ", json);
  return true;
}

// True if the file holds attributes.
inline bool enter_mat(std::span<const std::byte> input) {
  AttributeSet set;
  if (refuses([&] { set = attributes_in(parse_mat_file(input, "input"), "input"); })) return false;
  for (const AttributeTable* table : {&set.train, &set.test}) {
    check(std::is_sorted(table->pids.begin(), table->pids.end()), "persons are not sorted");
    check(table->values.size() == table->pids.size() * set.attributes.size(), "wrong size");
    for (size_t i = 0; i < table->values.size(); ++i) {
      const int64_t classes = set.attributes[i % set.attributes.size()].classes();
      check(table->values[i] >= kUnknownAttribute && table->values[i] < classes,
            "an answer that does not exist");
    }
  }
  return true;
}

}  // namespace saccade
