"""A model of counts over HTTP: what is no count is refused by its place and nothing is stored, what is answered are counts, and examples
move the rate of a task whose counts are far from the others' without leaving it."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Counts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = hn.temporary_folder()
        cls.model, rng = f"{cls.folder}/counts.hn", random.Random(2)
        with open(f"{cls.folder}/learned.csv", "w", encoding="utf-8") as f:
            f.write("shop,price,units\n")
            for shop in range(30):
                share = rng.uniform(0.01, 0.2)
                for _ in range(12):
                    price = rng.uniform(0, 1)
                    f.write(f"s{shop},{price:.3f},{sum(rng.random() < share * (1.5 - price) for _ in range(30))}\n")
        hn.run("train", "--rows", f"{cls.folder}/learned.csv", "--task", "shop", "--target", "units", "--target-scale", "count", "--out", cls.model,
               "--name", "counts", "--model-version", "1", "--epochs", 2, "--threads", 1)

    def test_what_is_no_count_is_refused_by_its_place_and_nothing_is_stored(self):
        with hn.Server(models=[self.model]) as server:
            for units, told in ((2.5, "whole number"), (-1, "below 0"), (1e10, "whole number")):
                rows = [{"price": 0.5, "units": 3}, {"price": 0.5, "units": units}]
                answer = server.admin("PUT", "/v1/admin/tasks/new", {"support": {"rows": rows}})
                self.assertEqual(answer.status, 422, answer)
                self.assertIn("/support/rows/1/units", str(answer.json))
                self.assertIn(told, str(answer.json))
            self.assertEqual(server.request("GET", "/v1/tasks/new").status, 404)

    def test_what_is_answered_are_counts(self):
        with hn.Server(models=[self.model]) as server:
            rows = [{"price": p, "units": u} for p, u in ((0.1, 5), (0.5, 3), (0.9, 2), (0.4, 4))]
            self.assertEqual(server.admin("PUT", "/v1/admin/tasks/new", {"support": {"rows": rows}}).status, 201)
            body = {"rows": [{"price": 0.2}, {"price": 0.8}], "samples": 200, "seed": 1}
            answer = server.request("POST", "/v1/tasks/new/predictions", body).json
            for p in answer["predictions"]:
                self.assertTrue(all(s == int(s) and s >= 0 for s in p["samples"]), p)
                self.assertAlmostEqual(sum(p["samples"]) / 200, p["value"], delta=0.25 * p["value"] + 0.3)
                self.assertTrue(all(b == int(b) for b in p["interval"]), p)
                self.assertTrue(p["interval"][0] <= p["value"] <= p["interval"][1], p)
                self.assertLess(p["epistemic"], p["deviation"])
            self.assertEqual(answer, server.request("POST", "/v1/tasks/new/predictions", body).json)
            self.assertGreater(answer["predictions"][0]["value"], answer["predictions"][1]["value"])

    def test_a_task_far_from_the_others_comes_near_its_own_counts(self):
        with hn.Server(models=[self.model]) as server:
            asked = {"rows": [{"price": 0.5}], "clamp": False}
            before = server.request("POST", "/v1/tasks/far/predictions", asked, params={"cold_start": "true"}).json["predictions"][0]["value"]
            rows = [{"price": 0.3 + 0.1 * (i % 5), "units": 300 + i} for i in range(20)]
            self.assertEqual(server.admin("PUT", "/v1/admin/tasks/far", {"support": {"rows": rows}}).status, 201)
            after = server.request("POST", "/v1/tasks/far/predictions", asked).json["predictions"][0]["value"]
            self.assertLess(before, 10)
            self.assertGreater(after, 150)
            self.assertLess(after, 600)

    def test_zeros_and_ones_are_classes_or_numbers_or_counts_as_it_is_said(self):
        rng, path, model = random.Random(3), f"{self.folder}/faults.csv", f"{self.folder}/faults.hn"
        with open(path, "w", encoding="utf-8") as f:
            f.write("shop,heat,faults\n")
            for i in range(96):
                heat = rng.uniform(0, 1)
                f.write(f"s{i % 8},{heat:.3f},{int(rng.random() < 0.1 + 0.5 * heat)}\n")
        train = ("train", "--rows", path, "--task", "shop", "--target", "faults", "--out", model, "--epochs", 1, "--threads", 1)
        for words, what in ((("--objective", "regression"), "by least squared error"),
                            (("--objective", "regression", "--target-scale", "count"), "by a likelihood of counts")):
            hn.run(*train, *words)
            self.assertIn(what, hn.run("inspect", model).out, words)
        for words in (("--objective", "ranking"), ("--objective", "nonsense")):
            r = hn.run(*train, *words, check=False)
            self.assertNotEqual(r.returncode, 0)
            self.assertIn("--objective is regression or classification for --rows", r.err)
        r = hn.run(*train, "--target-scale", "count", check=False)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("for targets that are numbers", r.err)
        hn.run(*train, env={"HYPERNET_OBJECTIVE": "rating"})  # a variable is for all commands
        self.assertIn("classification", hn.run("inspect", model).out)


if __name__ == "__main__":
    unittest.main()
