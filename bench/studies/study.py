#!/usr/bin/env python3
"""Runs a study (arms x seeds, one row for each) and makes its page from the rows.

    bench/studies/study.py run NAME --seeds 1-5 --arm plain="" --arm wide="--set width=128" --value mAP=after.mAP -- COMMAND...
    bench/studies/study.py page NAME

COMMAND is a template: {seed} is the seed, {out} a fresh folder under build/studies/NAME, and the words of the arm
replace the word {arm}. It must leave {out}/result.json, of which each --value keeps one number: after.cmc.0 is the
first of the array `cmc` in `after`. When a run ends, its row is appended to bench/studies/NAME.jsonl, whole or not
at all, and with --commit it is committed. A row that is there is not run again, so a study that was stopped goes on
with the same command. A command that fails leaves no row, and the exit code is 1. The page, NAME.md, has the mean,
the standard deviation and the number of seeds for each arm, under the words at the head of NAME.sh. Needs only the
Python standard library.
"""

import argparse
import datetime
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


# --- Rows ---


class Rows:
    """The rows of a study, held by one process at a time."""

    def __init__(self, path):
        self.file = open(path, "a+b")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"study: {path} is being written by another process")
        self.file.seek(0)
        text = self.file.read()
        whole = text[: text.rfind(b"\n") + 1]  # a kill may have cut the last row off
        self.file.truncate(len(whole))
        self.known = {(row["arm"], row["seed"]) for row in map(json.loads, whole.splitlines())}

    def add(self, row):
        os.write(self.file.fileno(), json.dumps(row).encode() + b"\n")
        os.fsync(self.file.fileno())
        self.known.add((row["arm"], row["seed"]))


def value_at(result, path):
    """The number at after.cmc.0. KeyError, IndexError or ValueError where there is none."""
    for name in path.split("."):
        result = result[int(name)] if isinstance(result, list) else result[name]
    if isinstance(result, bool) or not isinstance(result, (int, float)):
        raise ValueError(f"{path} is no number")
    return result


# --- Running ---


def seeds_of(text):
    """1-5 or 1,4,7"""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(word) for word in text.split(",")]


def command_of(template, seed, arm, out):
    words = []
    for word in template:
        words += shlex.split(arm) if word == "{arm}" else [word.replace("{seed}", str(seed)).replace("{out}", str(out))]
    return words


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def run(args):
    arms = dict(arm.split("=", 1) for arm in args.arm)
    values = dict(value.split("=", 1) for value in args.value)
    path = args.folder / f"{args.name}.jsonl"
    rows, failed = Rows(path), 0
    for seed in args.seeds:  # the outer loop, so that a stopped study has all arms of its first seeds
        for arm, words in arms.items():
            if (arm, seed) in rows.known:
                continue
            out = args.out / args.name / f"{arm}-{seed}"
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            begin = time.monotonic()
            print(f"study {args.name}: {arm}, seed {seed}", flush=True)
            with open(out / "output.log", "wb") as log:
                done = subprocess.run(command_of(args.command, seed, words, out), stdout=log, stderr=subprocess.STDOUT)
            try:
                if done.returncode != 0:
                    raise ValueError(f"exit code {done.returncode}")
                result = json.loads((out / "result.json").read_text())
                row = {name: value_at(result, where) for name, where in values.items()}
            except (OSError, ValueError, KeyError, IndexError) as error:
                print(f"study {args.name}: {arm}, seed {seed} left no row: {error!r}; see {out}/output.log", file=sys.stderr)
                failed += 1
                continue
            rows.add({"arm": arm, "seed": seed, "commit": git("rev-parse", "--short", "HEAD"),
                      "date": datetime.date.today().isoformat(), "seconds": round(time.monotonic() - begin), "values": row})
            if args.commit:
                git("commit", "--quiet", "--message", f"Study {args.name}: {arm}, seed {seed}", "--", str(path))
    return 1 if failed else 0


# --- The page ---


def page_of(folder, name):
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    script = folder / f"{name}.sh"
    head = script.read_text().splitlines()[1:] if script.exists() else []
    words = [line[2:] for line in head[: next((i for i, line in enumerate(head) if not line.startswith("#")), len(head))]]
    values = list(dict.fromkeys(value for row in rows for value in row["values"]))
    page = [f"# {name}", "", *words, *([""] if words else []),
            "Mean and standard deviation over n seeds; made by `bench/studies/study.py page` of the rows in "
            f"`{name}.jsonl`, of {min(r['date'] for r in rows)} to {max(r['date'] for r in rows)}, commits "
            f"{', '.join(dict.fromkeys(row['commit'] for row in rows))}.", "",
            f"| arm | n | {' | '.join(values)} | seconds |", f"| --- | ---: |{' ---: |' * len(values)} ---: |"]
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        cells = []
        for value in values:
            numbers = [row["values"][value] for row in own if value in row["values"]]
            spread = f" ± {statistics.stdev(numbers):.4f}" if len(numbers) > 1 else ""
            cells.append(f"{statistics.mean(numbers):.4f}{spread}" if numbers else "")
        page.append(f"| {arm} | {len(own)} | {' | '.join(cells)} | {statistics.mean(row['seconds'] for row in own):.0f} |")
    return "\n".join(page) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "bench/studies", help="of the rows and pages")
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("name")
    runs.add_argument("--seeds", type=seeds_of, required=True, help="1-5 or 1,4,7")
    runs.add_argument("--arm", action="append", required=True, metavar="NAME=WORDS")
    runs.add_argument("--value", action="append", required=True, metavar="NAME=WHERE")
    runs.add_argument("--out", type=pathlib.Path, default=ROOT / "build/studies")
    runs.add_argument("--commit", action="store_true", help="commit each row")
    runs.add_argument("command", nargs="+")
    runs.set_defaults(do=run)
    pages = commands.add_parser("page")
    pages.add_argument("name")
    pages.set_defaults(do=lambda args: (args.folder / f"{args.name}.md").write_text(page_of(args.folder, args.name)) and 0)
    args = parser.parse_args()
    return args.do(args)


if __name__ == "__main__":
    sys.exit(main())
