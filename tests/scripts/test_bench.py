"""The benchmark of steps without its peers: the kind of a processor, the watch on others, the turns, the table."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/compare"))
import interleave
import machine
import report as reports
import step

INTERLEAVE = str(ROOT / "bench/compare/interleave.py")


def call(*words, **more):
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, **more)


# --- The machine ---

CPU = """processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: {model}
model name\t: {name}
flags\t\t: fpu sse2 {flags} rdpid

processor\t: 1
model name\t: another
"""
ZEN3 = dict(vendor="AuthenticAMD", family=25, model=1, name="AMD EPYC", flags="fma avx2")
ZEN4 = dict(ZEN3, model=17, flags="fma avx2 avx512f avx512bw avx512_bf16")
XEON = dict(vendor="GenuineIntel", family=6, model=143, name="Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz",
            flags="fma avx2 avx512f avx512bw amx_tile amx_bf16")


class Processor(unittest.TestCase):
    def kind(self, cpu):
        return machine.kind_of(machine.read_cpuinfo(CPU.format(**cpu)))

    def test_vectors_tell_processors_of_one_name_apart(self):
        self.assertEqual([self.kind(cpu) for cpu in (ZEN3, ZEN4, XEON)],
                         ["amd-epyc-avx2", "amd-epyc-avx512", "intel-xeon-platinum-8488c-amx"])
        named = dict(ZEN3, name="AMD EPYC 7763 64-Core Processor", flags="")
        self.assertEqual(self.kind(named), "amd-epyc-7763-sse")

    def test_who_computes_in_bf16(self):
        self.assertEqual([machine.has_bf16(cpu["flags"].split()) for cpu in (ZEN3, ZEN4, XEON)], [False, True, True])

    def test_the_flags_that_matter(self):
        flags = "fma avx avx2 avx512_bf16 amx_tile avx_vnni f16c rdpid".split()
        self.assertEqual([flag for flag in flags if machine.is_relevant(flag)],
                         ["fma", "avx2", "avx512_bf16", "amx_tile", "avx_vnni"])
        self.assertEqual(machine.machine()["cores"], os.cpu_count())

    def test_caches(self):
        made_up = [(1, "Data", "32K", "0"), (1, "Instruction", "32K", "0"), (3, "Unified", "32768K", "0-1")]
        with tempfile.TemporaryDirectory() as folder:
            for number, values in enumerate(made_up):
                index = pathlib.Path(folder) / f"index{number}"
                index.mkdir()
                for name, value in zip(("level", "type", "size", "shared_cpu_list"), values):
                    (index / name).write_text(f"{value}\n")
            self.assertEqual(machine.caches(folder), "L1d 32K, L3 32768K of cores 0-1")


class Load(unittest.TestCase):
    def test_times_of_the_processors(self):
        seconds = (10, 2, 3, 50, 4, 1, 1, 5, 7, 7)  # the last two are parts of the first two
        line = " ".join(str(machine.TICKS * second) for second in seconds)
        self.assertEqual(machine.read_times(f"cpu  {line}\ncpu0 1 1 1 1 1 1 1 1 0 0\n"), (22, 76))

    def test_the_share_of_others(self):
        self.assertEqual(machine.share_of_others((10, 100), (13, 104), ours=1), 0.5)
        self.assertEqual(machine.share_of_others((10, 100), (13, 104), ours=3.5), 0)  # clocks differ by a tick
        self.assertEqual(machine.share_of_others((10, 100), (10, 100), ours=0), 0)

    def test_a_process_counts_unless_it_is_ours(self):
        with machine.Busy(1) as busy:
            spun = lambda: machine.seconds_of(busy.pids[0])
            others, ours, before, end = machine.Watch(), machine.Watch(busy.pids), spun(), time.monotonic() + 60
            while spun() < before + 0.5 and time.monotonic() < end:
                time.sleep(0.05)
            with mock.patch.object(machine, "share_of_others", lambda before, after, ours: ours):
                counted = ours.share() - others.share()
            self.assertGreaterEqual(spun(), before + 0.5)
        self.assertAlmostEqual(counted, 0.5, delta=0.2)

    def test_a_child_that_ended_is_ours(self):
        watch = machine.Watch()
        call("-c", "import time\nwhile time.process_time() < 0.5: pass")
        self.assertGreater(watch.read()[1] - watch.ours, 0.45)

    def test_busy_processes_end_with_the_block_and_with_their_parent(self):
        there = lambda pids: [os.path.exists(f"/proc/{pid}") for pid in pids]
        with machine.Busy(2) as busy:
            self.assertEqual(there(busy.pids), [True, True])
        self.assertEqual(there(busy.pids), [False, False])
        killed = "import machine, os\nwith machine.Busy(1) as busy:\n  print(busy.pids[0], flush=True)\n  os._exit(0)"
        pid = call("-c", killed, cwd=ROOT / "bench/compare").stdout.strip()
        self.assertTrue(pid)
        status = pathlib.Path(f"/proc/{pid}/status")
        runs = lambda: status.exists() and "\nState:\tZ" not in status.read_text()
        end = time.monotonic() + 20
        while runs() and time.monotonic() < end:
            time.sleep(0.05)
        outlived = runs()
        if outlived:
            os.kill(int(pid), signal.SIGKILL)
        self.assertFalse(outlived)

    def test_a_loaded_machine_is_refused(self):
        with machine.Busy(os.cpu_count()):
            refused, loaded = call(INTERLEAVE, "--look"), call(INTERLEAVE, "--look", "--loaded")
        self.assertEqual((refused.returncode, refused.stdout, loaded.returncode, loaded.stderr), (2, "", 0, ""))
        self.assertRegex(refused.stderr, r"\Abench: other processes take \d+% of the processors: [^\n]*--loaded\n\Z")


# --- Turns ---

# In place of a side: notes its call, gives the rate of its name, and fails where a file says so.
FAKE = """#!{python}
import json, os, sys, time
words, env = sys.argv[1:], os.environ
name = words[words.index("--peer") + 1] if "--peer" in words else "ours"
tcmalloc = env.get("LD_PRELOAD", "").endswith("/tcmalloc.so")
assert (name == "ours") == ("MALLOC_TOP_PAD_" not in env and not tcmalloc)
if tcmalloc: name = "tcmalloc"
open("{folder}/calls", "a").write((name + " " + env.get("OMP_WAIT_POLICY", "")).strip() + "\\n")
if (name + " bf16" if "bf16" in words else name) in open("{folder}/failing").read().split(","):
    print("Traceback\\nValueError: no " + name + "\\nsome hint", file=sys.stderr)
    sys.exit(2)
rate = {{"ours": 30, "tcmalloc": 5, "default": 10, "channels_last": 19, "compile": 20}}[name]
peak = {{"ours": 3, "tcmalloc": 4}}.get(name, 6) << 20
line = dict(batch=64, threads=2, waiting="in its way", libraries={{"Made up": "1.2"}}, images_per_second=rate,
            peak_bytes=peak, first_step_at=time.monotonic() + 64 / rate)
print("a notice")
print(json.dumps(line if name == "ours" else dict(line, start_bytes=1 << 20)))
"""


class Turns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        fake = self.folder / "fake"
        fake.write_text(FAKE.format(python=sys.executable, folder=self.folder))
        fake.chmod(0o755)

    def measure(self, only, *more, failing="", rounds=2):
        """(exit code, calls, table, page)"""
        (self.folder / "calls").write_text("")
        (self.folder / "failing").write_text(failing)
        fake = self.folder / "fake"
        given = {"only": only, "rounds": rounds, "seconds": 0, "threads": 2, "python": fake, "program": fake,
                 "roofs": "/bin/false", "tcmalloc": self.folder / "tcmalloc.so", "out": self.folder}
        words = [str(word) for key, value in given.items() for word in (f"--{key}", value)]
        done = call(INTERLEAVE, "--loaded", *words, *more)
        self.assertEqual(done.stderr, "")
        table, page = next(self.folder.glob("*.json")), next(self.folder.glob("*.md"))
        calls = (self.folder / "calls").read_text().splitlines()
        return done.returncode, calls, json.loads(table.read_text()), page.read_text()

    def test_they_alternate_and_who_is_far_behind_is_not_asked_again(self):
        code, calls, table, page = self.measure("train_quickstart_f32")
        self.assertEqual(code, 0)
        self.assertEqual(calls, ["ours", "default", "channels_last", "compile", "tcmalloc",
                                 "ours", "channels_last", "compile"])
        rows = {row["side"]: row for row in table["rows"]}
        self.assertEqual({side: (row["ratio"], row["rates"]) for side, row in rows.items()}, {
            "Saccade": (1.5, [30, 30]), "PyTorch default": (0.5, [10]), "PyTorch channels_last": (0.95, [19, 19]),
            "PyTorch compiled": (1, [20, 20]), "PyTorch channels_last, tcmalloc": (0.25, [5])})
        self.assertEqual([(rows[side]["peak_ratio"], rows[side]["peak_above_imports_bytes"])
                          for side in ("Saccade", "PyTorch default")], [(0.75, None), (1.5, 5 << 20)])
        self.assertTrue(0 < rows["Saccade"]["start_up_seconds"] < 10)
        cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
        self.assertEqual(table["kind"], machine.kind_of(machine.read_cpuinfo(cpuinfo)))
        self.assertIn("| train_quickstart_f32 | PyTorch channels_last | 19.00 | 19.00 .. 19.00 | 0.95 |", page)
        self.assertIn("| PyTorch | Made up 1.2; 2 threads; in its way |", page)

    def test_waiting_at_rest_and_beside_load(self):
        _, calls, table, _ = self.measure("train_256x128_f32*")
        passive = "compile passive"
        self.assertEqual(calls[:6], ["ours", "default", "channels_last", "compile", "tcmalloc", passive])
        self.assertEqual(calls[6:10], ["ours", "channels_last", "compile", passive])
        self.assertEqual(calls[10:], ["ours", "compile", passive])  # a round less
        self.assertEqual([row["side"] for row in table["rows"] if row["row"].endswith("_busy")],
                         ["Saccade", "PyTorch compiled", "PyTorch compiled, passive"])

    def test_a_failure_is_named_and_ends_nothing(self):
        code, calls, table, page = self.measure("train_quickstart_f32", failing="compile")
        self.assertEqual((code, len(calls)), (0, 7))
        self.assertIn("- train_quickstart_f32, PyTorch compiled: ValueError: no compile\n", page)
        self.assertIn("- roofs, bench_roofs: exit code 1\n", page)
        self.assertEqual([row["ratio"] for row in table["rows"]], [30 / 19, 10 / 19, 1, 5 / 19])
        code, _, table, page = self.measure("train_quickstart_f32", failing="ours")
        self.assertEqual(code, 1)
        self.assertIn("- train_quickstart_f32, Saccade: ValueError: no ours\n", page)
        self.assertNotIn("Saccade", [row["side"] for row in table["rows"]])

    def test_a_peer_that_is_left_out_is_named(self):
        _, calls, _, page = self.measure("train_quickstart_f32", "--without", "compile", "default", rounds=1)
        self.assertEqual(calls, ["ours", "channels_last", "tcmalloc"])
        self.assertIn("- all, PyTorch compiled: left out (--without)\n- all, PyTorch default: left out", page)

    def test_who_failed_is_not_asked_again(self):
        _, calls, _, _ = self.measure("train_256x128_f32_busy", failing="channels_last", rounds=3)
        self.assertEqual(calls, ["ours", "channels_last", "channels_last passive", "ours"])

    def test_bf16_is_measured_where_the_processor_has_it(self):
        code, calls, _, page = self.measure("train_128x64_bf16", failing="ours bf16")
        self.assertEqual(code, 0)
        if machine.has_bf16(machine.machine()["flags"]):
            self.assertIn("default", calls)
        else:
            self.assertEqual(calls, [])
            self.assertIn("- train_128x64_bf16, all: this processor has neither avx512_bf16 nor amx_bf16\n", page)

    def test_a_page_is_written_again_with_reasons(self):
        _, _, table, page = self.measure("train_quickstart_f32", failing="compile", rounds=1)
        path = self.folder / f"{table['kind']}.json"
        table["rows"][0]["images_per_second"] = 19
        path.write_text(json.dumps(table))
        reasons = {table["kind"]: {"train_quickstart_f32": "its overhead"}, "other": {"start-up": "no"}}
        (self.folder / "reasons.json").write_text(json.dumps(reasons))
        with mock.patch.object(interleave, "RESULTS", self.folder), \
             mock.patch.object(sys, "argv", ["interleave.py", "--render", str(path)]):
            interleave.main()
        self.assertIn("| train_quickstart_f32 | at least 1.50 | 1.58 | reached |", page)
        again = path.with_suffix(".md").read_text()
        self.assertIn("| train_quickstart_f32 | at least 1.50 | 1.00 | its overhead |", again)

    def test_an_unknown_row_is_refused_with_the_names_of_all(self):
        done = call(INTERLEAVE, "--loaded", "--only", "train_*,tain")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"\Abench: no row is called tain; there are train_256x128_f32, [^\n]*\n\Z")

    def test_the_best_of_each_library_stays(self):
        sides = [interleave.OURS] + [interleave.Side(peer) for peer in interleave.PEERS]
        rates = dict(zip(sides, [1, 40, 89, 100, 90, 200]))
        going_on = lambda: [side.peer for side in interleave.kept(sides, rates)]
        self.assertEqual(going_on(), ["", "compile", "jit", "onnxruntime"])
        del rates[interleave.Side("compile")]
        self.assertEqual(going_on(), ["", "channels_last", "jit", "onnxruntime"])

    def test_every_peer_is_one_of_its_program(self):
        self.assertEqual(tuple(interleave.PEERS), step.PEERS)


# --- Targets ---


class Targets(unittest.TestCase):
    def row(self, name, side, rate, peak=100, start=0.1):
        return {"row": name, "side": side, "images_per_second": rate, "peak_bytes": peak, "start_up_seconds": start}

    def judged(self, rows, flags=("avx2",), reasons={}):
        found = reports.judged({"rows": rows, "machine": {"flags": flags}}, reasons)
        return {line["target"]: (line["wanted"], line["reached"], line["verdict"]) for line in found}

    def test_against_the_best_peer(self):
        name = "train_256x128_f32"
        rows = [self.row(name, "Saccade, passive", 99, 1), self.row(name, "Saccade", 13, 70),
                self.row(name, "PyTorch default", 8, 100), self.row(name, "PyTorch compiled", 10, 140)]
        found = self.judged(rows, reasons={name: "slow"})
        self.assertEqual(found[name], (1.3, 1.3, "reached"))
        self.assertEqual(found[f"{name}, peak memory"], (0.7, 0.7, "reached"))
        self.assertEqual(found["train_128x64_f32"], (1.3, None, "not measured"))
        self.assertEqual(self.judged(rows, ["avx2", "avx512bw"], {name: "slow"})[name], (1.4, 1.3, "slow"))
        rows[1].update(images_per_second=12, peak_bytes=71)
        found = self.judged(rows)
        self.assertEqual(found[name], (1.3, 1.2, "behind"))
        self.assertEqual(found[f"{name}, peak memory"], (0.7, 0.71, "behind"))

    def test_inference_has_a_target_for_each_library(self):
        name = "inference_128x64_b32_f32"
        rates = {"Saccade": 12, "PyTorch compiled": 10, "PyTorch default": 4, "ONNX Runtime": 11}
        found = self.judged([self.row(name, side, rate) for side, rate in rates.items()])
        self.assertEqual(found[f"{name}, PyTorch"], (1.3, 1.2, "behind"))
        self.assertEqual(found[f"{name}, ONNX Runtime"], (1.05, 12 / 11, "reached"))

    def test_load_and_start_up(self):
        name = "train_256x128_f32_busy"
        rows = [self.row(name, "Saccade", 3.4, start=9), self.row(name, "PyTorch default, passive", 2),
                self.row(name, "PyTorch default", 1), self.row("train_128x64_f32", "Saccade", 1, start=0.2)]
        found = self.judged(rows)
        self.assertEqual(found[name], (1.7, 1.7, "reached"))
        self.assertEqual(found["start-up"], (0.2, 0.2, "reached"))
        rows[3]["start_up_seconds"] = 0.21
        self.assertEqual(self.judged(rows)["start-up"], (0.2, 0.21, "behind"))

    def test_every_target_has_its_row(self):
        names = [row.name for row in interleave.all_rows()]
        self.assertEqual(len(set(names)), len(names))
        self.assertLessEqual({row for _, row, *_ in reports.targets()}, {*names, ""})


class SameWork(unittest.TestCase):
    def test_the_quickstart_row_is_what_the_quickstart_trains(self):
        config = json.loads((ROOT / "tools/configs/quickstart.json").read_text())
        data, model, loss = config["data"], config["model"], config["loss"]
        row = next(row for row in interleave.all_rows() if row.network == "quickstart")
        batch = data["identities_per_batch"] * data["images_per_identity"]
        self.assertEqual((row.height, row.width, row.batch), (data["height"], data["width"], batch))
        drawn = int(re.search(r"--ids (\d+)", (ROOT / "tools/quickstart.sh").read_text())[1])
        self.assertEqual(step.QUICKSTART_CLASSES, drawn // 2)
        ours = (ROOT / "bench/step.cpp").read_text()
        self.assertIn(f"kClasses = {drawn // 2}, kWidth = {model['width']}, kLastStride = {model['last_stride']}, "
                      f"kImagesPerIdentity = {data['images_per_identity']};", ours)
        self.assertIn(f'"{model["backbone"]}"', ours)
        self.assertIn(f"cross_entropy(tape, out.logits, labels, {loss['smoothing']})", ours)
        self.assertIn(f"batch_hard_triplet(tape, out.embedding, labels, {loss['margin']})", ours)


if __name__ == "__main__":
    unittest.main()
