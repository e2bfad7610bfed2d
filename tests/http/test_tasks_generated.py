"""Models of tasks with a network behind the solved layer, its weights generated from that layer: whatever way rows become known, the
same is answered as `predict` says, and the network goes wherever the task does."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops


class Generated(hn.Case):
    @classmethod
    def setUpClass(cls):
        cls.world, cls.shops = hn.world(), shops.shops()
        cls.models = {}
        for name, target, generator in (("shops", "units", "core"), ("busy", "busy", "full")):
            cls.models[name] = cls.world.path(name + "_generated.hn")
            hn.run("train", "--rows", f"{cls.shops.folder}/{name}.csv", "--task", "shop", "--target", target, "--out", cls.models[name],
                   "--name", name, "--epochs", 1, "--generator", generator, "--threads", 1, binary=hn.PREPARED)
        cls.server = hn.Server(models=list(cls.models.values()))

    def rows(self, shop, n):
        return [dict(r, busy="yes" if r["units"] > 30 else "no") for r in self.shops.known(shop, n)]

    def put(self, shop, n):
        self.assertIn(self.server.admin("PUT", f"/v1/admin/tasks/{shop}", {"support": {"rows": self.rows(shop, n)}}).status, (200, 201))

    def values(self, task, model, body=None, **params):
        answer = self.server.request("POST", f"/v1/tasks/{task}/predictions", dict({"rows": self.shops.asked("s20"), "clamp": False}, **body or {}),
                                     params=dict(params, model=model))
        self.assertEqual(answer.status, 200, answer)
        return [[p["value"], *p["interval"]] if model == "shops" else list(p["probabilities"].values()) for p in answer.json["predictions"]]

    def printed(self, path, target, known=None):
        asked = self.world.file("asked.csv", shops.table({"s20": self.shops.rows["s20"][16:]}, target))
        more = ["--known", self.world.file("known.csv", shops.table({"s20": known}, target))] if known else []
        lines = hn.run("predict", "--model", path, "--rows", asked, "--task", "shop", "--no-clamp", *more).out.splitlines()[1:]
        return [[float(c) for c in line.split("\t")[1 if target == "units" else 2:][:3 if target == "units" else 2]] for line in lines]

    def near(self, got, expected, tolerance):
        self.assertEqual(len(got), len(expected))
        for a, b in zip(got, expected):
            for x, y in zip(a, b):
                self.assertAlmostEqual(x, y, delta=tolerance * max(1, abs(y)))

    def test_what_is_served_is_what_predict_says_however_rows_became_known(self):
        for model, target, other in (("shops", "units", "busy"), ("busy", "busy", "units")):
            with self.subTest(model):
                self.put("s20", 10)
                expected = self.printed(self.models[model], target, self.shops.known("s20", 16))
                told = {"rows": self.rows("s20", 16)[10:]}
                self.assertEqual(self.server.request("POST", "/v1/tasks/s20/examples", told).status, 200)
                self.near(self.values("s20", model), expected, 1e-3)
                self.near(self.values("s20", model), self.values("s20", model), 0)  # cached
                self.near(self.values("new", model, {"support": {"rows": [shops.without(r, other) for r in self.rows("s20", 16)]}}), expected, 1e-3)
                self.put("s20", 16)
                self.near(self.values("s20", model), expected, 1e-3)
                prior = self.printed(self.models[model], target)
                self.near(self.values("nobody", model, cold_start="true"), prior, 1e-3)

    def test_a_blend_of_one_is_that_one_and_of_two_is_between_in_what_is_solved(self):
        self.put("s20", 16)
        self.put("s21", 16)
        for model in self.models:
            alone = self.values("s20", model)
            self.near(self.values("new", model, {"contexts": [{"id": "s20"}, {"id": "s21", "weight": 0}]}), alone, 0)
            self.assertNotEqual(self.values("new", model, {"contexts": [{"id": "s20"}, {"id": "s21"}]}), alone)

    def test_draws_are_spread_about_the_value(self):
        self.put("s20", 16)
        answer = self.server.request("POST", "/v1/tasks/s20/predictions", {"rows": self.shops.asked("s20"), "samples": 1000, "clamp": False},
                                     params={"model": "shops"})
        for p in answer.json["predictions"]:
            self.assertAlmostEqual(sum(p["samples"]) / 1000, p["value"], delta=0.5 * p["deviation"])

    def test_a_tasks_own_model_has_its_network(self):
        self.put("s20", 16)
        for model, target in (("shops", "units"), ("busy", "busy")):
            body = self.server.request("GET", "/v1/tasks/s20/weights", params={"model": model}).body
            path = self.world.file("own.safetensors", body)
            self.near(self.printed(path, target), self.values("s20", model), 2e-3)
            self.assertIn("weights shared (0 generated)", hn.run("inspect", path).out)
            self.assertIn("beside it   a network on the same", hn.run("inspect", self.models[model]).out)

    def test_which_task_rows_are_of_is_guessed_with_what_is_generated(self):
        self.put("s20", 16)
        self.put("s23", 16)
        answer = self.server.request("POST", "/v1/tasks/predictions", {"rows": self.shops.rows["s20"][16:]}, params={"model": "shops"})
        self.assertEqual(answer.status, 200, answer)


if __name__ == "__main__":
    unittest.main()
