// A pickle machine that cannot run anything. Of Python's objects it knows None, booleans, whole and real
// numbers, text, tuples, lists and dictionaries; of PyTorch's it knows tensors and the storages that they
// look at. Whatever else a pickle may build (an object of some class, the result of a call, a set, bytes, a
// whole number beyond 64 bits) becomes an opaque value, which keeps the name of what made it and nothing more:
// nothing is imported or called, and the arguments and the state of the object are dropped. It follows the
// protocols 2 to 5 with the opcodes of Python's Lib/pickletools.py; torch.save writes 2 unless it is told
// otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
    opaque,
    storage,
    tensor
  };

  Kind kind = Kind::none;
  std::optional<FileType> type;  // storage: the type of its elements, if it is one that is read
  uint8_t element_size = 0;      // storage: bytes of an element in the file, 0 if nobody knows
  int64_t integer = 0;  // boolean, integer; storage: number of elements; global: its place in the table or -1
  double real = 0;
  std::string_view text;  // text; storage: its key; global, opaque: the module of its name, if it has one
  std::string_view
      name;  // global, opaque: its name; storage, tensor: the type of its elements where it is not read
  std::vector<PickleRef> items;  // tuple, list; dict: key, value, key, value, ...; tensor: storage, offset,
                                 // shape, strides; storage that is a view of its key's: first element, size
};

struct PickleObjects {
  std::vector<PickleObject> all;
  PickleRef root = 0;
  size_t size = 0;  // bytes of the pickle; more may follow it

  const PickleObject& operator[](PickleRef ref) const { return all[ref]; }
};

// Reads the pickle at the front of `bytes`, which must outlive the result, whose texts point into it. `file` is
// the path for messages. InputError, in one line, for a pickle that is damaged or needs more than this machine
// has.
PickleObjects read_pickle(std::span<const std::byte> bytes, const std::string& file);

}  // namespace saccade
