"""How far scores may be off: their deviations over draws of a user's context."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Spread(hn.Case):
    def user(self, name, n):
        history = [{"item": item, "timestamp": 1700000000 + i} for i, item in enumerate(self.world.items[2:2 + n])]
        self.server.register(name, {"interactions": history})

    def deviations(self, name, **params):
        return {i["id"]: i["deviation"] for i in self.server.recommend(name, **params).json["items"]}

    def test_the_same_seed_gives_the_same_and_the_rest_of_the_answer_is_as_without(self):
        self.user("a", 5)
        once, again, other = (self.server.recommend("a", samples=20, seed=seed).json for seed in (7, 7, 8))
        self.assertEqual(once, again)
        self.assertNotEqual(once, other)
        for item in once["items"]:
            self.assertGreater(item.pop("deviation"), 0)
        plain = self.server.recommend("a")
        self.assertEqual(once, plain.json)
        self.assertNotIn("deviation", plain.body.decode())

    def test_many_draws_agree_whatever_the_seed(self):
        self.user("a", 5)
        one, other = (self.deviations("a", samples=1000, seed=seed) for seed in (1, 2))
        for item in one:
            self.assertAlmostEqual(one[item] / other[item], 1, delta=0.15)

    def test_the_more_is_known_the_smaller_it_is(self):
        means = []
        for n in (1, 12, 40):
            self.user("a%d" % n, n)
            found = self.deviations("a%d" % n, samples=300, limit=100)
            means.append(sum(found.values()) / len(found))
        self.assertEqual(means, sorted(means, reverse=True))

    def test_somebody_unknown_has_one_too(self):
        answer = self.server.recommend("nobody", samples=10, cold_start="true").json
        self.assertTrue(answer["cold"])
        self.assertTrue(all(i["deviation"] > 0 for i in answer["items"]))

    def test_of_an_embedding_that_was_given_nothing_is_known(self):
        width = self.world.description["hypernet"]["d_context"]
        self.server.register("given", {"embedding": [0.1] * width})
        self.assertEqual(set(self.deviations("given", samples=10).values()), {None})

    def test_wrong_values_are_refused_as_others_are(self):
        self.user("a", 5)
        for params in ({"samples": 1}, {"samples": 1001}, {"samples": "x"}, {"samples": 10, "seed": -1}, {"samples": 10, "seed": "1e3"},
                       {"samples": 10, "limit": 101}):
            with self.subTest(params):
                self.assertProblem(self.server.recommend("a", **params), 400, "bad-request")

    def test_reasons_may_be_asked_for_beside_it(self):
        self.user("a", 5)
        for item in self.server.recommend("a", samples=10, explain=2, limit=3).json["items"]:
            self.assertIn("because", item)
            self.assertGreater(item["deviation"], 0)


if __name__ == "__main__":
    unittest.main()
