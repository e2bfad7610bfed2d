"""A model whose items know their neighbours, from training to the answer: on data without times, of sets that the factors
are too narrow for, the weights are kept; what they add to an answer is the sum of the file's rows, at once after an event."""
import contextlib
import json
import os
import random
import sqlite3
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

SETS, SIZE, USERS = 40, 4, 200


def interactions():
    """Users take four whole sets each, but for two items of them."""
    draw = random.Random(5)
    rows = []
    for user in range(USERS):
        items = [s * SIZE + k for s in draw.sample(range(SETS), 4) for k in range(SIZE)]
        draw.shuffle(items)
        rows += ["u%d\ti%d" % (user, item) for item in items[:14]]
    return "\n".join(["user\titem"] + rows) + "\n"


def read_pairs(path):
    """Of each item's id: {id of another: weight}."""
    with open(path, "rb") as f:
        content = f.read()
    n = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + n])

    def values(name, letter):
        begin, end = header[name]["data_offsets"]
        return [x for x, in struct.iter_unpack("<" + letter, content[8 + n + begin:8 + n + end])]

    data, offsets = bytes(values("catalogue.id_bytes", "B")), values("catalogue.id_offsets", "q")
    ids = [data[a:b].decode() for a, b in zip(offsets, offsets[1:])]
    start, item, weight = values("neighbours.start", "q"), values("neighbours.item", "I"), values("neighbours.weight", "f")
    return {ids[j]: {ids[item[k]]: weight[k] for k in range(start[j], start[j + 1])} for j in range(len(ids))}


def write_without_pairs(path, out):
    """The same model under another name, with nothing of its neighbours."""
    with open(path, "rb") as f:
        content = f.read()
    n = struct.unpack("<Q", content[:8])[0]
    header, data, offset = json.loads(content[8:8 + n]), [], 0
    description = json.loads(header["__metadata__"]["hypernet"])
    del description["target"]["neighbours"]
    description["name"] = "plain"
    made = {"__metadata__": {"hypernet": json.dumps(description)}}
    for name in sorted((k for k in header if k != "__metadata__" and not k.startswith("neighbours.")),
                       key=lambda k: header[k]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        made[name] = dict(header[name], data_offsets=[offset, offset + end - begin])
        data.append(content[8 + n + begin:8 + n + end])
        offset += end - begin
    text = json.dumps(made).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(data))


class Neighbours(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        world = hn.world()
        cls.store, cls.model = world.path("sets.db"), world.path("sets.hn")
        hn.run("import", "--store", cls.store, "--interactions", world.file("sets.tsv", interactions()))
        cls.trained = cls.train(cls.model, "--json")
        cls.pairs = read_pairs(cls.model)
        cls.items = sorted(cls.pairs)
        plain = world.path("plain.hn")
        write_without_pairs(cls.model, plain)
        cls.server = hn.Server(store=cls.store, models=[cls.model, plain])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    @classmethod
    def train(cls, out, *more):
        return hn.run("train", "--store", cls.store, "--out", out, "--dim", 8, "--epochs", 1, "--seed", 1,
                      "--model-version", "1", *([] if "--generator" in more else ["--generator", "core"]), *more)

    def register(self, user, items, **more):
        answer = self.server.register(user, dict(more, interactions=[{"item": item} for item in items]))
        self.assertIn(answer.status, (200, 201), answer)

    def scores(self, user, query=""):
        answer = self.server.request("POST", "/v1/users/%s/predictions%s" % (user, query), {"items": self.items})
        self.assertEqual(answer.status, 200, answer)
        return {p["id"]: p["score"] for p in answer.json["predictions"]}

    def bias(self, history):
        return {i: sum(self.pairs[j].get(i, 0) for j in history) for i in self.items}

    def assertClose(self, got, want):
        for item in self.items:
            self.assertAlmostEqual(got[item], want[item], delta=2e-5 * max(1, abs(want[item])), msg=item)

    def test_the_weights_are_in_the_file_and_shown(self):
        report = json.loads(self.trained.out)
        self.assertGreater(report["ndcg@10"], 2 * report["warm_start_ndcg@10"])
        self.assertIn("neighbours of items: ", self.trained.err)
        self.assertIn("; kept", self.trained.err)
        n = sum(map(len, self.pairs.values()))
        described = json.loads(hn.run("inspect", self.model, "--json").out)
        self.assertEqual(described["hypernet"]["target"]["neighbours"], {"pairs": n})
        shapes = {t["name"]: t["shape"] for t in described["tensors"]}
        self.assertEqual((shapes["neighbours.start"], shapes["neighbours.item"], shapes["neighbours.weight"]),
                         ([len(self.items) + 1], [n], [n]))
        self.assertRegex(hn.run("inspect", self.model).out, r"(?m)^neighbours  %d item-item weights, .* up to 160 items" % n)

    def test_where_nothing_else_is_generated_there_are_some_and_none_where_they_are_not_wanted(self):
        out = hn.world().path("sets-shared.hn")
        for options, kept in ((["--generator", "shared"], True), (["--no-item-item"], False)):
            report = json.loads(self.train(out, *options, "--no-contexts", "--json").out)
            self.assertEqual(report["item_item"], kept)
            self.assertEqual("neighbours" in json.loads(hn.run("inspect", out, "--json").out)["hypernet"]["target"], kept)

    def test_the_server_answers_as_the_command_line(self):
        for user in ("u0", "u7", "u199"):
            self.assertEqual(hn.run("recommend", "--store", self.store, "--model", self.model, "--user", user, "--json",
                                    "--limit", 50).out.encode(), self.server.recommend(user, limit=50).body)

    def assertAdds(self, user, history):
        plain, bias = self.scores(user, "?model=plain"), self.bias(history)
        self.assertClose(self.scores(user), {i: plain[i] + bias[i] for i in self.items})

    def test_a_history_adds_the_sum_of_its_rows_to_the_model_without_them(self):
        for history in ([], ["i0"], ["i0", "i1", "i77"], self.items[::9]):
            self.register("taker", history)
            self.assertAdds("taker", history)

    def test_the_answer_is_the_same_bytes_whether_items_come_as_a_list_or_row_by_row(self):
        store = hn.world().path("lists.db")
        with contextlib.closing(sqlite3.connect(self.store)) as source, contextlib.closing(sqlite3.connect(store)) as copy:
            source.backup(copy)
        with hn.Server("--cache-bytes", 0, store=store, models=[self.model]) as server:
            users = {"u3": None, "u9": None, "late": [{"item": i, "timestamp": 9 - n} for n, i in enumerate(self.items[40:1:-7])]}
            for user, history in users.items():
                if history:
                    self.assertEqual(server.register(user, {"interactions": history}).status, 201)
            brief = {user: server.recommend(user, limit=50).body for user in users}
            with contextlib.closing(sqlite3.connect(store)) as db:
                lists = db.execute("SELECT count(*) FROM contexts WHERE taken IS NOT NULL").fetchone()[0]
                self.assertGreaterEqual(lists, USERS + 1)
                db.execute("UPDATE contexts SET taken = NULL")
                db.commit()
            for user, history in users.items():
                self.assertEqual(server.recommend(user, limit=50).body, brief[user])
                taken = {x["item"] for x in history or server.user(user).json["interactions"]}
                self.assertTrue(taken)
                self.assertFalse(taken & {i["id"] for i in json.loads(brief[user])["items"]})

    def test_a_given_embedding_answers_without_them(self):
        width = json.loads(hn.run("inspect", self.model, "--json").out)["hypernet"]["d_context"]
        self.register("given", ["i0", "i1"], embedding=[0.25] * width)
        self.register("bare", [], embedding=[0.25] * width)
        self.assertEqual(self.scores("given"), self.scores("bare"))

    def test_an_event_counts_at_once(self):
        self.register("moved", ["i8"])
        self.assertEqual(self.server.event("moved", "i100").status, 200)
        self.assertAdds("moved", ["i8", "i100"])
        self.register("new", ["i8", "i9"])
        self.assertEqual(self.server.event("new", "i100").status, 200)
        best = self.server.recommend("new", limit=5).items
        self.assertTrue({"i101", "i102", "i103", "i10", "i11"} & set(best[:2]), best)  # the rest of the sets

    def test_an_explanation_is_what_is_lost_with_the_neighbours(self):
        history = ["i8", "i9", "i40", "i41", "i100"]
        self.register("why", history)
        answer = self.server.recommend("why", explain=10, limit=5)
        self.assertEqual(answer.status, 200, answer)
        told = 0
        for left_out in history:
            self.register("less", [item for item in history if item != left_out])
            without = self.scores("less")
            for item in answer.json["items"]:
                for reason in item["because"]:
                    if reason["item"] == left_out:
                        self.assertAlmostEqual(reason["effect"], item["score"] - without[item["id"]],
                                               delta=2e-5 * max(1, abs(item["score"])))
                        told += 1
        self.assertGreaterEqual(told, 5)


if __name__ == "__main__":
    unittest.main()
