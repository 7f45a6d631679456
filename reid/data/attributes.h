// The attribute files of Market-1501 and DukeMTMC-reID: market_attribute.mat, duke_attribute.mat.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/data/mat_file.h"

namespace saccade {

constexpr int kUnknownAttribute = -1;  // takes no part in an attribute loss

// One question about a person, with its possible answers.
struct Attribute {
  std::string name;                 // "gender", ..., "upper_color"
  std::vector<std::string> values;  // answer c means values[c]
  int64_t classes() const { return static_cast<int64_t>(values.size()); }
};

// The answers for the persons of one half (train or test).
struct AttributeTable {
  std::vector<int> pids;       // sorted
  std::vector<int8_t> values;  // [pids, attributes]; kUnknownAttribute where the file gives no single answer
  std::vector<int64_t>
      missing;  // [attributes]: persons with no answer (all colors "no", or a code out of range)
  std::vector<int64_t> several;  // [attributes]: persons with more than one color
};

struct AttributeSet {
  std::vector<Attribute> attributes;  // Market-1501: 12, DukeMTMC-reID: 10
  AttributeTable train, test;
  std::string notice;  // what is unknown, in whole lines; may be empty
};

// Reads a MATLAB v5 file with a struct that has `train` and `test`, each with one row vector of codes a field
// and `image_index`, the persons as strings. Everything is found by name: the order of fields differs between
// the halves and between the files. Binary codes are 1 / 2; age is 1 to 4; the color fields, of which one
// should say 2, are merged to one answer.
//   Market-1501: gender hair up down clothes hat backpack bag handbag age upper_color lower_color
//   DukeMTMC-reID: gender top boots hat backpack bag handbag shoes upper_color lower_color
// InputError names the file and what is wrong: no MATLAB file, a field that is missing, not numeric or of the
// wrong length, a person that is no number or comes twice.
AttributeSet read_attributes(const std::string& path);

// The same from a file that was read; `path` names it in messages.
AttributeSet attributes_in(const MatValue& file, const std::string& path);

// The answers for each of `pids`, [pids, attributes]. InputError (naming `path`, the file that `table` is
// from) if a person is not in the table: then the file belongs to another data set.
std::vector<int8_t> attributes_of(const AttributeSet& set, const AttributeTable& table,
                                  const std::vector<int>& pids, const std::string& path);

}  // namespace saccade
