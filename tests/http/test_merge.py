"""POST /v1/users/{user}/merge and GET /v1/users/{user}/export: the visitor who signs in, and all that is held of somebody."""
import os
import sys
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Users(hn.Case):
    def merge(self, user, **body):
        return self.server.admin("POST", hn.path_of_user(user) + "/merge", body)

    def export(self, user):
        return self.server.request("GET", hn.path_of_user(user) + "/export")

    def lists(self, user):
        return self.server.recommend(user, limit=200).json["items"]

    def record(self, user, events):
        answer = self.server.request("POST", "/v1/events", {"events": [{"user": user, **x} for x in events]})
        self.assertEqual(answer.status, 200, answer)

    def events(self):
        """Of one life: (before signing in, after)."""
        items = self.world.items
        before = [{"item": items[i], "timestamp": 1000 + i, "kind": kind} for i, kind in ((0, "view"), (1, "view"), (2, "purchase"), (1, "like"))]
        before.append({"item": items[1], "timestamp": 1100, "kind": "view", "weight": 2})
        after = [{"item": items[i], "timestamp": 2000 + i, "kind": kind} for i, kind in ((1, "view"), (3, "purchase"), (5, "dislike"), (0, "view"))]
        return before, after


class Merge(Users):
    def test_a_merged_visitor_is_answered_as_somebody_who_did_it_all_under_one_id(self):
        before, after = self.events()
        for user, profile in (("one", {"age": "25-34", "gender": "F"}), ("visitor", {"age": "18-24", "gender": "F"}), ("known", {"age": "25-34"})):
            self.assertEqual(self.server.register(user, {"profile": profile}).status, 201)
        self.record("one", before + after)
        self.record("visitor", before)
        self.record("known", after)
        answer = self.merge("known", **{"from": "visitor"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual((answer.json["id"], answer.json["from"], answer.json["source"]), ("known", "visitor", "interactions"))
        self.assertEqual(answer.json["revision"], self.server.user("known").json["revision"])
        self.assertEqual(self.lists("known"), self.lists("one"))
        one, known = self.export("one").json, self.export("known").json
        self.assertEqual((known["profile"], known["interactions"]), (one["profile"], one["interactions"]))

    def test_counts_add_and_the_first_and_last_time_stay(self):
        before, after = self.events()
        for user in ("anon", "eve"):
            self.server.register(user, {})
        self.record("anon", before)
        self.record("eve", after)
        self.assertEqual(self.merge("eve", **{"from": "anon"}).status, 200)
        views = {x["item"]: x for x in self.export("eve").json["interactions"] if x["kind"] == "view"}
        item = self.world.items[1]
        self.assertEqual((views[item]["count"], views[item]["first"], views[item]["last"]), (3, 1001, 2001))

    def test_who_was_merged_is_forgotten_with_all_that_was_his(self):
        self.server.register("left", {"profile": {"age": "25-34"}, "interactions": [{"item": self.world.items[7]}]})
        self.server.register("stays", {})
        self.lists("left")
        self.assertEqual(self.merge("stays", **{"from": "left"}).status, 200)
        self.assertProblem(self.server.user("left"), 404, "unknown-user")
        self.assertProblem(self.server.recommend("left"), 404, "unknown-user")
        self.assertNotIn("'left'", str(self.server.rows()))
        self.assertProblem(self.merge("stays", **{"from": "left"}), 404, "unknown-user")
        self.assertEqual(self.server.user("stays").json["profile"], {"age": "25-34"})

    def test_what_is_refused_changes_nothing(self):
        self.server.register("a", {"profile": {"x": "1" * 9000}})
        self.server.register("b", {"profile": {"y": "1" * 9000}})
        rows = self.server.rows()
        for answer, status, kind, pointer in ((self.merge("a", **{"from": "a"}), 422, "invalid-value", "/from"),
                                              (self.merge("a", **{"from": "b"}), 422, "invalid-value", "/from"),
                                              (self.merge("a", **{"from": 5}), 422, "invalid-value", "/from"),
                                              (self.merge("a"), 422, "invalid-value", "/from"),
                                              (self.merge("a", **{"from": "b", "x": 1}), 422, "invalid-value", "/x"),
                                              (self.merge("a", **{"from": "nobody"}), 404, "unknown-user", "/from"),
                                              (self.merge("nobody", **{"from": "a"}), 404, "unknown-user", None)):
            self.assertProblem(answer, status, kind)
            self.assertEqual(answer.json.get("pointer"), pointer)
        self.assertEqual(self.server.rows(), rows)

    def test_another_server_on_the_store_follows(self):
        self.server.register("seen", {"interactions": [{"item": self.world.items[0]}]})
        self.server.register("new", {})
        with hn.Server(store=self.server.store) as other:
            old = other.recommend("new", limit=50).json["items"]
            other.recommend("seen")
            self.assertEqual(self.merge("new", **{"from": "seen"}).status, 200)
            hn.eventually(lambda: other.recommend("new", limit=50).json["items"] != old, "the merge")
            hn.eventually(lambda: other.recommend("seen").status == 404, "the end of who was merged")
            self.assertEqual(other.recommend("new", limit=200).json["items"], self.lists("new"))


    def test_it_takes_the_admin_token_since_somebody_is_forgotten(self):
        with hn.Server("--api-token-file", self.world.secret("api-token", "x" * 32 + "\n")) as server:
            rows = server.rows()
            for token in (None, "x" * 32):
                self.assertProblem(server.request("POST", "/v1/users/u1/merge", {"from": "u2"}, token=token), 401, "unauthorized")
            self.assertEqual(server.rows(), rows)
            self.assertEqual(server.admin("POST", "/v1/users/u1/merge", {"from": "u2"}).status, 200)
        self.assertProblem(self.server.request("POST", "/v1/users/u1/merge", {"from": "u2"}), 401, "unauthorized")


class Export(Users):
    def test_all_that_is_held_of_somebody_is_one_object(self):
        items = self.world.items
        self.assertEqual(self.server.admin("PUT", "/v1/admin/items/" + quote("of the store alone"), {}).status, 201)
        self.server.register("ada/1", {"profile": {"age": "25-34"}, "interactions": [
            {"item": items[3], "timestamp": 5, "rating": 4.5}, {"item": "of the store alone", "timestamp": 6, "weight": 0.1}]})
        self.record("ada/1", [{"item": items[3], "timestamp": 8, "kind": "view"}, {"item": items[3], "timestamp": 9, "kind": "view"}])
        answer = self.export("ada/1")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["id"], "ada/1")
        self.assertEqual(answer.json["profile"], {"age": "25-34"})
        self.assertEqual(answer.json["interactions"], [
            {"item": items[3], "kind": "interaction", "count": 1, "first": 5, "last": 5, "weight": 1, "rating": 4.5},
            {"item": "of the store alone", "kind": "interaction", "count": 1, "first": 6, "last": 6, "weight": 0.1, "rating": None},
            {"item": items[3], "kind": "view", "count": 2, "first": 8, "last": 9, "weight": 1, "rating": None}])
        context, = answer.json["contexts"]
        self.assertEqual((context["model"], context["given"], context["revision"]), ("default", False, answer.json["revision"]))
        self.assertEqual(context["numbers"], self.world.description["hypernet"]["d_context"])

    def test_every_interaction_of_a_user_is_there(self):
        for user in ("u1", "u2"):
            self.assertEqual(sorted(x["item"] for x in self.export(user).json["interactions"]), sorted(self.world.interactions[user]))

    def test_nobody_has_nothing(self):
        self.server.register("blank", {})
        answer = self.export("blank").json
        self.assertEqual((answer["profile"], answer["interactions"]), (None, []))
        self.assertProblem(self.export("nobody"), 404, "unknown-user")

    def test_it_is_as_private_as_the_user(self):
        with hn.Server("--api-token-file", self.world.secret("api-token", "x" * 32 + "\n")) as server:
            path = "/v1/users/u1/export"
            self.assertProblem(server.request("GET", path), 401, "unauthorized")
            self.assertEqual(server.request("GET", path, token="x" * 32).status, 200)
            self.assertProblem(server.request("GET", "/v1/users/u1/similar"), 401, "unauthorized")


if __name__ == "__main__":
    unittest.main()
