// The twelve attributes of Market-1501, what the generator draws them from, and the noise of their
// annotation. Source of names and codes: the attribute annotation of Market-1501 (Lin et al., "Improving
// person re-identification by attribute and identity learning", Pattern Recognition 2019).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace saccade::synthetic {

enum Attribute : int {
  kGender,
  kHair,
  kUp,
  kDown,
  kClothes,
  kHat,
  kBackpack,
  kBag,
  kHandbag,
  kAge,
  kUpColor,
  kDownColor,
  kAttributes
};

// A value is an index from 0: in the `.mat` file the binary ones and the age are stored as value + 1, a
// color as a field of its own per color (2 where it is the color, 1 elsewhere).
using AttributeValues = std::array<int, kAttributes>;

struct AttributeInfo {
  std::string name;                 // "gender", ..., "age", "upcolor", "downcolor"
  std::vector<std::string> values;  // gender: "male", "female"
  std::vector<double> odds;         // how often the generator draws each value; sums to 1
};
const std::array<AttributeInfo, kAttributes>& attribute_table();

// The chances of the three kinds of noise, from 0 to 1.
struct NoiseRates {
  double wrong =
      0;  // of each attribute of each identity: the annotation says another value than the true one
  double hidden = 0;  // of each attribute in each image: nothing of it is to be seen there
  double rare =
      0;  // share of the twelve attributes that are undiscriminating: all but a few identities agree
};
// "wrong=0.1,hidden=0.2" -> rates; kinds that are not named stay 0. InputError on anything else.
NoiseRates parse_noise(const std::string& text);

struct IdentityAttributes {
  AttributeValues truth{}, annotated{};
  std::array<bool, kAttributes> rare{};  // holds the rare value of an undiscriminating attribute
};

struct AttributePlan {
  std::array<bool, kAttributes> undiscriminating{};  // round(12 * rare) of them
  std::vector<IdentityAttributes> identities;
};

// Draws the attributes of `ids` identities. One random identity holds the rare value of each undiscriminating
// attribute, and each other one does with a chance of 2 %.
AttributePlan plan_attributes(int ids, const NoiseRates& noise, uint64_t seed);

}  // namespace saccade::synthetic
