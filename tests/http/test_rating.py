"""`train --objective rating` and what its model answers: predicted ratings in the range of ratings, better than the levels
of users and items alone, for users of the training and for new ones, over HTTP."""
import json
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402


def train(store, out, *args, check=True):
    return hn.run("train", "--store", store, "--out", out, "--objective", "rating", "--name", "stars", "--model-version", "1", "--json", *args,
                  check=check)


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        cls.model = cls.world.path("rating.hn")
        cls.report = json.loads(train(cls.world.copy_store(), cls.model).out)
        cls.description = json.loads(hn.run("inspect", cls.model, "--json").out)["hypernet"]

    def refused(self, store, *args, status):
        done = train(store, self.world.path("refused.hn"), *args, check=False)
        self.assertEqual(done.returncode, status, done.err)
        self.assertFalse(os.path.exists(self.world.path("refused.hn")))
        return done.err

    def test_the_report_says_what_was_chosen_and_what_it_is_worth(self):
        self.assertEqual(self.report["objective"], "rating")
        self.assertLess(self.report["rmse"], self.report["biases_rmse"])
        self.assertEqual(self.description["objective"], "rating")
        ratings = self.description["encoder"]["ratings"]
        self.assertEqual((ratings["least"], ratings["most"], ratings["dim"]), (1, 5, self.report["dim"]))

    def test_same_seed_same_bytes_whatever_the_threads(self):
        contents = []
        for more in (["--threads", 1], ["--threads", 2], ["--threads", 1, "--seed", 2]):
            path = self.world.path("again.hn")
            train(self.world.store, path, "--dim", 6, "--epochs", 4, "--no-contexts", *more)
            with open(path, "rb") as f:
                contents.append(f.read())
        self.assertEqual(contents[0], contents[1])
        self.assertNotEqual(contents[0], contents[2])

    def test_width_and_steps_can_be_given(self):
        report = json.loads(train(self.world.store, self.world.path("narrow.hn"), "--dim", 3, "--epochs", 2, "--no-contexts").out)
        self.assertEqual(report["dim"], 3)
        self.assertLessEqual(report["epochs"], 2)

    def test_a_deadline_ends_in_a_model(self):
        path = self.world.path("short.hn")
        train(self.world.store, path, "--deadline-seconds", 0.001, "--no-contexts")
        self.assertEqual(json.loads(hn.run("inspect", path, "--json").out)["hypernet"]["objective"], "rating")

    def test_another_objective_and_a_checkpoint_are_refused(self):
        self.assertIn("no checkpoints", self.refused(self.world.store, "--checkpoint", self.world.path("c"), status=1))
        self.assertIn("ranking or rating", self.refused(self.world.store, "--objective", "regression", status=2))

    def test_a_generator_is_refused_as_there_is_no_hidden_layer(self):
        for name in ("core", "low_rank", "full", "shared"):
            self.assertIn("no hidden layer", self.refused(self.world.store, "--generator", name, status=1))

    def test_a_store_without_ratings_is_refused(self):
        store = self.world.path("unrated.db")
        rows = self.world.file("unrated.csv", "user,item\n" + "".join(
            "u%d,i%d\n" % (u, i) for u in range(10) for i in range(u, u + 4)))
        hn.run("import", "--store", store, "--interactions", rows)
        self.assertIn("at least 10 ratings", self.refused(store, status=1))


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Training.setUpClass()
        cls.world, cls.model = hn.world(), Training.model
        cls.server = hn.Server(store=cls.world.copy_store(), models=[cls.model])
        cls.tests = [(r["user"], r["item"], float(r["rating"])) for r in cls.world._rows(cls.world.path("tables", "test.tsv"))]

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def predict(self, user, items):
        answer = self.server.request("POST", hn.path_of_user(user) + "/predictions", {"items": items})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([p["id"] for p in answer.json["predictions"]], items)
        return [p["score"] for p in answer.json["predictions"]]

    def test_predicted_ratings_are_in_the_range_and_near_what_users_gave_next(self):
        given = [rating for _, _, rating in self.tests]
        mean = sum(given) / len(given)
        error = around_mean = 0
        for user, item, rating in self.tests:
            score, = self.predict(user, [item])
            self.assertTrue(1 <= score <= 5, score)
            error += (score - rating) ** 2
            around_mean += (mean - rating) ** 2
        self.assertLess(math.sqrt(error), 0.9 * math.sqrt(around_mean))

    def test_recommendations_are_ordered_by_the_rating_before_it_is_cut(self):
        user = self.world.users[0]
        items = self.server.recommend(user, limit=1000).json["items"]
        scores = [i["score"] for i in items]
        self.assertEqual(scores, sorted(scores, reverse=True))
        cut = self.predict(user, [i["id"] for i in items])
        for score, rating in zip(scores, cut):
            self.assertAlmostEqual(min(max(score, 1), 5), rating, places=5)

    def test_users_of_an_item_are_ordered_by_their_ratings_before_they_are_cut(self):
        item = self.world.items[9]
        for stars in range(1, 6):
            self.server.register("rater%d" % stars, {"interactions": [{"item": i, "rating": stars} for i in self.world.items[20:30]]})
        found = self.server.admin("GET", "/v1/items/%s/users" % item, params={"exclude_seen": "false", "limit": 50}).json["users"]
        scores = [u["score"] for u in found]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual([u["id"] for u in found if u["id"].startswith("rater")], ["rater5", "rater4", "rater3", "rater2", "rater1"])
        for u in found:
            self.assertAlmostEqual(min(max(u["score"], 1), 5), self.predict(u["id"], [item])[0], places=5)

    def test_a_new_user_is_answered_by_his_ratings_and_each_moves_them(self):
        liked, disliked = self.world.items[:8], self.world.items[8:16]
        self.assertEqual(self.server.register("critic", {"interactions": [{"item": i, "rating": 1} for i in liked + disliked]}).status, 201)
        self.assertEqual(self.server.register("fan", {"interactions": [{"item": i, "rating": 5} for i in liked + disliked]}).status, 201)
        others = self.world.items[20:60]
        critic, fan = sum(self.predict("critic", others)), sum(self.predict("fan", others))
        self.assertLess(critic + len(others), fan)  # a star an item apart
        self.assertEqual(self.server.event("critic", self.world.items[17], rating=5).status, 200)
        self.assertGreater(sum(self.predict("critic", others)), critic)

    def test_interactions_without_a_rating_count_too(self):
        self.assertEqual(self.server.register("silent", {"interactions": [{"item": self.world.items[0]}]}).status, 201)
        self.assertEqual(self.server.register("nobody", {}).status, 201)
        everything = self.world.items
        self.assertNotEqual(self.predict("silent", everything), self.predict("nobody", everything))

    def test_a_rating_too_large_for_an_equation_is_refused_not_answered_with_nonsense(self):
        self.server.register("wild", {"interactions": [{"item": i, "rating": 3e38} for i in self.world.items[:20]]})
        answer = self.server.request("POST", hn.path_of_user("wild") + "/predictions", {"items": [self.world.items[30]]})
        self.assertNotEqual(answer.status, 200, answer)
        self.assertIsNotNone(answer.problem)
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()
