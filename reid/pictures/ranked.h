// Queries with the gallery pictures that a network found for them.
#pragma once

#include <string>
#include <vector>

#include "reid/data/image.h"

namespace saccade {

struct RankedPicture {
  Image image;
  int pid = -1, camid = -1;  // -1: unknown
  bool correct = false;      // whether a gallery picture shows the person of the query
};

struct RankedRow {
  RankedPicture query;
  std::vector<RankedPicture> gallery;  // from rank 1; the first ten are shown
  double average_precision = -1;       // shown if not negative
};

// One row for each query: the query, then its top ten, framed green (right) or red (wrong), each with person
// and camera. A mark tells right from wrong without color, too. Pictures are resized to picture_height x
// picture_width pixels. Error for an empty size or an empty picture.
Image draw_ranked(const std::string& title, const std::vector<RankedRow>& rows, int picture_height = 160,
                  int picture_width = 80);

}  // namespace saccade
