// The result of an evaluation as text, for programs and for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "reid/evaluation/evaluate.h"

namespace saccade {

// The keys mAP, mAP_trapezoid, mINP, cmc (array from rank 1), queries, valid_queries, gallery.
nlohmann::ordered_json to_json(const Evaluation&);

// A table of a few lines, with the number of queries that had no correct image.
std::string table_of(const Evaluation&);

}  // namespace saccade
