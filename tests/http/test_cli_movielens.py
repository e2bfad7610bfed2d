"""MovieLens 1M in its leave-one-out split, where the data is (HYPERNET_DATA, or ../shared/data): the whole way from its
tables to a figure that can be computed without the program. The figure is that of popularity with ties against it."""
import collections
import gzip
import math
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import ROOT, done, done_json  # noqa: E402

DATA = os.path.join(os.environ.get("HYPERNET_DATA", os.path.join(os.path.dirname(ROOT), "shared", "data")), "ml-1m")


def table(name):
    with gzip.open(os.path.join(DATA, name), "rt", encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f]


def popularity():
    """HR@10 and NDCG@10 of counting, as the protocol says: a rival with as many interactions is ahead."""
    counts = collections.Counter(row[1] for row in table("train.tsv.gz")[1:])
    candidates = {row[0]: row[1:] for row in table("candidates.tsv.gz")}
    test = table("test.tsv.gz")[1:]
    places = [sum(counts[rival] >= counts[row[1]] for rival in candidates[row[0]]) for row in test]
    hits = [place for place in places if place < 10]
    return len(hits) / len(test), sum(1 / math.log2(place + 2) for place in hits) / len(test)


@unittest.skipUnless(os.path.isdir(DATA), "SKIPPED: no MovieLens data in %s; set HYPERNET_DATA" % DATA)
@unittest.skipIf(os.environ.get("MODE") in ("asan", "tsan", "cov"), "SKIPPED: a million rows under a sanitizer; "
                 "the same code runs on the simulated world")
class MovieLens(unittest.TestCase):
    def test_popularity_is_what_counting_gives(self):
        with tempfile.TemporaryDirectory() as folder:
            store, model = os.path.join(folder, "s.db"), os.path.join(folder, "m")
            summary = done_json("import", "--store", store, "--users", os.path.join(DATA, "users.tsv.gz"),
                                "--items", os.path.join(DATA, "items.tsv.gz"),
                                "--interactions", os.path.join(DATA, "train.tsv.gz"))
            self.assertEqual(summary["total"], {"users": 6040, "items": 3706, "interactions": 994169, "contexts": 0})
            done("train", "--store", store, "--out", model, "--dim", 4, "--epochs", 1, "--deadline-seconds", 0.01,
                 "--no-contexts")  # any model: popularity needs its catalogue alone
            result = done_json("evaluate", "--store", store, "--model", model, "--baseline", "popularity",
                               "--test", os.path.join(DATA, "test.tsv.gz"),
                               "--candidates", os.path.join(DATA, "candidates.tsv.gz"))
        self.assertEqual((result["users"], result["test_rows"], result["users_without_context"]), (6040, 6040, 0))
        self.assertEqual(result["unknown_items"], 0)  # two items without a training row are in the catalogue too
        hr, ndcg = popularity()
        row = result["systems"][1]
        self.assertEqual(row["name"], "popularity")
        self.assertAlmostEqual(row["metrics"]["hr@10"]["mean"], hr, delta=1e-6)
        self.assertAlmostEqual(row["metrics"]["ndcg@10"]["mean"], ndcg, delta=1e-6)


if __name__ == "__main__":
    unittest.main()
