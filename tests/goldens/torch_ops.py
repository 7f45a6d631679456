"""Each registered op in PyTorch: f(inputs by name, attributes) -> output or tuple of outputs, in the registry's order.

Written from the contracts and the papers with PyTorch's own functions wherever it has one, not from our kernels.
Images come as [N,H,W,C]; PyTorch's functions want [N,C,H,W].
"""

import numpy as np
import torch
import torch.nn.functional as F

import formula


def to_nchw(x):
    return x.movedim(-1, 1)


def to_nhwc(x):
    return x.movedim(1, -1)


def whole(attributes, *names):
    return tuple(int(attributes[name]) for name in names)


# --- Convolution and matrix products ---


def conv2d(x, a):
    weight = x["weight"].permute(0, 3, 1, 2)  # KRSC -> OIHW
    stride, padding = whole(a, "stride_h", "stride_w"), whole(a, "pad_h", "pad_w")
    return to_nhwc(F.conv2d(to_nchw(x["x"]), weight, x["bias"], stride, padding))


def linear(x, a):
    y = F.linear(x["x"], x["weight"], x["bias"])
    return F.relu(y) if a["relu"] else y


def batched_matmul(x, a):
    left, right = x["a"], x["b"]
    return (left.mT if a["transpose_a"] else left) @ (right.mT if a["transpose_b"] else right)


# --- Pooling ---


def max_pool2d(x, a):
    kernel, stride, padding = whole(a, "kernel", "stride", "padding")
    if x["x"].shape[0] == 0:
        return F.avg_pool2d(to_nchw(x["x"]), kernel, stride, padding).movedim(1, -1)  # PyTorch refuses 0 images
    return to_nhwc(F.max_pool2d(to_nchw(x["x"]), kernel, stride, padding))


def average_pool2d(x, a):
    kernel, stride, padding = whole(a, "kernel", "stride", "padding")
    return to_nhwc(F.avg_pool2d(to_nchw(x["x"]), kernel, stride, padding, count_include_pad=True))


def global_average_pool(x, a):
    flat = x["x"].reshape(x["x"].shape[0], -1, x["x"].shape[-1]) if x["x"].numel() else x["x"].flatten(1, -2)
    return flat.mean(1)


def generalized_mean_pool(x, a):
    flat = x["x"].flatten(1, -2)
    return flat.clamp(min=a["epsilon"]).pow(x["p"]).mean(1).pow(1 / x["p"])


def region_pool(x, a):
    images = x["x"]
    height = images.shape[1]
    stripes, levels = whole(a, "stripes", "levels")
    pooled = []
    for level in range(1, levels + 1):
        for first in range(stripes - level + 1):
            band = images[:, height * first // stripes : height * (first + level) // stripes].flatten(1, 2)
            y = torch.zeros_like(band[:, 0])
            if a["average"]:
                y = y + band.mean(1)
            if a["maximum"]:
                y = y + band.max(1).values
            pooled.append(y)
    return torch.stack(pooled)


# --- Normalization ---


def batch_norm(x, a):
    mode = int(a["mode"])  # 0 train, 1 eval, 2 batch statistics only
    flat = x["x"].reshape(-1, x["x"].shape[-1])
    mean, variance = x["running_mean"].clone(), x["running_var"].clone()
    beta = x["beta"] if a["beta"] else None
    if len(flat) == 0:
        return x["x"] * 1, mean, variance
    # Not F.batch_norm, which refuses one row even where no statistics move.
    y = torch.batch_norm(flat, x["gamma"], beta, mean if mode != 2 else None, variance if mode != 2 else None,
                         mode != 1, a["momentum"], a["eps"], False)
    y = y.reshape(x["x"].shape)
    if "residual" in x:
        y = y + x["residual"]
    return F.relu(y) if a["relu"] else y, mean, variance


# --- Composites ---


def conv_norm_relu(x, a):
    weight = x["weight"].permute(0, 3, 1, 2)  # KRSC -> OIHW
    stride, padding = whole(a, "stride_h", "stride_w"), whole(a, "pad_h", "pad_w")
    z = to_nhwc(F.conv2d(to_nchw(x["x"]), weight, None, stride, padding))
    return batch_norm({**x, "x": z}, {**a, "beta": 1, "relu": 1})


# --- Losses ---


def cross_entropy(x, a):
    counted = max(1, int((x["labels"] != -1).sum()))
    return (F.cross_entropy(x["logits"], x["labels"], ignore_index=-1, label_smoothing=a["smoothing"],
                            reduction="sum") / counted).reshape(1)


def batch_hard_triplet(x, a):
    embeddings, labels = x["embeddings"], x["labels"]
    none = torch.empty(0, dtype=torch.int64)
    if len(labels) == 0:
        return (embeddings * 0).sum().reshape(1), none, none
    d = (embeddings[:, None] - embeddings[None]).pow(2).sum(-1)
    if not a["squared"]:
        d = d.clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None]
    infinity = torch.tensor(float("inf"), dtype=d.dtype)
    farthest, positive = torch.where(same, d, -infinity).max(1)
    nearest, negative = torch.where(same, infinity, d).min(1)
    alone = same.all(1)
    # A row with no negative has no term; the inner `where` keeps infinities out of the gradient.
    terms = torch.where(alone, torch.zeros_like(farthest),
                        F.relu(farthest - torch.where(alone, farthest.detach(), nearest) + a["margin"]))
    return terms.mean().reshape(1), positive, torch.where(alone, -1, negative)


# --- Elementwise, sums, rows ---


def dropout(x, a):
    """The mask is drawn by formula: seed 17, step 3, stream 0 of the tests' random state."""
    words = formula.philox_words(17, x["x"].numel(), 3) >> np.uint64(8)
    kept = torch.from_numpy(words.astype(np.float64) * 2.0**-24).reshape(x["x"].shape) >= a["p"]
    return torch.where(kept, x["x"] / (1 - a["p"]), 0.0)


def over(reduce, x, a):
    x = x["x"]
    if a["over"] == 1:
        return reduce(x, -1)
    return reduce(x.reshape(-1, x.shape[-1]), 0) if a["over"] == 2 else reduce(x.reshape(-1), 0).reshape(1)


def scatter_add_rows(x, a):
    zeros = torch.zeros(int(a["rows"]), *x["x"].shape[1:], dtype=x["x"].dtype)
    return zeros.index_add(0, x["index"], x["x"])


def topk(x, a):
    """By a stable sort: equal values stay in the order of their columns, NaN comes last."""
    x, k = x["x"], int(a["k"])
    key = torch.where(x.isnan(), 0.0, -x if a["largest"] else x)
    order = torch.sort(key, dim=1, stable=True).indices
    last = torch.sort(x.isnan().gather(1, order).to(torch.int8), dim=1, stable=True).indices
    order = order.gather(1, last)[:, :k]
    return x.gather(1, order), order


# --- Images ---


def augment(x, a):
    """Flip, pad with black, crop; brightness, contrast, saturation; clamp; normalize; erase."""
    images, (mean, std) = x["images"], x["normalization"]
    height, width = images.shape[1:3]
    out = torch.empty(0, height, width, 3, dtype=torch.float64)
    for (image, flip, dy, dx, top, left, box_h, box_w), colour in zip(x["placement"].tolist(), x["colour"]):
        picture = images[image].double().flip(1) if flip else images[image].double()
        pad_h, pad_w = height + abs(dy), width + abs(dx)
        picture = F.pad(picture, (0, 0, pad_w, pad_w, pad_h, pad_h))
        picture = picture[pad_h + dy : pad_h + dy + height, pad_w + dx : pad_w + dx + width]
        brightness, contrast, saturation, gray_mean = colour[:4]
        picture = picture * brightness
        picture = picture * contrast + (1 - contrast) * (gray_mean * brightness)
        gray = picture @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
        picture = (picture * saturation + (1 - saturation) * gray[..., None]).clamp(0, 255) / 255
        picture = (picture - mean) / std
        picture[max(0, top) : max(0, top + box_h), max(0, left) : max(0, left + box_w)] = colour[4:]
        out = torch.cat([out, picture[None]])
    return out


# --- Optimizers ---


def stepped(x, optimizer, moments):
    """One step of a PyTorch optimizer: optimizer(parameter groups) and, in `moments`, our name of each of its states."""
    grads, names = x["grads"].detach(), {"values": "values", **moments}
    new = {name: x[name].detach().clone() for name in names}
    if torch.isfinite(x["guard"]).item():
        groups, parts = [], []
        for (offset, count), (scale, decay) in zip(x["spans"].tolist(), x["scales"].tolist()):
            part = slice(offset, offset + count)
            p = torch.nn.Parameter(new["values"][part].clone())
            p.grad = grads[part] * x["clip"].detach()
            groups.append({"params": [p], "lr": x["rate"].item() * scale, "weight_decay": decay})
            parts.append((part, p))
        if groups:
            rule = optimizer(groups)
            for part, p in parts:
                rule.state[p] = {state: new[name][part].clone() for name, state in moments.items()}
                rule.state[p]["step"] = torch.tensor(float(x["step"]))
                if "velocity" in moments and not x["step"]:
                    rule.state[p].pop("momentum_buffer")
            rule.step()
            for part, p in parts:
                new["values"][part] = p.detach()
                for name, state in moments.items():
                    new[name][part] = rule.state[p][state]
    return new


def sgd(x, a):
    momentum = a["momentum"]
    make = lambda groups: torch.optim.SGD(groups, lr=1.0, momentum=momentum, nesterov=bool(a["nesterov"]))
    new = stepped(x, make, {"velocity": "momentum_buffer"} if momentum else {})
    if not momentum:  # PyTorch keeps no velocity then; ours is the gradient with its decay
        new["velocity"] = x["velocity"].detach().clone()
        for (offset, count), (_, decay) in zip(x["spans"].tolist(), x["scales"].tolist()):
            part = slice(offset, offset + count)
            new["velocity"][part] = x["grads"].detach()[part] * x["clip"] + decay * x["values"].detach()[part]
    return new["values"], new["velocity"]


def adam(x, a):
    amsgrad = bool(a["amsgrad"])
    kind = torch.optim.AdamW if a["decoupled"] else torch.optim.Adam
    make = lambda groups: kind(groups, lr=1.0, betas=(a["beta1"], a["beta2"]), eps=a["eps"], amsgrad=amsgrad)
    moments = {"first": "exp_avg", "second": "exp_avg_sq"}
    if amsgrad:
        moments["largest"] = "max_exp_avg_sq"
    new = stepped(x, make, moments)
    return new["values"], new["first"], new["second"], new.get("largest", x["largest"].detach())


def gradient_clip(x, a):
    """The factor is an f32 on the device."""
    parts = [x["grads"].detach()[offset : offset + count] for offset, count in x["spans"].tolist()]
    norm = torch.linalg.vector_norm(torch.cat(parts)) if parts else torch.zeros(())
    within = not torch.isfinite(norm) or norm <= a["limit"]
    return (torch.ones(1) if within else a["limit"] / norm).float().reshape(1)


# --- Attention ---


def group_max(x, a):
    groups = int(a["groups"])
    n, h, w, channels = x["features"].shape
    grouped = x["features"].reshape(n, h, w, groups, channels // groups)
    kept = (x["keep"] != 0).reshape(n, 1, 1, groups, 1)
    if x["features"].numel() == 0:
        return grouped.sum(3)
    best = torch.where(kept, grouped, -float("inf")).max(3).values
    return torch.where(kept.any(3), best, 0.0)


def sigmoid_gate(x, a):
    return x["feature"] * torch.sigmoid(x["logits"] + x["bias"]) + x["feature"]


def bin_pool(x, a):
    t, h, w = whole(a, "bin_t", "bin_h", "bin_w")
    pooled = [features[i : i + t, j : j + h, k : k + w].mean((0, 1, 2))
              for features, (i, j, k) in zip(x["features"], x["corner"].tolist())]
    return torch.stack(pooled) if pooled else x["features"].sum((1, 2, 3))


# --- Softmax ---


def softmax(x, a):
    masked = torch.isneginf(x["x"]).all(-1, keepdim=True)  # a row that is masked everywhere gives zeros
    return torch.where(masked, torch.zeros_like(x["x"]), torch.softmax(torch.where(masked, 0.0, x["x"]), -1))


def pairwise_distance(x, a):
    metric = int(a["metric"])  # 0 euclidean, 1 squared, 2 cosine
    if metric == 2:
        u, v = F.normalize(x["x"], dim=1, eps=1e-12), F.normalize(x["y"], dim=1, eps=1e-12)
        return 1 - u @ v.T
    d2 = (x["x"][:, None] - x["y"][None]).pow(2).sum(-1)
    return d2 if metric == 1 else d2.clamp(min=1e-12).sqrt()


OPS = {
    "adam": adam,
    "add": lambda x, a: x["a"] + x["b"],
    "augment": augment,
    "average_pool2d": average_pool2d,
    "batch_hard_triplet": batch_hard_triplet,
    "batch_norm": batch_norm,
    "batch_norm_residual": batch_norm,
    "batched_matmul": batched_matmul,
    "bin_pool": bin_pool,
    "cast": lambda x, a: x["x"] * 1.0,  # in f64 the cast changes nothing
    "concat": lambda x, a: torch.cat([x["a"], x["b"], x["c"]], -1),
    "conv2d": conv2d,
    "conv_norm_relu": conv_norm_relu,
    "cross_entropy": cross_entropy,
    "div": lambda x, a: x["a"] / x["b"],
    "dropout": dropout,
    "fill": lambda x, a: torch.full_like(x["x"], a["value"]),
    "gather_rows": lambda x, a: x["x"][x["index"]],
    "gelu": lambda x, a: F.gelu(x["x"]),
    "generalized_mean_pool": generalized_mean_pool,
    "global_average_pool": global_average_pool,
    "gradient_clip": gradient_clip,
    "group_max": group_max,
    "l2_normalize": lambda x, a: F.normalize(x["x"], dim=-1, eps=a["epsilon"]),
    "linear": linear,
    "log_softmax": lambda x, a: torch.log_softmax(x["x"], -1),
    "matmul": lambda x, a: x["a"] @ x["b"],
    "max_pool2d": max_pool2d,
    "mean": lambda x, a: over(torch.mean, x, a),
    "mul": lambda x, a: x["a"] * x["b"],
    "pairwise_distance": pairwise_distance,
    "region_pool": region_pool,
    "relu": lambda x, a: F.relu(x["x"]),
    "scale": lambda x, a: a["factor"] * x["x"],
    "scatter_add_rows": scatter_add_rows,
    "sgd": sgd,
    "sigmoid": lambda x, a: torch.sigmoid(x["x"]),
    "sigmoid_gate": sigmoid_gate,
    "slice_columns": lambda x, a: x["x"][..., int(a["begin"]) : int(a["end"])],
    "softmax": softmax,
    "split": lambda x, a: (x["x"][..., : int(a["at"])], x["x"][..., int(a["at"]) :]),
    "step_counter": lambda x, a: x["step"] + int(torch.isfinite(x["guard"])),
    "sub": lambda x, a: x["a"] - x["b"],
    "sum": lambda x, a: over(torch.sum, x, a),
    "tanh": lambda x, a: torch.tanh(x["x"]),
    "topk": topk,
    "transpose2d": lambda x, a: x["x"].T.contiguous(),
    "weighted_sum": lambda x, a: a["weight_a"] * x["a"] + a["weight_b"] * x["b"],
}
