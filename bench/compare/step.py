"""The peers on the CPU: the work of bench_step in PyTorch and ONNX Runtime, one configuration in this process.

    step.py --peer compile --network resnet50 --mode train --height 256 --width 128
    step.py --export FILE ...        the network of --network as ONNX, which the peer onnxruntime reads by --model FILE
A training step is forward, loss, backward and Adam (fused, the fastest that PyTorch has here); inference is eval mode
without a tape. The measurement is one JSON line:
    images_per_second  of the median step; p10 and p90 are the same of the slow and the fast tenth
    first_step_at      when the first step ended, on the clock that all processes share (CLOCK_MONOTONIC)
    peak_bytes         largest resident size of the process; start_bytes is what it was before the network existed
    libraries          what computed, by name and version
    waiting            how its threads wait for work
Threads and memory are settled by the environment, before Python starts: bench/compare/interleave.py sets it. A peer
that cannot run here ends with one line and exit code 2.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import sys
import time

RESNET50_CLASSES, QUICKSTART_CLASSES = 751, 80  # training identities of Market-1501, and of what the quickstart draws
PEERS = ("default", "channels_last", "compile", "jit", "onnxruntime")


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=PEERS, default="channels_last")
    parser.add_argument("--network", choices=["resnet50", "quickstart"], default="resnet50")
    parser.add_argument("--mode", choices=["train", "inference"], default="train")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8, help="of measuring, after two steps of warm-up")
    parser.add_argument("--model", help="the network as ONNX: the peer onnxruntime")
    parser.add_argument("--export", metavar="FILE", help="write the network as ONNX, and measure nothing")
    return parser.parse_args()


def refuse(reason):
    print(f"step.py: {reason}", file=sys.stderr)
    sys.exit(2)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def make_resnet50():
    import torchvision

    model = torchvision.models.resnet50(num_classes=RESNET50_CLASSES)
    model.layer4[0].conv2.stride = (1, 1)
    model.layer4[0].downsample[0].stride = (1, 1)
    return model


def make_quickstart(torch):
    """What tools/configs/quickstart.json trains: a compact ResNet-10 of width 32, a batch-norm neck without a shift, a
    classifier. In training it gives logits and the embedding before the neck."""
    import torchvision

    nn, width = torch.nn, 32
    block = torchvision.models.resnet.BasicBlock

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            convolution = nn.Conv2d(3, width, 3, 1, 1, bias=False)
            self.stem = nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True))
            blocks, inside = [], width
            for stage in range(4):
                outside, stride = width << stage, 1 if stage == 0 else 2
                shortcut = None
                if stride != 1:
                    convolution = nn.Conv2d(inside, outside, 1, stride, bias=False)
                    shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outside))
                blocks.append(block(inside, outside, stride, shortcut))
                inside = outside
            self.stages = nn.Sequential(*blocks)
            self.neck = nn.BatchNorm1d(inside)
            self.neck.bias.requires_grad_(False)
            self.classifier = nn.Linear(inside, QUICKSTART_CLASSES, bias=False)

        def forward(self, images):
            embedding = self.stages(self.stem(images)).mean((2, 3))
            feature = self.neck(embedding)
            return (self.classifier(feature), embedding) if self.training else feature

    return Network()


def batch_hard_triplet(torch, embedding, labels, margin):
    squares = (embedding * embedding).sum(1)
    distance = (squares[:, None] + squares[None] - 2 * embedding @ embedding.T).clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None]
    positive = distance.masked_fill(~same, 0).amax(1)
    negative = distance.masked_fill(same, float("inf")).amin(1)
    return torch.relu(positive - negative + margin).mean()


def make_network(torch, args):
    torch.manual_seed(1)
    return make_resnet50() if args.network == "resnet50" else make_quickstart(torch)


def loss_of(torch, args, model):
    """images, labels -> the loss that bench_step has."""
    entropy = torch.nn.functional.cross_entropy
    if args.network == "resnet50":
        return lambda images, labels: entropy(model(images), labels)

    def loss(images, labels):
        logits, embedding = model(images)
        return entropy(logits, labels, label_smoothing=0.1) + batch_hard_triplet(torch, embedding.float(), labels, 0.3)

    return loss


def openmp_waiting():
    """The OpenMP that this process has loaded, and what its environment says of waiting."""
    loaded = sorted(set(re.findall(r"/lib(gomp|iomp5|omp)[-.]", pathlib.Path("/proc/self/maps").read_text())))
    return f"lib{' and lib'.join(loaded) or 'gomp'}, OMP_WAIT_POLICY {os.environ.get('OMP_WAIT_POLICY', 'unset')}"


def torch_step(args):
    """One step in PyTorch, as a function; the bytes before the network; the libraries."""
    import torch
    import torchvision  # noqa: F401  (imported here so that the bytes before the network hold it)

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    start = peak_bytes()
    compiled = args.peer == "compile"
    if compiled and not (shutil.which("g++") or shutil.which("clang++")):
        refuse("torch.compile needs g++")
    # The compiler chooses the layout of convolutions itself, and given either it comes out the same.
    layout = torch.contiguous_format if args.peer in ("default", "compile") else torch.channels_last
    model = make_network(torch, args).to(memory_format=layout)
    images = torch.randn(args.batch, 3, args.height, args.width).to(memory_format=layout)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16")
    libraries = {"PyTorch": torch.__version__, "oneDNN": re.search(r"DNN v([\d.]+)", torch.__config__.show())[1]}

    if args.mode == "train":
        quickstart = args.network == "quickstart"
        labels = torch.arange(args.batch) // 4 if quickstart else torch.randint(RESNET50_CLASSES, (args.batch,))
        learning = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(learning, lr=3.5e-4, weight_decay=5e-4 if quickstart else 0, fused=True)
        loss_function = loss_of(torch, args, model)
        if compiled:
            loss_function = torch.compile(loss_function)

        def step():
            optimizer.zero_grad(set_to_none=True)
            with autocast:
                loss = loss_function(images, labels)
            loss.backward()
            optimizer.step()
            return loss.item()
    else:
        forward = model.eval()
        if compiled:
            import torch._inductor.config

            torch._inductor.config.freezing = True  # weights are constants: norms are folded in, weights packed once
            forward = torch.compile(model)
        elif args.peer == "jit":
            with torch.no_grad(), autocast:
                forward = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, images)))

        def step():
            with torch.no_grad() if compiled else torch.inference_mode(), autocast:
                forward(images)

    return step, start, libraries


def onnxruntime_step(args):
    """The same in ONNX Runtime."""
    import numpy
    import onnxruntime

    start = peak_bytes()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = args.threads, 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(args.model, settings, providers=["CPUExecutionProvider"])
    images = numpy.random.default_rng(1).standard_normal((args.batch, 3, args.height, args.width), dtype=numpy.float32)
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: images}), start, {"ONNX Runtime": onnxruntime.__version__}


def export(args):
    import torch

    model = make_network(torch, args).eval()
    images = torch.randn(args.batch, 3, args.height, args.width)
    torch.onnx.export(model, (images,), args.export, dynamo=True, external_data=False)


def measure(args):
    step, start, libraries = onnxruntime_step(args) if args.peer == "onnxruntime" else torch_step(args)
    step()
    first = time.monotonic()
    step()
    seconds = []
    end = time.monotonic() + args.seconds
    while len(seconds) < 3 or time.monotonic() < end:
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    seconds.sort()
    at = lambda share: args.batch / seconds[min(len(seconds) - 1, int(share * len(seconds)))]
    waiting = "its own threads, which spin" if args.peer == "onnxruntime" else openmp_waiting()
    line = {"batch": args.batch, "threads": args.threads, "waiting": waiting, "libraries": libraries,
            "images_per_second": at(0.5), "p10": at(0.9), "p90": at(0.1), "steps": len(seconds),
            "peak_bytes": peak_bytes(), "start_bytes": start, "first_step_at": first}
    print(json.dumps(line), flush=True)


def main():
    args = options()
    if args.peer == "onnxruntime" and (args.mode == "train" or args.precision != "f32"):
        refuse("ONNX Runtime is here for inference in f32")
    if args.export:
        export(args)
    else:
        measure(args)


if __name__ == "__main__":
    main()
