"""A ResNet-50 training step on the GPU: ours and PyTorch's, in turn, A B A B.

PyTorch: bf16 autocast, channels_last, fused Adam; eager and torch.compile, each also with the whole step captured in a
CUDA graph. Its processes start and compile side by side and then wait; ours starts afresh for each turn. cuDNN chooses
by timing in a side's first turn, when that side has the device alone.
Ours: bench_step --device cuda --precision bf16, with cuDNN's first proposals and with timed plans
(--tune). The network (last stage with stride 1), batch, images and loss are the same. A configuration that
fails is a row with its error.

    python bench/compare/resnet50_gpu.py --program bench_step --out resnet50.json [--batch 64] [--budget SECONDS]
    ... --dry-run        no GPU: tiny images on the CPU, and ours with an eighth of the channels; both sides must run
    ... --peer eager     one PyTorch configuration in this process: a JSON line
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CLASSES = 751
PEERS = ("eager", "graph", "compile", "compile+graph")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parents[2] / "build/release/bench/bench_step"))
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--budget", type=float, default=600, help="seconds after which no new turn is begun")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=2, help="of measuring in each turn")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peer", choices=PEERS)
    parser.add_argument("--hold", action="store_true", help="with --peer: a turn for each line of stdin")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--without-torch", action="store_true")
    return parser.parse_args()


# --- The peer: one configuration in this process ---


def network(torch):
    """ResNet-50 of torchvision's layout; written out, as torchvision may be missing."""
    nn = torch.nn

    class Bottleneck(nn.Module):
        def __init__(self, inside, width, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(inside, width, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or inside != 4 * width:
                self.downsample = nn.Sequential(nn.Conv2d(inside, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

        def forward(self, x):
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
            return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    blocks, inside = [], 64
    for width, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 1)):
        for i in range(count):
            blocks.append(Bottleneck(inside, width, stride if i == 0 else 1))
            inside = 4 * width
    return nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), *blocks,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, CLASSES))


def run_peer(args):
    import torch

    device = "cpu" if args.dry_run else "cuda"
    captured = "graph" in args.peer and device == "cuda"
    torch.manual_seed(1)
    model = network(torch).to(device, memory_format=torch.channels_last)
    images = torch.randn(args.batch, 3, args.height, args.width, device=device).to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (args.batch,), device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=3.5e-4, fused=True, capturable=captured)
    forward = torch.compile(model) if "compile" in args.peer else model

    def step():
        with torch.autocast(device, dtype=torch.bfloat16, cache_enabled=not captured):  # a graph cannot hold the cache
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # sets them to None: a graph, too, then writes gradients instead of adding to zeros

    synchronize = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    torch.backends.cudnn.benchmark = False
    for _ in range(1 if args.dry_run else 3):
        step()
    synchronize()
    if args.hold:
        print("ready", flush=True)
    graph = None
    for _ in sys.stdin if args.hold else [""]:
        begin = time.perf_counter()
        run = graph.replay if graph else step
        if not torch.backends.cudnn.benchmark:  # the first turn
            torch.backends.cudnn.benchmark = True
            if captured:
                stream = torch.cuda.Stream()
                with torch.cuda.stream(stream):
                    for _ in range(3):
                        step()
                synchronize()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    step()
                run = graph.replay
        for _ in range(1 if args.dry_run else 5):
            run()
        synchronize()
        first = time.perf_counter() - begin
        steps, end = [], time.perf_counter() + args.seconds
        while len(steps) < 3 or time.perf_counter() < end:
            begin = time.perf_counter()  # four steps with one wait at the end: the host runs ahead, as in training
            for _ in range(4):
                run()
            synchronize()
            steps.append((time.perf_counter() - begin) / 4)
        steps.sort()
        rate = lambda share: args.batch / steps[min(len(steps) - 1, int(share * len(steps)))]
        peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
        print(json.dumps({"images_per_second": rate(0.5), "p10": rate(0.9), "p90": rate(0.1), "peak_bytes": peak, "warm_up_seconds": first,
                          "steps": 4 * len(steps), "torch": torch.__version__}), flush=True)


# --- Taking turns ---


def turn(words, limit, env):
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, env=env)
    except subprocess.TimeoutExpired:
        return {"error": f"did not end within {limit:.0f} s"}
    except OSError as error:
        return {"error": str(error)[:300]}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        return {"error": (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}")[-400:]}
    return json.loads(lines[-1])


class Held:
    """A peer's process, started at once; a line of JSON from it for each turn."""

    def __init__(self, words):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*words, "--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def await_line(self, limit):
        """The next line of JSON or "ready"; after `limit` seconds the process is ended, and this is an error."""
        timer = threading.Timer(limit, self.process.kill)
        timer.start()
        try:
            for line in self.process.stdout:
                if line.startswith(("{", "ready")):
                    return json.loads(line) if line.startswith("{") else {}
        finally:
            timer.cancel()
        self.errors.seek(0)
        return {"error": " ".join(self.errors.read().split())[-400:] or f"did not answer within {limit:.0f} s"}

    def turn(self, limit):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            pass
        return self.await_line(limit)


def contenders(args):
    device = "simt" if args.dry_run else "cuda"
    shape = ["--height", str(args.height), "--width", str(args.width), "--batch", str(args.batch), "--seconds", str(args.seconds)]
    ours = {**os.environ, "LD_LIBRARY_PATH": os.environ.get("SACCADE_LIBRARIES", os.environ.get("LD_LIBRARY_PATH", ""))}
    words = [args.program, "--device", device, "--precision", "bf16", *shape]
    if args.dry_run:  # simt spends its time on the weights, whatever the image
        words += ["--channels", "8"]
    found = [("Saccade", words, ours)] + ([] if args.dry_run else [("Saccade, tuned", [*words, "--tune"], ours)])
    if not args.without_torch:
        peer = [sys.executable, os.path.abspath(__file__), *shape] + (["--dry-run"] if args.dry_run else [])
        found += [(f"PyTorch {name}", [*peer, "--peer", name], None) for name in (PEERS[:1] if args.dry_run else PEERS)]
    return found


def table(rows, args):
    best = max((r["images_per_second"] for r in rows if r["side"].startswith("PyTorch") and "images_per_second" in r), default=None)
    out = [f"## ResNet-50, a training step: {args.height}x{args.width}, batch {args.batch}, bf16, median of {args.rounds} interleaved turns", "",
           "| side | images/s | p10 .. p90 | turns | peak memory, MiB | against PyTorch's best |", "| --- | ---: | --- | --- | ---: | ---: |"]
    for r in rows:
        if "error" in r:
            out.append(f"| {r['side']} | error: {' '.join(r['error'].split())[:200]} |||||")
            continue
        share = f"{r['images_per_second'] / best:.2f}" if best else ""
        good = sum("error" not in t for t in r["turns"])
        out.append(f"| {r['side']} | {r['images_per_second']:.0f} | {r['p10']:.0f} .. {r['p90']:.0f} | {good} of {len(r['turns'])} | {r['peak_bytes'] / 2**20:.0f} | {share} |")
    return "\n".join(out)


def main():
    args = options()
    if args.dry_run:
        args.height, args.width, args.batch, args.seconds, args.rounds = 32, 16, 2, 0.1, 1
    if args.peer:
        return run_peer(args)
    begin = time.monotonic()
    left = lambda: args.budget - (time.monotonic() - begin)
    sides = contenders(args)
    turns = {side: [] for side, *_ in sides}
    held = {side: Held(words) for side, words, env in sides if env is None}
    for side, peer in held.items():  # waits for one after the other, while all compile
        answer = peer.await_line(max(left() - 30, 10))
        if "error" in answer:
            turns[side].append(answer)
    for _ in range(args.rounds):
        for side, words, env in sides:
            if (left() < 5 and turns[side]) or any("error" in t for t in turns[side]):
                continue
            turns[side].append(held[side].turn(max(left(), 15)) if side in held else turn(words, max(left(), 15), env))
    for peer in held.values():
        peer.process.kill()
    rows = []
    for side, found in turns.items():
        good = [t for t in found if "error" not in t]
        if not good:
            rows.append({"side": side, **(found[-1] if found else {"error": "not reached within the time limit"})})
            continue
        middle = lambda key: statistics.median(t[key] for t in good)
        rows.append({"side": side, **{key: middle(key) for key in ("images_per_second", "p10", "p90")}, "peak_bytes": max(t["peak_bytes"] for t in good), "turns": found})
    report = {"rows": rows, "table": table(rows, args)}
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(report["table"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
