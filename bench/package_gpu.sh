#!/usr/bin/env bash
# Builds what bench/gpu_check.sh runs and collects it in one folder, with every shared library that it needs except the
# C library and the driver's own, for a machine that has a GPU and a driver but none of our packages. The CUDA runtime
# is linked statically. cuBLASLt and cuDNN are left out: gpu_check.sh looks for them on that machine. The programs share
# most of their bytes, so DIR.tar.xz, which is written beside the folder, has an eighth of its size.
#   bench/package_gpu.sh [--out DIR] [--architectures LIST]     default: build/gpu-package, 90a-real
# Then, on that machine: bench/gpu_check.sh --binaries DIR
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

usage="usage: bench/package_gpu.sh [--out DIR] [--architectures LIST]"
out=build/gpu-package architectures=90a-real
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?$usage}; shift ;;
    --architectures) architectures=${2:?$usage}; shift ;;
    --help) echo "$usage"; exit 0 ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  shift
done
PATH="$PATH:/usr/local/cuda/bin"
for needed in nvcc xz; do command -v $needed >/dev/null || { echo "package_gpu: $needed was not found" >&2; exit 2; }; done

options=()
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
fi
# Without oneDNN (its library alone is 40 MB, and the CPU is not measured), without simt, and for processors from 2013
# on. The C++ library is linked statically: as a file it would need a newer C library than the programs do.
cmake --preset release -B build/gpu -DCMAKE_CUDA_ARCHITECTURES="$architectures" -DSACCADE_ONEDNN=OFF -DSACCADE_SIMT=OFF \
  -DSACCADE_ARCH=x86-64-v3 -DCMAKE_EXE_LINKER_FLAGS="-static-libstdc++ -static-libgcc" "${options[@]}" >build/gpu.log 2>&1 || { cat build/gpu.log >&2; exit 1; }
programs=(bench/bench_gpu bench/bench_step tests/test_kernels tools/synthesize tools/train)
cmake --build build/gpu --parallel "${JOBS:-$(nproc)}" --target "${programs[@]##*/}"

rm -rf "$out"
mkdir -p "$out/lib"
for program in "${programs[@]}"; do cp "build/gpu/$program" "$out/"; done
strip "$out"/* 2>/dev/null || true
# What ldd finds, except the C library, its parts and what comes with a driver.
for program in "$out"/*; do
  [ -f "$program" ] || continue
  ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
done | sort -u | grep -Ev '/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux[^/]*|libcuda|libnvidia-[^/]*)\.so' |
  while read -r library; do cp -L "$library" "$out/lib/"; done
git rev-parse --short HEAD >"$out/commit"

# Each program must start with those libraries alone.
for program in "${programs[@]##*/}"; do
  found=$(LD_LIBRARY_PATH="$out/lib" ldd "$out/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    grep -Ev "^$(realpath "$out")/lib/|^$out/lib/|/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux[^/]*)\.so" || true)
  [ -z "$found" ] || { echo "package_gpu: $program takes from elsewhere: $found" >&2; exit 1; }
  LD_LIBRARY_PATH="$out/lib" "$out/$program" --help >/dev/null || { echo "package_gpu: $program does not start" >&2; exit 1; }
done
# The window of xz spans all programs, so that it finds what they share.
tar -C "$(dirname "$out")" -c "$(basename "$out")" | xz --lzma2=preset=6,dict=96MiB >"$out.tar.xz"
glibc=$(for file in "$out"/* "$out"/lib/*; do objdump -T "$file" 2>/dev/null; done | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -1)
echo "package_gpu: $out.tar.xz, $(($(stat -c %s "$out.tar.xz") >> 20)) MiB for $architectures; needs $glibc or newer there"
