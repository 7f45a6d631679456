#!/usr/bin/env bash
# Saccade against PyTorch on the CPU, in the same run, interleaved A B A B. Builds bench_resnet50, makes a Python
# environment with PyTorch under build/ (or takes the Python that SACCADE_TORCH_PYTHON names), and writes
# bench/results/<processor>.md. Options go to bench/compare/interleave.py (--help).
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

tools/setup.sh
python=${SACCADE_TORCH_PYTHON:-build/torch/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv build/torch || { echo "bench: needs python3 with venv (python3-venv)" >&2; exit 2; }
  build/torch/bin/pip install --quiet torch torchvision
fi

mkdir -p build
if [ ! -f build/release/CMakeCache.txt ]; then cmake --preset release -DSACCADE_CUDA=OFF >build/bench.log; fi
cmake --build --preset release --target bench_resnet50
exec "$python" bench/compare/interleave.py "$@"
