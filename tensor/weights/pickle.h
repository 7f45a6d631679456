// A pickle machine that cannot run anything. Of Python's objects it knows None, booleans, whole and real
// numbers, text, tuples, lists and dictionaries; of PyTorch's it knows tensors and the storages that they
// look at. It follows the protocol 2 that torch.save writes; every other opcode and every other global name
// is refused with an InputError. The opcodes are those of Python's Lib/pickletools.py.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/weights/file_type.h"

namespace saccade {

// Objects refer to each other by their place in PickleObjects, so that a list that holds itself leaks nothing
// and no destructor recurses.
using PickleRef = uint32_t;

struct PickleObject {
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    tuple,
    list,
    dict,
    global,
    storage,
    tensor
  };

  Kind kind = Kind::none;
  FileType type = FileType::f32;  // storage: the type of its elements
  int64_t integer = 0;  // boolean, integer; storage: number of elements; global: its place in the table
  double real = 0;
  std::string_view text;  // text; storage: its key
  std::vector<PickleRef>
      items;  // tuple, list; dict: key, value, key, value, ...; tensor: storage, offset, shape, strides
};

struct PickleObjects {
  std::vector<PickleObject> all;
  PickleRef root = 0;

  const PickleObject& operator[](PickleRef ref) const { return all[ref]; }
};

// `pickle` must outlive the result, whose texts point into it. `file` is the path for messages. InputError,
// in one line, for a pickle that is damaged or needs more than this machine has.
PickleObjects read_pickle(std::span<const std::byte> pickle, const std::string& file);

}  // namespace saccade
