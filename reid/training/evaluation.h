// How well a network retrieves: features of query and gallery, and their scores.
#pragma once

#include <string>

#include "reid/data/dataset.h"
#include "reid/evaluation/evaluate.h"
#include "reid/training/features.h"

namespace saccade {

// Metric of a config or an option; InputError if it is neither euclidean nor cosine.
Metric metric_named(const std::string& name);

// The features as one side of a retrieval. Looks at `features`, which must outlive it.
RetrievalSet retrieval_set(const std::string& name, const Features& features);

// InputError, which names folder or file, if the scores of the data set could not be made: no query has a correct image in
// the gallery, or a picture cannot be read. Decodes each one once, with `threads` threads.
void check_retrieval(const ReidDataset& dataset, int threads);

// Scores of `model` on the query and gallery parts of `dataset`; with ranked lists of a few queries spread over all,
// if `ranked`.
Evaluation evaluate_model(Context& context, const ReidModel& model, const ReidDataset& dataset,
                          const TrainConfig& config, bool ranked);

}  // namespace saccade
