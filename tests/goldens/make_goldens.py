"""Goldens of every registered op, by PyTorch in f64: tests/goldens/ops.safetensors.

The inputs are the cases of the registry itself (rounded to bf16, so that an ulp of logf cannot move them). Write them,
then run this with a Python that has torch, numpy and safetensors:
    build/release/tests/test_autograd "write the cases for make_goldens.py"
    python tests/goldens/make_goldens.py build/release/golden_cases.safetensors [--op NAME]
With --op the goldens of the other ops stay as they are (tests/record.sh does all this for one op). The file keeps, for
each case, a projection of each input (so that a test knows when its inputs are others), every output, and the gradient
of <cotangent, outputs> with respect to each input. torch_ops.py says what each op is in PyTorch.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import formula
import torch_ops

HERE = pathlib.Path(__file__).resolve().parent


def load_inputs(file, key, op):
    inputs = {}
    for port in op["inputs"]:
        values = torch.from_numpy(file.get_tensor(f"{key}/{port['name']}"))
        if port["kind"] == "floating":
            inputs[port["name"]] = values.requires_grad_(port["differentiable"])
        else:
            inputs[port["name"]] = values.to(torch.int64)
    return inputs


def gradients(file, key, op, inputs, outputs):
    """name -> gradient of the sum over outputs of <cotangent, output>; zero where nothing flows."""
    objective = torch.zeros((), dtype=torch.float64)
    for port, output in zip(op["outputs"], outputs):
        if port["kind"] == "floating" and port["differentiable"] and output.requires_grad:
            cotangent = torch.from_numpy(file.get_tensor(f"{key}/cotangent/{port['name']}"))
            objective = objective + (cotangent.reshape(output.shape) * output).sum()
    leaves = {name: x for name, x in inputs.items() if x.requires_grad}
    if not leaves:
        return {}
    if not objective.requires_grad:
        return {name: torch.zeros_like(x) for name, x in leaves.items()}
    found = torch.autograd.grad(objective, list(leaves.values()), allow_unused=True)
    return {name: torch.zeros_like(x) if g is None else g for (name, x), g in zip(leaves.items(), found)}


def add_case(store, file, key, op, compute, attributes):
    inputs = load_inputs(file, key, op)
    outputs = compute(inputs, attributes)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert len(outputs) == len(op["outputs"]), f"{key}: {len(outputs)} outputs, not {len(op['outputs'])}"
    store[f"{key}/inputs"] = np.array([formula.projection(x.detach().double().numpy(), 0) for x in inputs.values()])
    for port, output in zip(op["outputs"], outputs):
        formula.put(store, f"{key}/{port['name']}", output.detach().double().numpy())
    for name, gradient in gradients(file, key, op, inputs, outputs).items():
        formula.put(store, f"{key}/grad_{name}", gradient.numpy())


def keep_what_agrees(store, before):
    """Puts the values of before where the new ones are the same but for rounding, which differs between processors; so a
    change of the file is a change of a golden. How many there were of the tensors that were made anew."""
    kept = 0
    for key, values in store.items():
        old = before.get(key)
        if old is None or old is values or old.shape != values.shape or old.dtype != values.dtype:
            continue
        finite = old[np.isfinite(old)]
        scale = np.sqrt(np.mean(np.square(finite))) if finite.size else 0.0
        if np.allclose(values, old, rtol=1e-12, atol=1e-12 * scale, equal_nan=True):
            store[key] = old
            kept += 1
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases")
    parser.add_argument("--op", help="of this op alone")
    args = parser.parse_args()
    torch.set_num_threads(2)
    path = HERE / "ops.safetensors"
    store, left_out, metadata, before = {}, [], {"torch": torch.__version__}, {}
    if args.op:
        before = load_file(path)
        store = {key: values for key, values in before.items() if key.split("/")[0] != args.op}
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
    with safe_open(args.cases, framework="numpy") as file:
        for op in json.loads(file.metadata()["ops"]):
            if args.op not in (None, op["name"]):
                continue
            compute = torch_ops.OPS.get(op["name"])
            if compute is None:
                left_out.append(op["name"])
                continue
            for case in op["cases"]:
                add_case(store, file, f"{op['name']}/{case['name']}", op, compute, case["attributes"])
    if args.op in left_out:
        sys.exit(f"make_goldens: torch_ops.py does not say what {args.op} is in PyTorch")
    kept = keep_what_agrees(store, before)
    save_file(store, path, metadata=metadata)
    if args.op:
        changed = sum(key.split("/")[0] == args.op for key in store) - kept
        print(f"{args.op}: {changed} tensors changed or new, {kept} as they were")
    print(f"{path}: {len(store)} tensors, {path.stat().st_size} bytes; not in torch_ops.py: {left_out or 'none'}")


if __name__ == "__main__":
    main()
