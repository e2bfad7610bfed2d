"""tests/bench/quality on a small made-up data set: it cuts, trains, measures and writes its table."""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HYPERNET = str((ROOT / os.environ.get("HYPERNET", "build/release/hypernet")).resolve())
QUALITY = ROOT / "tests/bench/quality"


class Quality(unittest.TestCase):
    def quality(self, *args):
        return subprocess.run([sys.executable, str(QUALITY), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False, env={**os.environ, "HYPERNET": HYPERNET})

    def test_the_table_holds_every_system_and_the_file_every_figure(self):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            subprocess.run([HYPERNET, "simulate", "--out", str(work / "world"), "--users", "60", "--items", "150",
                            "--interactions", "1200"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            (work / "data/ml-100k").mkdir(parents=True)
            with open(work / "world/interactions.tsv", encoding="utf-8") as f:
                rows = [[r["user"], r["item"], r["rating"], r["timestamp"]] for r in csv.DictReader(f, delimiter="\t")]
            with open(work / "data/ml-100k/u.data", "w", encoding="utf-8") as f:
                f.writelines("\t".join(r) + "\n" for r in rows)
            out = work / "table.md"
            done = self.quality("--data", work / "data", "--only", "ml-100k", "--seeds", "2", "--out", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(out.read_text(encoding="utf-8"), done.stdout)
            lines = [line for line in done.stdout.splitlines() if line.startswith("| ml-100k")]
            self.assertEqual([line.split("|")[3].strip() for line in lines], ["ndcg@10", "recall@20"])
            for line in lines:
                for cell in line.split("|")[4:9]:
                    self.assertRegex(cell.strip(), r"^[01]\.\d{4}\*?$")
            figures = json.loads((work / "table.md.json").read_text(encoding="utf-8"))
            self.assertEqual({f["system"] for f in figures}, {"generated", "shared", "popularity", "iALS", "EASE"})
            self.assertEqual({f["seed"] for f in figures}, {1, 2})
            self.assertEqual({f["users"] for f in figures}, {len({r[0] for r in rows})})

    def test_it_says_what_is_missing(self):
        self.assertIn("--data DIR", self.quality().stderr)
        done = self.quality("--data", "/nowhere")
        self.assertEqual(done.returncode, 2)

    def test_the_list_names_each_data_set(self):
        done = self.quality("--list")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 6)


if __name__ == "__main__":
    unittest.main()
