#!/usr/bin/env bash
# A step of networks here, in PyTorch and in ONNX Runtime on the CPU, in the same run, interleaved A B A B. Refuses a
# machine that other processes keep busy (--loaded measures all the same). Builds bench_step and bench_roofs, makes a
# Python environment with the newest peers in build/torch, or takes the Python that SACCADE_TORCH_PYTHON names, and
# writes bench/results/<kind of processor>.json and .md. Options go to bench/compare/interleave.py (--help).
#   bench/run.sh                                              everything
#   bench/run.sh --only 'train_*' --rounds 2 --seconds 3      some of it, into build/bench
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

case " $* " in *" --help "* | *" -h "* | *" --render "*) exec python3 bench/compare/interleave.py "$@" ;; esac
tools/setup.sh --bench
python3 bench/compare/interleave.py --look "$@"  # before minutes go into building

python=${SACCADE_TORCH_PYTHON:-build/torch/bin/python}
complete() { "$python" -c "import onnxruntime, onnxscript, torch, torchvision" 2>/dev/null; }
if [ -z "${SACCADE_TORCH_PYTHON:-}" ] && ! complete; then
  python3 -m venv build/torch || { echo "bench: needs python3 with venv (python3-venv)" >&2; exit 2; }
  build/torch/bin/pip install --quiet torch torchvision onnx onnxruntime onnxscript
fi

mkdir -p build
if [ ! -f build/release/CMakeCache.txt ]; then cmake --preset release -DSACCADE_CUDA=OFF >build/bench.log; fi
cmake --build --preset release --target bench_step bench_roofs
exec python3 bench/compare/interleave.py --python "$python" "$@"
