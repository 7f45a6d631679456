"""What the scripts start from: no locale, home or folder of the user's changes what they do."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def shell(command, cwd=ROOT, **environment):
    done = subprocess.run(["bash", "-euc", command], cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment})
    return done.stdout


class Environment(unittest.TestCase):
    def test_every_script_that_does_work_begins_with_it(self):
        for script in [*ROOT.glob("*/*.sh"), *ROOT.glob("bench/studies/*.sh")]:
            text = script.read_text()
            if script.name in ("environment.sh", "setup.sh"):
                continue
            with self.subTest(script.name):
                self.assertRegex(text, r'\nCDPATH="" cd -- "\$\(dirname -- "\$0"\)/[./]+"\n\. tools/environment\.sh\n')
        self.assertIn("export LC_ALL=C", (ROOT / "tools/setup.sh").read_text())

    def test_numbers_have_a_point(self):
        for locale in ("de_DE.UTF-8", "fr_FR", "no such locale"):
            self.assertEqual(shell(". tools/environment.sh; printf '%.1f' 0.5", LC_ALL=locale, LC_NUMERIC=locale), "0.5")

    def test_the_compiler_cache_has_a_place(self):
        there = shell('. tools/environment.sh; echo "$CCACHE_DIR"', HOME="/proc/nowhere", CCACHE_DIR="", XDG_CACHE_HOME="")
        self.assertEqual(there, f"{ROOT}/build/ccache\n")
        self.assertEqual(shell('. tools/environment.sh; echo "$CCACHE_DIR"', CCACHE_DIR="/dev/null/x"), f"{ROOT}/build/ccache\n")
        with tempfile.TemporaryDirectory() as home:
            self.assertEqual(shell('. tools/environment.sh; echo "${CCACHE_DIR:-}"', HOME=home, CCACHE_DIR="", XDG_CACHE_HOME=""), "\n")

    def test_a_search_path_for_folders_leads_nowhere_else(self):
        with tempfile.TemporaryDirectory() as elsewhere:
            os.makedirs(f"{elsewhere}/tools/..", exist_ok=True)
            begin = re.search(r'CDPATH="" cd .*\n', (ROOT / "tools/quickstart.sh").read_text())[0]
            self.assertEqual(shell(f"set -- ; {begin}\npwd".replace("$0", "tools/quickstart.sh"), CDPATH=elsewhere), f"{ROOT}\n")


class Nvcc(unittest.TestCase):
    """An nvcc that does not work is named, with its release and what would help."""

    @unittest.skipUnless(shutil.which("cmake") and shutil.which("ninja"), "needs cmake and ninja")
    def test_an_nvcc_that_refuses(self):
        with tempfile.TemporaryDirectory() as folder:
            nvcc = pathlib.Path(folder) / "nvcc"
            nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\nexit 1\n")
            nvcc.chmod(0o755)
            said = shell(f"cmake --preset release -B {folder}/build -DSACCADE_SIMT=OFF 2>&1", CUDACXX=str(nvcc), PATH=f"{folder}:{os.environ['PATH']}")
            line = next(line for line in said.splitlines() if line.startswith("saccade: "))
            for part in (str(nvcc), "release 11.8", "CPU alone", "CMAKE_CUDA_HOST_COMPILER"):
                self.assertIn(part, line)


if __name__ == "__main__":
    unittest.main()
