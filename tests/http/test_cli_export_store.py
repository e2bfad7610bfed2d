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
        own = {"created": "spring", "hidden": "no", "available_from": "Bern", "available_until": 0}
        item, = self.imported("own", {"item": "a", **own})
        self.assertGreater(item.pop("created"), 1600000000)
        self.assertEqual(item, {"item": "a", "metadata": own})

    def test_times_of_an_items_life_are_text_or_numbers_and_null_takes_them_away(self):
        a, b, c = self.imported("times", {"item": "a", "created": "1975-06-01", "available_from": "2026-01-01T10:00:00+01:00", "available_until": "9999-12-31"},
                                {"item": "b", "created": 171849600000, "available_from": 1767258000000, "available_until": 1767344400000000},
                                {"item": "c", "available_from": 4102444801, "hidden": True})
        c.pop("created")
        self.assertEqual((a, b, c), ({"item": "a", "available_from": 1767258000, "available_until": 253402214400, "created": 170812800},
                                     {"item": "b", "available_from": 1767258000, "available_until": 1767344400, "created": 171849600},
                                     {"item": "c", "available_from": 4102444801, "hidden": True}))
        again = self.imported("times", {"item": "a", "available_from": None, "available_until": None}, {"item": "c", "hidden": None, "available_from": None})
        self.assertEqual(again[0], {"item": "a", "created": 170812800})
        self.assertEqual(set(again[2]), {"item", "created"})

    def test_the_lives_of_many_new_items_come_too(self):
        lines = [{"item": f"i{i}", "created": 1 + i, **({"hidden": True} if i % 2 else {})} for i in range(20500)]
        told = {x["item"]: x for x in self.imported("many", *lines)}
        self.assertEqual([{k: x[k] for k in ("item", "hidden", "created") if k in x} for x in map(told.get, (x["item"] for x in lines))],
                         [{k: x[k] for k in ("item", "hidden", "created") if k in x} for x in lines])

    def load_csv(self, name, text, *options, check=True):
        store, table = self.path(name + ".db"), self.path(name + ".csv")
        with open(table, "w", encoding="utf-8") as f:
            f.write(text)
        r = hn.run("import", "--store", store, "--items", table, *options, check=check)
        return r.err if r.returncode else [json.loads(x) for x in hn.run("export", "items", "--store", store).out.splitlines()]

    def test_a_table_has_columns_for_an_items_life(self):
        header = "item,Hidden,available from,available_until,created,price\n"
        rows = self.load_csv("csv", header + 'a,yes,2026-01-01,2026-12-31T20:00:00Z,171849600000,9.5\nb,FALSE,1767225600000,,2019-05-01,NULL\nc,,,,"",1\n')
        self.assertGreater(rows[2].pop("created"), 1600000000, "now, where nothing is said")
        self.assertEqual(rows, [{"item": "a", "metadata": {"price": "9.5"}, "hidden": True, "available_from": 1767225600, "available_until": 1798747200, "created": 171849600},
                                {"item": "b", "available_from": 1767225600, "created": 1556668800}, {"item": "c", "metadata": {"price": "1"}}])
        again = self.load_csv("csv", header + "a,0,,2027-01-01,,\n")
        self.assertEqual((again[0].get("hidden"), again[0]["available_from"], again[0]["available_until"]), (None, 1767225600, 1798761600), "what is empty stays")

    def test_what_a_column_of_an_items_life_cannot_be_is_a_bad_line(self):
        for text, words in (("item,created\na,spring\n", "created is 'spring', which is neither seconds or milliseconds"), ("item,hidden\na,maybe\n", "hidden is 'maybe' and not true or false"),
                            ("item,available_from\na,0\n", "available_from is '0'"), ("item,available_until\na,1969-01-01\n", "available_until is"),
                            ("item,available_from,available_until\na,2026-02-01,2026-01-01\n", "available until after"), ("item,available_from\na,-5\n", "available_from is '-5'")):
            with self.subTest(text=text):
                self.assertIn("csv:2: ", self.load_csv("bad", text, check=False))
                self.assertIn(words, self.load_csv("bad", text, check=False))
        row, = self.load_csv("season", "item,created\na,spring\n", "--column", "season=created")
        self.assertEqual(row["metadata"], {"season": "spring"})
        row, = self.load_csv("other", "item,visible_from\na,2026-01-01\n", "--column", "available_from=visible_from")
        self.assertEqual(row["available_from"], 1767225600)

    def test_a_store_made_of_its_tables_has_its_kinds_of_events(self):
        with hn.Server() as server:
            kinds = [{"name": "cart", "weight": 0.5, "seen": False, "ttl_seconds": 86400000}, {"name": "return", "weight": 2, "negative": True}, {"name": "view", "weight": 0.3}]
            self.assertEqual(server.admin("PUT", "/v1/admin/event-kinds", {"kinds": kinds}).status, 200)
            a, b, c = hn.world().items[:3]
            for item, kind in ((a, "cart"), (b, "return"), (c, "view"), (c, "shown")):
                self.assertEqual(server.event("u1", item, kind=kind).status, 200)
            said = server.admin("GET", "/v1/admin/event-kinds").json["kinds"]
            answer = server.recommend("u1", limit=50).json["items"]
            tables = {name: self.path("kinds " + name + ".ndjson.gz") for name in ("users", "items", "interactions", "event-kinds")}
            options = [word for name, path in tables.items() for word in ("--" + name, path)]
            err = hn.run("export", "--store", server.store, *options).err
            self.assertIn(", 8 kinds", err)
        again = self.path("kinds again.db")
        hn.run("import", "--store", again, *options)
        with hn.Server(store=again) as server:
            self.assertEqual(server.admin("GET", "/v1/admin/event-kinds").json["kinds"], said)
            self.assertEqual(server.recommend("u1", limit=50).json["items"], answer)
        lines = [json.loads(line) for line in hn.run("export", "event-kinds", "--store", again).out.splitlines()]
        self.assertEqual(lines, said)

    def test_a_file_of_kinds_that_is_none_is_refused_with_its_line(self):
        table, good = self.path("one.csv"), '{"name":"cart","weight":0.5}\n'
        with open(table, "w", encoding="utf-8") as f:
            f.write("user,item,kind\nu,i,cart\n")
        for line in ('{"name":3}', '{"weight":1}', '{"name":"x","weight":"1"}', '{"name":"x","seen":1}', '{"name":"x","ttl_seconds":0}', '{"name":"x","unseen":true}', "[]", "cart",
                     '{"name":"%s"}' % ("x" * 65)):
            with open(self.path("kinds.ndjson"), "w", encoding="utf-8") as f:
                f.write(good + line + "\n")
            done = hn.run("import", "--store", self.path("none.db"), "--interactions", table, "--event-kinds", self.path("kinds.ndjson"), check=False)
            self.assertEqual(done.returncode, 2, line)
            self.assertIn("kinds.ndjson:2: no kind of events", done.err)
            self.assertFalse(os.path.exists(self.path("none.db")))
        for text, words in (('{"name":"Cart!"}', "--event-kinds, 'Cart!': a kind's name has"), ('{"name":"x","weight":-1}', "a kind's weight"), ("", "no kind of events 'cart'")):
            with open(self.path("kinds.ndjson"), "w", encoding="utf-8") as f:
                f.write(text + "\n")
            done = hn.run("import", "--store", self.path("none.db"), "--interactions", table, "--event-kinds", self.path("kinds.ndjson"), check=False)
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(words, done.err)
        with open(self.path("kinds.ndjson"), "w", encoding="utf-8") as f:
            f.write(good)
        hn.run("import", "--store", self.path("one.db"), "--interactions", table, "--event-kinds", self.path("kinds.ndjson"), "--kind", "cart:0.7:unseen")
        self.assertIn('{"name":"cart","weight":0.7,"negative":false,"seen":false,"ttl_seconds":null}', hn.run("export", "event-kinds", "--store", self.path("one.db")).out)

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
