"""The life of items: hidden, and available for a time, in no list; what they did for who took them stays; by PUT, PATCH and in bulk; what is refused."""
import os
import sys
import time
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"
AHEAD, BEHIND = 4102444800, 1000000000  # 2100, 2001


class Life(hn.Case):
    def setUp(self):
        super().setUp()
        self.server = hn.Server()
        self.addCleanup(self.server.stop)
        self.every = self.server.recommend("u1", limit=1000, exclude_seen="false").items
        self.item = self.every[0]

    def write(self, body, item=None, method="PATCH"):
        answer = self.server.admin(method, "/v1/admin/items/" + quote(item or self.item, safe=""), body)
        self.assertIn(answer.status, (200, 201), answer)

    def get(self, item=None):
        return self.server.request("GET", "/v1/items/" + quote(item or self.item, safe="")).json

    def listed(self, **body):
        return self.server.request("POST", PATH, {"user": "u1", "limit": 1000, "exclude_seen": False, **body}).items


class Lists(Life):
    def test_a_hidden_item_is_in_no_list_until_it_is_shown(self):
        similar = f"/v1/items/{quote(self.every[1], safe='')}/similar?limit=1000"
        self.assertIn(self.item, self.server.request("GET", similar).items)
        self.write({"hidden": True})
        self.assertEqual(self.listed(), self.every[1:])
        self.assertNotIn(self.item, self.server.request("GET", similar).items)
        self.assertEqual(self.server.recommend("u1", limit=1000, exclude_seen="false").items, self.every[1:])
        self.write({"hidden": False})
        self.assertEqual(self.listed(), self.every)

    def test_a_hidden_item_is_in_no_list_of_its_category(self):
        category = self.get()["categories"][0]
        of_category = [item for item in self.every if category in self.get(item)["categories"]]
        similar = f"/v1/items/{quote(self.every[1], safe='')}/similar?limit=1000&category={quote(category)}"
        for hidden, expected in ((False, of_category), (True, of_category[1:])):
            self.write({"hidden": hidden})
            self.assertEqual(self.listed(categories=[category]), expected)
            self.assertEqual(self.server.recommend("u1", limit=1000, exclude_seen="false", category=category).items, expected)
            self.assertEqual(self.item in self.server.request("GET", similar).items, not hidden)

    def test_an_item_is_listed_in_its_time_alone(self):
        for body, there in (({"available_from": AHEAD}, False), ({"available_from": BEHIND}, True), ({"available_until": BEHIND + 1}, False),
                            ({"available_from": None, "available_until": "2100-01-01"}, True), ({"available_until": None, "available_from": "2099-12-31T10:00:00Z"}, False),
                            ({"available_from": None}, True)):
            self.write(body)
            self.assertEqual(self.item in self.listed(), there, body)

    def test_a_candidate_that_is_not_available_comes_last_and_is_marked(self):
        self.write({"available_from": AHEAD})
        answer = self.server.request("POST", PATH, {"user": "u1", "candidates": self.every[:3], "exclude_seen": False}).json["items"]
        self.assertEqual([item["id"] for item in answer], [*self.every[1:3], self.item])
        self.assertEqual(answer[-1], {"id": self.item, "score": None, "unknown": True})

    def test_what_a_hidden_item_did_for_who_took_it_stays(self):
        taken = self.every[5]
        self.server.register("taker", {"interactions": [{"item": taken}]})
        before = self.server.recommend("taker", limit=1000).json["items"]
        self.write({"hidden": True}, taken)
        self.assertEqual(self.server.recommend("taker", limit=1000).json["items"], before)
        self.server.register("later", {"interactions": [{"item": taken}]})
        self.assertEqual(self.server.recommend("later", limit=1000).json["items"], before)

    def test_items_come_and_go_by_the_clock_without_a_write(self):
        now = int(time.time())
        self.write({"available_until": now + 2})
        self.write({"available_from": now + 2}, self.every[1])
        changes = self.server.query("SELECT max(change) FROM changes")
        hn.eventually(lambda: self.item not in self.listed() and self.every[1] in self.listed(), "the time of both")
        self.assertGreaterEqual(time.time(), now + 2)
        self.assertEqual(self.server.query("SELECT max(change) FROM changes"), changes)

    def test_a_filter_goes_on_while_items_come_and_go(self):
        tree = {"field": "id", "in": self.every[:4]}
        self.assertEqual(self.listed(filter=tree), self.every[:4])
        self.write({"hidden": True}, self.every[2])
        self.assertEqual(self.listed(filter=tree), [*self.every[:2], self.every[3]])

    def test_predictions_score_what_no_list_has(self):
        asked = hn.path_of_user("u1") + "/predictions"
        two = {"items": self.every[:2]}
        before = self.server.request("POST", asked, two).json["predictions"]
        for body in ({"hidden": True}, {"hidden": False, "available_from": AHEAD}):
            self.write(body)
            self.assertNotIn(self.item, self.listed())
            self.assertEqual(self.server.request("POST", asked, two).json["predictions"], before)
            answer = self.server.request("POST", asked + "?unknown=null", {"items": [*self.every[:2], "no such"]}).json
            self.assertEqual(answer["predictions"][:2], before)
            self.assertEqual(answer["unknown"], 1)
        self.assertEqual(self.server.admin("DELETE", "/v1/admin/items/" + quote(self.item, safe="")).status, 204)
        self.assertProblem(self.server.request("POST", asked, two), 422, "unknown-item")

    def test_what_is_similar_to_an_item_that_no_list_has_is_answered(self):
        path = f"/v1/items/{quote(self.item, safe='')}/similar?limit=1000"
        before = self.server.request("GET", path).json["items"]
        for body in ({"hidden": True}, {"hidden": False, "available_until": BEHIND}):
            self.write(body)
            self.assertEqual(self.server.request("GET", path).json["items"], before)
        self.assertEqual(self.server.admin("DELETE", "/v1/admin/items/" + quote(self.item, safe="")).status, 204)
        self.assertProblem(self.server.request("GET", path), 404, "item-not-found")

    def test_what_is_done_with_an_item_that_no_list_has_is_not_warned_of(self):
        for body in ({"hidden": True}, {"hidden": False, "available_from": AHEAD}):
            self.write(body)
            for answer in (self.server.event("u1", self.item), self.server.register("taker", {"interactions": [{"item": self.item}]})):
                self.assertIn(answer.status, (200, 201), answer)
                self.assertNotIn("warnings", answer.json)

    def test_a_new_item_may_come_hidden_and_another_process_sees_it_go(self):
        self.write({"title": "New", "hidden": True}, "new", method="PUT")
        self.assertNotIn("new", self.listed())
        with hn.Server(store=self.server.store) as other:
            self.assertEqual(len(other.recommend("u1", limit=1000, exclude_seen="false").items), len(self.every))
            self.write({"hidden": False}, "new")
            hn.eventually(lambda: "new" in other.recommend("u1", limit=1000, exclude_seen="false").items, "the item in the other process")


class Members(Life):
    def test_they_are_shown_and_a_patch_keeps_what_it_does_not_say(self):
        self.write({"hidden": True, "available_from": BEHIND, "available_until": AHEAD, "created": "2020-01-02T03:04:05Z"})
        whole = {"hidden": True, "available_from": BEHIND, "available_until": AHEAD, "created": 1577934245}
        self.assertEqual({name: self.get().get(name) for name in whole}, whole)
        self.write({"title": "Other"})
        self.assertEqual({name: self.get().get(name) for name in whole}, whole)
        self.write({"available_until": None, "hidden": None})
        self.assertEqual({name: self.get().get(name) for name in whole}, {**whole, "hidden": None, "available_until": None})

    def test_put_says_all_but_when_the_item_was_created(self):
        self.write({"created": BEHIND, "hidden": True, "available_from": BEHIND})
        self.write({"title": "T"}, method="PUT")
        self.assertEqual([self.get().get(name) for name in ("hidden", "available_from", "created")], [None, None, BEHIND])

    def test_a_new_item_was_created_now_and_writing_it_again_does_not_change_that(self):
        before = int(time.time())
        self.write({"title": "New"}, "new", method="PUT")
        created = self.get("new")["created"]
        self.assertTrue(before - 1 <= created <= time.time() + 1)
        self.write({"created": before - 1000}, "new")
        self.write({"title": "Newer"}, "new", method="PUT")
        self.assertEqual(self.get("new")["created"], before - 1000)

    def test_items_in_bulk_and_filters_by_created(self):
        made = [{"id": f"b{i}", "created": f"2026-0{i + 1}-01", "hidden": i == 2} for i in range(4)]
        self.assertEqual(self.server.admin("POST", "/v1/admin/items", {"items": made}).status, 200)
        tree = {"all": [{"field": "created", "gte": "2026-02-01"}, {"field": "id", "in": [item["id"] for item in made]}]}
        self.assertEqual(set(self.listed(filter=tree)), {"b1", "b3"})
        self.assertEqual(set(self.listed(filter={"field": "created", "lt": 1769904000})), {"b0"})

    def test_bad_members_are_refused_with_nothing_stored(self):
        before = self.get()
        for body, pointer in (({"hidden": "yes"}, "/hidden"), ({"available_from": "soon"}, "/available_from"), ({"created": -5}, "/created"),
                              ({"available_until": True}, "/available_until"), ({"available_from": 200, "available_until": 100}, "/available_until")):
            answer = self.server.admin("PATCH", "/v1/admin/items/" + quote(self.item, safe=""), {"title": "X", **body})
            self.assertProblem(answer, 422, answer.problem)
            self.assertEqual(answer.json["errors"][0]["pointer"], pointer)
        self.assertEqual(self.get(), before)

    def test_patches_one_after_another_end_an_item_no_sooner_than_it_begins(self):
        path = "/v1/admin/items/" + quote(self.item, safe="")
        for kept, bad, pointer in (({"available_from": 200, "available_until": None}, {"available_until": 200}, "/available_until"),
                                   ({"available_from": None, "available_until": 100}, {"available_from": 150}, "/available_from")):
            self.write(kept)
            before = self.get()
            answer = self.server.admin("PATCH", path, {"title": "X", **bad})
            self.assertProblem(answer, 422, "invalid-value")
            self.assertEqual(answer.json["errors"][0]["pointer"], pointer)
            self.assertEqual(self.get(), before)
        self.write({"available_from": 50})
        self.write({"available_until": 51})

    def test_times_are_seconds_up_to_the_year_9999(self):
        before = self.get()
        for name in ("available_from", "available_until", "created"):
            for value in (1767225600000, "1767225600000", 9e15, 253402300800):
                answer = self.server.admin("PATCH", "/v1/admin/items/" + quote(self.item, safe=""), {name: value})
                self.assertProblem(answer, 422, "invalid-value")
                self.assertEqual(answer.json["errors"][0]["pointer"], "/" + name)
                self.assertIn("not milliseconds", str(answer.json))
        self.assertEqual(self.get(), before)
        self.write({"available_until": 253402300799, "created": "9999-12-31T23:59:59Z"})
        self.assertEqual((self.get()["available_until"], self.get()["created"]), (253402300799, 253402300799))


if __name__ == "__main__":
    unittest.main()
