#include "tensor/weights/safetensors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

#include "tensor/weights/atomic_file.h"
#include "tensor/weights/file_type.h"
#include "tensor/weights/folder_lock.h"
#include "tensor/weights/layout.h"
#include "tests/common/catch.h"
#include "tests/common/folder.h"

using namespace saccade;
namespace fs = std::filesystem;

namespace {

template <class T>
HostTensor tensor_of(std::string name, std::vector<int64_t> shape, const std::vector<T>& values) {
  HostTensor tensor{std::move(name), dtype_of<T>(), std::move(shape),
                    std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

std::string with_length(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  return out + header + data;
}

WeightFile parse(const std::string& file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "hostile.safetensors");
}

// The message with which `file` is refused.
std::string refusal(const std::string& file) {
  try {
    parse(file);
  } catch (const InputError& error) {
    const std::string message = error.what();
    CHECK(message.rfind("hostile.safetensors: ", 0) == 0);
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  return "accepted";
}

std::string refusal(const std::string& header, const std::string& data) {
  return refusal(with_length(header, data));
}

// One tensor 'a' with these fields.
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"a":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

WeightFile example() {
  WeightFile file;
  file.tensors = {
      tensor_of<uint8_t>("flags", {3}, {1, 0, 255}),
      tensor_of<float>("conv1.weight", {2, 1, 1, 2}, {1.5f, -0.f, 3e38f, 1e-42f}),
      tensor_of<int64_t>("steps", {}, {-5}),
      tensor_of<bf16>("half", {2}, {bf16(1.f), bf16(-2.f)}),
      tensor_of<double>("empty", {0, 7}, {}),
      tensor_of<int32_t>("name with \"quotes\" \n and \u00e9", {1}, {std::numeric_limits<int32_t>::min()})};
  file.metadata = {{"config", "{\"lr\": 0.1}\n"}, {"", "\u2603"}};
  return file;
}

}  // namespace

TEST_CASE("a safetensors file comes back as it was written") {
  const TestFolder folder;
  const WeightFile written = example();
  write_safetensors(folder / "a.safetensors", written);
  const WeightFile read = read_safetensors(folder / "a.safetensors");
  CHECK(read.metadata == written.metadata);
  REQUIRE(read.tensors.size() == written.tensors.size());
  for (size_t i = 0; i < read.tensors.size(); ++i) {
    CHECK(read.tensors[i].name == written.tensors[i].name);
    CHECK(read.tensors[i].dtype == written.tensors[i].dtype);
    CHECK(read.tensors[i].shape == written.tensors[i].shape);
    CHECK(read.tensors[i].bytes == written.tensors[i].bytes);
  }
  CHECK(folder.entries() == 1);

  // What was read gives the same bytes again.
  write_safetensors(folder / "b.safetensors", read);
  CHECK(bytes_of(folder / "a.safetensors") == bytes_of(folder / "b.safetensors"));

  // Every tensor is aligned to its element, and so is the data.
  const std::string bytes = bytes_of(folder / "a.safetensors");
  uint64_t length;
  std::memcpy(&length, bytes.data(), sizeof length);
  CHECK(length % 8 == 0);
  const std::string header = bytes.substr(8, length);
  CHECK_THAT(header, ContainsSubstring(R"("steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]})"));
  CHECK_THAT(header, ContainsSubstring(R"("flags":{"dtype":"U8","shape":[3],"data_offsets":[32,35]})"));
}

TEST_CASE("only the wanted tensors are read, and the header alone") {
  const TestFolder folder;
  write_safetensors(folder / "a", example());
  const WeightFile some =
      read_safetensors(folder / "a", [](const std::string& name) { return name == "steps"; });
  REQUIRE(some.tensors.size() == 1);
  CHECK(some.tensors[0].values<int64_t>()[0] == -5);
  CHECK_THROWS_AS(some.tensors[0].values<float>(), Error);
  CHECK(some.find("flags") == nullptr);
  CHECK(some.find("steps") == &some.tensors[0]);

  const SafetensorsHeader header = read_safetensors_header(folder / "a");
  CHECK(header.metadata == example().metadata);
  REQUIRE(header.tensors.size() == 6);
  CHECK(header.tensors[1].name == "conv1.weight");
  CHECK(header.tensors[1].dtype == DType::f32);
  CHECK(header.tensors[1].shape == std::vector<int64_t>{2, 1, 1, 2});
}

TEST_CASE("tensors may start at any byte of a safetensors file") {
  const WeightFile file = parse(with_length(
      R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})",
      std::string("\x07\x00\x00\x80\x3f", 5)));
  CHECK(file.find("f")->values<float>()[0] == 1.f);
  CHECK(file.find("b")->values<uint8_t>()[0] == 7);
}

TEST_CASE("f16 becomes f32 and bool becomes u8") {
  const WeightFile file = parse(with_length(
      R"({"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BOOL","shape":[2],"data_offsets":[6,8]}})",
      std::string("\x00\x3c\x01\x00\xff\xfb\x00\x02", 8)));
  const auto values = file.find("h")->values<float>();
  REQUIRE(values.size() == 3);
  CHECK(values[0] == 1.f);
  CHECK(values[1] == 0x1p-24f);
  CHECK(values[2] == -65504.f);
  CHECK(file.find("b")->values<uint8_t>()[0] == 0);
  CHECK(file.find("b")->values<uint8_t>()[1] == 1);
}

TEST_CASE("a safetensors file is read around tensors of other dtypes, unless they are wanted") {
  const TestFolder folder;
  const struct {
    const char* name;
    size_t size;
  } types[] = {{"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I8", 1},  {"I16", 2}, {"U16", 2},         {"U32", 4},
               {"U64", 8},     {"C64", 8},     {"f32", 3}, {"F4", 3},  {"a\\nb\\u001b", 1}};
  for (const auto& type : types) {
    INFO(type.name);
    const std::string path = folder.write(
        "a", with_length(concat(R"({"a":{"dtype":")", type.name, R"(","shape":[3],"data_offsets":[0,)",
                                3 * type.size, R"(]},"b":{"dtype":"F32","shape":[1],"data_offsets":[)",
                                3 * type.size, ',', 3 * type.size + 4, "]}}"),
                         std::string(3 * type.size, '\7') + std::string("\0\0\x80\x3f", 4)));
    const WeightFile file = read_safetensors(path);
    REQUIRE(file.tensors.size() == 1);
    CHECK(file.find("b")->values<float>()[0] == 1.f);
    REQUIRE(file.unread.size() == 1);
    const std::string reason = file.unread.at("a");
    CHECK((reason.find(type.name) != std::string::npos || type.name[0] == 'a'));
    CHECK(reason.find('\n') == std::string::npos);
    CHECK(read_safetensors_header(path).tensors.size() == 1);
    CHECK(read_safetensors_header(path).unread == file.unread);
    const auto only = [](const std::string& wanted) {
      return [wanted](const std::string& name) { return name == wanted; };
    };
    CHECK(read_safetensors(path, only("b")).unread.empty());
    CHECK_THROWS_WITH(read_safetensors(path, only("a")), path + ": tensor 'a': " + reason);
  }
}

TEST_CASE("every half has the float of its definition") {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const int exponent = static_cast<int>(half >> 10 & 31);
    const double fraction = half & 0x3ff;
    const double sign = half >> 15 ? -1 : 1;
    const float value = float_of_half(static_cast<uint16_t>(half));
    if (exponent == 31 && fraction > 0) {
      REQUIRE(std::isnan(value));
    } else if (exponent == 31) {
      REQUIRE(value == static_cast<float>(sign) * std::numeric_limits<float>::infinity());
    } else {
      const double expected =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      REQUIRE(value == static_cast<float>(sign * expected));
      REQUIRE(std::signbit(value) == (sign < 0));
    }
  }
}

TEST_CASE("the smallest safetensors files") {
  CHECK(parse(with_length("{}", "")).tensors.empty());
  CHECK(parse(with_length("{}      ", "")).tensors.empty());
  CHECK(parse(with_length(R"({"__metadata__":{}})", "")).metadata.empty());
  CHECK(parse(with_length(one("F32", "[]", "[0,4]"), "abcd")).tensors[0].shape.empty());
}

TEST_CASE("a damaged or hostile safetensors file is refused with its reason") {
  const std::string four(4, '\0');
  SECTION("lengths") {
    CHECK_THAT(refusal(""), ContainsSubstring("too short"));
    CHECK_THAT(refusal("1234567"), ContainsSubstring("too short"));
    CHECK_THAT(refusal(std::string(8, '\0')), ContainsSubstring("too short"));
    CHECK_THAT(refusal(std::string(9, '\0')), ContainsSubstring("does not start with '{'"));
    CHECK_THAT(refusal("PK\x03\x04 and so on"),
               ContainsSubstring("but a zip archive, such as a PyTorch .pth"));
    CHECK_THAT(refusal("\x93NUMPY\x01 and so on"), ContainsSubstring("but a NumPy .npy file"));
    CHECK_THAT(refusal("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j"), ContainsSubstring("but a pickle"));
    CHECK_THAT(refusal("MATLAB 5.0 MAT-file"), ContainsSubstring("but a MATLAB .mat"));
    CHECK_THAT(refusal("\x80\x05\x95\x0al\xfc\x9c\x46\xf9 j"), ContainsSubstring("but a pickle"));
    CHECK_THAT(refusal("\xff\xd8\xff\xe0 and so on"), ContainsSubstring("but a JPEG picture"));
    CHECK_THAT(refusal("version {https://git-lfs.github.com}\noid"),
               EndsWith("but a text file, which begins with 'version {https://git-lfs.github.com}'"));
    CHECK_THAT(refusal("<!DOCTYPE html><html><title>Quota exceeded for this file \xc3\xa4\xc3"),
               EndsWith("but a text file, which begins with '<!DOCTYPE html><html><title>Quota exceed'"));
    // A header of 640 bytes begins as a pickle does.
    CHECK(refusal(with_length(R"({"__metadata__":{}})" + std::string(640 - 19, ' '), "")) == "accepted");
    CHECK_THAT(refusal(std::string(8, '\xff') + "{}"), ContainsSubstring("goes beyond the file"));
    CHECK_THAT(refusal(std::string("\x03\0\0\0\0\0\0\0{}", 10)), ContainsSubstring("goes beyond the file"));
    CHECK_THAT(refusal(std::string("\x01\0\0\0\0\0\0\0{}", 10)), ContainsSubstring("not valid JSON"));
    const std::string whole = with_length(one("F32", "[1]", "[0,4]"), four);
    for (size_t size = 0; size < whole.size(); ++size) CHECK(refusal(whole.substr(0, size)) != "accepted");
    CHECK(refusal(whole) == "accepted");
  }
  SECTION("offsets") {
    CHECK_THAT(refusal(one("F32", "[1]", "[0,4]"), ""), ContainsSubstring("ends at byte 4 of 0"));
    CHECK_THAT(refusal(one("F32", "[1]", "[0,4]"), four + "x"),
               ContainsSubstring("1 bytes after the last tensor"));
    CHECK_THAT(refusal(one("F32", "[1]", "[4,8]"), four + four), ContainsSubstring("gap"));
    CHECK_THAT(refusal(one("F32", "[1]", "[4,0]"), four), ContainsSubstring("ends before it begins"));
    CHECK_THAT(refusal(one("F32", "[1]", "[18446744073709551612,18446744073709551615]"), four),
               ContainsSubstring("takes 4"));
    CHECK_THAT(refusal(one("F32", "[1]", "[18446744073709551616,4]"), four), ContainsSubstring("no integer"));
    CHECK_THAT(refusal(one("F32", "[1]", "[18446744073709551611,18446744073709551615]"), four),
               ContainsSubstring("ends at byte 18446744073709551615"));
    CHECK_THAT(refusal(one("F32", "[1]", "[-4,0]"), four), ContainsSubstring("negative"));
    CHECK_THAT(refusal(one("F32", "[1]", "[0]"), four), ContainsSubstring("not a pair"));
    CHECK_THAT(refusal(one("F32", "[1]", "[0,4,4]"), four), ContainsSubstring("more than two"));
    CHECK_THAT(refusal(one("F32", "[1]", "[0,4.0]"), four), ContainsSubstring("no integer"));
    CHECK_THAT(refusal(one("F32", "[1]", "\"0,4\""), four), ContainsSubstring("a string"));
    const std::string overlap =
        R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})";
    CHECK_THAT(refusal(overlap, four), ContainsSubstring("'b'") && ContainsSubstring("overlaps"));
    const std::string same =
        R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
    CHECK_THAT(refusal(same, four), ContainsSubstring("overlaps"));
    const std::string gap =
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})";
    CHECK_THAT(refusal(gap, four), ContainsSubstring("'b'") && ContainsSubstring("gap"));
  }
  SECTION("dtypes and shapes") {
    CHECK_THAT(refusal(one("F8_E4M3", "[5]", "[0,4]"), four), ContainsSubstring("takes 5 bytes"));
    CHECK_THAT(refusal(one("I8", "[3]", "[0,4]"), four), ContainsSubstring("takes 3 bytes"));
    CHECK_THAT(refusal(one("U64", "[1]", "[0,4]"), four), ContainsSubstring("takes 8 bytes"));
    CHECK_THAT(refusal(one("C64", "[4611686018427387904,4]", "[0,4]"), four), ContainsSubstring("63 bits"));
    CHECK_THAT(refusal(one("I16", "[2]", "[1,5]"), four + "x"), ContainsSubstring("gap"));
    CHECK_THAT(refusal(one("?", "[2]", "[0,3]"), four), ContainsSubstring("1 bytes after the last tensor"));
    CHECK_THAT(refusal(one("?", "[-2]", "[0,4]"), four), ContainsSubstring("negative"));
    CHECK_THAT(refusal(one("F32", "[2]", "[0,4]"), four), ContainsSubstring("takes 8 bytes, its data has 4"));
    CHECK_THAT(refusal(one("F16", "[1]", "[0,4]"), four), ContainsSubstring("takes 2 bytes, its data has 4"));
    CHECK_THAT(refusal(one("F32", "[-1]", "[0,4]"), four), ContainsSubstring("negative"));
    CHECK_THAT(refusal(one("F32", "[1.0]", "[0,4]"), four), ContainsSubstring("no integer"));
    CHECK_THAT(refusal(one("F32", "1", "[0,4]"), four), ContainsSubstring("a number"));
    CHECK_THAT(refusal(one("F32", "[9223372036854775808]", "[0,4]"), four), ContainsSubstring("63 bits"));
    CHECK_THAT(refusal(one("F32", "[4611686018427387904,4]", "[0,0]"), ""), ContainsSubstring("63 bits"));
    CHECK_THAT(refusal(one("F32", "[0,4611686018427387904,4]", "[0,0]"), ""), ContainsSubstring("63 bits"));
    CHECK_THAT(refusal(one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), four),
               ContainsSubstring("more than 6 dimensions"));
  }
  SECTION("JSON") {
    CHECK_THAT(refusal("[]", ""), ContainsSubstring("does not start with '{'"));
    CHECK_THAT(refusal("{", ""), ContainsSubstring("not valid JSON"));
    CHECK_THAT(refusal("{} {}", ""), ContainsSubstring("not valid JSON"));
    CHECK_THAT(refusal(std::string("{}\0x", 4), ""), ContainsSubstring("zero byte"));
    CHECK_THAT(refusal("{\"\xff\":{}}", ""), ContainsSubstring("UTF-8"));
    CHECK_THAT(refusal("{\"a\":1}", ""), ContainsSubstring("a number where it does not belong (at 'a')"));
    CHECK_THAT(refusal("{\"a\":null}", ""), ContainsSubstring("null where it does not belong"));
    CHECK_THAT(refusal("{\"a\":true}", ""), ContainsSubstring("true or false where it does not belong"));
    CHECK_THAT(refusal("{\"a\":{}}", ""), ContainsSubstring("missing"));
    CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[1]}})", four), ContainsSubstring("missing"));
    CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", four),
               ContainsSubstring("an array where it does not belong (at 'shape')"));
    CHECK_THAT(refusal(R"({"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})", four),
               ContainsSubstring("a string where it does not belong (at 'dtype')"));
    CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", four),
               ContainsSubstring("an array"));
    CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":{}}})", four),
               ContainsSubstring("an object where it does not belong (at 'more')"));
    CHECK_THAT(refusal(R"({"__metadata__":{"a":1}})", ""), ContainsSubstring("a number"));
    CHECK_THAT(refusal(R"({"__metadata__":{"a":"1","a":"2"}})", ""), ContainsSubstring("'a' appears twice"));
    CHECK_THAT(refusal(R"({"__metadata__":{},"__metadata__":{}})", ""),
               ContainsSubstring("__metadata__ appears twice"));
    const std::string a = R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    CHECK_THAT(refusal("{" + a + "," + a + "}", ""), ContainsSubstring("'a' appears twice"));
    CHECK_THAT(refusal("{\"line\\nbreak\":1}", ""), ContainsSubstring("'line\\x0abreak'"));
    std::string deep = "{\"a\":";
    for (int i = 0; i < 1'000'000; ++i) deep += "{\"a\":";
    CHECK_THAT(refusal(deep, ""), ContainsSubstring("an object where it does not belong"));
    CHECK_THAT(refusal("{\"a\":" + std::string(1'000'000, '['), ""),
               ContainsSubstring("an array where it does not belong"));
  }
}

TEST_CASE("what is no readable file is refused with its path") {
  const TestFolder folder;
  const auto refuse = [](const std::string& path) {
    CHECK_THROWS_AS(read_safetensors(path), InputError);
    CHECK_THROWS_WITH(read_safetensors(path), ContainsSubstring(path + ": "));
    CHECK_THROWS_AS(read_safetensors_header(path), InputError);
  };
  refuse(folder / "missing.safetensors");
  refuse(folder.path());
  std::ofstream(folder / "empty");
  refuse(folder / "empty");
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  refuse(folder / "fifo");
}

TEST_CASE("what a safetensors file cannot hold is not written") {
  const TestFolder folder;
  const std::string path = folder / "a";
  const auto refuse = [&](WeightFile file, const std::string& reason) {
    CHECK_THROWS_WITH(write_safetensors(path, file), ContainsSubstring(path) && ContainsSubstring(reason));
    CHECK(folder.entries() == 0);
  };
  const HostTensor a = tensor_of<float>("a", {1}, {1});
  refuse({{a, a}, {}}, "two tensors are called 'a'");
  refuse({{tensor_of<float>("\xff", {1}, {1})}, {}}, "not UTF-8");
  refuse({{a}, {{"k", "\xed\xa0\x80"}}}, "not UTF-8");
  refuse({{tensor_of<float>("__metadata__", {1}, {1})}, {}}, "__metadata__");
  refuse({{tensor_of<float>("a", {2}, {1})}, {}}, "4 bytes");
  refuse({{tensor_of<float>("a", {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1})}, {}}, "too many dimensions");
  refuse({{HostTensor{"a", DType::bound, {1}, std::vector<std::byte>(16)}}, {}}, "a file holds no bound");
}

TEST_CASE("a failed write leaves the old file and nothing else") {
  const TestFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  write_safetensors(path, example());
  const std::string old = bytes_of(path);

  WeightFile large;
  large.tensors = {tensor_of<float>("w", {1 << 16}, std::vector<float>(1 << 16, 1.f))};
  // A limit of the file size stands for the full disk: write() writes less than it should, then fails.
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    write_safetensors(path, large);
  } catch (const InputError&) {
    message = "an InputError, but the input is fine";
  } catch (const Error& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  CHECK_THAT(message, ContainsSubstring(path) && ContainsSubstring("writing failed"));
  CHECK(bytes_of(path) == old);
  CHECK(folder.entries() == 1);
  write_safetensors(path, large);
  CHECK(read_safetensors(path).tensors[0].bytes == large.tensors[0].bytes);
  CHECK(folder.entries() == 1);
}

TEST_CASE("writing where nothing can be written") {
  const TestFolder folder;
  const std::string nowhere = folder.path() + "/no/such/folder/a";
  CHECK_THROWS_AS(write_safetensors(nowhere, example()), InputError);
  CHECK_THROWS_WITH(write_safetensors(nowhere, example()), ContainsSubstring(nowhere));
  CHECK_THROWS_WITH(write_file(nowhere, "x", 1),
                    ContainsSubstring(nowhere) && ContainsSubstring("No such file"));
  fs::create_directories(folder / "taken");
  CHECK_THROWS_AS(AtomicFile(folder / "taken"), InputError);
  CHECK_THROWS_WITH(check_output(folder / "taken"), (folder / "taken") + ": is a folder");
  CHECK_THROWS_WITH(check_output(""), ContainsSubstring("no name"));
  // A FIFO stands for a device, which would be lost if a file replaced it.
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK_THROWS_AS(write_safetensors(folder / "fifo", example()), InputError);
  CHECK_THROWS_WITH(check_output(folder / "fifo"), (folder / "fifo") + ": is not a regular file");
  CHECK(fs::is_fifo(folder / "fifo"));
  fs::create_symlink("fifo", folder / "link");
  CHECK_THROWS_WITH(check_output(folder / "link"), (folder / "link") + ": is not a regular file");
  fs::create_symlink("round", folder / "round");
  CHECK_THROWS_AS(check_output(folder / "round"), InputError);
  CHECK(folder.entries() == 4);
}

TEST_CASE("a file that is written in one piece replaces the old one and leaves nothing else") {
  const TestFolder folder;
  const std::string path = folder.write("a", "what was there before");
  write_file(path, "new", 3);
  CHECK(bytes_of(path) == "new");
  fs::create_directories(folder / "taken");
  CHECK_THROWS_WITH(write_file(folder / "taken", "x", 1), ContainsSubstring("taken: is a folder"));
  CHECK(folder.entries() == 2);
}

TEST_CASE("a full or failing disk is no fault of the input") {
  CHECK_THROWS_AS(cannot_write("a", EACCES), InputError);
  CHECK_THROWS_WITH(cannot_write("a", ENOSPC), ContainsSubstring("a: cannot write here: "));
  for (const int reason : {ENOSPC, EDQUOT, EIO}) {
    bool input = false;
    try {
      cannot_write("a", reason);
    } catch (const InputError&) {
      input = true;
    } catch (const Error&) {
    }
    CHECK_FALSE(input);
  }
}

TEST_CASE("a symbolic link stays, and what it names is replaced") {
  const TestFolder folder;
  fs::create_directories(folder / "far");
  fs::create_symlink("far/b", folder / "a");
  fs::create_symlink(folder / "a", folder / "far/c");
  for (const char* path : {"a", "far/c", "a"}) {  // the first leads nowhere yet
    write_safetensors(folder / path, example());
    CHECK(fs::is_symlink(folder / path));
    CHECK(fs::is_regular_file(folder / "far/b"));
    CHECK(bytes_of(folder / path) == bytes_of(folder / "far/b"));
  }
  CHECK(folder.entries() == 2);
}

TEST_CASE("what a process of the same id writes, in another container, is left alone and stops nobody") {
  const TestFolder folder;
  for (const int number : {0, 1})
    std::ofstream(concat(folder / "a", ".tmp.", getpid(), ".", number)) << "half";
  check_output(folder / "a");
  CHECK(folder.entries() == 2);
  write_safetensors(folder / "a", example());
  CHECK(read_safetensors(folder / "a").tensors.size() == example().tensors.size());
  CHECK(folder.entries() == 3);
}

TEST_CASE("a folder has one owner, whose lock goes with it") {
  const TestFolder folder;
  const std::string place = folder / "new/deep";
  {
    const FolderLock first(place);
    REQUIRE(first.held());
    CHECK_THAT(input_error_of([&] { FolderLock second(place); }),
               ContainsSubstring(place) && ContainsSubstring(concat("process ", getpid(), " on ")));
  }
  CHECK(fs::is_empty(place));
  std::ofstream(place + "/.lock") << "process 1 on nowhere\n";  // of a process that was killed
  CHECK(FolderLock(place).held());
  CHECK_THROWS_AS(FolderLock(folder.write("file", "")), InputError);
}

TEST_CASE("convolution weights change their layout and back") {
  const int64_t O = 2, I = 3, H = 2, W = 2;
  std::vector<float> values(static_cast<size_t>(O * I * H * W));
  std::iota(values.begin(), values.end(), 0.f);
  const HostTensor oihw = tensor_of<float>("conv.weight", {O, I, H, W}, values);
  const HostTensor krsc = permute_oihw_to_krsc(oihw);
  CHECK(krsc.shape == std::vector<int64_t>{O, H, W, I});
  for (int64_t o = 0; o < O; ++o) {
    for (int64_t i = 0; i < I; ++i) {
      for (int64_t y = 0; y < H; ++y) {
        for (int64_t x = 0; x < W; ++x) {
          REQUIRE(krsc.values<float>()[static_cast<size_t>(((o * H + y) * W + x) * I + i)] ==
                  static_cast<float>(((o * I + i) * H + y) * W + x));
        }
      }
    }
  }
  const HostTensor back = permute_krsc_to_oihw(krsc);
  CHECK(back.shape == oihw.shape);
  CHECK(back.bytes == oihw.bytes);

  const HostTensor wide = tensor_of<double>("w", {1, 2, 1, 2}, {1, 2, 3, 4});
  const auto permuted = permute_oihw_to_krsc(wide);
  CHECK(std::vector<double>(permuted.values<double>().begin(), permuted.values<double>().end()) ==
        std::vector<double>{1, 3, 2, 4});
  const HostTensor narrow = tensor_of<bf16>("w", {1, 2, 1, 2}, {bf16(1.f), bf16(2.f), bf16(3.f), bf16(4.f)});
  CHECK(permute_krsc_to_oihw(permute_oihw_to_krsc(narrow)).bytes == narrow.bytes);
  CHECK(static_cast<float>(permute_oihw_to_krsc(narrow).values<bf16>()[1]) == 3.f);

  CHECK_THROWS_AS(permute_oihw_to_krsc(tensor_of<float>("fc", {1, 1}, {1})), Error);
  CHECK_THROWS_AS(permute_oihw_to_krsc(tensor_of<int32_t>("i", {1, 1, 1, 1}, {1})), Error);

  // The writer permutes on its way to the file.
  const TestFolder folder;
  const TensorView view{"conv.weight", DType::f32, oihw.shape, krsc.bytes.data(), true};
  write_safetensors(folder / "a", std::span(&view, 1), {});
  const WeightFile file = read_safetensors(folder / "a");
  CHECK(file.tensors[0].shape == oihw.shape);
  CHECK(file.tensors[0].bytes == oihw.bytes);
}
