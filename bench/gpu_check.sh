#!/usr/bin/env bash
# Does in one command, in less than eight minutes, everything that only a GPU can show: the device and its
# measured roofs; every case of the registry on it; the same under compute-sanitizer; every op's time against
# its floor; each op beside PyTorch and Triton, and a ResNet-50 step, where PyTorch is there. Leaves report.json
# and report.md, with errors and lost rows, in build/gpu_check (or --out DIR); a run of all parts without --out
# also writes bench/results/<device>.md.
#   bench/gpu_check.sh [--binaries DIR] [--dry-run] [--out DIR] [--budget SECONDS] [--python PYTHON] [--without-torch]
#                      [--only PARTS]
# --binaries: a folder made by bench/package_gpu.sh, instead of build/release. --dry-run: no GPU; simt takes its place
# on small shapes, where times mean nothing. It is the test of this script.
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/.."
. tools/environment.sh
python=$(command -v python3) || { echo "gpu_check: needs python3" >&2; exit 2; }
exec "$python" bench/compare/gpu_check.py "$@"
