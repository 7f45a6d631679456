"""Every include points down the house: a file includes from its own room and from those below it, and a system of reid/
never from another system."""

import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# From the ground up; tests and bench may include from all of them.
ROOMS = ["kernels", "tensor", "autograd", "layers", "rl", "reid", "tools"]
SHARED = ["data", "evaluation", "flow", "pictures", "registry", "run", "synthetic"]  # reid's other folders are systems


def is_wrong(path, include):
    """Both are paths from the root, such as reid/data/image.h."""
    room, target = path.split("/")[0], include.split("/")[0]
    if target not in ROOMS:
        return target in ("tests", "bench")
    if ROOMS.index(target) > ROOMS.index(room):
        return True
    folders = [part.split("/")[1] for part in (path, include) if part.startswith("reid/") and part.count("/") > 1]
    return len(set(folders) - set(SHARED)) > 1


def wrong_includes(root):
    found = []
    for room in ROOMS:
        for file in sorted(root.glob(f"{room}/**/*")):
            if file.suffix not in (".h", ".cpp", ".cu"):
                continue
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text().splitlines(), 1):
                include = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
                if include and is_wrong(path, include[1]):
                    found.append(f"{path}:{number} includes {include[1]}")
    return found


class House(unittest.TestCase):
    def test_every_include_points_down(self):
        self.assertEqual(wrong_includes(ROOT), [])

    def test_every_room_is_known(self):
        rooms = {p.parent.relative_to(ROOT).parts[0] for p in ROOT.glob("*/**/*.h")} - {"build", "tests", "bench"}
        self.assertEqual(rooms - set(ROOMS), set())

    def test_wrong_includes_are_found(self):
        made_up = {
            "kernels/a.cu": ('#include "tensor/tensor.h"', "kernels/a.cu:1 includes tensor/tensor.h"),
            "tensor/a.h": ('#pragma once\n#  include "autograd/tape.h"', "tensor/a.h:2 includes autograd/tape.h"),
            "rl/agent.cpp": ('#include "reid/data/image.h"', "rl/agent.cpp:1 includes reid/data/image.h"),
            "reid/a.cpp": ('#include "tests/common/catch.h"', "reid/a.cpp:1 includes tests/common/catch.h"),
            "reid/baseline/a.cpp": ('#include "reid/instruct/b.h"', "reid/baseline/a.cpp:1 includes reid/instruct/b.h"),
            "reid/instruct/a.cpp": ('#include "reid/instruct/b.h"\n#include "reid/run/run.h"\n#include <vector>', None),
            "tools/train.cpp": ('#include "reid/systems.h"\n#include "kernels/common/device.h"', None),
        }
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, (text, _) in made_up.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            self.assertEqual(sorted(wrong_includes(root)), sorted(fault for _, fault in made_up.values() if fault))


if __name__ == "__main__":
    unittest.main()
