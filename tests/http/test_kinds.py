"""Kinds of events over HTTP: what is kept of a user, what an answer hides, what pushes down, ids of events, what goes, and how the kinds
are configured."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

KINDS = "interaction, view, like, purchase, dislike, shown"


class Kinds(hn.Case):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        cls.server = hn.Server(models=[cls.world.model])

    def history(self, user):
        return [(x["item"], x["kind"], x["count"], x["first"], x["last"]) for x in self.server.user(user).json["interactions"]]

    def ids(self, user, **params):
        return [x["id"] for x in self.server.recommend(user, **{"limit": 1000, **params}).json["items"]]

    def event(self, user, item, **more):
        answer = self.server.event(user, item, **more)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def start(self, user, *items):
        self.server.register(user, {"interactions": [{"item": i, "timestamp": 10 + n} for n, i in enumerate(items)]})

    def test_a_view_erases_no_purchase(self):
        a, b = self.world.items[:2]
        self.start("k1", b)
        self.event("k1", a, kind="purchase", timestamp=100)
        self.event("k1", a, kind="view", timestamp=200)
        self.event("k1", a, kind="view", timestamp=300)
        self.assertEqual(self.history("k1"), [(a, "view", 2, 200, 300), (a, "purchase", 1, 100, 100), (b, "interaction", 1, 10, 10)])

    def test_an_event_with_an_id_counts_once(self):
        a, b = self.world.items[:2]
        self.start("k2", b)
        self.assertNotIn("repeated", self.event("k2", a, kind="view", id="e1", timestamp=100))
        revision = self.server.user("k2").json["revision"]
        self.assertEqual(self.event("k2", a, kind="view", id="e1", timestamp=999),
                         {"accepted": 0, "older": 0, "repeated": 1, "users": []})
        self.assertEqual(self.history("k2")[0], (a, "view", 1, 100, 100))
        self.assertEqual(self.server.user("k2").json["revision"], revision)

    def test_a_repeated_event_makes_no_item(self):
        a, b = self.world.items[:2]
        self.start("k2i", b)
        self.event("k2i", a, id="e1")
        revision = self.server.user("k2i").json["revision"]
        events = [{"user": "k2i", "item": "k2 unknown", "id": "e1"}] * 2
        answer = self.server.admin("POST", "/v1/events?create=true", {"events": events}).json
        self.assertEqual((answer.get("accepted"), answer.get("repeated"), answer.get("users")), (0, 2, []), answer)
        self.assertEqual(answer["created"], {"users": 0, "items": 0})
        self.assertEqual(self.server.request("GET", "/v1/items/k2%20unknown").status, 404)
        self.assertEqual(self.server.user("k2i").json["revision"], revision)
        record = {"id": "k2j", "interactions": [{"item": a, "id": "e1"}, {"item": "k2 unknown", "id": "e1"}]}
        self.assertEqual(self.server.admin("POST", "/v1/admin/users?create=true", {"users": [record]}).status, 200)
        self.assertEqual(self.server.user("k2j").json["n_interactions"], 1)
        self.assertEqual(self.server.request("GET", "/v1/items/k2%20unknown").status, 404)

    def test_new_events_among_repeated_ones_count(self):
        a, b, c = self.world.items[:3]
        self.start("k2n", b)
        self.event("k2n", a, id="e1", timestamp=50)
        events = [{"user": "k2n", "item": i, "id": name, "timestamp": 60} for i, name in ((a, "e1"), (c, "e2"), (c, "e2"))]
        answer = self.server.request("POST", "/v1/events", {"events": events}).json
        self.assertEqual((answer["accepted"], answer["repeated"], len(answer["users"])), (1, 2, 1))
        self.assertEqual(answer["users"][0]["revision"], self.server.user("k2n").json["revision"])
        self.assertEqual([(i, n) for i, _, n, _, _ in self.history("k2n")], [(c, 1), (a, 1), (b, 1)])

    def test_what_was_shown_is_recommended_and_what_was_bought_is_not(self):
        top = None
        self.start("k3", *self.world.items[:3])
        top = self.ids("k3")[:2]
        self.event("k3", top[0], kind="shown")
        self.assertEqual(self.ids("k3")[:2], top)
        self.event("k3", top[0], kind="purchase")
        self.assertNotIn(top[0], self.ids("k3"))

    def test_a_dislike_pushes_down_what_is_like_it_and_is_not_shown(self):
        self.start("k4", *self.world.items[:3])
        before = {x["id"]: x["score"] for x in self.server.recommend("k4", limit=1000).json["items"]}
        worst = self.ids("k4")[0]
        self.event("k4", worst, kind="dislike")
        self.assertNotIn(worst, self.ids("k4"))
        after = {x["id"]: x["score"] for x in self.server.recommend("k4", limit=1000, exclude_seen="false").json["items"]}
        self.assertLess(after[worst], before[worst])

    def test_events_without_a_kind_answer_as_a_full_interaction(self):
        a, b = self.world.items[:2]
        for user, more in (("k5", {}), ("k6", {"kind": "interaction"}), ("k7", {"kind": "like"})):
            self.start(user, b)
            self.event(user, a, timestamp=50, **more)
        answers = [self.server.recommend(user, limit=20).json["items"] for user in ("k5", "k6", "k7")]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0], answers[2])

    def test_a_visitor_and_a_registration_have_kinds_too(self):
        a, b, c = self.world.items[:3]
        rows = [{"item": a, "kind": "purchase", "timestamp": 5}, {"item": b, "kind": "dislike", "timestamp": 6},
                {"item": a, "kind": "view", "timestamp": 7}, {"item": c, "kind": "shown", "timestamp": 8}]
        self.assertEqual(self.server.register("k8", {"interactions": rows}).status, 201)
        self.assertEqual(len(self.history("k8")), 4)
        visitor = self.server.request("POST", "/v1/recommendations", {"interactions": rows, "limit": 20})
        self.assertEqual(visitor.status, 200, visitor)
        self.assertEqual(visitor.json["items"], self.server.recommend("k8", limit=20).json["items"])
        self.assertIn(c, self.ids("k8"))
        self.assertNotIn(b, self.ids("k8"))

    def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(self):
        a = self.world.items[0]
        self.start("k9", a)
        for answer, pointer in (
                (self.server.event("k9", a, kind="buy"), "/events/0/kind"),
                (self.server.admin("PUT", "/v1/admin/users/k10", {"interactions": [{"item": a}, {"item": a, "kind": "buy"}]}), "/interactions/1/kind"),
                (self.server.request("POST", "/v1/recommendations", {"interactions": [{"item": a, "kind": "buy"}]}), "/interactions/0/kind")):
            problem = self.assertProblem(answer, 422, "invalid-value") or answer.json
            self.assertIn("known: " + KINDS, str(answer.json))
            self.assertIn(pointer, str(answer.json))
        for bad in ({"kind": ""}, {"kind": 5}, {"id": ""}, {"id": 7}, {"id": "x" * 129}):
            self.assertProblem(self.server.event("k9", a, **bad), 422, "invalid-value")
        self.assertEqual(len(self.history("k9")), 1)

    def test_what_a_user_has_with_an_item_is_taken_away(self):
        a, b = self.world.items[:2]
        self.start("k11", b)
        before = self.server.recommend("k11", limit=20).json["items"]
        self.event("k11", a, kind="purchase")
        self.event("k11", a, kind="view")
        path = "/v1/users/k11/interactions/" + a
        answer = self.server.request("DELETE", path, params={"kind": "view"})
        self.assertEqual((answer.status, answer.json["removed"]), (200, 1))
        self.assertEqual([x[:2] for x in self.history("k11")], [(a, "purchase"), (b, "interaction")])
        self.assertProblem(self.server.request("DELETE", path, params={"kind": "view"}), 404, "item-not-found")
        self.assertProblem(self.server.request("DELETE", path, params={"kind": "buy"}), 422, "invalid-value")
        self.assertEqual(self.server.request("DELETE", path).json["removed"], 1)
        self.assertEqual(self.server.recommend("k11", limit=20).json["items"], before)
        self.assertProblem(self.server.request("DELETE", "/v1/users/nobody/interactions/" + a), 404, "unknown-user")


class Configuration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()

    def test_kinds_are_made_and_changed_and_every_server_of_the_store_follows(self):
        a, b = self.world.items[:2]
        store = self.world.copy_store()
        with hn.Server(store=store, models=[self.world.model]) as one, hn.Server(store=store, models=[self.world.model]) as two:
            names = [k["name"] for k in one.admin("GET", "/v1/admin/event-kinds").json["kinds"]]
            self.assertEqual(", ".join(names), KINDS)
            answer = one.admin("PUT", "/v1/admin/event-kinds", {"kinds": [{"name": "cart", "weight": 0.5, "seen": False}]})
            self.assertEqual(answer.json["kinds"][6], {"name": "cart", "weight": 0.5, "negative": False, "seen": False, "ttl_seconds": None})
            one.register("k", {"interactions": [{"item": b, "timestamp": 5}]})
            self.assertEqual(two.event("k", a, kind="cart").status, 200)
            first = two.recommend("k", limit=1000).json["items"]
            hn.eventually(lambda: one.recommend("k", limit=1000).json["items"] == first)
            self.assertIn(a, [x["id"] for x in first])
            one.admin("PUT", "/v1/admin/event-kinds", {"kinds": [{"name": "cart", "weight": 2, "negative": True}]})
            then = one.recommend("k", limit=1000).json["items"]
            self.assertNotIn(a, [x["id"] for x in then])
            self.assertNotEqual([x["score"] for x in then][:5], [x["score"] for x in first][:5])
            hn.eventually(lambda: two.recommend("k", limit=1000).json["items"] == then)

    def test_what_is_too_old_goes_and_answers_follow(self):
        a, b, c = self.world.items[:3]
        now = int(time.time())
        rows = [{"item": a, "kind": "view", "timestamp": now - 5000}, {"item": b, "kind": "purchase", "timestamp": now - 5000},
                {"item": c, "kind": "like", "timestamp": now - 3 * 86400}]
        store = self.world.copy_store()
        with hn.Server(store=store, models=[self.world.model]) as server:
            kinds = server.admin("PUT", "/v1/admin/event-kinds", {"kinds": [{"name": "view", "weight": 0.2, "ttl_seconds": 3600}]}).json["kinds"]
            self.assertEqual(kinds[1]["ttl_seconds"], 3600)
            for user in ("old", "less"):
                server.register(user, {"interactions": rows if user == "old" else rows[1:2]})
        with hn.Server("--keep-events-days", "2", store=store, models=[self.world.model]) as server:
            hn.eventually(lambda: [x["item"] for x in server.user("old").json["interactions"]] == [b])
            wanted = server.recommend("less", limit=50).json["items"]
            hn.eventually(lambda: server.recommend("old", limit=50).json["items"] == wanted)
            hn.eventually(lambda: server.metric("hypernet_interactions_expired_total") >= 2)

    def test_a_new_item_is_as_before_when_what_made_it_is_too_old(self):
        items, now = self.world.items, int(time.time())
        store = self.world.copy_store()
        with hn.Server(store=store, models=[self.world.model]) as one:
            def source(server=one):
                return server.request("GET", "/v1/items/new").json["source"]
            one.admin("PUT", "/v1/admin/items/new", {"title": "n", "categories": ["Comedy"]})
            for k in range(12):
                mine = [{"item": x, "timestamp": now - 100} for x in items[k:k + 6]]
                one.register(f"t{k}", {"interactions": [*mine, {"item": "new", "timestamp": now - 40 * 86400}]})
            one.register("plain", {"interactions": [{"item": x, "timestamp": now - 50} for x in items[:10]]})
            hn.eventually(lambda: source() == "interactions")
            with hn.Server("--keep-events-days", "30", store=store, models=[self.world.model]) as two:
                hn.eventually(lambda: two.metric("hypernet_interactions_expired_total") >= 12)
                hn.eventually(lambda: source() == source(two) == "features", "the item to move on both servers")
                with hn.Server(store=store, models=[self.world.model]) as fresh:
                    wanted = fresh.recommend("plain", limit=1000).json["items"]
                for server in (one, two):
                    hn.eventually(lambda: server.recommend("plain", limit=1000).json["items"] == wanted)

    def test_kinds_that_cannot_be_are_refused_whole(self):
        with hn.Server(store=self.world.copy_store(), models=[self.world.model]) as server:
            for kinds, pointer in (([{"name": "a"}, {"name": "No"}], "/kinds/1"), ([{"name": "a"}, {"weight": 1}], "/kinds/1/name"),
                                   ([{"name": "a", "weight": -1}], "/kinds/0/weight"), ([{"name": "a", "more": 1}], "/kinds/0"),
                                   ([{"name": "a"}, {"name": "interaction", "weight": 3}], "/kinds/1"), (65 * [{"name": "a"}], "/kinds")):
                answer = server.admin("PUT", "/v1/admin/event-kinds", {"kinds": kinds})
                self.assertEqual(answer.status, 422, (kinds, answer))
                self.assertIn(pointer, str(answer.json))
            self.assertEqual(len(server.admin("GET", "/v1/admin/event-kinds").json["kinds"]), 6)
            self.assertEqual(server.request("PUT", "/v1/admin/event-kinds", {"kinds": []}).status, 401)


if __name__ == "__main__":
    unittest.main()
