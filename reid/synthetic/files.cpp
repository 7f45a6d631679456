#include "reid/synthetic/files.h"

#include <matio.h>
#include <stb/stb_image_write.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "kernels/common/error.h"
#include "tensor/weights/atomic_file.h"

namespace saccade::synthetic {
namespace {

struct FreeVariable {
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};
struct CloseFile {
  void operator()(mat_t* file) const { Mat_Close(file); }
};
using Variable = std::unique_ptr<matvar_t, FreeVariable>;

Variable made(matvar_t* variable) {
  check(variable != nullptr, "market_attribute.mat: libmatio is out of memory");
  return Variable(variable);
}

// One field of the file: a binary attribute or the age, or one color.
struct Field {
  std::string name;
  Attribute attribute;
  int color;  // -1: not a color
};

void append_colors(Attribute attribute, const char* prefix, std::vector<Field>* fields) {
  const std::vector<std::string>& colors = attribute_table()[attribute].values;
  for (size_t c = 0; c < colors.size(); ++c)
    fields->push_back({prefix + colors[c], attribute, static_cast<int>(c)});
}

std::vector<Field> fields_of(bool train) {
  std::vector<Field> fields;
  const auto simple = [&](std::initializer_list<Attribute> attributes) {
    for (const Attribute a : attributes) fields.push_back({attribute_table()[a].name, a, -1});
  };
  if (train) {
    simple({kGender, kHair, kUp, kDown, kClothes, kHat, kBackpack, kBag, kHandbag, kAge});
    append_colors(kUpColor, "up", &fields);
    append_colors(kDownColor, "down", &fields);
  } else {
    simple({kAge, kBackpack, kBag, kHandbag});
    append_colors(kDownColor, "down", &fields);
    append_colors(kUpColor, "up", &fields);
    simple({kClothes, kDown, kUp, kHair, kHat, kGender});
  }
  return fields;
}

std::string four_digits(size_t person) {
  char text[16];
  std::snprintf(text, sizeof text, "%04zu", person);
  return text;
}

Variable index_cell(const std::vector<size_t>& people) {
  size_t size[2] = {1, people.size()};
  Variable cell = made(Mat_VarCreate("image_index", MAT_C_CELL, MAT_T_CELL, 2, size, nullptr, 0));
  for (size_t i = 0; i < people.size(); ++i) {
    std::string text = four_digits(people[i] + 1);
    size_t length[2] = {1, text.size()};
    Mat_VarSetCell(
        cell.get(), static_cast<int>(i),
        made(Mat_VarCreate(nullptr, MAT_C_CHAR, MAT_T_UINT8, 2, length, text.data(), 0)).release());
  }
  return cell;
}

Variable half(const std::vector<IdentityAttributes>& identities, bool train) {
  std::vector<size_t> people;  // persons with even numbers train; index 1 is person 2
  for (size_t i = train ? 1 : 0; i < identities.size(); i += 2) people.push_back(i);
  const std::vector<Field> fields = fields_of(train);
  std::vector<const char*> names;
  for (const Field& field : fields) names.push_back(field.name.c_str());
  names.push_back("image_index");
  size_t one[2] = {1, 1}, size[2] = {1, people.size()};
  Variable part = made(Mat_VarCreateStruct(train ? "train" : "test", 2, one, names.data(),
                                           static_cast<unsigned>(names.size())));
  for (const Field& field : fields) {
    std::vector<uint8_t> codes;
    for (const size_t person : people) {
      const int value = identities[person].annotated[field.attribute];
      codes.push_back(static_cast<uint8_t>(field.color < 0 ? value + 1 : value == field.color ? 2 : 1));
    }
    Variable row =
        made(Mat_VarCreate(field.name.c_str(), MAT_C_UINT8, MAT_T_UINT8, 2, size, codes.data(), 0));
    Mat_VarSetStructFieldByName(part.get(), field.name.c_str(), 0, row.release());
  }
  Mat_VarSetStructFieldByName(part.get(), "image_index", 0, index_cell(people).release());
  return part;
}

}  // namespace

std::vector<uint8_t> encode_jpeg(const std::vector<uint8_t>& rgb, int height, int width, int quality) {
  std::vector<uint8_t> bytes;
  const auto append = [](void* to, void* data, int size) {
    const auto* from = static_cast<const uint8_t*>(data);
    static_cast<std::vector<uint8_t>*>(to)->insert(static_cast<std::vector<uint8_t>*>(to)->end(), from,
                                                   from + size);
  };
  check(stbi_write_jpg_to_func(append, &bytes, width, height, 3, rgb.data(), quality) != 0,
        "a JPEG could not be encoded");
  return bytes;
}

void write_market_attributes(const std::string& path, const std::vector<IdentityAttributes>& identities) {
  const char* parts[] = {"test", "train"};
  size_t one[2] = {1, 1};
  Variable root = made(Mat_VarCreateStruct("market_attribute", 2, one, parts, 2));
  Mat_VarSetStructFieldByName(root.get(), "test", 0, half(identities, false).release());
  Mat_VarSetStructFieldByName(root.get(), "train", 0, half(identities, true).release());

  const std::string temporary = path + ".tmp";
  errno = 0;
  // The header is ours, since libmatio's holds the time and the same seed must give the same bytes.
  std::unique_ptr<mat_t, CloseFile> file(
      Mat_CreateVer(temporary.c_str(), "MATLAB 5.0 MAT-file, Saccade synthesize", MAT_FT_MAT5));
  if (!file) cannot_write(path, errno ? errno : EIO);
  bool written = Mat_VarWrite(file.get(), root.get(), MAT_COMPRESSION_NONE) == 0;
  file.reset();
  const int reason = errno ? errno : EIO;
  // libmatio does not say if there was no room for the last bytes, so the file is read back.
  if (written) {
    file.reset(Mat_Open(temporary.c_str(), MAT_ACC_RDONLY));
    const Variable back(file ? Mat_VarRead(file.get(), "market_attribute") : nullptr);
    written = back != nullptr && Mat_VarGetSize(back.get()) == Mat_VarGetSize(root.get());
    file.reset();
  }
  if (!written) {
    std::remove(temporary.c_str());
    throw Error(concat(path, ": writing failed: ", std::strerror(reason)));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int failure = errno;
    std::remove(temporary.c_str());
    cannot_write(path, failure);
  }
}

}  // namespace saccade::synthetic
