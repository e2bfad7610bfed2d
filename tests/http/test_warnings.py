"""What an answer says of values that were stored and that a model makes no use of."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Ratings(unittest.TestCase):
    """Two models: `default` was trained with ratings, `plain` on the same interactions without them."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = hn.world()
        with open(w.path("tables", "interactions.tsv"), encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f]
        keep = [i for i, name in enumerate(rows[0]) if name != "rating"]
        table = w.file("plain.tsv", "".join("\t".join(row[i] for i in keep) + "\n" for row in rows))
        hn.run("import", "--store", w.path("plain.db"), "--interactions", table)
        hn.run("train", "--store", w.path("plain.db"), "--out", w.path("plain.hn"), "--epochs", 1, "--dim", 8, "--name", "plain")
        cls.server = hn.Server(models=[w.model, w.path("plain.hn")])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def assertUnused(self, answer, count):
        self.assertIn(answer.status, (200, 201), answer)
        warnings = answer.json["warnings"]
        self.assertEqual([(w["type"], w["model"], w["count"]) for w in warnings],
                         [("urn:hypernet:warning:rating-unused", "plain", count)])
        self.assertIn("rating", warnings[0]["detail"])

    def test_an_event_says_that_its_rating_is_not_used(self):
        user, item = self.world.users[0], self.world.items[0]
        self.assertUnused(self.server.event(user, item, rating=1), 1)
        self.assertNotIn("warnings", self.server.event(user, item).json)
        self.assertNotIn("warnings", self.server.event(user, item, weight=3).json)
        events = [{"user": user, "item": item, "rating": r} for r in (1, 5)] + [{"user": "nobody", "item": item, "rating": 1}]
        self.assertUnused(self.server.request("POST", "/v1/events?on_error=skip", {"events": events}), 2)

    def test_a_registration_says_so_too(self):
        rated = {"interactions": [{"item": self.world.items[0], "rating": 2}, {"item": self.world.items[1]}]}
        self.assertUnused(self.server.register("w1", rated), 1)
        self.assertUnused(self.server.admin("PATCH", "/v1/admin/users/w1", rated), 1)
        many = {"users": [dict(rated, id="w2"), dict(rated, id="w3")]}
        self.assertUnused(self.server.admin("POST", "/v1/admin/users", many), 2)
        self.assertNotIn("warnings", self.server.register("w1", {"profile": {}}).json)

    def test_a_model_trained_with_ratings_says_nothing(self):
        with hn.Server() as server:
            self.assertNotIn("warnings", server.event(self.world.users[0], self.world.items[0], rating=1).json)


if __name__ == "__main__":
    unittest.main()
