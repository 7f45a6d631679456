"""Ops of the registry written by hand in Triton, one straightforward kernel each: the peer that a Python programmer who
knows where the time goes would write. OPS has the signature of torch_ops.OPS. They are forward only, except for the ops
of WITH_BACKWARD, which are autograd functions. Ops that PyTorch gives to a vendor's library (convolution, linear) have
no version here; matmul has one, the usual tiled kernel.
"""

import torch
import triton
import triton.language as tl

OPS = {}
WITH_BACKWARD = {"group_max", "sigmoid_gate", "relu"}
BLOCK = 1024


def op(*names):
    def register(function):
        for name in names:
            OPS[name] = function if len(names) == 1 else (lambda inputs, a, n=name: function(n, inputs, a))
        return function

    return register


def grid_for(count, block=BLOCK):
    return (triton.cdiv(count, block),)


def power_of_two(n):
    return triton.next_power_of_2(n)


# --- Elementwise ---

KINDS = {"relu": 0, "sigmoid": 1, "tanh": 2, "gelu": 3, "scale": 4, "add": 0, "sub": 1, "mul": 2, "div": 3}


@triton.jit
def unary_kernel(x, y, count, factor, KIND: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + at, mask=at < count).to(tl.float32)
    if KIND == 0:
        v = tl.maximum(v, 0.0)
    elif KIND == 1:
        v = tl.sigmoid(v)
    elif KIND == 2:
        v = 2 * tl.sigmoid(2 * v) - 1
    elif KIND == 3:
        v = 0.5 * v * (1 + tl.erf(v * 0.7071067811865476))
    else:
        v = v * factor
    tl.store(y + at, v.to(y.dtype.element_ty), mask=at < count)


def unary(name, x, factor=1.0):
    y = torch.empty_like(x)
    unary_kernel[grid_for(x.numel())](x, y, x.numel(), factor, KIND=KINDS[name], BLOCK=BLOCK)
    return y


@op("sigmoid", "tanh", "gelu", "scale")
def unary_op(name, inputs, a):
    return [unary(name, inputs[0], a.get("factor", 1.0))]


@triton.jit
def relu_backward_kernel(grad, y, out, count, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    g = tl.load(grad + at, mask=at < count)
    v = tl.load(y + at, mask=at < count)
    tl.store(out + at, tl.where(v > 0, g, 0.0).to(out.dtype.element_ty), mask=at < count)


class Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = unary("relu", x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        out = torch.empty_like(y)
        relu_backward_kernel[grid_for(y.numel())](grad, y, out, y.numel(), BLOCK=BLOCK)
        return out


@op("relu")
def relu(inputs, a):
    return [Relu.apply(inputs[0])]


@triton.jit
def binary_kernel(x, b, y, count, repeated, inner, KIND: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + at, mask=at < count).to(tl.float32)
    other = at // (repeated * inner) * inner + at % inner  # b is [outer, inner], x [outer, repeated, inner]
    w = tl.load(b + other, mask=at < count, other=1.0).to(tl.float32)
    if KIND == 0:
        v = v + w
    elif KIND == 1:
        v = v - w
    elif KIND == 2:
        v = v * w
    else:
        v = v / w
    tl.store(y + at, v.to(y.dtype.element_ty), mask=at < count)


@op("add", "sub", "mul", "div")
def binary(name, inputs, a):
    x, b = inputs
    y = torch.empty_like(x)
    if b.shape == x.shape:
        repeated, inner = 1, x.numel()
    elif b.dim() == 1:
        repeated, inner = x.numel() // b.numel(), b.numel()
    else:  # a gate [N,1,1,C]
        repeated, inner = x.shape[1] * x.shape[2], x.shape[3]
    binary_kernel[grid_for(x.numel())](x, b, y, x.numel(), repeated, inner, KIND=KINDS[name], BLOCK=BLOCK)
    return [y]


# --- Attention ---


@triton.jit
def group_max_kernel(x, keep, y, argmax, count, pixels, channels, GROUPS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    row, c = at // channels, at % channels
    best = tl.zeros([BLOCK], tl.float32)
    winner = tl.full([BLOCK], 255, tl.int32)
    for g in range(GROUPS):
        kept = tl.load(keep + row // pixels * GROUPS + g, mask=inside, other=0) != 0
        v = tl.load(x + row.to(tl.int64) * (GROUPS * channels) + g * channels + c, mask=inside & kept, other=0.0).to(tl.float32)
        take = kept & ((winner == 255) | (v > best))
        best = tl.where(take, v, best)
        winner = tl.where(take, g, winner)
    tl.store(y + at, best.to(y.dtype.element_ty), mask=inside)
    tl.store(argmax + at, winner.to(tl.uint8), mask=inside)


@triton.jit
def group_max_backward_kernel(grad, argmax, out, count, channels, GROUPS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    row, c = at // channels, at % channels
    g_out = tl.load(grad + at, mask=inside)
    winner = tl.load(argmax + at, mask=inside, other=255).to(tl.int32)
    for g in range(GROUPS):
        tl.store(out + row.to(tl.int64) * (GROUPS * channels) + g * channels + c, tl.where(winner == g, g_out, 0.0).to(out.dtype.element_ty), mask=inside)


class GroupMax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, keep, groups):
        n, h, w, c = x.shape
        y = torch.empty(n, h, w, c // groups, dtype=x.dtype, device=x.device)
        argmax = torch.empty_like(y, dtype=torch.uint8)
        group_max_kernel[grid_for(y.numel())](x, keep, y, argmax, y.numel(), h * w, c // groups, GROUPS=groups, BLOCK=BLOCK)
        ctx.save_for_backward(argmax)
        ctx.groups, ctx.shape = groups, x.shape
        return y

    @staticmethod
    def backward(ctx, grad):
        (argmax,) = ctx.saved_tensors
        out = torch.empty(ctx.shape, dtype=grad.dtype, device=grad.device)
        group_max_backward_kernel[grid_for(grad.numel())](grad.contiguous(), argmax, out, grad.numel(), grad.shape[-1], GROUPS=ctx.groups, BLOCK=BLOCK)
        return out, None, None


@op("group_max")
def group_max(inputs, a):
    return [GroupMax.apply(inputs[0], inputs[1], int(a["groups"]))]


@triton.jit
def gate_kernel(f, l, b, y, count, channels, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    bias = tl.load(b + at % channels, mask=inside).to(tl.float32)
    x = tl.load(f + at, mask=inside).to(tl.float32)
    gate = tl.sigmoid(tl.load(l + at, mask=inside).to(tl.float32) + bias)
    tl.store(y + at, (x * gate + x).to(y.dtype.element_ty), mask=inside)


@triton.jit
def gate_backward_kernel(grad, f, l, b, grad_f, grad_l, partial, rows, channels, ROWS: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr):
    c = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    bias = tl.load(b + c, mask=c < channels, other=0.0).to(tl.float32)
    total = tl.zeros([WIDTH], tl.float32)
    for step in range(STEPS):
        row = (tl.program_id(0) * STEPS + step) * ROWS + tl.arange(0, ROWS)
        at = row[:, None].to(tl.int64) * channels + c[None, :]
        inside = (row[:, None] < rows) & (c[None, :] < channels)
        g = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(f + at, mask=inside, other=0.0).to(tl.float32)
        gate = tl.sigmoid(tl.load(l + at, mask=inside, other=0.0).to(tl.float32) + bias[None, :])
        slope = g * x * gate * (1 - gate)
        tl.store(grad_f + at, (g * (gate + 1)).to(grad_f.dtype.element_ty), mask=inside)
        tl.store(grad_l + at, slope.to(grad_l.dtype.element_ty), mask=inside)
        total += tl.sum(slope, 0)
    tl.store(partial + tl.program_id(0) * channels + c, total, mask=c < channels)


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, f, l, b):
        y = torch.empty_like(f)
        gate_kernel[grid_for(f.numel())](f, l, b, y, f.numel(), f.shape[-1], BLOCK=BLOCK)
        ctx.save_for_backward(f, l, b)
        return y

    @staticmethod
    def backward(ctx, grad):
        f, l, b = ctx.saved_tensors
        channels = f.shape[-1]
        rows = f.numel() // channels
        height, width, steps = 8, min(128, power_of_two(channels)), 8
        parts = triton.cdiv(rows, height * steps)
        grad_f, grad_l = torch.empty_like(f), torch.empty_like(l)
        partial = torch.empty(parts, channels, dtype=torch.float32, device=f.device)
        gate_backward_kernel[(parts, triton.cdiv(channels, width))](grad.contiguous(), f, l, b, grad_f, grad_l, partial, rows, channels, ROWS=height, WIDTH=width, STEPS=steps)
        return grad_f, grad_l, partial.sum(0).to(b.dtype)


@op("sigmoid_gate")
def sigmoid_gate(inputs, a):
    return [Gate.apply(*inputs)]


@triton.jit
def bin_pool_kernel(x, corner, y, T, H, W, channels, BT: tl.constexpr, BH: tl.constexpr, BW: tl.constexpr, BLOCK: tl.constexpr):
    n = tl.program_id(0)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    t, h, w = tl.load(corner + 3 * n), tl.load(corner + 3 * n + 1), tl.load(corner + 3 * n + 2)
    total = tl.zeros([BLOCK], tl.float32)
    for i in range(BT * BH * BW):
        cell = ((n * T + t + i // (BH * BW)) * H + h + i // BW % BH) * W + w + i % BW
        total += tl.load(x + cell.to(tl.int64) * channels + c, mask=c < channels).to(tl.float32)
    tl.store(y + n * channels + c, (total / (BT * BH * BW)).to(y.dtype.element_ty), mask=c < channels)


@op("bin_pool")
def bin_pool(inputs, a):
    x, corner = inputs
    n, t, h, w, c = x.shape
    y = torch.empty(n, c, dtype=x.dtype, device=x.device)
    block = min(256, power_of_two(c))
    bin_pool_kernel[(n, triton.cdiv(c, block))](x, corner, y, t, h, w, c, BT=int(a["bin_t"]), BH=int(a["bin_h"]), BW=int(a["bin_w"]), BLOCK=block)
    return [y]


# --- Rows: one program a row ---


@triton.jit
def row_kernel(x, y, width, epsilon, KIND: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    inside = c < width
    if KIND == 2:
        v = tl.load(x + row * width + c, mask=inside, other=0.0).to(tl.float32)
        v = v / tl.maximum(tl.sqrt(tl.sum(v * v, 0)), epsilon)
    else:
        v = tl.load(x + row * width + c, mask=inside, other=-float("inf")).to(tl.float32)
        v = v - tl.max(v, 0)
        total = tl.sum(tl.exp(v), 0)
        v = tl.exp(v) / total if KIND == 0 else v - tl.log(total)
    tl.store(y + row * width + c, v.to(y.dtype.element_ty), mask=inside)


@op("softmax", "log_softmax", "l2_normalize")
def row_op(name, inputs, a):
    x = inputs[0]
    y = torch.empty_like(x)
    width = x.shape[-1]
    kind = ("softmax", "log_softmax", "l2_normalize").index(name)
    row_kernel[(x.numel() // width,)](x, y, width, a.get("epsilon", 0.0), KIND=kind, BLOCK=power_of_two(width))
    return [y]


@triton.jit
def cross_entropy_kernel(x, labels, loss, width, smoothing, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    c = tl.arange(0, BLOCK)
    v = tl.load(x + row * width + c, mask=c < width, other=-float("inf")).to(tl.float32)
    top = tl.max(v, 0)
    log_total = tl.log(tl.sum(tl.exp(v - top), 0)) + top
    mean = tl.sum(tl.where(c < width, v, 0.0), 0) / width
    chosen = tl.load(x + row * width + tl.load(labels + row)).to(tl.float32)
    tl.store(loss + row, log_total - (1 - smoothing) * chosen - smoothing * mean)


@op("cross_entropy")
def cross_entropy(inputs, a):
    x, labels = inputs
    loss = torch.empty(len(x), dtype=torch.float32, device=x.device)
    cross_entropy_kernel[(len(x),)](x, labels, loss, x.shape[1], float(a["smoothing"]), BLOCK=power_of_two(x.shape[1]))
    return [loss.mean().view(1).to(x.dtype)]


@triton.jit
def gather_kernel(x, index, y, width, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    source = tl.load(index + row)
    tl.store(y + row * width + c, tl.load(x + source * width + c, mask=c < width), mask=c < width)


@op("gather_rows")
def gather_rows(inputs, a):
    x, index = inputs
    width = x[0].numel()
    y = torch.empty(len(index), *x.shape[1:], dtype=x.dtype, device=x.device)
    block = min(2048, power_of_two(width))
    gather_kernel[(len(index), triton.cdiv(width, block))](x, index, y, width, BLOCK=block)
    return [y]


@triton.jit
def transpose_kernel(x, y, rows, columns, SIDE: tl.constexpr):
    r = tl.program_id(0) * SIDE + tl.arange(0, SIDE)
    c = tl.program_id(1) * SIDE + tl.arange(0, SIDE)
    tile = tl.load(x + r[:, None] * columns + c[None, :], mask=(r[:, None] < rows) & (c[None, :] < columns))
    tl.store(y + c[:, None] * rows + r[None, :], tl.trans(tile), mask=(c[:, None] < columns) & (r[None, :] < rows))


@op("transpose2d")
def transpose2d(inputs, a):
    x = inputs[0]
    rows, columns = x.shape
    y = torch.empty(columns, rows, dtype=x.dtype, device=x.device)
    transpose_kernel[(triton.cdiv(rows, 32), triton.cdiv(columns, 32))](x, y, rows, columns, SIDE=32)
    return [y]


# --- Sums over columns of [rows, channels]: norms and pools ---


@triton.jit
def moments_kernel(x, partial, rows, channels, ROWS: tl.constexpr, WIDTH: tl.constexpr, STEPS: tl.constexpr):
    c = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    total = tl.zeros([WIDTH], tl.float32)
    square = tl.zeros([WIDTH], tl.float32)
    for step in range(STEPS):
        r = (tl.program_id(0) * STEPS + step) * ROWS + tl.arange(0, ROWS)
        v = tl.load(x + r[:, None].to(tl.int64) * channels + c[None, :], mask=(r[:, None] < rows) & (c[None, :] < channels), other=0.0).to(tl.float32)
        total += tl.sum(v, 0)
        square += tl.sum(v * v, 0)
    at = tl.program_id(0) * 2 * channels + c
    tl.store(partial + at, total, mask=c < channels)
    tl.store(partial + at + channels, square, mask=c < channels)


@triton.jit
def normalize_kernel(x, residual, factor, offset, y, count, channels, RESIDUAL: tl.constexpr, RELU: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    v = tl.load(x + at, mask=inside).to(tl.float32)
    v = v * tl.load(factor + at % channels, mask=inside) + tl.load(offset + at % channels, mask=inside)
    if RESIDUAL:
        v += tl.load(residual + at, mask=inside).to(tl.float32)
    if RELU:
        v = tl.maximum(v, 0.0)
    tl.store(y + at, v.to(y.dtype.element_ty), mask=inside)


def column_moments(x, channels):
    rows = x.numel() // channels
    width, height, steps = min(128, power_of_two(channels)), 16, 16
    parts = triton.cdiv(rows, height * steps)
    partial = torch.empty(parts, 2, channels, dtype=torch.float32, device=x.device)
    moments_kernel[(parts, triton.cdiv(channels, width))](x, partial, rows, channels, ROWS=height, WIDTH=width, STEPS=steps)
    return partial.sum(0), rows


@op("batch_norm", "batch_norm_residual")
def batch_norm(name, inputs, a):
    x, gamma, beta, running_mean, running_var = inputs[:5]
    residual = inputs[5] if name == "batch_norm_residual" else x
    channels, mode = x.shape[-1], int(a["mode"])
    new_mean, new_var = running_mean.clone(), running_var.clone()
    if mode == 1:
        mean, var = running_mean, running_var
    else:
        (total, square), rows = column_moments(x, channels)
        mean = total / rows
        var = (square / rows - mean * mean).clamp_min(0)
        if mode == 0:
            new_mean.lerp_(mean, a["momentum"])
            new_var.lerp_(var * rows / max(rows - 1, 1), a["momentum"])
    factor = gamma * torch.rsqrt(var + a["eps"])
    offset = (beta if a["beta"] else 0) - mean * factor
    y = torch.empty_like(x)
    normalize_kernel[grid_for(x.numel())](x, residual, factor, offset, y, x.numel(), channels, RESIDUAL=name == "batch_norm_residual", RELU=bool(a["relu"]), BLOCK=BLOCK)
    return [y, new_mean, new_var]


@triton.jit
def pool_kernel(x, y, p, positions, channels, epsilon, GENERAL: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    n = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    power = tl.load(p).to(tl.float32) if GENERAL else 1.0
    total = tl.zeros([WIDTH], tl.float32)
    for first in range(0, positions, ROWS):
        r = first + tl.arange(0, ROWS)
        v = tl.load(x + (n * positions + r[:, None]) * channels + c[None, :], mask=(r[:, None] < positions) & (c[None, :] < channels), other=0.0).to(tl.float32)
        if GENERAL:
            v = tl.where(r[:, None] < positions, tl.exp2(power * tl.log2(tl.maximum(v, epsilon))), 0.0)
        total += tl.sum(v, 0)
    total = total / positions
    if GENERAL:
        total = tl.exp2(tl.log2(total) / power)
    tl.store(y + n * channels + c, total.to(y.dtype.element_ty), mask=c < channels)


@op("global_average_pool", "generalized_mean_pool")
def pool(name, inputs, a):
    x = inputs[0]
    n, h, w, c = x.shape
    y = torch.empty(n, c, dtype=x.dtype, device=x.device)
    width = min(128, power_of_two(c))
    general = name == "generalized_mean_pool"
    pool_kernel[(n, triton.cdiv(c, width))](x, y, inputs[1] if general else x, h * w, c, a.get("epsilon", 0.0), GENERAL=general, ROWS=16, WIDTH=width)
    return [y]


@triton.jit
def window_kernel(x, y, H, W, OH, OW, channels, count, KERNEL: tl.constexpr, STRIDE: tl.constexpr, PAD: tl.constexpr, MAXIMUM: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    c, j, i, n = at % channels, at // channels % OW, at // channels // OW % OH, at // channels // OW // OH
    v = tl.full([BLOCK], -float("inf"), tl.float32) if MAXIMUM else tl.zeros([BLOCK], tl.float32)
    for tap in range(KERNEL * KERNEL):
        h, w = i * STRIDE - PAD + tap // KERNEL, j * STRIDE - PAD + tap % KERNEL
        inside = (at < count) & (h >= 0) & (h < H) & (w >= 0) & (w < W)
        if MAXIMUM:
            v = tl.maximum(v, tl.load(x + ((n * H + h) * W + w).to(tl.int64) * channels + c, mask=inside, other=-float("inf")).to(tl.float32))
        else:
            v += tl.load(x + ((n * H + h) * W + w).to(tl.int64) * channels + c, mask=inside, other=0.0).to(tl.float32)
    if not MAXIMUM:
        v = v / (KERNEL * KERNEL)
    tl.store(y + at, v.to(y.dtype.element_ty), mask=at < count)


@op("max_pool2d", "average_pool2d")
def window_pool(name, inputs, a):
    x = inputs[0]
    n, h, w, c = x.shape
    kernel, stride, pad = (int(a[k]) for k in ("kernel", "stride", "padding"))
    oh, ow = (h + 2 * pad - kernel) // stride + 1, (w + 2 * pad - kernel) // stride + 1
    y = torch.empty(n, oh, ow, c, dtype=x.dtype, device=x.device)
    window_kernel[grid_for(y.numel())](x, y, h, w, oh, ow, c, y.numel(), KERNEL=kernel, STRIDE=stride, PAD=pad, MAXIMUM=name == "max_pool2d", BLOCK=BLOCK)
    return [y]


# --- Matrix product ---


@triton.jit
def matmul_kernel(a, b, c, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    m = tl.program_id(0) * BM + tl.arange(0, BM)
    n = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros([BM, BN], tl.float32)
    for first in range(0, K, BK):
        k = first + tl.arange(0, BK)
        left = tl.load(a + m[:, None] * K + k[None, :], mask=(m[:, None] < M) & (k[None, :] < K), other=0.0)
        right = tl.load(b + k[:, None] * N + n[None, :], mask=(k[:, None] < K) & (n[None, :] < N), other=0.0)
        total += tl.dot(left, right, input_precision="ieee")
    tl.store(c + m[:, None] * N + n[None, :], total.to(c.dtype.element_ty), mask=(m[:, None] < M) & (n[None, :] < N))


@op("matmul")
def matmul(inputs, attributes):
    a, b = inputs
    y = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype, device=a.device)
    tile = dict(BM=128, BN=128, BK=32) if a.dtype == torch.bfloat16 else dict(BM=64, BN=64, BK=32)
    matmul_kernel[(triton.cdiv(a.shape[0], tile["BM"]), triton.cdiv(b.shape[1], tile["BN"]))](a, b, y, a.shape[0], b.shape[1], a.shape[1], **tile)
    return [y]
