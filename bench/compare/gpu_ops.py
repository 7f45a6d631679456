"""Each op beside its peers on the GPU: PyTorch eager, torch.compile, and a version written by hand in Triton.

The cases are those of bench/shapes.json, the same that bench_gpu measures. Ours runs in a process of its own
(`bench_gpu serve`) that measures on request, so that all sides take turns, A B C D A B C D, on one device; while one
side measures, the others run nothing there. Each side calls over copies of inputs and outputs that exceed twice the L2
cache, with as many copies on each side. It runs once before each turn, and CUDA events time it. In `eager` the host
launches each call, `graph` replays a captured graph. Rows that we lose stay, and what fails is a row with its error.

Compiling takes seconds a case, measuring a fraction of one. So worker processes compile one case each, side by
side, and when all are idle they measure one after the other. A library that chooses by timing (cuDNN's benchmark)
chooses in that turn.

    python bench/compare/gpu_ops.py --out compare.json [--budget SECONDS] [--only OP,OP]
    python bench/compare/gpu_ops.py --dry-run      no GPU: every peer must compute our op, on the small shapes, Triton
                                                   through its interpreter
    python bench/compare/gpu_ops.py --compile      no GPU: every Triton kernel must compile for sm_90, in f32 and bf16
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Measured in this order: what is written by hand comes first, as the time limit may end the list.
FIRST = ["group_max", "sigmoid_gate", "bin_pool", "batch_hard_triplet", "batch_norm", "batch_norm_residual", "cross_entropy", "region_pool",
         "generalized_mean_pool", "max_pool2d", "linear", "conv2d", "matmul"]
SIDES = ("eager", "compile", "triton")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/bench_gpu"))
    parser.add_argument("--op-program", default=None, help="tools/op, for --dry-run")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=3600, help="seconds after which no new row is begun")
    parser.add_argument("--only", default="", help="comma-separated ops")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--workers", type=int, default=min(12, max(1, (os.cpu_count() or 1) - 2)), help="that compile side by side")
    parser.add_argument("--worker", action="store_true", help="one of these: requests on stdin")
    return parser.parse_args()


ARGS = options()
if ARGS.dry_run:
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported

import torch  # noqa: E402

import torch_ops  # noqa: E402
import triton_ops  # noqa: E402

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
DEVICE = "cpu" if ARGS.dry_run or ARGS.compile else "cuda"


# --- Cases and inputs ---


def ports():
    """{op: {name: kind}} of the inputs and outputs, as the registry lists them."""
    program = ARGS.op_program or str(pathlib.Path(ARGS.program).parent / "op")
    if not os.path.exists(program):
        program = str(ROOT / "build/release/tools/op")
    listed = subprocess.run([program, "list", "--json"], capture_output=True, text=True, check=True, env=our_environment())
    return program, {o["name"]: o for o in json.loads(listed.stdout)}


def our_environment():
    return {**os.environ, "LD_LIBRARY_PATH": os.environ.get("SACCADE_LIBRARIES", os.environ.get("LD_LIBRARY_PATH", ""))}


def cases():
    lines = json.loads((ROOT / "bench/shapes.json").read_text())
    only = [name for name in ARGS.only.split(",") if name]
    lines = [line for line in lines if not only or line["op"] in only]
    rank = {name: i for i, name in enumerate(FIRST)}
    seen, order = {}, []
    for line in lines:  # every op's first case before any op's second
        turn = seen[line["op"]] = seen.get(line["op"], -1) + 1
        order.append((turn, rank.get(line["op"], len(rank)), len(order), line))
    return [line for *_, line in sorted(order, key=lambda o: o[:3])]


# The inputs that are not floating, and those that stay f32 where the op runs in bf16, as the registrations say.
INTEGERS = {("group_max", 1): torch.uint8, ("bin_pool", 1): torch.int32, ("batch_hard_triplet", 1): torch.int64, ("cross_entropy", 1): torch.int64,
            ("gather_rows", 1): torch.int64, ("scatter_add_rows", 1): torch.int64, ("adam", 5): torch.int64, ("adam", 10): torch.int64,
            ("sgd", 3): torch.int64, ("sgd", 8): torch.int64, ("gradient_clip", 1): torch.int64}
WIDE = {"batch_norm": (1, 2, 3, 4), "batch_norm_residual": (1, 2, 3, 4), "adam": range(11), "sgd": range(9), "gradient_clip": (0,)}
NO_GRADIENT = {"batch_norm": (3, 4), "batch_norm_residual": (3, 4), "adam": range(11), "sgd": range(9), "gradient_clip": (0,), "topk": (0,)}


def make_inputs(line, which, dtype, seed=1):
    # On the device: on the host it takes longer than what is measured.
    generator = torch.Generator(DEVICE).manual_seed(seed)
    made = []
    for i, given in enumerate(line[which]):
        rule = given if isinstance(given, dict) else {"shape": given}
        shape = rule["shape"]
        if "integers" in rule:
            low, high = rule["integers"]
            value = torch.randint(low, high, shape, generator=generator, device=DEVICE)
        elif "uniform" in rule:
            low, high = rule["uniform"]
            value = low + (high - low) * torch.rand(shape, generator=generator, device=DEVICE)
        elif "values" in rule:
            size = math.prod(shape)
            value = torch.tensor(rule["values"], device=DEVICE).repeat(size // len(rule["values"]) + 1)[:size].view(shape)
        elif "constant" in rule:
            value = torch.full(shape, float(rule["constant"]), device=DEVICE)
        else:
            mean, deviation = rule.get("normal", (0, 1))
            value = mean + deviation * torch.randn(shape, generator=generator, device=DEVICE)
        wide = i in WIDE.get(line["op"], ())
        made.append(value.to(INTEGERS.get((line["op"], i)) or (torch.float32 if wide else dtype)))
    return made


def attributes(line, dry):
    given = line.get("dry_attributes" if dry and "dry_attributes" in line else "attributes", {})
    return torch_ops.attributes_of(line["op"], given)


def learns(op, i, tensor):
    return tensor.is_floating_point() and i not in NO_GRADIENT.get(op, ())


def all_wide(line):
    """Whether no input is bf16 in a bf16 network: then one dtype says all."""
    return all((line["op"], i) in INTEGERS or i in WIDE.get(line["op"], ()) for i in range(len(line["inputs"])))


# --- The dry run: do the peers compute our op? ---

NAMES = {torch.float32: "F32", torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8"}


def write_safetensors(path, tensors):
    header, body = {}, b""
    for name, value in tensors.items():
        raw = value.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    kinds = {name: dtype for dtype, name in NAMES.items()}
    out = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = bytearray(data[8 + length + begin : 8 + length + end])
            out[name] = torch.frombuffer(raw, dtype=kinds[entry["dtype"]]).reshape(entry["shape"]) if raw else torch.empty(entry["shape"], dtype=kinds[entry["dtype"]])
    return out


def with_gradients(function, op, inputs, attrs, cotangents):
    leaves = [x.clone().requires_grad_() if learns(op, i, x) else x for i, x in enumerate(inputs)]
    outputs = function(leaves, attrs)
    ends = [(o, c) for o, c in zip(outputs, cotangents) if o.requires_grad]
    wanted = [x for x in leaves if x.requires_grad]
    gradients = torch.autograd.grad([o for o, _ in ends], wanted, [c for _, c in ends], allow_unused=True) if ends else []
    found = iter(gradients)
    return [o.detach() for o in outputs], [(next(found, None) if x.requires_grad else None) for x in leaves]


def distance(a, b):
    """The largest difference, against the size of the numbers."""
    if a.numel() == 0:
        return 0.0
    a, b = a.double(), b.double()
    return ((a - b).abs().max() / b.abs().max().clamp_min(1e-6)).item()


def check_case(line, program, port):
    """[(side, largest relative difference)] of a case's small shapes; raises where a side computes something else."""
    op, attrs = line["op"], attributes(line, True)
    inputs = make_inputs(line, "dry", torch.float32)
    outputs = torch_ops.OPS[op](inputs, attrs)
    cotangents = [torch.randn(o.shape, generator=torch.Generator().manual_seed(7)) if o.is_floating_point() else None for o in outputs]
    with tempfile.TemporaryDirectory() as folder:
        tensors = dict(zip(port["inputs"], inputs))
        fixed = {"new_running_mean", "new_running_var"}  # outputs without a gradient
        tensors |= {f"grad_{name}": c for name, c in zip(port["outputs"], cotangents) if c is not None and name not in fixed}
        write_safetensors(f"{folder}/in", tensors)
        words = [program, "run", op, "--in", f"{folder}/in", "--out", f"{folder}/out", "--grad"]
        words += [word for k, v in attrs.items() for word in ("--attr", f"{k}={v:.9g}")]
        done = subprocess.run(words, capture_output=True, text=True, env=our_environment())
        if done.returncode != 0:
            raise RuntimeError(f"{op}, {line['case']}: {done.stderr.strip()}")
        ours = read_safetensors(f"{folder}/out")
    found = []
    for side, functions in (("eager", torch_ops.OPS), ("triton", triton_ops.OPS)):
        if op not in functions or op in torch_ops.RANDOM:
            continue
        backward = side == "eager" or op in triton_ops.WITH_BACKWARD
        if backward:
            outputs, gradients = with_gradients(functions[op], op, inputs, attrs, cotangents)
        else:
            outputs, gradients = functions[op](inputs, attrs), []
        worst = max(distance(o, ours[name]) for o, name in zip(outputs, port["outputs"]))
        for gradient, name in zip(gradients, port["inputs"]):
            if gradient is not None:
                worst = max(worst, distance(gradient, ours[f"grad_{name}"]))
        if not worst < 2e-5:
            raise RuntimeError(f"{op}, {line['case']}: {side} computes something else: off by {worst:.2g}")
        found.append((side, worst))
    return found


def dry_run():
    program, listed = ports()
    rows, failures = [], []
    for line in cases():
        try:
            sides = check_case(line, program, listed[line["op"]])
            rows.append({"op": line["op"], "case": line["case"], "sides": dict(sides)})
        except Exception as error:
            failures.append(str(error))
            rows.append({"op": line["op"], "case": line["case"], "error": str(error)})
            print(f"gpu_ops: {error}", flush=True)
    missing = sorted(set(listed) - set(torch_ops.OPS))
    table = ["## Peers, dry run: largest relative difference from ours on the small shapes", "", "| op | case | eager | triton |", "| --- | --- | ---: | ---: |"]
    for row in rows:
        shown = [f"{row['sides'][s]:.1e}" if s in row.get("sides", {}) else row.get("error", "") for s in ("eager", "triton")]
        table.append(f"| {row['op']} | {row['case']} | {' | '.join(shown)} |")
    if missing:
        table += ["", "No peer yet: " + ", ".join(missing) + "."]
    save({"rows": rows, "without_peer": missing, "failures": failures, "table": "\n".join(table)})
    print(f"gpu_ops: {len(rows)} cases, {sum('triton' in r.get('sides', {}) for r in rows)} with Triton, {len(failures)} failures; no peer for {', '.join(missing) or 'none'}")
    return 1 if failures else 0


TRITON_TYPES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.int64: "i64", torch.int32: "i32", torch.uint8: "u8"}


def compile_only(kernel, *args, grid=None, warmup=False, **named):
    """Stands in for the launch of a Triton kernel: compiles it for sm_90 with these arguments' types, and starts nothing."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    import triton

    given = dict(zip(kernel.arg_names, args)) | named
    constants = {p.name: given.pop(p.name) for p in kernel.params if p.is_constexpr}
    signature = {}
    for name in kernel.arg_names:
        value = given.get(name)
        if name in constants:
            signature[name] = "constexpr"
        elif isinstance(value, torch.Tensor):
            signature[name] = "*" + TRITON_TYPES[value.dtype]
        else:
            signature[name] = "fp32" if isinstance(value, float) else "i32"
    triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 90, 32))
    COMPILED.add((kernel.__name__, str(signature), str(constants)))


COMPILED = set()


def compile_kernels():
    from triton.runtime.jit import JITFunction

    JITFunction.run = compile_only
    failures = 0
    for dtype in ("f32", "bf16"):
        for line in cases():
            if line["op"] not in triton_ops.OPS:
                continue
            backward = line["op"] in triton_ops.WITH_BACKWARD
            inputs = [x.requires_grad_(backward and learns(line["op"], i, x)) for i, x in enumerate(make_inputs(line, "dry", DTYPES[dtype]))]
            try:
                outputs = triton_ops.OPS[line["op"]](inputs, attributes(line, True))
                if backward:
                    outputs[0].backward(torch.ones_like(outputs[0]))
            except Exception as error:
                failures += 1
                print(f"gpu_ops: {line['op']}, {line['case']}, {dtype}: {type(error).__name__}: {error}"[:1500], flush=True)
    print(f"gpu_ops: {len(COMPILED)} Triton kernels compile for sm_90, {failures} failures")
    return 1 if failures else 0


# --- Measuring ---


class Peer:
    """One side of one case: callable series, timed with events. Inputs are shared: no side writes to them."""

    def __init__(self, function, line, inputs, backward):
        self.op, self.attrs, self.function, self.inputs = line["op"], attributes(line, False), function, inputs
        self.kept, self.cotangents, self.graph, self.backward = [None] * len(inputs), None, None, backward
        self.start, self.stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.stream = torch.cuda.Stream()
        self.warm()

    def warm(self):
        with torch.cuda.stream(self.stream):
            for _ in range(3):
                self.go()
        torch.cuda.synchronize()

    def go(self):
        with torch.set_grad_enabled(self.backward):
            for i, inputs in enumerate(self.inputs):
                outputs = self.function(inputs, self.attrs)
                self.kept[i] = outputs
                if self.backward:
                    ends = [o for o in outputs if o.requires_grad]
                    if self.cotangents is None:
                        self.cotangents = [torch.randn_like(o) for o in ends]
                    wanted = [x for x in inputs if x.requires_grad]
                    gradients = torch.autograd.grad(ends, wanted, self.cotangents, allow_unused=True)
                    self.kept[i] = ([o.detach() for o in outputs], gradients)

    def sample(self, graph):
        with torch.cuda.stream(self.stream):
            if graph and self.graph is None:
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph, stream=self.stream):
                    self.go()
            work = self.graph.replay if graph else self.go
            work()
            self.start.record()
            work()
            self.stop.record()
            self.stop.synchronize()
        return self.start.elapsed_time(self.stop) * 1e3 / len(self.inputs)


class Ours:
    def __init__(self):
        self.process = subprocess.Popen([ARGS.program, "serve", "--device", "cuda", "--shapes", str(ROOT / "bench/shapes.json")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=our_environment())

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self.__init__()  # it has ended: the next row starts with a fresh one
            raise RuntimeError("bench_gpu has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def summary(samples):
    ordered = sorted(samples)
    return {"p10": ordered[len(ordered) // 10], "median": statistics.median(ordered), "p90": ordered[len(ordered) * 9 // 10]}


def functions_of(op, compiled):
    found = {}
    if op in torch_ops.OPS:
        found["eager"] = torch_ops.OPS[op]
        if op not in torch_ops.FUSED:
            found["compile"] = compiled
    if op in triton_ops.OPS:
        found["triton"] = triton_ops.OPS[op]
    return found


class Trial:
    """One case. Other trials may be prepared at the same time, but only one is measured at a time."""

    def __init__(self, line, dtype, ours):
        self.line, self.dtype, self.ours, op = line, dtype, ours, line["op"]
        self.copies = ours.ask(prepare=op, case=line["case"], dtype=dtype)["copies"]
        self.peers, self.errors, self.off = {}, {}, None
        first = make_inputs(line, "inputs", DTYPES[dtype])
        inputs = [[x.clone().requires_grad_(learns(op, i, x)) for i, x in enumerate(first)] for _ in range(self.copies)]
        torch.compiler.reset()
        functions = functions_of(op, torch.compile(torch_ops.OPS[op], dynamic=False))
        try:
            self.off = difference(line, dtype)
        except Exception as error:
            del functions["triton"]
            self.errors[False, "triton"] = f"{type(error).__name__}: {error}"[:400]
        for backward in (False, True) if any(x.requires_grad for x in inputs[0]) else (False,):
            for side, function in functions.items():
                if backward and side == "triton" and op not in triton_ops.WITH_BACKWARD:
                    continue
                try:
                    self.peers[backward, side] = Peer(function, line, inputs, backward)
                except Exception as error:
                    self.errors[backward, side] = f"{type(error).__name__}: {error}"[:400]
                    torch.cuda.synchronize()

    def measure(self):
        torch.backends.cudnn.benchmark = True
        for peer in self.peers.values():
            peer.warm()
        rows = [row for backward in dict.fromkeys(b for b, _ in [*self.peers, *self.errors]) for row in self.measure_pass(backward)]
        torch.backends.cudnn.benchmark = False
        return rows

    def measure_pass(self, backward):
        """Rows forward alone or with backward: eager and graph, all sides interleaved."""
        peers = {side: peer for (b, side), peer in self.peers.items() if b == backward}
        rows = []
        for mode in ("graph", "eager"):
            samples = {"saccade": [], **{side: [] for side in peers}}
            failed = {side: error for (b, side), error in self.errors.items() if b == backward}
            for _ in range(ARGS.rounds):
                for side in samples:
                    if side in failed:
                        continue
                    try:
                        if side == "saccade":
                            samples[side] += self.ours.ask(sample="both" if backward else "forward", graph=mode == "graph")["microseconds"]
                        else:
                            samples[side].append(peers[side].sample(mode == "graph"))
                    except Exception as error:
                        failed[side] = f"{type(error).__name__}: {error}"[:400]
            rows.append({"op": self.line["op"], "case": self.line["case"], "dtype": self.dtype, "pass": "both" if backward else "forward", "mode": mode,
                         "copies": self.copies, "microseconds": {side: summary(s) for side, s in samples.items() if s and side not in failed},
                         "errors": failed, "triton_difference": self.off})
        return rows


def difference(line, dtype):
    """How far Triton is from PyTorch at the measured shape: a peer that computes something else is no peer."""
    op = line["op"]
    if op not in triton_ops.OPS or op in torch_ops.RANDOM:
        return None
    inputs, attrs = make_inputs(line, "inputs", DTYPES[dtype]), attributes(line, False)
    return max(distance(a, b) for a, b in zip(triton_ops.OPS[op](inputs, attrs), torch_ops.OPS[op](inputs, attrs)))


def product_rates():
    """TFLOP/s of torch.matmul, the vendor's library, to compare with the roofs of our own report."""
    rates, n = {}, 8192
    for name, dtype, tf32 in (("f32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, False)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = torch.randn(n, n, device="cuda", dtype=dtype), torch.randn(n, n, device="cuda", dtype=dtype)
        least = float("inf")
        for _ in range(8):
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            a @ b
            stop.record()
            stop.synchronize()
            least = min(least, start.elapsed_time(stop))
        rates[name] = 2 * n**3 / least * 1e-9
    torch.backends.cuda.matmul.allow_tf32 = False
    return rates


def table(report):
    out = [f"## Beside PyTorch {report.get('torch', '')} and Triton {report.get('triton', '')}, microseconds a call, interleaved (median)", ""]
    if "product_teraflops" in report:
        out += ["torch.matmul at 8192: " + ", ".join(f"{k} {v:.0f} TFLOP/s" for k, v in report["product_teraflops"].items()) + ".", ""]
    out += ["| op | case | dtype | pass | mode | ours | eager | compile | triton | best peer / ours |", "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in report["rows"]:
        if "error" in row:
            out.append(f"| {row['op']} | {row['case']} | {row['dtype']} | error: {row['error'][:160]} |||||||")
            continue
        found = row["microseconds"]
        shown = [f"{found[s]['median']:.1f}" if s in found else ("error" if s in row["errors"] else "") for s in ("saccade", *SIDES)]
        peers = [found[s]["median"] for s in SIDES if s in found]
        ratio = f"{min(peers) / found['saccade']['median']:.2f}" if peers and "saccade" in found else ""
        out.append(f"| {row['op']} | {row['case']} | {row['dtype']} | {row['pass']} | {row['mode']} | {' | '.join(shown)} | {ratio} |")
    if report.get("not_reached"):
        out += ["", f"Not reached within the time limit: {', '.join(report['not_reached'])}."]
    return "\n".join(out)


def save(report):
    if ARGS.out:
        ARGS.out.write_text(json.dumps(report, indent=1) + "\n")


def work():
    """A worker: {"rates": true}; {"prepare": number of the case, "dtype": ...}, then {"measure": true}. A line of JSON answers each."""
    torch.backends.cuda.matmul.allow_tf32 = False  # f32 is f32 on every side
    torch.backends.cudnn.allow_tf32 = False
    lines, ours, trial = cases(), Ours(), None
    for text in sys.stdin:
        request, answer = json.loads(text), {}
        try:
            if "prepare" in request:
                trial = None
                torch.cuda.empty_cache()
                trial = Trial(lines[request["prepare"]], request["dtype"], ours)
            else:
                answer = {"rows": trial.measure()} if "measure" in request else {"rates": product_rates()}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:400]}
        print(json.dumps({"answer": answer}), flush=True)
    return 0


class Worker:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", "--program", ARGS.program, "--only", ARGS.only, "--rounds",
                                         str(ARGS.rounds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def ask(self, **request):
        """The answer; a worker that ends has {"error": ...}."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith('{"answer"'):
                    return json.loads(line)["answer"]
        except OSError:
            pass
        return {"error": "the process has ended"}

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def ask(worker, limit, **request):
    """The worker's answer. After `limit` seconds the worker is ended, and its answer is an error."""
    timer = threading.Timer(limit, worker.end)
    timer.start()
    try:
        return worker.ask(**request)
    finally:
        timer.cancel()


def measure():
    begin = time.monotonic()
    lines = cases()
    jobs = [(i, dtype) for dtype in ("bf16", "f32") for i, line in enumerate(lines)
            if line["op"] in torch_ops.OPS and not (dtype == "bf16" and all_wide(line))]
    name = lambda job: {"op": lines[job[0]]["op"], "case": lines[job[0]]["case"], "dtype": job[1]}
    report = {"torch": torch.__version__, "triton": triton_ops.triton.__version__, "rows": [], "not_reached": []}
    workers = [Worker() for _ in range(min(ARGS.workers, len(jobs)))]
    with concurrent.futures.ThreadPoolExecutor(len(workers)) as pool:
        report["product_teraflops"] = ask(workers[0], 60, rates=True).get("rates", {})
        again = []  # jobs that failed beside others, perhaps for lack of memory, get a turn alone
        while jobs or again:
            if time.monotonic() - begin > ARGS.budget:
                report["not_reached"] = ["{op} ({case}, {dtype})".format(**name(job)) for job in jobs]
                break
            alone = not jobs
            if alone:  # no other tensors on the device, and a context that no kernel has broken
                for worker in workers:
                    worker.end()
                workers, wave, again = [Worker()], again[:1], again[1:]
            else:  # in f32 the tensors are twice as large: half as many at a time
                size = len(workers) if jobs[0][1] == "bf16" else (len(workers) + 1) // 2
                wave, jobs = jobs[:size], jobs[size:]
            ready = list(pool.map(lambda pair: ask(pair[0], 90, prepare=pair[1][0], dtype=pair[1][1]), zip(workers, wave)))
            for i, (job, answer) in enumerate(zip(wave, ready)):
                answer = answer if "error" in answer else ask(workers[i], 60, measure=True)
                rows = answer.get("rows") or [name(job) | {"error": answer["error"]}]
                if "error" in answer or any(row["errors"] for row in rows):
                    workers[i].end()
                    workers[i] = Worker()
                    again += [] if alone else [job]
                if alone:  # these rows replace those of the first try
                    report["rows"] = [row for row in report["rows"] if {k: row[k] for k in ("op", "case", "dtype")} != name(job)]
                report["rows"] += rows
            report["table"] = table(report)
            save(report)
    for worker in workers:
        worker.end()
    report["table"] = table(report)
    save(report)
    print(report["table"])
    return 0


if __name__ == "__main__":
    sys.exit(dry_run() if ARGS.dry_run else compile_kernels() if ARGS.compile else work() if ARGS.worker else measure())
