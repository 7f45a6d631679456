"""The ops of the registry as PyTorch code: what a user writes there without a kernel of their own.

OPS[name](inputs, attributes) -> outputs; inputs and outputs are lists in the order of the registry's ports, attributes a
dictionary with every fallback filled in. Tensors are dense and channels last, as ours are.
"""

import torch
import torch.nn.functional as F

OPS = {}
FUSED = {"adam", "sgd"}  # already one kernel, which torch.compile does not take
RANDOM = {"dropout"}  # their values come from another generator and are not compared
FALLBACK = {
    "average_pool2d": {"padding": 0}, "max_pool2d": {"padding": 0}, "batch_hard_triplet": {"squared": 0},
    "batched_matmul": {"transpose_a": 0, "transpose_b": 0},
    "batch_norm": {"mode": 0, "eps": 1e-5, "momentum": 0.1, "relu": 0, "beta": 1},
    "batch_norm_residual": {"mode": 0, "eps": 1e-5, "momentum": 0.1, "relu": 0, "beta": 1},
    "conv2d": {"stride_h": 1, "stride_w": 1, "pad_h": 0, "pad_w": 0}, "cross_entropy": {"smoothing": 0},
    "generalized_mean_pool": {"epsilon": 1e-6}, "l2_normalize": {"epsilon": 1e-12}, "linear": {"relu": 0},
    "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": 0, "decoupled": 0}, "sgd": {"momentum": 0, "nesterov": 0},
    "topk": {"largest": 1}, "mean": {"over": 0}, "sum": {"over": 0}, "pairwise_distance": {"metric": 0},
    "region_pool": {"levels": 1, "average": 1, "maximum": 1},
}


def attributes_of(op, given):
    return {**FALLBACK.get(op, {}), **given}


def op(function):
    OPS[function.__name__.rstrip("_")] = function
    return function


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


# --- Attention ---


@op
def group_max(inputs, a):
    features, keep = inputs
    n, h, w, c = features.shape
    groups = int(a["groups"])
    split = features.view(n, h, w, groups, c // groups)
    kept = keep.view(n, 1, 1, groups, 1) != 0
    best = split.masked_fill(~kept, float("-inf")).amax(3)
    return [best.masked_fill(~kept.any(3), 0)]


@op
def sigmoid_gate(inputs, a):
    feature, logits, bias = inputs
    return [feature * torch.sigmoid(logits + bias) + feature]


@op
def bin_pool(inputs, a):
    features, corner = inputs
    t, h, w = (int(a[k]) for k in ("bin_t", "bin_h", "bin_w"))
    sample = torch.arange(len(features), device=features.device).view(-1, 1, 1, 1)
    at = [corner[:, k].long().view(-1, 1, 1, 1) for k in range(3)]
    steps = [torch.arange(size, device=features.device).view(shape) for size, shape in ((t, (1, -1, 1, 1)), (h, (1, 1, -1, 1)), (w, (1, 1, 1, -1)))]
    return [features[sample, at[0] + steps[0], at[1] + steps[1], at[2] + steps[2]].mean((1, 2, 3))]


# --- Norms ---


def batch_norm_with(x, gamma, beta, mean, var, residual, a):
    mode = int(a["mode"])
    new_mean, new_var = mean.clone(), var.clone()
    running = (None, None) if mode == 2 else (new_mean, new_var)
    flat = x.reshape(-1, x.shape[-1]) if x.dim() == 2 else nchw(x)
    y = F.batch_norm(flat, *running, gamma, beta if a["beta"] else None, mode != 1, a["momentum"], a["eps"])
    y = y if x.dim() == 2 else nhwc(y)
    if residual is not None:
        y = y + residual
    return [F.relu(y) if a["relu"] else y, new_mean, new_var]


@op
def batch_norm(inputs, a):
    return batch_norm_with(*inputs, None, a)


@op
def batch_norm_residual(inputs, a):
    return batch_norm_with(*inputs, a)


@op
def l2_normalize(inputs, a):
    return [F.normalize(inputs[0], dim=-1, eps=a["epsilon"])]


# --- Libraries ---


@op
def conv2d(inputs, a):
    x, weight, bias = inputs
    return [nhwc(F.conv2d(nchw(x), nchw(weight), bias, (int(a["stride_h"]), int(a["stride_w"])), (int(a["pad_h"]), int(a["pad_w"]))))]


@op
def linear(inputs, a):
    y = F.linear(*inputs)
    return [F.relu(y) if a["relu"] else y]


@op
def matmul(inputs, a):
    return [inputs[0] @ inputs[1]]


@op
def batched_matmul(inputs, a):
    left, right = inputs
    return [torch.bmm(left.mT if a["transpose_a"] else left, right.mT if a["transpose_b"] else right)]


# --- Activations and losses ---


@op
def relu(inputs, a):
    return [F.relu(inputs[0])]


@op
def sigmoid(inputs, a):
    return [torch.sigmoid(inputs[0])]


@op
def tanh(inputs, a):
    return [torch.tanh(inputs[0])]


@op
def gelu(inputs, a):
    return [F.gelu(inputs[0])]


@op
def softmax(inputs, a):
    return [torch.softmax(inputs[0], -1)]


@op
def log_softmax(inputs, a):
    return [torch.log_softmax(inputs[0], -1)]


@op
def cross_entropy(inputs, a):
    return [F.cross_entropy(inputs[0], inputs[1], ignore_index=-1, label_smoothing=a["smoothing"]).view(1)]


@op
def batch_hard_triplet(inputs, a):
    x, labels = inputs
    x = x.float()
    norm = (x * x).sum(1)
    d2 = norm[:, None] + norm[None, :] - 2 * (x @ x.T)
    d = d2.clamp_min(0) if a["squared"] else d2.clamp_min(1e-12).sqrt()
    same = labels[:, None] == labels[None, :]
    far, positive = d.masked_fill(~same, float("-inf")).max(1)
    near, negative = d.masked_fill(same, float("inf")).min(1)
    some = ~same.all(1)
    loss = torch.where(some, F.relu(far - near + a["margin"]), 0).mean()
    return [loss.view(1), positive, torch.where(some, negative, -1)]


@op
def pairwise_distance(inputs, a):
    x, y = inputs
    if int(a["metric"]) == 2:
        return [1 - F.normalize(x, dim=1) @ F.normalize(y, dim=1).T]
    d = torch.cdist(x.float(), y.float()).to(x.dtype)
    return [d if int(a["metric"]) == 0 else d * d]


# --- Elementwise and reductions ---


@op
def add(inputs, a):
    return [inputs[0] + inputs[1]]


@op
def sub(inputs, a):
    return [inputs[0] - inputs[1]]


@op
def mul(inputs, a):
    return [inputs[0] * inputs[1]]


@op
def div(inputs, a):
    return [inputs[0] / inputs[1]]


@op
def scale(inputs, a):
    return [inputs[0] * a["factor"]]


@op
def dropout(inputs, a):
    return [F.dropout(inputs[0], a["p"])]


def reduced(x, over, how):
    if over == 0:
        return how(x, tuple(range(x.dim()))).view(1)
    return how(x, -1) if over == 1 else how(x, tuple(range(x.dim() - 1)))


@op
def sum_(inputs, a):
    return [reduced(inputs[0], int(a["over"]), torch.sum)]


@op
def mean(inputs, a):
    return [reduced(inputs[0], int(a["over"]), torch.mean)]


# --- Pools ---


@op
def max_pool2d(inputs, a):
    return [nhwc(F.max_pool2d(nchw(inputs[0]), int(a["kernel"]), int(a["stride"]), int(a["padding"])))]


@op
def average_pool2d(inputs, a):
    return [nhwc(F.avg_pool2d(nchw(inputs[0]), int(a["kernel"]), int(a["stride"]), int(a["padding"])))]


@op
def global_average_pool(inputs, a):
    return [inputs[0].mean((1, 2))]


@op
def generalized_mean_pool(inputs, a):
    x, p = inputs
    return [x.clamp_min(a["epsilon"]).pow(p).mean((1, 2)).pow(1 / p)]


@op
def region_pool(inputs, a):
    x = inputs[0]
    height, stripes = x.shape[1], int(a["stripes"])
    parts = []
    for level in range(1, int(a["levels"]) + 1):
        for first in range(stripes - level + 1):
            band = x[:, height * first // stripes : height * (first + level) // stripes]
            terms = [band.mean((1, 2))] * bool(a["average"]) + [band.amax((1, 2))] * bool(a["maximum"])
            parts.append(terms[0] + terms[1] if len(terms) == 2 else terms[0])
    return [torch.stack(parts)]


# --- Rows ---


@op
def gather_rows(inputs, a):
    return [inputs[0].index_select(0, inputs[1])]


@op
def scatter_add_rows(inputs, a):
    x, index = inputs
    return [x.new_zeros(int(a["rows"]), *x.shape[1:]).index_add(0, index, x)]


@op
def concat(inputs, a):
    return [torch.cat(inputs, -1)]


@op
def split(inputs, a):
    at = int(a["at"])
    return [inputs[0][..., :at].contiguous(), inputs[0][..., at:].contiguous()]


@op
def slice_columns(inputs, a):
    return [inputs[0][..., int(a["begin"]) : int(a["end"])].contiguous()]


@op
def transpose2d(inputs, a):
    return [inputs[0].T.contiguous()]


@op
def topk(inputs, a):
    return list(torch.topk(inputs[0], int(a["k"]), dim=1, largest=bool(a["largest"])))


# --- Optimizers: the fused kernels of torch.optim on copies, as ours are. Cases have one span and no weight decay. ---


@op
def adam(inputs, a):
    grads, values, first, second, largest, _, _, rate, _, _, step = inputs
    new = [x.clone() for x in (values, first, second, largest)]
    torch._fused_adam_([new[0]], [grads], [new[1]], [new[2]], [new[3]] if a["amsgrad"] else [], [step.float() + 1], lr=rate, beta1=a["beta1"],
                       beta2=a["beta2"], weight_decay=0.0, eps=a["eps"], amsgrad=bool(a["amsgrad"]), maximize=False)
    return new


@op
def sgd(inputs, a):
    grads, values, velocity, _, _, rate, _, _, _ = inputs
    new = [values.clone(), velocity.clone()]
    torch._fused_sgd_([new[0]], [grads], [new[1]], weight_decay=0.0, momentum=a["momentum"], lr=rate, dampening=0.0, nesterov=bool(a["nesterov"]),
                      maximize=False, is_first_step=False)
    return new


@op
def gradient_clip(inputs, a):
    return [(a["limit"] / torch.linalg.vector_norm(inputs[0])).clamp(max=1).view(1)]
