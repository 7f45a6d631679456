#include "reid/baseline/config.h"

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;
using baseline::Config;

namespace {

Config parse(const std::string& text, const std::vector<std::string>& assignments = {}) {
  return parse_config<Config>(text, "input", assignments);
}

std::string error_of(const std::string& text, const std::vector<std::string>& assignments = {}) {
  return input_error_of([&] { parse(text, assignments); });
}

}  // namespace

TEST_CASE("a config starts from the defaults and says itself") {
  CHECK(json_of(parse("{}")) == json_of(Config()));
  const Config config = parse(R"({"loss": {"margin": 1}, "schedule": {"milestones": [2, 3]}})",
                              {"loss.margin=0.25", "model.weights=a b.pth", "report=true"});
  CHECK(config.loss.margin == 0.25);
  CHECK(config.schedule.milestones == std::vector<int64_t>{2, 3});
  CHECK(config.model.weights == "a b.pth");
  CHECK(config.report);
  CHECK(json_of(parse(json_of(config))) == json_of(config));
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
  CHECK_THAT(error_of("{}", {"data.height=99999999"}),
             EndsWith("data.height must lie between 16 and 4096, not 99999999"));
  CHECK_THAT(error_of("{}", {"height=32"}), EndsWith("no key \"height\"; the nearest is data.height"));
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
  CHECK(parse(R"({"optimizer": {"kind": "sgd"}, "schedule": {"kind": "cosine"}})", {"optimizer.kind=adam"})
            .optimizer.kind == "adam");
}

TEST_CASE("how pictures are read decides the numbers of a run") {
  CHECK(Config().data.pictures().orientation == Orientation::apply);
  CHECK_FALSE(Config().data.pictures().skip_damaged);
  const Config config = parse("{}", {"data.orientation=ignore", "data.damaged=skip"});
  CHECK(config.data.pictures().orientation == Orientation::ignore);
  CHECK(config.data.loader(1).orientation == Orientation::ignore);
  CHECK(config.data.pictures().skip_damaged);
  CHECK(first_difference(essential_json_of(Config()), essential_json_of(config)).starts_with("data."));
  CHECK_THAT(error_of("{}", {"data.damaged=drop"}), ContainsSubstring("data.damaged"));
  CHECK_THAT(error_of("{}", {"data.orientation=6"}), ContainsSubstring("data.orientation"));
}

TEST_CASE("a folder is no config") {
  const TestFolder folder;
  CHECK(input_error_of([&] { read_config<Config>({folder.path(), {}}); }) == folder.path() + ": is a folder");
}

TEST_CASE("an assignment that cannot be used is refused in one line") {
  CHECK_THAT(error_of("{}", {"loss.margn=1"}), ContainsSubstring("the nearest is loss.margin"));
  CHECK_THAT(error_of("{}", {"loss.margin"}), ContainsSubstring("not of the form key=value"));
  CHECK(error_of("{}", {"\xff\n\xfe=1"}).find('\n') == std::string::npos);
  CHECK(error_of("{}", {"a\nb=1"}).find('\n') == std::string::npos);
}

TEST_CASE("a value from --set is not blamed on the file") {
  CHECK_THAT(error_of("{}", {"loss.margin=1", "data.flip=2"}),
             StartsWith("--set 'data.flip=2': data.flip must lie"));
  CHECK_THAT(error_of("{}", {R"(optimizer.groups=[{"rate_scale": -1}])"}),
             StartsWith("--set") && ContainsSubstring("optimizer.groups[0].rate_scale must lie"));
  CHECK_THAT(error_of("{}", {R"(data={"pad": -1})"}), StartsWith("--set") && ContainsSubstring("data.pad"));
  CHECK_THAT(error_of("{}", {"schedule.unit=steps"}), StartsWith("input: schedule.steps"));
  CHECK_THAT(error_of(R"({"data": {"flip": 2}})", {"data.pad=1"}), StartsWith("input: data.flip"));
}

TEST_CASE("a text of any bytes comes back as often as it is written") {
  const Config config = parse("{}", {"model.weights=/a/\xe9.pth"});
  CHECK(config.model.weights == "/a/\xe9.pth");
  const std::string once = json_of(config);
  CHECK(json_of(parse(once)) == once);
  CHECK(first_difference(essential_json_of(config), essential_json_of(parse(once))).empty());
}

TEST_CASE("a list of sections: its items have keys, defaults and ranges like any section") {
  const std::string groups =
      R"({"optimizer": {"groups": [{"prefix": "head", "rate_scale": 10}, {"prefix": "neck"}]}})";
  const Config config = parse(groups);
  REQUIRE(config.optimizer.groups.size() == 2);
  CHECK(config.optimizer.groups[0].prefix == "head");
  CHECK(config.optimizer.groups[0].rate_scale == 10);
  CHECK(config.optimizer.groups[0].decay_scale == 1);
  CHECK(config.optimizer.groups[1].prefix == "neck");
  CHECK(json_of(parse(json_of(config))) == json_of(config));
  CHECK(parse(groups, {R"(optimizer.groups=[{"prefix": "fc"}])"}).optimizer.groups.size() == 1);
  CHECK(parse(groups, {"optimizer.groups=[]"}).optimizer.groups.empty());

  CHECK_THAT(
      error_of(R"({"optimizer": {"groups": [{}, {"rate_scal": 1}]}})"),
      ContainsSubstring("\"optimizer.groups[1].rate_scal\"; the nearest is optimizer.groups[1].rate_scale"));
  CHECK_THAT(error_of(R"({"optimizer": {"groups": [{"rate_scale": -1}]}})"),
             ContainsSubstring("optimizer.groups[0].rate_scale must lie between 0 and"));
  CHECK_THAT(error_of(R"({"optimizer": {"groups": [{"prefix": 1}]}})"),
             ContainsSubstring("optimizer.groups[0].prefix must be a text"));
  CHECK_THAT(error_of(R"({"optimizer": {"groups": [1]}})"),
             ContainsSubstring("optimizer.groups must be a list of sections"));
}

TEST_CASE("two configs are the same run if they differ in keys alone that change no number") {
  const auto essential = [](const std::vector<std::string>& assignments) {
    return essential_json_of(parse("{}", assignments));
  };
  CHECK(essential({"data.workers=7"}) == essential({}));
  CHECK(json_of(parse("{}", {"data.workers=7"})) != json_of(Config()));
  CHECK(first_difference(essential({}), essential({"data.workers=7"})).empty());
  CHECK(first_difference(essential({}), essential({"loss.margin=0.5"})) == "loss.margin: 0.3, now 0.5");
  CHECK(essential({"report=true", "evaluation.every=3", "checkpoint.every_steps=9"}) == essential({}));
}

TEST_CASE("a schedule may grow where its length decides no rate") {
  const auto grown = [](const std::string& kind, const std::string& before, const std::string& after) {
    const Config a = parse("{}", {"schedule.kind=" + kind, before}),
                 b = parse("{}", {"schedule.kind=" + kind, after});
    return first_difference(essential_json_of(a), essential_json_of(b), changeable_keys(b));
  };
  for (const std::string kind : {"constant", "step"}) {
    CHECK(grown(kind, "schedule.epochs=5", "schedule.epochs=6").empty());
    CHECK(grown(kind, "schedule.epochs=6", "schedule.epochs=5") == "schedule.epochs: 6, now 5");
    CHECK(grown(kind, "schedule.steps=5", "schedule.steps=6").empty());
    CHECK(!grown(kind, "schedule.gamma=0.1", "schedule.gamma=0.2").empty());
  }
  CHECK(grown("cosine", "schedule.epochs=5", "schedule.epochs=6") == "schedule.epochs: 5, now 6");
  CHECK(changeable_keys(parse("{}")).grow == std::set<std::string>{"schedule.epochs", "schedule.steps"});
  // Which pictures are left out: the fingerprint of the set tells.
  CHECK(grown("constant", "data.damaged=stop", "data.damaged=skip").empty());
  CHECK(grown("constant", "data.damaged=skip", "data.damaged=stop").empty());
}

TEST_CASE("a key of the top level can be known before the struct") {
  const auto peek = [](const std::string& text, const std::vector<std::string>& assignments) {
    return peek_config(text, "input", assignments, "system", "baseline").value;
  };
  CHECK(peek("{}", {"loss.margin=1"}) == "baseline");
  CHECK(peek(R"({"system": "a"})", {}) == "a");
  CHECK(peek(R"({"system": "a"})", {"system=b"}) == "b");
  CHECK_THAT(input_error_of([&] { peek(R"({"system": 1})", {}); }),
             ContainsSubstring("system must be a text"));
}

TEST_CASE("a schedule is counted in epochs or in steps, and warms up by either") {
  ScheduleSection schedule;
  schedule.milestones = {2, 4};
  schedule.warmup_epochs = 0;
  const auto rate = [&](int64_t step, int64_t epoch, int64_t batch) {
    return schedule.rate(8, {step, epoch, batch, 10});
  };
  CHECK(rate(25, 1, 9) == 8);
  CHECK(rate(25, 2, 0) == Approx(0.8));
  CHECK(rate(25, 4, 0) == Approx(0.08));
  schedule.unit = "steps";
  CHECK(rate(1, 9, 0) == 8);
  CHECK(rate(2, 0, 0) == Approx(0.8));
  CHECK(rate(4, 0, 0) == Approx(0.08));

  schedule.kind = "cosine";
  schedule.steps = 100;
  schedule.epochs = 20;
  CHECK(rate(50, 0, 0) == Approx(4));
  CHECK(rate(100, 0, 0) == Approx(0).margin(1e-12));
  schedule.unit = "epochs";
  CHECK(rate(50, 10, 0) == Approx(4));

  schedule.kind = "constant";
  schedule.warmup_factor = 0.5;
  schedule.warmup_epochs = 4;
  CHECK(rate(7, 2, 0) == Approx(6));
  CHECK(rate(7, 1, 5) == Approx(5.5));
  schedule.warmup_steps = 10;  // given, so they count
  CHECK(rate(5, 0, 0) == Approx(6));
  CHECK(rate(10, 0, 0) == 8);
}
