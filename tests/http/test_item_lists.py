"""GET /v1/items?sort=popular|trending|latest: the sums against the store's own rows, windows, times, categories, filters, and how they follow changes."""
import os
import random
import sys
import time
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

DAY = 86400


class ItemLists(hn.Case):
    def lists(self, **params):
        return self.server.request("GET", "/v1/items", params=params)

    def expected(self, trending, window=None):
        """{item: sum} of what the store has; the weights of kinds as the server says them."""
        kinds = {k["name"]: -k["weight"] if k["negative"] else k["weight"] for k in self.server.admin("GET", "/v1/admin/event-kinds").json["kinds"]}
        rows = self.server.query("SELECT i.id, x.weight, x.timestamp, k.name FROM interactions x JOIN items i USING (item_key) JOIN kinds k ON k.kind = x.kind")
        as_of, sums = max(row[2] for row in rows), {}
        for item, weight, time, kind in rows:
            days = (as_of - time) / DAY
            if (not trending and not window) or (time and days < (window or 14)):
                sums[item] = sums.get(item, 0) + weight * kinds[kind] * (0.9 ** days if trending else 1)
        return as_of, {item: s for item, s in sums.items() if s > 0}

    def assertSums(self, answer, sort, window=None):
        self.assertEqual(answer.status, 200, answer)
        as_of, sums = self.expected(sort == "trending", window)
        self.assertEqual((answer.json["sort"], answer.json["as_of"]), (sort, as_of))
        got = answer.json["items"]
        scores = [item["score"] for item in got]
        self.assertEqual(scores, sorted(scores, reverse=True))
        for item in got:
            self.assertAlmostEqual(item["score"], sums[item["id"]], delta=1e-5 * sums[item["id"]])
        for score, s in zip(scores, sorted(sums.values(), reverse=True)):
            self.assertAlmostEqual(score, s, delta=1e-5 * s)
        return got

    def test_popular_items_are_those_with_the_greatest_sums(self):
        got = self.assertSums(self.lists(sort="popular", limit=1000), "popular")
        self.assertEqual(len(got), len(self.expected(False)[1]))
        self.assertEqual(len(self.assertSums(self.lists(sort="popular"), "popular")), 10)

    def test_what_is_taken_of_late_trends_and_the_lists_follow_at_once(self):
        as_of = self.expected(True)[0]
        items = self.world.items
        late = [("u1", items[150], as_of + 20 * DAY), ("u2", items[150], as_of + 19 * DAY), ("u3", items[151], as_of + 20 * DAY), ("u4", items[152], as_of + DAY)]
        for user, item, time in late:
            self.server.event(user, item, timestamp=time, kind="purchase")
        self.server.event("u5", items[151], timestamp=as_of + 20 * DAY, kind="dislike")
        hn.eventually(lambda: self.lists(sort="trending").json["as_of"] == as_of + 20 * DAY, "the new sums")
        got = self.assertSums(self.lists(sort="trending", limit=1000), "trending")
        self.assertEqual(got[0]["id"], items[150])
        self.assertNotIn(items[152], [item["id"] for item in got])

    def test_sums_over_a_window_are_those_of_its_days(self):
        as_of = self.expected(False)[0]
        item = self.world.items[140]
        for k, days in enumerate((0.5, 1.5, 2.5, 40, 300)):
            self.server.event(f"u{20 + k}", item, timestamp=as_of - int(days * DAY))
        for sort in ("popular", "trending"):
            for window in (1, 2, 3, 60, 3650, 1):
                hn.eventually(lambda: dict(self.sums_of(sort, window)).get(item, 0) > 0, "the new sums")
                answer = self.lists(sort=sort, window_days=window, limit=1000)
                self.assertSums(answer, sort, window)
                self.assertEqual((answer.json["window_days"], "decay" in answer.json), (window, sort == "trending"))
        self.assertNotIn("window_days", self.lists(sort="popular").json)
        self.assertEqual(self.lists(sort="trending").json["window_days"], 14)

    def sums_of(self, sort, window):
        return [(item["id"], item["score"]) for item in self.lists(sort=sort, window_days=window, limit=1000).json["items"]]

    def test_the_latest_come_first_with_their_age_and_those_of_one_second_by_their_registration(self):
        now = int(time.time())
        made = {"late b": now - 3 * DAY, "late a": now - DAY, "late d": now - DAY, "late c": now - 2 * DAY, "late e": now + 2 * DAY, "late f": now - 3 * DAY + 1, "old": 86400}
        for item, created in made.items():
            self.server.admin("PUT", "/v1/admin/items/" + quote(item), {"created": created, "categories": ["Late"]})
        answer = self.lists(sort="latest", category="Late", limit=1000)
        self.assertEqual(answer.items, ["late e", "late d", "late a", "late c", "late f", "late b", "old"])
        self.assertEqual(answer.json["sort"], "latest")
        self.assertLess(abs(answer.json["as_of"] - time.time()), 600)
        for item in answer.json["items"]:
            self.assertAlmostEqual(item["score"], (made[item["id"]] - answer.json["as_of"]) / DAY, delta=1e-2)
        self.assertEqual(self.lists(sort="latest", category="Late", limit=3).items, answer.items[:3])
        self.assertEqual(self.server.admin("PATCH", "/v1/admin/items/late%20e", {"hidden": True}).status, 200)
        self.assertEqual(self.lists(sort="latest", category="Late", limit=3).items, answer.items[1:4])
        self.assertEqual(self.lists(sort="latest", filter='{"all":[{"field":"categories","has":"Late"},{"field":"created","lt":%d}]}' % (now - 2 * DAY)).items, answer.items[4:])
        fallback = self.server.request("POST", "/v1/recommendations", {"user": "nobody", "fallback": ["popular", "latest"], "categories": ["Late"], "limit": 4}).json["items"]
        self.assertEqual([(item["id"], item["source"]) for item in fallback], [(item, "latest") for item in answer.items[1:5]])
        for item in made:
            self.server.admin("DELETE", "/v1/admin/items/" + quote(item))

    def test_of_many_dates_in_any_order_the_latest_are_found(self):
        rng, now = random.Random(5), int(time.time())
        dates = [now - rng.randrange(40) * 3600 for _ in range(150)]
        made = [{"id": "dated%03d" % k, "created": date, "categories": ["Dated"]} for k, date in enumerate(dates)]
        self.assertEqual(self.server.admin("POST", "/v1/admin/items", {"items": made}).status, 200)
        expected = [made[k]["id"] for k in sorted(range(150), key=lambda k: (-dates[k], -k))]
        for limit in (1, 2, 25, 149, 150, 1000):
            self.assertEqual(self.lists(sort="latest", category="Dated", limit=limit).items, expected[:limit])
        for item in made:
            self.server.admin("DELETE", "/v1/admin/items/" + item["id"])

    def test_categories_and_filters_leave_their_items_only(self):
        whole = self.lists(sort="popular", limit=1000).json["items"]
        expected = [item for item in whole if "Comedy" in item["categories"]]
        self.assertTrue(expected)
        self.assertEqual(self.lists(sort="popular", limit=1000, category="Comedy").json["items"], expected)
        self.assertEqual(self.lists(sort="popular", limit=1000, filter='{"field":"categories","has":"Comedy"}').json["items"], expected)

    def test_a_deleted_item_is_gone(self):
        first = self.lists(sort="popular", limit=1).items[0]
        self.server.admin("DELETE", "/v1/admin/items/" + first)
        hn.eventually(lambda: first not in self.lists(sort="popular", limit=1000).items, "its end")
        self.server.admin("PUT", "/v1/admin/items/" + first, {"title": "Back", "categories": self.world.categories[first]})

    def test_what_is_refused(self):
        for params in ({"sort": "best"}, {"sort": ""}, {"sort": "popular", "limit": 0}, {"sort": "popular", "limit": 1001}, {"sort": "popular", "x": 1}, {"sort": "popular", "cursor": "a"}, {"sort": "latest", "window_days": 3}, {"window_days": 3},
                       {"sort": "trending", "window_days": 0}, {"sort": "popular", "window_days": 3651}, {"sort": "popular", "window_days": "x"},
                       {"sort": "popular", "prefix": "a"}, {"sort": "popular", "q": "a"}):
            self.assertProblem(self.lists(**params), 400, "bad-request")
        self.assertProblem(self.lists(sort="popular", model="none"), 404, "unknown-model")


if __name__ == "__main__":
    unittest.main()
