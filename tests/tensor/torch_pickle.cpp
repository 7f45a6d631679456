#include "tensor/weights/torch_pickle.h"

#include <unistd.h>

#include "tensor/weights/safetensors.h"
#include "tests/tensor/pickles.h"

using namespace saccade;
using namespace std::string_literals;

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
    std::vector<std::string> expected = all;
    const std::string prefix = golden == std::string("checkpoint.pth") ? "module." : "";  // DataParallel's
    for (std::string& name : expected) name = prefix + name;
    CHECK(names(file) == expected);
    CHECK(file.find(prefix + "0.weight")->shape == std::vector<int64_t>{2, 3, 3, 3});
    CHECK(file.find(prefix + "1.num_batches_tracked")->dtype == DType::i64);
    CHECK(file.unread.empty());
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

TEST_CASE("a .pth that would run a command runs nothing: the call is an opaque value") {
  const std::string trace = "saccade-was-here";
  REQUIRE(access(trace.c_str(), F_OK) != 0);
  const WeightFile file = read_weights(kGoldens + "evil.pth");
  CHECK(names(file) == std::vector<std::string>{"a"});
  CHECK(file.unread.at("b") == "it is a 'posix.system' and no tensor");
  // The same call by every opcode that makes one, where a tensor is expected and as the root.
  const std::string tensor = one_tensor(0, {4}, {1});
  const std::string argument = text("touch saccade-was-here");
  const std::string global = "cposix\nsystem\n";
  for (const std::string& call :
       {global + argument + "\x85R", text("posix") + text("system") + "\x93" + argument + "\x85R",
        global + argument + "\x85\x81", global + argument + "\x85}\x92", "(" + argument + "iposix\nsystem\n",
        "(" + global + argument + "o", global + ")R" + argument + "b",
        global + ")\x81" + argument + "\x85R"}) {
    const std::string beside = tensor.substr(0, tensor.size() - 1) + text("b") + call + "s.";
    CHECK(refusal_of_pickle(beside) == "accepted");
    CHECK_THAT(refusal_of_pickle(call + "."), ContainsSubstring("'posix.system'"));
    CHECK_THAT(refusal_of_pickle("}" + text("w") + call + "s."),
               ContainsSubstring("no tensor in it; 'w' is a 'posix.system'"));
  }
  CHECK(access(trace.c_str(), F_OK) != 0);
  // The golden does hold what this test is about.
  CHECK_THAT(bytes_of(kGoldens + "evil.pth"), ContainsSubstring("touch saccade-was-here"));
}

TEST_CASE("what a .pth must not be has its reason") {
  CHECK_THAT(refusal("short.pth"),
             ContainsSubstring("no tensor in it can be read: tensor 'a'") && ContainsSubstring("'int16'"));
  for (const char* golden : {"whole_model.pth", "model_inside.pth"}) {
    CHECK_THAT(refusal(golden), ContainsSubstring("'torch.nn.modules.container.Sequential'") &&
                                    ContainsSubstring("save the model's state_dict"));
  }
  CHECK_THAT(refusal("tensor.pth"), ContainsSubstring("no dictionary of tensors"));
  CHECK_THAT(refusal("no_tensor.pth"), ContainsSubstring("no tensor in it"));
  CHECK_THAT(refusal("expanded_huge.pth"),
             ContainsSubstring("'a'") && ContainsSubstring("four times its size"));
  CHECK_THAT(refusal("bomb.pth"), ContainsSubstring("take more than 16777216 bytes"));
  CHECK_THAT(refusal("deflated.pth"), ContainsSubstring("is compressed"));
  CHECK_THAT(refusal("big_endian.pth"), ContainsSubstring("big-endian"));
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
             ContainsSubstring("tensor 'a'") && ContainsSubstring("'Float8_e5m2Storage'"));
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
  refuse("0.", "empty stack");  // POP
  refuse("N0.", "work left over");
  refuse("(0.", "work left over");  // it takes the mark
  refuse("1.", "mark is missing");  // POP_MARK
  refuse("2.", "empty stack");      // DUP
  refuse("cos\nsystem\n.", "'os.system'");
  refuse("cbuiltins\neval\n.", "'builtins.eval'");
  refuse("ctorch\nload\n.", "'torch.load'");
  refuse(concat("c", std::string(300, 'a'), "\nb\n."), "a line that does not end");
  refuse("ctorch\nSize", "a line that does not end");
  refuse("ios\nsystem\n.", "a mark is missing");  // INST
  refuse("(o.", "empty stack");                   // OBJ
  refuse("(No.", "what it calls");
  refuse(")\x81.", "empty stack");      // NEWOBJ
  refuse("N))\x92.", "what it calls");  // NEWOBJ_EX
  refuse("\x93.", "empty stack");       // STACK_GLOBAL
  refuse("NN\x93.", "a module's name");
  refuse("\x82\x01.", "'extension'");  // EXT1
  refuse("P1\n.", "opcode 80");        // PERSID
  refuse("V1\n.", "opcode 86");        // UNICODE, which only protocol 0 writes
  refuse("\x80\x01.", "protocol 1");
  refuse("\x80\x06.", "protocol 6");
  refuse("\x95\x04\0\0\0\0\0\0\0NNN"s, "ends too early");              // FRAME
  refuse("\x8e\xff\xff\xff\xff\xff\xff\xff\xffN.", "ends too early");  // BINBYTES8
  refuse("\x8d\xff\xff\xff\xff\xff\xff\xff\xffN.", "ends too early");  // BINUNICODE8
  refuse("\x8b\xff\xff\xff\xff.", "-1 bytes");                         // LONG4
  refuse("Ix\n.", "a whole number that is none");
  refuse("I1x\n.", "a whole number that is none");
  refuse("I99999999999999999999x\n.", "a whole number that is none");
  refuse("\x98.", "empty stack");      // READONLY_BUFFER
  refuse("\x94.", "empty stack");      // MEMOIZE
  refuse("](N\x90.", "adds to");       // ADDITEMS
  refuse("\x91.", "mark is missing");  // FROZENSET
  refuse("cevil\nSize\n.", "'evil.Size'");
  refuse("R.", "empty stack");
  refuse("N(N\x86.", "empty stack");  // a tuple across the mark
  refuse("N)R.", "what it calls is of the wrong kind");
  refuse("ctorch\nFloatStorage\n)R.", "'torch.FloatStorage'");
  refuse("ctorch._utils\n_rebuild_tensor_v2\n)R.", "0 arguments");
  refuse("ctorch._utils\n_rebuild_parameter\n(NNNtR.", "parameter's data is of the wrong kind");
  refuse("ccollections\nOrderedDict\n(NtR.", "items of an OrderedDict is of the wrong kind");
  refuse("ccollections\nOrderedDict\n(]](NNNeatR.", "is no pair");
  refuse("]}b.", "what gets attributes");
  refuse("N}b.", "what gets attributes");
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
  refuse(concat("\x8a\x09", std::string(9, '\x7f'), "."), "holds a 'int'");
  refuse(std::string(5000, '('), "nests deeper");
  refuse(std::string((1 << 20) + 1, ')'), "more than 1048576 objects");
  std::string memo = "N";
  for (uint32_t i = 0; i <= 1 << 20; ++i) memo.append("r").append(StoredZip::word(i));
  refuse(memo, "remembered objects");
  // A short pickle that names a long list of pairs again and again.
  std::string pairs = "](";
  for (int i = 0; i < 100'000; ++i) pairs += "NN\x86";
  pairs += "eq\x01";
  for (int i = 0; i < 20; ++i) pairs += "ccollections\nOrderedDict\nh\x01\x85R";
  refuse(pairs, "items of OrderedDicts");
  // A name that cannot be given is passed over; nothing is left here.
  refuse(concat("}", text("\xff"), "]s."), "no tensor in it");
  refuse("})]s.", "no tensor in it");
  refuse(concat("}", text(std::string(2000, 'n')), "]s."), "no tensor in it");
  // A long dictionary without names, visited again and again.
  std::string nameless = "}(";
  for (int i = 0; i < 100'000; ++i) nameless += ")N";
  nameless +=
      "uq\x01"
      "0]";
  for (int i = 0; i < 20; ++i)
    nameless +=
        "h\x01"
        "a";
  refuse(concat("}", text("a"), nameless, "s."), "more than 1048576 values");
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "]";
  for (int i = 1; i < 100'000; ++i) deep += "a";
  refuse(concat("}", text("a"), deep, "s."), "is a container inside more than 32 others");
  // A long pickle may have more objects, up to a limit.
  refuse(std::string((16 << 20) + 1, ')'), "its pickle has more than 2097152 objects");
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
  CHECK_THAT(with("\x93NUMPY\x01"),
             ContainsSubstring("neither a safetensors file nor a PyTorch .pth, but a NumPy"));
  CHECK_THAT(with("<html>\nsign in"), EndsWith("but a text file, which begins with '<html>'"));
  CHECK_THAT(with("PK\x03\x04"), ContainsSubstring("too short for a zip"));
  CHECK(with(bytes_of(kGoldens + "legacy.pth")) == "read");
  CHECK_THAT(with(std::string(257, '\0') + "ustar" + std::string(250, '\0')),
             ContainsSubstring("a tar archive"));
}
