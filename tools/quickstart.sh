#!/usr/bin/env bash
# From nothing to a trained re-identification network: sets up, builds, draws a set of pedestrians, trains on it,
# and leaves result.json, curves.png and ranked.png in build/quickstart.
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

tools/setup.sh
options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
# Compiling for GPUs takes minutes: only for the one that is here.
if nvidia-smi -L >/dev/null 2>&1; then
  options+=(-DCMAKE_CUDA_ARCHITECTURES=native)
else
  options+=(-DSACCADE_CUDA=OFF)
fi
mkdir -p build
echo "Building (log: build/quickstart.log) ..."

# Shows how far a build is, from ninja's "[done/all] ..." lines: on a terminal in one line, else now and then.
show_build() {
  local line shown=0
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    if [ -t 1 ]; then
      printf '\rbuilding %s/%s steps' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    elif [ $((SECONDS - shown)) -ge 15 ] || [ "$shown" = 0 ]; then
      printf 'building %s/%s steps\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
      shown=$SECONDS
    fi
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}

failed() {
  tail -n 30 build/quickstart.log >&2
  exit 1
}
cmake --preset release "${options[@]}" >build/quickstart.log 2>&1 || failed
sed -n 's/^saccade: //p' build/quickstart.log  # what was found, where it is not what one would wish
cmake --build --preset release --target synthesize train evaluate extract op 2>&1 | tee -a build/quickstart.log | show_build || failed

programs=build/release/tools
out=build/quickstart
rm -rf "$out"
mkdir -p "$out"
"$programs/synthesize" --kind image --out "$out/data" --ids 160 --cams 4 --images-per-cam 4 --seed 1 \
  --noise wrong=0.05,hidden=0.1
"$programs/train" --config tools/configs/quickstart.json --data "$out/data" --out "$out" --seed 1

for file in result.json curves.png ranked.png; do
  if [ ! -s "$out/$file" ]; then
    echo "quickstart: train left no $out/$file" >&2
    exit 1
  fi
done

# score PART KEY: the number, or the first of the array, under PART and KEY of result.json.
score() {
  tr -d '\n' <"$out/result.json" |
    sed -nE "s/.*\"$1\"[^{}]*\{([^{}]*)\}.*/\1/p" |
    sed -nE "s/.*\"$2\"[^0-9]*([0-9.eE+-]+).*/\1/p"
}
printf '\n%-8s %7s %7s\n' "" mAP rank-1
for part in before after; do printf '%-8s %7.3f %7.3f\n' "$part" "$(score $part mAP)" "$(score $part cmc)"; done
printf '\nscores and settings  %s\nlosses and mAP       %s\nranked galleries     %s\n' \
  "$out/result.json" "$out/curves.png" "$out/ranked.png"
