#!/usr/bin/env python3
"""Breaks the CUDA sources on purpose and counts how many of the faults the tests see.

A mutant is one small change of one .cu file (or of a device header that holds barriers):
    barrier   a __syncthreads or __syncwarp is removed
    guard     a bound is weakened by one: a < b becomes a <= b, a >= b becomes a > b (but not in a < b ? a : b)
    operator  a sign, an index or a comparison is flipped
Each is compiled for the simt device with the command that the build uses (the barriers and guards of a file together,
as switches), linked into the check programs, and run on only those checks that launch a kernel of its file (a first
build records which do). It is caught when a check fails, crashes or runs out of time; the programs after the first that
catches it are not built. Nothing in the source tree is touched.

    tests/mutation.py                       every barrier and guard, and a seeded sample of operators
    tests/mutation.py --sample 20           a seeded sample, a fifth of it barriers: what CI runs
    tests/mutation.py --shard 2/8 --budget 3600
Results go to <build>/mutation/results.jsonl, one mutant a line. A run that was stopped, and the next shard, go on from
there, and a mutant of an unchanged file is never run twice. tests/mutation_survivors.txt lists mutants that change
nothing that a check could see, with the reason; they are not counted. The exit code is 1 when a barrier's removal
survives, when less than 95 % of the rest is caught, or when a complete run finds that a listed mutant is caught.

Needs a build with the simt device (ninja, clang), and only the Python standard library.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SURVIVORS = ROOT / "tests/mutation_survivors.txt"

# The programs whose checks are run, in this order, and how each is told what to run. A program that the build does not
# have is left out (and said so); a new checker joins by a line here.
#   ops    one run for each op: PROGRAM check --small --device simt --op NAME
#   catch  one run with the names of the Catch2 test cases that reach the file
PROGRAMS = [("bench_gpu", "ops"), ("test_kernels", "catch"), ("test_simt_memory", "ops"), ("test_kernels_memory", "catch"),
            ("test_simt_race", "ops")]
# What most likely catches a kind, before the others.
FIRST = {"barrier": ["test_simt_race"], "guard": ["test_simt_memory", "test_kernels_memory"]}

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
# A minimum or maximum of two: where they are equal, either is the same, so the comparison guards nothing.
EXTREME = re.compile(r"(?:(?<== )|(?<=\()|(?<=, )|(?<=return )|(?<=\n)|(?<=  ))(?P<a>[^\s=?;,<>][^=?;,<>]*?) (?:<|>=) (?P<b>[^=?;<>]+?) "
                     r"\? (?:(?P=a) : (?P=b)|(?P=b) : (?P=a))(?=[;,)}])")
DECLARED = re.compile(r"(?:^|[;{(,])\s*(?:__shared__|const|static|constexpr|\s)*(?!return\b|else\b)[A-Za-z_][\w:]*(?:<[^;]*>)?[\s*&]+\w+$")


def mutants_of(path):
    """(kind, position, old text, new text) of every mutant of a file."""
    text = blanked(path.read_text())
    found = []
    for match in re.finditer(r"\b__syncthreads\(\)|\b__syncwarp\([^()]*\)", text):
        found.append(("barrier", match.start(), match.group(0), "(void)0"))
    extremes = {match.end("a") for match in EXTREME.finditer(text)}
    for pattern, new in ((r" < ", " <= "), (r" >= ", " > ")):
        for match in re.finditer(pattern, text):
            if match.start() in extremes:
                continue
            found.append(("guard", match.start(), match.group(0), new))
    for pattern, new in FLIPS:
        for match in re.finditer(pattern, text):
            found.append(("operator", match.start(), match.group(0), match.expand(new)))
    for match in re.finditer(r"(?<=\w)\[([^\[\]\n]+)\]", text):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not DECLARED.search(line) and "__shared__" not in line:
            found.append(("operator", match.start(), match.group(0), f"[({match.group(1)}) + 1]"))
    return sorted(found, key=lambda m: (m[1], m[3]))


FUNCTION = re.compile(r"(operator\s*\(\)|[\w:~]+(?:<[^()]*?>(?:::\w+)?)?)\s*\(")


def functions_of(text):
    """(first position, last position, name) of each function in a blanked text: a kernel, or Struct::operator()."""
    found, blocks, start = [], [], 0  # of each open block: a struct's name, None for a function, "" for the rest
    for at, c in enumerate(text):
        if c == "{":
            head = re.sub(r"template\s*<[^{}]*?>\s*(?=[\w\[])", " ", text[start:at])
            struct, function = re.search(r"\b(?:struct|class|union)\s+(\w+)", head), FUNCTION.search(head)
            inside = any(name is None for name in blocks)
            if function and not inside and "=" not in head[: function.start()]:
                found.append([start, len(text), "::".join([*filter(None, blocks), function[1]])])
                blocks.append(None)
            else:
                blocks.append("" if inside or not struct else struct[1])
        elif c == "}" and blocks and blocks.pop() is None:
            found[-1][1] = at
        if c in "{};":
            start = at + 1
    return found


class Mutant:
    def __init__(self, path, kind, position, old, new, source, function):
        self.path, self.kind, self.old, self.new, self.position = path, kind, old, new, position
        start = source.rfind("\n", 0, position) + 1
        end = source.find("\n", position)
        self.line = source.count("\n", 0, position) + 1
        code = source[start:end].split("//")[0]  # a comment may change its words
        self.before = code.strip()
        self.after = (code[: position - start] + new + code[position - start + len(old) :]).strip()
        self.text = source[:position] + new + source[position + len(old) :]
        self.name = str(path.relative_to(ROOT))
        # What a reason is filed under, so that it survives edits elsewhere. all_mutants() numbers equal ones.
        self.key = f"{self.name} | {function} | {self.before} -> {self.after}"
        digest = hashlib.sha256(f"{self.name} {kind} {position} {new}\n{source}".encode())
        self.id = digest.hexdigest()[:16]


def all_mutants(paths):
    for path in paths:
        source, seen = path.read_text(), {}
        functions = functions_of(blanked(source))
        for kind, position, old, new in mutants_of(path):
            function = next((name for begin, end, name in functions if begin <= position < end), "")
            mutant = Mutant(path, kind, position, old, new, source, function)
            seen[mutant.key] = seen.get(mutant.key, 0) + 1
            if seen[mutant.key] > 1:
                mutant.key += f" | {seen[mutant.key]}"
            yield mutant


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
                found = re.search(r"-c (\S+\.cu)\b.* -o (\S+)", part)
                if found and "nvcc" not in part:  # a build with CUDA compiles each source for both devices
                    # Of several objects of one source, the one that the program links; the command does not name
                    # one in an archive.
                    cu, target = pathlib.Path(found.group(1)), found.group(2)
                    if cu not in self.compile or self.named(target):
                        self.compile[cu] = shlex.split(part)

    def named(self, target):
        """How the link command writes this object; None where it is in an archive."""
        short = os.path.relpath(target, self.build)
        return next((n for n in (target, short) if f" {n} " in self.link), None)

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

    def compiled(self, cu, overlay):
        """The command that compiles a file as the build does, from the overlay if the overlay has it."""
        words, out, skip = self.compile[cu], [], False
        for i, word in enumerate(words):
            if skip:
                skip = False
            elif word in ("-MF", "-o", "-c"):
                skip = True
            elif word not in ("-MD", "-Werror", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow") and not (i == 0 and word.endswith("ccache")):
                out.append(word)
        at = overlay / cu.relative_to(ROOT)
        return [out[0], "-w", f"-I{overlay}", *out[1:], "-c", str(at if at.exists() else cu)]

    def make(self, files, overlay, folder):
        """The program with these .cu files compiled anew; None where one does not compile. Programs with the same flags
        share the objects that lie in `folder`."""
        objects = []
        for cu in files:
            command = self.compiled(cu, overlay)
            target = folder / (hashlib.sha256(" ".join(command).encode()).hexdigest()[:16] + ".o")
            if not target.exists() and subprocess.run([*command, "-o", str(target)], cwd=self.build, capture_output=True).returncode != 0:
                return None
            objects.append((cu, target))
        program = folder / self.name
        link = self.link
        for cu, target in objects:
            named = self.named(self.compile[cu][self.compile[cu].index("-o") + 1])
            if named:
                link = link.replace(f" {named} ", f" {target} ", 1)
            else:  # in an archive: ours goes before it, so that the archive's member is not taken
                link = re.sub(r" (\S*\.a\b)", rf" {target} \1", link, count=1)
        fast = "-fuse-ld=lld " if shutil.which("ld.lld") else ""
        link = re.sub(rf"-o \S*{self.name}\b", f"{fast}-o {shlex.quote(str(program))}", link)
        done = subprocess.run(link, shell=True, cwd=self.build, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} does not link: {done.stderr[-500:]}")
        return program

    def stock(self):
        return self.build / re.search(rf"-o (\S*{self.name})\b", self.link).group(1)

    def command(self, program, check):
        if self.style == "ops":
            return [str(program), "check", "--small", "--device", "simt", "--op", check]
        return [str(program), re.sub(r"([\\,\[\]\"])", r"\\\1", check), "--abort"]

    def checks(self, program):
        """The names of all that the program can check."""
        if self.style == "ops":
            done = subprocess.run([str(program), "check", "--small", "--device", "simt"], cwd=ROOT, capture_output=True, text=True)
            return sorted({row["op"] for row in json.loads(done.stdout)["rows"]})
        # Its exit code is the number of tests. cuDNN's tests start no kernel, and leak memory that is not ours.
        return subprocess.run([str(program), "--list-test-names-only", "~[cudnn]"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()


def write_overlay(folder, path, text):
    at = folder / "overlay" / path.relative_to(ROOT)
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_text(text)
    return folder / "overlay"


# A .cu file with this in front of it writes its name into a file, once, when a kernel of it is launched.
PROBE = """#include "kernels/common/launch.h"
#include <cstdio>
#include <cstdlib>
static inline void mutation_reached() {
  static bool once = false;
  const char* log = std::getenv("SACCADE_MUTATION_LOG");
  if (once || log == nullptr) return;
  once = true;
  if (std::FILE* file = std::fopen(log, "a")) std::fprintf(file, "%s\\n", "NAME"), std::fclose(file);
}
#define launch(...) (mutation_reached(), launch(__VA_ARGS__))
"""


# --- All barriers and guards of a file in one program ---

# a < b becomes a < One<n>() + b, which is a <= b where mutant n is the active one; a >= b likewise.
SCHEMA = """#ifndef SACCADE_MUTATION
#define SACCADE_MUTATION
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>
namespace mutation {
static const int active = [] {
  const char* number = std::getenv("SACCADE_MUTANT");
  return number == nullptr ? 0 : std::atoi(number);
}();
template <int N> struct One {};
template <int N, class T> inline auto operator+(One<N>, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return active == N ? std::nextafter(b, std::numeric_limits<T>::infinity()) : b;
  } else {
    static_assert(std::is_integral_v<T> || std::is_pointer_v<T>, "no number");
    return b + (active == N);
  }
}
}  // namespace mutation
#endif
"""


class Schema:
    """One file with its barriers and guards as switches of the environment variable SACCADE_MUTANT, so that the file is
    compiled once for all of them. What must be a constant at compile time cannot be switched and is not in `number`."""

    def __init__(self, path, program, folder):
        self.path, self.folder = path, folder
        source = path.read_text()
        mutants = [m for m in mutants_of(path) if m[0] != "operator"]
        while True:
            self.number, text = {}, source
            for n, (kind, position, old, new) in reversed(list(enumerate(mutants, 1))):
                switched = f"(mutation::active == {n} ? (void)0 : (void){old})" if kind == "barrier" else f"{old}mutation::One<{n}>() + "
                text = text[:position] + switched + text[position + len(old) :]
                self.number[kind, position] = n
            if path.suffix == ".h":
                text = text.replace("#pragma once", "#pragma once\n" + SCHEMA.strip(), 1)
                shift = SCHEMA.count("\n")
            else:
                text, shift = SCHEMA + text, SCHEMA.count("\n")
            shutil.rmtree(folder, ignore_errors=True)
            self.overlay = write_overlay(folder, path, text)
            refused = set()
            for cu in program.dependents(path):
                done = subprocess.run([*program.compiled(cu, self.overlay), "-fsyntax-only"], cwd=program.build, capture_output=True, text=True)
                if done.returncode != 0:
                    at = re.escape(str(self.overlay / path.relative_to(ROOT)))
                    refused |= {int(n) - shift for n in re.findall(at + r":(\d+):", done.stderr)}
                    break
            else:
                break
            left = [m for m in mutants if source.count("\n", 0, m[1]) + 1 not in refused]
            mutants = left if len(left) < len(mutants) else []
        self.programs = {}

    def make(self, program):
        if program.name not in self.programs:
            self.programs[program.name] = program.make(program.dependents(self.path), self.overlay, self.folder)
        return self.programs[program.name]


class Bench:
    """What is known of each .cu file: the checks that reach it, and how long they take unharmed."""

    def __init__(self, programs, cache, files, jobs, quick):
        # quick: in CI, where every check has just passed, the instrumented programs are not first run unchanged.
        self.programs, self.quick = programs, quick
        first = {program.style: program for program in reversed(programs)}  # whose probe speaks for the others
        files = sorted({cu for path in files for program in first.values() for cu in program.dependents(path)})
        names = [str(f.relative_to(ROOT)) for f in files]
        stamp = hashlib.sha256(b"".join(p.stock().read_bytes() for p in programs)).hexdigest()
        known = json.loads(cache.read_text()) if cache.exists() else {}
        if known.get("stamp") != stamp or not set(names) <= set(known["files"]):
            known = {"stamp": stamp, "files": names, "reach": self.find(files, jobs)}
            cache.write_text(json.dumps(known, indent=1))
        self.reach = known["reach"]  # {program: {check: {"files": [...], "seconds": s}}}

    def find(self, files, jobs):
        reach, names = {}, [str(f.relative_to(ROOT)) for f in files]
        with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            folder = pathlib.Path(folder)
            overlay = folder / "overlay"
            for cu in files:
                write_overlay(folder, cu, PROBE.replace("NAME", str(cu.relative_to(ROOT))) + cu.read_text())

            def run(job):
                program, made, check, log = job
                begin = time.monotonic()
                done = subprocess.run(program.command(made, check), cwd=ROOT, capture_output=True, text=True,
                                      env={**os.environ, "SACCADE_MUTATION_LOG": str(log)})
                if done.returncode != 0:
                    raise RuntimeError(f"{program.name}: {check} fails on the unchanged source:\n{done.stdout[-800:]}{done.stderr[-800:]}")
                reached = sorted(set(log.read_text().split())) if log.exists() else []
                return program.name, check, {"files": reached, "seconds": time.monotonic() - begin}

            styles, jobs_ = {}, []
            for program in self.programs:
                # A check reaches the same files in each program; a check that the first program lacks
                # may reach any file.
                first = styles.setdefault(program.style, program)
                if first is program:
                    alone = list(pool.map(lambda cu: program.make([cu], overlay, folder), files))  # the objects, in parallel
                    if None in alone:
                        raise RuntimeError(f"{files[alone.index(None)]}: the probe does not compile")
                    made = program.make(files, overlay, folder)
                    made = made.rename(folder / f"probe_{program.name}")
                else:
                    made = program.stock()
                jobs_ += [(program, made, check, folder / f"{program.name}{i}.log") for i, check in enumerate(program.checks(made))]
            once = [job for job in jobs_ if job[0] in styles.values() or not self.quick]
            for name, check, found in pool.map(run, once):
                reach.setdefault(name, {})[check] = found
            for program, _, check, _ in (job for job in jobs_ if job not in once):
                seconds = reach[styles[program.style].name].get(check, {"seconds": 1})["seconds"]
                reach.setdefault(program.name, {})[check] = {"seconds": 3 * seconds}
            for program in self.programs:
                for check, found in reach[program.name].items():
                    first = reach[styles[program.style].name]
                    found["files"] = first[check]["files"] if check in first else names
        return reach

    def schema(self, path, folder):
        return Schema(path, self.programs[0], folder)

    def run(self, mutant, schema=None):
        """Who caught it, or why not."""
        result = {"id": mutant.id, "kind": mutant.kind, "file": mutant.name, "line": mutant.line,
                  "before": mutant.before, "after": mutant.after, "key": mutant.key}
        number = schema.number.get((mutant.kind, mutant.position)) if schema else None
        environment = {**os.environ, "SACCADE_MUTANT": str(number or 0)}
        reached = False
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            overlay = write_overlay(folder, mutant.path, mutant.text)
            for program in sorted(self.programs, key=lambda p: p.name not in FIRST.get(mutant.kind, [])):
                files = program.dependents(mutant.path)
                names = {str(f.relative_to(ROOT)) for f in files}
                checks = [(c, found["seconds"]) for c, found in self.reach[program.name].items() if names & set(found["files"])]
                if not checks:
                    continue
                reached = True
                made = schema.make(program) if number else program.make(files, overlay, folder)
                if made is None:
                    return {**result, "outcome": "invalid"}
                for check, seconds in sorted(checks, key=lambda c: c[1]):  # the quick ones first
                    caught = {**result, "outcome": "caught", "by": program.name, "check": check}
                    try:
                        done = subprocess.run(program.command(made, check), cwd=ROOT, capture_output=True, env=environment, timeout=10 + 10 * seconds)
                    except subprocess.TimeoutExpired:
                        return {**caught, "how": "time"}
                    if done.returncode != 0:
                        return {**caught, "how": "failure" if done.returncode > 0 else f"signal {-done.returncode}"}
        return {**result, "outcome": "survived", **({} if reached else {"why": "no check reaches this file"})}


# --- Choosing and reporting ---


def drawn(mutants, count, seed):
    """A sample that does not change with edits elsewhere."""
    return sorted(mutants, key=lambda m: hashlib.sha256(f"{seed} {m.key}".encode()).digest())[:count]


def chosen(mutants, args):
    of_kind = {kind: [m for m in mutants if m.kind == kind] for kind in KINDS}
    counts = {"operator": args.operators}
    if args.sample:
        counts = {"barrier": args.sample // 5, "operator": args.sample * 2 // 5}
        counts["guard"] = args.sample - sum(counts.values())
    mutants = [m for kind in KINDS for m in drawn(of_kind[kind], counts.get(kind, len(of_kind[kind])), args.seed)]
    if args.kind:
        mutants = [m for m in mutants if m.kind == args.kind]
    index, count = (int(word) for word in args.shard.split("/"))
    mutants.sort(key=lambda m: KINDS.index(m.kind))  # so that a budget cuts off the sampled kind
    return [m for i, m in enumerate(mutants) if i % count == index - 1]


def reasons():
    """{key: reason} of tests/mutation_survivors.txt: a line `# reason`, then the keys of the mutants that it holds for."""
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
    # In a small sample one mutant more or less is chance, so it fails only where it speaks against 95 %.
    allowed = max(LEAST_SHARE * len(rest) - (0 if complete else 2), 0)
    failed |= share * len(rest) < allowed
    print(f"{sum(r['outcome'] == 'invalid' for r in results)} more do not compile")
    survivors = sorted((r for r in results if r["outcome"] == "survived"), key=lambda r: (r["file"], r["line"]))
    for r in survivors:
        why = known.get(r["key"]) or r.get("why") or "NOT EXPLAINED"
        print(f"{r['file']}:{r['line']}: {r['kind']}\n      {r['key']}\n      {why}")
    if complete:
        # An operator may not be in the sample.
        stale = set(known) & {r["key"] for r in results} - {r["key"] for r in survivors}
        for key in sorted(stale):
            print(f"tests/mutation_survivors.txt: a check sees this one now: {key}")
        failed |= bool(stale)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--sample", type=int, default=0, help="this many mutants of all kinds")
    parser.add_argument("--operators", type=int, default=150, help="how many of the kind `operator` without --sample")
    parser.add_argument("--kind", choices=KINDS, help="of this kind alone")
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
            print(f"{m.name}:{m.line}: {m.kind}\n      {m.key}")
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
        bench = Bench(programs, folder / "checks.json", {m.path for m in mutants if m.id not in done}, args.jobs,
                      quick=bool(args.sample))
        print(f"{time.monotonic() - begin:.0f} s to find which checks reach the files", flush=True)
        write = threading.Lock()

        def work(group):
            """Mutants of one file, or one alone."""
            with tempfile.TemporaryDirectory() as scratch:
                schema = None
                for mutant in group:
                    if args.budget and time.monotonic() - begin > args.budget:
                        return
                    if schema is None and mutant.kind != "operator":
                        schema = bench.schema(mutant.path, pathlib.Path(scratch) / "schema")
                    result = bench.run(mutant, schema)
                    with write:
                        done[mutant.id] = result
                        with log.open("a") as file:
                            file.write(json.dumps(result) + "\n")
                        count = sum(m.id in done for m in mutants)
                        print(f"[{count}/{len(mutants)}] {result['outcome']:8} {result.get('by', ''):16} "
                              f"{mutant.kind:8} {mutant.name}:{mutant.line}", flush=True)

        waiting = [m for m in mutants if m.id not in done]
        groups = {}
        for m in waiting:
            groups.setdefault(m.id if m.kind == "operator" else m.name, []).append(m)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            # Headers, which take the longest to compile, last.
            for future in [pool.submit(work, group) for group in sorted(groups.values(), key=lambda g: g[0].kind != "operator" and g[0].path.suffix == ".h")]:
                future.result()
    results = [done[m.id] | {"key": m.key} for m in mutants if m.id in done]
    if len(results) < len(mutants):
        print(f"{len(mutants) - len(results)} mutants wait: the same command goes on")
    complete = len(results) == len(mutants) and not args.sample and not args.files and not args.kind and args.shard == "1/1"
    return 1 if report(results, complete) else 0


if __name__ == "__main__":
    sys.exit(main())
