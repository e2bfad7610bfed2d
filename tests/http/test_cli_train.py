"""The command `train` on a simulated world: that it can be repeated whatever the threads, and what an interrupt, a deadline and a
wrong path do. What it writes is in test_cli_train_model.py."""
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import HYPERNET, World, done, done_json, environment, run  # noqa: E402


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Train(World):
    generator = "auto"

    def test_what_was_chosen_is_told(self):
        report = self.report
        self.assertTrue(report["generator_chosen"])
        gap = report["choice_core_ndcg@10"] - report["choice_shared_ndcg@10"]
        self.assertEqual(report["generator"], "core" if gap > 0 else "shared")
        if report["choice_sure"]:
            self.assertGreater(abs(gap), 1.5 * report["choice_standard_error"])
        self.assertEqual(report["item_item"], report["ndcg@10"] > report["without_item_item_ndcg@10"])
        made = done_json("inspect", self.model)["hypernet"]["target"]
        self.assertEqual((made["layers"][0]["generator"], "neighbours" in made), (report["generator"], report["item_item"]))
        told = run("train", "--store", self.store, "--out", self.path("told"), "--epochs", 1, "--dim", 8, "--threads", 1)
        self.assertIn("hidden layer: ", told.stderr)
        for name in ("shared", "core"):
            self.assertRegex(told.stderr, "choose %s 100%% of epoch 1/1  loss .*  ndcg@10" % name)

    def test_same_seed_same_bytes_whatever_the_threads(self):
        files = []
        for i, more in enumerate((["--threads", 1], ["--threads", 2], ["--seed", 2])):
            files.append(self.path("seed%d" % i))
            self.train(self.store, files[-1], "--name", "n", "--model-version", "1", "--no-contexts", *more)
        self.assertEqual(digest(files[0]), digest(files[1]))
        self.assertNotEqual(digest(files[0]), digest(files[2]))

    def interrupted_at(self, out, reached):
        """Ctrl-C at the first line of progress that is so; the status, both outputs, and what came before the signal."""
        p = subprocess.Popen([HYPERNET, "train", "--store", self.store, "--out", out, "--epochs", "1000", "--dim", "8",
                              "--threads", "1", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=environment())
        before = []
        for line in p.stderr:
            before.append(line)
            if reached(line):
                break
        p.send_signal(signal.SIGINT)
        rest_out, rest_err = p.communicate(timeout=600)
        return p.returncode, rest_out, rest_err, before

    def test_an_interrupt_keeps_the_best_so_far(self):
        out = self.path("interrupted")
        status, text, err, _ = self.interrupted_at(out, lambda line: "100% of epoch 2/" in line)
        self.assertEqual(status, 0, err)
        self.assertIn("interrupted: the best model so far is kept", err)
        report = json.loads(text)
        self.assertEqual(report["ended"], "interrupted")
        self.assertLess(report["epochs"], 1000)
        self.assertEqual(done_json("inspect", out)["hypernet"]["n_items"], self.items)

    def test_an_interrupt_before_the_first_epoch_writes_nothing_and_ends_with_130(self):
        out = self.path("nothing")
        for _ in range(5):  # where the machine is slow to bring the signal, an epoch may be done before it
            status, text, err, before = self.interrupted_at(out, lambda line: "training will" in line)
            self.assertRegex(before[-1], "training will take about .* on 1 idle thread, up to .* of memory")
            if "100% of epoch 1/" not in err:
                break
        self.assertEqual((status, text), (130, ""), err)
        self.assertIn("nothing is written", err)
        self.assertFalse(os.path.exists(out))

    def test_a_deadline_ends_training_with_a_model(self):
        report = self.train(self.store, self.path("late"), "--deadline-seconds", "0.001", "--model-version", "late")
        self.assertEqual((report["epochs"], report["ended"]), (0, "deadline"))
        self.assertTrue(os.path.exists(self.path("late")))
        with contextlib.closing(sqlite3.connect(self.store)) as db:  # the deadline is one for contexts too: they are made at first use
            self.assertEqual(db.execute("SELECT count(*) FROM contexts WHERE model_version = 'late'").fetchone(), (0,))

    def refused(self, status, text, *args):
        r = run("train", *args)
        self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
        self.assertIn(text, r.stderr)
        return r

    def test_a_path_that_cannot_be_written_is_found_out_before_training(self):
        for out, text in ((self.path("no/such/folder"), "No such file or directory"), (self.dir, "is a folder")):
            r = self.refused(1, text, "--store", self.store, "--out", out)
            self.assertNotIn("search", r.stderr)

    def test_a_store_with_too_little_is_refused(self):
        with open(self.path("none.tsv"), "w") as f:
            f.write("user\tcountry\nu1\tBE\n")
        done("import", "--store", self.path("empty.db"), "--users", self.path("none.tsv"))
        self.refused(1, "", "--store", self.path("empty.db"), "--out", self.path("x"))
        self.assertFalse(os.path.exists(self.path("x")))
        self.refused(1, "No such file", "--store", self.path("absent.db"), "--out", self.path("x"))

    def test_wrong_use_says_what_to_do(self):
        both = ["--store", self.store, "--out", self.path("x")]
        self.refused(2, "core, low_rank, full or shared, not 'huge'", *both, "--generator", "huge")
        self.refused(2, "core, low_rank, full or shared, not 'chunked'", *both, "--generator", "chunked")
        self.refused(2, "at most 128 bytes", *both, "--name", "n" * 129)


if __name__ == "__main__":
    unittest.main()
