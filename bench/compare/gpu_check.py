"""The stages of bench/gpu_check.sh, each with a time limit. A stage that fails or is refused becomes a line of the
report, and the next one goes on. The exit code is 1 when the device computes something wrong, a sanitizer finds an
error, or an op cannot be measured or, in a dry run, captured. Needs only the Python standard library; PyTorch runs in a
process of its own where it is there.
"""

import argparse
import concurrent.futures
import datetime
import functools
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN = time.monotonic()
PARTS = ("check", "measure", "resnet50", "compare")  # the roofs are always measured


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binaries", type=pathlib.Path, help="a folder of bench/package_gpu.sh")
    parser.add_argument("--dry-run", action="store_true", help="simt in place of a GPU")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=460, help="seconds for all stages")
    parser.add_argument("--python", default=os.environ.get("SACCADE_TORCH_PYTHON"), help="one that has PyTorch")
    parser.add_argument("--without-torch", action="store_true")
    parser.add_argument("--only", default="", help=f"of these parts alone, comma-separated: {', '.join(PARTS)}")
    args = parser.parse_args()
    args.parts = args.only.split(",") if args.only else list(PARTS)
    if set(args.parts) - set(PARTS):
        parser.error(f"--only {args.only}: the parts are {', '.join(PARTS)}")
    return args


class Refused(Exception):
    """A stage that cannot run here, with the reason."""


# --- Our programs and the libraries they open ---


def program(args, name):
    if args.binaries:
        return str(args.binaries.resolve() / name)
    return str(next((p for p in (ROOT / "build/release" / folder / name for folder in ("bench", "tests", "tools")) if p.exists()),
                    ROOT / "build/release/bench" / name))


def vendor_folders(python):
    """Where cuBLASLt and cuDNN lie: the toolkit, and the packages of each Python."""
    folders = glob.glob("/usr/local/cuda/lib64")
    for interpreter in filter(None, [sys.executable, python]):
        asked = subprocess.run([interpreter, "-c", "import sysconfig, site; print('\\n'.join({sysconfig.get_path('purelib'), *site.getsitepackages(), site.getusersitepackages()}))"],
                               capture_output=True, text=True)
        for packages in asked.stdout.split():
            folders += sorted(glob.glob(f"{packages}/nvidia/*/lib") + glob.glob(f"{packages}/nvidia/cu*/lib"))
    return list(dict.fromkeys(folders))


def environment(args):
    """For our programs alone: a libstdc++ of ours in front of PyTorch's own could break it."""
    own = [str(args.binaries.resolve() / "lib")] if args.binaries else []
    paths = own + vendor_folders(args.python) + os.environ.get("LD_LIBRARY_PATH", "").split(":")
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(p for p in paths if p)}


def finish(words, limit, env=None):
    """subprocess.run() that also ends what the program has started: a program under a sanitizer would go on
    beside what is timed."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=ROOT, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


class Runner:
    def __init__(self, args):
        self.args, self.environment = args, environment(args)
        self.device = "simt" if args.dry_run else "cuda"

    def bench(self, *words, limit, prefix=()):
        """The JSON of one bench_gpu command, its exit code, and its stderr."""
        words = [*prefix, program(self.args, "bench_gpu"), *words, "--device", self.device, "--shapes", str(ROOT / "bench/shapes.json")]
        try:
            done = finish(words, limit, self.environment)
        except FileNotFoundError:
            raise SystemExit(f"gpu_check: {words[len(prefix)]} is missing: build it, or give --binaries") from None
        except subprocess.TimeoutExpired as late:
            return None, 124, f"did not end within {late.timeout:.0f} s"
        found = re.search(r"^(?:\{.*^\}|null)$", done.stdout, re.S | re.M)
        said = "\n".join(line for line in done.stdout.splitlines() if line.startswith("===")) if found else done.stdout
        return json.loads(found.group(0)) if found else None, done.returncode, (said[-3000:] + done.stderr[-1000:]).strip()


def seconds_left(args):
    return args.budget - (time.monotonic() - BEGIN)


# --- Stages: each returns what goes into the report ---


def describe(run):
    found, code, error = run.bench("device", limit=60)
    if code != 0:
        raise SystemExit(f"gpu_check: {error.strip()}")
    if shutil.which("nvidia-smi") and not run.args.dry_run:
        asked = subprocess.run(["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit,mig.mode.current,clocks.sm",
                                "--format=csv,noheader"], capture_output=True, text=True)
        found["nvidia_smi"] = asked.stdout.strip() or asked.stderr.strip()
    return found


def measure_roofs(run):
    found, code, error = run.bench("roofs", limit=90)
    if code != 0:
        raise RuntimeError(error)
    return found


def in_parts(ops, most):
    parts = most if (os.cpu_count() or 1) >= 8 else 1
    return [",".join(ops[i::parts]) for i in range(min(parts, len(ops)))]


def check(run, ops, prefix=(), words=(), limit=120):
    """The rows of every case. Four processes run at a time, as the oracle takes longer than the device. Each has one op
    (on few cores one process has them all), so that a kernel that breaks the device's context takes no other op with
    it. Under a sanitizer, which is slow to start, each has a quarter of the ops."""
    small = ["--small"] if run.args.dry_run or prefix else []
    rows, problems = [], []
    parts = in_parts(ops, 4 if prefix else len(ops))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for part, (found, code, error) in zip(parts, pool.map(lambda part: run.bench("check", *small, *words, "--op", part, limit=limit, prefix=prefix), parts)):
            rows += found["rows"] if found else []
            if code != 0 or not found:
                problems.append({"ops": part, "exit": code, "output": error})
    return {"rows": sorted(rows, key=lambda r: (r["op"], r["dtype"])), "problems": problems}


def kernel_tests(run):
    if run.args.dry_run:
        raise Refused("the test run has them")
    # Of cuDNN's tests only the one that needs a GPU: the others are about described devices, whose files lie where
    # the build was made.
    done = finish([program(run.args, "test_kernels"), "~[cudnn],on this machine*"], 150, run.environment)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return {"exit": done.returncode, "output": lines[-1:] if done.returncode == 0 else lines[-400:] + done.stderr.splitlines()[-20:]}


def train(run, limit=150):
    """The quickstart's training on the device: what it learns in each precision, its first losses beside the CPU's, and
    whether a run that is stopped and resumed ends with the same bits."""
    if run.args.dry_run:
        raise Refused("the tests train a network on simt")
    end = time.monotonic() + limit

    def call(name, *words):
        done = finish([program(run.args, name), *map(str, words)], max(1, end - time.monotonic()), run.environment)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {' '.join(map(str, words))}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-600:]}")

    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        call("synthesize", "--kind", "image", "--out", scratch / "data", "--ids", 160, "--cams", 4, "--images-per-cam", 4, "--seed", 1,
             "--noise", "wrong=0.05,hidden=0.1")

        def trained(name, *words):
            out = scratch / name
            begin = time.monotonic()
            call("train", "--config", ROOT / "tools/configs/quickstart.json", "--data", scratch / "data", "--out", out, "--seed", 1, *words)
            rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
            steps = [row for row in rows if "loss" in row]
            found = {"run": name, "seconds": time.monotonic() - begin, "losses": [row["loss"] for row in steps[:3]], "steps": len(steps),
                     "images_per_second": statistics.median(row["images_per_second"] for row in steps)}
            scores = [row for row in rows if "mAP" in row]
            if len(scores) > 1 and scores[0]["step"] == 0:
                found |= {"before": scores[0]["mAP"], "after": scores[-1]["mAP"], "rank1": scores[-1]["rank1"]}
            return found

        def last_bytes(name):
            return max((scratch / name).glob("checkpoint-*.safetensors"), key=lambda p: int(p.stem.split("-")[1])).read_bytes()

        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            cpu = beside.submit(trained, "cpu", "--device", "cpu", "--max-steps", 3)
            rows = [trained("f32", "--device", "cuda")]
            trained("f32, stopped and resumed", "--device", "cuda", "--max-steps", 101)
            rows.append(trained("f32, stopped and resumed", "--device", "cuda", "--resume"))
            rows[-1]["same_bits"] = last_bytes("f32") == last_bytes("f32, stopped and resumed")
            for name, words in (("tf32", ["tf32"]), ("bf16", ["bf16"]), ("bf16, tuned", ["bf16", "--set", "tune=true"])):
                rows.append(trained(name, "--device", "cuda", "--precision", *words))
            return {"rows": [cpu.result(), *rows]}


def sanitize(run, tool, ops):
    if run.args.dry_run:
        raise Refused("a dry run has no device that compute-sanitizer could watch")
    found = shutil.which("compute-sanitizer") or next(iter(glob.glob("/usr/local/cuda*/bin/compute-sanitizer")), None)
    if not found:
        raise Refused("compute-sanitizer was not found")
    # Only our own kernels, and no errors of API calls: a library probes the driver with calls that fail by design.
    prefix = [found, "--tool", tool, "--report-api-errors", "no", "--error-exitcode", "9"]
    result = check(run, ops, prefix=prefix, words=["--own"], limit=150)
    result["errors"] = sum(p["exit"] == 9 for p in result["problems"])
    if not result["rows"] and len(result["problems"]) == len(in_parts(ops, 4)) and result["errors"] == 0:
        raise Refused(" ".join(result["problems"][0]["output"].split())[-400:])
    return result


def measure(run, ops, roofs_file):
    """Several ops share a process, which takes seconds to start. Where one of them fails, it may have broken the
    device's context for those after it, so each op of that process runs again in a process of its own."""
    rows, waiting = [], [ops[i:i + 6] for i in range(0, len(ops), 6)]
    while waiting:
        some = waiting.pop(0)
        later = 40 * len({"resnet50", "compare"} & set(run.args.parts))
        if seconds_left(run.args) < 20 + later and not run.args.dry_run:
            rows += [{"op": op, "error": "not reached within the time limit"} for op in some]
            continue
        found, code, error = run.bench("measure", "--op", ",".join(some), "--roofs", str(roofs_file), "--seconds", "0.1", limit=90)
        if found and (len(some) == 1 or not any("error" in row for row in found["rows"])):
            rows += found["rows"]
        elif len(some) > 1:
            waiting = [[op] for op in some] + waiting
        else:
            rows.append({"op": some[0], "error": error or f"exit code {code}"})
    return {"rows": rows}


@functools.cache  # an import of PyTorch takes seconds
def has_torch(python):
    return bool(shutil.which(python)) and subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0


def torch_python(args):
    if args.without_torch:
        raise Refused("--without-torch")
    for python in filter(None, [args.python, sys.executable, str(ROOT / "build/torch/bin/python")]):
        if has_torch(python):
            return python
    raise Refused("no Python here has PyTorch")


def start_warming(run):
    """torch.compile takes a minute for a network: its cache fills while correctness is checked, before anything is timed."""
    try:
        python = torch_python(run.args)
    except Refused:
        return []
    words = [python, str(ROOT / "bench/compare/resnet50_gpu.py"), "--peer", "compile", "--seconds", "0"]
    return [] if run.args.dry_run else [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)]


def stop_warming(processes):
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it had already ended
            pass
        process.wait()


def compare(run, folder, limit):
    python = torch_python(run.args)
    out = folder / "compare.json"
    words = [python, str(ROOT / "bench/compare/gpu_ops.py"), "--program", program(run.args, "bench_gpu"), "--out", str(out), "--budget", f"{limit:.0f}"]
    # Our program's libraries are passed in a variable of their own.
    try:
        done = subprocess.run(words + (["--dry-run"] if run.args.dry_run else []), capture_output=True, text=True, timeout=limit + 60,
                              env={**os.environ, "SACCADE_LIBRARIES": run.environment["LD_LIBRARY_PATH"]}, cwd=ROOT)
    except subprocess.TimeoutExpired:  # the report has what it saved
        done = subprocess.CompletedProcess(words, 124, "", f"did not end within {limit + 60:.0f} s")
    if not out.exists():
        raise RuntimeError((done.stdout + done.stderr)[-1500:])
    return json.loads(out.read_text()) | {"exit": done.returncode}


def resnet(run, folder, limit):
    try:
        python = torch_python(run.args)
    except Refused:
        python = ""
    out = folder / "resnet50.json"
    words = [python or sys.executable, str(ROOT / "bench/compare/resnet50_gpu.py"), "--program", program(run.args, "bench_step"), "--out", str(out), "--budget", f"{limit:.0f}"]
    words += [] if python else ["--without-torch"]
    done = subprocess.run(words + (["--dry-run"] if run.args.dry_run else []), capture_output=True, text=True, timeout=limit + 60,
                          env={**os.environ, "SACCADE_LIBRARIES": run.environment["LD_LIBRARY_PATH"]}, cwd=ROOT)
    if not out.exists():
        raise RuntimeError((done.stdout + done.stderr)[-1500:])
    return json.loads(out.read_text())


# --- The report ---


def number(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def median(row, name):
    return row[name]["median"] if name in row else None


def named(row):
    """The op, and whose kernels: the vendor's, ours, or the plain ones that explain ours; and whether those
    are forward only."""
    return row["op"] + (f", {row['kernels']}" if "kernels" in row else "")


def markdown(report):
    device, roofs = report["device"], report.get("roofs") or {}
    driver = f", driver {device['nvidia_smi'].split(',')[0]}" if "nvidia_smi" in device else ""
    out = [f"# {device['name']}{driver}, {report['date']}, commit {report['commit']}", ""]
    if report["dry_run"]:
        out += ["A dry run: the kernels ran on the CPU, on small shapes. Times mean nothing.", ""]
    out += ["| | |", "| --- | --- |"] + [f"| {k} | {v} |" for k, v in device.items()]
    for unit, values in roofs.items():
        out += [f"| roof: {kind}, {unit.replace('_', ' ')} | {number(v) if isinstance(v, float) else v} |" for kind, v in values.items()]
    out += ["", "## Stages", "", "| stage | seconds | outcome |", "| --- | ---: | --- |"]
    out += [f"| {s['name']} | {s['seconds']:.1f} | {s['outcome'].splitlines()[0][:200] if s['outcome'] else ''} |" for s in report["stages"]]
    if report.get("check"):
        out += ["", "## Correctness: every case against the f64 oracle, values and gradients", "",
                "| op | dtype | cases | numbers | largest error, eps S | failures |", "| --- | --- | ---: | ---: | ---: | --- |"]
        out += [f"| {named(r)} | {r['dtype']} | {r['cases']} | {r['compared']} | {number(r['worst'], 2)} | {'; '.join(r.get('failures', []))[:300]} |"
                for r in report["check"]["rows"]]
    if report.get("without"):
        out += ["", "No version for this device: " + ", ".join(report["without"]) + "."]
    if report.get("train"):
        out += ["", "## The quickstart's training (untimed: other stages run beside it)", "",
                "| run | first losses | mAP before | after | rank 1 | seconds | |", "| --- | --- | ---: | ---: | ---: | ---: | --- |"]
        out += [f"| {r['run']} | {', '.join(f'{loss:.6f}' for loss in r['losses'])} | {number(r.get('before'), 3)} | {number(r.get('after'), 3)} | "
                f"{number(r.get('rank1'), 3)} | {number(r['seconds'])} | {'' if 'same_bits' not in r else 'the same bits' if r['same_bits'] else 'OTHER BITS'} |"
                for r in report["train"]["rows"]]
    for tool in ("memcheck", "racecheck"):
        if report.get(tool):
            out += ["", f"## compute-sanitizer {tool}", "", f"{len(report[tool]['rows'])} rows ran, {report[tool]['errors']} processes with errors, "
                    f"{len(report[tool]['problems'])} that did not end well."]
            out += [f"```\n{p['ops']}: exit {p['exit']}\n{p['output'][-1500:]}\n```" for p in report[tool]["problems"]]
    if report.get("measure"):
        out += ["", "## Times, microseconds a call (median, p10 .. p90), against the floor", "",
                "`graph`: replayed; `eager`: launched through the tape. The share is floor / graph (eager where no graph could be captured).", "",
                "| op | case | dtype | forward, graph | p10 .. p90 | eager | floor | share | with backward, graph | eager | floor | share |",
                "| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
        for r in report["measure"]["rows"]:
            op = named(r)
            if "error" in r:
                out.append(f"| {op} | {r.get('case', '')} | {r.get('dtype', '')} | error: {r['error'].splitlines()[0][:160]} |||||||||")
                continue
            spread = r.get("forward_graph") or r["forward_eager"]
            out.append(f"| {op} | {r['case']} | {r['dtype']} | {number(median(r, 'forward_graph'))} | {number(spread['p10'])} .. {number(spread['p90'])} | "
                       f"{number(median(r, 'forward_eager'))} | {number(r['floor_us'])} | {r['forward_share']:.2f} | {number(median(r, 'both_graph'))} | "
                       f"{number(median(r, 'both_eager'))} | {number(r.get('both_floor_us'))} | {number(r.get('both_share'), 2)} |")
        refused = {(r["op"], text) for r in report["measure"]["rows"] for text in r.get("refused", {}).values()}
        out += [""] + [f"{op} was not captured: {text.splitlines()[0]}" for op, text in sorted(refused)]
    for name in ("compare", "resnet50"):
        if report.get(name):
            out += ["", report[name]["table"]]
    return "\n".join(out) + "\n"


def commit(args):
    if args.binaries and (args.binaries / "commit").exists():
        return (args.binaries / "commit").read_text().strip()
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return asked.stdout.strip() or "unknown"


def main():
    args = options()
    run = Runner(args)
    device = describe(run)
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    report = {"device": device, "date": date, "commit": commit(args), "dry_run": args.dry_run, "stages": []}
    folder = args.out or ROOT / "build/gpu_check"
    folder.mkdir(parents=True, exist_ok=True)

    writes = threading.Lock()  # stages that are not timed run side by side

    def save():
        (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        (folder / "report.md").write_text(markdown(report))

    def stage(title, key, work):
        begin = time.monotonic()
        print(f"gpu_check: {title} ({begin - BEGIN:.0f} s)", flush=True)
        outcome = "done"
        try:
            if seconds_left(args) < 5:
                raise Refused("no time was left")
            found = work()
            with writes:
                report[key] = found
        except Refused as reason:
            outcome = f"refused: {reason}"
        except Exception as error:  # the report says so, and the next stage may still work
            outcome = f"failed: {type(error).__name__}: {error}"
        with writes:
            report["stages"].append({"name": title, "seconds": time.monotonic() - begin, "outcome": outcome})
            if outcome != "done":
                print(f"gpu_check:   {title}: {outcome.splitlines()[0][:200]}", flush=True)
            save()

    listed, _, error = run.bench("list", limit=60)
    if not listed:
        raise SystemExit(f"gpu_check: {error}")
    ops = listed["ops"]
    report["without"] = listed.get("without") or []
    stage("roofs", "roofs", lambda: measure_roofs(run))
    if "check" in args.parts:
        warming = start_warming(run)
        with concurrent.futures.ThreadPoolExecutor(5) as pool:  # none of this is timed
            pool.submit(stage, "every case against the oracle", "check", lambda: check(run, ops))
            pool.submit(stage, "kernel tests", "kernel_tests", lambda: kernel_tests(run))
            pool.submit(stage, "the quickstart's training", "train", lambda: train(run))
            for tool in ("memcheck", "racecheck"):
                pool.submit(stage, f"compute-sanitizer {tool}", tool, lambda tool=tool: sanitize(run, tool, ops))
        stop_warming(warming)
    if "measure" in args.parts:
        (folder / "roofs.json").write_text(json.dumps(report.get("roofs") or {"gigabytes_per_second": {}, "teraflops": {}}))
        stage("ops against their floors", "measure", lambda: measure(run, ops, folder / "roofs.json"))
        (folder / "roofs.json").unlink()
    if "resnet50" in args.parts:
        stage("a ResNet-50 step", "resnet50", lambda: resnet(run, folder, max(20, min(150, seconds_left(args) - (80 if "compare" in args.parts else 5)))))
    if "compare" in args.parts:
        stage("ops beside PyTorch and Triton", "compare", lambda: compare(run, folder, max(20, seconds_left(args) - 20)))
    report["seconds"] = time.monotonic() - BEGIN

    wrong = [r for r in report.get("check", {}).get("rows", []) if r.get("failures")] + report.get("check", {}).get("problems", [])
    wrong += [s for s in report["stages"] if s["name"] in ("roofs", "every case against the oracle", "ops against their floors") and s["outcome"] != "done"]
    wrong += [s for s in report["stages"] if s["name"] in ("kernel tests", "the quickstart's training") and s["outcome"].startswith("failed")]
    allowed = {"f32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}  # of the first loss; those of later steps are for the reader
    wrong += [r for r in report.get("train", {}).get("rows", [])[1:] if not r.get("same_bits", True) or
              not abs(r["losses"][0] / report["train"]["rows"][0]["losses"][0] - 1) < allowed[r["run"].split(",")[0]] or
              not r.get("after", 0) > 5 * r.get("before", 1)]  # it learns
    # On a GPU a vendor's library may refuse a graph; in a dry run all kernels are ours.
    wrong += [r for r in report.get("measure", {}).get("rows", []) if "error" in r or (args.dry_run and "refused" in r)]
    wrong += [problem for tool in ("memcheck", "racecheck") for problem in report.get(tool, {}).get("problems", [])]
    wrong += [1] * (report.get("kernel_tests", {}).get("exit", 0) != 0)
    report["failures"] = len(wrong)
    save()
    if not (args.out or args.dry_run or args.only):  # a report of all parts takes the last one's place
        folder = ROOT / "bench/results"
        shutil.copy(ROOT / "build/gpu_check/report.md", folder / (re.sub(r"[^a-z0-9]+", "-", device["name"].lower()).strip("-") + ".md"))
    print(f"gpu_check: {folder}/report.md, {report['seconds']:.0f} s, {len(wrong)} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
