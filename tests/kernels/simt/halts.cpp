// tests/kernels under the memory checker end at the first finding, as there is no table of findings to fill.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:detect_stack_use_after_return=0";
}
extern "C" const char* __ubsan_default_options() {
  return "halt_on_error=1";
}
