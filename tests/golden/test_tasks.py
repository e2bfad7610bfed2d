"""Models of tasks, computed twice from the same file and the same tables: by `hypernet predict` and by reference.py, in float64. They
agree to 1e-4 of the largest prediction: features are sums of float32 products, and a task's layer, which is solved in double from them,
may enlarge their rounding by the square root of how surely it is known."""
import csv
import math
import os
import random
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import reference

HYPERNET = os.environ.get("HYPERNET", os.path.join(HERE, "../../build/release/hypernet"))
TOLERANCE = 1e-4


def run(*args):
    # what is compared is what the binary predicts: under a sanitizer the release build makes the model, of the same bytes
    binary = os.environ.get("HYPERNET_PREPARED", HYPERNET) if args[0] in ("train", "search") else HYPERNET
    done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def rows_of(rng, with_class, n_tasks=12, n_rows=18):
    """Rows with a number, one that may be missing, a category, a flag, a code, a time and a target above 0."""
    rows = []
    for task in range(n_tasks):
        level, slope = rng.uniform(20, 40), rng.uniform(1, 4)
        for week in range(n_rows):
            price, size = rng.uniform(1, 4), rng.uniform(-1, 1)
            colour, flag = rng.choice(["red", "green", "blue"]), rng.choice(["true", "false"])
            y = level - slope * price + 3 * (colour == "red") + 2 * (flag == "true") + rng.gauss(0, 0.3)
            rows.append({"task": "t%d" % task, "week": str(week), "price": "%.3f" % price, "size": "" if week % 5 == 2 else "%.3f" % size,
                         "colour": "" if week % 7 == 3 else colour, "flag": flag, "code": str(week % 3),
                         "y": ("high" if y > 30 else "mid" if y > 24 else "low") if with_class else "%.3f" % y})
    return rows


class Parity(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def write(self, name, rows):
        path = os.path.join(self.dir, name)
        with open(path, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        return path

    def set_clip(self, model, clip):
        with open(model, "r+b") as f:
            data = f.read()
            f.seek(data.index(b"0.0", data.index(b"clip")))
            f.write(clip)

    def check(self, with_class, *options, intervals=(0.8,), clip=None, make=("train", "--epochs", 1, "--threads", 1), rows=None):
        rows = rows or rows_of(random.Random(5), with_class)
        known = [r for r in rows if int(r["week"]) < 12 and r["task"] != "t3"]
        asked = [{c: v for c, v in r.items() if c != "y"} for r in rows if int(r["week"]) >= 12]
        asked[0]["price"] = "1e6"  # is cut
        asked[1]["price"] = "-50"
        model = os.path.join(self.dir, "m.hn")
        learned, known_path, asked_path = self.write("l.csv", known), self.write("k.csv", known), self.write("a.csv", asked)
        run(*make, "--rows", learned, "--task", "task", "--target", "y", "--out", model, "--categorical", "code", *options)
        if clip:
            self.set_clip(model, clip)
        for interval in intervals:
            with self.subTest(interval):
                self.compare(rows, asked, run("predict", "--model", model, "--rows", asked_path, "--known", known_path, "--task", "task",
                                              "--interval", interval, "--uncertainty"), reference.Tasks(model), interval)
        return reference.Tasks(model).task

    def compare(self, rows, asked, printed, here, interval):
        got, expected = list(csv.DictReader(printed.splitlines(), delimiter="\t")), []
        self.assertEqual([g["task"] for g in got], [a["task"] for a in asked])
        present = [{c: v or None for c, v in r.items()} for r in rows]
        for task in sorted({r["task"] for r in asked}, key=lambda t: int(t[1:])):
            mine = [r for r in present if r["task"] == task and int(r["week"]) < 12 and task != "t3"]
            layer = here.solve(mine, [r["y"] for r in mine], [float(r["week"]) for r in mine])
            answered = [{c: v or None for c, v in r.items()} for r in asked if r["task"] == task]
            expected.append(here.predict(layer, answered, interval))
        expected = np.concatenate(expected)
        classes = here.task["target"].get("classes")
        names = classes + ["entropy"] if classes else ["y", "low", "high", "deviation"]
        answers = np.array([[float(g[c]) for c in names + ["epistemic"]] for g in got])
        near = np.array([r["price"] not in ("1e6", "-50") for r in asked])
        if here.task["target"].get("scale", "identity") != "identity":  # a deviation far beyond the inputs is then past comparison
            answers, expected = (np.where(near[:, None] | (np.arange(5) < 3), a, 0) for a in (answers, expected))
        tolerance = TOLERANCE * np.abs(expected[near]).max() + 10 * TOLERANCE * np.abs(expected) * ~near[:, None]
        if here.task["target"].get("scale") == "count":
            self.assertLess((np.abs(answers - expected) > tolerance)[:, 1:3].sum(), 3)
            tolerance[:, 1:3] += 1
        if classes:
            tolerance[:, -1] = 0.005 + 0.05 * expected[:, -1]  # both are draws
        self.assertTrue((np.abs(answers - expected) < tolerance).all())
        expected = expected[:, :len(names) - bool(classes)]
        self.assertEqual({g["known"] for g in got if g["task"] == "t3"}, {"0"})
        if classes:
            self.assertEqual([g["y"] for g in got], [classes[k] for k in expected.argmax(1)])

    def test_numbers(self):
        task = self.check(False)
        self.assertEqual([c["kind"] for c in task["columns"]], ["number", "number", "number", "category", "number", "category"])

    def test_intervals_are_those_of_the_errors_in_validation(self):
        inside, between, near_the_middle, beyond = 0.9, 0.66, 0.2, 0.997
        self.assertTrue(self.check(False, intervals=(inside, between, near_the_middle, beyond))["target"]["calibrated"])

    def test_classes(self):
        self.assertEqual(self.check(True)["target"]["classes"], ["high", "low", "mid"])

    def test_networks_that_were_searched_for(self):
        """Of each activation, whose features alone are read by what is behind them."""
        found = set()
        for seed in (2, 3, 4, 7, 10):
            with self.subTest(seed):
                task = self.check(seed % 2 == 0, "--seed", seed, make=("search", "--budget-us", 1e9, "--candidates", 1, "--steps", 50,
                                                                      "--hypernetwork-steps", 1))
                self.assertIs(task["direct"], False)
                found |= {layer["activation"] for layer in task["features"]}
        self.assertEqual(found, {"identity", "relu", "sigmoid", "tanh"})

    def test_weights_that_are_generated_from_the_solved_layer(self):
        for generator, with_class in (("core", False), ("low_rank", False), ("full", False), ("core", True)):
            with self.subTest(generator=generator, with_class=with_class):
                self.check(with_class, "--generator", generator)
                here = reference.Tasks(os.path.join(self.dir, "m.hn"))
                self.assertEqual(here.model["target"]["layers"][0]["generator"], generator)
                self.assertGreater(np.abs(here.t["target.1.head.weight"]).max(), 0.01)  # it does something

    def test_numbers_that_are_forgotten(self):
        self.assertTrue(self.check(False, "--time", "week")["forgets"])

    def test_classes_that_are_forgotten(self):
        self.assertTrue(self.check(True, "--time", "week")["forgets"])

    def test_logarithms_for_errors_relative_to_the_target(self):
        self.assertEqual(self.check(False, "--loss", "relative")["target"]["scale"], "log")

    def test_means_of_what_is_learned_on_another_scale(self):
        for scale, loss in (("log", "squared"), ("asinh", "squared"), ("asinh", "poisson")):
            with self.subTest(scale=scale, loss=loss):
                target = self.check(False, "--target-scale", scale, "--loss", loss)["target"]
                self.assertEqual((target["scale"], target["loss"]), (scale, loss))
                self.assertLess(target["shrink"], 0)

    def test_counts(self):
        """Beside a bound there may be a whole number that is as good but for rounding, so bounds may differ by one."""
        rng = random.Random(6)
        rows = rows_of(rng, False)
        for r in rows:
            rate = math.exp((float(r["y"]) - 25) / 6)
            r["y"] = str(sum(rng.random() < rate / 200 for _ in range(200)))
        for options in (), ("--time", "week"), ("--generator", "core"):
            with self.subTest(options=options):
                target = self.check(False, "--target-scale", "count", *options, rows=[dict(r) for r in rows])["target"]
                self.assertEqual((target["scale"], target["shrink"], target["loss"]), ("count", -0.5, "squared"))

    def test_outliers_among_known_rows_are_cut(self):
        self.assertEqual(self.check(False, clip=b"0.5")["target"]["clip"], 0.5)

    def test_quantiles_are_those_of_tables(self):
        for probability, freedom, x in ((0.975, 2, 4.3026527), (0.975, 5, 2.5705818), (0.95, 30, 1.6972609), (0.9, 3.5, 1.5769)):
            self.assertAlmostEqual(reference.student_t_quantile(probability, freedom), x, delta=3e-3 if freedom == 3.5 else 1e-6)


if __name__ == "__main__":
    unittest.main()
