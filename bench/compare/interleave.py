"""Runs our bench_resnet50 and resnet50.py (PyTorch) in turn, A B A B, each run a fresh process, and writes the table
bench/results/<processor>.md. Both programs print the JSON line that resnet50.py describes and take the same options.
Each f32 row of ours is compared with PyTorch's best layout in that precision; PyTorch's bf16 is shown, too. Rows
that we lose stay.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

import resnet50

ROOT = pathlib.Path(__file__).resolve().parents[2]


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=8, help="of measuring in each process")
    parser.add_argument("--allocator", choices=sorted(resnet50.ALLOCATORS), default="keep", help="for both sides")
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/bench_resnet50"))
    parser.add_argument("--our-precisions", default="f32", help="comma-separated: what bench_resnet50 can do")
    parser.add_argument("--out", default=None, help="the table; default: bench/results/<processor>.md")
    return parser.parse_args()


def output(words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def runs(words, args):
    lines = output(words, env=resnet50.environment(args.threads, args.allocator)).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def contenders(args, mode, size, precision):
    """(side, command line) of everything that does this work."""
    given = dict(mode=mode, height=size[0], width=size[1], batch=args.batch, precision=precision,
                 threads=args.threads, seconds=args.seconds)
    found = [("PyTorch " + layout, resnet50.command(layout=layout, allocator=args.allocator, **given))
             for layout in ("default", "channels_last")]
    if precision in args.our_precisions.split(","):
        ours = [args.program] + [word for key, value in given.items() for word in (f"--{key}", str(value))]
        found.insert(0, ("Saccade", ours))
    return found


def summary(config, side, lines):
    rate = sorted(line["images_per_second"] for line in lines)
    # What the first step of a process takes beyond a later one: libraries, memory, weights, compiled kernels.
    start_up = statistics.median(line["seconds_to_first_step"] - line["batch"] / line["images_per_second"] for line in lines)
    return {"config": config, "side": side, "images_per_second": statistics.median(rate), "lowest": rate[0],
            "highest": rate[-1], "start_up_seconds": start_up, "peak_bytes": max(line["peak_bytes"] for line in lines),
            "runs": lines}


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "load": os.getloadavg()[0]}


def table(report):
    rows = ["| work | side | images/s | lowest .. highest | start-up | peak memory | against PyTorch's best |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    best = {}
    for row in report["rows"]:
        if row["side"].startswith("PyTorch"):
            best[row["config"]] = max(best.get(row["config"], 0), row["images_per_second"])
    for row in report["rows"]:
        share = f"{row['images_per_second'] / best[row['config']]:.2f}" if row["config"] in best else ""
        rows.append(f"| {row['config']} | {row['side']} | {row['images_per_second']:.2f} | "
                    f"{row['lowest']:.2f} .. {row['highest']:.2f} | {row['start_up_seconds']:.2f} s | "
                    f"{row['peak_bytes'] / 2**20:.0f} MiB | {share} |")
    about = report["machine"]
    return (f"# {about['cpu']}, {report['date']}, commit {report['commit']}\n\n{report['threads']} threads, batch "
            f"{report['batch']}, allocator: {report['allocator']}, load before the run {about['load']:.1f}; median of "
            f"{report['rounds']} interleaved runs.\n\n" + "\n".join(rows) + "\n")


def main():
    args = options()
    commit = output(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT).strip()
    now = datetime.datetime.now(datetime.timezone.utc)
    report = {"date": now.strftime("%Y-%m-%d"), "commit": commit, "machine": machine(), "threads": args.threads,
              "batch": args.batch, "rounds": args.rounds, "allocator": args.allocator, "rows": []}
    for mode in ("train", "inference"):
        for size in resnet50.SIZES:
            for precision in ("f32", "bf16"):
                sides = contenders(args, mode, size, precision)
                lines = {side: [] for side, _ in sides}
                for _ in range(args.rounds):
                    for side, words in sides:
                        lines[side] += runs(words, args)
                for side, found in lines.items():
                    report["rows"].append(summary(found[0]["config"], side, found))
                    print(table({**report, "rows": report["rows"][-1:]}).splitlines()[-1], flush=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["machine"]["cpu"].lower()).strip("-")
    path = pathlib.Path(args.out) if args.out else ROOT / f"bench/results/{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table(report))
    print("\n" + table(report))


if __name__ == "__main__":
    main()
