"""Users of one call share passes over the catalogue: each has the list that he has alone, to the last digit, whatever is asked for. The catalogue is
longer than what a pass bounds at a time, and a new item is behind it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"
N_ITEMS = 5000


def fill(folder):
    store, tables = f"{folder}/large.db", f"{folder}/large"
    hn.run("simulate", "--out", tables, "--users", 60, "--items", N_ITEMS, "--interactions", 6000, "--seed", 3, binary=hn.PREPARED)
    hn.run("import", "--store", store, "--interactions", f"{tables}/interactions.tsv", "--users", f"{tables}/users.tsv", "--items", f"{tables}/items.tsv",
           binary=hn.PREPARED)
    hn.run("train", "--store", store, "--out", f"{folder}/large.hn", "--epochs", 1, "--dim", 8, "--seed", 1, "--generator", "core", binary=hn.PREPARED)


class Together(hn.Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = hn.temporary_folder()
        fill(cls.folder)
        cls.server = hn.Server(store=f"{cls.folder}/large.db", models=[f"{cls.folder}/large.hn"])
        with cls.server.client(cls.server.token) as client:
            for i in range(0, N_ITEMS, 50):
                assert client.request("PATCH", f"/v1/admin/items/i{i + 1}", {"metadata": {"price": i}}).status == 200
            for i in range(3):
                assert client.request("PUT", f"/v1/admin/items/new{i}", {"categories": ["Comedy"], "metadata": {"price": i}}).status == 201

    def same_as_alone(self, users, **body):
        answer = self.server.request("POST", PATH, {"users": users, **body})
        self.assertEqual(answer.status, 200, answer)
        results = answer.json["results"]
        self.assertEqual(len(results), len(users))
        for user, result in zip(users, results):
            alone = self.server.request("POST", PATH, {"user": user, **body})
            if alone.status == 200:
                self.assertEqual(result, alone.json, (user, body))
            else:
                self.assertEqual((result["status"], result["type"]), (alone.status, alone.json["type"]))
                self.assertIn(result["detail"], alone.json["detail"])
        return results

    def test_each_has_the_list_that_he_has_alone(self):
        users = [f"u{i % 60 + 1}" for i in range(37)]
        users[20] = "nobody"
        dear = {"field": "metadata.price", "gte": 100}
        for body in ({}, {"limit": 1}, {"limit": 128}, {"limit": 300}, {"offset": 40, "limit": 20}, {"exclude_seen": False},
                     {"exclude": [f"i{i}" for i in range(1, 2000)]}, {"categories": ["Comedy", "Drama"], "limit": 50}, {"filter": {"not": dear}},
                     {"filter": dear}, {"filter": {"field": "title", "eq": "no such"}}, {"candidates": [f"i{i}" for i in range(1, 99)] + ["x"]},
                     {"min_score": 0.5}, {"diversity": 0.4, "limit": 5}, {"max_per": {"field": "categories", "n": 2}},
                     {"cold_start": True, "limit": 3}, {"fallback": ["popular"], "limit": 20}):
            with self.subTest(body=body):
                results = self.same_as_alone(users, **body)
                self.assertTrue(any(result.get("items") for result in results) or "title" in str(body))

    def test_groups_of_every_size(self):
        for n in (1, 2, 15, 16, 17, 33):
            self.same_as_alone([f"u{i + 1}" for i in range(n)], limit=20)

    def test_who_is_unknown_everywhere_or_nobody_is_known(self):
        self.same_as_alone(["a", "b", "u1"])
        self.same_as_alone(["a", "b", "c"])
        self.same_as_alone(["a", "b", "c"], fallback=["popular", "trending"])


if __name__ == "__main__":
    unittest.main()
