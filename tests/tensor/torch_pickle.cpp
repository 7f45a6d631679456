#include "tensor/weights/torch_pickle.h"

#include <unistd.h>

#include "tensor/weights/read_weights.h"
#include "tensor/weights/safetensors.h"
#include "tests/common/catch.h"
#include "tests/common/folder.h"
#include "tests/common/stored_zip.h"

using namespace saccade;

namespace {

const std::string kGoldens = std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/weights/";

// Element i of tensor number k, as tests/goldens/make_weights.py computes it.
double value(int64_t k, int64_t i) {
  return static_cast<double>((k * 37 + i * 11) % 64 - 32) / 8;
}

template <class T>
std::vector<double> doubles(const HostTensor& tensor) {
  std::vector<double> out;
  for (const T v : tensor.values<T>()) out.push_back(static_cast<double>(v));
  return out;
}

std::vector<double> doubles(const HostTensor& tensor) {
  switch (tensor.dtype) {
    case DType::f32:
      return doubles<float>(tensor);
    case DType::f64:
      return doubles<double>(tensor);
    case DType::i64:
      return doubles<int64_t>(tensor);
    case DType::i32:
      return doubles<int32_t>(tensor);
    case DType::u8:
      return doubles<uint8_t>(tensor);
    case DType::bf16: {
      std::vector<double> out;
      for (const bf16 v : tensor.values<bf16>()) out.push_back(static_cast<float>(v));
      return out;
    }
    default:
      return {};
  }
}

struct Expected {
  const char* name;
  DType dtype;
  std::vector<int64_t> shape;
  double scale, shift;
};

const Expected kPlain[] = {{"conv1.weight", DType::f32, {4, 3, 2, 2}, 1, 0},
                           {"bn1.running_mean", DType::f64, {4}, 1, 0},
                           {"bn1.num_batches_tracked", DType::i64, {}, 8, 0},
                           {"fc.weight", DType::bf16, {5, 4}, 1, 0},
                           {"fc.bias", DType::f32, {5}, 1, 0},
                           {"labels", DType::i32, {3, 1}, 8, 0},
                           {"pixels", DType::u8, {2, 3}, 8, 32},
                           {"mask", DType::u8, {7}, 0, 0},
                           {"empty", DType::f32, {0, 3}, 1, 0}};

void check_plain(const WeightFile& file) {
  REQUIRE(file.tensors.size() == std::size(kPlain));
  for (size_t k = 0; k < std::size(kPlain); ++k) {
    const Expected& expected = kPlain[k];
    INFO(expected.name);
    const HostTensor* tensor = file.find(expected.name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->dtype == expected.dtype);
    CHECK(tensor->shape == expected.shape);
    const std::vector<double> values = doubles(*tensor);
    REQUIRE(static_cast<int64_t>(values.size() * size_of(tensor->dtype)) ==
            byte_count(tensor->dtype, tensor->shape));
    for (size_t i = 0; i < values.size(); ++i) {
      const double v = value(static_cast<int64_t>(k), static_cast<int64_t>(i));
      CHECK(values[i] == (expected.scale == 0 ? double(v > 0) : v * expected.scale + expected.shift));
    }
  }
}

std::vector<std::string> names(const WeightFile& file) {
  std::vector<std::string> out;
  for (const HostTensor& tensor : file.tensors) out.push_back(tensor.name);
  return out;
}

// The message with which the golden is refused.
std::string refusal(const std::string& golden) {
  const std::string path = kGoldens + golden;
  try {
    read_weights(path);
  } catch (const InputError& error) {
    const std::string message = error.what();
    CHECK(message.rfind(path + ": ", 0) == 0);
    CHECK(message.find('\n') == std::string::npos);
    return message.substr(path.size() + 2);
  }
  return "accepted";
}

std::string refusal_of_bytes(const std::string& bytes) {
  try {
    parse_torch_pickle(std::as_bytes(std::span(bytes)), "hostile.pth");
  } catch (const InputError& error) {
    CHECK(std::string(error.what()).rfind("hostile.pth: ", 0) == 0);
    return error.what();
  }
  return "accepted";
}

std::string refusal_of_pickle(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
  return refusal_of_bytes(StoredZip().add("a/data.pkl", pickle).add("a/data/0", storage).finish());
}

std::string text(const std::string& value) {
  return concat("X", StoredZip::word(static_cast<uint32_t>(value.size())), value);
}
std::string number(int64_t value) {
  return concat("\x8a\x08", StoredZip::word(value));
}
std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t v : values) out += number(v);
  return out + "t";
}

// {'a': one float tensor on storage 0 of `numel` elements}
std::string one_tensor(int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                       int64_t numel = 4, const std::string& storage = "FloatStorage") {
  return "\x80\x02}" + text("a") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" +
         storage + "\n" + text("0") + text("cpu") + number(numel) + "tQ" + number(offset) + tuple(shape) +
         tuple(strides) + "\x89NtRs.";
}

}  // namespace

TEST_CASE("PyTorch's .pth and .safetensors give the same tensors") {
  check_plain(read_weights(kGoldens + "plain.pth"));
  check_plain(read_weights(kGoldens + "plain.safetensors"));
  check_plain(read_torch_pickle(kGoldens + "plain.pth"));
  CHECK(names(read_weights(kGoldens + "plain.pth"))[1] == "bn1.running_mean");  // the order of the file
  const auto metadata = read_safetensors_header(kGoldens + "plain.safetensors").metadata;
  CHECK(metadata == std::map<std::string, std::string>{{"format", "pt"}, {"who", "PyTorch"}});

  const auto wanted = [](const std::string& name) { return name.rfind("fc.", 0) == 0; };
  CHECK(names(read_weights(kGoldens + "plain.pth", wanted)) ==
        std::vector<std::string>{"fc.weight", "fc.bias"});
  CHECK(read_weights(kGoldens + "plain.safetensors", wanted).tensors.size() == 2);
}

TEST_CASE("a state_dict, parameters and a checkpoint of PyTorch") {
  const std::vector<std::string> all = {
      "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"};
  for (const char* golden : {"module.pth", "checkpoint.pth", "repacked.pth"}) {
    INFO(golden);
    const WeightFile file = read_weights(kGoldens + golden);
    CHECK(names(file) == all);
    CHECK(file.find("0.weight")->shape == std::vector<int64_t>{2, 3, 3, 3});
    CHECK(file.find("1.num_batches_tracked")->dtype == DType::i64);
  }
  const WeightFile module = read_weights(kGoldens + "module.pth");
  CHECK(module.metadata.empty());
  for (size_t k = 0; k < 6; ++k) {
    const auto values = module.tensors[k].values<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i] == value(static_cast<int64_t>(k), static_cast<int64_t>(i)));
    }
  }
  const WeightFile parameters = read_weights(kGoldens + "parameters.pth");
  CHECK(names(parameters) == std::vector<std::string>(all.begin(), all.begin() + 4));
  CHECK(parameters.tensors[0].bytes == module.tensors[0].bytes);

  CHECK(read_weights(kGoldens + "checkpoint.pth").metadata ==
        std::map<std::string, std::string>{{"epoch", "90"},
                                           {"arch", "resnet50"},
                                           {"best", "0.5"},
                                           {"large", "-1099511627776"},
                                           {"flag", "true"}});
}

TEST_CASE("nested containers become dotted names") {
  const WeightFile file = read_weights(kGoldens + "nested.pth");
  CHECK(file.find("backbone.w")->values<float>()[1] == value(0, 1));
  CHECK(file.find("heads.0")->values<float>()[2] == value(1, 2));
  CHECK(file.find("heads.1.b")->values<float>()[0] == value(2, 0));
  CHECK(file.find("7")->values<float>()[0] == value(3, 0));
  CHECK(file.find("optimizer.state.0.exp_avg")->shape == std::vector<int64_t>{2, 3, 3, 3});
  CHECK(file.metadata.at("optimizer.param_groups.0.lr") == "0.25");
}

TEST_CASE("strided, shared and expanded tensors are gathered") {
  const WeightFile file = read_weights(kGoldens + "views.pth");
  const auto at = [](int64_t a, int64_t b, int64_t c) { return value(0, (a * 3 + b) * 2 + c); };
  CHECK(file.find("tied")->bytes == file.find("base")->bytes);
  const HostTensor& transposed = *file.find("transposed");
  REQUIRE(transposed.shape == std::vector<int64_t>{2, 4, 3});
  const HostTensor& expanded = *file.find("expanded");
  REQUIRE(expanded.shape == std::vector<int64_t>{4, 3, 2});
  for (int64_t a = 0; a < 4; ++a) {
    for (int64_t b = 0; b < 3; ++b) {
      for (int64_t c = 0; c < 2; ++c) {
        CHECK(transposed.values<float>()[static_cast<size_t>((c * 4 + a) * 3 + b)] == at(a, b, c));
        CHECK(expanded.values<float>()[static_cast<size_t>((a * 3 + b) * 2 + c)] == at(a, 0, 0));
      }
    }
  }
  CHECK(doubles(*file.find("slice")) ==
        std::vector<double>{at(1, 1, 1), at(1, 2, 1), at(2, 1, 1), at(2, 2, 1)});
  CHECK(doubles(*file.find("last")) == std::vector<double>{at(3, 2, 1)});
  const auto image = file.find("channels_last")->values<float>();
  REQUIRE(image.size() == 24);
  for (size_t i = 0; i < image.size(); ++i) CHECK(image[i] == value(1, static_cast<int64_t>(i)));
}

TEST_CASE("a .pth that would run a command is refused and runs nothing") {
  const std::string trace = "saccade-was-here";
  REQUIRE(access(trace.c_str(), F_OK) != 0);
  CHECK_THAT(refusal("evil.pth"), ContainsSubstring("'posix.system'") && ContainsSubstring("nothing is run"));
  CHECK(access(trace.c_str(), F_OK) != 0);
  // The golden does hold what this test is about.
  CHECK_THAT(bytes_of(kGoldens + "evil.pth"), ContainsSubstring("touch saccade-was-here"));
}

TEST_CASE("what a .pth must not be has its reason") {
  CHECK_THAT(refusal("legacy.pth"), ContainsSubstring("before PyTorch 1.6"));
  CHECK_THAT(refusal("protocol4.pth"), ContainsSubstring("protocol 4"));
  CHECK_THAT(refusal("short.pth"), ContainsSubstring("'torch.ShortStorage'"));
  CHECK_THAT(refusal("whole_model.pth"), ContainsSubstring("'torch.nn.modules.container.Sequential'"));
  CHECK_THAT(refusal("tensor.pth"), ContainsSubstring("no dictionary of tensors"));
  CHECK_THAT(refusal("no_tensor.pth"), ContainsSubstring("no tensor in it"));
  CHECK_THAT(refusal("expanded_huge.pth"),
             ContainsSubstring("'a'") && ContainsSubstring("four times its size"));
  CHECK_THAT(refusal("itself.pth"), ContainsSubstring("hold themselves"));
  CHECK_THAT(refusal("bomb.pth"), ContainsSubstring("more than 131072 values"));
  CHECK_THAT(refusal("deflated.pth"), ContainsSubstring("is compressed"));
  CHECK_THAT(refusal("big_endian.pth"), ContainsSubstring("big-endian"));
  CHECK_THAT(refusal("short_storage.pth"), ContainsSubstring("'0.weight'") && ContainsSubstring("212 bytes"));
  CHECK_THAT(refusal("torchscript.pth"), ContainsSubstring("TorchScript"));
  CHECK_THAT(refusal("script.pth"), ContainsSubstring("TorchScript"));
  CHECK_THAT(refusal("missing.pth"), ContainsSubstring("No such file"));
}

TEST_CASE("a truncated .pth is refused wherever it ends") {
  const std::string whole = bytes_of(kGoldens + "module.pth");
  CHECK(refusal_of_bytes(whole) == "accepted");
  for (size_t size = 0; size < whole.size(); ++size)
    REQUIRE(refusal_of_bytes(whole.substr(0, size)) != "accepted");
}

TEST_CASE("hostile zip archives") {
  const std::string pickle = one_tensor(0, {4}, {1}), storage(16, '\1');
  const StoredZip good = StoredZip().add("a/data.pkl", pickle).add("a/data/0", storage);
  REQUIRE(refusal_of_bytes(good.finish()) == "accepted");
  CHECK_THAT(refusal_of_bytes(""), ContainsSubstring("too short"));
  CHECK_THAT(refusal_of_bytes(std::string(100, 'P')), ContainsSubstring("no end record"));
  CHECK_THAT(refusal_of_bytes(good.finish() + "x"), ContainsSubstring("no end record"));
  CHECK_THAT(refusal_of_bytes(StoredZip().finish()), ContainsSubstring("without the data.pkl"));
  CHECK_THAT(refusal_of_bytes(StoredZip().add("data.pkl", pickle).finish()),
             ContainsSubstring("without the data.pkl"));
  CHECK_THAT(refusal_of_bytes(StoredZip(good).add("b/data.pkl", pickle).finish()),
             ContainsSubstring("two entries"));
  CHECK_THAT(refusal_of_bytes(StoredZip(good).add("a/data/0", storage).finish()),
             ContainsSubstring("two zip entries"));

  const auto changed = [&](size_t at, const std::string& bytes) {
    StoredZip zip = good;
    zip.directory.replace(at, bytes.size(), bytes);
    return refusal_of_bytes(zip.finish());
  };
  const std::string big = StoredZip::word(uint32_t{0x7fffffff}), ones = StoredZip::word(uint32_t{0xffffffff});
  CHECK_THAT(changed(0, "XX"), ContainsSubstring("directory is damaged"));
  CHECK_THAT(changed(8, "\1"), ContainsSubstring("encrypted"));
  CHECK_THAT(changed(10, "\x08"), ContainsSubstring("compressed"));
  CHECK_THAT(changed(20, big), ContainsSubstring("two sizes"));
  CHECK_THAT(changed(20, big + big), ContainsSubstring("beyond the end"));
  CHECK_THAT(changed(20, ones + ones),
             ContainsSubstring("beyond the end"));  // no zip64 field: taken as it is
  CHECK_THAT(changed(28, "\xff\xff"), ContainsSubstring("directory is damaged"));
  CHECK_THAT(changed(30, "\xff\xff"), ContainsSubstring("directory is damaged"));
  CHECK_THAT(changed(42, big), ContainsSubstring("outside the file"));
  CHECK_THAT(changed(42, "\1"), ContainsSubstring("damaged header"));
  // Both entries lie at the same place.
  StoredZip twice = StoredZip().add("a/data.pkl", pickle).add("a/data/00", pickle);
  const size_t second = twice.directory.find("PK\x01\x02", 4);
  twice.directory.replace(second + 42, 4, std::string(4, '\0'));
  CHECK_THAT(refusal_of_bytes(twice.finish()), ContainsSubstring("damaged header"));
  StoredZip overlap = StoredZip().add("a/data.pkl", pickle).add("a/data/00", "");
  const uint32_t one = static_cast<uint32_t>(pickle.size()) + 1;
  overlap.directory.replace(20, 8, StoredZip::word(one) + StoredZip::word(one));
  CHECK_THAT(refusal_of_bytes(overlap.finish()), ContainsSubstring("overlap"));

  const auto end_changed = [&](size_t at, const std::string& bytes) {
    std::string file = good.finish();
    file.replace(file.size() - 22 + at, bytes.size(), bytes);
    return refusal_of_bytes(file);
  };
  CHECK_THAT(end_changed(10, "\3"),
             ContainsSubstring("too small") || ContainsSubstring("directory is damaged"));
  CHECK_THAT(end_changed(10, "\xff\xff"), ContainsSubstring("too small for its 65535 entries"));
  CHECK_THAT(end_changed(10, "\1"), ContainsSubstring("more entries than it says"));
  CHECK_THAT(end_changed(12, ones), ContainsSubstring("outside the file"));
  CHECK_THAT(end_changed(16, ones), ContainsSubstring("outside the file"));
}

TEST_CASE("zip64 sizes are read") {
  // The directory gives size and offset in the 64-bit extra field.
  const std::string pickle = one_tensor(0, {4}, {1}), storage(16, '\1');
  StoredZip zip = StoredZip().add("a/data/0", storage).add("a/data.pkl", pickle);
  const size_t second = zip.directory.find("PK\x01\x02", 4);
  const auto header = StoredZip::word(uint64_t{30 + 8 + 16}), size = StoredZip::word(uint64_t{pickle.size()});
  zip.directory.replace(second + 20, 8, std::string(8, '\xff'));
  zip.directory.replace(second + 42, 4, std::string(4, '\xff'));
  zip.directory.replace(second + 30, 2, StoredZip::word(uint16_t{4 + 24}));
  zip.directory += StoredZip::word(uint16_t{1}) + StoredZip::word(uint16_t{24}) + size + size + header;
  const std::string file = zip.finish();
  CHECK(refusal_of_bytes(file) == "accepted");
  StoredZip huge = zip;
  huge.directory.replace(huge.directory.size() - 24, 16, std::string(16, '\xff'));
  CHECK_THAT(refusal_of_bytes(huge.finish()), ContainsSubstring("beyond the end"));
  huge = zip;
  huge.directory.replace(huge.directory.size() - 26, 2, StoredZip::word(uint16_t{16}));
  CHECK_THAT(refusal_of_bytes(huge.finish()), ContainsSubstring("extra field is too short"));
  huge.directory.replace(huge.directory.size() - 26, 2, StoredZip::word(uint16_t{25}));
  CHECK_THAT(refusal_of_bytes(huge.finish()), ContainsSubstring("extra field is damaged"));
  huge = zip;
  huge.directory.replace(huge.directory.size() - 8, 8, std::string(8, '\xff'));
  CHECK_THAT(refusal_of_bytes(huge.finish()), ContainsSubstring("outside the file"));
}

TEST_CASE("hostile tensors in a .pth") {
  REQUIRE(refusal_of_pickle(one_tensor(0, {2, 2}, {1, 2})) == "accepted");
  REQUIRE(refusal_of_pickle(one_tensor(3, {}, {})) == "accepted");
  REQUIRE(refusal_of_pickle(one_tensor(4, {0}, {1})) == "accepted");
  REQUIRE(refusal_of_pickle(one_tensor(3, {1}, {INT64_MAX})) == "accepted");
  REQUIRE(refusal_of_pickle(one_tensor(0, {1, 4}, {INT64_MAX, 1})) == "accepted");
  REQUIRE(refusal_of_pickle(one_tensor(0, {2, 1, 2}, {1, INT64_MAX, 2})) == "accepted");
  const auto outside = ContainsSubstring("outside its storage");
  CHECK_THAT(refusal_of_pickle(one_tensor(4, {}, {})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(-1, {1}, {1})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(5, {0}, {1})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(INT64_MAX, {4}, {1})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {5}, {1})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {2}, {INT64_MAX})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {3, 3}, {INT64_MAX, INT64_MAX})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(1, {2, 2}, {1, 2})), outside);
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {2}, {-1})), ContainsSubstring("strides are not all"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {-2}, {1})), ContainsSubstring("sizes are not all"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4, 1}, {1})), ContainsSubstring("2 sizes, but 1 strides"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1})),
             ContainsSubstring("more than 6 dimensions"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {INT64_MAX, INT64_MAX}, {0, 0})), ContainsSubstring("63 bits"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {1 << 20, 1 << 20}, {0, 0})),
             ContainsSubstring("four times its size"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}, 5)), ContainsSubstring("16 bytes, not 5 elements"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}, -1)), ContainsSubstring("not -1 elements"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}, INT64_MIN)), ContainsSubstring("elements of 4"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}), std::string(17, '\0')),
             ContainsSubstring("17 bytes"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}, 4, "Float8_e5m2Storage")),
             ContainsSubstring("'torch.Float8_e5m2Storage'"));
  CHECK_THAT(refusal_of_pickle(one_tensor(0, {4}, {1}, 4, "Size")),
             ContainsSubstring("storage's type is none"));
  CHECK_THAT(refusal_of_bytes(StoredZip().add("a/data.pkl", one_tensor(0, {4}, {1})).finish()),
             ContainsSubstring("storage '0' is not in the file"));
}

TEST_CASE("hostile pickles") {
  const auto refuse = [](const std::string& pickle, const std::string& reason) {
    CHECK_THAT(refusal_of_pickle(pickle), ContainsSubstring(reason));
  };
  refuse("", "ends too early");
  refuse(".", "work left over");
  refuse("}}.", "work left over");
  refuse("(.", "work left over");
  refuse("0.", "opcode 48");  // POP
  refuse("cos\nsystem\n.", "'os.system'");
  refuse("cbuiltins\neval\n.", "'builtins.eval'");
  refuse("ctorch\nload\n.", "'torch.load'");
  refuse(concat("c", std::string(300, 'a'), "\nb\n."), "a name that does not end");
  refuse("ctorch\nSize", "a name that does not end");
  refuse("ios\nsystem\n.", "opcode 105");  // INST
  refuse("(o.", "opcode 111");             // OBJ
  refuse(")\x81.", "opcode 129");          // NEWOBJ
  refuse("\x93.", "opcode 147");           // STACK_GLOBAL
  refuse("\x82\x01.", "opcode 130");       // EXT1
  refuse("P1\n.", "opcode 80");            // PERSID
  refuse("cevil\nSize\n.", "'evil.Size'");
  refuse("R.", "empty stack");
  refuse("N(N\x86.", "empty stack");  // a tuple across the mark
  refuse("N)R.", "what it calls is of the wrong kind");
  refuse("ctorch\nFloatStorage\n)R.", "calls a storage's type");
  refuse("ctorch._utils\n_rebuild_tensor_v2\n)R.", "0 arguments");
  refuse("ctorch._utils\n_rebuild_parameter\n(NNNtR.", "parameter's data is of the wrong kind");
  refuse("ccollections\nOrderedDict\n(NtR.", "OrderedDict with arguments");
  refuse("]}b.", "what gets attributes");
  refuse("Q.", "empty stack");
  refuse(")Q.", "storage's description");
  refuse("a.", "empty stack");
  refuse("](a.", "empty stack");  // the list lies below the mark
  refuse("}Na.", "what it adds to");
  refuse("}(Nu.", "a key without a value");
  refuse("NNa.", "what it adds to");
  refuse("t.", "a mark is missing");
  refuse("h\x05.", "never stored");
  refuse("q\x05.", "empty stack");
  refuse("X\xff\xff\xff\xff.", "ends too early");
  refuse(concat("\x8a\x09", std::string(9, '\x7f'), "."), "beyond 64 bits");
  refuse(std::string(5000, '('), "nests deeper");
  refuse(std::string((1 << 20) + 1, ')'), "more than 1048576 objects");
  std::string memo = "N";
  for (uint32_t i = 0; i <= 1 << 20; ++i) memo.append("r").append(StoredZip::word(i));
  refuse(memo, "remembered objects");
  refuse(concat("}", text("\xff"), "]s."), "not UTF-8");
  refuse("})]s.", "neither text nor a whole number");
  refuse(concat("}", text(std::string(2000, 'n')), "]s."), "too long");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "]";
  for (int i = 1; i < 100'000; ++i) deep += "a";
  refuse(concat("}", text("a"), deep, "s."), "nest deeper");
  CHECK_THAT(refusal_of_bytes(StoredZip().add("a/data.pkl", std::string((16 << 20) + 1, 'N')).finish()),
             ContainsSubstring("over the limit"));
}

TEST_CASE("read_weights looks at the content and not at the name") {
  const TestFolder folder;
  const std::string path = folder / "weights";
  const auto with = [&](const std::string& content) {
    folder.write("weights", content);
    try {
      return names(read_weights(path)).empty() ? std::string("empty") : std::string("read");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
  };
  CHECK(with(bytes_of(kGoldens + "plain.pth")) == "read");
  CHECK(with(bytes_of(kGoldens + "plain.safetensors")) == "read");
  CHECK_THAT(with(""), ContainsSubstring(path + ": the file is empty"));
  CHECK_THAT(with("GIF89a"), ContainsSubstring("neither"));
  CHECK_THAT(with("PK\x03\x04"), ContainsSubstring("too short for a zip"));
}
