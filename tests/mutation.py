#!/usr/bin/env python3
"""Breaks the CUDA sources on purpose and counts how many of the faults the tests see.

A mutant is one small change of one .cu file (or of a device header that holds barriers):
    barrier   a __syncthreads or __syncwarp is removed
    guard     a bound is weakened by one: a < b becomes a <= b, a >= b becomes a > b
    operator  a sign, an index or a comparison is flipped
Each is compiled for the simt device with the command that the build uses, linked into the check programs, and run on
those checks alone that reach its file (found by a first mutant, which throws in every launch). It is caught when a check
fails, crashes or runs out of time. Nothing in the source tree is touched.

    tests/mutation.py                       every barrier and guard, and a seeded sample of operators
    tests/mutation.py --sample 20           a seeded sample of all kinds: what CI runs
    tests/mutation.py --shard 2/8 --budget 3600
Results go to <build>/mutation/results.jsonl, one mutant a line; a run that was stopped, and the next shard, go on from
there, and a mutant of an unchanged file is never run twice. tests/mutation_survivors.txt lists mutants that change
nothing that a check could see, with the reason; they leave the count. The exit code is 1 when a barrier's removal
survives, when less than 95 % of the rest is caught, or when a listed reason fits no survivor of a complete run.

Needs a build with the simt device (ninja, clang). Only the Python library.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
SURVIVORS = ROOT / "tests/mutation_survivors.txt"

# The programs whose checks are run, in this order, and how each is told what to run. A program that the build does not
# have is left out (and said so); a new checker joins by a line here.
#   ops    one run for each op: PROGRAM check --small --device simt --op NAME
#   catch  one run with the names of the Catch2 test cases that reach the file
PROGRAMS = [("bench_gpu", "ops"), ("test_kernels", "catch"), ("test_simt_race", "ops"), ("test_simt_memory", "ops")]

KINDS = ("barrier", "guard", "operator")
LEAST_SHARE = 0.95


# --- Mutants ---


def blanked(text):
    """The text with comments, strings, preprocessor lines and refusals of bad arguments as spaces, position by position."""

    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    text = re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", spaces, text, flags=re.S)
    text = re.sub(r"^[ \t]*#[^\n]*", spaces, text, flags=re.M)
    # A refusal guards against sizes that no test can allocate; static_assert is the compiler's.
    for match in list(re.finditer(r"\b(?:check|check_input|static_assert|__launch_bounds__)\(", text)):
        depth, end = 1, match.end()
        while depth > 0 and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = text[: match.start()] + re.sub(r"[^\n]", " ", text[match.start() : end]) + text[end:]
    return text


FLIPS = [
    (r" \+ ", " - "), (r" - ", " + "), (r" \+= ", " -= "), (r" -= ", " += "),
    (r" == ", " != "), (r" != ", " == "), (r" > ", " < "), (r" < ", " > "), (r" >= ", " < "), (r" <= ", " > "),
    (r"\b(threadIdx|blockIdx)\.x\b", r"\1.y"), (r"\b(threadIdx|blockIdx)\.y\b", r"\1.x"),
]
DECLARED = re.compile(r"(?:^|[;{(,])\s*(?:__shared__|const|static|constexpr|\s)*(?!return\b|else\b)[A-Za-z_][\w:]*(?:<[^;]*>)?[\s*&]+\w+$")


def mutants_of(path):
    """(kind, position, old text, new text) of every mutant of a file."""
    text = blanked(path.read_text())
    found = []
    for match in re.finditer(r"\b__syncthreads\(\)|\b__syncwarp\([^()]*\)", text):
        found.append(("barrier", match.start(), match.group(0), "(void)0"))
    for pattern, new in ((r" < ", " <= "), (r" >= ", " > ")):
        for match in re.finditer(pattern, text):
            found.append(("guard", match.start(), match.group(0), new))
    for pattern, new in FLIPS:
        for match in re.finditer(pattern, text):
            found.append(("operator", match.start(), match.group(0), match.expand(new)))
    for match in re.finditer(r"(?<=\w)\[([^\[\]\n]+)\]", text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not DECLARED.search(line) and "__shared__" not in line:
            found.append(("operator", match.start(), match.group(0), f"[({match.group(1)}) + 1]"))
    return sorted(found, key=lambda m: (m[1], m[3]))


class Mutant:
    def __init__(self, path, kind, position, old, new, source):
        self.path, self.kind, self.old, self.new, self.position = path, kind, old, new, position
        start = source.rfind("\n", 0, position) + 1
        end = source.find("\n", position)
        self.line = source.count("\n", 0, position) + 1
        self.before = source[start:end].strip()
        self.after = (source[start:position] + new + source[position + len(old) : end]).strip()
        self.text = source[:position] + new + source[position + len(old) :]
        self.name = str(path.relative_to(ROOT))
        # What a reason is filed under: the file and both lines, so that it survives edits elsewhere.
        self.key = f"{self.name} | {self.before} -> {self.after}"
        digest = hashlib.sha256(f"{self.name} {kind} {position} {new}\n{source}".encode())
        self.id = digest.hexdigest()[:16]


def all_mutants(paths):
    for path in paths:
        source = path.read_text()
        for kind, position, old, new in mutants_of(path):
            yield Mutant(path, kind, position, old, new, source)


def sources(patterns):
    files = sorted(ROOT.glob("kernels/**/*.cu"))
    files += [h for h in sorted(ROOT.glob("kernels/**/*.h")) if "simt" not in h.parts and "__sync" in blanked(h.read_text())]
    if patterns:
        files = [f for f in files if any(p in str(f.relative_to(ROOT)) for p in patterns)]
    return files


# --- Building and running ---


class Program:
    """A check program of the build: how its .cu objects are compiled and how it is linked."""

    def __init__(self, build, name, style):
        self.build, self.name, self.style = build, name, style
        shown = subprocess.run(["ninja", "-C", str(build), "-t", "commands", name], capture_output=True, text=True)
        self.exists = shown.returncode == 0
        if not self.exists:
            return
        commands = shown.stdout.splitlines()
        self.link = next(c for c in reversed(commands) if re.search(rf"-o \S*{name}\b", c))
        self.compile = {}
        for command in commands:
            for part in command.split("&&"):
                found = re.search(r"-c (\S+\.cu)\b", part)
                if found:
                    self.compile[pathlib.Path(found.group(1))] = shlex.split(part)

    def dependents(self, path):
        """The .cu files that a change of `path` recompiles."""
        if path.suffix == ".cu":
            return [path] if path in self.compile else []
        include = str(path.relative_to(ROOT))
        reached, pending = {include}, True
        while pending:  # headers that include it, too
            more = {str(h.relative_to(ROOT)) for h in ROOT.glob("kernels/**/*.h")
                    if any(f'"{name}"' in h.read_text() for name in reached)} - reached
            pending = bool(more)
            reached |= more
        return [cu for cu in self.compile if any(f'"{name}"' in cu.read_text() for name in reached)]

    def compiled(self, cu, overlay, target):
        words, out, skip = self.compile[cu], [], False
        for i, word in enumerate(words):
            if skip:
                skip = False
            elif word in ("-MF", "-o", "-c"):
                skip = True
            elif word not in ("-MD", "-Werror", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow") and not (i == 0 and word.endswith("ccache")):
                out.append(word)
        at = overlay / cu.relative_to(ROOT)
        out[1:1] = ["-w", f"-I{overlay}"]
        return out + ["-c", str(at if at.exists() else cu), "-o", str(target)]

    def make(self, mutant_path, overlay, folder):
        """The program with the changed file in it; None where it does not compile."""
        objects = []
        for cu in self.dependents(mutant_path):
            target = folder / (hashlib.sha256(str(cu).encode()).hexdigest()[:12] + f".{self.name}.o")
            if subprocess.run(self.compiled(cu, overlay, target), cwd=self.build, capture_output=True).returncode != 0:
                return None
            objects.append((cu, target))
        program = folder / self.name
        link = self.link
        for cu, target in objects:
            stock = str(pathlib.Path(self.compile[cu][self.compile[cu].index("-o") + 1]))
            short = os.path.relpath(stock, self.build)
            named = next((n for n in (stock, short) if f" {n} " in link), None)
            if named:
                link = link.replace(f" {named} ", f" {target} ", 1)
            else:  # in an archive: before it, so that the archive's member is not asked for
                link = re.sub(r" (\S*\.a\b)", rf" {target} \1", link, count=1)
        link = re.sub(rf"-o \S*{self.name}\b", f"-o {shlex.quote(str(program))}", link)
        done = subprocess.run(link, shell=True, cwd=self.build, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} does not link: {done.stderr[-500:]}")
        return program

    def commands(self, program, selection):
        if self.style == "ops":
            return [[str(program), "check", "--small", "--device", "simt", "--op", op] for op in selection]
        quoted = [re.sub(r"([\\,\[\]\"])", r"\\\1", name) for name in selection]
        return [[str(program), ",".join(quoted), "--abort"]] if selection else []

    def reach(self, program):
        """Which checks fail: with a mutant that throws in every launch, those that run the file."""
        if self.style == "ops":
            done = subprocess.run([str(program), "check", "--small", "--device", "simt"], cwd=ROOT, capture_output=True, text=True)
            return sorted({row["op"] for row in json.loads(done.stdout)["rows"] if row.get("failures")})
        done = subprocess.run([str(program), "--reporter", "xml", "-w", "NoAssertions"], cwd=ROOT, capture_output=True)
        names = []
        for case in xml.etree.ElementTree.fromstring(done.stdout).iter("TestCase"):
            result = case.find("OverallResult")
            if result is None or result.get("success") != "true":
                names.append(case.get("name"))
        return names


def write_overlay(folder, path, text):
    at = folder / "overlay" / path.relative_to(ROOT)
    at.parent.mkdir(parents=True)
    at.write_text(text)
    return folder / "overlay"


class Bench:
    """What is known of each file: the checks that reach it and how long they take unharmed."""

    def __init__(self, programs, cache):
        self.programs, self.cache_file = programs, cache
        self.cache = json.loads(cache.read_text()) if cache.exists() else {}
        self.lock = threading.Lock()
        self.locks = {}

    def plan(self, path):
        with self.lock:
            lock = self.locks.setdefault(path, threading.Lock())
        with lock:
            stamp = hashlib.sha256(b"".join(f.read_bytes() for f in [path, *(self.build_of(p) for p in self.programs)])).hexdigest()
            key = str(path.relative_to(ROOT))
            if self.cache.get(key, {}).get("stamp") != stamp:
                plan = {"stamp": stamp, "checks": self.find(path)}
                with self.lock:
                    self.cache[key] = plan
                    self.cache_file.write_text(json.dumps(self.cache, indent=1))
            return self.cache[key]["checks"]

    @staticmethod
    def build_of(program):
        found = re.search(rf"-o (\S*{program.name})\b", program.link)
        return program.build / found.group(1)

    def find(self, path):
        checks = {}
        source = path.read_text()
        if path.suffix == ".cu":
            last = source.rfind("#include")
            last = source.find("\n", last) + 1
            sentinel = "static inline void mutation_reached() { throw saccade::Error(\"reached\"); }\n"
            probe = source[:last] + sentinel + re.sub(r"(?<![\w.:])launch\(", "mutation_reached(), launch(", source[last:])
        for program in self.programs:
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                if path.suffix == ".cu":
                    overlay = write_overlay(folder, path, probe)
                    broken = program.make(path, overlay, folder)
                    if broken is None:
                        raise RuntimeError(f"{path}: the probe does not compile")
                    selection = program.reach(broken)
                else:  # a header: what reaches the files that include it
                    selection = sorted({name for cu in program.dependents(path)
                                        for name in self.plan(cu).get(program.name, {}).get("selection", [])})
                begin = time.monotonic()
                for command in program.commands(self.build_of(program), selection):
                    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                    if done.returncode != 0:
                        raise RuntimeError(f"{' '.join(command)} fails on the unchanged source:\n{done.stdout[-800:]}{done.stderr[-800:]}")
                checks[program.name] = {"selection": selection, "seconds": time.monotonic() - begin}
        return checks

    def run(self, mutant):
        """Who caught it, or why not."""
        checks = self.plan(mutant.path)
        result = {"id": mutant.id, "kind": mutant.kind, "file": mutant.name, "line": mutant.line,
                  "before": mutant.before, "after": mutant.after, "key": mutant.key}
        if not any(c["selection"] for c in checks.values()):
            return {**result, "outcome": "survived", "why": "no check reaches this file"}
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            overlay = write_overlay(folder, mutant.path, mutant.text)
            for program in self.programs:
                selection = checks[program.name]["selection"]
                if not selection:
                    continue
                made = program.make(mutant.path, overlay, folder)
                if made is None:
                    return {**result, "outcome": "invalid"}
                limit = 20 + 10 * checks[program.name]["seconds"]
                for command in program.commands(made, selection):
                    try:
                        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=limit)
                    except subprocess.TimeoutExpired:
                        return {**result, "outcome": "caught", "by": program.name, "how": "time"}
                    if done.returncode != 0:
                        return {**result, "outcome": "caught", "by": program.name,
                                "how": "failure" if done.returncode > 0 else f"signal {-done.returncode}"}
        return {**result, "outcome": "survived"}


# --- Choosing and reporting ---


def chosen(mutants, args):
    rng = random.Random(args.seed)
    if args.sample:
        mutants = rng.sample(mutants, min(args.sample, len(mutants)))
    else:
        operators = [m for m in mutants if m.kind == "operator"]
        kept = {m.id for m in rng.sample(operators, min(args.operators, len(operators)))}
        mutants = [m for m in mutants if m.kind != "operator" or m.id in kept]
    index, count = (int(word) for word in args.shard.split("/"))
    mutants.sort(key=lambda m: KINDS.index(m.kind))  # what a budget cuts off is the sampled kind
    return [m for i, m in enumerate(mutants) if i % count == index - 1]


def reasons():
    """{key: reason} of tests/mutation_survivors.txt: a line `# reason`, then the mutants that it holds for."""
    known, reason = {}, ""
    for line in SURVIVORS.read_text().splitlines() if SURVIVORS.exists() else []:
        if line.startswith("#"):
            reason = line[1:].strip()
        elif line.strip():
            known[line.strip()] = reason
    return known


def report(results, complete):
    known = reasons()
    failed = False
    print(f"\n{'kind':10} {'mutants':>8} {'caught':>8} {'explained':>10} {'survived':>9} {'share':>7}")
    for kind in KINDS:
        counted = [r for r in results if r["kind"] == kind and r["outcome"] != "invalid"]
        caught = sum(r["outcome"] == "caught" for r in counted)
        explained = sum(r["outcome"] == "survived" and r["key"] in known for r in counted)
        left = len(counted) - caught - explained
        share = caught / (caught + left) if caught + left else 1.0
        print(f"{kind:10} {len(counted):8} {caught:8} {explained:10} {left:9} {share:7.1%}")
        failed |= left > 0 if kind == "barrier" else False
    rest = [r for r in results if r["kind"] != "barrier" and r["outcome"] != "invalid" and not (r["outcome"] == "survived" and r["key"] in known)]
    share = sum(r["outcome"] == "caught" for r in rest) / len(rest) if rest else 1.0
    # Of a few mutants one more or less is chance: a sample fails where it speaks against 95 %, not where it is near.
    allowed = max(LEAST_SHARE * len(rest) - (0 if complete else 2), 0)
    failed |= share * len(rest) < allowed
    print(f"{sum(r['outcome'] == 'invalid' for r in results)} more do not compile")
    survivors = sorted((r for r in results if r["outcome"] == "survived"), key=lambda r: (r["file"], r["line"]))
    for r in survivors:
        why = known.get(r["key"]) or r.get("why") or "NOT EXPLAINED"
        print(f"{r['file']}:{r['line']}: {r['kind']}: {r['before']}\n      -> {r['after']}\n      {why}")
    if complete:
        stale = set(known) - {r["key"] for r in survivors}
        for key in sorted(stale):
            print(f"tests/mutation_survivors.txt: no survivor fits: {key}")
        failed |= bool(stale)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--sample", type=int, default=0, help="this many mutants of all kinds")
    parser.add_argument("--operators", type=int, default=400, help="how many of the kind `operator` without --sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard", default="1/1", help="the i-th of n parts, as i/n")
    parser.add_argument("--budget", type=float, default=0, help="seconds after which no new mutant is begun")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="print the chosen mutants and end")
    parser.add_argument("--again", action="store_true", help="run known survivors once more: the checks have changed")
    parser.add_argument("--report", action="store_true", help="of what is known so far; runs nothing")
    parser.add_argument("files", nargs="*", help="parts of file names; default: all")
    args = parser.parse_args()
    args.build = args.build.resolve()

    mutants = chosen(list(all_mutants(sources(args.files))), args)
    if args.list:
        for m in mutants:
            print(f"{m.name}:{m.line}: {m.kind}: {m.before}\n      -> {m.after}")
        print(f"{len(mutants)} mutants")
        return 0
    begin = time.monotonic()
    folder = args.build / "mutation"
    folder.mkdir(exist_ok=True)
    log = folder / "results.jsonl"
    done = {r["id"]: r for r in map(json.loads, log.read_text().splitlines())} if log.exists() else {}
    if args.again:
        done = {key: r for key, r in done.items() if r["outcome"] != "survived"}
    if not args.report and any(m.id not in done for m in mutants):
        names = [name for name, _ in PROGRAMS]
        programs = [p for p in (Program(args.build, *entry) for entry in PROGRAMS) if p.exists]
        missing = [name for name in names if name not in {p.name for p in programs}]
        if missing:
            print(f"not in this build: {', '.join(missing)}")
        subprocess.run(["ninja", "-C", str(args.build), *(p.name for p in programs)], check=True, stdout=subprocess.DEVNULL)
        bench = Bench(programs, folder / "checks.json")
        write = threading.Lock()

        def work(mutant):
            if args.budget and time.monotonic() - begin > args.budget:
                return
            result = bench.run(mutant)
            with write:
                done[mutant.id] = result
                with log.open("a") as file:
                    file.write(json.dumps(result) + "\n")
                count = sum(m.id in done for m in mutants)
                print(f"[{count}/{len(mutants)}] {result['outcome']:8} {result.get('by', ''):16} "
                      f"{mutant.kind:8} {mutant.name}:{mutant.line}", flush=True)

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for future in [pool.submit(work, m) for m in mutants if m.id not in done]:
                future.result()
    results = [done[m.id] for m in mutants if m.id in done]
    if len(results) < len(mutants):
        print(f"{len(mutants) - len(results)} mutants wait: the same command goes on")
    complete = len(results) == len(mutants) and not args.sample and not args.files and args.shard == "1/1"
    return 1 if report(results, complete) else 0


if __name__ == "__main__":
    sys.exit(main())
