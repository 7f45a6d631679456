"""Studies: no row is run twice and none is lost, whenever a run is killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/studies"))
import study

# In place of a training: counts its runs, waits while a file says so, and leaves a score.
FAKE = """
import json, os, sys, time
seed, out, arm, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3:-1], sys.argv[-1]
open(f"{folder}/calls", "a").write(f"{arm} {seed}\\n")
while os.path.exists(f"{folder}/wait"):
    time.sleep(0.01)
if arm == ["--fail"]:
    sys.exit(3)
json.dump({"after": {"mAP": seed / 10 + len(arm), "cmc": [0.5, 1.0]}}, open(f"{out}/result.json", "w"))
"""


class Study(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "fake.py").write_text(FAKE)
        self.rows = self.folder / "reward.jsonl"

    def start(self, *arms, seeds="1-3"):
        words = [sys.executable, ROOT / "bench/studies/study.py", "--folder", self.folder, "run", "reward", "--seeds", seeds,
                 "--out", self.folder / "runs", "--value", "mAP=after.mAP", "--value", "rank1=after.cmc.0"]
        for arm in arms or ("plain=", "wide=--set width=128"):
            words += ["--arm", arm]
        words += ["--", sys.executable, self.folder / "fake.py", "{seed}", "{out}", "{arm}", self.folder]
        return subprocess.Popen([str(w) for w in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self, *arms, **more):
        process = self.start(*arms, **more)
        errors = process.communicate(timeout=60)[1].decode()
        return process.returncode, errors

    def read(self):
        return [json.loads(line) for line in self.rows.read_text().splitlines()]

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()

    def test_rows_and_page(self):
        self.assertEqual(self.finish(), (0, ""))
        self.assertEqual([(r["arm"], r["seed"]) for r in self.read()], [(a, s) for s in (1, 2, 3) for a in ("plain", "wide")])
        self.assertEqual(self.read()[1]["values"], {"mAP": 2.1, "rank1": 0.5})
        (self.folder / "reward.sh").write_text("#!/bin/sh\n# Does width help?\nstudy.py\n")
        page = study.page_of(self.folder, "reward")
        self.assertIn("\nDoes width help?\n", page)
        self.assertIn("| plain | 3 | 0.2000 ± 0.1000 | 0.5000 ± 0.0000 |", page)
        self.assertIn("| wide | 3 | 2.2000 ± 0.1000 |", page)

    def test_kill_and_rerun(self):
        self.finish("plain=", seeds="1")
        (self.folder / "wait").touch()
        process = self.start()
        while len(self.calls()) < 2:  # in the middle of the second row
            time.sleep(0.01)
        self.assertNotEqual(self.finish()[0], 0)  # a second process is refused
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        (self.folder / "wait").unlink()
        with open(self.rows, "a") as file:
            file.write('{"arm": "wide", "se')  # as if the kill had come within the write
        self.assertEqual(self.finish()[0], 0)
        self.assertEqual(self.finish()[0], 0)
        rows = [(r["arm"], r["seed"]) for r in self.read()]
        self.assertEqual(len(rows), 6)
        self.assertEqual(len(set(rows)), 6)
        self.assertEqual(len(self.calls()), 7)  # the killed one ran again, no other

    def test_a_command_that_fails_leaves_no_row_and_is_tried_again(self):
        code, errors = self.finish("bad=--fail", "plain=", seeds="1")
        self.assertEqual(code, 1)
        self.assertIn("bad, seed 1 left no row: ValueError('exit code 3')", errors)
        self.assertEqual([r["arm"] for r in self.read()], ["plain"])
        self.assertEqual(self.finish("bad=", "plain=", seeds="1")[0], 0)
        self.assertEqual([r["arm"] for r in self.read()], ["plain", "bad"])

    def test_the_pages_are_of_their_rows(self):
        for rows in (ROOT / "bench/studies").glob("*.jsonl"):
            self.assertEqual(rows.with_suffix(".md").read_text(), study.page_of(rows.parent, rows.stem), f"study.py page {rows.stem}")


if __name__ == "__main__":
    unittest.main()
