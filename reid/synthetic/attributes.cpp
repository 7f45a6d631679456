#include "reid/synthetic/attributes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

#include "kernels/common/error.h"
#include "kernels/common/philox.h"
#include "reid/synthetic/streams.h"

namespace saccade::synthetic {
namespace {

int draw(const std::vector<double>& odds, PhiloxStream* random) {
  double left = random->uniform();
  for (size_t i = 0; i + 1 < odds.size(); ++i) {
    if ((left -= odds[i]) < 0) return static_cast<int>(i);
  }
  return static_cast<int>(odds.size()) - 1;
}

// Any value but `value`, with equal probabilities.
int another(int attribute, int value, PhiloxStream* random) {
  const auto count = static_cast<uint32_t>(attribute_table()[attribute].values.size());
  const int drawn = static_cast<int>(random->below(count - 1));
  return drawn + (drawn >= value);
}

int common_value(int attribute) {
  const std::vector<double>& odds = attribute_table()[attribute].odds;
  return static_cast<int>(std::max_element(odds.begin(), odds.end()) - odds.begin());
}

AttributeValues draw_values(PhiloxStream* random) {
  AttributeValues values;
  for (int a = 0; a < kAttributes; ++a) values[a] = draw(attribute_table()[a].odds, random);
  // Hair and dresses depend on gender, as they do in the real set.
  const bool female = values[kGender] == 1;
  values[kHair] = random->uniform() < (female ? 0.75f : 0.06f);
  values[kClothes] = random->uniform() < (female ? 0.35f : 0.0f) ? 0 : 1;
  return values;
}

}  // namespace

const std::array<AttributeInfo, kAttributes>& attribute_table() {
  static const std::array<AttributeInfo, kAttributes> table{{
      {"gender", {"male", "female"}, {0.55, 0.45}},
      {"hair", {"short", "long"}, {0.65, 0.35}},
      {"up", {"long", "short"}, {0.4, 0.6}},
      {"down", {"long", "short"}, {0.6, 0.4}},
      {"clothes", {"dress", "pants"}, {0.18, 0.82}},
      {"hat", {"no", "yes"}, {0.85, 0.15}},
      {"backpack", {"no", "yes"}, {0.7, 0.3}},
      {"bag", {"no", "yes"}, {0.75, 0.25}},
      {"handbag", {"no", "yes"}, {0.82, 0.18}},
      {"age", {"child", "teenager", "adult", "old"}, {0.1, 0.5, 0.3, 0.1}},
      {"upcolor",
       {"black", "white", "red", "purple", "gray", "blue", "green", "yellow"},
       {0.19, 0.2, 0.12, 0.06, 0.14, 0.12, 0.09, 0.08}},
      {"downcolor",
       {"black", "white", "pink", "gray", "blue", "green", "brown", "yellow", "purple"},
       {0.28, 0.1, 0.06, 0.17, 0.19, 0.06, 0.08, 0.03, 0.03}},
  }};
  return table;
}

NoiseRates parse_noise(const std::string& text) {
  NoiseRates rates;
  std::set<std::string> given;
  size_t start = 0;
  while (start <= text.size()) {
    const size_t end = std::min(text.find(',', start), text.size());
    const std::string item = text.substr(start, end - start);
    const size_t equals = item.find('=');
    const std::string kind = item.substr(0, equals);
    double* rate = kind == "wrong"    ? &rates.wrong
                   : kind == "hidden" ? &rates.hidden
                   : kind == "rare"   ? &rates.rare
                                      : nullptr;
    check_input(rate && equals != std::string::npos, "--noise: '", item,
                "' is not wrong=P, hidden=P or rare=P");
    check_input(given.insert(kind).second, "--noise: ", kind, " is given twice");
    const std::string number = item.substr(equals + 1);
    char* rest = nullptr;
    *rate = std::strtod(number.c_str(), &rest);
    check_input(!number.empty() && *rest == 0 && *rate >= 0 && *rate <= 1, "--noise: '", number, "' in '",
                item, "' is not a rate from 0 to 1");
    start = end + 1;
  }
  return rates;
}

AttributePlan plan_attributes(int ids, const NoiseRates& noise, uint64_t seed) {
  AttributePlan plan;
  PhiloxStream random(seed, stream_of(StreamKind::attributes, 0));
  std::array<int, kAttributes> order;
  for (int a = 0; a < kAttributes; ++a) order[a] = a;
  for (int a = kAttributes - 1; a > 0; --a) std::swap(order[a], order[random.below(a + 1)]);
  const int undiscriminating = static_cast<int>(std::lround(noise.rare * static_cast<int>(kAttributes)));
  std::array<int, kAttributes> holder{};
  for (int i = 0; i < undiscriminating; ++i) {
    plan.undiscriminating[order[i]] = true;
    holder[order[i]] = static_cast<int>(random.below(ids));
  }
  for (int i = 0; i < ids; ++i) {
    PhiloxStream own(seed, stream_of(StreamKind::attributes, 1 + i));
    IdentityAttributes person;
    person.truth = draw_values(&own);
    for (int a = 0; a < kAttributes; ++a) {
      const bool rare = own.uniform() < 0.02f;
      const int other = another(a, common_value(a), &own);
      if (plan.undiscriminating[a]) {
        person.rare[a] = rare || holder[a] == i;
        person.truth[a] = person.rare[a] ? other : common_value(a);
      }
    }
    for (int a = 0; a < kAttributes; ++a) {
      const bool wrong = own.uniform() < noise.wrong;
      const int other = another(a, person.truth[a], &own);
      person.annotated[a] = wrong ? other : person.truth[a];
    }
    plan.identities.push_back(person);
  }
  return plan;
}

}  // namespace saccade::synthetic
