"""Ten steps of every optimizer by PyTorch in f64: tests/goldens/optimizers.safetensors.

    python tests/goldens/make_optimizers.py
Two parameters in two groups, the second at twice the rate and without decay. The gradient of each step depends on the
values, so that an error in one step shows in all that follow: grad = values / 2 + g_t. Values and g_t come from
formula.scaled, rates and decays are powers of two: f32 and f64 start from the same numbers. Clipping is written out,
because clip_grad_norm_ adds 1e-6 to the norm.
"""

import pathlib

import torch
from safetensors.numpy import save_file

import formula

HERE = pathlib.Path(__file__).resolve().parent
SIZES = {"w": 37, "b": 5}
RATE, DECAY, CLIP = 2.0**-6, 2.0**-5, 1.5

# name -> (class, keyword arguments, whether gradients are clipped)
CASES = {
    "sgd": (torch.optim.SGD, {}, False),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": DECAY}, False),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": DECAY}, True),
    "adam": (torch.optim.Adam, {}, False),
    "adam_decay": (torch.optim.Adam, {"weight_decay": DECAY}, True),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True, "weight_decay": DECAY, "betas": (0.5, 0.75)}, False),
    "adamw": (torch.optim.AdamW, {"weight_decay": DECAY}, False),
}
STATE = {"momentum_buffer": "first", "exp_avg": "first", "exp_avg_sq": "second", "max_exp_avg_sq": "largest"}


def tensor(name, size):
    return torch.from_numpy(formula.scaled(name, [size], 1.0))


def run(store, case, make, arguments, clipped):
    values = {name: torch.nn.Parameter(tensor(f"optimizer/{name}", size)) for name, size in SIZES.items()}
    optimizer = make([{"params": [values["w"]]}, {"params": [values["b"]], "weight_decay": 0.0}], lr=RATE, **arguments)
    for step in range(10):
        rate = RATE if step < 5 else RATE / 2
        for group, scale in zip(optimizer.param_groups, (1, 2)):
            group["lr"] = rate * scale
        for name, value in values.items():
            value.grad = value.detach() / 2 + tensor(f"optimizer/{name}/{step}", SIZES[name])
        if clipped:
            norm = torch.cat([value.grad for value in values.values()]).norm()
            for value in values.values():
                value.grad *= min(1.0, CLIP / float(norm))
        optimizer.step()
        if step in (0, 9):
            for name, value in values.items():
                formula.put(store, f"{case}/{step}/{name}", value.detach().numpy().copy())
                for key, entry in optimizer.state[value].items():
                    if key in STATE and entry is not None:
                        formula.put(store, f"{case}/{step}/{name}/{STATE[key]}", entry.numpy().copy())


store = {}
for case, (make, arguments, clipped) in CASES.items():
    run(store, case, make, arguments, clipped)
path = HERE / "optimizers.safetensors"
save_file(store, path, metadata={"torch": torch.__version__})
print(f"{path}: {len(store)} tensors, {path.stat().st_size} bytes")
