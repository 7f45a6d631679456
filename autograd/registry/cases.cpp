#include "autograd/registry/cases.h"

namespace saccade {

std::vector<Case> saturating_cases() {
  return {{.name = "empty", .inputs = {{{0}}}},
          {.name = "one", .inputs = {{{1}}}},
          {.name = "odd", .inputs = {{{3, 5, 7}}}},
          {.name = "small", .inputs = {{{41}, {Fill::normal, 0, 1e-3}}}},
          {.name = "wide", .inputs = {{{97}, {Fill::uniform, -12, 12}}}},
          {.name = "extreme",
           .inputs = {{{9}, {Fill::values, 0, 1, {0, -0.0, 1e-42, 80, -80, 1000, -1000, 3e38, -3e38}}}},
           .kink = true},
          {.name = "large", .inputs = {{{257, 1031}, {Fill::normal, 0, 3}}}, .small = false}};
}

std::vector<Case> broadcast_cases() {
  return {{.name = "empty", .inputs = {{{0, 3}}, {{0, 3}}}},
          {.name = "one", .inputs = {{{1}}, {{1}}}},
          {.name = "odd", .inputs = {{{3, 5, 7}}, {{3, 5, 7}}}},
          {.name = "bias", .inputs = {{{3, 5, 7}}, {{7}}}},
          {.name = "scalar", .inputs = {{{3, 5, 7}}, {{1}}}},
          {.name = "gate", .inputs = {{{3, 5, 4, 7}}, {{3, 1, 1, 7}}}},
          {.name = "map", .inputs = {{{3, 5, 4, 7}}, {{3, 5, 4, 1}}}},
          {.name = "sample", .inputs = {{{3, 5, 4, 2}}, {{3, 1, 1, 1}}}},
          {.name = "no rows", .inputs = {{{0, 7}}, {{7}}}},
          {.name = "large bias", .inputs = {{{4, 64, 32, 67}}, {{67}}}, .small = false},
          {.name = "large scalar", .inputs = {{{1, 300000}}, {{1}}}, .small = false},
          {.name = "large", .inputs = {{{257, 1031}}, {{257, 1031}}}, .small = false}};
}

std::vector<Case> reduction_cases() {
  return {{.name = "one", .inputs = {{{1}}}},
          {.name = "all", .inputs = {{{3, 5, 7}}}},
          {.name = "last", .inputs = {{{3, 5, 7}}}, .attributes = {{"over", 1}}},
          {.name = "leading", .inputs = {{{3, 5, 7}}}, .attributes = {{"over", 2}}},
          {.name = "vector", .inputs = {{{9}}}, .attributes = {{"over", 1}}},
          {.name = "cancelling", .inputs = {{{6}, {Fill::values, 0, 1, {1e30, 1, -1e30}}}}, .kink = true},
          {.name = "large all", .inputs = {{{257, 1031}}}, .small = false},
          {.name = "large last", .inputs = {{{257, 1031}}}, .attributes = {{"over", 1}}, .small = false},
          {.name = "large leading", .inputs = {{{8192, 67}}}, .attributes = {{"over", 2}}, .small = false}};
}

std::vector<Case> with_cases(std::vector<Case> own, const std::vector<Case>& shared) {
  own.insert(own.end(), shared.begin(), shared.end());
  return own;
}

}  // namespace saccade
