#include "reid/data/attributes.h"

#include <matio.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <span>

#include "tests/common/catch.h"
#include "tests/reid/folder.h"

using namespace saccade;

namespace {

// One half of an attribute file: codes by field, in the order in which they are written.
struct Half {
  std::vector<std::string> persons;
  std::vector<std::string> order;
  std::map<std::string, std::vector<uint8_t>> codes;
};

const std::vector<std::string> kMarketFields = {
    "age",        "backpack",   "bag",      "handbag",  "clothes",   "down",      "up",
    "hair",       "hat",        "gender",   "upblack",  "upwhite",   "upred",     "uppurple",
    "upyellow",   "upgray",     "upblue",   "upgreen",  "downblack", "downwhite", "downpink",
    "downpurple", "downyellow", "downgray", "downblue", "downgreen", "downbrown"};
const std::vector<std::string> kDukeFields = {
    "backpack",  "bag",       "handbag", "boots",    "gender",   "hat",       "shoes",    "top",
    "upblack",   "upwhite",   "upred",   "uppurple", "upgray",   "upblue",    "upgreen",  "upbrown",
    "downblack", "downwhite", "downred", "downgray", "downblue", "downgreen", "downbrown"};

Half clean_half(const std::vector<std::string>& fields, int first_person, int persons) {
  Half half;
  for (int i = 0; i < persons; ++i) {
    char text[8];
    std::snprintf(text, sizeof text, "%04d", first_person + i);
    half.persons.push_back(text);
  }
  half.order = fields;
  for (const std::string& field : fields) half.codes[field].assign(persons, 1);
  half.codes["upblack"].assign(persons, 2);
  half.codes["downblue"].assign(persons, 2);
  return half;
}

matvar_t* make_half(const char* name, Half half) {
  std::vector<const char*> names;
  for (const std::string& field : half.order) names.push_back(field.c_str());
  size_t one[2] = {1, 1};
  matvar_t* value = Mat_VarCreateStruct(name, 2, one, names.data(), static_cast<unsigned>(names.size()));
  for (const std::string& field : half.order) {
    matvar_t* entry;
    if (field == "image_index") {
      size_t dims[2] = {1, half.persons.size()};
      entry = Mat_VarCreate(field.c_str(), MAT_C_CELL, MAT_T_CELL, 2, dims, nullptr, 0);
      for (size_t i = 0; i < half.persons.size(); ++i) {
        size_t length[2] = {1, half.persons[i].size()};
        Mat_VarSetCell(entry, static_cast<int>(i),
                       Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UTF8, 2, length, half.persons[i].data(), 0));
      }
    } else {
      std::vector<uint8_t>& codes = half.codes.at(field);
      size_t dims[2] = {1, codes.size()};
      entry = Mat_VarCreate(field.c_str(), MAT_C_UINT8, MAT_T_UINT8, 2, dims, codes.data(), 0);
    }
    Mat_VarSetStructFieldByName(value, field.c_str(), 0, entry);
  }
  return value;
}

// Writes struct `name` with the two halves in the given order.
void write_attributes(const std::string& path, const char* name, Half train, Half test, bool test_first,
                      bool compressed = true) {
  for (Half* half : {&train, &test})
    if (std::find(half->order.begin(), half->order.end(), "image_index") == half->order.end())
      half->order.push_back("image_index");
  const char* names[2] = {"train", "test"};
  if (test_first) std::swap(names[0], names[1]);
  size_t one[2] = {1, 1};
  matvar_t* all = Mat_VarCreateStruct(name, 2, one, names, 2);
  Mat_VarSetStructFieldByName(all, "train", 0, make_half("train", train));
  Mat_VarSetStructFieldByName(all, "test", 0, make_half("test", test));
  mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  REQUIRE(file != nullptr);
  CHECK(Mat_VarWrite(file, all, compressed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE) == 0);
  Mat_Close(file);
  Mat_VarFree(all);
}

size_t index_of(const AttributeSet& set, const std::string& name) {
  for (size_t a = 0; a < set.attributes.size(); ++a)
    if (set.attributes[a].name == name) return a;
  FAIL("no attribute " << name);
  return 0;
}

std::string answer(const AttributeSet& set, const AttributeTable& table, int pid, const std::string& name) {
  const size_t a = index_of(set, name);
  const int value = attributes_of(set, table, {pid}, "file")[a];
  return value == kUnknownAttribute ? "unknown" : set.attributes[a].values[value];
}

}  // namespace

TEST_CASE("Market attributes are bound by name and merged to twelve") {
  const TestFolder folder;
  Half train = clean_half(kMarketFields, 2, 5), test = clean_half(kMarketFields, 101, 3);
  std::reverse(test.order.begin(), test.order.end());
  test.order.insert(test.order.begin() + 4, "image_index");
  train.codes["age"] = {1, 2, 3, 4, 5};
  train.codes["gender"] = {1, 2, 1, 2, 0};
  // Person 2 wears no known upper color, person 3 two lower ones, person 4 green over yellow.
  train.codes["upblack"] = {1, 2, 1, 2, 2};
  train.codes["upgreen"] = {1, 1, 2, 1, 1};
  train.codes["downblack"] = {1, 2, 1, 1, 1};
  train.codes["downyellow"] = {1, 1, 2, 1, 1};
  train.codes["downblue"] = {2, 2, 1, 2, 2};
  test.codes["hat"] = {2, 1, 2};
  const std::string path = folder / "market_attribute.mat";
  for (const bool compressed : {true, false}) {
    write_attributes(path, "market_attribute", train, test, /*test_first=*/true, compressed);
    const AttributeSet set = read_attributes(path);
    REQUIRE(set.attributes.size() == 12);
    CHECK(set.train.pids == std::vector<int>{2, 3, 4, 5, 6});
    CHECK(set.test.pids == std::vector<int>{101, 102, 103});
    CHECK(answer(set, set.train, 2, "age") == "young");
    CHECK(answer(set, set.train, 5, "age") == "old");
    CHECK(answer(set, set.train, 6, "age") == "unknown");
    CHECK(answer(set, set.train, 3, "gender") == "female");
    CHECK(answer(set, set.train, 6, "gender") == "unknown");
    CHECK(answer(set, set.train, 2, "upper_color") == "unknown");
    CHECK(answer(set, set.train, 3, "upper_color") == "black");
    CHECK(answer(set, set.train, 4, "upper_color") == "green");
    CHECK(answer(set, set.train, 3, "lower_color") == "unknown");
    CHECK(answer(set, set.train, 4, "lower_color") == "yellow");
    CHECK(answer(set, set.train, 2, "lower_color") == "blue");
    CHECK(answer(set, set.test, 101, "hat") == "yes");
    CHECK(answer(set, set.test, 102, "hat") == "no");
    const size_t upper = index_of(set, "upper_color"), lower = index_of(set, "lower_color");
    CHECK(set.attributes[upper].classes() == 8);
    CHECK(set.attributes[lower].classes() == 9);
    CHECK(set.train.missing[upper] == 1);
    CHECK(set.train.several[upper] == 0);
    CHECK(set.train.missing[lower] == 0);
    CHECK(set.train.several[lower] == 1);
    CHECK_THAT(
        set.notice,
        ContainsSubstring("train: upper_color is unknown for 1 of 5 persons (1 without a value, 0 with"));
    CHECK_THAT(
        set.notice,
        ContainsSubstring("train: lower_color is unknown for 1 of 5 persons (0 without a value, 1 with"));
    CHECK_THAT(set.notice,
               ContainsSubstring("train: gender is unknown for 1 of 5") && !ContainsSubstring("test:"));
  }
}

// The defects of the real files, at their real numbers.
TEST_CASE("attribute files as dirty as the published ones are counted exactly") {
  const TestFolder folder;
  Half train = clean_half(kMarketFields, 1, 751), test = clean_half(kMarketFields, 752, 750);
  for (int i = 0; i < 78; ++i) train.codes["upblack"][i * 9] = 1;
  for (int i = 0; i < 30; ++i) train.codes["downblue"][i * 25] = 1;
  std::rotate(test.order.begin(), test.order.begin() + 11, test.order.end());
  write_attributes(folder / "market_attribute.mat", "market_attribute", train, test, false);
  const AttributeSet market = read_attributes(folder / "market_attribute.mat");
  CHECK(market.train.pids.size() == 751);
  CHECK(market.test.pids.size() == 750);
  CHECK(market.train.missing[index_of(market, "upper_color")] == 78);
  CHECK(market.train.missing[index_of(market, "lower_color")] == 30);

  Half duke_train = clean_half(kDukeFields, 1, 702), duke_test = clean_half(kDukeFields, 703, 1110);
  duke_train.codes["upblack"][10] = 1;
  duke_train.codes["top"][369] = duke_train.codes["top"][600] = 0;
  for (int i = 0; i < 23; ++i) duke_test.codes["downred"][i * 40] = 2;
  duke_test.codes["downwhite"][0] = 2;  // three colors
  for (int i = 0; i < 11; ++i) duke_test.codes["downblue"][i * 90 + 7] = 1;
  std::reverse(duke_test.order.begin(), duke_test.order.end());
  write_attributes(folder / "duke_attribute.mat", "duke_attribute", duke_train, duke_test, true);
  const AttributeSet duke = read_attributes(folder / "duke_attribute.mat");
  REQUIRE(duke.attributes.size() == 10);
  CHECK(duke.attributes[index_of(duke, "upper_color")].classes() == 8);
  CHECK(duke.attributes[index_of(duke, "lower_color")].classes() == 7);
  CHECK(duke.train.pids.size() == 702);
  CHECK(duke.test.pids.size() == 1110);
  CHECK(duke.train.missing[index_of(duke, "upper_color")] == 1);
  CHECK(duke.train.missing[index_of(duke, "top")] == 2);
  CHECK(answer(duke, duke.train, 370, "top") == "unknown");
  CHECK(duke.test.several[index_of(duke, "lower_color")] == 23);
  CHECK(duke.test.missing[index_of(duke, "lower_color")] == 11);
}

TEST_CASE("a wrong attribute file is refused by name and reason") {
  const TestFolder folder;
  const auto error_of = [](const std::string& path) {
    return input_error_of([&] { read_attributes(path); });
  };
  CHECK_THAT(error_of(folder / "none.mat"), ContainsSubstring("none.mat: cannot be opened: No such file"));
  CHECK_THAT(error_of(folder.path()), ContainsSubstring("is a folder"));
  CHECK_THAT(error_of(folder.write("zero.mat", "")), ContainsSubstring("zero.mat: is not a MATLAB v5 file"));
  CHECK_THAT(error_of(folder.write("text.mat", "0001 1 2 1\n")),
             ContainsSubstring("is not a MATLAB v5 file"));

  const std::string path = folder / "market_attribute.mat";
  const Half train = clean_half(kMarketFields, 2, 5), test = clean_half(kMarketFields, 101, 3);
  SECTION("a field is missing") {
    Half half = test;
    half.order.erase(std::find(half.order.begin(), half.order.end(), "hat"));
    write_attributes(path, "market_attribute", train, half, false);
    CHECK_THAT(error_of(path), ContainsSubstring("market_attribute.mat: test has no field \"hat\""));
  }
  SECTION("a field is too short") {
    Half half = train;
    half.codes["downpink"].pop_back();
    write_attributes(path, "market_attribute", half, test, false);
    CHECK_THAT(error_of(path), ContainsSubstring("train.downpink has 4 values for 5 persons"));
  }
  SECTION("a person is no number, or comes twice") {
    Half half = train;
    half.persons[1] = "00x3";
    write_attributes(path, "market_attribute", half, test, false);
    CHECK_THAT(error_of(path), ContainsSubstring("train.image_index{2} is not a person number"));
    half.persons[1] = "0005";
    write_attributes(path, "market_attribute", half, test, false);
    CHECK_THAT(error_of(path), ContainsSubstring("train names person 5 twice"));
  }
  SECTION("another struct") {
    size_t dims[2] = {1, 1};
    double number = 1;
    mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
    matvar_t* value = Mat_VarCreate("x", MAT_C_DOUBLE, MAT_T_DOUBLE, 2, dims, &number, 0);
    Mat_VarWrite(file, value, MAT_COMPRESSION_NONE);
    Mat_VarFree(value);
    Mat_Close(file);
    CHECK_THAT(error_of(path), ContainsSubstring("holds no struct with the fields \"train\" and \"test\""));
  }
  SECTION("a file of another data set") {
    write_attributes(path, "market_attribute", train, test, false);
    const AttributeSet set = read_attributes(path);
    CHECK(attributes_of(set, set.train, {6, 2}, path).size() == 24);
    CHECK_THAT(input_error_of([&] {
                 attributes_of(set, set.train, {2, 9}, path);
               }),
               ContainsSubstring(path) && ContainsSubstring("knows nothing of person 9"));
  }
  for (const bool compressed : {false, true})
    SECTION(compressed ? "compressed, cut off at any length" : "cut off at any length") {
      write_attributes(path, "market_attribute", train, test, false, compressed);
      const std::string bytes = bytes_of(path);
      for (size_t size = 0; size < bytes.size(); size += 37)
        CHECK_THROWS_AS(read_attributes(folder.write("cut.mat", bytes.substr(0, size))), InputError);
    }
}

TEST_CASE("a flipped byte in an attribute file gives an error or a table, never a crash") {
  const TestFolder folder;
  const std::string path = folder / "market_attribute.mat";
  const Half train = clean_half(kMarketFields, 2, 5), test = clean_half(kMarketFields, 101, 3);
  for (const bool compressed : {false, true}) {
    write_attributes(path, "market_attribute", train, test, false, compressed);
    const std::string bytes = bytes_of(path);
    for (size_t at = 0; at < bytes.size(); ++at)
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string damaged = bytes;
        damaged[at] = static_cast<char>(damaged[at] ^ flip);
        try {
          const AttributeSet set =
              attributes_in(parse_mat_file(std::as_bytes(std::span(damaged)), path), path);
          REQUIRE(set.train.values.size() == set.train.pids.size() * set.attributes.size());
        } catch (const InputError& error) {
          REQUIRE(std::string(error.what()).rfind(path, 0) == 0);
        }
      }
  }
}

TEST_CASE("numbers, text, cells and structs of a .mat file, in every stored type") {
  // What libmatio writes is what we read, whatever the type of the numbers.
  const TestFolder folder;
  const std::string path = folder / "types.mat";
  size_t dims[2] = {2, 3};
  int8_t bytes[] = {-1, 2, 3, 4, 5, 6};
  uint16_t shorts[] = {1, 65535, 3, 4, 5, 6};
  int32_t ints[] = {1, -70000, 3, 4, 5, 6};
  float singles[] = {0.5f, 2, 3, 4, 5, 6};
  double doubles[] = {0.1, 2, 3, 4, 5, 1e300};
  int64_t longs[] = {1, int64_t{1} << 40, 3, 4, 5, 6};
  mat_t* file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  const auto put = [&](const char* name, matio_classes kind, matio_types type, void* data) {
    matvar_t* value = Mat_VarCreate(name, kind, type, 2, dims, data, 0);
    CHECK(Mat_VarWrite(file, value, MAT_COMPRESSION_ZLIB) == 0);
    Mat_VarFree(value);
  };
  put("bytes", MAT_C_INT8, MAT_T_INT8, bytes);
  put("shorts", MAT_C_UINT16, MAT_T_UINT16, shorts);
  put("ints", MAT_C_INT32, MAT_T_INT32, ints);
  put("singles", MAT_C_SINGLE, MAT_T_SINGLE, singles);
  put("doubles", MAT_C_DOUBLE, MAT_T_DOUBLE, doubles);
  put("longs", MAT_C_INT64, MAT_T_INT64, longs);
  char text[] = "person";
  put("text", MAT_C_CHAR, MAT_T_UINT8, text);
  Mat_Close(file);

  const MatValue all = read_mat_file(path);
  const auto check_numbers = [&](const char* name, const auto& expected) {
    INFO(name);
    const MatValue* value = all.field(name);
    REQUIRE(value != nullptr);
    CHECK(value->kind == MatValue::Kind::numbers);
    CHECK(value->count == 6);
    CHECK(value->numbers == std::vector<double>(std::begin(expected), std::end(expected)));
  };
  check_numbers("bytes", bytes);
  check_numbers("shorts", shorts);
  check_numbers("ints", ints);
  check_numbers("singles", singles);
  check_numbers("doubles", doubles);
  check_numbers("longs", longs);
  REQUIRE(all.field("text") != nullptr);
  CHECK(all.field("text")->text == "person");
  CHECK(all.field("other") == nullptr);
}
