"""What both sides of a golden compute alike: Philox numbers (kernels/common/philox.h) and the summary of a large
tensor (tests/common/golden.h). Every number here is exact in f32 or one correctly rounded operation away from it, so
that C++ and numpy agree to the last bit."""

import numpy as np

ENTRIES = 64  # of a large tensor that are kept
WHOLE = 256  # up to this count a tensor is kept whole


def philox_words(key, count, stream=0):
    """The first `count` words of PhiloxStream(key, stream)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint64)
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c = [blocks & mask, blocks >> half, np.full_like(blocks, stream & 0xFFFFFFFF), np.full_like(blocks, stream >> 32)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> half) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> half) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).reshape(-1)[:count]


def signed(key, count, stream=0):
    """2 u - 1 for the uniforms of PhiloxStream(key, stream): in [-1, 1), exact."""
    return (philox_words(key, count, stream) >> np.uint64(8)).astype(np.float64) * 2.0**-23 - 1.0


def name_key(name):
    """FNV-1a, 64 bits."""
    value = 1469598103934665603
    for byte in name.encode():
        value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


def scaled(name, shape, bound, offset=0.0):
    """offset + bound * signed(name), rounded to f32, as f64: values that the f64 and the f32 network share."""
    values = offset + bound * signed(name_key(name), int(np.prod(shape)))
    return values.astype(np.float32).astype(np.float64).reshape(shape)


def projection(values, stream):
    flat = np.where(np.isfinite(values), values, 0.0).reshape(-1)
    return float(np.dot(flat, signed(0x901D, flat.size, stream)))


def summary(values):
    """norm, two seeded projections, 64 entries spread over the tensor."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    at = np.arange(ENTRIES) * flat.size // ENTRIES
    head = [float(np.linalg.norm(flat)), projection(flat, 0), projection(flat, 1)]
    return np.concatenate([np.array(head), flat[at]])


def put(store, name, values):
    """Adds a tensor to the file's dictionary: whole if it is small, else its summary."""
    values = np.array(values, dtype=np.float64).reshape(-1)  # a copy: PyTorch goes on writing to its own
    if values.size <= WHOLE:
        store[name] = values
    else:
        store[name + "|summary"] = summary(values)


def error(name, value, golden, size):
    """The largest error of a stored tensor, as tests/common/golden.h measures it; `size` is the tensor's full count."""
    if not name.endswith("|summary"):
        scale = np.linalg.norm(golden) / np.sqrt(max(1, size))
        return float(np.max(np.abs(value - golden) / np.maximum(np.abs(golden), scale))) if golden.size else 0.0
    norm = golden[0]
    heads = np.abs(value[:3] - golden[:3]) / norm
    entries = np.abs(value[3:] - golden[3:]) / np.maximum(np.abs(golden[3:]), norm / np.sqrt(size))
    return float(max(heads.max(), entries.max()))
