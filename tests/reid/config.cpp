#include "reid/training/config.h"

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

std::string error_of(const std::string& text, const std::vector<std::string>& assignments = {}) {
  return input_error_of([&] { parse_config(text, "input", assignments); });
}

}  // namespace

TEST_CASE("a config starts from the defaults and says itself") {
  CHECK(to_json(parse_config("{}", "input")) == to_json(TrainConfig()));
  const TrainConfig config =
      parse_config(R"({"loss": {"margin": 1}, "schedule": {"milestones": [2, 3]}})", "input",
                   {"loss.margin=0.25", "model.weights=a b.pth", "report=true"});
  CHECK(config.loss.margin == 0.25);
  CHECK(config.schedule.milestones == std::vector<int64_t>{2, 3});
  CHECK(config.model.weights == "a b.pth");
  CHECK(config.report);
  CHECK(to_json(parse_config(to_json(config), "input")) == to_json(config));
}

TEST_CASE("a config that cannot be used is refused by key and reason") {
  CHECK_THAT(error_of("{"), ContainsSubstring("input: not JSON"));
  CHECK_THAT(error_of("[]"), ContainsSubstring("input: not a JSON object"));
  CHECK_THAT(error_of(R"({"model": {"backbome": "x"}})"),
             ContainsSubstring("\"model.backbome\"; the nearest is model.backbone"));
  CHECK_THAT(error_of(R"({"data": {"height": 256.5}})"),
             ContainsSubstring("data.height must be a whole number"));
  CHECK_THAT(error_of(R"({"data": {"pad": 18446744073709551615}})"),
             ContainsSubstring("data.pad is too large a number: 18446744073709551615"));
  CHECK_THAT(error_of(R"({"schedule": {"milestones": [1, 9223372036854775808]}})"),
             ContainsSubstring("schedule.milestones is too large a number: 9223372036854775808"));
  CHECK_THAT(error_of(R"({"data": {"height": 9223372036854775807}})"), ContainsSubstring("must lie between"));
  CHECK_THAT(error_of(R"({"schedule": {"milestones": [-1]}})"),
             ContainsSubstring("schedule.milestones must lie"));
  std::string deep = "1";
  for (int i = 0; i < 10000; ++i) deep = "{\"a\":" + deep + "}";
  CHECK_THAT(error_of(deep), ContainsSubstring("input: not a JSON object"));
  CHECK_THAT(error_of(std::string(100000, '[')), ContainsSubstring("input: not JSON"));
}

TEST_CASE("a key that is given twice is refused by name: the first value would be lost") {
  CHECK_THAT(error_of(R"({"loss": {"margin": 1, "id": 1, "margin": 2}})"),
             ContainsSubstring("input: the key \"loss.margin\" is given twice"));
  CHECK_THAT(error_of(R"({"loss": {"margin": 1}, "data": {}, "loss": {"id": 2}})"),
             ContainsSubstring("the key \"loss\" is given twice"));
  CHECK_THAT(error_of(R"({"loss": {"margin": 1}, "report": true, "report": true})"),
             ContainsSubstring("the key \"report\" is given twice"));
  CHECK_THAT(error_of("{}", {R"(data={"pad": 1, "pad": 2})"}),
             ContainsSubstring("the key \"pad\" is given twice"));
  // The same name in two sections is two keys, and --set may change what a file says.
  CHECK(parse_config(R"({"optimizer": {"kind": "sgd"}, "schedule": {"kind": "cosine"}})", "input",
                     {"optimizer.kind=adam"})
            .optimizer.kind == "adam");
}

TEST_CASE("a folder is no config") {
  const TestFolder folder;
  CHECK(input_error_of([&] { read_config(folder.path(), {}); }) == folder.path() + ": is a folder");
}

TEST_CASE("an assignment that cannot be used is refused in one line") {
  CHECK_THAT(error_of("{}", {"loss.margn=1"}), ContainsSubstring("the nearest is loss.margin"));
  CHECK_THAT(error_of("{}", {"loss.margin"}), ContainsSubstring("not of the form key=value"));
  CHECK_THAT(error_of("{}", {"model.weights=\xff\xfe"}), ContainsSubstring("is not UTF-8"));
  CHECK(error_of("{}", {"a\nb=1"}).find('\n') == std::string::npos);
}
