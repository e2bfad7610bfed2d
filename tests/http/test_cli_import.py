"""The commands `import` and `simulate` of the binary: what is in the store afterwards, what is said about bad
input, and that a failed import leaves nothing behind."""
import gzip
import json
import os
import sqlite3
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

HYPERNET = os.environ.get("HYPERNET", os.path.join(os.path.dirname(__file__), "../../build/release/hypernet"))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("HYPERNET_DATA", os.path.join(os.path.dirname(ROOT), "shared", "data"))


class Case(hn.Folder):
    def run_it(self, *args, stdin=b"", env=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HYPERNET")}
        environment.update(env or {})
        return subprocess.run([HYPERNET, *args], input=stdin, capture_output=True, env=environment, timeout=600)

    def load(self, *args, **more):
        return self.run_it("import", "--store", self.store, *args, **more)

    def loaded(self, *args, **more):
        r = self.load(*args, **more)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        return r

    def refused(self, text, *args, status=1, **more):
        r = self.load(*args, **more)
        self.assertEqual(r.returncode, status, r.stderr.decode())
        self.assertIn(text, r.stderr.decode())
        self.assertEqual(r.stdout, b"")
        return r


class Import(Case):
    def test_others_write_while_a_table_is_read(self):
        """The table comes slowly: whoever writes meanwhile does not wait, and all of it is there at the end."""
        events = self.file("events.csv", "user,item\nu1,i1\n")
        self.loaded("--interactions", events)
        for kind, head, row, n in (("users", "user,country\n", "u1,DE\n", "SELECT count(*) FROM users WHERE profile IS NOT NULL"),
                                   ("items", "item,title\n", "i1,A\n", "SELECT count(*) FROM items WHERE title IS NOT NULL"),
                                   ("contexts", "user,embedding\n", "u1,1 2\n", "SELECT count(*) FROM contexts")):
            pipe = self.path(kind)
            os.mkfifo(pipe)
            more = ["--model", "m", "--model-version", "1"] if kind == "contexts" else []
            p = subprocess.Popen([HYPERNET, "import", "--store", self.store, "--interactions", events, f"--{kind}", pipe, *more],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            with open(pipe, "w", encoding="utf-8") as f:  # once it is being read
                db = sqlite3.connect(self.store, timeout=0, isolation_level=None)
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
                db.close()
                f.write(head + row)
            err = p.communicate(timeout=600)[1]
            self.assertEqual(p.returncode, 0, err.decode())
            self.assertEqual(self.query(n), [(1,)])

    def test_all_tables_arrive_as_they_are(self):
        users = self.file("users.csv", 'user,age,city\nann,25,"Köln, Süd"\nbob,,\n')
        items = self.file("items.tsv.gz", gzip.compress("item\ttitle\tgenres\tyear\n1\tA \"B\"\tX|Y\t1999\n2\t\t\t\n".encode()))
        views = self.file("views.csv", "user,item,rating,timestamp\nann,1,4,1970-01-02\nann,3,5,7\nnew,2,1,\n")
        r = self.loaded("--users", users, "--items", items, "--interactions", views, "--json")
        summary = json.loads(r.stdout)
        self.assertEqual(summary["imported"], {"interactions": 3, "users": 2, "items": 2, "contexts": 0})
        self.assertEqual(summary["total"], {"interactions": 3, "users": 3, "items": 3, "contexts": 0})
        self.assertEqual(summary["skipped"], 0)
        found = {u: p and json.loads(p) for u, p in self.query("SELECT id, profile FROM users")}
        self.assertEqual(found, {"ann": {"age": "25", "city": "Köln, Süd"}, "bob": None, "new": None})
        found = {row[0]: row[1:] for row in self.query("SELECT id, title, categories, metadata FROM items")}
        self.assertEqual(found, {"1": ('A "B"', '["X","Y"]', '{"year":"1999"}'), "2": (None, None, None),
                                 "3": (None, None, None)})
        found = self.query("SELECT u.id, i.id, x.weight, x.rating, x.timestamp FROM interactions x "
                           "JOIN users u USING (user_key) JOIN items i USING (item_key) ORDER BY 1, 2")
        self.assertEqual(found, [("ann", "1", 1, 4, 86400), ("ann", "3", 1, 5, 7), ("new", "2", 1, 1, 0)])

    def test_ndjson_is_read_from_standard_input(self):
        lines = b'{"user":"u","item":1,"weight":2.5,"ts":5}\n{"user":7,"item":"x"}\n'
        self.loaded("--interactions", "-", stdin=lines)
        self.assertEqual(self.query("SELECT count(*) FROM interactions"), [(2,)])
        self.loaded("--users", "-", stdin=gzip.compress(b'{"user":"u","profile":{"age":25,"tags":["a"]}}\n'))
        self.assertEqual(self.query("SELECT profile FROM users WHERE id = 'u'"), [('{"age":25,"tags":["a"]}',)])

    def test_several_files_are_one_table_and_the_environment_names_the_store(self):
        a = self.file("a.csv", "user,item\nu,1\n")
        b = self.file("b.tsv", "user\titem\nu\t2\n")
        r = self.run_it("import", env={"HYPERNET_STORE": "sqlite:" + self.store, "HYPERNET_INTERACTIONS": a + " " + b})
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        self.assertEqual(self.query("SELECT count(*) FROM interactions"), [(2,)])

    def test_a_format_can_be_forced(self):
        odd = self.file("odd.csv", "1::2::3\n")
        self.refused("odd.csv:1: the header has no column 'user'", "--interactions", odd)
        self.loaded("--interactions", odd, "--format", "dat")
        self.refused("--format 'xls' is none of", "--interactions", odd, "--format", "xls", status=2)

    def test_importing_again_updates_and_adds(self):
        first = self.file("a.csv", "user,item,rating\nu,1,3\nu,2,3\n")
        second = self.file("b.csv", "user,item,rating\nu,2,5\nu,3,5\n")
        self.loaded("--interactions", first)
        self.loaded("--interactions", second)
        self.assertEqual(self.query("SELECT rating FROM interactions ORDER BY item_key"), [(3,), (5,), (5,)])


class Partial(Case):
    """A row says part of what is known of a user or an item: what it leaves out is kept."""

    def users(self):
        return {u: p and json.loads(p) for u, p in self.query("SELECT id, profile FROM users")}

    def items(self):
        return {i: (t, c and json.loads(c), m and json.loads(m))
                for i, t, c, m in self.query("SELECT id, title, categories, metadata FROM items")}

    def test_a_table_of_prices_keeps_titles_categories_and_other_fields(self):
        self.loaded("--items", self.file("a.csv", "item,title,categories,year\n1,One,X|Y,1999\n2,Two,Z,2000\n"))
        for name, table in (("p.csv", "item,price\n1,9.5\n3,1\n"), ("p.tsv", "item\tprice\n1\t9.5\n3\t1\n"),
                            ("p.ndjson", '{"item":"1","price":"9.5"}\n{"item":"3","metadata":{"price":"1"}}\n')):
            with self.subTest(name):
                self.loaded("--items", self.file(name, table))
                self.assertEqual(self.items(), {"1": ("One", ["X", "Y"], {"year": "1999", "price": "9.5"}),
                                                "2": ("Two", ["Z"], {"year": "2000"}), "3": (None, None, {"price": "1"})})

    def test_a_table_of_one_field_keeps_the_rest_of_a_profile(self):
        self.loaded("--users", self.file("a.csv", "user,age,country\nann,25,DE\nbob,30,\n"))
        for name, table in (("c.csv", "user,country\nann,FR\nbob,\n"), ("c.tsv", "user\tcountry\nann\tFR\n"),
                            ("c.ndjson", '{"user":"ann","country":"FR"}\n{"user":"bob"}\n'),
                            ("p.ndjson", '{"user":"ann","profile":{"country":"FR"}}\n')):
            with self.subTest(name):
                self.loaded("--users", self.file(name, table))
                self.assertEqual(self.users(), {"ann": {"age": "25", "country": "FR"}, "bob": {"age": "30"}})

    def test_two_tables_of_one_import_are_joined(self):
        first = self.file("a.csv", "user,age\nann,25\n")
        self.loaded("--users", first, "--interactions", self.file("i.csv", "user,item\nann,1\n"))
        lines = '{"user":"ann","country":"DE"}\n{"user":"ann","tags":["a"]}\n{"user":"ann","age":26}\n'
        self.loaded("--users", self.file("b.ndjson", lines))
        self.assertEqual(self.users(), {"ann": {"age": 26, "country": "DE", "tags": ["a"]}})

    def test_null_erases(self):
        self.loaded("--users", self.file("a.ndjson", '{"user":"ann","age":25,"country":"DE","o":{"a":1,"b":2}}\n'
                                                      '{"user":"bob","age":3}\n{"user":"new","x":null,"y":1}\n'))
        self.assertEqual(self.users()["new"], {"y": 1})
        self.loaded("--users", self.file("b.ndjson", '{"user":"ann","country":null,"o":{"a":null}}\n'
                                                      '{"user":"bob","profile":null}\n{"user":"new","y":""}\n'))
        self.assertEqual(self.users(), {"ann": {"age": 25, "o": {"b": 2}}, "bob": None, "new": {"y": 1}})
        self.loaded("--items", self.file("i.ndjson", '{"item":"1","title":"One","categories":["X"],"year":1}\n'
                                                      '{"item":"2","title":"Two","categories":["X"],"year":1}\n'))
        self.loaded("--items", self.file("j.ndjson", '{"item":"1","title":null,"year":null}\n'
                                                      '{"item":"2","categories":[],"metadata":null,"price":3}\n'))
        self.assertEqual(self.items(), {"1": (None, ["X"], None), "2": ("Two", None, {"price": 3})})

    def test_a_deleted_item_keeps_its_texts_too(self):
        self.loaded("--items", self.file("a.csv", "item,title,categories\n1,One,X\n2,Two,Y\n"))
        self.loaded("--items", self.file("b.csv", "item,price\n2,5\n"), "--replace")
        self.loaded("--items", self.file("c.csv", "item,price\n1,7\n2,6\n"))
        self.assertEqual(self.items(), {"1": ("One", ["X"], {"price": "7"}), "2": ("Two", ["Y"], {"price": "6"})})

    def test_what_would_grow_too_large_is_a_bad_line(self):
        self.loaded("--users", self.file("a.csv", "user,a\nann,%s\n" % ("x" * 9000)))
        grown = self.file("b.csv", "user,b\nbob,1\nann,%s\n" % ("y" * 9000))
        self.refused("b.csv:3: with what was there the profile would have 18", "--users", grown)
        self.assertEqual(set(self.users()), {"ann"})


class Contexts(Case):
    def key(self):
        return "--model", "m", "--model-version", "1"

    def test_embeddings_arrive_as_given_contexts(self):
        self.loaded("--users", self.file("u.csv", "user,age\nann,25\n"))
        contexts = self.file("c.tsv", "user\tembedding\nann\t[1, -2.5]\nbob\t0.1 3e4\n")
        self.loaded("--contexts", contexts, *self.key())
        rows = self.query("SELECT * FROM contexts")
        self.assertEqual(len(rows), 2)
        blobs = sorted(value for row in rows for value in row if isinstance(value, bytes))
        self.assertEqual(blobs, sorted([struct.pack("<2f", 1, -2.5), struct.pack("<2f", 0.1, 3e4)]))
        revisions = dict(self.query("SELECT u.id, c.revision - u.revision FROM contexts c JOIN users u "
                                    "ON u.id = c.id WHERE c.given = 1 AND c.kind = 'user'"))
        self.assertEqual(revisions, {"ann": 0, "bob": 0})  # as new as the user: not stale
        self.assertEqual(self.query("SELECT profile FROM users WHERE id = 'ann'"), [('{"age":"25"}',)])

    def test_widths_that_differ_and_missing_names_are_refused(self):
        contexts = self.file("c.tsv", "user\tembedding\nann\t1 2\nbob\t1 2 3\n")
        self.refused("c.tsv:3: the embedding has 3 numbers, those before it 2", "--contexts", contexts, *self.key())
        self.assertFalse(os.path.exists(self.store))
        self.refused("--contexts needs --model and --model-version", "--contexts", contexts, status=2)
        for name in ("--model", "--model-version"):
            self.refused("goes with --contexts", "--interactions", contexts, name, "m", status=2)
        self.refused("--model takes 1 to 128 bytes", "--contexts", contexts, "--model", "m" * 129,
                     "--model-version", "1", status=2)


class Failures(Case):
    BAD = "user,item,weight\nu,1,1\nu,2,0\nu,3,1\n,4,1\nu,5,x\nu,6\nu,7,1\n"

    def test_a_bad_line_leaves_no_new_store(self):
        r = self.refused("bad.csv:3: the weight 0 is not above 0", "--interactions", self.file("bad.csv", self.BAD))
        text = r.stderr.decode()
        self.assertIn("bad.csv:5: the id of the user is empty", text)  # one run shows several
        self.assertIn("bad.csv:6: the weight 'x' is not a finite number", text)
        self.assertIn("bad.csv:7: 2 columns where 3 are due", text)
        self.assertIn("4 bad lines, 0 allowed: nothing was imported; --skip-bad N leaves out up to N bad lines", text)
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("s.db")], [])

    def test_a_bad_line_changes_nothing_in_a_store(self):
        good = self.file("good.csv", "user,item\nu,1\n")
        self.loaded("--interactions", good)
        before = [self.query("SELECT * FROM " + t) for t in ("users", "items", "interactions", "changes")]
        users = self.file("users.csv", "user,age\nu,5\nv,6\n")
        self.refused("bad.csv:3", "--users", users, "--interactions", good, "--interactions",
                     self.file("bad.csv", self.BAD))
        after = [self.query("SELECT * FROM " + t) for t in ("users", "items", "interactions", "changes")]
        self.assertEqual(after, before)

    def test_skip_bad_allows_that_many(self):
        bad = self.file("bad.csv", self.BAD)
        self.refused("4 bad lines, 3 allowed", "--interactions", bad, "--skip-bad", "3")
        self.assertFalse(os.path.exists(self.store))
        r = self.loaded("--interactions", bad, "--skip-bad", "4", "--json")
        self.assertEqual(json.loads(r.stdout)["skipped"], 4)
        self.assertEqual(self.query("SELECT count(*) FROM interactions"), [(3,)])

    def test_many_bad_lines_are_not_all_listed(self):
        bad = self.file("bad.csv", "user,item\n" + ",x\n" * 1000)
        r = self.refused("at least 5 bad lines, 0 allowed", "--interactions", bad)
        self.assertEqual(r.stderr.decode().count("bad.csv:"), 5)

    def test_damaged_and_missing_files_are_named(self):
        whole = gzip.compress(b"user,item\n" + b"".join(b"u%d,i\n" % i for i in range(9999)))
        self.refused("cut.csv.gz: the gzip file ends in the middle", "--interactions", self.file("cut.csv.gz", whole[:-40]))
        self.refused("none.csv: No such file", "--interactions", self.path("none.csv"))
        self.refused("cannot read", "--interactions", self.folder)
        self.assertFalse(os.path.exists(self.store))

    def test_wrong_use_says_what_to_do(self):
        self.refused("nothing to import", status=2)
        self.refused("only one file can be standard input", "--users", "-", "--items", "-", status=2)
        self.refused("--skip-bad", "--users", "-", "--skip-bad", "-1", status=2)
        r = self.run_it("import", "--users", "x")
        self.assertEqual(r.returncode, 2)
        self.assertIn(b"--store", r.stderr)
        self.assertEqual(self.run_it("import", "--help").returncode, 0)

    def test_a_file_that_is_no_store_stays_as_it_is(self):
        with open(self.store, "wb") as f:
            f.write(b"not a store " * 100)
        r = self.load("--interactions", self.file("a.csv", "user,item\nu,1\n"))
        self.assertEqual(r.returncode, 1)
        with open(self.store, "rb") as f:
            self.assertEqual(f.read(), b"not a store " * 100)


class RealData(Case):
    def need(self, name):
        path = os.path.join(DATA, name)
        if not os.path.exists(path):
            self.skipTest("no data set at " + path)
        return path

    def totals(self, *args):
        return json.loads(self.loaded(*args, "--json").stdout)["total"]

    def test_the_files_of_movielens_1m_are_imported_as_they_are(self):
        total = self.totals("--interactions", self.need("ml-1m/train.tsv.gz"), "--users",
                            self.need("ml-1m/users.tsv.gz"), "--items", self.need("ml-1m/items.tsv.gz"))
        self.assertEqual(total, {"interactions": 994169, "users": 6040, "items": 3706, "contexts": 0})

    def test_the_files_of_movielens_100k_are_imported_as_they_are(self):
        total = self.totals("--interactions", self.need("ml-100k/u.data"), "--users", self.need("ml-100k/u.user"),
                            "--items", self.need("ml-100k/u.item"))
        self.assertEqual(total, {"interactions": 100000, "users": 943, "items": 1682, "contexts": 0})
        self.assertEqual(self.query("SELECT title, categories FROM items WHERE id = '1'"),
                         [("Toy Story (1995)", '["Animation","Children\'s","Comedy"]')])

    def test_the_files_of_movietweetings_are_imported_as_they_are(self):
        total = self.totals("--interactions", self.need("movietweetings-100k/ratings.dat"), "--users",
                            self.need("movietweetings-100k/users.dat"), "--items",
                            self.need("movietweetings-100k/movies.dat"))
        self.assertEqual(total, {"interactions": 100000, "users": 16554, "items": 10506, "contexts": 0})


class Simulate(Case):
    def simulate(self, name, *args):
        r = self.run_it("simulate", "--out", self.path(name), *args)
        self.assertEqual(r.returncode, 0, r.stderr.decode())
        content = {}
        for file in sorted(os.listdir(self.path(name))):
            with open(os.path.join(self.path(name), file), "rb") as f:
                content[file] = f.read()
        return content

    def test_a_world_can_be_imported(self):
        size = "--users", "100", "--items", "200", "--interactions", "3000"
        self.simulate("w", *size)
        r = self.loaded("--interactions", self.path("w/interactions.tsv"), "--users", self.path("w/users.tsv"),
                        "--items", self.path("w/items.tsv"), "--json")
        self.assertEqual(json.loads(r.stdout)["total"],
                         {"interactions": 3000, "users": 100, "items": 200, "contexts": 0})

    def test_the_planted_favourite_shows_in_the_files(self):
        w = self.simulate("w")
        rows = [line.split("\t") for line in w["items.tsv"].decode().splitlines()[1:]]
        self.assertEqual(len({title for _, title, _ in rows}), len(rows))
        categories = {item: c.split("|") for item, _, c in rows}
        counts = {}
        for line in w["interactions.tsv"].decode().splitlines()[1:]:
            user, item = line.split("\t")[:2]
            for c in categories[item]:
                counts.setdefault(user, {}).setdefault(c, 0)
                counts[user][c] += 1
        truth = [json.loads(line) for line in w["truth.ndjson"].decode().splitlines()]
        hits = sum(max(counts[t["user"]], key=counts[t["user"]].get) == t["favourites"][0] for t in truth)
        self.assertGreater(hits / len(truth), 0.5)  # chance: 1/12

    def test_a_seed_means_the_same_bytes(self):
        size = "--users", "50", "--items", "200", "--interactions", "500"
        first = self.simulate("a", *size, "--seed", "5")
        self.assertEqual(len(first), 6)
        self.assertEqual(self.simulate("b", *size, "--seed", "5"), first)
        other = self.simulate("c", *size, "--seed", "6")
        self.assertTrue(all(other[name] != first[name] for name in first if name != "items.tsv"))

    def test_wrong_use_says_what_fits(self):
        r = self.run_it("simulate", "--out", self.path("w"), "--users", "10", "--interactions", "5")
        self.assertEqual(r.returncode, 2)
        self.assertIn(b"10 users and 500 items go with 20 to 2500 interactions, not 5", r.stderr)
        self.assertFalse(os.path.exists(self.path("w")))
        r = self.run_it("simulate", "--out", self.path("no/such/place"))
        self.assertEqual(r.returncode, 1)
        self.assertIn(b"no/such/place", r.stderr)


    # ---- items that were deleted ----

    def served(self):
        return {i for i, in self.query("SELECT id FROM items WHERE deleted = 0")}

    def items(self, *ids, **more):
        table = "item,title\n" + "".join("%s,T-%s\n" % (i, i) for i in ids)
        return json.loads(self.loaded("--items", "-", "--format", "csv", "--json", *more.get("options", ()), stdin=table.encode()).stdout)

    def test_replace_deletes_what_the_table_does_not_have(self):
        self.items("a", "b", "c", "d")
        self.loaded("--interactions", "-", "--format", "csv", stdin=b"user,item\nu,d\nu,only-taken\n")
        report = self.items("b", "c", "e", options=["--replace"])
        self.assertEqual((report["items_deleted"], report["items_kept_deleted"]), (3, 0))
        self.assertEqual(self.served(), {"b", "c", "e"})
        self.assertEqual(self.query("SELECT count(*) FROM interactions"), [(2,)])  # what was taken stays known
        revisions = {r for r, in self.query("SELECT revision FROM items WHERE id IN ('a', 'd', 'e', 'only-taken')")}
        self.assertEqual(revisions, {self.query("SELECT max(change) FROM changes")[0][0]})

    def test_a_plain_import_does_not_bring_deleted_items_back_and_replace_does(self):
        self.items("a", "b", "c")
        self.items("a", options=["--replace"])
        report = self.items("a", "b", "b", "d")
        self.assertEqual((report["items_deleted"], report["items_kept_deleted"]), (0, 1))
        self.assertEqual(self.served(), {"a", "d"})
        self.loaded("--interactions", "-", "--format", "csv", stdin=b"user,item\nu,c\n")
        self.assertEqual(self.served(), {"a", "d"})
        self.items("b", options=["--replace"])
        self.assertEqual(self.served(), {"b"})

    def test_replace_with_a_line_that_cannot_be_read_deletes_nothing(self):
        self.items("a", "b")
        before = self.served()
        for options in ((), ("--skip-bad", "5")):
            r = self.load("--items", "-", "--format", "csv", "--replace", *options, stdin=b"item,title\na,x\n,y\n")
            self.assertEqual(r.returncode, 1)
            self.assertEqual(self.served(), before)
        self.assertEqual(self.load("--users", "-", "--replace", stdin=b"user\nu\n").returncode, 2)


if __name__ == "__main__":
    unittest.main()
