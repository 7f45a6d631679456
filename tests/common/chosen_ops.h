// The ops that this run checks. CI names in SACCADE_OPS, separated by commas, what a change touches and a seeded
// quarter of the rest (tests/choose_ops.py); without that variable every op runs.
#pragma once

#include <cstdlib>
#include <string>

#include "kernels/common/error.h"

namespace saccade {

inline bool is_chosen(const std::string& op) {
  const char* names = std::getenv("SACCADE_OPS");
  if (names == nullptr || *names == '\0') return true;
  return concat(",", names, ",").find("," + op + ",") != std::string::npos;
}

// "12 of 48 ops run, SACCADE_OPS leaves out 36" for a list of ops.
template <class Ops>
std::string chosen_of(const Ops& ops) {
  size_t run = 0;
  for (const auto& op : ops) run += is_chosen(op.name);
  if (run == ops.size()) return concat("all ", run, " ops run");
  return concat(run, " of ", ops.size(), " ops run, SACCADE_OPS leaves out ", ops.size() - run);
}

}  // namespace saccade
