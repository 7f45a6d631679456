"""Writes tests/goldens/weights/: small .pth and .safetensors files as PyTorch writes them, and hostile ones.

Element i of tensor number k (in the order of `tensors()`) is value(k, i): the tests compute the same.
Run from the repository's root: python tests/goldens/make_weights.py
"""

import io
import os
import pickle
import zipfile
from collections import OrderedDict

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
    with zipfile.ZipFile(os.path.join(OUT, source)) as old, zipfile.ZipFile(os.path.join(OUT, name), "w", method) as new:
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
                       "channels_last": filled(1, (2, 3, 2, 2), torch.float32).contiguous(memory_format=torch.channels_last)})

    # Files that must be refused.
    save("legacy.pth", state, _use_new_zipfile_serialization=False)
    save("protocol4.pth", state, pickle_protocol=4)
    save("short.pth", {"a": filled(0, (2,), torch.int16)})
    save("whole_model.pth", torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)))
    save("evil.pth", {"a": filled(0, (2,), torch.float32), "b": Evil("touch saccade-was-here")})
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
