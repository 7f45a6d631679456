#!/usr/bin/env bash
# Sets up, builds and tests, in parts that can be run alone. Without an option it does what CI runs, which checks in
# full only the ops that a change touches and a seeded quarter of the rest (tests/choose_ops.py). --all runs everything
# in full. The last lines say what passed and how long it took. What is missing (a program, a test, nvcc under --all)
# fails; nothing is skipped in silence.
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

usage="usage: tests/run.sh [--all | --part NAME [--quick] | --list] [--without-cuda] [--jobs N] [--base COMMIT]
  --part    one part, whole; --quick: only as much of it as CI does
  --base    the commit that a change is measured against, instead of where it left the main branch"

# Every folder of tests/ that holds programs of its own, but for the fuzzers, which have a part.
rooms="autograd kernels layers reid tensor tools"

# name, who runs it (ci, all or both), what it is. In the order of a run; each takes an hour at most on two cores.
parts="\
format         both  every C++ and CUDA file is as clang-format 14 makes it
scripts        both  the tests in Python: the house, the choice of ops, studies, mutants' names, the benchmark's turns
release        both  the release build, the tests of every room, and bench/gpu_check.sh with simt in a GPU's place
compile_gate   both  every CUDA kernel: no spills, registers within budget, accesses as wide as recorded
checkers       both  every kernel on simt under the race and memory checkers, and its traffic
mutants_sample ci    twenty mutants of the kernels
readers        ci    what reads files, under AddressSanitizer and UBSan
mutants_1      all   every mutant of the kernels, the first third
mutants_2      all   the second
mutants_3      all   the last, and whether an explained survivor is one no more
debug          all   every room in the debug build
asan           all   every room under AddressSanitizer and UBSan
tsan           all   every room under ThreadSanitizer
without_onednn all   every room in a build without oneDNN
kill_and_resume all  a training that is killed a hundred times loses nothing and ends with the same bits
fuzzers        all   the readers of files on their corpus, and half a minute of new inputs each"

all=no part="" list=no quick=no cuda=yes jobs=$(nproc) base=""
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=yes ;;
    --part) part=${2:?$usage}; shift ;;
    --quick) quick=yes ;;
    --list) list=yes ;;
    --without-cuda) cuda=no ;;
    --jobs) jobs=${2:?$usage}; shift ;;
    --base) base=${2:?$usage}; shift ;;
    --help) echo "$usage"; exit 0 ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  shift
done

say() { printf '\n== %s (%d s)\n' "$1" "$SECONDS"; }
fail() { printf 'tests/run.sh: %s\n' "$1" >&2; exit 1; }
# What a part did, for the table at the end.
note() { printf '%s' "$1" >"build/parts/$part"; }

# --- The parts ---

# configure FOLDER PRESET [OPTION...]: the preset in build/FOLDER.
configure() {
  local folder=$1 preset=$2 launchers=()
  shift 2
  say "$folder: build"
  if command -v ccache >/dev/null; then
    launchers=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
  fi
  cmake --preset "$preset" -B "build/$folder" -DSACCADE_WERROR=ON "${launchers[@]}" "$@" >"build/$folder.log" 2>&1 || {
    cat "build/$folder.log" >&2
    fail "$folder does not configure"
  }
  if grep -q "without the simt device" "build/$folder.log"; then fail "$folder builds without the simt device"; fi
}

# build FOLDER TARGET...
build() {
  cmake --build "build/$1" --parallel "$jobs" --target "${@:2}" || fail "build/$1 does not build"
}

build_release() {
  local options=(-DSACCADE_CUDA=OFF)
  if [ $cuda = yes ] && [ $has_nvcc = yes ]; then
    options=(-DSACCADE_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=75-real;80-real;86-real;89-real;90a-real;100-real;120")
    if [ $quick = yes ]; then options[1]="-DCMAKE_CUDA_ARCHITECTURES=90a-real"; fi # one, for time
  fi
  configure release release "${options[@]}"
  build release all
}

# Leaves to the tests the ops that this run checks.
choose_ops() {
  unset SACCADE_OPS
  chosen="all ops"
  if [ $quick = no ]; then return; fi
  SACCADE_OPS=$(tests/choose_ops.py --op build/release/tools/op ${base:+--base "$base"} 2>build/chosen_ops.log) || {
    cat build/chosen_ops.log >&2
    fail "tests/choose_ops.py"
  }
  export SACCADE_OPS
  chosen=$(cat build/chosen_ops.log)
  echo "$chosen: ${SACCADE_OPS:-all}"
}

# run_tests FOLDER NAMES: these tests of ctest, each of which must be there.
run_tests() {
  local folder=$1 names=$2 name known
  say "$folder: tests of $names"
  known=$(ctest --test-dir "build/$folder" --show-only)
  for name in $names; do
    grep -Eq ": $name\$" <<<"$known" || fail "$folder has no tests of tests/$name"
  done
  ctest --test-dir "build/$folder" --output-on-failure --no-tests=error --timeout 3400 --parallel "$jobs" \
    --tests-regex "^(${names// /|})\$" || fail "$folder: tests failed"
}

# run_preset FOLDER PRESET [OPTION...]: every room in another build.
run_preset() {
  configure "$@"
  build "$1" all
  run_tests "$1" "$rooms"
  note "$rooms"
}

part_format() {
  local formatter=clang-format-14
  command -v $formatter >/dev/null || fail "$formatter was not found (tools/setup.sh --tests installs it)"
  git ls-files -z '*.h' '*.cpp' '*.cu' | xargs -0 -n 50 -P "$jobs" $formatter --dry-run -Werror || fail "not as $formatter makes it: $formatter -i FILE"
  note "$(git ls-files '*.h' '*.cpp' '*.cu' | wc -l) files"
}

part_scripts() {
  python3 -m unittest discover --start-directory tests/scripts 2>&1 | tee build/scripts.log || fail "tests/scripts"
  grep -q '^Ran [1-9]' build/scripts.log || fail "tests/scripts holds no test"
  note "$(sed -nE 's/^Ran ([0-9]+ tests).*/\1/p' build/scripts.log)"
}

part_release() {
  build_release
  choose_ops
  # The GPU's check computes in one thread, beside the tests.
  bench/gpu_check.sh --dry-run --without-torch --out build/gpu_dry_run >build/gpu_dry_run.log 2>&1 &
  local dry_run=$!
  run_tests release "$rooms"
  wait "$dry_run" || { cat build/gpu_dry_run.log >&2; fail "bench/gpu_check.sh --dry-run"; }
  tail -n 1 build/gpu_dry_run.log
  note "$rooms, gpu_check dry run; $chosen"
}

part_checkers() {
  build_release
  choose_ops
  run_tests release "simt_race simt_memory kernels_memory traffic"
  note "race, memory, traffic; $chosen"
}

part_compile_gate() {
  if [ $cuda = no ]; then note "NOT RUN: --without-cuda"; return; fi
  if [ $has_nvcc = no ]; then
    [ $quick = yes ] || fail "the CUDA kernels are compiled here, and nvcc was not found (--without-cuda leaves them out)"
    note "NOT RUN: nvcc was not found, the CUDA kernels are not compiled"
    return
  fi
  local fault options=()
  if tests/compile_gate.py --quick tests/kernels/gate_faults.cu >build/gate_faults.log 2>&1; then
    fail "the compile gate passes kernels that are wrong on purpose"
  fi
  for fault in "indexes_a_local_array.* local memory" "scales_one_by_one.*no access has 128 bits" "not in the table"; do
    grep -q "$fault" build/gate_faults.log || fail "the compile gate misses a fault: $fault; see build/gate_faults.log"
  done
  if [ $quick = yes ]; then options=(--quick ${base:+--base "$base"}); fi
  tests/compile_gate.py "${options[@]}" >build/compile_gate.log || fail "compile gate: see build/compile_gate.log"
  note "$(tail -n 1 build/compile_gate.log | sed 's/^compile_gate: //; s/:.*//')"
}

part_mutants_sample() {
  build_release
  tests/mutation.py --sample 20 --jobs "$jobs" >build/mutation.log 2>&1 || { cat build/mutation.log >&2; fail "tests/mutation.py --sample 20"; }
  note "20 mutants"
}

# mutants SHARD
mutants() {
  build_release
  tests/mutation.py --shard "$1" --jobs "$jobs" || fail "tests/mutation.py --shard $1"
  note "shard $1"
}
part_mutants_1() { mutants 1/3; }
part_mutants_2() { mutants 2/3; }
part_mutants_3() {
  mutants 3/3
  tests/mutation.py --report || fail "tests/mutation.py --report"
}

part_readers() {
  # tensor reads weights, reid everything else: configs, pictures, data sets, attributes.
  configure asan asan
  build asan test_tensor test_reid
  run_tests asan "tensor reid"
  note "tensor reid"
}

part_debug() { run_preset debug debug; }
part_asan() { run_preset asan asan; }
part_tsan() { run_preset tsan tsan; }
part_without_onednn() { run_preset without_onednn release -DSACCADE_CUDA=OFF -DSACCADE_ONEDNN=OFF; }

part_kill_and_resume() {
  build_release
  tests/kill_and_resume.py | tee build/kill_and_resume.log || fail "tests/kill_and_resume.py"
  note "$(cat build/kill_and_resume.log)"
}

part_fuzzers() {
  local source name names=""
  configure fuzz debug -DSACCADE_FUZZ=ON -DSACCADE_SIMT=OFF -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
  for source in tests/fuzz/fuzz_*.cpp; do
    [ -e "$source" ] || fail "tests/fuzz holds no fuzzer"
    name=$(basename "$source" .cpp)
    name=${name#fuzz_}
    build fuzz "fuzz_$name"
    [ -n "$(ls -A "tests/fuzz/corpus/$name")" ] || fail "tests/fuzz/corpus/$name is empty"
    # The corpus first, then half a minute of new inputs; these go to a scratch folder.
    mkdir -p "build/fuzz/scratch/$name"
    "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time=30 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
      "-dict=tests/fuzz/$name.dict" "-artifact_prefix=build/fuzz/$name-" \
      "build/fuzz/scratch/$name" "tests/fuzz/corpus/$name" || fail "fuzz_$name found a fault"
    names+=" $name"
  done
  note "${names# }"
}

# --- The run ---

# Every folder with programs is known, and every known one has some.
check_rooms() {
  local folder
  for folder in $(find tests -mindepth 2 -maxdepth 2 -name '*.cpp' -printf '%h\n' | sort -u); do
    grep -qw "${folder#tests/}" <<<"$rooms fuzz" || fail "$folder holds tests that no part runs: name it in rooms"
  done
  # Every floor of the house is a room, once it holds code.
  for folder in kernels tensor autograd layers rl reid tools; do
    [ -z "$(find "$folder" -name '*.cpp' -print -quit 2>/dev/null)" ] || grep -qw "$folder" <<<"$rooms" ||
      fail "$folder is a room without tests: name it in rooms"
  done
  for folder in $rooms; do
    compgen -G "tests/$folder/*.cpp" >/dev/null || fail "tests/$folder is a room without tests"
  done
}

if [ $list = yes ]; then echo "$parts"; exit 0; fi
check_rooms
mkdir -p build/parts

if [ -n "$part" ]; then
  grep -q "^$part " <<<"$parts" || { echo "tests/run.sh: there is no part $part (--list shows them)" >&2; exit 2; }
  tools/setup.sh --tests
  PATH="$PATH:/usr/local/cuda/bin"
  has_nvcc=no
  if command -v nvcc >/dev/null; then has_nvcc=yes; fi
  export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:${ASAN_OPTIONS:-}"
  export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
  # oneDNN is not instrumented; its threads are ours, which are.
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
  rm -f "build/parts/$part"
  "part_$part"
  printf '%s passed in %d s: %s\n' "$part" "$SECONDS" "$(cat "build/parts/$part")"
  exit 0
fi

run=ci options=(--quick --jobs "$jobs")
if [ $all = yes ]; then run=all options=(--jobs "$jobs"); fi
if [ $cuda = no ]; then options+=(--without-cuda); fi
if [ -n "$base" ]; then options+=(--base "$base"); fi
table="" failed=""
while read -r name who _; do
  if [ "$who" != both ] && [ "$who" != $run ]; then continue; fi
  begin=$SECONDS
  printf '\n==== %s\n' "$name"
  if tests/run.sh --part "$name" "${options[@]}" </dev/null; then
    outcome=$(cat "build/parts/$name")
  else
    outcome=FAILED
    failed+=" $name"
  fi
  table+=$(printf '%-15s %6d s  %s' "$name" $((SECONDS - begin)) "$outcome")$'\n'
done <<<"$parts"
printf '\n%s' "$table"
if [ -n "$failed" ]; then fail "FAILED in $SECONDS s:$failed"; fi
printf 'Passed in %d s.\n' "$SECONDS"
