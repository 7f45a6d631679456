#!/usr/bin/env bash
# Sets up, builds and tests. Without an option: what CI runs, which is the release build and the readers of files under
# AddressSanitizer + UBSan. --all adds the seven GPU architectures, the debug build, all tests under the sanitizers
# (ThreadSanitizer too, which sees the loader and other threads), the fuzzers, and the build without oneDNN.
# A part that is missing (a test program, nvcc under --all) fails; nothing is skipped in silence.
set -euo pipefail
cd "$(dirname "$0")/.."

usage="usage: tests/run.sh [--all] [--without-cuda] [--jobs N]"
all=no cuda=yes jobs=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=yes ;;
    --without-cuda) cuda=no ;;
    --jobs) jobs=${2:?$usage}; shift ;;
    --help) echo "$usage"; exit 0 ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  shift
done

# Every room of tests/ that holds programs of its own; one that ctest does not know is a failure.
rooms="autograd kernels layers reid tensor tools"

parts=() # what passed, for the last lines
say() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
fail() { printf 'tests/run.sh: %s\n' "$1" >&2; exit 1; }

PATH="$PATH:/usr/local/cuda/bin"
has_nvcc=no
if command -v nvcc >/dev/null; then has_nvcc=yes; fi
options=()
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
fi

# build FOLDER PRESET TARGETS [OPTION...]: configures the preset in build/FOLDER and builds the targets ("all",
# "test_tensor test_reid").
build() {
  local folder=$1 preset=$2 targets=$3
  shift 3
  say "$folder: build"
  cmake --preset "$preset" -B "build/$folder" "${options[@]}" "$@" >"build/$folder.log" 2>&1 || {
    cat "build/$folder.log" >&2
    fail "$folder does not configure"
  }
  if grep -q "without the simt device" "build/$folder.log"; then fail "$folder builds without the simt device"; fi
  # shellcheck disable=SC2086 # a list of words
  cmake --build "build/$folder" --parallel "$jobs" --target $targets || fail "$folder does not build"
}

# run_tests FOLDER ROOMS: the tests of these rooms of tests/, each of which must be there.
run_tests() {
  local folder=$1 rooms=$2 room known
  say "$folder: tests of $rooms"
  known=$(ctest --test-dir "build/$folder" --show-only)
  for room in $rooms; do
    grep -Eq ": $room\$" <<<"$known" || fail "$folder has no tests of tests/$room"
  done
  ctest --test-dir "build/$folder" --output-on-failure --no-tests=error --timeout 2400 --parallel "$jobs" \
    --tests-regex "^(${rooms// /|})\$" || fail "$folder: tests failed"
  parts+=("$folder ($rooms)")
}

run_fuzzers() {
  say "fuzzers: build"
  cmake --preset debug -B build/fuzz -DSACCADE_FUZZ=ON -DSACCADE_SIMT=OFF -DCMAKE_C_COMPILER=clang \
    -DCMAKE_CXX_COMPILER=clang++ "${options[@]}" >build/fuzz.log 2>&1 || { cat build/fuzz.log >&2; fail "the fuzzers do not configure"; }
  local source name
  for source in tests/fuzz/fuzz_*.cpp; do
    [ -e "$source" ] || fail "tests/fuzz holds no fuzzer"
    name=$(basename "$source" .cpp)
    name=${name#fuzz_}
    cmake --build build/fuzz --parallel "$jobs" --target "fuzz_$name" || fail "fuzz_$name does not build"
    [ -n "$(ls -A "tests/fuzz/corpus/$name")" ] || fail "tests/fuzz/corpus/$name is empty"
    # The corpus first, then half a minute of new inputs; these go to a scratch folder.
    mkdir -p "build/fuzz/scratch/$name"
    "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time=30 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
      "-dict=tests/fuzz/$name.dict" "-artifact_prefix=build/fuzz/$name-" \
      "build/fuzz/scratch/$name" "tests/fuzz/corpus/$name" || fail "fuzz_$name found a fault"
  done
  parts+=("fuzzers")
}

tools/setup.sh
mkdir -p build

# Printed as warnings by sanitizers that were not asked for: keep these to the builds that need them.
export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
# libomp and oneDNN are not instrumented: Archer tells ThreadSanitizer what OpenMP orders.
export TSAN_OPTIONS="ignore_noninstrumented_modules=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}"

if [ $cuda = yes ] && [ $has_nvcc = no ]; then
  if [ $all = yes ]; then fail "--all compiles the CUDA kernels, and nvcc was not found (--without-cuda leaves them out)"; fi
  echo "tests/run.sh: nvcc was not found: the CUDA kernels are NOT compiled in this run"
fi
if [ $cuda = yes ] && [ $has_nvcc = yes ]; then
  if [ $all = yes ]; then
    architectures="75-real;80-real;86-real;89-real;90a-real;100-real;120"
  else
    architectures="90a-real" # one, for time
  fi
  build release release all -DSACCADE_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$architectures"
  say "compile gate: spills, registers, widths"
  if tests/compile_gate.py tests/kernels/gate_faults.cu >build/gate_faults.log 2>&1; then
    fail "the compile gate passes kernels that are wrong on purpose"
  fi
  for fault in "indexes_a_local_array.* local memory" "scales_one_by_one.*no access has 128 bits" "not in the table"; do
    grep -q "$fault" build/gate_faults.log || fail "the compile gate misses a fault: $fault; see build/gate_faults.log"
  done
  tests/compile_gate.py $([ $all = yes ] && echo --all) >build/compile_gate.log || fail "compile gate: see build/compile_gate.log"
  tail -1 build/compile_gate.log
  parts+=("compile gate")
else
  build release release all -DSACCADE_CUDA=OFF
fi
# The GPU's check, with simt in the GPU's place; it computes in one thread, beside the tests.
bench/gpu_check.sh --dry-run --without-torch --out build/gpu_dry_run >build/gpu_dry_run.log 2>&1 &
dry_run=$!
run_tests release "$rooms simt_race simt_memory kernels_memory traffic"
wait "$dry_run" || { cat build/gpu_dry_run.log >&2; fail "bench/gpu_check.sh --dry-run"; }
tail -n 1 build/gpu_dry_run.log
parts+=("gpu_check dry run")

say "mutants of the kernels: twenty, of which a check must see all but what tests/mutation_survivors.txt explains"
tests/mutation.py --sample 20 --jobs "$jobs" >build/mutation.log 2>&1 || { cat build/mutation.log >&2; fail "tests/mutation.py --sample 20"; }
parts+=("20 mutants")

if [ $all = yes ]; then
  for preset in debug asan tsan; do
    build "$preset" "$preset" all
    run_tests "$preset" "$rooms"
  done
  build without-onednn release all -DSACCADE_CUDA=OFF -DSACCADE_ONEDNN=OFF
  run_tests without-onednn "$rooms"
  run_fuzzers
else
  # tensor reads weights, reid everything else: configs, pictures, data sets, attributes.
  build asan asan "test_tensor test_reid"
  run_tests asan "tensor reid"
fi

printf '\nPassed in %d s: %s.\n' "$SECONDS" "$(IFS=,; echo "${parts[*]}")"
