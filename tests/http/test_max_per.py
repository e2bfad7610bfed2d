"""At most so many of a group: the list is that of who goes down the whole list and counts; page by page, with filters, diversity and candidates."""
import collections
import os
import sys
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"


class MaxPer(hn.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.groups = {}
        for i, name in enumerate(cls.world.items):
            metadata = {"brand": f"b{i % 5}", "tags": [f"t{i % 3}", f"t{i % 7}"], "rank": i % 4}
            if i % 11 == 0:
                del metadata["brand"]
            assert cls.server.admin("PATCH", "/v1/admin/items/" + quote(name, safe=""), {"metadata": metadata}).status == 200
            categories = cls.server.request("GET", "/v1/items/" + quote(name, safe="")).json.get("categories", [])
            cls.groups[name] = {"categories": set(categories), "metadata.brand": {metadata["brand"]} if "brand" in metadata else set(),
                                "metadata.tags": set(metadata["tags"]), "metadata.rank": {metadata["rank"]}}
        cls.every = cls.server.recommend("u1", limit=1000, exclude_seen="false").items

    def ask(self, **body):
        answer = self.server.request("POST", PATH, {"user": "u1", "exclude_seen": False, **body})
        self.assertEqual(answer.status, 200, answer)
        return answer

    def greedy(self, names, field, n, limit):
        counts, out = collections.Counter(), []
        for name in names:
            groups = self.groups[name][field]
            if len(out) < limit and all(counts[group] < n for group in groups):
                counts.update(groups)
                out.append(name)
        return out

    def test_the_list_is_that_of_who_counts(self):
        for field in ("categories", "metadata.brand", "metadata.tags", "metadata.rank"):
            for n, limit in ((1, 5), (2, 30), (3, 1000), (1000, 1000)):
                with self.subTest(field=field, n=n, limit=limit):
                    self.assertEqual(self.ask(max_per={"field": field, "n": n}, limit=limit).items, self.greedy(self.every, field, n, limit))

    def test_n_is_one_where_it_is_not_said(self):
        self.assertEqual(self.ask(max_per={"field": "metadata.rank"}, limit=9).items, self.greedy(self.every, "metadata.rank", 1, 9))

    def test_each_page_counts_anew_and_no_item_is_lost(self):
        left, page = list(self.every), None
        while True:
            answer = self.ask(max_per={"field": "metadata.rank", "n": 20}, limit=50, **({"page": page} if page else {}))
            self.assertEqual(answer.items, self.greedy(left, "metadata.rank", 20, 50))
            left = [name for name in left if name not in answer.items]
            page = answer.json.get("page")
            if not page:
                break
        self.assertEqual(left, [])

    def test_it_goes_together_with_filters_candidates_and_least_scores(self):
        tree = {"field": "metadata.rank", "in": [0, 1]}
        fitting = [name for name in self.every if self.groups[name]["metadata.rank"] & {0, 1}]
        group = {"field": "metadata.brand", "n": 2}
        self.assertEqual(self.ask(max_per=group, filter=tree, limit=40).items, self.greedy(fitting, "metadata.brand", 2, 40))
        self.assertEqual(self.ask(max_per=group, candidates=self.every[:60], limit=40).items, self.greedy(self.every[:60], "metadata.brand", 2, 40))
        scored = self.server.recommend("u1", limit=1000, exclude_seen="false").json["items"]
        self.assertEqual(self.ask(max_per=group, min_score=scored[29]["score"], limit=40).items, self.greedy(self.every[:30], "metadata.brand", 2, 40))

    def test_a_diverse_list_keeps_to_it_and_goes_on(self):
        seen, page = [], None
        for _ in range(3):
            answer = self.ask(max_per={"field": "metadata.brand", "n": 2}, diversity=0.5, limit=12, **({"page": page} if page else {}))
            counts = collections.Counter(group for name in answer.items for group in self.groups[name]["metadata.brand"])
            self.assertLessEqual(max(counts.values()), 2)
            self.assertFalse(set(seen) & set(answer.items))
            seen += answer.items
            page = answer.json["page"]

    def own(self):
        server = hn.Server()  # the others' items stay as they are
        self.addCleanup(server.stop)
        return server

    def test_a_list_is_of_the_best_500_or_16_for_each_that_is_asked_for_and_goes_on(self):
        """All but the last ten of 520 like items are of one group, the last ten of another."""
        self.server = self.own()
        made = [{"id": f"made{i}", "categories": ["Comedy"], "metadata": {"side": "near"}} for i in range(520)]
        only = {"field": "id", "in": [item["id"] for item in made]}
        self.assertEqual(self.server.admin("POST", "/v1/admin/items", {"items": made}).status, 200)
        hn.eventually(lambda: len(self.ask(filter=only, limit=1000).items) == 520, "the new items")
        left = self.ask(filter=only, limit=1000).items
        far = [{"id": name, "categories": ["Comedy"], "metadata": {"side": "far"}} for name in left[510:]]
        self.assertEqual(self.server.admin("POST", "/v1/admin/items", {"items": far}).status, 200)
        hn.eventually(lambda: len(self.ask(filter={"all": [only, {"field": "metadata.side", "eq": "far"}]}, limit=20).items) == 10, "their group")
        self.assertEqual(self.ask(filter=only, limit=1000).items, left)
        question = {"filter": only, "max_per": {"field": "metadata.side"}}
        self.assertEqual(self.ask(**question, limit=40).items, [left[0], left[510]])
        diverse = self.ask(**question, limit=5, diversity=0.5)
        self.assertEqual(diverse.items, [left[0]])
        self.assertIn("page", diverse.json)
        page = {}
        for n in range(14):
            answer = self.ask(**question, limit=5, **page)
            self.assertEqual(answer.items, [left[n]] if n <= 10 else [left[n], left[510 + n - 11]], n)
            page = {"page": answer.json["page"]}

    def test_pages_end_where_what_they_showed_was_deleted(self):
        for body in ({"diversity": 0.4}, {}):
            with self.subTest(**body):
                self.server = self.own()
                question = {"limit": 20, "max_per": {"field": "categories", "n": 1}, **body}
                answer = self.ask(**question)
                shown = answer.items
                kept = set([name for name in self.world.items if name not in shown][:2] + shown[:1])
                for name in set(self.world.items) - kept:
                    self.assertEqual(self.server.admin("DELETE", "/v1/admin/items/" + quote(name, safe="")).status, 204)
                hn.eventually(lambda: set(self.ask(limit=1000).items) == kept, "the deletions")
                rest = []
                while "page" in answer.json:
                    answer = self.ask(**question, page=answer.json["page"])
                    self.assertTrue(answer.items)
                    rest += answer.items
                self.assertEqual(sorted(rest), sorted(kept - set(shown)))

    def test_what_is_no_group_is_refused(self):
        for group, pointer in (({"field": "metadata.no"}, "/max_per/field"), ({"field": "title"}, "/max_per/field"), ({"n": 3}, "/max_per/field"),
                               ({"field": "categories", "n": 0}, "/max_per/n"), ({"field": "categories", "k": 1}, "/max_per/k"), (5, "/max_per")):
            answer = self.server.request("POST", PATH, {"user": "u1", "max_per": group})
            self.assertProblem(answer, 422, answer.problem)
            self.assertIn(pointer, [fault["pointer"] for fault in answer.json["errors"]], answer)
        answer = self.server.request("POST", PATH, {"user": "u1", "max_per": {"field": "categories"}, "offset": 3})
        self.assertEqual(answer.json["errors"][0]["pointer"], "/offset")


if __name__ == "__main__":
    unittest.main()
