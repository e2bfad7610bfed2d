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
        self.assertUnused(self.server.request("POST", "/v1/events?on_error=skip&create=false", {"events": events}), 2)

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


class Items(unittest.TestCase):
    """Interactions with items that no answer has: they are kept, and it is said which."""

    def told(self, answer, kind):
        self.assertIn(answer.status, (200, 201), answer)
        found = [w for w in answer.json.get("warnings", []) if w["type"] == "urn:hypernet:warning:" + kind]
        return [(w.get("model"), w["count"], w["items"]) for w in found]

    def ways(self, server, items):
        """Each way to give interactions."""
        given = {"interactions": [{"item": item} for item in items]}
        yield server.request("POST", "/v1/events", {"events": [{"user": "u5", "item": item} for item in items]})
        yield server.request("POST", "/v1/events?on_error=skip",
                             {"events": [{"user": "u6", "item": item} for item in [*items, "no-such"]]})
        yield server.admin("POST", "/v1/events?create=true", {"events": [{"user": "made", "item": item} for item in items]})
        yield server.register("w4", given)
        yield server.admin("PATCH", "/v1/admin/users/w4", given)
        yield server.admin("POST", "/v1/admin/users", {"users": [dict(given, id="w5")]})

    def test_what_is_done_with_a_deleted_item_is_kept_and_said(self):
        w = hn.world()
        with hn.Server(models=[w.model, w.other_model]) as server:
            server.admin("PUT", "/v1/admin/items/later", {"title": "Later"})
            for item in ("later", w.items[3]):
                self.assertEqual(server.admin("DELETE", "/v1/admin/items/" + item).status, 204)
            for answer in self.ways(server, [w.items[0], w.items[3], "later"]):
                self.assertEqual(self.told(answer, "item-deleted"), [(None, 2, [w.items[3], "later"])])
                self.assertEqual(self.told(answer, "item-not-ranked"), [])
            self.assertIn("put again", answer.json["warnings"][0]["detail"])
            self.assertNotIn("warnings", server.register("w4", {"profile": {}}).json)  # what was kept is no news
            self.assertEqual(server.admin("PUT", "/v1/admin/items/later", {}).status, 201)
            self.assertNotIn("warnings", server.event("u5", "later").json)

    def test_what_is_done_with_an_item_that_is_not_ranked_yet_is_kept_and_said(self):
        w = hn.world()
        with hn.Server() as server:
            items = ["m%d" % i for i in range(10103)]
            for some in (items[:9000], items[9000:]):
                self.assertEqual(server.admin("POST", "/v1/admin/items", {"items": [{"id": i} for i in some]}).status, 200)
            for answer in self.ways(server, ["m9999", "m10000", w.items[0], "m10001", "m10000"]):
                self.assertEqual(self.told(answer, "item-not-ranked"), [("default", 3, ["m10000", "m10001"])])
            self.assertIn("train it anew", answer.json["warnings"][0]["detail"])
            many = server.request("POST", "/v1/events", {"events": [{"user": "u7", "item": item} for item in items[10000:]]})
            self.assertEqual(self.told(many, "item-not-ranked"), [("default", 103, items[10000:10100])])
            refused = server.request("POST", "/v1/users/u7/predictions", {"items": ["m10000"]})
            self.assertEqual((refused.status, refused.problem), (422, "unknown-item"))
            self.assertIn("GET /v1/items/{item}", refused.body.decode())


class Categories(unittest.TestCase):
    """A list that is empty because of a name says so."""

    def test_a_category_that_no_item_has_is_named_with_the_one_that_was_meant(self):
        with hn.Server() as server:
            category = next(c for i in server.recommend("u1", limit=50).json["items"] for c in i.get("categories", []))
            kind = "urn:hypernet:warning:unknown-category"
            answer = server.request("GET", f"/v1/users/u1/recommendations?category={category.lower()}&category=No%22pe&category={category}").json
            self.assertEqual([(w["type"], w["category"], w.get("did_you_mean")) for w in answer["warnings"]],
                             [(kind, category.lower(), category), (kind, 'No"pe', None)])
            self.assertTrue(answer["items"])
            empty = server.request("GET", "/v1/users/u1/recommendations?category=nope").json
            self.assertEqual((empty["items"], [w["category"] for w in empty["warnings"]]), ([], ["nope"]))
            self.assertNotIn("warnings", server.request("GET", f"/v1/users/u1/recommendations?category={category}").json)
            self.assertNotIn("warnings", server.recommend("u1").json)
        w = hn.world()
        done = hn.run("recommend", "--store", w.copy_store(), "--model", w.model, "--user", "u1", "--category", category.upper())
        self.assertIn(f"no item has the category '{category.upper()}'; did you mean '{category}'?", done.err)


if __name__ == "__main__":
    unittest.main()
