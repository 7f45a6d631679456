"""The evaluator against the plain NumPy way, on the same files, interleaved A B A B.

Both sides are whole processes: start, read two safetensors files, score. Prints median seconds and peak memory
of each, and fails unless the scores agree. Needs only NumPy.

    python bench/compare/evaluator.py [--queries 3368] [--gallery 15913] [--width 2048] [--runs 3] [--rerank]
"""
import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

np = None  # NumPy, imported in the children alone: a child's peak memory starts at that of its parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def write_set(path, count, width, seed):
    """Identity centers under noise, in the layout that `evaluate` reads."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(0).random((751, width), dtype=np.float32) * 0.3
    pids = rng.integers(0, 751, count)
    tensors = {
        "features": centers[pids] + rng.random((count, width), dtype=np.float32),
        "pids": pids.astype(np.int64),
        "camids": rng.integers(1, 7, count).astype(np.int64),
    }
    header, offset = {}, 0
    for name, value in tensors.items():
        kind = "F32" if value.dtype == np.float32 else "I64"
        header[name] = {"dtype": kind, "shape": value.shape, "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            value.tofile(file)


def read_set(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        out = []
        for name in ("features", "pids", "camids"):
            begin, end = header[name]["data_offsets"]
            file.seek(8 + length + begin)
            kind = np.float32 if header[name]["dtype"] == "F32" else np.int64
            out.append(np.frombuffer(file.read(end - begin), kind).reshape(header[name]["shape"]))
        return out


def squared_distances(a, b):
    d2 = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * (a @ b.T)
    return np.maximum(d2, 0, out=d2)


def numpy_rerank(query, gallery, k1=20, k2=6, weight=0.3):
    """k-reciprocal re-ranking with its N x N matrices."""
    both = np.concatenate([query, gallery])
    d = squared_distances(both, both)
    np.fill_diagonal(d, 0)
    d /= d.max(1, keepdims=True)
    order = np.argsort(d, axis=1, kind="stable")[:, : k1 + 1]
    count, half = len(both), int(np.around(k1 / 2))

    def mutual(i, k):
        near = order[i, : k + 1]
        return near[(order[near, : k + 1] == i).any(1)]

    v = np.zeros_like(d)
    for i in range(count):
        own = mutual(i, k1)
        every = own
        for candidate in own:
            other = mutual(candidate, half)
            if 3 * len(np.intersect1d(own, other)) > 2 * len(other):
                every = np.append(every, other)
        every = np.unique(every)
        scores = np.exp(-d[i, every])
        v[i, every] = scores / scores.sum()
    v = np.stack([v[order[i, :k2]].mean(0) for i in range(count)])
    holders = [np.nonzero(v[:, j])[0] for j in range(count)]
    result = np.empty((len(query), len(gallery)), np.float32)
    for q in range(len(query)):
        shared = np.zeros(count, np.float32)
        for j in np.nonzero(v[q])[0]:
            shared[holders[j]] += np.minimum(v[q, j], v[holders[j], j])
        jaccard = 1 - shared / (2 - shared)
        result[q] = ((1 - weight) * jaccard + weight * d[q])[len(query) :]
    return result


def numpy_evaluate(query_path, gallery_path, rerank):
    query, q_pids, q_cams = read_set(query_path)
    gallery, g_pids, g_cams = read_set(gallery_path)
    distances = numpy_rerank(query, gallery) if rerank else squared_distances(query, gallery)
    order = np.argsort(distances, axis=1, kind="stable")
    precisions, first = [], []
    for q, row in enumerate(order):
        same = g_pids[row] == q_pids[q]
        keep = (g_pids[row] != -1) & ~(same & (g_cams[row] == q_cams[q]))
        hits = np.flatnonzero(same[keep])
        if len(hits):
            precisions.append((np.arange(1, len(hits) + 1) / (hits + 1)).mean())
            first.append(hits[0])
    return {"mAP": float(np.mean(precisions)), "rank1": float(np.mean(np.array(first) == 0))}


def measure(command):
    """Seconds, processor seconds (steadier on a busy machine), peak MiB and output of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=15913)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rerank", action="store_true")
    parser.add_argument("--evaluate", default=os.path.join(ROOT, "build/release/tools/evaluate"))
    parser.add_argument("--child", choices=["write", "numpy"], help=argparse.SUPPRESS)
    parser.add_argument("--files", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        global np
        import numpy as np
    if options.child == "write":
        write_set(options.files[0], options.queries, options.width, 1)
        write_set(options.files[1], options.gallery, options.width, 2)
        return
    if options.child == "numpy":
        print(json.dumps(numpy_evaluate(*options.files, options.rerank)))
        return

    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, "query"), os.path.join(folder, "gallery")]
        child = [sys.executable, os.path.abspath(__file__), "--files", *files]
        sizes = [f"--{name}={getattr(options, name)}" for name in ("queries", "gallery", "width")]
        subprocess.run(child + ["--child", "write"] + sizes, check=True)
        flags = ["--rerank"] if options.rerank else []
        sides = {
            "saccade": [options.evaluate, "--query", files[0], "--gallery", files[1], "--json"] + flags,
            "numpy": child + ["--child", "numpy"] + flags,
        }
        results = {name: [] for name in sides}
        for _ in range(options.runs):
            for name, command in sides.items():
                results[name].append(measure(command))
        for name, runs in results.items():
            seconds, busy, memory, scores = zip(*runs)
            print(f"{name:8} {statistics.median(seconds):8.2f} s (from {min(seconds):.2f} to {max(seconds):.2f}), "
                  f"{statistics.median(busy):8.2f} processor s, peak {max(memory):6.0f} MiB, "
                  f"mAP {scores[0]['mAP']:.6f}")
        gap = abs(results["saccade"][0][3]["mAP"] - results["numpy"][0][3]["mAP"])
        if not gap < 1e-4:
            sys.exit(f"the two sides disagree: mAP differs by {gap}")


if __name__ == "__main__":
    main()
