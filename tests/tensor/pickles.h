// What the tests of the .pth reader share: its goldens, and pickles made by hand.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tensor/weights/read_weights.h"
#include "tensor/weights/torch_pickle.h"
#include "tests/common/catch.h"
#include "tests/common/folder.h"
#include "tests/common/stored_zip.h"

namespace saccade {

inline const std::string kGoldens = std::string(SACCADE_SOURCE_DIR) + "/tests/goldens/weights/";

// Element i of tensor number k, as tests/goldens/make_weights.py computes it.
inline double value(int64_t k, int64_t i) {
  return static_cast<double>((k * 37 + i * 11) % 64 - 32) / 8;
}

template <class T>
std::vector<double> doubles(const HostTensor& tensor) {
  std::vector<double> out;
  for (const T v : tensor.values<T>()) out.push_back(static_cast<double>(v));
  return out;
}

inline std::vector<double> doubles(const HostTensor& tensor) {
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

inline const Expected kPlain[] = {{"conv1.weight", DType::f32, {4, 3, 2, 2}, 1, 0},
                                  {"bn1.running_mean", DType::f64, {4}, 1, 0},
                                  {"bn1.num_batches_tracked", DType::i64, {}, 8, 0},
                                  {"fc.weight", DType::bf16, {5, 4}, 1, 0},
                                  {"fc.bias", DType::f32, {5}, 1, 0},
                                  {"labels", DType::i32, {3, 1}, 8, 0},
                                  {"pixels", DType::u8, {2, 3}, 8, 32},
                                  {"mask", DType::u8, {7}, 0, 0},
                                  {"empty", DType::f32, {0, 3}, 1, 0}};

inline void check_plain(const WeightFile& file) {
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

inline std::vector<std::string> names(const WeightFile& file) {
  std::vector<std::string> out;
  for (const HostTensor& tensor : file.tensors) out.push_back(tensor.name);
  return out;
}

// The message with which the golden is refused.
inline std::string refusal(const std::string& golden) {
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

inline std::string refusal_of_bytes(const std::string& bytes) {
  try {
    parse_torch_pickle(std::as_bytes(std::span(bytes)), "hostile.pth");
  } catch (const InputError& error) {
    CHECK(std::string(error.what()).rfind("hostile.pth: ", 0) == 0);
    return error.what();
  }
  return "accepted";
}

inline std::string refusal_of_pickle(const std::string& pickle,
                                     const std::string& storage = std::string(16, '\0')) {
  return refusal_of_bytes(StoredZip().add("a/data.pkl", pickle).add("a/data/0", storage).finish());
}

inline std::string text(const std::string& value) {
  return concat("X", StoredZip::word(static_cast<uint32_t>(value.size())), value);
}
inline std::string number(int64_t value) {
  return concat("\x8a\x08", StoredZip::word(value));
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string out = "(";
  for (const int64_t v : values) out += number(v);
  return out + "t";
}

// {'a': one float tensor on storage 0 of `numel` elements}
inline std::string one_tensor(int64_t offset, const std::vector<int64_t>& shape,
                              const std::vector<int64_t>& strides, int64_t numel = 4,
                              const std::string& storage = "FloatStorage") {
  return "\x80\x02}" + text("a") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" +
         storage + "\n" + text("0") + text("cpu") + number(numel) + "tQ" + number(offset) + tuple(shape) +
         tuple(strides) + "\x89NtRs.";
}

}  // namespace saccade
