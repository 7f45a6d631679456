#include "kernels/simt/checker.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "kernels/simt/memory.h"
#include "kernels/simt/simt.h"

#ifdef SACCADE_SIMT_RACE
#include <sys/mman.h>
#include <unistd.h>
// These functions of ThreadSanitizer's runtime tell it that memory begins a new life at the same address.
extern "C" void __tsan_java_init(uintptr_t begin, uintptr_t bytes);
extern "C" void __tsan_java_alloc(uintptr_t begin, uintptr_t bytes);
extern "C" void __tsan_java_free(uintptr_t begin, uintptr_t bytes);
#endif
#ifdef SACCADE_SIMT_MEMORY
#include <sanitizer/asan_interface.h>
#endif

namespace saccade::simt {

namespace {

// Fills memory without memset, in which ThreadSanitizer would see a write of the host,
// unordered with the block before.
[[maybe_unused]] void poison(char* begin, char* end) {
  auto bytes = static_cast<size_t>(end - begin);
  asm volatile("rep stosb" : "+D"(begin), "+c"(bytes) : "a"(kPoison) : "memory");
}

}  // namespace

// --- Buffers ---

void* allocate(size_t alignment, size_t bytes) {
  void* data = nullptr;
  const size_t padded = (bytes + alignment - 1) / alignment * alignment;
  const size_t size = kSeparateBuffers ? bytes : padded;
  if (posix_memalign(&data, alignment, size > 0 ? size : 1) != 0) return nullptr;
  if (kSeparateBuffers) std::memset(data, kPoison, bytes);
  return data;
}

bool separate_buffers() {
  return kSeparateBuffers;
}

// --- Shared memory ---

#ifdef SACCADE_SIMT_MEMORY

namespace {

// An entry of AddressSanitizer's list of global variables, in the program's section asan_globals. The
// kernels' shared arrays are those that a function of a .cu file or of a header of kernels/ holds: all other
// globals there have a qualified name.
struct Global {
  char* begin;
  size_t bytes, bytes_with_redzone;
  const char *name, *module;
  uintptr_t has_constructor;
  struct Location {
    const char* file;
    int line, column;
  } * location;
  uintptr_t indicator;
};
extern "C" char __data_start[], _end[];  // the ends of the memory that can be written
extern "C" __attribute__((weak, visibility("hidden"))) Global __start_asan_globals[], __stop_asan_globals[];

bool is_shared_array(const Global& global) {
  const size_t length = std::strlen(global.module);
  const bool kernel = length > 3 && std::strcmp(global.module + length - 3, ".cu") == 0;
  const bool writable = global.begin >= __data_start && global.begin < _end;
  return kernel && writable && global.location != nullptr && std::strstr(global.name, "::") == nullptr &&
         global.name[0] != '<' && global.name[0] != '.';
}

}  // namespace

void checker::fresh_shared_memory(void* dynamic, size_t bytes) {
  static const std::vector<std::pair<char*, size_t>> arrays = [] {
    std::vector<std::pair<char*, size_t>> found;
    for (const Global* global = __start_asan_globals; global != __stop_asan_globals; ++global)
      if (is_shared_array(*global)) found.emplace_back(global->begin, global->bytes);
    return found;
  }();
  for (const auto& [begin, size] : arrays) poison(begin, begin + size);
  poison(static_cast<char*>(dynamic), static_cast<char*>(dynamic) + bytes);
}

#else

// The linker's names for the two ends of the section.
extern "C" char __start_simt_shared[], __stop_simt_shared[];

void checker::fresh_shared_memory(void* dynamic, size_t bytes) {
#ifdef SACCADE_SIMT_RACE
  const auto begin = reinterpret_cast<uintptr_t>(__start_simt_shared) / 16 * 16;
  const size_t whole = (reinterpret_cast<uintptr_t>(__stop_simt_shared) - begin + 15) / 16 * 16;
  static const bool once = (__tsan_java_init(begin, whole), false);
  if (once) return;  // never: the variable only has to be initialized
  __tsan_java_free(begin, whole);
  __tsan_java_alloc(begin, whole);
#endif
  char* const first = static_cast<char*>(dynamic);
  poison(__start_simt_shared, first);
  poison(first, first + bytes);
  poison(first + kMostShared, __stop_simt_shared);
}

#endif

// --- Findings ---

const char* checker_name() {
#if defined(SACCADE_SIMT_RACE)
  return "race";
#elif defined(SACCADE_SIMT_MEMORY)
  return "memory";
#elif defined(SACCADE_SIMT_TRAFFIC)
  return "traffic";
#else
  return "";
#endif
}

#if defined(SACCADE_SIMT_RACE)

namespace {

// ThreadSanitizer writes its reports here.
int report_file() {
  static const int file = [] {
    const int made = memfd_create("simt_races", 0);
    __sanitizer_set_report_fd(reinterpret_cast<void*>(static_cast<intptr_t>(made)));
    return made;
  }();
  return file;
}
[[maybe_unused]] const int opened = report_file();

}  // namespace

std::vector<std::string> take_findings() {
  static off_t read_so_far = 0;
  std::string text;
  char part[4096];
  for (ssize_t n; (n = pread(report_file(), part, sizeof part, read_so_far)) > 0; read_so_far += n)
    text.append(part, static_cast<size_t>(n));
  std::vector<std::string> findings;
  const std::string head = "WARNING: ThreadSanitizer";
  for (size_t at = text.find(head); at != std::string::npos;) {
    const size_t next = text.find(head, at + 1);
    findings.push_back(text.substr(at, next == std::string::npos ? next : next - at));
    at = next;
  }
  return findings;
}

#elif defined(SACCADE_SIMT_MEMORY)

namespace {

std::vector<std::string>& findings() {
  static std::vector<std::string> all;
  return all;
}
[[maybe_unused]] const bool listens =
    (__asan_set_error_report_callback([](const char* text) { findings().emplace_back(text); }), true);

}  // namespace

std::vector<std::string> take_findings() {
  return std::exchange(findings(), {});
}

// UndefinedBehaviorSanitizer calls __ubsan_on_report at each finding; the other function returns its text.
extern "C" void __ubsan_get_current_report_data(const char** kind, const char** message, const char** file,
                                                unsigned* line, unsigned* column, char** address);
extern "C" void __ubsan_on_report() {
  const char *kind = nullptr, *message = nullptr, *file = nullptr;
  char* address = nullptr;
  unsigned line = 0, column = 0;
  __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
  findings().push_back(concat(message, "\n    #0 ", file, ":", line, ":", column));
}

#else

std::vector<std::string> take_findings() {
  return {};
}

#endif

}  // namespace saccade::simt
