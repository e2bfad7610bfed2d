"""GET /v1/items/{item}/similar: the order of the model file's embeddings, new items, categories, and what is refused."""
import json
import os
import struct
import sys
import unittest
from array import array
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


def embeddings(path):
    """{item: embedding} of a model file."""
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))

        def tensor(name, kind):
            first, last = header[name]["data_offsets"]
            f.seek(8 + n + first)
            return array(kind, f.read(last - first))

        rows, ids, ends = tensor("catalogue.embedding", "f"), tensor("catalogue.id_bytes", "B").tobytes(), tensor("catalogue.id_offsets", "q")
        d = header["catalogue.embedding"]["shape"][1]
    return {ids[ends[i]:ends[i + 1]].decode(): rows[i * d:(i + 1) * d] for i in range(len(ends) - 1)}


def similarity(x, y):
    dot = sum(a * b for a, b in zip(x, y))
    return dot / (sum(a * a for a in x) * sum(b * b for b in y)) ** 0.25


class Similar(hn.Case):
    def similar(self, item, **params):
        return self.server.request("GET", f"/v1/items/{quote(item, safe='')}/similar", params=params)

    def test_the_order_is_that_of_the_models_embeddings(self):
        rows = embeddings(self.world.model)
        for item in self.world.items[:3]:
            expected = sorted(((similarity(rows[item], rows[other]), other) for other in rows if other != item), reverse=True)
            answer = self.similar(item, limit=5)
            self.assertEqual(answer.json["item"], item)
            self.assertEqual(answer.json["model"], "default")
            self.assertEqual(answer.items, [other for _, other in expected[:5]])
            for got, (score, _) in zip(answer.json["items"], expected):
                self.assertAlmostEqual(got["score"], score, places=4)
            self.assertEqual(answer.json["items"][0]["categories"], self.world.categories[expected[0][1]])

    def test_ten_without_a_limit_and_never_the_item_itself(self):
        item = self.world.items[0]
        self.assertEqual(len(self.similar(item).items), 10)
        everything = self.similar(item, limit=1000).items
        self.assertEqual((len(everything), len(set(everything)), item in everything), (199, 199, False))

    def test_a_category_leaves_its_items_only_and_one_that_no_item_has_is_named(self):
        item = self.world.items[0]
        category = self.world.categories[self.world.items[5]][0]
        expected = [i for i in self.similar(item, limit=1000).items if category in self.world.categories[i]]
        self.assertEqual(self.similar(item, limit=1000, category=category).items, expected)
        answer = self.similar(item, category=category.upper() + "!").json
        self.assertEqual((answer["items"], answer["warnings"][0]["category"]), ([], category.upper() + "!"))

    def test_a_new_item_is_found_and_finds_and_a_deleted_one_does_neither(self):
        old, new = self.world.items[7], "a/new one"
        path = "/v1/admin/items/" + quote(new, safe="")
        self.assertEqual(self.server.admin("PUT", path, {"categories": self.world.categories[old]}).status, 201)
        hn.eventually(lambda: new in self.similar(old, limit=1000).items, "the new item")
        self.assertEqual(len(self.similar(new, limit=1000).items), 200)
        self.assertEqual(self.server.admin("DELETE", path).status, 204)
        hn.eventually(lambda: new not in self.similar(old, limit=1000).items, "its end")
        self.assertProblem(self.similar(new), 404, "item-not-found")

    def test_what_is_refused(self):
        item = self.world.items[0]
        self.assertProblem(self.similar("no such item"), 404, "item-not-found")
        for limit in (0, 1001, -1, "x", ""):
            self.assertProblem(self.similar(item, limit=limit), 400, "bad-request")
        self.assertProblem(self.similar(item, offset=1), 400, "bad-request")
        self.assertProblem(self.similar(item, model="none"), 404, "unknown-model")
        self.assertProblem(self.similar(item, category=["x"] * 17), 400, "bad-request")


if __name__ == "__main__":
    unittest.main()
