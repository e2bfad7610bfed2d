"""What the command `train` writes, trained by one thread: report, version, contexts of the users, each generator."""
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import World, done_json  # noqa: E402


class Written(World):
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


if __name__ == "__main__":
    unittest.main()
