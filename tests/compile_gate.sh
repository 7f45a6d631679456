#!/usr/bin/env bash
# Every CUDA kernel compiles for each architecture without spills and without local memory. Prints the registers of
# each kernel as a table. Needs nvcc, no GPU.
#   tests/compile_gate.sh [--all] [FILE.cu]...     default: sm_75, 90a and 120; --all: the seven that we build for
set -euo pipefail
cd "$(dirname "$0")/.."

architectures="75 90a 120"
if [ "${1:-}" = --all ]; then
  architectures="75 80 86 89 90a 100 120"
  shift
fi
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[ -x "$nvcc" ] || { echo "compile_gate: nvcc was not found" >&2; exit 2; }
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(find kernels -name '*.cu' | sort); fi
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

compile() {  # nvcc, reports, file, architecture
  local report="$2/$(echo "$3" | tr / _).$4"
  "$1" -std=c++20 -O3 -I. -DSACCADE_CUDA=1 -arch="sm_$4" -cubin -Xptxas -v -Werror=all-warnings -o "$report.cubin" "$3" \
    >"$report" 2>&1 || echo "FAILED to compile" >>"$report"
}
export -f compile
for file in "${files[@]}"; do
  for architecture in $architectures; do printf '%s\0%s\0' "$file" "$architecture"; done
done | xargs -0 -n 2 -P "$(nproc)" bash -c 'compile "$@"' _ "$nvcc" "$reports"

failures=0
for file in "${files[@]}"; do
  for architecture in $architectures; do
    report="$reports/$(echo "$file" | tr / _).$architecture"
    # ptxas says, for each kernel: its name; its stack frame and spills; its registers.
    awk -v file="$file" -v architecture="$architecture" '
      /FAILED to compile/ { failed = 1 }
      /Compiling entry function/ { split($0, part, "\047"); kernel = part[2] }
      /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
      /Used [0-9]+ registers/ {
        match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
        bad = stack + stores + loads > 0
        printf "%-38s sm_%-4s %4d registers %s %s\n", file, architecture, registers, kernel, bad ? "LOCAL MEMORY: " stack " bytes, spills " stores "/" loads : ""
        failed = failed || bad; kernels++
      }
      END { if (!kernels) { print file " sm_" architecture ": no kernel was compiled"; failed = 1 } exit failed }
    ' "$report" | c++filt || { failures=$((failures + 1)); grep -iE "error|warning" "$report" >&2 || true; }
  done
done
if [ "$failures" -gt 0 ]; then
  echo "compile_gate: $failures of the compilations failed, spilled or use local memory" >&2
  exit 1
fi
echo "compile_gate: ${#files[@]} files for $(echo "$architectures" | wc -w) architectures: no spills, no local memory"
