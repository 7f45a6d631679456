"""What the reasons of tests/mutation_survivors.txt are filed under."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import mutation

SOURCE = """namespace saccade {
namespace {
constexpr int kSpan = kWarp + 1;

template <int V, class T>
__global__ void __launch_bounds__(kThreads)
    scale_kernel(uint32_t n, const T* x) {
  if (i < n) x[0] = 1;  // the last block
  if (i < n) x[0] = 1;
}

struct Forward {
  float operator()(float x) const { return x + 1; }
};

class Tile {
 public:
  explicit Tile(int rows) : parts_(rows - 1) {
    for (int r = 0; r < rows; ++r) count();
  }
};
}  // namespace

void Scale<kGpu>::forward(Context& context) {
  auto run = [&](int i) { return i < 3; };
}
}  // namespace saccade
"""


class Keys(unittest.TestCase):
    def keys(self, source, all_kinds=False):
        with tempfile.TemporaryDirectory(dir=mutation.ROOT / "tests") as folder:
            path = pathlib.Path(folder) / "a.cu"
            path.write_text(source)
            return [m.key.split(" | ", 1)[1] for m in mutation.all_mutants([path]) if m.kind == "guard" or all_kinds]

    def test_the_function_and_the_line_and_the_second_of_two(self):
        line = "if (i < n) x[0] = 1; -> if (i <= n) x[0] = 1;"
        self.assertEqual(self.keys(SOURCE), [
            f"scale_kernel | {line}", f"scale_kernel | {line} | 2",
            "Tile::Tile | for (int r = 0; r < rows; ++r) count(); -> for (int r = 0; r <= rows; ++r) count();",
            "Scale<kGpu>::forward | auto run = [&](int i) { return i < 3; }; -> auto run = [&](int i) { return i <= 3; };"])
        all_kinds = self.keys(SOURCE, all_kinds=True)
        self.assertIn(" | constexpr int kSpan = kWarp + 1; -> constexpr int kSpan = kWarp - 1;", all_kinds)
        self.assertIn("Forward::operator() | float operator()(float x) const { return x + 1; } -> "
                      "float operator()(float x) const { return x - 1; }", all_kinds)
        self.assertIn("Tile::Tile | explicit Tile(int rows) : parts_(rows - 1) { -> explicit Tile(int rows) : parts_(rows + 1) {", all_kinds)

    def test_edits_elsewhere_leave_the_keys_alone(self):
        other = SOURCE.replace("  // the last block", "").replace("struct Forward", "int f(int a) { return a; }\n\nstruct Forward")
        self.assertEqual(self.keys(other), self.keys(SOURCE))

    def test_every_explained_survivor_is_a_mutant_of_the_sources(self):
        keys = [m.key for m in mutation.all_mutants(mutation.sources([]))]
        self.assertEqual(len(keys), len(set(keys)))
        self.assertEqual(sorted(set(mutation.reasons()) - set(keys)), [])


if __name__ == "__main__":
    unittest.main()
