"""The command `train` on a simulated world: what is written, that it can be repeated, what an interrupt and a wrong path do."""
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
    def contexts(self, version):
        db = sqlite3.connect(self.store)
        try:
            return db.execute("SELECT count(*), min(length(embedding)), max(length(embedding)) FROM contexts "
                              "WHERE model_version = ?", (version,)).fetchone()
        finally:
            db.close()

    def test_report_says_what_was_made(self):
        self.assertEqual(self.report["model"], "default")
        self.assertEqual(self.report["file"], self.model)
        self.assertRegex(self.report["model_version"], r"^\d{8}T\d{6}\.\d{3}Z$")
        self.assertEqual(self.report["dim"], self.dim)
        self.assertGreaterEqual(self.report["ndcg@10"], self.report["warm_start_ndcg@10"])

    def test_every_user_has_a_context_of_the_version(self):
        width = done_json("inspect", self.model)["hypernet"]["d_context"]
        self.assertEqual(self.contexts(self.report["model_version"]), (self.users, 4 * width, 4 * width))

    def test_without_contexts_none_are_written(self):
        report = self.train(self.store, self.path("none"), "--no-contexts")
        self.assertEqual(self.contexts(report["model_version"])[0], 0)

    def test_versions_of_two_trainings_differ(self):
        reports = [self.train(self.store, self.path("again"), "--no-contexts") for _ in range(2)]
        self.assertNotEqual(reports[0]["model_version"], reports[1]["model_version"])

    def test_same_seed_same_bytes_whatever_the_threads(self):
        files = []
        for i, more in enumerate((["--threads", 1], ["--threads", 2], ["--seed", 2])):
            files.append(self.path("seed%d" % i))
            self.train(self.store, files[-1], "--name", "n", "--model-version", "1", "--no-contexts", *more)
        self.assertEqual(digest(files[0]), digest(files[1]))
        self.assertNotEqual(digest(files[0]), digest(files[2]))

    def test_each_generator_trains_and_answers(self):
        generated = {}
        for name in ("shared", "full", "low_rank", "core"):
            path = self.path("g-" + name)
            self.train(self.store, path, "--generator", name, "--no-contexts")
            layers = done_json("inspect", path)["hypernet"]["target"]["layers"]
            self.assertEqual(layers[0]["generator"], name)
            generated[name] = done_json("inspect", path)["generated_weights"]
            answer = done_json("recommend", "--store", self.store, "--model", path, "--user", "u1")
            self.assertEqual(len(answer["items"]), 10)
        self.assertEqual(min(generated, key=generated.get), "shared")

    def test_an_interrupt_keeps_the_best_so_far(self):
        out = self.path("interrupted")
        p = subprocess.Popen([HYPERNET, "train", "--store", self.store, "--out", out, "--epochs", "1000", "--dim", "8",
                              "--threads", "1", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=environment())
        for line in p.stderr:
            if line.startswith("factorise") or "epoch 1/" in line:
                break
        p.send_signal(signal.SIGINT)
        rest_out, rest_err = p.communicate(timeout=600)
        self.assertEqual(p.returncode, 0, rest_err)
        self.assertLess(json.loads(rest_out)["epochs"], 1000)
        self.assertEqual(done_json("inspect", out)["hypernet"]["n_items"], self.items)

    def test_a_deadline_ends_training_with_a_model(self):
        report = self.train(self.store, self.path("late"), "--deadline-seconds", "0.001", "--no-contexts")
        self.assertLess(report["epochs"], 2)
        self.assertTrue(os.path.exists(self.path("late")))

    def refused(self, status, text, *args):
        r = run("train", *args)
        self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
        self.assertIn(text, r.stderr)
        return r

    def test_a_path_that_cannot_be_written_is_found_out_before_training(self):
        for out, text in ((self.path("no/such/folder"), "No such file or directory"), (self.dir, "is a folder")):
            r = self.refused(1, text, "--store", self.store, "--out", out)
            self.assertNotIn("search", r.stderr)

    def test_nothing_to_train_on(self):
        with open(self.path("none.tsv"), "w") as f:
            f.write("user\titem\n")
        done("import", "--store", self.path("empty.db"), "--interactions", self.path("none.tsv"))
        self.refused(1, "", "--store", self.path("empty.db"), "--out", self.path("x"))
        self.assertFalse(os.path.exists(self.path("x")))
        self.refused(1, "No such file", "--store", self.path("absent.db"), "--out", self.path("x"))

    def test_wrong_use(self):
        both = ["--store", self.store, "--out", self.path("x")]
        self.refused(2, "core, low_rank, full or shared, not 'huge'", *both, "--generator", "huge")
        self.refused(2, "at most 128 bytes", *both, "--name", "n" * 129)


if __name__ == "__main__":
    unittest.main()
