// How well a network retrieves: features of query and gallery, and their scores.
#pragma once

#include <string>

#include "reid/evaluation/evaluate.h"
#include "reid/run/features.h"

namespace saccade {

// Metric of a config or an option; InputError if it is neither euclidean nor cosine.
Metric metric_named(const std::string& name);

// The features as one side of a retrieval. Looks at `features`, which must outlive it.
RetrievalSet retrieval_set(const std::string& name, const Features& features);

// Makes sure that the set can be learned from and scored before a long work begins: reads each picture once
// (check_pictures() has the rules) and leaves out of `dataset` what is damaged, where `rules` say so. InputError, which
// names folder or file, for pictures that cannot be read, and if no query has a correct image in the gallery.
void check_dataset(ReidDataset& dataset, const PictureRules& rules, int threads, const ReadingReport& report);

// Scores on the query and gallery parts of `dataset`; with ranked lists of a few queries spread over all, if `ranked`.
Evaluation evaluate_retrieval(Context& context, const Embedder& embedder, const ReidDataset& dataset,
                              bool ranked);

}  // namespace saccade
