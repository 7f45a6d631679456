#include "tensor/weights/pickle.h"

#include <bit>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "kernels/common/error.h"
#include "tensor/weights/weight_file.h"

namespace saccade {

namespace {

using Kind = PickleObject::Kind;

// A ResNet-152 with the state of its optimizer needs less than a tenth of these.
constexpr size_t kMaxObjects = 1 << 20, kMaxMemo = 1 << 20, kMaxMarks = 1 << 10, kMaxGlobalName = 200;

enum class Callable : uint8_t { storage, ordered_dict, size, tensor, parameter };

struct GlobalRow {
  const char* module;
  const char* name;
  Callable callable;
  FileType type = FileType::f32;  // of a storage
};

// Every global name that a file may use.
constexpr GlobalRow kGlobals[] = {
    {"collections", "OrderedDict", Callable::ordered_dict},
    {"torch._utils", "_rebuild_tensor_v2", Callable::tensor},
    {"torch._utils", "_rebuild_parameter", Callable::parameter},
    {"torch", "Size", Callable::size},
    {"torch", "FloatStorage", Callable::storage, FileType::f32},
    {"torch", "BFloat16Storage", Callable::storage, FileType::bf16},
    {"torch", "HalfStorage", Callable::storage, FileType::f16},
    {"torch", "DoubleStorage", Callable::storage, FileType::f64},
    {"torch", "LongStorage", Callable::storage, FileType::i64},
    {"torch", "IntStorage", Callable::storage, FileType::i32},
    {"torch", "ByteStorage", Callable::storage, FileType::u8},
    {"torch", "BoolStorage", Callable::storage, FileType::boolean},
};

class Machine {
 public:
  Machine(std::span<const std::byte> pickle, const std::string& file) : pickle_(pickle), file_(file) {}

  PickleObjects run() {
    while (step()) {
    }
    require(marks_.empty() && stack_.size() == 1, "it stops with work left over");
    objects_.root = stack_[0];
    return std::move(objects_);
  }

 private:
  template <class... Parts>
  void require(bool ok, const Parts&... parts) const {
    check_input(ok, file_, ": the pickle is damaged or not from torch.save, at its byte ", at_, ": ",
                parts...);
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
    require(false, "a name that does not end");
    return {};
  }

  void protocol() {
    const int version = number<uint8_t>();
    require(version == 2, "protocol ", version, ", where torch.save writes 2");
  }

  // --- The objects and the stack ---

  void push(PickleObject object) {
    require(objects_.all.size() < kMaxObjects, "more than ", kMaxObjects, " objects");
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

  PickleRef top() const {
    require(stack_.size() > (marks_.empty() ? 0 : marks_.back()), "it takes from an empty stack");
    return stack_.back();
  }

  const PickleObject& at(PickleRef ref, Kind kind, const char* what) const {
    require(objects_[ref].kind == kind, what, " is of the wrong kind");
    return objects_[ref];
  }

  // Appends to the list or dictionary on top of the stack.
  void extend(Kind kind, const std::vector<PickleRef>& items) {
    at(top(), kind, "what it adds to");
    require(kind == Kind::list || items.size() % 2 == 0, "a key without a value");
    auto& target = objects_.all[top()].items;
    target.insert(target.end(), items.begin(), items.end());
  }

  void put(uint32_t index) {
    require(memo_.size() < kMaxMemo, "more than ", kMaxMemo, " remembered objects");
    memo_[index] = top();
  }

  void get(uint32_t index) {
    const auto found = memo_.find(index);
    require(found != memo_.end(), "it recalls an object that it never stored");
    stack_.push_back(found->second);
  }

  // --- Names and calls ---

  void global() {
    const std::string_view module = line(), name = line();
    for (size_t i = 0; i < std::size(kGlobals); ++i) {
      if (module == kGlobals[i].module && name == kGlobals[i].name) {
        return push(Kind::global, static_cast<int64_t>(i));
      }
    }
    throw InputError(
        concat(file_, ": it asks for ", printable(std::string(module) + "." + std::string(name)),
               ", which is neither a tensor nor a container; only those are read, and nothing is run "
               "(save the model's state_dict)"));
  }

  const GlobalRow& row(PickleRef ref) const {
    return kGlobals[static_cast<size_t>(at(ref, Kind::global, "what it calls").integer)];
  }

  // ('storage', type, key, device, number of elements)
  void persistent_id() {
    const std::vector<PickleRef> id = at(pop(1)[0], Kind::tuple, "a storage's description").items;
    require(id.size() == 5 && at(id[0], Kind::text, "a storage's description").text == "storage",
            "a storage's description has the wrong form");
    const GlobalRow& type = row(id[1]);
    require(type.callable == Callable::storage, "a storage's type is none");
    PickleObject storage;
    storage.kind = Kind::storage;
    storage.type = type.type;
    storage.text = at(id[2], Kind::text, "a storage's key").text;
    storage.integer = at(id[4], Kind::integer, "a storage's size").integer;
    push(std::move(storage));
  }

  // (storage, offset, shape, strides, requires_grad, hooks[, metadata])
  void rebuild_tensor(const std::vector<PickleRef>& arguments) {
    require(arguments.size() == 6 || arguments.size() == 7, "a tensor has ", arguments.size(), " arguments");
    at(arguments[0], Kind::storage, "a tensor's storage");
    at(arguments[1], Kind::integer, "a tensor's offset");
    at(arguments[2], Kind::tuple, "a tensor's shape");
    at(arguments[3], Kind::tuple, "a tensor's strides");
    PickleObject tensor;
    tensor.kind = Kind::tensor;
    tensor.items.assign(arguments.begin(), arguments.begin() + 4);
    push(std::move(tensor));
  }

  void reduce() {
    const std::vector<PickleRef> call = pop(2);
    const GlobalRow& callee = row(call[0]);
    const std::vector<PickleRef> arguments = at(call[1], Kind::tuple, "the arguments of a call").items;
    switch (callee.callable) {
      case Callable::ordered_dict:
        require(arguments.empty(), "an OrderedDict with arguments");
        return push(Kind::dict);
      case Callable::size:
        require(arguments.size() == 1, "a Size without its one argument");
        at(arguments[0], Kind::tuple, "the argument of a Size");
        return stack_.push_back(arguments[0]);
      case Callable::tensor:
        return rebuild_tensor(arguments);
      case Callable::parameter:  // (data, requires_grad, hooks)
        require(arguments.size() == 3, "a parameter has ", arguments.size(), " arguments");
        at(arguments[0], Kind::tensor, "a parameter's data");
        return stack_.push_back(arguments[0]);
      case Callable::storage:
        break;
    }
    require(false, "it calls a storage's type");
  }

  // A state dictionary carries the versions of its modules as an attribute, which nobody needs here.
  void build() {
    pop(1);
    at(top(), Kind::dict, "what gets attributes");
  }

  void long1() {
    const auto size = number<uint8_t>();
    require(size <= 8, "a whole number beyond 64 bits");
    const std::byte* bytes = take(size);
    uint64_t value = size > 0 && (bytes[size - 1] & std::byte{0x80}) != std::byte{0} ? ~uint64_t{0} : 0;
    std::memcpy(&value, bytes, size);
    push(Kind::integer, static_cast<int64_t>(value));
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
      case 0x80: protocol(); break;                              // PROTO
      case 'N': push(Kind::none); break;                         // NONE
      case 0x88: push(Kind::boolean, 1); break;                  // NEWTRUE
      case 0x89: push(Kind::boolean, 0); break;                  // NEWFALSE
      case 'J': push(Kind::integer, number<int32_t>()); break;   // BININT
      case 'K': push(Kind::integer, number<uint8_t>()); break;   // BININT1
      case 'M': push(Kind::integer, number<uint16_t>()); break;  // BININT2
      case 0x8a: long1(); break;                                 // LONG1
      case 'G': binfloat(); break;                               // BINFLOAT
      case 'X': push_text(text(number<uint32_t>())); break;      // BINUNICODE
      case '}': push(Kind::dict); break;                         // EMPTY_DICT
      case ']': push(Kind::list); break;                         // EMPTY_LIST
      case ')': push(Kind::tuple); break;                        // EMPTY_TUPLE
      case 0x85: push_tuple(pop(1)); break;                      // TUPLE1
      case 0x86: push_tuple(pop(2)); break;                      // TUPLE2
      case 0x87: push_tuple(pop(3)); break;                      // TUPLE3
      case '(': mark(); break;                                   // MARK
      case 't': push_tuple(pop_to_mark()); break;                // TUPLE
      case 'a': extend(Kind::list, pop(1)); break;               // APPEND
      case 'e': extend(Kind::list, pop_to_mark()); break;        // APPENDS
      case 's': extend(Kind::dict, pop(2)); break;               // SETITEM
      case 'u': extend(Kind::dict, pop_to_mark()); break;        // SETITEMS
      case 'q': put(number<uint8_t>()); break;                   // BINPUT
      case 'r': put(number<uint32_t>()); break;                  // LONG_BINPUT
      case 'h': get(number<uint8_t>()); break;                   // BINGET
      case 'j': get(number<uint32_t>()); break;                  // LONG_BINGET
      case 'c': global(); break;                                 // GLOBAL
      case 'Q': persistent_id(); break;                          // BINPERSID
      case 'R': reduce(); break;                                 // REDUCE
      case 'b': build(); break;                                  // BUILD
      case '.': return false;                                    // STOP
      default: require(false, "the opcode ", int{opcode}, ", which no file of tensors needs");
    }
    // clang-format on
    return true;
  }

  std::span<const std::byte> pickle_;
  const std::string& file_;
  size_t next_ = 0, at_ = 0;  // the byte to read, the byte of this opcode
  PickleObjects objects_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // the stack's size at each open mark
  std::unordered_map<uint32_t, PickleRef> memo_;
};

}  // namespace

PickleObjects read_pickle(std::span<const std::byte> pickle, const std::string& file) {
  return Machine(pickle, file).run();
}

}  // namespace saccade
