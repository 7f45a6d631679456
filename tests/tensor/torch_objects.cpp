// What a .pth may hold beside the tensors that somebody wants: it refuses nothing else.
#include "tests/tensor/pickles.h"

using namespace saccade;
using namespace std::string_literals;

namespace {

std::function<bool(const std::string&)> only(const std::string& wanted) {
  return [wanted](const std::string& name) { return name == wanted; };
}

WeightFile parse(const std::string& bytes) {
  return parse_torch_pickle(std::as_bytes(std::span(bytes)), "made.pth");
}

// One float tensor "w", and beside it `value` under the name "x".
std::string beside(const std::string& value, const std::string& protocol = "\x80\x05") {
  const std::string tensor = one_tensor(0, {4}, {1});
  const size_t name = tensor.find('a') - 5;
  return protocol + "}" + text("x") + value + "s" + text("w") +
         tensor.substr(name + 6, tensor.size() - name - 7) + ".";
}

WeightFile parse_beside(const std::string& value) {
  return parse(StoredZip().add("a/data.pkl", beside(value)).add("a/data/0", std::string(16, '\0')).finish());
}

}  // namespace

TEST_CASE("every pickle protocol that torch.save can write is read") {
  for (const char* golden : {"plain.pth", "protocol3.pth", "protocol4.pth", "protocol5.pth"}) {
    INFO(golden);
    check_plain(read_weights(kGoldens + golden));
  }
}

TEST_CASE("objects beside the weights are opaque, in every protocol and format") {
  for (const char* golden :
       {"objects2.pth", "objects3.pth", "objects4.pth", "objects5.pth", "legacy_objects.pth"}) {
    INFO(golden);
    const WeightFile file = read_weights(kGoldens + golden);
    REQUIRE(names(file) == std::vector<std::string>{"w"});
    CHECK(file.tensors[0].values<float>()[1] == value(0, 1));
    for (const char* name :
         {"rank1",       "count",   "array",    "namespace", "recipe",    "class", "optimizer",
          "device",      "dtype",   "partial",  "set",       "frozenset", "bytes", "bytearray",
          "complex",     "big",     "negative", "date",      "kind",      "slice", "range",
          "defaultdict", "counter", "function", "storage"}) {
      INFO(name);
      const auto unread = file.unread.find(std::string("objects.") + name);
      REQUIRE(unread != file.unread.end());
      CHECK(unread->second.rfind("it is a ", 0) == 0);
    }
    CHECK_THAT(file.unread.at("objects.rank1"), ContainsSubstring("multiarray.scalar'"));
    CHECK_THAT(file.unread.at("objects.namespace"), ContainsSubstring("'argparse.Namespace'"));
    CHECK_THAT(file.unread.at("objects.optimizer"), ContainsSubstring("'torch.optim.sgd.SGD'"));
    CHECK_THAT(file.unread.at("objects.partial"), ContainsSubstring("'functools.partial'"));
    CHECK_THAT(file.unread.at("objects.dtype"), ContainsSubstring("'torch.float16'"));
    CHECK_THAT(file.unread.at("objects.big"), ContainsSubstring("'int'"));
    CHECK(file.metadata.at("objects.size.1") == "3");
    // What nobody asks for is not even listed.
    CHECK(read_weights(kGoldens + golden, only("w")).unread.empty());
    CHECK(read_weights(kGoldens + golden, only("objects.set")).unread.size() == 1);
  }
}

TEST_CASE("tensors of other types are named, and an error where they are wanted") {
  for (const char* golden : {"types.pth", "legacy_types.pth"}) {
    INFO(golden);
    const std::string path = kGoldens + golden;
    const WeightFile file = read_weights(path);
    REQUIRE(names(file) == std::vector<std::string>{"w", "attribute", "parameter"});
    for (size_t k = 0; k < 3; ++k) {
      CHECK(file.tensors[k].values<float>()[1] == value(static_cast<int64_t>(k), 1));
    }
    CHECK(file.unread.size() == 10);
    for (const std::string name :
         {"int8", "int16", "complex64", "complex128", "float8_e5m2", "float8_e4m3fn", "uint16", "uint32"}) {
      const std::string reason = "it is of the type '" + name + "', which is not read here";
      CHECK(file.unread.at(name) == reason);
      CHECK(input_error_of([&] { read_weights(path, only(name)); }) ==
            path + ": tensor '" + name + "': " + reason);
    }
    CHECK_THAT(file.unread.at("quantized"), ContainsSubstring("'torch._utils._rebuild_qtensor'"));
    CHECK_THAT(file.unread.at("sparse"), ContainsSubstring("'torch._utils._rebuild_sparse_tensor'"));
    CHECK(read_weights(path, only("parameter")).tensors.size() == 1);
  }
}

TEST_CASE("what is long beside the weights is passed over") {
  // 24 MB of bytes, as an array of features has them.
  const std::string bytes = "B" + StoredZip::word(24'000'000) + std::string(24'000'000, 'z');
  CHECK(names(parse_beside(bytes)) == std::vector<std::string>{"w"});
  CHECK(names(parse_beside("](" + std::string(1'040'000, 'N') + "e")) == std::vector<std::string>{"w"});
  CHECK(names(parse_beside(text(std::string(17'000'000, 'z')))) == std::vector<std::string>{"w"});
}

TEST_CASE("two tensors of one name are none, and leave the others readable") {
  const std::string one = one_tensor(0, {4}, {1}), value = one.substr(one.find('a') + 1);
  const std::string pair = "}" + text("b.c") + value.substr(0, value.size() - 2) + "s" + text("b") + "}" +
                           text("c") + value.substr(0, value.size() - 2) + "ss";
  const WeightFile file = parse_beside(pair);
  CHECK(names(file) == std::vector<std::string>{"w"});
  REQUIRE(file.unread.count("x.b.c") == 1);
  CHECK(file.unread.at("x.b.c") == "two tensors have this name");
}

TEST_CASE("a tensor is read whatever else has its name") {
  const WeightFile file = parse_beside("Ns" + text("w") + "C\x01z");
  CHECK(names(file) == std::vector<std::string>{"w"});
  CHECK(file.unread.empty());
}

TEST_CASE("containers inside themselves, or inside too many others, leave the tensors readable") {
  const WeightFile of_torch = read_weights(kGoldens + "itself.pth");
  CHECK(names(of_torch) == std::vector<std::string>{"t"});
  CHECK(of_torch.unread.count("itself") == 1);
  const struct {
    std::string pickle, unread;
  } containers[] = {
      {"}q\x01" + text("me") + "h\x01s", "x.me"},
      {"]q\x01h\x01\x61", "x.0"},
      // Two dictionaries that hold each other, and one under itself by way of a list.
      {"}q\x01" + text("other") + "}q\x02" + text("back") + "h\x01ss", "x.other.back"},
      {"}q\x01" + text("list") + "]h\x01\x61s", "x.list.0"},
      {std::string(40, ']') + std::string(39, 'a'),
       "x.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"},
  };
  for (const auto& [pickle, unread] : containers) {
    INFO(unread);
    const WeightFile file = parse_beside(pickle);
    CHECK(names(file) == std::vector<std::string>{"w"});
    REQUIRE(file.unread.size() == 1);
    CHECK(file.unread.begin()->first == unread);
    CHECK_THAT(file.unread.begin()->second, ContainsSubstring("inside itself"));
  }
}

TEST_CASE("a tensor whose storage is not whole leaves the others readable") {
  const std::string path = kGoldens + "short_storage.pth";
  const WeightFile file = read_weights(path);
  CHECK(file.tensors.size() == 6);
  CHECK_THAT(file.unread.at("0.weight"), ContainsSubstring("212 bytes"));
  CHECK(names(read_weights(path, only("0.bias"))) == std::vector<std::string>{"0.bias"});
  CHECK_THAT(input_error_of([&] { read_weights(path, only("0.weight")); }),
             ContainsSubstring(path + ": tensor '0.weight': its storage has 212 bytes"));

  // The storage is missing, compressed, or too short for the tensor; the tensor reaches outside; it has too many
  // dimensions.
  const std::string good = one_tensor(0, {4}, {1});
  const auto other = [&](std::string bad, const std::string& storage) {
    bad.replace(bad.find('a', bad.find('}')), 1, "b");
    const std::string pickle = good.substr(0, good.size() - 1) + bad.substr(bad.find("X\1\0\0\0b"s));
    StoredZip zip = StoredZip().add("a/data.pkl", pickle).add("a/data/0", std::string(16, '\0'));
    if (!storage.empty()) zip.add("a/data/1", storage);
    if (storage == "compressed") {
      const size_t record = zip.directory.rfind("PK\x01\x02");
      zip.directory[record + 10] = '\x08';
    }
    const WeightFile read = parse(zip.finish());
    CHECK(names(read) == std::vector<std::string>{"a"});
    REQUIRE(read.unread.size() == 1);
    return read.unread.at("b");
  };
  const auto on_other_storage = [](std::string pickle) {
    const std::string key = text("0");
    return pickle.replace(pickle.find(key), key.size(), text("1"));
  };
  CHECK_THAT(other(on_other_storage(good), ""), ContainsSubstring("storage '1' is not in the file"));
  CHECK_THAT(other(on_other_storage(good), "compressed"), ContainsSubstring("storage '1' is compressed"));
  CHECK_THAT(other(on_other_storage(good), "12345678"), ContainsSubstring("has 8 bytes"));
  CHECK_THAT(other(one_tensor(2, {4}, {1}), ""), ContainsSubstring("outside its storage"));
  CHECK_THAT(other(one_tensor(0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1}), ""),
             ContainsSubstring("more than 6 dimensions"));
  CHECK_THAT(other(one_tensor(0, {1 << 20, 1 << 20}, {0, 0}), ""), ContainsSubstring("four times its size"));
}

TEST_CASE("every opcode of the protocols 2 to 5 is understood") {
  REQUIRE(names(parse_beside("N")) == std::vector<std::string>{"w"});
  // Values that become metadata.
  const struct {
    std::string pickle, value;
  } scalars[] = {{"\x8c\x03"s + "abc", "abc"},
                 {"\x8d\x03\0\0\0\0\0\0\0"s + "abc", "abc"},
                 {"U\x03"s + "abc", "abc"},
                 {"T\x03\0\0\0"s + "abc", "abc"},
                 {"\x8a\x01\xff", "-1"},
                 {"\x8a\x08\0\0\0\0\0\0\0\x80"s, "-9223372036854775808"},
                 {"\x8b\x02\0\0\0\x39\x30"s, "12345"},
                 {"\x8b\0\0\0\0"s, "0"},
                 {"I01\n", "true"},
                 {"I00\n", "false"},
                 {"I-1099511627776\n", "-1099511627776"},
                 {"NN0\x8c\x01"s + "a" + "20", "a"},      // POP, DUP
                 {"\x8c\x01"s + "a" + "(NN1", "a"},       // POP_MARK
                 {"\x8c\x01"s + "a" + "(0", "a"},         // POP of a mark
                 {"\x8c\x01"s + "a\x94" + "0h\0"s, "a"},  // MEMOIZE
                 {"\x95\x03\0\0\0\0\0\0\0\x8c\x01"s + "a", "a"}};
  for (const auto& [pickle, value] : scalars) {
    INFO(pickle);
    std::string one = pickle;
    if (one.rfind("NN0", 0) == 0) one = one.substr(3);
    CHECK(parse_beside(one).metadata.at("x") == value);
  }
  // Values that stay opaque.
  const std::string cls = "\x8c\x01"s + "m" + "\x8c\x01" + "C\x93";  // STACK_GLOBAL
  const struct {
    std::string pickle, name;
  } opaque[] = {{cls, "m.C"},
                {"cm\nC\n", "m.C"},
                {cls + ")R", "m.C"},
                {cls + ")R)R", "m.C"},
                {cls + ")\x81", "m.C"},
                {cls + ")}\x92", "m.C"},
                {cls + ")\x81}b", "m.C"},
                {cls + ")\x81NNs", "m.C"},
                {cls + ")\x81(NNNNu", "m.C"},
                {cls + ")\x81Na", "m.C"},
                {cls + ")\x81(NNe", "m.C"},
                {"(NNim\nC\n", "m.C"},
                {"(" + cls + "NNo", "m.C"},
                {"C\x02"s + "ab", "bytes"},
                {"B\x02\0\0\0"s + "ab", "bytes"},
                {"\x8e\x02\0\0\0\0\0\0\0"s + "ab", "bytes"},
                {"\x96\x02\0\0\0\0\0\0\0"s + "ab", "bytes"},
                {"\x8f", "set"},
                {"\x8f(NN\x90", "set"},
                {"(NN\x91", "frozenset"},
                {"\x8a\x09"s + std::string(9, '\1'), "int"},
                {"\x8b\x09\0\0\0"s + std::string(9, '\1'), "int"},
                {"I99999999999999999999\n", "int"},
                {"\x97", "buffer"},
                {"\x97\x98", "buffer"},
                {"\x82\x01", "extension"},
                {"\x83\x01\x02", "extension"},
                {"\x84\x01\x02\x03\x04", "extension"}};
  for (const auto& [pickle, name] : opaque) {
    INFO(pickle);
    const WeightFile file = parse_beside(pickle);
    CHECK(names(file) == std::vector<std::string>{"w"});
    CHECK(file.unread.at("x") == "it is a '" + name + "' and no tensor");
  }
}

TEST_CASE("a long history beside the weights refuses nothing") {
  std::string history = "](";
  for (int i = 0; i < 1'200'000; ++i) history += "G\x3f\xf0\0\0\0\0\0\0"s;
  const WeightFile file = parse_beside(history + "e");
  CHECK(names(file) == std::vector<std::string>{"w"});
  CHECK(file.metadata.empty());  // a short list has names: x.0, x.1
  CHECK(parse_beside("](K\x05K\x06"
                     "e")
            .metadata.at("x.1") == "6");
}

TEST_CASE("tensors lie under any key, and in a list") {
  const std::string tensor = one_tensor(0, {4}, {1});
  const std::string dict = tensor.substr(2, tensor.size() - 3);  // {'a': tensor}
  const auto read = [](const std::string& pickle) {
    return parse(StoredZip().add("a/data.pkl", pickle).add("a/data/0", std::string(16, '\0')).finish());
  };
  CHECK(names(read("}" + text("net") + dict + "s.")) == std::vector<std::string>{"net.a"});
  CHECK(names(read("]" + dict + "aK\x05" + "a.")) == std::vector<std::string>{"0.a"});
  // A dictionary of settings is no place of tensors, whatever its name.
  const WeightFile file =
      read("}" + text("model") + "}" + text("depth") + "K\x05" + "ss" + text("net") + dict + "s.");
  CHECK(names(file) == std::vector<std::string>{"net.a"});
  CHECK(file.metadata.at("model.depth") == "5");
  // The first of the usual places that has tensors is taken alone.
  const WeightFile model = read("}" + text("net") + dict + "s" + text("model") + dict + "s" +
                                text("state_dict") + "}s" + text("epoch") + "K\x05" + "s.");
  CHECK(names(model) == std::vector<std::string>{"a"});
  CHECK(model.metadata == std::map<std::string, std::string>{{"epoch", "5"}});
}

TEST_CASE("a .pth of protocol 4 is refused or the same wherever it ends") {
  const std::string whole = bytes_of(kGoldens + "protocol4.pth");
  CHECK(refusal_of_bytes(whole) == "accepted");
  for (size_t size = 0; size < whole.size(); ++size)
    REQUIRE(refusal_of_bytes(whole.substr(0, size)) != "accepted");
}

TEST_CASE("a pickle of protocol 4 is refused or the same wherever it ends") {
  // The storage "0" alone: every cut of the pickle must be seen by the machine, since the archive is whole.
  const std::string archive = bytes_of(kGoldens + "objects4.pth");
  const size_t at = archive.find("\x80\x04\x95");
  REQUIRE(at != std::string::npos);
  size_t end = archive.find("u.PK", at);
  if (end == std::string::npos) end = archive.find("PK", at);
  const std::string pickle = archive.substr(at, end + 2 - at);
  REQUIRE(refusal_of_pickle(pickle, std::string(8, '\0')) == "accepted");
  for (size_t size = 0; size < pickle.size(); ++size)
    REQUIRE(refusal_of_pickle(pickle.substr(0, size), std::string(8, '\0')) != "accepted");
}
