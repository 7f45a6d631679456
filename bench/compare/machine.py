"""What processor this is, how much of it other processes take, and processes that keep it busy on purpose."""

import os
import pathlib
import re
import resource
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")  # a second, in /proc


# --- The processor ---


def read_cpuinfo(text):
    first = text.strip().split("\n\n")[0]
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}
    words = {"name": "model name", "vendor": "vendor_id", "family": "cpu family", "model": "model"}
    known = {key: fields.get(word, "unknown") for key, word in words.items()}
    return {**known, "flags": fields.get("flags", "").split()}


def is_relevant(flag):
    return bool(re.match(r"(avx2|fma|avx_vnni|avx512.*|amx_.*)$", flag))


def vector_level(flags):
    """The widest vectors that the kernels of a network use: what tells processors of one name apart."""
    for level, needed in (("amx", "amx_tile"), ("avx512", "avx512bw"), ("avx2", "avx2")):
        if needed in flags:
            return level
    return "sse"


def has_bf16(flags):
    return "avx512_bf16" in flags or "amx_bf16" in flags


def kind_of(cpu):
    """The name of a processor's results: amd-epyc-avx2."""
    name = re.sub(r"\((r|tm)\)|\bcpu\b|@.*|processor|\d+-core", " ", cpu["name"].lower())
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-") + "-" + vector_level(cpu["flags"])


def caches(folder="/sys/devices/system/cpu/cpu0/cache"):
    """In words: L1d 32K, L2 512K, L3 32768K of cores 0-1."""
    found = []
    for index in sorted(pathlib.Path(folder).glob("index*")):
        read = lambda name: (index / name).read_text().strip()
        if read("type") == "Instruction":
            continue
        name, shared = f"L{read('level')}" + ("d" if read("type") == "Data" else ""), read("shared_cpu_list")
        found.append(f"{name} {read('size')}" + ("" if shared == "0" else f" of cores {shared}"))
    return ", ".join(found)


def machine():
    cpu = read_cpuinfo(pathlib.Path("/proc/cpuinfo").read_text())
    flags = [flag for flag in cpu["flags"] if is_relevant(flag)]
    return {**cpu, "flags": flags, "cores": os.cpu_count(), "caches": caches(), "kernel": os.uname().release}


# --- What other processes take ---


def read_times(text):
    """(seconds in which a processor worked, all seconds), of /proc/stat. What a host took from its guest counts as
    work."""
    words = text.split("\n")[0].split()[1:9]
    user, nice, system, idle, wait, interrupts, soft, stolen = (int(word) / TICKS for word in words)
    worked = user + nice + system + interrupts + soft + stolen
    return worked, worked + idle + wait


def seconds_of(pid):
    """The processor time of a process that runs, all its threads together."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def share_of_others(before, after, ours):
    """The share of all processors' time between two readings that went to others than ours, who used `ours` seconds."""
    worked, passed = after[0] - before[0], after[1] - before[1]
    return max(0.0, worked - ours) / passed if passed > 0 else 0.0


class Watch:
    """From its making on: the share of the processors that others take. Ours are this process, its children once they
    have ended, and the processes `also`, which run."""

    def __init__(self, also=()):
        self.also = also
        self.times, self.ours = self.read()

    def read(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        ours = time.process_time() + children.ru_utime + children.ru_stime + sum(seconds_of(pid) for pid in self.also)
        return read_times(pathlib.Path("/proc/stat").read_text()), ours

    def share(self):
        times, ours = self.read()
        return share_of_others(self.times, times, ours - self.ours)


def share_now(seconds=2.0):
    watch = Watch()
    time.sleep(seconds)
    return watch.share()


# --- Busy on purpose ---

# Ends with its parent, too.
SPIN = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n  for _ in range(1000000): pass"


class Busy:
    """`count` processes that compute all the time, while the with-block runs; `pids` are theirs."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        words = [sys.executable, "-c", SPIN, str(os.getpid())]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # or who reads ours would wait for them
        self.processes = [subprocess.Popen(words, **silent) for _ in range(self.count)]
        self.pids = [process.pid for process in self.processes]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
