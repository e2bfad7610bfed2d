"""Contexts of old model versions: `train --keep-versions` drops them but those that callers gave, and `inspect STORE` says what there is."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402


class Versions(unittest.TestCase):
    def setUp(self):
        self.store = hn.world().copy_store()

    def train(self, version, *args):
        return hn.run("train", "--store", self.store, "--out", hn.world().path("versions.hn"), "--epochs", 1, "--dim", 4, "--model-version",
                      version, *args)

    def inspect(self):
        return json.loads(hn.run("inspect", self.store, "--json").out)

    def versions(self, model="default"):
        return {v["model_version"]: (v["contexts"], v["given"]) for v in self.inspect()["versions"] if v["model"] == model}

    def test_contexts_of_old_versions_go_and_given_ones_stay(self):
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            db.execute("UPDATE contexts SET given = 1 WHERE model = 'default' AND id IN ('u1', 'u2')")
            db.commit()
        self.train("2")
        self.assertEqual(self.versions(), {"1": (300, 2), "2": (300, 0)})
        done = self.train("3")
        self.assertIn("298 contexts of versions before the last 2 were dropped", done.err)
        self.assertEqual(self.versions(), {"1": (2, 2), "2": (300, 0), "3": (300, 0)})
        self.assertEqual(self.versions("other"), {"1": (300, 0)})  # each name by itself
        self.train("4", "--keep-versions", "1")
        self.assertEqual(self.versions(), {"1": (2, 2), "4": (300, 0)})
        self.train("5", "--keep-versions", "0")
        self.assertEqual(self.versions(), {"1": (2, 2), "4": (300, 0), "5": (300, 0)})

    def test_a_version_without_contexts_of_its_own_counts(self):
        self.train("2", "--no-contexts", "--keep-versions", "1")
        self.assertEqual(self.versions(), {})
        answer = hn.run("recommend", "--store", self.store, "--model", hn.world().model, "--user", "u1", "--json")
        before = hn.run("recommend", "--store", hn.world().store, "--model", hn.world().model, "--user", "u1", "--json")
        self.assertEqual([i["id"] for i in json.loads(answer.out)["items"]], [i["id"] for i in json.loads(before.out)["items"]])

    def test_another_model_of_the_same_version_does_not_take_its_place(self):
        serving, other = hn.world().path("renewed.hn"), hn.world().path("versions.hn")
        shutil.copyfile(hn.world().model, serving)
        with hn.Server(models=[serving], store=self.store) as server:
            def take(path, metric):
                shutil.copyfile(path, serving + ".part")
                os.rename(serving + ".part", serving)
                server.signal(signal.SIGHUP)
                hn.eventually(lambda: server.metric(metric) == 1, "the file to be looked at")
            before = server.recommend("u1").json
            self.train("1", "--no-contexts")
            take(other, "model_renewals_failed_total")
            hn.eventually(lambda: "train it with another --model-version" in server.log(), "the log to say so")
            self.assertEqual((server.recommend("u1").json, server.recommend("u2").status), (before, 200))
            self.train("2", "--no-contexts")
            take(other, "model_renewals_total")
            self.assertEqual(server.recommend("u1").json["model_version"], "2")

    def test_a_start_with_a_narrower_model_of_the_same_version_makes_contexts_anew(self):
        self.train("1", "--no-contexts")
        model, fresh = hn.world().path("versions.hn"), hn.world().copy_store()
        with contextlib.closing(sqlite3.connect(fresh)) as db:
            db.execute("DELETE FROM contexts")
            db.commit()
        with hn.Server(models=[model], store=self.store) as server, hn.Server(models=[model], store=fresh) as other:
            for user in ("u1", "u2"):
                self.assertEqual(server.recommend(user).body, other.recommend(user).body)
            many = [s.request("POST", "/v1/recommendations", {"users": ["u3", "u4"]}).json["results"] for s in (server, other)]
            self.assertEqual(*[[(answer["user"], answer["items"]) for answer in answers] for answers in many])

    def test_inspect_says_what_is_in_a_store(self):
        found = self.inspect()
        self.assertEqual((found["users"], found["items"], found["interactions"], found["contexts"]), (300, 200, found["interactions"], 600))
        self.assertEqual(found["file_bytes"], os.path.getsize(self.store))
        self.assertGreaterEqual(found["schema"], 5)
        text = hn.run("inspect", self.store).out
        for part in ("users         300", "items         200", "default 1: 300 contexts, 0 of them given", "schema"):
            self.assertIn(part, text)

    def test_inspect_names_a_database_of_another_program(self):
        path = hn.world().path("another.db")
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE t (x)")
            db.commit()
        done = hn.run("inspect", path, check=False)
        self.assertEqual((done.returncode, done.out), (1, ""))
        self.assertIn("another program", done.err)


if __name__ == "__main__":
    unittest.main()
