// The table of systems, and what it can carry beside pictures.
#include "reid/systems.h"

#include <set>

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

TEST_CASE("every row can train, and can be scored in one way") {
  std::set<std::string> names;
  for (const System& system : systems()) {
    INFO(system.name);
    CHECK(names.insert(system.name).second);
    CHECK(!system.purpose.empty());
    CHECK(system.train != nullptr);
    CHECK((system.open != nullptr || system.evaluate != nullptr));
    if (system.reads_data())
      CHECK_THAT(data_of_systems(), ContainsSubstring(system.data + " (" + system.name));
  }
}

TEST_CASE("a config names its system; without a name it is the baseline") {
  const TestFolder folder;
  const auto named = [&](const std::string& text, const std::vector<std::string>& assignments = {}) {
    return system_of(ConfigSource{folder.write("config.json", text), assignments}).name;
  };
  CHECK(named("{}") == "baseline");
  CHECK(named(R"({"system": "baseline"})") == "baseline");
  CHECK_THAT(input_error_of([&] { named(R"({"system": "bassline"})"); }),
             ContainsSubstring("there is no system bassline; the nearest is baseline"));
  CHECK_THAT(input_error_of([&] { named("{}", {"system=bass"}); }),
             StartsWith("--set 'system=bass': there is no system bass;"));
}
