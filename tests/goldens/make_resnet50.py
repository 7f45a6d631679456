"""Golden of the whole ResNet-50 (torchvision, last stage with stride 1) in f64: tests/goldens/resnet50.safetensors.

Weights, images and labels come from formula.py, so the file holds results only: logits and loss in training mode, every
parameter gradient, the running statistics after that step, logits in evaluation mode after it, the losses of ten
training steps with Adam, and how far PyTorch's own f32 is from all that. Needs torch, torchvision, numpy and safetensors.
"""

import pathlib

import numpy as np
import torch
import torchvision
from safetensors.numpy import save_file

import formula

HERE = pathlib.Path(__file__).resolve().parent
BATCH, HEIGHT, WIDTH, CLASSES = 4, 64, 32, 16
STEPS, RATE = 10, 2.0**-13  # the rate is exact in f32
# How many losses are compared: Adam's first steps are as long for a rounding error as for any other gradient, so later
# losses go another way.
EARLY = 2


def bound_and_offset(name, shape):
    """The range of a parameter's values: Kaiming's variance (fan out) for convolutions, mild norms, a small head."""
    if len(shape) == 4:
        return float(np.sqrt(6.0 / (shape[0] * shape[2] * shape[3]))), 0.0
    if len(shape) == 2:
        return float(np.sqrt(1.0 / shape[1])), 0.0
    if name.endswith("weight"):
        return 0.25, 1.0
    return 0.25, 0.0


def make_network(dtype):
    model = torchvision.models.resnet50(num_classes=CLASSES)
    model.layer4[0].conv2.stride = (1, 1)
    model.layer4[0].downsample[0].stride = (1, 1)
    model = model.to(dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = formula.scaled(name, tuple(parameter.shape), *bound_and_offset(name, parameter.shape))
            parameter.copy_(torch.from_numpy(values))
    return model


def make_batch(dtype):
    """Images are drawn in our order, [N,H,W,C]."""
    images = torch.from_numpy(formula.scaled("images", (BATCH, HEIGHT, WIDTH, 3), 2.0)).permute(0, 3, 1, 2)
    labels = torch.tensor([(5 * i + 3) % CLASSES for i in range(BATCH)])
    return images.contiguous().to(dtype), labels


def put_first_step(store, sizes, model, images, logits):
    def put(name, tensor):
        formula.put(store, name, tensor.detach().contiguous().numpy())
        sizes[name] = sizes[name + "|summary"] = tensor.numel()

    put("logits", logits)
    for name, parameter in model.named_parameters():
        # Convolution gradients in our layout, KRSC.
        put("grad/" + name, parameter.grad.permute(0, 2, 3, 1) if parameter.dim() == 4 else parameter.grad)
    for name, buffer in model.named_buffers():
        if not name.endswith("num_batches_tracked"):
            put("buffer/" + name, buffer)
    with torch.no_grad():
        put("eval_logits", model.eval()(images))


def run(dtype):
    images, labels = make_batch(dtype)
    model = make_network(dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    store, sizes, losses = {}, {"losses": STEPS, "early_losses": EARLY}, []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model.train()(images)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            put_first_step(store, sizes, model, images, logits)
        optimizer.step()
    store["losses"], store["early_losses"] = np.array(losses), np.array(losses[:EARLY])
    return store, sizes


def main():
    torch.set_num_threads(2)
    golden, sizes = run(torch.float64)
    # How far PyTorch's own f32 is from its f64, by kind and sorted: ours is judged by that.
    narrow, _ = run(torch.float32)
    errors = {}
    for name in golden:
        errors.setdefault(name.split("/")[0], []).append(formula.error(name, narrow[name], golden[name], sizes[name]))
    for kind, found in errors.items():
        golden["f32_error/" + kind] = np.sort(np.array(found))
        print(f"PyTorch in f32, {kind}: median error {np.median(found):.2g}, largest {max(found):.2g}")
    path = HERE / "resnet50.safetensors"
    save_file(golden, path, metadata={"torch": torch.__version__, "torchvision": torchvision.__version__})
    print(f"{path}: {path.stat().st_size} bytes, losses {golden['losses']}")


if __name__ == "__main__":
    main()
