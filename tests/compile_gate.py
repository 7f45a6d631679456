#!/usr/bin/env python3
"""Compiles every CUDA kernel for each architecture and holds it to what tests/kernel_budget.tsv allows.

    tests/compile_gate.py [FILE.cu]...             for the seven that we build for
    tests/compile_gate.py --quick [--base COMMIT]  for sm_90a; and for sm_75 and 120 the files that a change touches (as
                                                   choose_ops.py sees a change) and a seeded quarter of the others
    tests/compile_gate.py --record [FILE.cu]...    writes what the seven need now into the table

A kernel fails when it spills or uses local memory; when it takes more registers than its budget; when its widest access
to global memory (from the PTX for sm_90a) is narrower than recorded; when it is instantiated for 16-byte vectors
(<float, 4>, <bf16, 8>) and no access has 128 bits; and when it is not in the table, or the table's row has no kernel.
Registers are the compiler's choice: with another release of nvcc than the recorded one, differences are printed, and
they fail nothing. Needs nvcc and c++filt, no GPU, and only the Python standard library.
"""

import argparse
import choose_ops
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests/kernel_budget.tsv"
SEVEN = ["75", "80", "86", "89", "90a", "100", "120"]
WIDTHS_OF = "90a"  # all architectures share the source of the widths; one PTX is enough
OLDEST_AND_NEWEST = ["75", "120"]
VECTOR_BYTES = 16
NVCC = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"


class Kernel:
    def __init__(self):
        self.registers = {}  # by architecture
        self.local = {}  # bytes of stack, spill stores and spill loads, where there are any
        self.load = self.store = 0  # bits of the widest access


def compiled(file, architecture, folder):
    """What ptxas says of a file, and its PTX. Raises RuntimeError with the compiler's words."""
    keep = pathlib.Path(folder) / f"{file.replace('/', '_')}.{architecture}"
    keep.mkdir()
    command = [NVCC, "-std=c++20", "-O3", "-I.", "-DSACCADE_CUDA=1", f"-arch=sm_{architecture}", "-cubin", "-Xptxas", "-v",
               "-Werror=all-warnings", "-keep", "-keep-dir", str(keep), "-o", str(keep / "out.cubin"), file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{file} for sm_{architecture} does not compile:\n{done.stdout}{done.stderr}")
    ptx = "".join(p.read_text() for p in keep.glob("*.ptx")) if architecture == WIDTHS_OF else ""
    shutil.rmtree(keep)
    return done.stdout + done.stderr, ptx


def registers_of(report):
    """(kernel, registers, bytes of local memory) of each kernel in the words of ptxas -v."""
    name, local = None, 0
    for line in report.splitlines():
        if found := re.search(r"Compiling entry function '(\w+)'", line):
            name = found.group(1)
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            local = sum(map(int, found.groups()))
        elif (found := re.search(r"Used (\d+) registers", line)) and name:
            yield name, int(found.group(1)), local
            name, local = None, 0


def widths_of(ptx):
    """(kernel, bits of the widest load, of the widest store). An access whose space is not stated counts as global."""
    for part in re.split(r"\.entry\s+", ptx)[1:]:
        body = part.split("\n.func")[0]
        widest = {"ld": 0, "st": 0}
        for kind, rest in re.findall(r"\b(ld|st)\.([\w.:]+)", body):
            if re.match(r"(volatile\.)?(shared|param|local|const)", rest):
                continue
            lanes = int((re.search(r"\.v([248])\.", f".{rest}") or [0, 1])[1])
            widest[kind] = max(widest[kind], lanes * int(re.search(r"[busf](\d+)$", rest)[1]))
        copies = re.findall(r"cp\.async\.c[ag]\.shared\.global[^;]*\], (\d+)", body)  # straight into shared memory
        widest["ld"] = max([widest["ld"], *(8 * int(size) for size in copies)])
        yield re.match(r"\w+", part)[0], widest["ld"], widest["st"]


def plain(names):
    """group_max_forward<float, 4> for each mangled name."""
    shown = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout.splitlines()
    result = {}
    for name, text in zip(names, shown):
        text = re.sub(r"\(anonymous namespace\)::|saccade::|^void ", "", text)
        depth = 0
        for end, c in enumerate(text):  # up to the parameters
            depth += {"<": 1, ">": -1}.get(c, 0)
            if c == "(" and depth == 0:
                text = text[:end]
                break
        result[name] = text
    return result


def measure(jobs):
    """{(file, kernel): Kernel} of (file, architecture)s, and what did not compile."""
    reports, failures = {}, []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {pool.submit(compiled, f, a, folder): (f, a) for f, a in jobs}
        for done, job in enumerate(concurrent.futures.as_completed(jobs), 1):
            if sys.stderr.isatty():
                print(f"\r{done}/{len(jobs)}", end="", file=sys.stderr)
            try:
                reports[jobs[job]] = job.result()
            except RuntimeError as error:
                failures.append(str(error))
    kernels = {}
    for (file, architecture), (report, ptx) in sorted(reports.items()):
        registers, widths = list(registers_of(report)), list(widths_of(ptx))
        if not registers:
            failures.append(f"{file} for sm_{architecture}: holds no kernel")
        names = plain(sorted({r[0] for r in registers} | {w[0] for w in widths}))
        for name, count, local in registers:
            kernel = kernels.setdefault((file, names[name]), Kernel())
            # Two overloads may share a plain name: the larger stands for both.
            kernel.registers[architecture] = max(count, kernel.registers.get(architecture, 0))
            if local:
                kernel.local[architecture] = local
        for name, load, store in widths:
            kernel = kernels.setdefault((file, names[name]), Kernel())
            kernel.load, kernel.store = max(kernel.load, load), max(kernel.store, store)
    return kernels, failures


def is_for_vectors(name):
    """Whether the first type and the first number among the template arguments make 16 bytes."""
    arguments = re.split(r",\s*", name.partition("<")[2])
    size = next((s for a in arguments for word, s in (("float", 4), ("bf16", 2)) if a.rstrip(">") == word), 0)
    number = next((int(n[1]) for a in arguments if (n := re.fullmatch(r"(\d+)u?>*", a))), 0)
    return size * number == VECTOR_BYTES


# --- The table ---


def release():
    shown = subprocess.run([NVCC, "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"release ([\d.]+)", shown)[1]


def read_table():
    """{(file, kernel): ({architecture: registers}, load, store)} and the release of nvcc that it is of."""
    rows, of = {}, None
    for line in TABLE.read_text().splitlines() if TABLE.exists() else []:
        if line.startswith("#"):
            of = (re.search(r"nvcc ([\d.]+\d)", line) or [0, of])[1]
        elif not line.startswith("file\t"):
            file, kernel, *numbers = line.split("\t")
            *registers, load, store = map(int, numbers)
            rows[file, kernel] = (dict(zip(SEVEN, registers)), load, store)
    return rows, of


def write_table(rows):
    lines = ["# Registers of each kernel for each architecture, and the widest global load and store in bits (PTX of sm_90a).",
             f"# Made by tests/compile_gate.py --record with nvcc {release()}; the gate holds every kernel to it.",
             "\t".join(["file", "kernel", *(f"sm_{a}" for a in SEVEN), "load", "store"])]
    for (file, kernel), (registers, load, store) in sorted(rows.items()):
        lines.append("\t".join(map(str, [file, kernel, *(registers[a] for a in SEVEN), load, store])))
    TABLE.write_text("\n".join(lines) + "\n")


def faults(kernels, rows, files, same_release):
    """One line for each fault; differences of registers are notes where another release of nvcc compiled."""
    found, notes = [], []
    for (file, name), kernel in sorted(kernels.items()):
        here = f"{file} {name}"
        for architecture, size in kernel.local.items():
            found.append(f"{here} for sm_{architecture}: {size} bytes of local memory and spills")
        if is_for_vectors(name) and max(kernel.load, kernel.store) < 8 * VECTOR_BYTES:
            found.append(f"{here} is made for 16-byte vectors, but no access has 128 bits")
        if (file, name) not in rows:
            found.append(f"{here} is not in the table: --record {file}")
            continue
        registers, load, store = rows[file, name]
        for architecture, count in kernel.registers.items():
            if count > registers[architecture]:
                text = f"{here} for sm_{architecture}: {count} registers, the budget is {registers[architecture]}"
                (found if same_release else notes).append(text)
        for kind, now, before in (("load", kernel.load, load), ("store", kernel.store, store)):
            if now < before:
                found.append(f"{here}: its widest {kind} has {now} bits, recorded are {before}")
    for file, name in rows:
        if (file in files or not (ROOT / file).exists()) and (file, name) not in kernels:
            found.append(f"{file} {name} is in the table, but no longer there: --record")
    return found, notes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every file for one architecture, some for three")
    parser.add_argument("--base", help="with --quick: the commit that a change is measured against")
    parser.add_argument("--record", action="store_true", help="write the table")
    parser.add_argument("files", nargs="*", help="default: every .cu file of kernels/")
    args = parser.parse_args()
    if not os.access(NVCC, os.X_OK):
        sys.exit("compile_gate: nvcc was not found")
    everything = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("kernels/**/*.cu"))
    files = [os.path.relpath(f, ROOT) for f in args.files] or everything
    jobs = [(f, a) for f in files for a in SEVEN]
    if args.quick:
        touched_or_drawn = choose_ops.choose_sources(ROOT, files, args.base or choose_ops.base_of(ROOT))
        jobs = [(f, WIDTHS_OF) for f in files] + [(f, a) for f in touched_or_drawn for a in OLDEST_AND_NEWEST]

    rows, recorded_with = read_table()
    if args.record and args.files and recorded_with != release():
        sys.exit(f"compile_gate: the table is of nvcc {recorded_with}, this is {release()}: record all files")
    kernels, failures = measure(jobs)
    if args.record and not failures:
        rows = {key: row for key, row in rows.items() if key[0] in everything and key[0] not in files}
        rows |= {key: (k.registers, k.load, k.store) for key, k in kernels.items()}
        write_table(rows)
        recorded_with = release()
    for (file, name), kernel in sorted(kernels.items()):
        counts = " ".join(f"{kernel.registers.get(a, '-'):>4}" for a in SEVEN)
        print(f"{file:38} {counts}  load {kernel.load:3} store {kernel.store:3}  {name}")
    found, notes = faults(kernels, rows, files, recorded_with == release())
    for note in notes:
        print(f"compile_gate: nvcc {release()}, the table is of {recorded_with}: {note}")
    for fault in failures + found:
        print(f"compile_gate: {fault}", file=sys.stderr)
    if failures or found:
        return 1
    print(f"compile_gate: {len(kernels)} kernels of {len(files)} files, {len(jobs)} compilations: no spills, no local memory, "
          "registers within budget, accesses as wide as recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
