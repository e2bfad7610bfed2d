"""Filters of lists: every comparison against an oracle over the same metadata, pages and similar items, changes of items, and what is refused."""
import json
import os
import sys
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"
BRANDS = ["acme", "Ünlü \"quoted\"", "zeta"]


def made_up(i):
    """Metadata of the i-th item, with fields that some lack."""
    data = {"price": i * 1.25, "stock": i % 7, "brand": BRANDS[i % 3], "sale": i % 2 == 0, "tags": [["red", "blue"], ["red"], []][i % 3],
            "from": f"2026-{1 + i % 12:02d}-15T10:00:00Z", "mixed": [3, "three", True, ["three"]][i % 4], "deep": {"x": [1, "]"]},
            "cost": f"{i * 1.25:.2f}", "code": f"{i:05d}"}
    if i % 5 == 0:
        del data["price"], data["tags"]
    if i % 4 == 0:
        data["brand"] = None
    return data


def fits(tree, item):
    """Whether a filter holds of {"id", "title", "categories", "metadata"}."""
    if "all" in tree:
        return all(fits(one, item) for one in tree["all"])
    if "any" in tree:
        return any(fits(one, item) for one in tree["any"])
    if "not" in tree:
        return not fits(tree["not"], item)
    field = tree["field"]
    value = item["metadata"].get(field[len("metadata."):]) if field.startswith("metadata.") else item.get(field)

    def alike(a, b):
        return a == b and isinstance(a, bool) == isinstance(b, bool)

    def holds(name, asked):
        if name == "exists":
            return asked == (value is not None and (field != "categories" or value != []))
        if name == "ne":
            return not alike(value, asked)
        if value is None:
            return False
        if name == "eq":
            return alike(value, asked)
        if name == "in":
            return any(one in asked for one in value) if isinstance(value, list) else any(alike(value, one) for one in asked)
        if name == "has":
            return isinstance(value, list) and asked in value
        if isinstance(value, bool) or isinstance(value, str) != isinstance(asked, str) or not isinstance(value, (int, float, str)):
            return False
        return {"gt": value > asked, "gte": value >= asked, "lt": value < asked, "lte": value <= asked}[name]
    return all(holds(name, asked) for name, asked in tree.items() if name != "field")


def leaf(field, **compares):
    return {"field": field, **compares}


class Filters(hn.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.items = {}
        for i, name in enumerate(cls.world.items):
            answer = cls.server.admin("PATCH", "/v1/admin/items/" + quote(name, safe=""), {"metadata": made_up(i)})
            assert answer.status == 200, answer
            kept = cls.server.request("GET", "/v1/items/" + quote(name, safe="")).json
            cls.items[name] = {"id": name, "title": kept.get("title"), "categories": kept.get("categories", []),
                               "metadata": {key: value for key, value in made_up(i).items() if value is not None}}
        cls.every = cls.server.recommend("u1", limit=1000, exclude_seen="false").items

    def ask(self, tree, user="u1", **body):
        return self.server.request("POST", PATH, {"user": user, "filter": tree, "limit": 1000, "exclude_seen": False, **body})

    def expected(self, tree):
        return [name for name in self.every if fits(tree, self.items[name])]

    def assertFault(self, answer, pointer, *words):
        self.assertProblem(answer, 422, answer.problem)
        self.assertIn("/filter" + pointer, [fault["pointer"] for fault in answer.json["errors"]])
        for word in words:
            self.assertIn(word, answer.body.decode())


class Comparisons(Filters):
    def test_lists_have_the_items_of_which_the_filter_holds_in_their_order(self):
        title = self.items[self.every[3]]["title"]
        for tree in (leaf("metadata.price", lt=20), leaf("metadata.price", gte=10, lt=20.5), leaf("metadata.price", eq=12.5),
                     leaf("metadata.price", ne=12.5), leaf("metadata.price", **{"in": [1.25, 2.5, 999]}), leaf("metadata.price", exists=True),
                     leaf("metadata.price", exists=False), leaf("metadata.brand", eq=BRANDS[1]), leaf("metadata.brand", ne="acme"),
                     leaf("metadata.brand", **{"in": ["acme", "zeta", "nobody"]}), leaf("metadata.sale", eq=True), leaf("metadata.sale", ne=False),
                     leaf("metadata.tags", has="red"), leaf("metadata.tags", **{"in": ["blue", "none"]}), leaf("metadata.tags", exists=True),
                     leaf("metadata.from", gt="2026-06-15T10:00:00Z"), leaf("metadata.from", lte="2026-03-15T10:00:00Z"),
                     leaf("metadata.mixed", eq=3), leaf("metadata.mixed", eq="three"), leaf("metadata.mixed", has="three"),
                     leaf("metadata.mixed", **{"in": ["three", True]}), leaf("metadata.mixed", gt=2), leaf("metadata.deep", exists=True),
                     leaf("id", eq=self.every[0]), leaf("id", **{"in": self.every[5:9] + ["no such"]}), leaf("id", ne=self.every[0]),
                     leaf("title", eq=title), leaf("title", ne=title), leaf("title", **{"in": [title, "x"]}), leaf("title", exists=True),
                     leaf("categories", has="Comedy"), leaf("categories", **{"in": ["Comedy", "Drama"]}), leaf("categories", exists=False),
                     {"not": leaf("categories", has="Comedy")}, {"all": []}, {"any": []}, {"not": {"any": []}},
                     {"all": [leaf("metadata.sale", eq=True), {"any": [leaf("metadata.stock", lt=2), {"not": leaf("metadata.brand", exists=True)}]}]}):
            with self.subTest(tree=tree):
                answer = self.ask(tree)
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(answer.items, self.expected(tree))
                self.assertEqual(self.ask(tree).items, answer.items, "the second time")

    def test_a_text_that_is_a_number_is_compared_as_both(self):
        def costs(*compares):
            return [name for name in self.every if all(one(float(self.items[name]["metadata"]["cost"])) for one in compares)]
        for tree, names in ((leaf("metadata.cost", lt=20, gte=2.5), costs(lambda x: 2.5 <= x < 20)),
                            (leaf("metadata.cost", eq=12.5), costs(lambda x: x == 12.5)), (leaf("metadata.cost", eq="12.50"), costs(lambda x: x == 12.5)),
                            (leaf("metadata.cost", eq="12.5"), []), (leaf("metadata.cost", ne=12.5), costs(lambda x: x != 12.5)),
                            (leaf("metadata.cost", **{"in": [2.5, 1.25, 999]}), costs(lambda x: x in (1.25, 2.5)))):
            answer = self.ask(tree)
            self.assertEqual((answer.status, answer.items), (200, names), tree)
        self.assertEqual(len(self.ask(leaf("metadata.cost", eq=12.5)).items), 1)
        self.assertFault(self.ask(leaf("metadata.code", gt=5)), "/gt", "metadata.code has no numbers")

    def test_get_takes_the_filter_as_json(self):
        tree = {"all": [leaf("metadata.stock", gte=3), leaf("metadata.sale", eq=True)]}
        answer = self.server.recommend("u1", limit=1000, exclude_seen="false", filter=json.dumps(tree, indent=1))
        self.assertEqual(answer.items, self.expected(tree))

    def test_similar_items_are_filtered(self):
        item, tree = self.every[0], leaf("metadata.stock", lt=3)
        path = f"/v1/items/{quote(item, safe='')}/similar"
        whole = self.server.request("GET", path, params={"limit": 1000}).items
        got = self.server.request("GET", path, params={"limit": 1000, "filter": json.dumps(tree)})
        self.assertEqual(got.items, [name for name in whole if fits(tree, self.items[name])])

    def test_it_goes_together_with_all_else(self):
        tree = leaf("metadata.stock", lt=4)
        fitting = self.expected(tree)
        self.assertEqual(self.ask(tree, exclude=fitting[:2]).items, fitting[2:])
        self.assertEqual(self.ask(tree, candidates=self.every[:40] + ["gone"]).items,
                         [name for name in self.every[:40] if name in fitting] + ["gone"])
        comedies = [name for name in fitting if "Comedy" in self.items[name]["categories"]]
        self.assertEqual(self.ask(tree, categories=["Comedy"]).items, comedies)
        self.assertEqual(set(self.ask(tree, diversity=0.7).items), set(fitting))
        for one in self.server.request("POST", PATH, {"users": ["u1", "u2"], "filter": tree, "limit": 30}).json["results"]:
            self.assertTrue(one["items"])
            self.assertTrue(all(fits(tree, self.items[item["id"]]) for item in one["items"]))
        self.assertTrue(all(fits(tree, self.items[name]) for name in self.server.request(
            "POST", PATH, {"interactions": [{"item": self.every[0]}], "filter": tree}).items))

    def test_pages_of_a_filtered_list_are_the_list(self):
        tree = leaf("metadata.sale", eq=True)
        got, page = [], None
        while True:
            answer = self.ask(tree, limit=17, **({"page": page} if page else {}))
            self.assertEqual(answer.status, 200, answer)
            got += answer.items
            page = answer.json.get("page")
            if not page:
                break
            self.assertFaults(self.ask(leaf("metadata.sale", eq=False), limit=17, page=page))
        self.assertEqual(got, self.expected(tree))

    def assertFaults(self, answer):
        self.assertProblem(answer, 422, answer.problem)


class Refusals(Filters):
    def test_an_unknown_field_is_told_which_there_are(self):
        self.assertFault(self.ask({"all": [leaf("metadata.prise", lt=3)]}), "/all/0/field", "metadata.price", "metadata.tags", "categories")
        self.assertFault(self.ask(leaf("price", lt=3)), "/field", "metadata.price")

    def test_a_value_of_another_type_is_told_what_the_field_has(self):
        for tree, pointer, *words in ((leaf("metadata.brand", gt=3), "/gt", "texts"), (leaf("metadata.brand", gt="2026-01-01"), "/gt", "no times"),
                                      (leaf("metadata.price", eq="3"), "/eq", "numbers"), (leaf("metadata.price", gt="dear"), "/gt", "time"),
                                      (leaf("metadata.tags", eq="red"), "/eq", "list"), (leaf("metadata.brand", has="acme"), "/has", "texts"),
                                      (leaf("metadata.price", **{"in": [1, "2"]}), "/in/1", "numbers"), (leaf("metadata.sale", gt=0), "/gt", "true or false"),
                                      (leaf("id", gt="a"), "/gt", "order"), (leaf("categories", eq="Comedy"), "/eq", "has"),
                                      (leaf("metadata.price", exists=1), "/exists", "true or false"), (leaf("title", eq=3), "/eq", "texts")):
            with self.subTest(tree=tree):
                self.assertFault(self.ask(tree), pointer, *words)

    def test_what_is_no_filter_is_refused(self):
        deep = leaf("metadata.price", lt=1)
        for _ in range(16):
            deep = {"not": deep}
        for tree, pointer in (([], ""), ("x", ""), ({}, ""), ({"all": {}}, "/all"), ({"all": [], "any": []}, ""), (leaf("metadata.price"), ""),
                              (leaf("metadata.price", lt=1, like="x"), ""), ({"field": 3, "lt": 1}, "/field"), (deep, "/not" * 16),
                              ({"any": [leaf("metadata.price", lt=i) for i in range(257)]}, "/any/256/lt"),
                              (leaf("metadata.price", **{"in": list(range(1001))}), "/in"),
                              (leaf("metadata.brand", **{"in": ["x" * 255] * 300}), "")):
            with self.subTest(tree=str(tree)[:80]):
                self.assertFault(self.ask(tree), pointer)
        self.assertEqual(self.ask(deep["not"]).status, 200)
        self.assertEqual(self.ask({"any": [leaf("metadata.price", lt=i) for i in range(256)]}).status, 200)

    def test_all_faults_are_told_at_once(self):
        answer = self.ask({"all": [leaf("metadata.no", eq=1), leaf("metadata.price", eq="x")]}, limit=0)
        self.assertEqual([fault["pointer"] for fault in answer.json["errors"]], ["/limit", "/filter/all/0/field", "/filter/all/1/eq"])

    def test_a_filter_of_get_is_refused_likewise(self):
        for text, status in (("{", 400), ('{"field":"metadata.no","eq":1}', 422), ('{"field":"metadata.brand","gt":1}', 422)):
            answer = self.server.recommend("u1", filter=text)
            self.assertEqual(answer.status, status, answer)


class Changes(hn.Case):
    def setUp(self):
        super().setUp()
        self.start()

    def start(self):
        self.own = hn.Server()
        self.addCleanup(self.own.stop)

    def put(self, item, metadata, method="PATCH"):
        answer = self.own.admin(method, "/v1/admin/items/" + quote(item, safe=""), {"metadata": metadata})
        self.assertIn(answer.status, (200, 201), answer)

    def ask(self, tree):
        return self.own.request("POST", PATH, {"user": "u1", "filter": tree, "limit": 1000, "exclude_seen": False})

    def test_a_filter_follows_the_items_at_once(self):
        a, b = self.world.items[:2]
        self.assertEqual(self.ask(leaf("metadata.fresh", exists=True)).status, 422)
        self.put(a, {"fresh": 1})
        self.assertEqual(self.ask(leaf("metadata.fresh", exists=True)).items, [a])
        self.put(b, {"fresh": 2})
        self.assertEqual(set(self.ask(leaf("metadata.fresh", exists=True)).items), {a, b})
        self.assertEqual(self.ask(leaf("metadata.fresh", gt=1)).items, [b])
        self.put(b, {"fresh": 0})
        self.assertEqual(self.ask(leaf("metadata.fresh", gt=1)).items, [])
        self.put(a, {"fresh": None})
        self.put(b, {"fresh": None})
        self.assertEqual(self.ask(leaf("metadata.fresh", exists=True)).status, 422)

    def test_an_item_that_came_after_training_is_filtered_and_one_that_went_is_not_there(self):
        self.put("brand new", {"kind_of": "lamp"}, method="PUT")
        self.assertEqual(self.ask(leaf("metadata.kind_of", eq="lamp")).items, ["brand new"])
        self.assertEqual(self.own.admin("DELETE", "/v1/admin/items/" + quote("brand new")).status, 204)
        self.assertEqual(self.ask(leaf("metadata.kind_of", eq="lamp")).status, 422)


if __name__ == "__main__":
    unittest.main()
