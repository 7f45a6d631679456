#!/usr/bin/env bash
# Writes all that is recorded about an op, and leaves what is recorded about others as it is: its goldens by PyTorch
# (tests/goldens/ops.safetensors), what its kernels need of registers (tests/kernel_budget.tsv) and the bounds of its
# traffic (tests/kernels/traffic_bounds.tsv). A change of these is read like a change of code.
#   tests/record.sh OP
# The Python with torch, numpy and safetensors is build/torch/bin/python, or the one that SACCADE_TORCH_PYTHON names.
# The script names what it cannot record here, and then its exit code is 1.
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh

usage="usage: tests/record.sh OP"
[ $# -eq 1 ] || { echo "$usage" >&2; exit 2; }
op=$1
PATH="$PATH:/usr/local/cuda/bin"
missing=0
miss() { echo "record: $1 NOT recorded: $2" >&2; missing=1; }

mkdir -p build
if [ ! -f build/release/CMakeCache.txt ]; then cmake --preset release -DSACCADE_CUDA=OFF >build/record.log; fi
build() { cmake --build --preset release --target "$@" >build/record.log || { cat build/record.log >&2; exit 1; }; }
build op
build/release/tools/op list --json | python3 -c "import json, sys; sys.exit('$op' not in [op['name'] for op in json.load(sys.stdin)])" ||
  { echo "record: there is no op $op (build/release/tools/op list)" >&2; exit 2; }

echo "record: building the checks"
build test_autograd bench_traffic

python=${SACCADE_TORCH_PYTHON:-build/torch/bin/python}
if "$python" -c "import torch, numpy, safetensors" 2>/dev/null; then
  SACCADE_OPS="$op" build/release/tests/test_autograd "write the cases for make_goldens.py" >build/record.log
  "$python" tests/goldens/make_goldens.py build/release/golden_cases.safetensors --op "$op"
else
  miss "goldens" "$python has no torch, numpy and safetensors (SACCADE_TORCH_PYTHON names another Python)"
fi

mapfile -t sources < <(PYTHONPATH=tests python3 -c "import choose_ops; print(*choose_ops.Sources(choose_ops.ROOT).cuda_of('$op'), sep='\n')")
if [ -z "${sources[*]}" ]; then
  echo "record: $op has no CUDA source of its own, and so no budget"
elif command -v nvcc >/dev/null; then
  tests/compile_gate.py --record "${sources[@]}" | tail -n 1
else
  miss "registers of ${sources[*]}" "nvcc was not found"
fi

build/release/simt_checkers/bench_traffic --op "$op" --record tests/kernels/traffic_bounds.tsv >build/record.log ||
  { cat build/record.log >&2; miss "traffic" "see above"; }
echo "record: $op; git diff --stat tests shows what changed"
exit $missing
