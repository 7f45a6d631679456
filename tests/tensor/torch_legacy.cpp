// The format of torch.save before PyTorch 1.6: a stream of pickles and storages.
#include "tests/tensor/pickles.h"

using namespace saccade;
using namespace std::string_literals;

namespace {

const std::string kMagic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const std::string kVersion = "\x80\x02M\xe9\x03.";

std::string system_info(const std::string& little) {
  return "\x80\x02}" + text("little_endian") + little + "s.";
}

std::string keys(const std::vector<std::string>& names) {
  std::string out = "\x80\x02](";
  for (const std::string& name : names) out += text(name);
  return out + "e.";
}

std::string storage(const std::vector<float>& values) {
  return StoredZip::word(static_cast<int64_t>(values.size())) +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// A tensor on the storage `key` of four elements, of which `view` may show some.
std::string tensor(const std::string& key, int64_t offset, const std::vector<int64_t>& shape,
                   const std::string& view = "N", const std::string& type = "FloatStorage") {
  std::vector<int64_t> strides(shape.size(), 1);
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + type + "\n" + text(key) +
         text("cuda:0") + number(4) + view + "tQ" + number(offset) + tuple(shape) + tuple(strides) +
         "\x89NtR";
}

std::string view(int64_t first, int64_t size) {
  return "(" + text("a view's key") + number(first) + number(size) + "t";
}

std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string out = "\x80\x02}(";
  for (const auto& [name, value] : items) out += text(name) + value;
  return out + "u.";
}

std::string stream(const std::string& objects, const std::string& names, const std::string& storages) {
  return kMagic + kVersion + system_info("\x88") + objects + names + storages;
}

WeightFile parse(const std::string& bytes) {
  return parse_torch_pickle(std::as_bytes(std::span(bytes)), "hostile.pth");
}

}  // namespace

TEST_CASE("the format before PyTorch 1.6 gives the same tensors") {
  for (const char* golden : {"legacy.pth", "legacy4.pth"}) {
    INFO(golden);
    check_plain(read_weights(kGoldens + golden));
    const auto wanted = [](const std::string& name) { return name == "fc.bias"; };
    const WeightFile file = read_weights(kGoldens + golden, wanted);
    CHECK(names(file) == std::vector<std::string>{"fc.bias"});
    CHECK(file.tensors[0].bytes == read_weights(kGoldens + "plain.pth").find("fc.bias")->bytes);
  }
}

TEST_CASE("a truncated file of the format before PyTorch 1.6 is refused wherever it ends") {
  for (const char* golden : {"legacy.pth", "legacy4.pth", "legacy_types.pth"}) {
    const std::string whole = bytes_of(kGoldens + golden);
    CHECK(refusal_of_bytes(whole) == "accepted");
    for (size_t size = 0; size < whole.size(); ++size)
      REQUIRE(refusal_of_bytes(whole.substr(0, size)) != "accepted");
  }
}

TEST_CASE("views of storages in the format before PyTorch 1.6") {
  const auto values_of = [](const std::string& one) {
    const WeightFile file = parse(stream(dict({{"a", one}}), keys({"7"}), storage({1, 2, 3, 4})));
    const auto values = file.tensors.at(0).values<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  CHECK(values_of(tensor("7", 1, {2})) == std::vector<float>{2, 3});
  CHECK(values_of(tensor("7", 0, {3}, view(1, 3))) == std::vector<float>{2, 3, 4});
  CHECK(values_of(tensor("7", 1, {1}, view(2, 2))) == std::vector<float>{4});
  CHECK(values_of(tensor("7", 0, {0}, view(4, 0))).empty());
  const auto refuse = [](const std::string& one, const std::string& reason) {
    CHECK_THAT(refusal_of_bytes(stream(dict({{"a", one}}), keys({"7"}), storage({1, 2, 3, 4}))),
               ContainsSubstring(reason));
  };
  refuse(tensor("7", 0, {3}, view(1, 2)), "outside its storage of 2 elements");
  refuse(tensor("7", 0, {1}, view(-1, 2)), "its view reaches outside");
  refuse(tensor("7", 0, {1}, view(2, 3)), "its view reaches outside");
  refuse(tensor("7", 0, {1}, view(INT64_MAX, 1)), "its view reaches outside");
  refuse(tensor("7", 0, {1}, view(1, INT64_MIN)), "its view reaches outside");
  refuse(tensor("7", 0, {1}, ")"), "view has the wrong form");
  refuse(tensor("7", 0, {1}, "(NNNt"), "view's first element");
}

TEST_CASE("an array in the format before PyTorch 1.6 is passed over, however long") {
  const std::string bytes = "B" + StoredZip::word(24'000'000) + std::string(24'000'000, 'z');
  const WeightFile file =
      parse(stream(dict({{"x", bytes}, {"a", tensor("7", 1, {2})}}), keys({"7"}), storage({1, 2, 3, 4})));
  REQUIRE(names(file) == std::vector<std::string>{"a"});
  CHECK(file.tensors[0].values<float>()[0] == 2.f);
}

TEST_CASE("what Python 2 and the first PyTorch wrote") {
  // An OrderedDict with its items as a list of lists, short strings, a tensor of four arguments.
  const std::string key = "U\x01"s + "7", name = "U\x08"s + "conv.foo";
  const std::string old = "ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\n" + key +
                          "U\x03" + "cpuK\x04NtQK\x01" + "ctorch\nSize\n(K\x03\x85tR(K\x01ttR";
  const std::string objects = "\x80\x02" + "ccollections\nOrderedDict\n](]("s + name + old + "ee\x85R.";
  const WeightFile file = parse(stream(objects, "\x80\x02]" + key + "a.", storage({1, 2, 3, 4})));
  REQUIRE(names(file) == std::vector<std::string>{"conv.foo"});
  CHECK(file.tensors[0].values<float>()[2] == 4.f);
}

TEST_CASE("a model saved whole before PyTorch 1.6 is opaque, with its source") {
  const std::string module =
      "(" + text("module") + "c__main__\nNet\n" + text("net.py") + text("class Net: pass") + "tQ";
  const std::string model = module + ")\x81}" + text("weight") + tensor("7", 0, {4}) + "sb";
  CHECK_THAT(refusal_of_bytes(stream("\x80\x02" + model + ".", keys({"7"}), storage({1, 2, 3, 4}))),
             ContainsSubstring("holds a '__main__.Net'") && ContainsSubstring("state_dict"));
  const WeightFile file =
      parse(stream(dict({{"net", model}, {"a", tensor("7", 0, {4})}}), keys({"7"}), storage({1, 2, 3, 4})));
  CHECK(names(file) == std::vector<std::string>{"a"});
  CHECK(file.unread.at("net") == "it is a '__main__.Net' and no tensor");
}

TEST_CASE("hostile files of the format before PyTorch 1.6") {
  const std::string objects = dict({{"a", tensor("7", 0, {4})}}), names = keys({"7"}),
                    data = storage({1, 2, 3, 4});
  const std::string little = system_info("\x88");
  REQUIRE(refusal_of_bytes(stream(objects, names, data)) == "accepted");
  REQUIRE(refusal_of_bytes(stream(objects, names, data + "more")) ==
          "accepted");  // torch.load stops there, too
  const auto refuse = [](const std::string& bytes, const std::string& reason) {
    CHECK_THAT(refusal_of_bytes(bytes), ContainsSubstring(reason));
  };
  refuse("\x80", "ends too early");
  refuse(kMagic, "ends too early");
  refuse(dict({}) + kVersion + little + objects + names + data, "not one that torch.save wrote");
  refuse(
      "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18." + kVersion + little + objects + names + data,
      "not one that torch.save wrote");
  refuse(kMagic + "\x80\x02M\xe8\x03." + little + objects + names + data, "not 1001");
  refuse(kMagic + kVersion + system_info("\x89") + objects + names + data, "big-endian");
  refuse(kMagic + kVersion + system_info("K\x01") + objects + names + data, "in which order");
  refuse(kMagic + kVersion + dict({}) + objects + names + data, "in which order");
  refuse(kMagic + kVersion + "\x80\x02]." + objects + names + data, "in which order");
  refuse(stream("\x80\x02]a.", names, data), "empty stack");
  refuse(stream(objects, dict({}), data), "no list of its storages");
  refuse(stream(objects, "\x80\x02]Na.", data), "has no name");
  refuse(stream(objects, keys({"8"}), data), "'8' has no type");
  refuse(stream(objects, keys({"7", "7"}), data + data), "'7' comes twice");
  refuse(stream(objects, keys({}), ""), "storage '7' is not in the file");
  refuse(stream(objects, names, ""), "ends too early");
  refuse(stream(objects, names, StoredZip::word(int64_t{-1})), "beyond the end");
  refuse(stream(objects, names, StoredZip::word(INT64_MAX) + data), "beyond the end");
  refuse(stream(objects, names, StoredZip::word(int64_t{5}) + std::string(16, '\0')), "beyond the end");
  refuse(stream(objects, names, storage({1, 2, 3})), "12 bytes, not 4 elements");
  refuse(stream(objects, names, storage({1, 2, 3, 4, 5})), "20 bytes, not 4 elements");
  refuse(stream(dict({{"a", tensor("7", 0, {4}, "N", "OddStorage")}}), names, data), "no type whose size");

  // A storage of a type that is not read, before one that is.
  const std::string shorts = StoredZip::word(int64_t{4}) + "12345678";
  const std::string both =
      dict({{"b", tensor("8", 0, {4}, "N", "ShortStorage")}, {"a", tensor("7", 0, {4})}});
  const WeightFile file = parse(stream(both, keys({"8", "7"}), shorts + data));
  CHECK(file.tensors.at(0).values<float>()[3] == 4.f);
  CHECK_THAT(file.unread.at("b"), ContainsSubstring("'int16'"));
}
