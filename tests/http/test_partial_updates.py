"""Updates that say part of a user or an item keep the rest: PATCH, and PUT without interactions."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

ALL = {"limit": 1000}
MERGE = {"Content-Type": "application/merge-patch+json"}


class Users(hn.Case):
    use_other_model = True

    def patch(self, user, body, headers=None, **params):
        return self.server.admin("PATCH", hn.path_of_user(user, True), body, headers=headers, params=params)

    def known(self, user, **params):
        return self.server.user(user, **params).json

    def made(self, user, **more):
        items = [{"item": item, "timestamp": 1700000000 + i} for i, item in enumerate(self.world.items[:5])]
        answer = self.server.register(user, dict({"profile": {"age": "25-34", "region": "north"}, "interactions": items}, **more))
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    def test_put_of_a_profile_keeps_the_interactions(self):
        before = self.made("p1")
        after = self.server.register("p1", {"profile": {"age": "65 and over"}})
        self.assertEqual((after.status, after.json["result"], after.json["source"]), (200, "replaced", "interactions"))
        self.assertGreater(after.json["revision"], before["revision"])
        known = self.known("p1")
        self.assertEqual((known["profile"], known["n_interactions"]), ({"age": "65 and over"}, 5))
        self.assertFalse(set(self.world.items[:5]) & set(self.server.recommend("p1", **ALL).items))

    def test_put_replaces_interactions_that_are_given(self):
        self.made("p2")
        self.server.register("p2", {"interactions": [{"item": self.world.items[9]}]})
        self.assertEqual([x["item"] for x in self.known("p2")["interactions"]], [self.world.items[9]])
        self.assertIsNone(self.known("p2")["profile"])
        self.server.register("p2", {"interactions": []})
        self.assertEqual(self.known("p2")["n_interactions"], 0)

    def test_many_at_once_follow_the_same_rule(self):
        for lines in (False, True):
            with self.subTest(lines=lines):
                self.server.forget("p3")
                self.made("p3")
                user = {"id": "p3", "profile": {"age": "45-54"}}
                if lines:
                    answer = self.server.admin("POST", "/v1/admin/users", (str(user).replace("'", '"') + "\n").encode(),
                                               headers={"Content-Type": "application/x-ndjson"})
                else:
                    answer = self.server.admin("POST", "/v1/admin/users", {"users": [user]})
                self.assertEqual(answer.json["users"][0]["source"], "interactions", answer)
                self.assertEqual((self.known("p3")["profile"], self.known("p3")["n_interactions"]), ({"age": "45-54"}, 5))

    def test_a_patch_merges_the_profile_and_keeps_the_rest(self):
        before = self.made("p4")
        for headers in (None, MERGE):
            answer = self.patch("p4", {"profile": {"region": "south", "x": {"a": 1, "b": None}}}, headers)
            self.assertEqual((answer.status, answer.json["result"], answer.json["source"]), (200, "updated", "interactions"))
        self.assertGreater(answer.json["revision"], before["revision"])
        known = self.known("p4")
        self.assertEqual(known["profile"], {"age": "25-34", "region": "south", "x": {"a": 1}})
        self.assertEqual((known["n_interactions"], known["revision"]), (5, answer.json["revision"]))
        self.patch("p4", {"profile": {"region": None, "x": None}})
        self.assertEqual(self.known("p4")["profile"], {"age": "25-34"})
        self.patch("p4", {"profile": None})
        self.assertIsNone(self.known("p4")["profile"])
        self.assertEqual(self.patch("p4", {}).status, 200)
        self.assertEqual(self.known("p4")["n_interactions"], 5)

    def test_answers_follow_a_patch_at_once(self):
        self.server.register("p5", {"profile": {"age": "under 18", "region": "north"}})
        self.server.register("p6", {"profile": {"age": "65 and over", "region": "north"}})
        before = self.server.recommend("p5", **ALL)
        self.assertEqual(self.server.recommend("p5", **ALL).headers["x-hypernet-cache"], "hit")
        revision = self.patch("p5", {"profile": {"age": "65 and over"}}).json["revision"]
        after = self.server.recommend("p5", **ALL)
        self.assertEqual(after.json["context_revision"], revision)
        self.assertEqual(after.headers["x-hypernet-cache"], "miss")
        self.assertNotEqual(after.json["items"], before.json["items"])
        self.assertEqual(after.json["items"], self.server.recommend("p6", **ALL).json["items"])
        other = self.server.recommend("p5", model="other", **ALL).json
        self.assertEqual(other["items"], self.server.recommend("p6", model="other", **ALL).json["items"])

    def test_a_patch_replaces_or_drops_interactions_that_are_given(self):
        self.made("p7")
        self.patch("p7", {"interactions": [{"item": self.world.items[8]}]})
        known = self.known("p7")
        self.assertEqual([x["item"] for x in known["interactions"]], [self.world.items[8]])
        self.assertEqual(known["profile"], {"age": "25-34", "region": "north"})
        self.patch("p7", {"interactions": None})
        self.assertEqual(self.known("p7")["n_interactions"], 0)

    def test_a_given_embedding_stays_until_null(self):
        width = self.world.description["hypernet"]["d_context"]
        self.server.register("p8", {"embedding": [0.5] * width})
        before = self.server.recommend("p8", exclude_seen="false", **ALL).json["items"]
        self.assertEqual(self.patch("p8", {"profile": {"age": "25-34"}}).json["source"], "embedding")
        self.assertEqual(self.server.recommend("p8", exclude_seen="false", **ALL).json["items"], before)
        self.assertEqual(self.patch("p8", {"embedding": None}).json["source"], "profile")
        self.server.register("p9", {"profile": {"age": "25-34"}})
        self.assertEqual(self.server.recommend("p8", **ALL).json["items"], self.server.recommend("p9", **ALL).json["items"])
        self.assertEqual(self.patch("p8", {"embedding": [0.5] * width}).json["source"], "embedding")
        self.assertEqual(self.server.recommend("p8", exclude_seen="false", **ALL).json["items"], before)
        self.assertEqual(self.known("p8")["profile"], {"age": "25-34"})

    def test_what_is_refused_changes_nothing(self):
        self.made("p10")
        before = self.server.rows()
        self.assertProblem(self.patch("nobody", {"profile": {}}), 404, "unknown-user")
        for body, pointer in (({"profile": 5}, "/profile"), ({"profile": []}, "/profile"), ({"interactions": 5}, "/interactions"),
                              ({"embedding": [1]}, "/embedding"), ({"age": 5}, "/age"), ([], ""),
                              ({"interactions": [{"item": "no such"}]}, "/interactions/0/item"),
                              ({"profile": {"x": "y" * 16370}}, "")):
            answer = self.patch("p10", body)
            self.assertEqual((answer.status, answer.json["pointer"]), (422, pointer), answer)
        self.assertProblem(self.server.request("PATCH", hn.path_of_user("p10", True), {}), 401, "unauthorized")
        self.assertProblem(self.patch("p10", {}, {"Content-Type": "text/plain"}), 415, "unsupported-media-type")
        self.assertEqual(self.server.rows(), before)


class Items(hn.Case):
    def patch(self, item, body, headers=None):
        return self.server.admin("PATCH", "/v1/admin/items/" + item, body, headers=headers)

    def known(self, item):
        known = self.server.request("GET", "/v1/items/" + item).json
        return {key: known.get(key) for key in ("title", "categories", "metadata")}

    def test_a_patch_keeps_what_it_leaves_out(self):
        full = {"title": "One", "categories": ["Drama"], "metadata": {"price": 5, "year": 1999}}
        made = self.server.admin("PUT", "/v1/admin/items/a1", full).json
        answer = self.patch("a1", {"metadata": {"price": 6}}, MERGE)
        self.assertEqual((answer.status, answer.json["result"], answer.json["source"]), (200, "updated", made["source"]))
        self.assertGreater(answer.json["revision"], made["revision"])
        self.assertEqual(self.known("a1"), dict(full, metadata={"price": 6, "year": 1999}))
        self.patch("a1", {"title": "Two", "metadata": {"year": None}})
        self.assertEqual(self.known("a1"), {"title": "Two", "categories": ["Drama"], "metadata": {"price": 6}})
        self.patch("a1", {"title": None, "metadata": None})
        self.assertEqual(self.known("a1"), {"title": None, "categories": ["Drama"], "metadata": None})
        self.patch("a1", {"categories": None})
        self.assertEqual(self.known("a1"), {"title": None, "categories": None, "metadata": None})

    def test_answers_follow_a_patch_at_once(self):
        user = self.world.users[0]
        category = self.world.categories[self.world.items[0]][0]
        self.server.admin("PUT", "/v1/admin/items/a2", {"title": "Odd", "metadata": {"x": 1}})
        before = self.server.recommend(user, **ALL).json["items"]
        self.patch("a2", {"title": "Other", "categories": [category]})
        after = {i["id"]: i for i in self.server.recommend(user, **ALL).json["items"]}["a2"]
        self.assertEqual((after["title"], after["categories"]), ("Other", [category]))
        self.assertNotEqual(after["score"], {i["id"]: i for i in before}["a2"]["score"])  # its row is made of its features
        self.assertIn("a2", self.server.recommend(user, category=category, **ALL).items)
        self.patch("a2", {"categories": None})
        self.assertNotIn("a2", self.server.recommend(user, category=category, **ALL).items)

    def test_put_replaces_all(self):
        self.server.admin("PUT", "/v1/admin/items/a3", {"title": "One", "categories": ["Drama"], "metadata": {"a": 1}})
        self.server.admin("PUT", "/v1/admin/items/a3", {"title": "Two"})
        self.assertEqual(self.known("a3"), {"title": "Two", "categories": None, "metadata": None})

    def test_what_is_refused_changes_nothing(self):
        self.server.admin("PUT", "/v1/admin/items/a4", {"title": "One", "metadata": {"z": "z" * 100}})
        self.server.admin("PUT", "/v1/admin/items/a5", {})
        self.server.admin("DELETE", "/v1/admin/items/a5")
        before = self.server.rows()
        for item in ("nothing", "a5"):
            self.assertProblem(self.patch(item, {"title": "x"}), 404, "item-not-found")
        for body, pointer in (({"title": 5}, "/title"), ({"categories": [5]}, "/categories/0"), ({"metadata": []}, "/metadata"),
                              ({"price": 5}, "/price"), ({"metadata": {"x": "y" * 65500}}, "")):
            answer = self.patch("a4", body)
            self.assertEqual((answer.status, answer.json["pointer"]), (422, pointer), answer)
        self.assertEqual(self.server.rows(), before)


if __name__ == "__main__":
    unittest.main()
