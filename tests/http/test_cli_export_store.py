"""hypernet export: users, items, interactions and given contexts out of a store, and a store of them answers the same."""
import gzip
import json
import os
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

TABLES = ("users", "items", "interactions", "contexts")


class ExportStore(hn.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        w = hn.world()
        cls.version = w.description["hypernet"]["version"]
        width = w.description["hypernet"]["d_context"]
        cls.folder = hn.temporary_folder()
        with hn.Server() as server:
            cls.store = server.store
            for user, body in {
                "new/ü": {"profile": {"z": 1.5, "a": [1, {"b": None}], "user": "x", "empty": ""},
                          "interactions": [{"item": i, "weight": 0.1 + 0.2, "rating": 3.3, "timestamp": 7} for i in w.items[:9]]},
                "bare": {}, "given": {"embedding": [0.1 * (i % 7) - 0.2 for i in range(width)], "interactions": [{"item": w.items[3]}]},
            }.items():
                answer = server.register(user, body)
                assert answer.status == 201, answer
            item = {"title": "a \"title\"", "categories": ["x|y", "z"], "metadata": {"price": 1e-7, "n": 7, "deleted": True}}
            assert server.admin("PUT", "/v1/admin/items/brand%20new", item).status == 201
            assert server.admin("DELETE", "/v1/admin/items/" + w.items[5]).status == 204
            assert server.event("bare", w.items[7], timestamp=5).status == 200
            cls.users = [*w.users[::20], "new/ü", "bare", "given"]
            cls.before = cls.answers(server)

    @classmethod
    def answers(cls, server):
        out = []
        for user in cls.users:
            for params in ({"limit": 200}, {"limit": 200, "exclude_seen": "false"}):
                answer = server.recommend(user, **params).json
                out.append((answer["model_version"], answer["items"]))
            own = server.user(user).json
            out.append({k: own[k] for k in own if k not in ("revision", "context_revision")})
        for item in ("brand%20new", hn.world().items[5]):
            out.append(server.request("GET", "/v1/items/" + item).status)
        return out

    def path(self, name):
        return os.path.join(self.folder, name)

    def export(self, store, form):
        words = [w for t in TABLES for w in (f"--{t}", self.path(form % t))]
        return hn.run("export", "--store", store, *words, "--model", hn.world().description["hypernet"]["name"], "--model-version", self.version)

    def lines(self, path):
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
            return f.read().splitlines()

    def test_a_store_made_of_the_tables_answers_the_same(self):
        self.assertIn("context", self.export(self.store, "1.%s.ndjson.gz").err)
        again = self.path("again.db")
        hn.run("import", "--store", again, "--users", self.path("1.users.ndjson.gz"), "--items", self.path("1.items.ndjson.gz"),
               "--interactions", self.path("1.interactions.ndjson.gz"))
        hn.run("import", "--store", again, "--contexts", self.path("1.contexts.ndjson.gz"), "--model",
               hn.world().description["hypernet"]["name"], "--model-version", self.version)
        with hn.Server(store=again) as server:
            self.assertEqual(self.answers(server), self.before)
        self.export(again, "2.%s.ndjson")
        for table in TABLES:
            self.assertEqual(self.lines(self.path(f"2.{table}.ndjson")), self.lines(self.path(f"1.{table}.ndjson.gz")), table)

    def test_a_table_says_what_is_there_and_no_more(self):
        out = hn.run("export", "users", "--store", self.store).out
        users = {u["user"]: u for u in map(json.loads, out.splitlines())}
        self.assertEqual(users["bare"], {"user": "bare"})
        self.assertEqual(users["new/ü"]["profile"]["z"], 1.5)
        items = [json.loads(x) for x in hn.run("export", "--store", self.store, "--items", "-").out.splitlines()]
        self.assertEqual([i["item"] for i in items if i.get("deleted")], [hn.world().items[5]])
        self.assertEqual(items[-1]["metadata"]["deleted"], True)
        rows = [json.loads(x) for x in hn.run("export", "interactions", "--store", self.store).out.splitlines()]
        self.assertIn({"user": "bare", "item": hn.world().items[7], "timestamp": 5}, rows)
        mine = [r for r in rows if r["user"] == "new/ü"]
        self.assertEqual([r["item"] for r in mine], hn.world().items[:9])
        self.assertEqual((mine[0]["weight"], mine[0]["rating"], mine[0]["timestamp"]), (0.1 + 0.2, 3.3, 7))

    def test_a_file_is_its_owners_alone_and_appears_whole(self):
        self.export(self.store, "3.%s.ndjson")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("3.users.ndjson")).st_mode), 0o600)
        os.mkdir(self.path("4.items.ndjson.gz"))
        r = hn.run("export", "--store", self.store, "--users", self.path("4.users.ndjson.gz"), "--items",
                   self.path("4.items.ndjson.gz"), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("4.users")])

    def test_an_items_mark_is_of_json_and_takes_it_out(self):
        store, table = self.path("marked.db"), self.path("marked.ndjson")
        with open(table, "w", encoding="utf-8") as f:
            f.write('{"item":"a","deleted":true}\n{"item":"b","deleted":"yes"}\n{"item":"c","deleted":false}\n')
        out = hn.run("import", "--store", store, "--items", table, "--json").out
        self.assertEqual(json.loads(out)["items_deleted"], 1)
        items = [json.loads(x) for x in hn.run("export", "items", "--store", store).out.splitlines()]
        for item in items:
            self.assertGreater(item.pop("created"), 1600000000)  # now: the table does not say it
        self.assertEqual(items, [{"item": "a", "deleted": True}, {"item": "b", "metadata": {"deleted": "yes"}}, {"item": "c"}])

    def imported(self, name, *lines, check=True):
        """What a store has of items that are imported as these lines; a name of a store that is there goes on."""
        store, table = self.path(name + ".db"), self.path(name + ".ndjson")
        with open(table, "w", encoding="utf-8") as f:
            f.write("".join(json.dumps(x) + "\n" for x in lines))
        r = hn.run("import", "--store", store, "--items", table, check=check)
        if r.returncode:
            return r.err
        return [json.loads(x) for x in hn.run("export", "items", "--store", store).out.splitlines()]

    def test_when_answers_may_have_an_item_comes_back(self):
        with hn.Server() as server:
            for item, body in (("h", {"hidden": True, "created": 1000}), ("t", {"available_from": 2000, "available_until": 4102444800}),
                               ("m", {"created": 3000, "metadata": {"created": "May", "hidden": True, "available_from": 7}})):
                self.assertEqual(server.admin("PUT", "/v1/admin/items/" + item, body).status, 201)
            self.assertEqual(server.admin("DELETE", "/v1/admin/items/h").status, 204)
            hn.run("export", "--store", server.store, "--items", self.path("life.ndjson"))
        wanted = {"h": {"hidden": True, "deleted": True, "created": 1000}, "t": {"available_from": 2000, "available_until": 4102444800},
                  "m": {"created": 3000, "metadata": {"created": "May", "hidden": True, "available_from": 7}}}
        lines = self.lines(self.path("life.ndjson"))
        told = {x["item"]: x for x in map(json.loads, lines)}
        for item, members in wanted.items():
            self.assertEqual({**told[item], **members}, told[item])
        again = self.path("life again.db")
        hn.run("import", "--store", again, "--items", self.path("life.ndjson"))
        self.assertEqual(hn.run("export", "items", "--store", again).out.splitlines(), lines)

    def test_what_a_table_does_not_say_of_an_items_life_stays(self):
        first = {"item": "a", "hidden": True, "available_from": 5, "created": 3}
        self.assertEqual(self.imported("stays", first), [first])
        self.assertEqual(self.imported("stays", {"item": "a", "title": "T"}), [{**first, "title": "T"}])
        self.assertEqual(self.imported("stays", {"item": "a", "available_until": 9}, {"item": "a", "hidden": False}),
                         [{"item": "a", "title": "T", "available_from": 5, "available_until": 9, "created": 3}])
        self.assertIn("available until before", self.imported("stays", {"item": "a", "available_until": 4}, check=False))
        self.assertIn("1: an item is available until after", self.imported("stays", {"item": "a", "available_from": 9, "available_until": 9}, check=False))

    def test_a_shops_own_fields_of_these_names_are_metadata(self):
        own = {"created": "2019-05-01", "hidden": "no", "available_from": "Bern", "available_until": 0}
        item, = self.imported("own", {"item": "a", **own})
        self.assertGreater(item.pop("created"), 1600000000)
        self.assertEqual(item, {"item": "a", "metadata": own})

    def test_the_lives_of_many_new_items_come_too(self):
        lines = [{"item": f"i{i}", "created": 1 + i, **({"hidden": True} if i % 2 else {})} for i in range(20500)]
        told = {x["item"]: x for x in self.imported("many", *lines)}
        self.assertEqual([{k: x[k] for k in ("item", "hidden", "created") if k in x} for x in map(told.get, (x["item"] for x in lines))],
                         [{k: x[k] for k in ("item", "hidden", "created") if k in x} for x in lines])

    def test_names_that_mean_something_and_spaces_come_back(self):
        with hn.Server() as server:
            store = server.store
            for user, profile in ((" anna", {"profile": {"deep": 1}}), ("anna", {"city": "Bern"}), ("null", {"n": 12345678901234567}), ("a\nb\x01", {"x": 1}), (" ", {"y": ""})):
                self.assertEqual(server.register(user, {"profile": profile}).status, 201)
            for item, body in (("a", {"title": " t ", "categories": [" x", "y|z"], "metadata": {"deleted": "no", "metadata": 1}}), ("b", {})):
                self.assertEqual(server.admin("PUT", "/v1/admin/items/" + item, body).status, 201)
            self.assertEqual(server.admin("DELETE", "/v1/admin/items/a").status, 204)
            self.assertEqual(server.admin("PUT", "/v1/admin/items/%09c%7F", {}).status, 201)
        self.export(store, "5.%s.ndjson")
        again = self.path("spaces.db")
        hn.run("import", "--store", again, "--users", self.path("5.users.ndjson"), "--items", self.path("5.items.ndjson"))
        for table in ("users", "items"):
            out = hn.run("export", table, "--store", again).out
            self.assertEqual(out.splitlines(), self.lines(self.path(f"5.{table}.ndjson")), table)

    def test_the_last_row_says_whether_an_item_is_deleted(self):
        store, table = self.path("last.db"), self.path("last.ndjson")
        with open(table, "w", encoding="utf-8") as f:
            f.write('{"item":"a","deleted":true}\n{"item":"a","deleted":false,"title":"T"}\n{"item":"b","gone":true}\n')
        hn.run("import", "--store", store, "--items", table, "--column", "deleted=gone")
        self.assertEqual([{k: v for k, v in json.loads(x).items() if k != "created"} for x in hn.run("export", "items", "--store", store).out.splitlines()],
                         [{"item": "a", "title": "T"}, {"item": "b", "deleted": True}])

    def test_what_import_reads_by_a_variable_is_not_written_over(self):
        source = self.path("source.csv")
        with open(source, "w", encoding="utf-8") as f:
            f.write("item\nkept\n")
        hn.run("export", "--store", self.store, "--users", self.path("6.users.ndjson"), env={"HYPERNET_ITEMS": source})
        hn.run("export", "users", "--store", self.store, env={"HYPERNET_ITEMS": source})
        self.assertEqual(self.lines(source), ["item", "kept"])

    def test_what_makes_no_table_is_refused(self):
        for words, why in ((("ratings",), "'ratings' is no table"), (("users", "--items", "-"), "alone"),
                           (("contexts",), "--model-version"), (("--users", "-", "--items", "-"), "name two files"), ((), "nothing to export"),
                           (("--users", self.path("7.new"), "--items", self.path("7")), "name two files")):
            r = hn.run("export", *words, "--store", self.store, check=False)
            self.assertEqual(r.returncode, 2, r.err)
            self.assertIn(why, r.err)
        for path in (self.store, self.path("again.db") + "-wal"):
            r = hn.run("export", "--users", path, "--store", path.removesuffix("-wal"), check=False)
            self.assertEqual(r.returncode, 1)
            self.assertFalse(path.endswith("-wal") and os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
