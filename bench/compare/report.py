"""The table of bench/compare/interleave.py: medians, ratios to the best peer, the targets, the page."""

import statistics

import machine

LOADED = 0.05  # the share of the processors from which other processes disturb a measurement


def library_of(side):
    return next(library for library in ("Saccade", "PyTorch", "ONNX Runtime") if side.startswith(library))


def summary(row, side, lines):
    """A row of the table, from the lines of its runs. Peaks are of whole processes; of a peer also what came after its
    imports."""
    rates = [line["images_per_second"] for line in lines]
    peak = max(line["peak_bytes"] for line in lines)
    imports = max((line["start_bytes"] for line in lines if "start_bytes" in line), default=None)
    return {
        "row": row, "side": side, "images_per_second": statistics.median(rates), "lowest": min(rates),
        "highest": max(rates), "rates": rates, "peak_bytes": peak,
        "start_up_seconds": statistics.median(line["start_up_seconds"] for line in lines),
        "peak_above_imports_bytes": None if imports is None else peak - imports,
        "others": max(line["others"] for line in lines),
    }


def is_peer(row):
    return library_of(row["side"]) != "Saccade"


def with_ratios(rows):
    """Each row with `ratio`, its rate against that of the best peer of the same work, and `peak_ratio`, its peak
    against that of the peer with the least; None where there is no peer."""
    out = []
    for row in rows:
        peers = [other for other in rows if other["row"] == row["row"] and is_peer(other)]
        against = lambda key, best: row[key] / best(peer[key] for peer in peers) if peers else None
        out.append({**row, "ratio": against("images_per_second", max), "peak_ratio": against("peak_bytes", min)})
    return out


# --- Targets ---


def targets():
    """(what, the row, the figure, against whom, {vector level: the target}); a figure is a ratio of rates, of peaks, or
    seconds of start-up."""
    training = [("train_256x128_f32", 1.3, 1.4), ("train_128x64_f32", 1.3, 1.4), ("train_quickstart_f32", 1.5, 1.5)]
    both = lambda target: {"avx2": target, "avx512": target}
    out = [(row, row, "rate", "", {"avx2": avx2, "avx512": avx512}) for row, avx2, avx512 in training]
    for row in [f"inference_{size}_b{batch}_f32" for size in ("256x128", "128x64") for batch in (1, 32)]:
        out.append((f"{row}, ONNX Runtime", row, "rate", "ONNX Runtime", both(1.05)))
        out.append((f"{row}, PyTorch", row, "rate", "PyTorch", both(1.3)))
    out += [(f"{row}, peak memory", row, "peak", "", both(0.7)) for row, _, _ in training]
    out.append(("train_256x128_f32_busy", "train_256x128_f32_busy", "rate", "", both(1.7)))
    return out + [("start-up", "", "start", "", both(0.2))]


def reached(rows, row, figure, library):
    """What ours reached, or None where a side is missing. The peer is the best one: the fastest, or the one with the
    least memory. The start-up is that of our slowest row at rest."""
    ours = [r for r in rows if r["side"] == "Saccade" and (not row or r["row"] == row)]
    if figure == "start":
        return max((r["start_up_seconds"] for r in ours if not r["row"].endswith("_busy")), default=None)
    peers = [r for r in rows if r["row"] == row and is_peer(r) and r["side"].startswith(library)]
    if not ours or not peers:
        return None
    if figure == "peak":
        return ours[0]["peak_bytes"] / min(r["peak_bytes"] for r in peers)
    return ours[0]["images_per_second"] / max(r["images_per_second"] for r in peers)


def judged(report, reasons):
    """The targets with what was reached; one that is behind has the reason that somebody found for it."""
    narrow = machine.vector_level(report["machine"]["flags"]) in ("avx2", "sse")
    out = []
    for what, row, figure, library, wanted in targets():
        target, value = wanted["avx2" if narrow else "avx512"], reached(report["rows"], row, figure, library)
        met = value is not None and (value >= target if figure == "rate" else value <= target)
        verdict = "not measured" if value is None else "reached" if met else reasons.get(what, "behind")
        out.append({"target": what, "figure": figure, "wanted": target, "reached": value, "verdict": verdict})
    return out


# --- The page ---

TEXTS = ("", "of this run", "work", "side", "target", "wanted", "verdict")  # heads of columns that are no numbers


def table(heads, rows):
    rule = ["---" if head in TEXTS else "---:" for head in heads]
    return ["| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows)]


def facts(report):
    about, roofs = report["machine"], report["roofs"]
    heaviest = max((row["others"] for row in report["rows"]), default=0)
    name = f"{about['name']}, {about['vendor']} family {about['family']} model {about['model']}"
    out = [("processor", f"{name}, {about['cores']} cores")]
    out += [("flags", " ".join(about["flags"])), ("caches", about["caches"])]
    if roofs:
        out.append(("copy", f"{roofs['copy_gb_per_second']:.1f} GB/s, read and written, {roofs['threads']} threads"))
        out.append(("f32 multiply-adds", f"{roofs['gflops_one']:.0f} GFLOP/s with one thread, "
                    f"{roofs['gflops_all']:.0f} with {roofs['threads']} ({roofs['vector_bits']} bits)"))
    before = f"{report['load_before']:.0%} of the processors before the run"
    out.append(("other processes", f"{before}, at most {heaviest:.0%} in one"))
    for library, said in report["libraries"].items():
        out.append((library, f"{said['versions']}; {said['threads']} threads; {said['waiting']}"))
    return out, heaviest


def cells(row):
    mib = lambda count: "" if count is None else f"{count / 2**20:.0f}"
    ratio = lambda value: "" if value is None else f"{value:.2f}"
    return (row["row"], row["side"], f"{row['images_per_second']:.2f}", f"{row['lowest']:.2f} .. {row['highest']:.2f}",
            ratio(row["ratio"]), f"{row['start_up_seconds']:.2f}", mib(row["peak_bytes"]),
            mib(row["peak_above_imports_bytes"]), ratio(row["peak_ratio"]), f"{row['others']:.0%}",
            str(len(row["rates"])))


def target_cells(line):
    unit = " s" if line["figure"] == "start" else ""
    bound = "at least" if line["figure"] == "rate" else "at most"
    value = "" if line["reached"] is None else f"{line['reached']:.2f}{unit}"
    return line["target"], f"{bound} {line['wanted']:.2f}{unit}", value, line["verdict"]


def page(report):
    about, heaviest = facts(report)
    out = [f"# {report['kind']}, {report['date']}, commit {report['commit']}", ""]
    if max(report["load_before"], heaviest) > LOADED:
        out += ["**Measured on a loaded machine: see what other processes took.**", ""]
    out += table(("", "of this run"), about)
    out += ["", f"Median of interleaved runs, each a process that measures for {report['seconds']:g} s; memory in MiB. "
            "The ratio is to the best peer of the same work, that of peaks to the one with the least. Start-up is from "
            "the start of the process to the end of its first step, beyond a later step.", ""]
    out += table(("work", "side", "images/s", "lowest .. highest", "ratio", "start-up, s", "peak", "above its imports",
                  "ratio of peaks", "others", "runs"), [cells(row) for row in report["rows"]])
    if report["failures"]:
        out += ["", "Not measured:", ""]
        out += [f"- {failure['row']}, {failure['side']}: {failure['reason']}" for failure in report["failures"]]
    out += ["", "Targets, against the best peer (of memory the one with the least):", ""]
    out += table(("target", "wanted", "reached", "verdict"), [target_cells(line) for line in report["targets"]])
    return "\n".join(out) + "\n"
