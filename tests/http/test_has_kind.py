"""has_kind in filters: of what the user has, against an oracle over random trees and histories; for users, in batches, for visitors, for households,
on pages; who has no user to ask; kinds that there are not."""
import json
import os
import random
import sys
import time
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"
KINDS = ["interaction", "view", "purchase", "dislike", "shown"]
DAY = 86400


def has(kind, days=None):
    return {"has_kind": {"kind": kind, **({} if days is None else {"within_days": days})}}


def fits(tree, item, history, now):
    """Whether a filter holds of {"id", "metadata"} for who has these (item, kind, time)."""
    if "all" in tree:
        return all(fits(one, item, history, now) for one in tree["all"])
    if "any" in tree:
        return any(fits(one, item, history, now) for one in tree["any"])
    if "not" in tree:
        return not fits(tree["not"], item, history, now)
    if "has_kind" in tree:
        asked = tree["has_kind"]
        days = asked.get("within_days")
        return any(name == item["id"] and kind == asked["kind"] and (days is None or (at and at >= now - days * DAY)) for name, kind, at in history)
    value = item["metadata"]["stock"]
    return value < tree["lt"] if "lt" in tree else value == tree["eq"]


def random_tree(rng, depth):
    kind = rng.choice(["has", "has", "stock"]) if depth == 0 else rng.choice(["has", "stock", "all", "any", "not", "all", "any"])
    if kind == "has":
        return has(rng.choice(KINDS), rng.choice([None, 1, 10, 40.5]))
    if kind == "stock":
        return {"field": "metadata.stock", rng.choice(["lt", "eq"]): rng.randrange(7)}
    if kind == "not":
        return {"not": random_tree(rng, depth - 1)}
    return {kind: [random_tree(rng, depth - 1) for _ in range(rng.randrange(4))]}


class HasKind(hn.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.now, cls.items, rng = int(time.time()), {}, random.Random(7)
        for i, name in enumerate(cls.world.items):
            assert cls.server.admin("PATCH", "/v1/admin/items/" + quote(name, safe=""), {"metadata": {"stock": i % 7}}).status == 200
            cls.items[name] = {"id": name, "metadata": {"stock": i % 7}}
        cls.histories = {}
        for user in ("h1", "h2", "h3"):
            rows = {(rng.choice(cls.world.items), rng.choice(KINDS)): cls.now - rng.choice([0.5, 5, 35, 60, 400]) * DAY for _ in range(90)}
            cls.histories[user] = [(item, kind, int(at)) for (item, kind), at in rows.items()]
            assert cls.server.register(user, {"interactions": cls.rows(user)}).status == 201

    @classmethod
    def rows(cls, user):
        return [{"item": item, "kind": kind, "timestamp": at} for item, kind, at in cls.histories[user]]

    def ask(self, tree, **body):
        body = body if {"user", "users", "interactions", "contexts"} & set(body) else {"user": "h1", **body}
        answer = self.server.request("POST", PATH, {"filter": tree, "limit": 1000, "exclude_seen": False, **body})
        self.assertEqual(answer.status, 200, answer)
        return answer

    def expected(self, tree, *users):
        history = [row for user in users for row in self.histories[user]]
        return {name for name, item in self.items.items() if fits(tree, item, history, self.now)}

    def trees(self, n, seed):
        rng = random.Random(seed)
        return [random_tree(rng, rng.randrange(4)) for _ in range(n)]

    def assertFault(self, answer, pointer, *words):
        self.assertProblem(answer, 422, answer.problem)
        self.assertIn(pointer, [fault["pointer"] for fault in answer.json["errors"]])
        for word in words:
            self.assertIn(word, answer.body.decode())


class Lists(HasKind):
    def test_random_filters_are_those_of_an_oracle(self):
        self.assertEqual(self.expected(has("purchase", 10), "h1") & self.expected(has("purchase"), "h1"), self.expected(has("purchase", 10), "h1"))
        self.assertLess(len(self.expected(has("purchase", 10), "h1")), len(self.expected(has("purchase"), "h1")))
        for tree in self.trees(150, 1):
            for user in ("h1", "h2"):
                with self.subTest(tree=tree, user=user):
                    self.assertEqual(set(self.ask(tree, user=user).items), self.expected(tree, user))

    def test_the_order_is_that_of_the_list_without_it(self):
        every = self.ask({"all": []}).items
        tree = {"not": has("purchase", 30)}
        self.assertEqual(self.ask(tree).items, [name for name in every if name in self.expected(tree, "h1")])
        get = self.server.recommend("h1", limit=1000, exclude_seen="false", filter=json.dumps(tree))
        self.assertEqual(get.items, self.ask(tree).items)
        self.assertEqual([x["id"] for x in self.ask(tree, explain=1, limit=5).json["items"]], get.items[:5])

    def test_an_event_counts_in_the_next_answer(self):
        self.server.register("h9", {"interactions": [{"item": self.world.items[0]}]})
        tree = {"not": has("shown", 7)}
        top = self.ask(tree, user="h9", limit=3).items
        self.assertEqual(self.server.event("h9", top[0], kind="shown").status, 200)
        self.assertEqual(self.ask(tree, user="h9", limit=2).items, top[1:])
        self.assertEqual(self.ask({"not": has("shown", 7)}, user="h1", limit=1000, exclude_seen=False).items[:1],
                         [self.ask(tree).items[0]], "another user's bits are his own")

    def test_each_of_a_batch_is_asked_his_own(self):
        for tree in self.trees(20, 2):
            results = self.ask(tree, users=["h1", "h2", "nobody", "h3"]).json["results"]
            self.assertEqual(results[2]["status"], 404)
            for i, user in ((0, "h1"), (1, "h2"), (3, "h3")):
                self.assertEqual({x["id"] for x in results[i]["items"]}, self.expected(tree, user), (tree, user))

    def test_a_visitor_has_the_kinds_that_the_call_says(self):
        for tree in self.trees(30, 3):
            with self.subTest(tree=tree):
                self.assertEqual(set(self.ask(tree, interactions=self.rows("h2")).items), self.expected(tree, "h2"))

    def test_a_household_has_what_any_of_it_has(self):
        for tree in self.trees(30, 4):
            with self.subTest(tree=tree):
                whom = [{"user": "h1"}, {"user": "h2", "weight": 0}, {"user": "h3", "weight": 2}]
                self.assertEqual(set(self.ask(tree, contexts=whom).items), self.expected(tree, "h1", "h2", "h3"))

    def test_who_is_unknown_has_nothing(self):
        for fallback in ({"cold_start": True}, {"fallback": ["popular"]}):
            self.assertEqual(self.ask(has("purchase"), user="nobody", **fallback).items, [])
        self.assertEqual(set(self.ask({"not": has("purchase")}, user="nobody", cold_start=True).items), set(self.items))

    def test_what_fills_a_list_is_filtered_too(self):
        tree = {"all": [has("purchase"), {"field": "metadata.stock", "lt": 5}]}
        self.assertLessEqual(set(self.ask(tree, fallback=["trending", "popular"]).items), self.expected(tree, "h1"))

    def test_pages_are_the_list(self):
        tree, got, page = {"not": has("view", 30)}, [], None
        while True:
            answer = self.ask(tree, limit=30, **({"page": page} if page else {}))
            got += answer.items
            page = answer.json.get("page")
            if not page:
                break
        self.assertEqual(got, self.ask(tree).items)

    def test_times_that_are_not_known_are_within_no_days(self):
        self.server.register("h8", {"interactions": [{"item": self.world.items[1], "kind": "purchase", "timestamp": 0}]})
        self.assertEqual(self.ask(has("purchase", 36500), user="h8").items, [])
        self.assertEqual(self.ask(has("purchase"), user="h8").items, [self.world.items[1]])


class Refusals(HasKind):
    def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(self):
        tree = {"all": [has("purchase"), {"not": has("buy", 3)}, has("sell")]}
        for whom in ({"user": "h1"}, {"users": ["h1"]}, {"interactions": []}, {"contexts": [{"user": "h1"}]}):
            answer = self.server.request("POST", PATH, {"filter": tree, **whom})
            self.assertFault(answer, "/filter/all/1/not/has_kind/kind", "no kind of events 'buy'", "interaction, view, like, purchase")
            self.assertFault(answer, "/filter/all/2/has_kind/kind", "sell")
        answer = self.server.recommend("h1", filter=json.dumps(has("buy")))
        self.assertEqual((answer.status, answer.problem), (422, "invalid-value"))
        self.assertIn("no kind of events 'buy'", answer.body.decode())

    def test_lists_of_nobody_have_no_history(self):
        item = quote(self.world.items[0], safe="")
        for path, params in (("/v1/items", {"sort": "popular"}), (f"/v1/items/{item}/similar", {})):
            answer = self.server.request("GET", path, params={**params, "filter": json.dumps({"not": has("view")})})
            self.assertEqual((answer.status, answer.problem), (422, "invalid-value"), answer)
            self.assertIn("this list is nobody's", answer.body.decode())

    def test_what_is_no_has_kind_is_refused(self):
        for tree, pointer in (({"has_kind": "purchase"}, "/has_kind"), ({"has_kind": {}}, "/has_kind"), ({"has_kind": {"within_days": 3}}, "/has_kind"),
                              ({"has_kind": {"kind": 3}}, "/has_kind"), ({"has_kind": {"kind": "view", "days": 3}}, "/has_kind"),
                              ({"has_kind": {"kind": "v" * 65}}, "/has_kind"), (has("view", 0), "/has_kind/within_days"),
                              (has("view", -1), "/has_kind/within_days"), (has("view", "3"), "/has_kind/within_days"),
                              (has("view", 36501), "/has_kind/within_days"), ({**has("view"), "all": []}, ""), ({**has("view"), "x": 1}, ""),
                              ({"any": [has("view")] * 65}, "/any/64/has_kind")):
            with self.subTest(tree=str(tree)[:80]):
                self.assertFault(self.server.request("POST", PATH, {"user": "h1", "filter": tree}), "/filter" + pointer)
        self.ask({"any": [has("view")] * 64})


if __name__ == "__main__":
    unittest.main()
