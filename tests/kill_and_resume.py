#!/usr/bin/env python3
"""Kills a training at random moments and resumes it, until it was killed a hundred times.

    tests/kill_and_resume.py [--build DIR] [--kills N] [--seed N]

The run saves at every step. After each SIGKILL the newest checkpoint must be no older than before, and every file that is
called a checkpoint must be whole. Each run that comes to its end must have the bits of one that nobody disturbed; then the
next one begins. Only the Python standard library.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIG = {
    "model": {"backbone": "resnet10_compact", "width": 8},
    "data": {"height": 32, "width": 16, "identities_per_batch": 2, "images_per_identity": 3, "pad": 2, "workers": 1},
    "schedule": {"epochs": 30, "warmup_epochs": 1}, "evaluation": {"every": 5},
    "checkpoint": {"every_epochs": 1, "every_steps": 1},
}


def step_of(path):
    return int(path.name.removeprefix("checkpoint-").removesuffix(".safetensors"))


def checkpoints(folder):
    """The files that are called checkpoints, by their steps."""
    return sorted(folder.glob("checkpoint-*.safetensors"), key=step_of)


def check_whole(path):
    """A safetensors file is whole if its header is JSON and its data has the length that the header says."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    end = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    if len(data) != 8 + length + end:
        raise SystemExit(f"kill_and_resume: {path.name} has {len(data)} bytes, not {8 + length + end}")


def digest_of_last(folder):
    return hashlib.sha256(checkpoints(folder)[-1].read_bytes()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tools, draw = args.build.resolve() / "tools", random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        subprocess.run([tools / "synthesize", "--kind", "image", "--ids", "8", "--cams", "2", "--images-per-cam", "3", "--seed", "3",
                        "--out", scratch / "data"], check=True, capture_output=True)
        (scratch / "config.json").write_text(json.dumps(CONFIG))

        def train(out, *more):
            return subprocess.Popen([tools / "train", "--config", scratch / "config.json", "--data", scratch / "data", "--out", out,
                                     "--seed", "5", "--threads", "1", *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        begin = time.monotonic()
        calm = train(scratch / "calm")
        if calm.wait() != 0:
            raise SystemExit(f"kill_and_resume: the undisturbed run failed: {calm.stderr.read()}")
        whole, expected = time.monotonic() - begin, digest_of_last(scratch / "calm")

        kills, ends, out = 0, 0, scratch / "disturbed"
        while kills < args.kills:
            before = [step_of(p) for p in checkpoints(out)]
            run = train(out, "--resume")
            try:
                run.wait(draw.uniform(0, whole / 4))
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                kills += 1
            else:
                if run.returncode != 0:
                    raise SystemExit(f"kill_and_resume: after {kills} kills the run failed: {run.stderr.read()}")
                if digest_of_last(out) != expected:
                    raise SystemExit(f"kill_and_resume: after {kills} kills the run ended with other bits")
                ends += 1
                shutil.rmtree(out)
                continue
            after = checkpoints(out)
            if before and (not after or step_of(after[-1]) < before[-1]):
                raise SystemExit(f"kill_and_resume: the checkpoint of step {before[-1]} is lost")
            for path in after:
                check_whole(path)
        run = train(out, "--resume")
        if run.wait() != 0 or digest_of_last(out) != expected:
            raise SystemExit(f"kill_and_resume: the last run did not end with the bits of the undisturbed one: {run.stderr.read()}")
        print(f"{kills} kills, {ends + 1} runs that came to their end with the bits of the undisturbed one")


if __name__ == "__main__":
    sys.exit(main())
