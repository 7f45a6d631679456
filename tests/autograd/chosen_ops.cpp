#include "tests/common/chosen_ops.h"

#include <sstream>
#include <vector>

#include "autograd/registry/registry.h"
#include "tests/common/catch.h"

using namespace saccade;

TEST_CASE("SACCADE_OPS names registered ops alone") {
  const char* names = std::getenv("SACCADE_OPS");
  std::istringstream list(names ? names : "");
  for (std::string name; std::getline(list, name, ',');) CHECK_NOTHROW(find_op(name));
}

TEST_CASE("SACCADE_OPS chooses what it names, and everything where it is not set") {
  const char* set = std::getenv("SACCADE_OPS");
  const std::string before = set ? set : "";
  const auto chosen = [](const char* names) {
    setenv("SACCADE_OPS", names, 1);
    std::string run;
    for (const char* op : {"add", "concat", "cat"}) run += is_chosen(op) ? concat(op, " ") : "";
    return run;
  };
  CHECK(chosen("") == "add concat cat ");
  CHECK(chosen("concat") == "concat ");
  CHECK(chosen("cat,add") == "add cat ");
  CHECK(chosen("mul") == "");

  struct Named {
    std::string name;
  };
  const std::vector<Named> ops = {{"add"}, {"cat"}, {"mul"}};
  setenv("SACCADE_OPS", "mul", 1);
  CHECK(chosen_of(ops) == "1 of 3 ops run, SACCADE_OPS leaves out 2");
  setenv("SACCADE_OPS", before.c_str(), 1);
  if (before.empty()) CHECK(chosen_of(ops) == "all 3 ops run");
}
