"""The peer: ResNet-50 (torchvision, last stage with stride 1) in PyTorch on the CPU.

One configuration, measured in this process, so that the peak memory is its own:
    resnet50.py --mode train --height 256 --width 128 --precision f32 --layout channels_last
All of them, each in a fresh process: resnet50.py --all. A training step is forward, cross-entropy, backward and Adam
(fused, the fastest that PyTorch has here); inference is eval mode without a tape. Each measurement is one JSON line:
    config             mode_HxW_precision, what both sides call this work
    images_per_second  of the median step; p10 and p90 are the same of the slow and the fast tenth
    seconds_to_first_step  from before the libraries are loaded
    peak_bytes         largest resident size of the process; start_bytes is what it was before the network existed
The allocator keeps its pages (no mmap for large blocks, no trimming): PyTorch's own advice, and worth a lot on the CPU,
where fresh pages cost faults in every step. `--allocator default` shows the difference.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

SIZES = [(256, 128), (128, 64)]
CLASSES = 751  # Market-1501's training identities

ALLOCATORS = {
    "default": {},
    "keep": {
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
        "MALLOC_TOP_PAD_": str(64 << 20),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    },
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every configuration, each in a fresh process")
    parser.add_argument("--mode", choices=["train", "inference"], default="train")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--layout", choices=["default", "channels_last"], default="channels_last")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8, help="of measuring, after two steps of warm-up")
    parser.add_argument("--allocator", choices=sorted(ALLOCATORS), default="keep")
    return parser.parse_args()


def command(**given):
    """The command line of one configuration, for a fresh process."""
    words = [sys.executable, os.path.abspath(__file__)]
    for key, value in given.items():
        words += [f"--{key}", str(value)]
    return words


def environment(threads, allocator):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), SACCADE_PEER="1")
    env.update(ALLOCATORS[allocator])
    return env


def run_all(args):
    for mode in ("train", "inference"):
        for height, width in SIZES:
            for precision in ("f32", "bf16"):
                for layout in ("default", "channels_last"):
                    words = command(mode=mode, height=height, width=width, batch=args.batch, precision=precision,
                                    layout=layout, threads=args.threads, seconds=args.seconds,
                                    allocator=args.allocator)
                    subprocess.run(words, env=environment(args.threads, args.allocator), check=True)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make_network(torch, layout):
    import torchvision

    model = torchvision.models.resnet50(num_classes=CLASSES)
    model.layer4[0].conv2.stride = (1, 1)
    model.layer4[0].downsample[0].stride = (1, 1)
    return model.to(memory_format=torch.channels_last) if layout == "channels_last" else model


def measure(args):
    began = time.perf_counter()
    import torch
    import torchvision  # noqa: F401  (imported here so that start_bytes holds it)

    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    start = peak_bytes()
    model = make_network(torch, args.layout)
    images = torch.randn(args.batch, 3, args.height, args.width)
    if args.layout == "channels_last":
        images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(CLASSES, (args.batch,))
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")
    if args.mode == "train":
        optimizer = torch.optim.Adam(model.parameters(), lr=3.5e-4, fused=True)

        def step():
            optimizer.zero_grad(set_to_none=True)
            with autocast:
                loss = torch.nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
    else:
        model.eval()

        def step():
            with torch.inference_mode(), autocast:
                model(images)

    seconds = []
    step()
    first = time.perf_counter() - began
    step()
    end = time.perf_counter() + args.seconds
    while len(seconds) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    seconds.sort()
    at = lambda share: args.batch / seconds[min(len(seconds) - 1, int(share * len(seconds)))]
    print(json.dumps({
        "config": f"{args.mode}_{args.height}x{args.width}_{args.precision}", "side": f"PyTorch {torch.__version__}",
        "layout": args.layout, "batch": args.batch, "threads": torch.get_num_threads(), "allocator": args.allocator,
        "images_per_second": round(at(0.5), 3), "p10": round(at(0.9), 3), "p90": round(at(0.1), 3),
        "steps": len(seconds), "peak_bytes": peak_bytes(), "start_bytes": start, "seconds_to_first_step": first}), flush=True)


def main():
    args = options()
    if args.all:
        run_all(args)
    elif "SACCADE_PEER" not in os.environ:  # the allocator and OpenMP read the environment at start
        os.execve(sys.executable, [sys.executable] + sys.argv, environment(args.threads, args.allocator))
    else:
        measure(args)


if __name__ == "__main__":
    main()
