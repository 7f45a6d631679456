#!/usr/bin/env python3
"""Chooses the ops that CI checks in full: those that a change touches, and a seeded quarter of the others.

    tests/choose_ops.py --op build/release/tools/op [--base COMMIT] [--seed TEXT]

Prints their names with commas, for SACCADE_OPS (tests/common/chosen_ops.h), or nothing where every op is to run; the
reason, and the number, go to stderr. A change touches an op when it touches a file that the op's registration includes,
however far away, or the source beside such a header; and when it touches a row or an entry of the op in one of TABLES.
A change of what all checks share (EVERYTHING), or of a kernel's source that no op includes, touches all. The change is
what differs from the merge base with origin's main branch; on that branch itself, it is what came in the day before the
last commit. Where git knows no such commit, every op runs. The quarter depends on the last commit, so that each op has
its turn. Needs only the Python standard library.
"""

import argparse
import functools
import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
EVERYTHING = ("CMakeLists.txt", "CMakePresets.json", "kernels/simt/", "autograd/op_", "tests/common/", "tests/kernels/simt/",
              "tests/autograd/registry.cpp", "tests/autograd/recording.cpp", "tests/autograd/overwritten.cpp", "bench/traffic/", "bench/cases.h", "tests/choose_ops.py")
# Lists with an entry for each op, which begins on a line of its own.
TABLES = {"tests/kernels/simt/shapes.cpp": r'\s*\{"(\w+)"', "bench/traffic/cases.h": r'\s*\{"(\w+)"',
          "bench/shapes.json": r'\s*\{"op": "(\w+)"', "tests/kernels/traffic_bounds.tsv": r"(\w+)\t"}
SHARE = 4  # one in this many of the ops that a change does not touch runs


def git(root, *words):
    """What git prints; None where it fails."""
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def base_of(root):
    """The commit that the change is measured against; None where there is none."""
    if git(root, "rev-parse", "--is-shallow-repository") != "false":
        return None
    head = git(root, "rev-parse", "HEAD")
    for branch in ("origin/HEAD", "origin/main", "main"):
        base = git(root, "merge-base", "HEAD", branch)
        if base and base != head:
            return base
    made = git(root, "log", "-1", "--format=%ct", "HEAD")
    return made and git(root, "rev-list", "-1", "--first-parent", f"--before={int(made) - 86400}", "HEAD") or None


# --- What a change touches ---


def siblings(path):
    """The files that belong to a header: x.h, x.ref.h, x.cpp, x.cu."""
    stem = re.sub(r"(\.ref)?\.\w+$", "", path)
    return [stem + end for end in (".h", ".ref.h", ".cpp", ".cu")]


class Sources:
    """The files of a tree, and which of them an op is made of."""

    def __init__(self, root):
        self.root = root
        self.code = [p for p in (git(root, "ls-files", "--cached", "--others", "--exclude-standard") or "").splitlines()
                     if p.endswith((".h", ".cpp", ".cu")) and not p.startswith(("tests/", "bench/", "tools/")) and (root / p).exists()]

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        file = self.root / path
        return file.read_text() if file.exists() else ""

    def registrations(self, op):
        """registry/<op>.cpp; where there is none, the sources that name the op and lie in a registry, or name one."""
        found = [p for p in self.code if p.endswith(".cpp") and f'"{op}"' in self.text(p) and "registry/" in p + self.text(p)]
        return [p for p in found if p.endswith(f"registry/{op}.cpp")] or found

    def includes(self, path):
        return re.findall(r'#\s*include\s*"([^"]+)"', self.text(path))

    def included_by(self, path):
        """What a file includes, and the sources beside that."""
        return [s for include in self.includes(path) for s in siblings(include)]

    def of(self, op):
        """Every file that may change what the op computes; none where its registration is not found."""
        return self.reached_from(self.registrations(op), self.included_by)

    def headers_of(self, path):
        """A file and every header that its compiler reads."""
        return self.reached_from([path], self.includes)

    @staticmethod
    def reached_from(paths, step):
        pending, found = list(paths), set()
        while pending:
            path = pending.pop()
            if path not in found:
                found.add(path)
                pending += step(path)
        return found

    def cuda_of(self, op):
        """The CUDA sources of the kernels whose contracts the op's registration includes, or else its functions include."""
        files = self.registrations(op)
        for _ in range(2):
            files = [s for path in files for s in self.included_by(path)]
            found = sorted({s for s in files if s.endswith(".cu") and s in self.code})
            if found:
                return found
        return []


def ops_of_table(root, base, path, ops):
    """The ops whose entries in a list differ; None where a difference belongs to no op."""
    entry, lines, touched = re.compile(TABLES[path]), (root / path).read_text().splitlines(), set()
    at = 0
    for line in (git(root, "diff", "-U0", base, "--", path) or "").splitlines():
        if hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            at = int(hunk[1]) - (hunk[2] != "0")  # lines before the hunk
            removed_at = at
            continue
        if line.startswith(("+++", "---")) or line[:1] not in "+-":
            continue
        at += line[0] == "+"
        if found := entry.match(line[1:]):
            touched.add(found[1])
            continue
        above = [m[1] for m in map(entry.match, lines[: at if line[0] == "+" else removed_at]) if m]
        if line[1:].strip() and not line[1:].startswith("#"):
            touched.add(above[-1] if above else None)
    return None if None in touched else touched & set(ops)


def changed_files(root, base):
    changed = (git(root, "diff", "--name-only", "--no-renames", base) or "").splitlines()
    return changed + (git(root, "ls-files", "--others", "--exclude-standard") or "").splitlines()


def touched_ops(root, base, ops):
    """(the ops that the change touches; the reason if these are all)"""
    changed = changed_files(root, base)
    tree = Sources(root)
    sources = {op: tree.of(op) for op in ops}
    known = set().union(*sources.values())
    touched = {op for op in ops if not sources[op] or sources[op] & set(changed)}
    for path in changed:
        if path in TABLES and (root / path).exists():
            entries = ops_of_table(root, base, path, ops)
            if entries is None:
                return set(ops), f"{path} changed outside of an op's entry"
            touched |= entries
        elif path.startswith(EVERYTHING) and not path.endswith(".md"):
            return set(ops), f"{path} changed"
        elif re.match(r"kernels/.*\.(h|cpp|cu)$", path) and path not in known:
            return set(ops), f"{path} changed, which no op includes"
    return touched, ""


def share_of(names, seed):
    names = sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    return names[: -(-len(names) // SHARE)]


def choose_sources(root, files, base):
    """The files that a change touches, by themselves or by a header, and a seeded quarter of the others; all without a base."""
    if base is None:
        return files
    tree, changed = Sources(root), set(changed_files(root, base))
    touched = {f for f in files if tree.headers_of(f) & changed}
    return sorted(touched) + share_of(set(files) - touched, git(root, "rev-parse", "HEAD"))


def choose(root, ops, base, seed):
    """(the chosen ops, or none where every op runs; the reason)"""
    if base is None:
        return [], "no commit to compare with"
    touched, why = touched_ops(root, base, ops)
    rest = set(ops) - touched
    drawn = share_of(rest, seed)
    if len(touched) + len(drawn) == len(ops):
        return [], why or "the change touches nearly all of them"
    return sorted(touched | set(drawn)), f"since {base[:8]} {len(touched)} are touched, {len(drawn)} of the other {len(rest)} are drawn"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--op", required=True, help="the program tools/op, which lists the ops")
    parser.add_argument("--base", help="the commit to compare with")
    parser.add_argument("--seed", help="default: the last commit")
    args = parser.parse_args()
    ops = [op["name"] for op in json.loads(subprocess.run([args.op, "list", "--json"], check=True, capture_output=True, text=True).stdout)]
    base = git(ROOT, "rev-parse", "--verify", args.base + "^{commit}") if args.base else base_of(ROOT)
    if args.base and base is None:
        parser.error(f"--base {args.base}: no such commit")
    chosen, why = choose(ROOT, ops, base, args.seed or git(ROOT, "rev-parse", "HEAD"))
    print(f"{len(chosen) or 'all'} of {len(ops)} ops: {why}", file=sys.stderr)
    print(",".join(chosen))


if __name__ == "__main__":
    main()
