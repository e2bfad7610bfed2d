"""`evaluate --metrics rmse,mae` against the same figures computed here from what the server predicts, and from the tables for the
baselines; and its edges: items and users nobody knows, rows without a rating, models that predict none."""
import collections
import json
import math
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402


def errors_to_figures(errors):
    return {"rmse": math.sqrt(sum(e * e for e in errors) / len(errors)), "mae": sum(map(abs, errors)) / len(errors)}


class Ratings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        w = cls.world = hn.world()
        cls.store, cls.model = w.copy_store(), w.path("stars.hn")
        hn.run("train", "--store", cls.store, "--out", cls.model, "--objective", "rating", "--name", "stars", "--model-version", "1",
               "--dim", 4, "--epochs", 5, "--no-contexts")
        rng = random.Random(2)
        cls.rows = [(r["user"], r["item"], float(r["rating"])) for r in w._rows(w.path("tables", "test.tsv"))[:60]]
        cls.rows += [(u, i, rng.randint(1, 5)) for u in w.users[:5] for i in rng.sample(w.items, 3)]  # several of one user
        cls.rows = list({(u, i): (u, i, r) for u, i, r in reversed(cls.rows)}.values())
        cls.ratings = collections.defaultdict(dict)
        for r in w._rows(w.path("tables", "interactions.tsv")):
            cls.ratings[r["user"]][r["item"]] = float(r["rating"])
        cls.server = hn.Server(store=cls.store, models=[cls.model])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def table(self, rows, name="rated.tsv"):
        return self.world.file(name, "user\titem\trating\n" + "".join("%s\t%s\t%g\n" % r for r in rows))

    def command(self, rows, *args, check=True, metrics="rmse,mae", model=None):
        return hn.run("evaluate", "--store", self.store, "--model", model or self.model, "--test", self.table(rows), "--metrics", metrics,
                      *args, check=check)

    def evaluate(self, rows, *args):
        return json.loads(self.command(rows, "--json", *args).out)

    def predict(self, user, item, **params):
        answer = self.server.request("POST", hn.path_of_user(user) + "/predictions", {"items": [item]}, params=params)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["predictions"][0]["score"]

    def compare(self, system, errors):
        for name, value in errors_to_figures(errors).items():
            self.assertAlmostEqual(system["metrics"][name]["mean"], value, delta=2e-5, msg=(system["name"], name))

    def levels(self):
        """The mean of all ratings and how far each item is from it, drawn to zero by 25 ratings."""
        given = [(i, r) for mine in self.ratings.values() for i, r in mine.items()]
        mean = sum(r for _, r in given) / len(given)
        of_item = collections.defaultdict(list)
        for i, r in given:
            of_item[i].append(r - mean)
        return mean, collections.defaultdict(float, {i: sum(d) / (25 + len(d)) for i, d in of_item.items()})

    def test_a_model_is_measured_by_what_the_server_predicts(self):
        result = self.evaluate(self.rows)
        self.assertEqual((result["test_rows"], result["users"]), (len(self.rows), len({u for u, _, _ in self.rows})))
        self.compare(result["systems"][0], [self.predict(u, i) - r for u, i, r in self.rows])

    def test_baselines_are_the_mean_and_the_levels_of_user_and_item(self):
        mean, item_level = self.levels()
        names, biased = [], []
        for u, i, r in self.rows:
            own = [x - mean - item_level[j] for j, x in self.ratings[u].items()]
            biased.append(min(max(mean + item_level[i] + sum(own) / (10 + len(own)), 1), 5) - r)
        result = self.evaluate(self.rows, "--baselines")
        names = [s["name"] for s in result["systems"]]
        self.assertEqual(names, ["stars 1", "mean", "user and item bias"])
        self.compare(result["systems"][1], [mean - r for _, _, r in self.rows])
        self.compare(result["systems"][2], biased)

    def test_intervals_are_paired_and_hold_the_figure(self):
        for system in self.evaluate(self.rows, "--baselines")["systems"][1:]:
            for name, m in system["metrics"].items():
                self.assertTrue(m["interval"][0] < m["mean"] < m["interval"][1], name)
                self.assertTrue(m["difference_interval"][0] <= m["difference"] <= m["difference_interval"][1], name)
                self.assertLess(m["difference_interval"][1] - m["difference_interval"][0], m["interval"][1] - m["interval"][0])

    def test_an_item_nobody_has_is_predicted_by_the_mean(self):
        user, mean = self.world.users[0], self.levels()[0]
        result = self.evaluate([(user, "no-such", 5)], "--baselines")
        self.assertEqual(result["unknown_items"], 1)
        for system in result["systems"]:
            self.compare(system, [mean - 5])

    def test_a_user_nobody_has_told_of_has_the_prior_s_answer_and_is_named(self):
        item = self.world.items[3]
        result = self.evaluate([("stranger", item, 4)], "--baselines")
        self.assertEqual((result["users_without_context"], result["first_without_context"]), (1, ["stranger"]))
        self.compare(result["systems"][0], [self.predict("stranger", item, cold_start="true") - 4])
        mean, item_level = self.levels()
        self.compare(result["systems"][2], [min(max(mean + item_level[item], 1), 5) - 4])

    def test_new_users_are_predicted_from_the_ratings_that_are_given(self):
        items = self.world.items
        known = self.world.file("rated-known.tsv", "user\titem\trating\n" + "".join("fresh\t%s\t%d\n" % (i, 1 + n % 2)
                                                                                    for n, i in enumerate(items[:9])))
        result = self.evaluate([("fresh", items[20], 4), ("fresh", items[21], 2)], "--known", known, "--known-counts", "0,4")
        for case in result["cases"]:
            body = {"interactions": [{"item": i, "rating": 1 + n % 2} for n, i in enumerate(items[:case["count"]])]}
            self.server.register("fresh", body)
            self.compare(case["systems"][0], [self.predict("fresh", items[20]) - 4, self.predict("fresh", items[21]) - 2])
            self.server.forget("fresh")

    def test_what_cannot_be_measured_is_refused(self):
        bare = self.world.file("bare.tsv", "user\titem\n%s\t%s\n" % (self.world.users[0], self.world.items[0]))
        done = hn.run("evaluate", "--store", self.store, "--model", self.model, "--test", bare, "--metrics", "rmse", check=False)
        self.assertEqual((done.returncode, done.out), (1, ""))
        self.assertIn("without a rating", done.err)
        done = self.command(self.rows, check=False, model=self.world.model)
        self.assertEqual(done.returncode, 1)
        self.assertIn("predicts no ratings", done.err)
        self.assertEqual(self.command(self.rows, check=False, metrics="rmse,hr@10").returncode, 2)
        self.assertEqual(self.command(self.rows, "--candidates", bare, check=False).returncode, 2)


if __name__ == "__main__":
    unittest.main()
