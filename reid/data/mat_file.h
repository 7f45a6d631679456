// The values of a MATLAB v5 file (.mat) that lists of labels need: numbers, text, cells and structs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace saccade {

struct MatValue {
  enum class Kind { numbers, text, cells, structure, other };
  Kind kind = Kind::other;      // other: what is not read (complex, sparse, objects, arrays of structs, ...)
  size_t count = 0;             // the product of the dimensions
  std::vector<double> numbers;  // [count], column by column
  std::string text;             // [count]; a character beyond ASCII is '?'
  std::vector<MatValue> parts;  // [count] cells, or the fields of one struct
  std::vector<std::string> names;  // of the fields

  // The field of this name, or null if this is no struct with that field.
  const MatValue* field(const std::string& name) const;
};

// A file as the struct of its variables. Everything is checked before it is used, whatever the bytes are; the
// layout is that of "MAT-File Format", The MathWorks, chapter 1. InputError names the file and what is wrong:
// it cannot be opened, is not v5, is truncated, has a length beyond its element, dimensions that do not fit
// their data, a damaged zlib stream, more than 16 MiB (packed or unpacked), or deep nesting.
MatValue read_mat_file(const std::string& path);

// The same from memory; `name` stands for the path in messages.
MatValue parse_mat_file(std::span<const std::byte> bytes, const std::string& name);

}  // namespace saccade
