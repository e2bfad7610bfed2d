"""tests/bench/quality on small made-up data: it cuts, trains, measures, and writes its table, its JSON and its picture; it goes on where it
was stopped, and names what is absent. tests/bench/run: what it says of itself and of its figures."""
import csv
import gzip
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
HYPERNET = str((ROOT / os.environ.get("HYPERNET", "build/release/hypernet")).resolve())
QUALITY = ROOT / "tests/bench/quality"


def quality(*args):
    return subprocess.run([sys.executable, str(QUALITY), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, env={**os.environ, "HYPERNET": HYPERNET})


def finished(data, out, *args):
    done = quality("--data", data, "--out", out, *args)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done


class Quality(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.data = cls.folder / "data"
        cls.world = cls.folder / "world"
        subprocess.run([HYPERNET, "simulate", "--out", str(cls.world), "--users", "60", "--items", "150", "--interactions", "1200"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(cls.world / "interactions.tsv", encoding="utf-8") as f:
            cls.rows = [[r["user"], r["item"], r["rating"], r["timestamp"]] for r in csv.DictReader(f, delimiter="\t")]
        (cls.data / "ml-100k").mkdir(parents=True)
        with open(cls.data / "ml-100k/u.data", "w", encoding="utf-8") as f:
            f.writelines("\t".join(r) + "\n" for r in cls.rows)
        (cls.data / "ml-1m").mkdir()
        for name, source in (("train", "interactions"), ("test", "test"), ("candidates", "candidates"), ("users", "users"),
                             ("items", "items")):
            with open(cls.world / (source + ".tsv"), "rb") as f, gzip.open(cls.data / ("ml-1m/%s.tsv.gz" % name), "wb") as out:
                out.write(f.read())

    def runs(self, out, name):
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob(name + ".[0-9].json"))]

    def test_the_report_has_every_system_and_the_figures_of_the_users(self):
        out = self.folder / "report"
        done = finished(self.data, out, "--only", "ml-100k", "--seeds", "2")
        self.assertEqual((out / "quality.md").read_text(encoding="utf-8"), done.stdout)
        runs = self.runs(out, "ml-100k")
        self.assertEqual([r["seed"] for r in runs], [1, 2])
        for r in runs:
            self.assertTrue({"commit", "cpu", "cores", "date"} <= set(r))
            self.assertEqual(set(r["train_seconds"]), {"generated", "shared"})
        (summary,) = json.loads((out / "quality.json").read_text(encoding="utf-8"))
        self.assertEqual(summary["users"], len({r[0] for r in self.rows}))
        figures = {(f["system"], f["metric"]): f for f in summary["figures"]}
        self.assertEqual({s for s, _ in figures}, {"generated", "shared", "popularity", "iALS", "iALS fold-in", "EASE"})
        systems = runs[0]["systems"]
        for (system, metric), f in figures.items():
            s, m = systems.index(system), runs[0]["metrics"].index(metric)
            values = [u[3][s][m] for r in runs for u in r["users"]]
            self.assertAlmostEqual(f["mean"], sum(values) / len(values), places=9)
            self.assertIn("%.4f" % f["mean"], done.stdout)
        self.assertEqual(len([line for line in done.stdout.splitlines() if line.startswith("| ml-100k |")]), 2)

    def test_differences_are_paired_by_user_over_all_seeds(self):
        out = self.folder / "paired"
        finished(self.data, out, "--only", "ml-100k", "--seeds", "2")
        runs = self.runs(out, "ml-100k")
        (summary,) = json.loads((out / "quality.json").read_text(encoding="utf-8"))
        rng, mine = random.Random(9), {}
        for r in runs:
            for _, user, _, values in r["users"]:
                mine.setdefault(user, []).append(values[0][0] - values[r["systems"].index("popularity")][0])
        means = [sum(v) / len(v) for v in mine.values()]
        drawn = sorted(sum(rng.choices(means, k=len(means))) / len(means) for _ in range(4000))
        f = next(f for f in summary["figures"] if f["system"] == "popularity" and f["metric"] == runs[0]["metrics"][0])
        self.assertAlmostEqual(f["gain"], sum(means) / len(means), places=9)
        error = math.sqrt(sum((m - f["gain"]) ** 2 for m in means)) / len(means)
        self.assertAlmostEqual(f["gain_interval"][0], drawn[100], delta=0.5 * error)
        self.assertAlmostEqual(f["gain_interval"][1], drawn[3899], delta=0.5 * error)

    def test_what_is_finished_is_kept_and_seeds_are_added(self):
        out = self.folder / "again"
        finished(self.data, out, "--only", "ml-100k")
        first = (out / "ml-100k.1.json").read_bytes()
        done = finished(self.data, out, "--only", "ml-100k", "--seeds", "2")
        self.assertIn("ml-100k, seed 1 (1 of 2): kept", done.stderr)
        self.assertIn("ml-100k, seed 2 (2 of 2): training generated", done.stderr)
        self.assertNotIn("seed 1 (1 of 2): training", done.stderr)
        self.assertEqual((out / "ml-100k.1.json").read_bytes(), first)
        self.assertEqual(sorted(p.name for p in out.iterdir()), ["ml-100k.1.json", "ml-100k.2.json", "quality.json", "quality.md"])

    def test_new_users_have_a_row_for_each_count_and_a_picture(self):
        out = self.folder / "new"
        done = finished(self.data, out, "--only", "ml-1m-new-users")
        (summary,) = json.loads((out / "quality.json").read_text(encoding="utf-8"))
        self.assertEqual(summary["users"], len({r[0] for r in self.rows}) // 10)
        self.assertEqual(sorted({f["count"] for f in summary["figures"]}), [0, 1, 3, 5, 10, 20])
        flat = {f["mean"] for f in summary["figures"] if f["system"] == "popularity" and f["metric"] == "ndcg@10"}
        self.assertEqual(len(flat), 1)  # the rivals are the same at each count
        self.assertIn("(known.svg)", done.stdout)
        svg = xml.etree.ElementTree.parse(out / "known.svg").getroot()
        lines = svg.findall("{http://www.w3.org/2000/svg}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [6] * 4)
        words = {t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")}
        self.assertTrue({"generated", "iALS fold-in", "popularity", "profile", "20"} <= words, words)

    def test_candidates_and_ignored_order_are_measured(self):
        out = self.folder / "candidates"
        done = finished(self.data, out, "--only", "ml-1m", "--only", "ml-1m-ignore-order")
        for name in ("ml-1m", "ml-1m-ignore-order"):
            self.assertRegex(done.stdout, r"(?m)^\| %s \| all \| hr@10 \|( [01]\.\d{4}( [▲▼])? \|){6} \d+ \|$" % name)

    def test_ratings_are_measured_by_rmse_and_mae(self):
        data = self.folder / "rated"
        (data / "ml-100k").mkdir(parents=True)
        numbered = [[r[0][1:], r[1][1:], *r[2:]] for r in self.rows]  # as published: ids are numbers
        for name, rows in (("u1.base", numbered[:-100]), ("u1.test", numbered[-100:])):
            with open(data / "ml-100k" / name, "w", encoding="utf-8") as f:
                f.writelines("\t".join(r) + "\n" for r in rows)
        (data / "ml-100k/u.user").write_text("".join("%s|30|M|student|00000\n" % u for u in sorted({r[0] for r in numbered})), encoding="utf-8")
        (data / "ml-100k/u.item").write_text("".join("%s|A title|||%s\n" % (i, "|0" * 19) for i in sorted({r[1] for r in numbered})),
                                             encoding="utf-8")
        done = finished(data, self.folder / "rmse", "--only", "ml-100k-u1")
        self.assertRegex(done.stdout, r"(?m)^\| ml-100k-u1 \| all \| rmse \| \d\.\d{4} \| \d\.\d{4}( [▲▼])? \| \d\.\d{4}( [▲▼])? \| \d+ \|$")
        self.assertIn("| ml-100k-u1 | all | mae |", done.stdout)

    def test_make_target_measures_what_is_there(self):
        data, out = self.folder / "some", self.folder / "made"
        (data / "ml-100k").mkdir(parents=True)
        (data / "ml-100k/u.data").write_bytes((self.data / "ml-100k/u.data").read_bytes())
        done = subprocess.run(["make", "-s", "-C", str(ROOT), "bench-quality", "DATA=%s" % data, "OUT=%s" % out, "SEEDS=1"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| ml-100k | all | ndcg@10 |", (out / "quality.md").read_text(encoding="utf-8"))
        self.assertIn("ml-1m is left out", done.stderr)

    def test_it_names_what_is_absent(self):
        done = quality("--data", self.data, "--out", self.folder / "absent", "--only", "movietweetings")
        self.assertEqual(done.returncode, 1)
        self.assertIn("movietweetings is left out", done.stderr)
        self.assertIn("movietweetings-100k/ratings.dat", done.stderr)

    def test_wrong_use_is_refused(self):
        self.assertIn("--data DIR", quality().stderr)
        self.assertEqual(quality("--data", "/nowhere", "--out", self.folder / "x").returncode, 2)
        self.assertIn("--out DIR", quality("--data", self.data).stderr)
        done = quality("--data", self.data, "--out", ROOT / "build/quality")
        self.assertEqual(done.returncode, 2)
        self.assertIn("inside the source tree", done.stderr)

    def test_the_list_names_each_data_set(self):
        done = quality("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()],
                         ["ml-1m", "ml-1m-ignore-order", "ml-1m-new-users", "ml-1m-no-times", "ml-100k", "ml-100k-no-times",
                          "movietweetings", "movietweetings-no-times", "ml-1m-sparse", "movietweetings-sparse", "ml-100k-u1"])


class Source(unittest.TestCase):
    """An archive has no .git, and a bare machine no git: figures are then of the commit "none"."""

    def commit(self, root, path):
        done = subprocess.run([sys.executable, "-c", "import pathlib, source; print(source.commit(pathlib.Path(%r)))" % str(root)],
                              cwd=ROOT / "tests/bench", env={"PATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.strip()

    def test_without_git_the_commit_is_none(self):
        with tempfile.TemporaryDirectory() as empty:
            (pathlib.Path(empty) / ".git").mkdir()
            self.assertEqual(self.commit(empty, empty), "none")

    def test_an_archive_within_somebody_s_repository_has_no_commit(self):
        with tempfile.TemporaryDirectory() as folder:
            archive = pathlib.Path(folder) / "hypernet"
            archive.mkdir()
            (pathlib.Path(folder) / ".git").mkdir()
            self.assertEqual(self.commit(archive, os.environ["PATH"]), "none")


class Run(unittest.TestCase):
    def test_an_unknown_group_is_refused(self):
        done = subprocess.run([sys.executable, str(ROOT / "tests/bench/run"), "--only", "warm,tepid"], stderr=subprocess.PIPE,
                              text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("tepid", done.stderr)

    def test_medians_and_ratios_come_from_the_rounds_of_the_run(self):
        sys.path.insert(0, str(ROOT / "tests/bench"))
        from serving import table  # pylint: disable=import-outside-toplevel
        results = table.Results(ROOT, {"rounds": 3})
        for server, rates in (("hypernet", [30, 10, 20]), ("fastapi", [2, 2, 9])):
            results.add("warm", server, [{"rate": r, "p50_ms": 1, "p99_ms": 2, "p999_ms": 3, "cpu_us": 4} for r in rates], 5)
        results.compare("times", ("warm", "hypernet", "rate"), ("warm", "fastapi", "rate"), ">= 10")
        results.compare("absent", ("warm", "hypernet", "rate"), ("warm", "node", "rate"), ">= 5")
        self.assertEqual([(r["what"], r["value"]) for r in results.ratios], [("times", 10)])
        self.assertIn("| warm | hypernet | 20 | 1.00 | 2.00 | 3.00 | 4.0 | 5 |", results.text())

    def test_an_answer_that_differs_is_wrong(self):
        sys.path.insert(0, str(ROOT / "tests/bench"))
        from serving import answers  # pylint: disable=import-outside-toplevel,protected-access
        want = [("a", 3.0), ("b", 2.0), ("c", 1.99995)]
        answers._same("x", "u", want, [("a", 3.00005), ("c", 2.0), ("b", 1.99995)])
        for got in (want[:2], [("a", 3.1), *want[1:]], [("b", 3.0), ("a", 2.0), want[2]]):
            with self.assertRaises(answers.Wrong):
                answers._same("x", "u", want, got)


if __name__ == "__main__":
    unittest.main()
