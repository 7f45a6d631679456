#include "tensor/weights/pickle.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

namespace {

using Kind = PickleObject::Kind;

// How many objects a pickle may have, whatever its size: a ResNet-152 with the state of its optimizer has less than a
// tenth. A long one may have more, up to eight times as many.
constexpr size_t kLeast = 1 << 20;
constexpr size_t kMaxMarks = 1 << 10, kMaxGlobalName = 200;

enum class Callable : uint8_t {
  other,
  storage,
  ordered_dict,
  size,
  tensor,
  typed_tensor,
  parameter,
  from_type
};

struct GlobalRow {
  const char* module;
  const char* name;
  Callable callable;
  std::optional<FileType> type = {};  // storage: the type of its elements,
  uint8_t unread_size = 0;            // or where it is not read their size in bytes
  const char* unread_type = "";       // and its name
};

// Every global name that means something here. All others make opaque values.
constexpr GlobalRow kGlobals[] = {
    {"collections", "OrderedDict", Callable::ordered_dict},
    {"torch._utils", "_rebuild_tensor", Callable::tensor},
    {"torch._utils", "_rebuild_tensor_v2", Callable::tensor},
    {"torch._utils", "_rebuild_tensor_v3", Callable::typed_tensor},
    {"torch._utils", "_rebuild_parameter", Callable::parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Callable::parameter},
    {"torch._tensor", "_rebuild_from_type_v2", Callable::from_type},
    {"torch", "Size", Callable::size},
    {"torch", "FloatStorage", Callable::storage, FileType::f32},
    {"torch", "BFloat16Storage", Callable::storage, FileType::bf16},
    {"torch", "HalfStorage", Callable::storage, FileType::f16},
    {"torch", "DoubleStorage", Callable::storage, FileType::f64},
    {"torch", "LongStorage", Callable::storage, FileType::i64},
    {"torch", "IntStorage", Callable::storage, FileType::i32},
    {"torch", "ByteStorage", Callable::storage, FileType::u8},
    {"torch", "BoolStorage", Callable::storage, FileType::boolean},
    {"torch", "CharStorage", Callable::storage, {}, 1, "int8"},
    {"torch", "ShortStorage", Callable::storage, {}, 2, "int16"},
    {"torch", "ComplexFloatStorage", Callable::storage, {}, 8, "complex64"},
    {"torch", "ComplexDoubleStorage", Callable::storage, {}, 16, "complex128"},
    {"torch", "QInt8Storage", Callable::storage, {}, 1, "qint8"},
    {"torch", "QUInt8Storage", Callable::storage, {}, 1, "quint8"},
    {"torch", "QInt32Storage", Callable::storage, {}, 4, "qint32"},
    {"torch.storage", "UntypedStorage", Callable::storage, {}, 1, "bytes"},
};

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, const std::string& file)
      : pickle_(pickle), file_(file), most_(std::min(std::max(pickle.size() / 8, kLeast), 8 * kLeast)) {}

  PickleObjects run() {
    while (step()) {
    }
    require(marks_.empty() && stack_.size() == 1, "it stops with work left over");
    objects_.root = stack_[0];
    objects_.size = next_;
    return std::move(objects_);
  }

 private:
  template <class... Parts>
  void require(bool ok, const Parts&... parts) const {
    check_input(ok, file_, ": the pickle is damaged or not from torch.save, at its byte ", at_, ": ",
                parts...);
  }

  // A pickle that asks for more than a file of its size should is refused, and may be sound all the same.
  void limit(size_t count, const char* what) const {
    check_input(count <= most_, file_, ": its pickle has more than ", most_, " ", what,
                ", which is too much here");
  }

  // --- The bytes ---

  const std::byte* take(size_t count) {
    require(count <= pickle_.size() - next_, "it ends too early");
    const std::byte* bytes = pickle_.data() + next_;
    next_ += count;
    return bytes;
  }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }

  std::string_view text(size_t size) { return {reinterpret_cast<const char*>(take(size)), size}; }

  std::string_view line() {
    for (size_t size = 0; size <= kMaxGlobalName && next_ + size < pickle_.size(); ++size) {
      if (pickle_[next_ + size] != std::byte{'\n'}) continue;
      const std::string_view out = text(size);
      take(1);
      return out;
    }
    require(false, "a line that does not end");
    return {};
  }

  void protocol() {
    const int version = number<uint8_t>();
    require(version >= 2 && version <= 5, "protocol ", version, ", where torch.save writes 2 to 5");
  }

  // The opcodes up to the next frame take this many bytes: nothing that a machine in memory needs to know.
  void frame() {
    const auto size = number<uint64_t>();
    require(size <= pickle_.size() - next_, "it ends too early");
  }

  // --- The objects and the stack ---

  void push(PickleObject object) {
    limit(objects_.all.size() + 1, "objects");
    stack_.push_back(static_cast<PickleRef>(objects_.all.size()));
    objects_.all.push_back(std::move(object));
  }

  void push(Kind kind, int64_t integer = 0) {
    PickleObject object;
    object.kind = kind;
    object.integer = integer;
    push(std::move(object));
  }

  void push_text(std::string_view value) {
    PickleObject object;
    object.kind = Kind::text;
    object.text = value;
    push(std::move(object));
  }

  void push_tuple(std::vector<PickleRef> items) {
    PickleObject object;
    object.kind = Kind::tuple;
    object.items = std::move(items);
    push(std::move(object));
  }

  void push_opaque(std::string_view module, std::string_view name) {
    PickleObject object;
    object.kind = Kind::opaque;
    object.text = module;
    object.name = name;
    push(std::move(object));
  }

  void push_opaque(const PickleObject& maker) {
    const std::string_view module = maker.text, name = maker.name;  // pushing may move the maker
    push_opaque(module, name);
  }

  void push_bytes(uint64_t size) {
    take(size);
    push_opaque("", "bytes");
  }

  void mark() {
    require(marks_.size() < kMaxMarks, "it nests deeper than ", kMaxMarks);
    marks_.push_back(stack_.size());
  }

  // Takes the top `count` entries of the stack, none from below the last mark.
  std::vector<PickleRef> pop(size_t count) {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    require(count <= stack_.size() - floor, "it takes from an empty stack");
    std::vector<PickleRef> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  std::vector<PickleRef> pop_to_mark() {
    require(!marks_.empty(), "a mark is missing");
    std::vector<PickleRef> items = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }

  // POP, which takes a mark where nothing lies above it.
  void pop_one() {
    if (marks_.empty() || stack_.size() > marks_.back()) {
      pop(1);
    } else {
      marks_.pop_back();
    }
  }

  PickleRef top() const {
    require(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "it takes from an empty stack");
    return stack_.back();
  }

  const PickleObject& at(PickleRef ref, Kind kind, const char* what) const {
    require(objects_[ref].kind == kind, what, " is of the wrong kind");
    return objects_[ref];
  }

  // Appends to the list or dictionary on top of the stack. An opaque value takes anything and keeps nothing.
  void extend(Kind kind, const std::vector<PickleRef>& items) {
    if (objects_[top()].kind == Kind::opaque) return;
    at(top(), kind, "what it adds to");
    require(kind == Kind::list || items.size() % 2 == 0, "a key without a value");
    auto& target = objects_.all[top()].items;
    target.insert(target.end(), items.begin(), items.end());
  }

  void put(uint32_t index) {
    limit(memo_.size() + 1, "remembered objects");
    memo_[index] = top();
  }

  void get(uint32_t index) {
    const auto found = memo_.find(index);
    require(found != memo_.end(), "it recalls an object that it never stored");
    stack_.push_back(found->second);
  }

  // --- Names and calls ---

  void push_global(std::string_view module, std::string_view name) {
    PickleObject object;
    object.kind = Kind::global;
    object.text = module;
    object.name = name;
    object.integer = -1;
    for (size_t i = 0; i < std::size(kGlobals); ++i) {
      if (module == kGlobals[i].module && name == kGlobals[i].name) object.integer = static_cast<int64_t>(i);
    }
    push(std::move(object));
  }

  void global() {
    const std::string_view module = line(), name = line();
    push_global(module, name);
  }

  void stack_global() {
    const std::vector<PickleRef> parts = pop(2);
    const std::string_view module = at(parts[0], Kind::text, "a module's name").text;
    push_global(module, at(parts[1], Kind::text, "a global name").text);
  }

  // Null for a name that the table does not have.
  const GlobalRow* row(const PickleObject& object) const {
    return object.kind == Kind::global && object.integer >= 0 ? &kGlobals[object.integer] : nullptr;
  }

  // ('storage', type, key, device, number of elements[, view]), where a view is None or (key, first element, size);
  // the format before PyTorch 1.6 also writes ('module', class, source file, source).
  void persistent_id() {
    const std::vector<PickleRef>& id = at(pop(1)[0], Kind::tuple, "a storage's description").items;
    require(id.size() >= 2, "a storage's description has the wrong form");
    const std::string_view what = at(id[0], Kind::text, "a storage's description").text;
    const PickleObject& type = at(id[1], Kind::global, "a storage's type");
    if (what == "module") return push_opaque(type);
    require(what == "storage" && (id.size() == 5 || id.size() == 6),
            "a storage's description has the wrong form");
    const GlobalRow* known = row(type);
    require(!known || known->callable == Callable::storage, "a storage's type is none");
    PickleObject storage;
    storage.kind = Kind::storage;
    storage.name = known ? known->unread_type : type.name;
    if (known) storage.type = known->type;
    if (known)
      storage.element_size = known->type ? static_cast<uint8_t>(file_size(*known->type)) : known->unread_size;
    storage.text = at(id[2], Kind::text, "a storage's key").text;
    storage.integer = at(id[4], Kind::integer, "a storage's size").integer;
    if (id.size() == 6 && objects_[id[5]].kind != Kind::none) {
      const std::vector<PickleRef>& view = at(id[5], Kind::tuple, "a storage's view").items;
      require(view.size() == 3, "a storage's view has the wrong form");
      at(view[1], Kind::integer, "a view's first element");
      at(view[2], Kind::integer, "a view's size");
      storage.items = {view[1], view[2]};
    }
    push(std::move(storage));
  }

  // (storage, offset, shape, strides[, requires_grad, hooks[, metadata]]), or with a type:
  // (storage, offset, shape, strides, requires_grad, hooks, type[, metadata])
  void rebuild_tensor(const PickleObject& maker, const std::vector<PickleRef>& arguments) {
    const bool typed = row(maker)->callable == Callable::typed_tensor;
    const size_t count = arguments.size();
    require(typed ? count == 7 || count == 8 : count == 4 || count == 6 || count == 7, "a tensor has ", count,
            " arguments");
    if (objects_[arguments[0]].kind == Kind::opaque) return push_opaque(maker);
    at(arguments[0], Kind::storage, "a tensor's storage");
    at(arguments[1], Kind::integer, "a tensor's offset");
    at(arguments[2], Kind::tuple, "a tensor's shape");
    at(arguments[3], Kind::tuple, "a tensor's strides");
    PickleObject tensor;
    tensor.kind = Kind::tensor;
    if (typed) tensor.name = at(arguments[6], Kind::global, "a tensor's type").name;
    tensor.items.assign(arguments.begin(), arguments.begin() + 4);
    push(std::move(tensor));
  }

  // Python 2 hands an OrderedDict its items as a list of pairs; Python 3 makes it empty and fills it.
  void ordered_dict(const std::vector<PickleRef>& arguments) {
    PickleObject dict;
    dict.kind = Kind::dict;
    if (!arguments.empty()) {
      const PickleObject& pairs = at(arguments[0], Kind::list, "the items of an OrderedDict");
      // A short pickle can name a long list again and again.
      copied_ += pairs.items.size();
      limit(copied_, "items of OrderedDicts");
      for (const PickleRef pair : pairs.items) {
        const PickleObject& item = objects_[pair];
        require((item.kind == Kind::list || item.kind == Kind::tuple) && item.items.size() == 2,
                "an item of an OrderedDict is no pair");
        dict.items.insert(dict.items.end(), item.items.begin(), item.items.end());
      }
    }
    push(std::move(dict));
  }

  // What a call gives, or the making of an object: they are the same to one who does neither.
  void call(PickleRef callee, PickleRef arguments_tuple) {
    const PickleObject& maker = maker_of(callee);
    const std::vector<PickleRef>& arguments =
        at(arguments_tuple, Kind::tuple, "the arguments of a call").items;
    const GlobalRow* known = row(maker);
    switch (known ? known->callable : Callable::other) {
      case Callable::ordered_dict:
        return ordered_dict(arguments);
      case Callable::size:
        require(arguments.size() == 1, "a Size without its one argument");
        at(arguments[0], Kind::tuple, "the argument of a Size");
        return stack_.push_back(arguments[0]);
      case Callable::tensor:
      case Callable::typed_tensor:
        return rebuild_tensor(maker, arguments);
      case Callable::parameter:  // (data, requires_grad, hooks[, attributes])
        require(arguments.size() == 3 || arguments.size() == 4, "a parameter has ", arguments.size(),
                " arguments");
        require(objects_[arguments[0]].kind == Kind::tensor || objects_[arguments[0]].kind == Kind::opaque,
                "a parameter's data is of the wrong kind");
        return stack_.push_back(arguments[0]);
      case Callable::from_type: {  // (function, class, arguments, attributes): a tensor with attributes
        require(arguments.size() == 4, "a tensor of a class has ", arguments.size(), " arguments");
        const PickleObject& function = objects_[arguments[0]];
        const GlobalRow* rebuild = row(function);
        if (!rebuild ||
            (rebuild->callable != Callable::tensor && rebuild->callable != Callable::typed_tensor)) {
          return push_opaque(maker);
        }
        return rebuild_tensor(function, at(arguments[2], Kind::tuple, "the arguments of a tensor").items);
      }
      case Callable::storage:
      case Callable::other:
        return push_opaque(maker);
    }
  }

  void reduce() {
    const std::vector<PickleRef> parts = pop(2);
    call(parts[0], parts[1]);
  }

  // NEWOBJ_EX has keywords, which nothing that is read here takes.
  void new_object_with_keywords() { push_opaque(maker_of(pop(3)[0])); }

  void instance() {
    const std::string_view module = line(), name = line();
    pop_to_mark();
    push_opaque(module, name);
  }

  void object() {
    const std::vector<PickleRef> parts = pop_to_mark();
    require(!parts.empty(), "it takes from an empty stack");
    push_opaque(maker_of(parts[0]));
  }

  const PickleObject& maker_of(PickleRef ref) const {
    const PickleObject& maker = objects_[ref];
    require(maker.kind == Kind::global || maker.kind == Kind::opaque, "what it calls is of the wrong kind");
    return maker;
  }

  // A state dictionary carries the versions of its modules as an attribute, which nobody needs here; nor does
  // anybody need the state of an opaque value.
  void build() {
    pop(1);
    const Kind kind = objects_[top()].kind;
    require(kind == Kind::dict || kind == Kind::opaque || kind == Kind::tensor,
            "what gets attributes is of the wrong kind");
  }

  void add_items() {
    pop_to_mark();
    at(top(), Kind::opaque, "what it adds to");
  }

  void frozen_set() {
    pop_to_mark();
    push_opaque("", "frozenset");
  }

  void long_number(int64_t size) {
    require(size >= 0, "a whole number of ", size, " bytes");
    const std::byte* bytes = take(static_cast<size_t>(size));
    if (size > 8) return push_opaque("", "int");
    uint64_t value = size > 0 && (bytes[size - 1] & std::byte{0x80}) != std::byte{0} ? ~uint64_t{0} : 0;
    std::memcpy(&value, bytes, static_cast<size_t>(size));
    push(Kind::integer, static_cast<int64_t>(value));
  }

  // INT, the one opcode of text in a binary pickle: Python 2 writes what 32 bits do not hold like this.
  void decimal() {
    const std::string_view digits = line();
    if (digits == "00" || digits == "01") return push(Kind::boolean, digits == "01");
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    require(end == digits.data() + digits.size() && error != std::errc::invalid_argument,
            "a whole number that is none");
    if (error == std::errc::result_out_of_range) return push_opaque("", "int");
    push(Kind::integer, value);
  }

  void binfloat() {
    uint64_t word = 0;
    const std::byte* bytes = take(8);  // the one big-endian value
    for (int i = 0; i < 8; ++i) word = word << 8 | static_cast<uint64_t>(bytes[i]);
    PickleObject object;
    object.kind = Kind::real;
    object.real = std::bit_cast<double>(word);
    push(std::move(object));
  }

  // Runs one opcode. False at the end.
  bool step() {
    at_ = next_;
    const auto opcode = number<uint8_t>();
    // clang-format off
    switch (opcode) {
      case 0x80: protocol(); break;                                   // PROTO
      case 0x95: frame(); break;                                      // FRAME
      case 'N': push(Kind::none); break;                              // NONE
      case 0x88: push(Kind::boolean, 1); break;                       // NEWTRUE
      case 0x89: push(Kind::boolean, 0); break;                       // NEWFALSE
      case 'I': decimal(); break;                                     // INT
      case 'J': push(Kind::integer, number<int32_t>()); break;        // BININT
      case 'K': push(Kind::integer, number<uint8_t>()); break;        // BININT1
      case 'M': push(Kind::integer, number<uint16_t>()); break;       // BININT2
      case 0x8a: long_number(number<uint8_t>()); break;               // LONG1
      case 0x8b: long_number(number<int32_t>()); break;               // LONG4
      case 'G': binfloat(); break;                                    // BINFLOAT
      case 'U': push_text(text(number<uint8_t>())); break;            // SHORT_BINSTRING
      case 'T': push_text(text(number<uint32_t>())); break;           // BINSTRING
      case 0x8c: push_text(text(number<uint8_t>())); break;           // SHORT_BINUNICODE
      case 'X': push_text(text(number<uint32_t>())); break;           // BINUNICODE
      case 0x8d: push_text(text(number<uint64_t>())); break;          // BINUNICODE8
      case 'C': push_bytes(number<uint8_t>()); break;                 // SHORT_BINBYTES
      case 'B': push_bytes(number<uint32_t>()); break;                // BINBYTES
      case 0x8e: push_bytes(number<uint64_t>()); break;               // BINBYTES8
      case 0x96: push_bytes(number<uint64_t>()); break;               // BYTEARRAY8
      case 0x97: push_opaque("", "buffer"); break;                    // NEXT_BUFFER
      case 0x98: top(); break;                                        // READONLY_BUFFER
      case '}': push(Kind::dict); break;                              // EMPTY_DICT
      case ']': push(Kind::list); break;                              // EMPTY_LIST
      case ')': push(Kind::tuple); break;                             // EMPTY_TUPLE
      case 0x8f: push_opaque("", "set"); break;                       // EMPTY_SET
      case 0x85: push_tuple(pop(1)); break;                           // TUPLE1
      case 0x86: push_tuple(pop(2)); break;                           // TUPLE2
      case 0x87: push_tuple(pop(3)); break;                           // TUPLE3
      case '(': mark(); break;                                        // MARK
      case '0': pop_one(); break;                                     // POP
      case '1': pop_to_mark(); break;                                 // POP_MARK
      case '2': stack_.push_back(top()); break;                       // DUP
      case 't': push_tuple(pop_to_mark()); break;                     // TUPLE
      case 0x91: frozen_set(); break;                                 // FROZENSET
      case 'a': extend(Kind::list, pop(1)); break;                    // APPEND
      case 'e': extend(Kind::list, pop_to_mark()); break;             // APPENDS
      case 's': extend(Kind::dict, pop(2)); break;                    // SETITEM
      case 'u': extend(Kind::dict, pop_to_mark()); break;             // SETITEMS
      case 0x90: add_items(); break;                                  // ADDITEMS
      case 'q': put(number<uint8_t>()); break;                        // BINPUT
      case 'r': put(number<uint32_t>()); break;                       // LONG_BINPUT
      case 0x94: put(static_cast<uint32_t>(memo_.size())); break;     // MEMOIZE
      case 'h': get(number<uint8_t>()); break;                        // BINGET
      case 'j': get(number<uint32_t>()); break;                       // LONG_BINGET
      case 'c': global(); break;                                      // GLOBAL
      case 0x93: stack_global(); break;                               // STACK_GLOBAL
      case 0x82: take(1); push_opaque("", "extension"); break;        // EXT1
      case 0x83: take(2); push_opaque("", "extension"); break;        // EXT2
      case 0x84: take(4); push_opaque("", "extension"); break;        // EXT4
      case 'Q': persistent_id(); break;                               // BINPERSID
      case 'R': reduce(); break;                                      // REDUCE
      case 0x81: reduce(); break;                                     // NEWOBJ
      case 0x92: new_object_with_keywords(); break;                   // NEWOBJ_EX
      case 'i': instance(); break;                                    // INST
      case 'o': object(); break;                                      // OBJ
      case 'b': build(); break;                                       // BUILD
      case '.': return false;                                         // STOP
      default: require(false, "the opcode ", int{opcode}, ", which the protocols 2 to 5 do not write");
    }
    // clang-format on
    return true;
  }

  std::span<const std::byte> pickle_;
  const std::string& file_;
  const size_t most_;         // objects
  size_t next_ = 0, at_ = 0;  // the byte to read, the byte of this opcode
  PickleObjects objects_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // the stack's size at each open mark
  std::unordered_map<uint32_t, PickleRef> memo_;
  size_t copied_ = 0;  // items of OrderedDicts that came as lists
};

}  // namespace

PickleObjects read_pickle(std::span<const std::byte> bytes, const std::string& file) {
  return Machine(bytes, file).run();
}

}  // namespace saccade
