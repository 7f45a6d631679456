#include "reid/evaluation/report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace saccade {

nlohmann::ordered_json to_json(const Evaluation& result) {
  return {{"mAP", result.map},         {"mAP_trapezoid", result.map_trapezoid},
          {"mINP", result.minp},       {"cmc", result.cmc},
          {"queries", result.queries}, {"valid_queries", result.valid_queries},
          {"gallery", result.gallery}};
}

std::string table_of(const Evaluation& result) {
  std::string table;
  const auto row = [&](const std::string& name, double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%-15s %.4f\n", name.c_str(), value);
    table += text;
  };
  row("mAP", result.map);
  row("mAP trapezoid", result.map_trapezoid);
  row("mINP", result.minp);
  for (const size_t rank : {1, 5, 10, 20, 50})
    if (rank <= result.cmc.size()) row("rank " + std::to_string(rank), result.cmc[rank - 1]);
  table += std::to_string(result.queries) + " queries, " + std::to_string(result.gallery) +
           " gallery images; " + std::to_string(result.queries - result.valid_queries) +
           " queries had no correct gallery image and are not counted\n";
  return table;
}

}  // namespace saccade
