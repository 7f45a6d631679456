// How well a network retrieves: features of query and gallery, and their scores.
#pragma once

#include <string>

#include "reid/data/dataset.h"
#include "reid/evaluation/evaluate.h"
#include "reid/run/features.h"

namespace saccade {

// Metric of a config or an option; InputError if it is neither euclidean nor cosine.
Metric metric_named(const std::string& name);

// The features as one side of a retrieval. Looks at `features`, which must outlive it.
RetrievalSet retrieval_set(const std::string& name, const Features& features);

// InputError, which names folder or file, if the scores of the data set could not be made: no query has a correct image
// in the gallery, or a picture cannot be read. Decodes each one once, with `threads` threads.
void check_retrieval(const ReidDataset& dataset, int threads);

// Scores on the query and gallery parts of `dataset`; with ranked lists of a few queries spread over all, if `ranked`.
Evaluation evaluate_retrieval(Context& context, const Embedder& embedder, const ReidDataset& dataset,
                              bool ranked);

}  // namespace saccade
