#include "tests/fuzz/weight_entries.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  saccade::enter_legacy(std::as_bytes(std::span(data, size)));
  return 0;
}
