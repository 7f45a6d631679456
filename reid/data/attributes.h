// The attribute files of Market-1501 and DukeMTMC-reID: market_attribute.mat, duke_attribute.mat.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reid/data/mat_file.h"

namespace saccade {

constexpr int kUnknownAttribute = -1;  // no single answer is known: it takes no part in an attribute loss

// One question about a person, with its possible answers.
struct Attribute {
  std::string name;                 // "gender", ..., "upper_color"
  std::vector<std::string> values;  // answer c means values[c]
  int64_t classes() const { return static_cast<int64_t>(values.size()); }
};

// The answers for the persons of one half (train or test).
struct AttributeTable {
  std::vector<int> pids;       // sorted
  std::vector<int8_t> values;  // [pids, attributes]: answers, or kUnknownAttribute
  // [attributes]: how many persons have no answer (all colors "no", a code out of range)
  std::vector<int64_t> missing;
  std::vector<int64_t> several;  // [attributes]: how many persons have more than one color
};

struct AttributeSet {
  std::vector<Attribute> attributes;  // Market-1501: 12, DukeMTMC-reID: 10
  AttributeTable train, test;
  std::string notice;  // says in whole lines what is unknown; may be empty
};

// Reads a MATLAB v5 file with a struct that has the fields `train` and `test`. Each is a struct of
// `image_index`, the persons as strings, and one row vector of codes for each attribute or color.
// Everything is found by name, since the order of the fields differs between the halves and between the
// files. Binary codes are 1 and 2, ages 1 to 4; the fields of the colors, of which one should say 2,
// are merged to one answer.
//   Market-1501:   gender hair up down clothes hat backpack bag handbag age upper_color lower_color
//   DukeMTMC-reID: gender top boots hat backpack bag handbag shoes upper_color lower_color
// Source: Lin et al., "Improving person re-identification by attribute and identity learning", Pattern
// Recognition 2019. InputError names the file and what is wrong: it is no MATLAB file that can be read, lacks
// a field, has one that is not numeric or of the wrong length, or a person that is no number or comes twice.
AttributeSet read_attributes(const std::string& path);

// The same from a file that was read; `path` stands for it in messages.
AttributeSet attributes_in(const MatValue& file, const std::string& path);

// The answers for each of `pids`, [pids, attributes]. InputError, which names `path`, if a person is not in
// the table: then the file belongs to another data set.
std::vector<int8_t> attributes_of(const AttributeSet& set, const AttributeTable& table,
                                  const std::vector<int>& pids, const std::string& path);

}  // namespace saccade
