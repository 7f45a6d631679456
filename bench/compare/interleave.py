"""Steps of networks here and in PyTorch and ONNX Runtime on the CPU, in turn, A B A B, each run a fresh process.

The rows are training and inference of ResNet-50, and training of the quickstart's small network. Each peer runs as it
is fastest: PyTorch in both layouts, compiled (weights frozen in inference), in inference also as optimized TorchScript;
ONNX Runtime on the same network. After the first round a peer that is far behind the best of its library is not asked
again. One row also runs beside four processes that compute all the time, the peer with threads that wait as they do by
default and passively. Only a run of all rows on a quiet machine leaves bench/results/<kind>.json and .md; another
writes into build/bench. What fails is named in the report. Rows that we lose stay.

    interleave.py --only 'train_*' --rounds 2
    interleave.py --render bench/results/KIND.json      the page again, with the reasons of bench/results/reasons.json
"""

import argparse
import dataclasses
import datetime
import fnmatch
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import machine
import report as reports

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS, TRIALS = ROOT / "bench/results", ROOT / "build/bench"
STEP = str(ROOT / "bench/compare/step.py")
FAR_BEHIND = 0.9  # of the best peer of the same library, in the first round
LIMIT = 900  # seconds for one process; the first one that compiles a network needs most
BUSY = 4  # processes in the rows beside load

# Large blocks keep their pages: fresh ones cost the peers faults in every step. tcmalloc takes their place in one more
# contender for training, which is about as fast and needs less memory.
PEER_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


# --- What is measured ---


@dataclasses.dataclass(frozen=True)
class Row:
    network: str
    mode: str
    height: int
    width: int
    batch: int
    precision: str = "f32"
    waits: bool = False  # a peer that waits passively is measured, too
    busy: bool = False

    @property
    def name(self):
        work = "quickstart" if self.network == "quickstart" else f"{self.height}x{self.width}"
        batch = f"_b{self.batch}" if self.mode == "inference" else ""
        return f"{self.mode}_{work}{batch}_{self.precision}" + ("_busy" if self.busy else "")

    def words(self):
        keys = ("network", "mode", "height", "width", "batch", "precision")
        return [word for key in keys for word in (f"--{key}", str(getattr(self, key)))]


def all_rows():
    at_rest = Row("resnet50", "train", 256, 128, 16, waits=True)
    rows = [at_rest, dataclasses.replace(at_rest, busy=True), Row("resnet50", "train", 128, 64, 16)]
    rows.append(Row("quickstart", "train", 64, 32, 64))
    for height, width in ((256, 128), (128, 64)):
        rows += [Row("resnet50", "inference", height, width, batch) for batch in (1, 32)]
    rows += [Row("resnet50", "train", height, width, 16, "bf16") for height, width in ((256, 128), (128, 64))]
    return rows + [Row("resnet50", "inference", 256, 128, batch, "bf16") for batch in (1, 32)]


PEERS = {
    "default": "PyTorch default",
    "channels_last": "PyTorch channels_last",
    "compile": "PyTorch compiled",
    "jit": "PyTorch TorchScript",
    "onnxruntime": "ONNX Runtime",
}


@dataclasses.dataclass(frozen=True)
class Side:
    peer: str  # of step.py; empty: ours
    passive: bool = False
    tcmalloc: bool = False

    @property
    def name(self):
        more = (", passive" if self.passive else "") + (", tcmalloc" if self.tcmalloc else "")
        return (PEERS[self.peer] if self.peer else "Saccade") + more

    @property
    def library(self):
        return reports.library_of(self.name)


OURS = Side("")


def contenders(row, best_peer):
    """Who runs a row from its first round on. Beside load these are ours and the peer that was best without it."""
    if row.busy:
        return [OURS, Side(best_peer), Side(best_peer, passive=True)]
    sides = [OURS] + [Side(peer) for peer in ("default", "channels_last", "compile")]
    if row.mode == "train":
        return sides + [Side("channels_last", tcmalloc=True)]
    return sides + [Side("jit")] + ([Side("onnxruntime")] if row.precision == "f32" else [])


def kept(sides, rates):
    """The sides that go on after a first round of `rates` (by side; who failed has none): ours, and of each library the
    best peer and those near it."""
    best = {}
    for side, rate in rates.items():
        best[side.library] = max(best.get(side.library, 0), rate)
    near = lambda side: rates[side] >= FAR_BEHIND * best[side.library]
    return [side for side in sides if side in rates and (not side.peer or near(side))]


def passive_twins(sides, rates):
    """The best peer with passive waiting; none where no peer ran."""
    peers = [side for side in sides if side.peer]
    return [dataclasses.replace(max(peers, key=rates.get), passive=True)] if peers else []


# --- Running ---


class Failed(Exception):
    pass


def reason_of(done):
    """The line that says why a process failed: that of its exception, or its last one."""
    lines = [line.strip() for line in (done.stderr or done.stdout or "").splitlines() if line.strip()]
    named = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "step.py", "bench_step"))]
    return (named or lines or [f"exit code {done.returncode}"])[-1][:300]


def run(words, env=None):
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, env=env, cwd=ROOT)
    except subprocess.TimeoutExpired:
        raise Failed(f"did not end within {LIMIT} s")
    except OSError as error:
        raise Failed(str(error))
    if done.returncode != 0:
        raise Failed(reason_of(done))
    return done.stdout


def tcmalloc(given):
    usr, name = pathlib.Path("/usr"), "libtcmalloc_minimal.so.4"
    places = [pathlib.Path(given)] if given else [*usr.glob(f"lib*/{name}"), *usr.glob(f"lib/*/{name}")]
    if not places:
        raise Failed(f"{name} was not found; tools/setup.sh --bench installs it")
    return {"LD_PRELOAD": str(places[0])}


def environment(side, args):
    env = {key: value for key, value in os.environ.items() if key not in WAITING}
    env.update(OMP_NUM_THREADS=str(args.threads), MKL_NUM_THREADS=str(args.threads))
    env["TORCHINDUCTOR_CACHE_DIR"] = str(ROOT / "build/inductor")
    if side.peer:
        env.update(tcmalloc(args.tcmalloc) if side.tcmalloc else PEER_MEMORY)
    if side.passive:
        env["OMP_WAIT_POLICY"] = "passive"
    return env


def onnx_file(row, args):
    path = ROOT / f"build/onnx/{row.network}_{row.height}x{row.width}_b{row.batch}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        run([args.python, STEP, "--export", str(new), *row.words()], environment(Side("default"), args))
        new.rename(path)
    return path


def command(row, side, args):
    words = [args.python, STEP, "--peer", side.peer] if side.peer else [args.program]
    if side.peer == "onnxruntime":
        words += ["--model", str(onnx_file(row, args))]
    return words + row.words() + ["--threads", str(args.threads), "--seconds", str(args.seconds)]


def measured(row, side, args, busy):
    """The JSON line of one run, with its start-up (the time from the start of the process to the end of its first step,
    beyond a later step) and what other processes took meanwhile."""
    words, env = command(row, side, args), environment(side, args)
    watch, began = machine.Watch(busy.pids), time.monotonic()
    out = run(words, env)
    line = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
    line["start_up_seconds"] = line["first_step_at"] - began - line["batch"] / line["images_per_second"]
    line["others"] = watch.share()
    return line


def measure(row, args, best_peer, show):
    """({side: its lines}, {side: why it failed}) of a row."""
    lines, failures = {}, {}

    def take_turns(sides):
        for side in sides:
            if side in failures:
                continue
            try:
                line = measured(row, side, args, busy)
                lines.setdefault(side, []).append(line)
                rate = line["images_per_second"]
                show(f"{row.name}, {side.name}: {rate:.2f} images/s, others {line['others']:.0%}")
            except (Failed, KeyError, IndexError, ValueError) as error:
                failures[side] = str(error)
                show(f"{row.name}, {side.name}: failed: {error}")

    sides = [side for side in contenders(row, best_peer) if side.peer not in args.without]
    rounds = max(1, args.rounds - 1) if row.busy else args.rounds  # beside load a step takes twice as long
    with machine.Busy(BUSY if row.busy else 0) as busy:
        for number in range(rounds):
            take_turns(sides)
            if number == 0 and not row.busy:
                rates = {side: found[0]["images_per_second"] for side, found in lines.items()}
                sides = kept(sides, rates)
                twins = passive_twins(sides, rates) if row.waits else []
                take_turns(twins)
                sides = sides + twins
    return lines, failures


def best_of(lines):
    """The peer of step.py that is the fastest with default waiting; None where none ran."""
    rates = {side: statistics.median(line["images_per_second"] for line in found) for side, found in lines.items()}
    peers = [side for side in rates if side.peer and not side.passive and not side.tcmalloc]
    return max(peers, key=rates.get).peer if peers else None


def measure_rows(rows, args, report, folder):
    began, best_peer = time.monotonic(), "channels_last"
    show = lambda text: print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)
    fail = lambda row, side, reason: report["failures"].append({"row": row, "side": side, "reason": reason})
    try:
        report["roofs"] = json.loads(run([args.roofs, "--threads", str(args.threads)]))
    except Failed as error:
        fail("roofs", "bench_roofs", str(error))
    for peer in args.without:
        fail("all", PEERS[peer], "left out (--without)")
    for row in rows:
        if row.precision == "bf16" and not machine.has_bf16(report["machine"]["flags"]):
            fail(row.name, "all", "this processor has neither avx512_bf16 nor amx_bf16")
            continue
        lines, failures = measure(row, args, best_peer, show)
        for side, found in lines.items():
            report["rows"].append(reports.summary(row.name, side.name, found))
            if not side.passive:
                said = {key: found[0][key] for key in ("threads", "waiting")}
                said["versions"] = ", ".join(f"{name} {version}" for name, version in found[0]["libraries"].items())
                report["libraries"].setdefault(side.library, said)
        for side, reason in failures.items():
            fail(row.name, side.name, reason)
        if row.waits and not row.busy:
            best_peer = best_of(lines) or best_peer
        write(report, folder)  # what is there is kept when a later row is interrupted
    show("done")


# --- The program ---


def write(report, folder):
    path = RESULTS / "reasons.json"
    reasons = json.loads(path.read_text()).get(report["kind"], {}) if path.exists() else {}
    report["rows"] = reports.with_ratios(report["rows"])
    report["targets"] = reports.judged(report, reasons)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report['kind']}.json").write_text(json.dumps(report, indent=1) + "\n")
    (folder / f"{report['kind']}.md").write_text(reports.page(report))


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", help="rows by name or pattern, comma-separated; default: all")
    add("--without", metavar="PEER", nargs="+", choices=PEERS, default=[], help=f"leave out: {', '.join(PEERS)}")
    add("--rounds", type=int, default=3)
    add("--seconds", type=float, default=3, help="of measuring in each process, and at least three steps")
    add("--threads", type=int, default=len(os.sched_getaffinity(0)))
    add("--loaded", action="store_true", help="measure beside other processes, too")
    add("--look", action="store_true", help="only look whether the machine is quiet")
    add("--render", metavar="FILE", type=pathlib.Path, help="write the page of this table again, and measure nothing")
    add("--out", type=pathlib.Path, help="the folder of the table and its page")
    add("--python", default=sys.executable, help="the one that has the peers")
    add("--tcmalloc", metavar="FILE", help="the library; default: where Debian has it")
    add("--program", default=str(ROOT / "build/release/bench/bench_step"))
    add("--roofs", default=str(ROOT / "build/release/bench/bench_roofs"))
    return parser.parse_args()


def refuse(reason):
    print(f"bench: {reason}", file=sys.stderr)
    sys.exit(2)


def chosen(only):
    rows = all_rows()
    patterns = only.split(",") if only else ["*"]
    names = [row.name for row in rows]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            refuse(f"no row is called {pattern}; there are {', '.join(names)}")
    return [row for row in rows if any(fnmatch.fnmatch(row.name, pattern) for pattern in patterns)]


def commit():
    try:
        return run(["git", "describe", "--always", "--dirty", "--exclude", "*"]).strip()
    except Failed:
        return "unknown"


def main():
    args = options()
    if args.render:
        return write(json.loads(args.render.read_text()), args.render.parent)
    rows = chosen(args.only)
    if args.rounds < 1 or args.threads < 1 or args.seconds < 0:
        refuse("--rounds and --threads are at least 1, --seconds at least 0")
    load = machine.share_now()
    if load > reports.LOADED and not args.loaded:
        refuse(f"other processes take {load:.0%} of the processors: wait, or measure all the same with --loaded")
    if args.look:
        return
    about = machine.machine()
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    report = {"kind": machine.kind_of(about), "date": date, "commit": commit(), "machine": about,
              "threads": args.threads, "rounds": args.rounds, "seconds": args.seconds, "load_before": load,
              "roofs": None, "libraries": {}, "rows": [], "failures": []}
    folder = args.out or (TRIALS if args.only or args.without or load > reports.LOADED else RESULTS)
    measure_rows(rows, args, report, args.out or TRIALS)
    write(report, folder)
    print(f"\n{reports.page(report)}\n{folder}/{report['kind']}.md")
    if any(failed["side"] == "Saccade" and not failed["row"].endswith("bf16") for failed in report["failures"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
