// The twelve attributes of Market-1501, how often the generator draws each value, and the noise of their
// annotation. Names and codes are those of the attribute annotation of Market-1501 (Lin et al., "Improving
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

// For each attribute the index of its value, from 0. The `.mat` file stores a binary attribute and the age as
// index + 1, and has a field for each color, which says 2 where it is the color and 1 elsewhere.
using AttributeValues = std::array<int, kAttributes>;

struct AttributeInfo {
  std::string name;                 // "gender", ..., "age", "upcolor", "downcolor"
  std::vector<std::string> values;  // gender: "male", "female"
  std::vector<double> odds;         // the probability of each value; their sum is 1
};
const std::array<AttributeInfo, kAttributes>& attribute_table();

// The three kinds of noise, each from 0 to 1.
struct NoiseRates {
  double wrong = 0;   // probability that an identity's annotation of an attribute is not the true value
  double hidden = 0;  // probability that nothing of an attribute is to be seen in an image
  double rare = 0;    // share of the attributes that are undiscriminating: nearly all identities agree
};

// The rates of a text such as "wrong=0.1,hidden=0.2"; kinds that are not named stay 0. InputError otherwise.
NoiseRates parse_noise(const std::string& text);

struct IdentityAttributes {
  AttributeValues truth{}, annotated{};
  std::array<bool, kAttributes> rare{};  // whether it has the rare value of an undiscriminating attribute
};

struct AttributePlan {
  std::array<bool, kAttributes> undiscriminating{};  // round(12 * rare) of them
  std::vector<IdentityAttributes> identities;
};

// Draws the attributes of `ids` identities. Of each undiscriminating attribute one random identity has the
// rare value, and every other one has it with a probability of 2 %.
AttributePlan plan_attributes(int ids, const NoiseRates& noise, uint64_t seed);

}  // namespace saccade::synthetic
