"""Two servers on one store: what one writes, the other answers."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

ALL = {"limit": 1000}


class Replicas(unittest.TestCase):
    """A second is promised, on a machine that is not busy; the longest is printed and decides nothing."""

    longest = 0.0

    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        models = [cls.world.model, cls.world.other_model]
        cls.a = hn.Server(models=models)
        cls.b = hn.Server(models=models, store=cls.a.store)

    @classmethod
    def tearDownClass(cls):
        print(f"\na write was seen by the other server after at most {1e3 * cls.longest:.0f} ms", file=sys.stderr)
        cls.a.stop()
        cls.b.stop()

    def seen(self, condition, what):
        begin = time.monotonic()
        hn.eventually(condition, what, every=0.002)
        type(self).longest = max(self.longest, time.monotonic() - begin)

    def pairs(self):
        return (("a", self.a, self.b), ("b", self.b, self.a))

    def test_a_registration_a_replacement_and_a_deletion_are_seen_by_the_other(self):
        for name, here, there in self.pairs():
            user = "p" + name
            self.assertEqual(there.recommend(user).status, 404)
            made = here.register(user, {"interactions": [{"item": self.world.items[0]}]}).json["revision"]
            # nothing is cached for an unknown user: the other one reads the store
            self.assertEqual(there.recommend(user).json["context_revision"], made)
            self.assertEqual(there.recommend(user).headers["x-hypernet-cache"], "hit")
            again = here.register(user, {"interactions": [{"item": self.world.items[1]}]}).json["revision"]
            self.seen(lambda: there.recommend(user).json["context_revision"] == again, "the replacement")
            self.assertEqual(there.recommend(user, **ALL).body, here.recommend(user, **ALL).body)
            self.assertEqual(there.user(user).body, here.user(user).body)
            here.forget(user)
            self.seen(lambda: there.recommend(user).status == 404, "the deletion")

    def test_an_event_is_seen_by_the_other(self):
        for i in range(5):
            for name, here, there in self.pairs():
                user = f"u{20 + i}"
                for server in (here, there):  # cached in both, for both models
                    for model in ("default", "other"):
                        self.assertEqual(server.recommend(user, model=model).status, 200)
                item = there.recommend(user).items[0]
                made = here.event(user, item).json["users"][0]["revision"]
                for model in ("default", "other"):
                    self.seen(lambda: there.recommend(user, model=model).json["context_revision"] == made,
                              "the event")
                self.assertNotIn(item, there.recommend(user, **ALL).items)
                for model in ("default", "other"):
                    self.assertEqual(there.recommend(user, model=model, **ALL).body,
                                     here.recommend(user, model=model, **ALL).body)

    def test_others_stay_cached(self):
        self.a.recommend("u200")
        self.b.recommend("u200")
        made = self.a.event("u201", self.world.items[0]).json["users"][0]["revision"]
        self.seen(lambda: self.b.recommend("u201").json["context_revision"] == made, "the event")
        self.assertEqual(self.b.recommend("u200").headers["x-hypernet-cache"], "hit")

    def test_many_changes_at_once_are_seen_by_the_other(self):
        users = [f"m{i}" for i in range(500)]
        body = {"users": [{"id": user} for user in users]}
        self.a.admin("POST", "/v1/admin/users", body)
        for user in users[:20]:
            self.b.recommend(user)
        answer = self.a.admin("POST", "/v1/admin/users", body).json
        revision = {u["id"]: u["revision"] for u in answer["users"]}
        for user in users[:20]:
            self.seen(lambda: self.b.recommend(user).json["context_revision"] == revision[user], "the replacement")

    def test_items_imported_while_serving_are_seen_by_both(self):
        w = self.world
        item = w.items[5]
        for server in (self.a, self.b):
            self.assertEqual(server.recommend("u30", category="Imported").items, [])
        before = {i["id"]: i for i in self.a.recommend("u30", exclude_seen="false", **ALL).json["items"]}
        table = w.file("more-items.tsv", f"item\ttitle\tcategories\n{item}\tA New Title\tImported|Drama\n")
        hn.run("import", "--store", self.a.store, "--items", table)
        for server in (self.a, self.b):
            self.seen(lambda: server.recommend("u30", category="Imported", exclude_seen="false").items == [item],
                      "the imported item")
            (found,) = server.recommend("u30", category="Imported", exclude_seen="false").json["items"]
            self.assertEqual((found["title"], found["categories"]), ("A New Title", ["Imported", "Drama"]))
            self.assertEqual(found["score"], before[item]["score"])

    def test_interactions_imported_while_serving_are_seen_by_both(self):
        w = self.world
        for server in (self.a, self.b):
            self.assertEqual(server.recommend("u40").status, 200)
        best = self.a.recommend("u40").items[0]
        table = w.file("more-interactions.tsv",
                       f"user\titem\trating\ttimestamp\nu40\t{best}\t5\t1750000000\nnew40\t{best}\t5\t1750000000\n")
        hn.run("import", "--store", self.a.store, "--interactions", table)
        for server in (self.a, self.b):
            self.seen(lambda: best not in server.recommend("u40", **ALL).items, "the imported interaction")
            self.assertEqual(server.recommend("new40").status, 200)
        self.assertEqual(self.a.recommend("u40", **ALL).body, self.b.recommend("u40", **ALL).body)

    def test_a_server_that_dies_leaves_the_other_whole(self):
        c = hn.Server(store=self.a.store)
        made = c.register("d1", {"interactions": [{"item": self.world.items[0]}]}).json["revision"]
        c.kill()
        for server in (self.a, self.b):
            self.assertEqual(server.recommend("d1").json["context_revision"], made)
        self.assertEqual(self.a.register("d2", {}).status, 201)


if __name__ == "__main__":
    unittest.main()
