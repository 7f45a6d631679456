"""Which ops CI checks in full, in a made-up house under git."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import choose_ops

OPS = [f"op{i}" for i in range(10)]
TABLE = "#\tmoved\n" + "".join(f"{op}\tcase\t1.0\n" for op in OPS)
SHAPES = "cases = {\n" + "".join(f'      {{"{op}",\n       {{.name = "odd"}}}},\n' for op in OPS) + "};\n"


class ChooseOps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("kernels/common/shared.h", "")
        self.write("kernels/common/pair.h", "")
        for op in OPS:
            self.write(f"kernels/family/{op}.h", '#include "kernels/common/shared.h"')
            self.write(f"kernels/family/{op}.cu", '#include "kernels/common/pair.h"' if op in ("op1", "op2") else "")
            self.write(f"autograd/registry/{op}.cpp", f'#include "kernels/family/{op}.h"\n.name = "{op}"')
        self.write("tests/kernels/traffic_bounds.tsv", TABLE)
        self.write("tests/kernels/simt/shapes.cpp", SHAPES)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        self.base = self.git("rev-parse", "HEAD")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def git(self, *words, **more):
        return subprocess.run(["git", *words], cwd=self.root, check=True, capture_output=True, text=True, **more).stdout.strip()

    def commit(self, **more):
        self.git("add", "--all")
        self.git("-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--allow-empty", "--message=m", **more)

    def touched(self):
        return sorted(choose_ops.touched_ops(self.root, self.base, OPS)[0])

    def test_a_file_touches_the_ops_that_include_it(self):
        self.assertEqual(self.touched(), [])
        self.write("kernels/family/op3.cu", "// other")
        self.assertEqual(self.touched(), ["op3"])
        self.commit()
        self.write("kernels/common/pair.h", "// other")
        self.assertEqual(self.touched(), ["op1", "op2", "op3"])
        self.write("reid/data/image.cpp", "")
        self.assertEqual(self.touched(), ["op1", "op2", "op3"])
        self.write("kernels/common/shared.h", "// other")
        self.assertEqual(self.touched(), OPS)

    def test_what_all_checks_share_touches_every_op(self):
        for path in ("CMakeLists.txt", "tests/common/catch.h", "kernels/simt/simt.cpp", "kernels/family/of_no_op.cu"):
            self.write(path, "")
            self.assertEqual(self.touched(), OPS, path)
            (self.root / path).unlink()
        self.write("kernels/simt/README.md", "")
        self.assertEqual(self.touched(), [])

    def test_an_entry_of_a_table_touches_its_op(self):
        self.write("tests/kernels/traffic_bounds.tsv", TABLE.replace("op4\tcase\t1.0", "op4\tcase\t1.2"))
        self.assertEqual(self.touched(), ["op4"])
        shapes = SHAPES.replace('      {"op6",\n       {.name = "odd"}},', '      {"op6",\n       {.name = "even"}},')
        self.write("tests/kernels/simt/shapes.cpp", shapes)
        self.assertEqual(self.touched(), ["op4", "op6"])
        self.write("tests/kernels/simt/shapes.cpp", shapes.replace("cases", "other"))
        self.assertEqual(self.touched(), OPS)

    def test_an_op_that_is_not_found_is_touched(self):
        self.assertEqual(choose_ops.touched_ops(self.root, self.base, [*OPS, "hidden"])[0], {"hidden"})

    def test_a_quarter_of_the_rest_is_drawn_and_in_time_everything(self):
        self.write("kernels/family/op3.cu", "// other")
        drawn = [choose_ops.choose(self.root, OPS, self.base, seed)[0] for seed in range(40)]
        for ops in drawn:
            self.assertIn("op3", ops)
            self.assertEqual(len(ops), 1 + 3)  # of nine, rounded up
        self.assertEqual(drawn[0], choose_ops.choose(self.root, OPS, self.base, 0)[0])
        self.assertEqual(sorted(set().union(*drawn)), OPS)

    def test_sources_are_touched_by_what_they_include_alone(self):
        sources = [f"kernels/family/{op}.cu" for op in OPS]
        chosen = lambda: choose_ops.choose_sources(self.root, sources, self.base)
        self.assertEqual(len(chosen()), 3)
        self.write("kernels/family/op3.h", "// other")  # op3.cu does not include it
        self.assertEqual(len(chosen()), 3)
        self.write("kernels/common/pair.h", "// other")
        self.assertEqual(chosen()[:2], [f"kernels/family/op{i}.cu" for i in (1, 2)])
        self.assertEqual(len(chosen()), 2 + 2)
        self.assertEqual(choose_ops.choose_sources(self.root, sources, None), sources)

    def test_everything_runs_where_nothing_is_known(self):
        self.assertEqual(choose_ops.choose(self.root, OPS, None, 1)[0], [])
        self.assertIsNone(choose_ops.base_of(self.root))  # the first commit
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(choose_ops.base_of(pathlib.Path(folder)))  # no git
        with tempfile.TemporaryDirectory() as clone:
            self.commit()
            self.git("clone", "--quiet", "--depth=1", f"file://{self.root}", clone)
            self.assertIsNone(choose_ops.base_of(pathlib.Path(clone)))

    def test_the_base(self):
        self.git("checkout", "--quiet", "-b", "change")
        self.commit()
        self.assertEqual(choose_ops.base_of(self.root), self.base)  # where the branch left main
        self.git("checkout", "--quiet", "main")
        for day in (2, 3, 3):
            self.commit(env={**os.environ, "GIT_COMMITTER_DATE": f"2090-01-0{day}T12:00:00Z"})
        self.assertEqual(choose_ops.base_of(self.root), self.git("rev-parse", "HEAD~2"))  # a day before


if __name__ == "__main__":
    unittest.main()
