"""Writes tests/goldens/weights/: small .pth and .safetensors files as PyTorch writes them, and hostile ones.

Element i of tensor number k (in the order of `tensors()`) is value(k, i): the tests compute the same.
Run from the repository's root: python tests/goldens/make_weights.py
"""

import argparse
import datetime
import enum
import functools
import os
import zipfile
from collections import Counter, OrderedDict, defaultdict

import numpy
import safetensors.torch
import torch

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")


def value(k, i):
    return ((k * 37 + i * 11) % 64 - 32) / 8


def filled(k, shape, dtype):
    count = 1
    for size in shape:
        count *= size
    values = [value(k, i) for i in range(count)]
    if dtype in (torch.int64, torch.int32):
        values = [int(v * 8) for v in values]
    if dtype == torch.uint8:
        values = [int(v * 8) + 32 for v in values]
    if dtype == torch.bool:
        values = [v > 0 for v in values]
    return torch.tensor(values).reshape(shape).to(dtype)


def tensors():
    specs = [
        ("conv1.weight", (4, 3, 2, 2), torch.float32),
        ("bn1.running_mean", (4,), torch.float64),
        ("bn1.num_batches_tracked", (), torch.int64),
        ("fc.weight", (5, 4), torch.bfloat16),
        ("fc.bias", (5,), torch.float16),
        ("labels", (3, 1), torch.int32),
        ("pixels", (2, 3), torch.uint8),
        ("mask", (7,), torch.bool),
        ("empty", (0, 3), torch.float32),
    ]
    return OrderedDict((name, filled(k, shape, dtype)) for k, (name, shape, dtype) in enumerate(specs))


def save(name, content, **options):
    torch.save(content, os.path.join(OUT, name), **options)


def repack(source, name, method=zipfile.ZIP_STORED, change=None, extra=()):
    """The same archive packed anew, with `change(entry name, bytes)` applied."""
    target = os.path.join(OUT, name)
    with zipfile.ZipFile(os.path.join(OUT, source)) as old, zipfile.ZipFile(target, "w", method) as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(zipfile.ZipInfo(info.filename), change(info.filename, data) if change else data, method)
        for entry, data in extra:
            new.writestr(zipfile.ZipInfo(entry), data, method)


class Evil:
    """Unpickled by Python, it would run the command."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 1)


class Recipe:
    """A class of a training program, which nobody has who reads the file."""

    def __init__(self, rate):
        self.rate = rate
        self.tensor = torch.zeros(1)


class Kind(enum.Enum):
    market = 1


def objects():
    """What a checkpoint may hold beside its tensors."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.25)
    return {
        "rank1": numpy.float32(0.5), "count": numpy.int64(3), "array": numpy.arange(6).reshape(2, 3),
        "namespace": argparse.Namespace(lr=0.25, tensor=torch.zeros(1)), "recipe": Recipe(0.25), "class": Recipe,
        "optimizer": optimizer, "device": torch.device("cuda:0"), "dtype": torch.float16,
        "partial": functools.partial(Recipe, rate=1), "set": {1, 2}, "frozenset": frozenset((1, 2)), "bytes": b"abc",
        "bytearray": bytearray(b"abc"), "complex": 1 + 2j, "big": 1 << 100, "negative": -(1 << 70),
        "date": datetime.datetime(2020, 1, 2), "kind": Kind.market, "slice": slice(1, 2), "range": range(3),
        "defaultdict": defaultdict(list, {"a": [1]}), "counter": Counter("aab"), "function": os.path.join,
        "generator": numpy.random.RandomState(0).get_state()[0:3:2], "storage": torch.zeros(2).untyped_storage(),
        "size": torch.Size((2, 3)),
    }


def main():
    os.makedirs(OUT, exist_ok=True)
    torch.manual_seed(0)
    state = tensors()
    save("plain.pth", state)
    safetensors.torch.save_file(dict(state), os.path.join(OUT, "plain.safetensors"), {"format": "pt", "who": "PyTorch"})

    # A state_dict carries _metadata; its parameters are detached. A Module's own parameters are not.
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))
    for k, tensor in enumerate(module.state_dict().values()):
        tensor.copy_(filled(k, tuple(tensor.shape), tensor.dtype))
    save("module.pth", module.state_dict())
    save("parameters.pth", dict(module.named_parameters()))
    wrapped = OrderedDict(("module." + name, tensor) for name, tensor in module.state_dict().items())
    optimizer = torch.optim.Adam(module.parameters(), lr=0.25)
    module(torch.ones(1, 3, 4, 4)).sum().backward()
    for parameter in module.parameters():
        parameter.grad.zero_()
    optimizer.step()
    save("checkpoint.pth", {"epoch": 90, "arch": "resnet50", "best": 0.5, "state_dict": wrapped,
                            "optimizer": optimizer.state_dict(), "none": None, "large": -(2**40), "flag": True})
    save("nested.pth", {"backbone": {"w": filled(0, (2,), torch.float32)},
                        "heads": [filled(1, (3,), torch.float32), {"b": filled(2, (1,), torch.float32)}],
                        "optimizer": optimizer.state_dict(), 7: filled(3, (1,), torch.float32)})

    base = filled(0, (4, 3, 2), torch.float32)
    save("views.pth", {"base": base, "tied": base, "transposed": base.permute(2, 0, 1), "slice": base[1:3, 1:, 1],
                       "expanded": base[:, :1, :1].expand(4, 3, 2), "last": base[3, 2, 1:],
                       "channels_last": filled(1, (2, 3, 2, 2), torch.float32).contiguous(
                           memory_format=torch.channels_last)})

    # Every protocol, and the format before PyTorch 1.6.
    save("protocol3.pth", state, pickle_protocol=3)
    save("protocol4.pth", state, pickle_protocol=4)
    save("protocol5.pth", state, pickle_protocol=5)
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("legacy4.pth", state, _use_new_zipfile_serialization=False, pickle_protocol=4)

    # What is no tensor, beside the weights and among them, and tensors of types that are not read.
    for protocol in (2, 3, 4, 5):
        save(f"objects{protocol}.pth", {"w": filled(0, (2,), torch.float32), "objects": objects(),
                                        ("a", 1): 2, None: 3, Kind.market: 4}, pickle_protocol=protocol)
    save("legacy_objects.pth", {"w": filled(0, (2,), torch.float32), "objects": objects()},
         _use_new_zipfile_serialization=False)
    attribute = filled(1, (2,), torch.float32)
    attribute.note = "a tensor with an attribute"
    parameter = torch.nn.Parameter(filled(2, (2,), torch.float32))
    parameter.note = "a parameter with one"
    types = {"w": filled(0, (2,), torch.float32), "attribute": attribute, "parameter": parameter}
    for name in ("int8", "int16", "complex64", "complex128", "float8_e5m2", "float8_e4m3fn", "uint16", "uint32"):
        types[name] = filled(3, (2,), torch.float32).to(getattr(torch, name))
    types["quantized"] = torch.quantize_per_tensor(filled(0, (2,), torch.float32), 0.5, 0, torch.qint8)
    types["sparse"] = filled(0, (2, 2), torch.float32).to_sparse()
    save("types.pth", types)
    save("legacy_types.pth", types, _use_new_zipfile_serialization=False)
    save("evil.pth", {"a": filled(0, (2,), torch.float32), "b": Evil("touch saccade-was-here")})

    # Files that must be refused.
    save("short.pth", {"a": filled(0, (2,), torch.int16)})
    save("whole_model.pth", torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)))
    save("model_inside.pth", {"epoch": 1, "model": torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1))})
    save("tensor.pth", filled(0, (2,), torch.float32))
    save("no_tensor.pth", {"epoch": 1})
    huge = torch.zeros(1).expand(1 << 40)
    save("expanded_huge.pth", {"a": huge})
    itself = {"t": filled(0, (1,), torch.float32)}
    itself["itself"] = itself
    save("itself.pth", itself)
    bomb = [filled(0, (1,), torch.float32)]
    for _ in range(28):
        bomb = [bomb, bomb]
    save("bomb.pth", {"a": bomb})
    repack("module.pth", "deflated.pth", zipfile.ZIP_DEFLATED)
    repack("module.pth", "repacked.pth")
    repack("module.pth", "big_endian.pth", change=lambda n, d: b"big" if n.endswith("byteorder") else d)
    repack("module.pth", "short_storage.pth", change=lambda n, d: d[:-4] if n.endswith("data/0") else d)
    repack("module.pth", "torchscript.pth", extra=[("module/constants.pkl", b"x")])
    torch.jit.script(Model()).save(os.path.join(OUT, "script.pth"))
    total = sum(os.path.getsize(os.path.join(OUT, name)) for name in os.listdir(OUT))
    print(len(os.listdir(OUT)), "files,", total, "bytes")


main()
