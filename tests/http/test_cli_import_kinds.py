"""hypernet import of kinds of events: a column of them, what its words mean, kinds that are made; and what export writes of them comes back."""
import json
import os
import shlex
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


def open_lines(path):
    with open(path, encoding="utf-8") as f:
        return f.readlines()


class Kinds(hn.Folder):
    def rows(self, store=None):
        return self.query("SELECT u.id, i.id, k.name, x.count, x.timestamp, x.first_time, x.weight FROM interactions x JOIN users u USING (user_key) "
                          "JOIN items i USING (item_key) JOIN kinds k USING (kind) ORDER BY 1, 2, 3")

    def load(self, text, *options, name="orders.csv", check=True):
        return hn.run("import", "--store", self.store, "--interactions", self.file(name, text), *options, check=check)

    def test_a_column_says_the_kind_and_its_words_may_be_others(self):
        self.load("user,item,kind,timestamp\na,x,view,10\na,x,purchase,20\na,x,view,30\nb,y,returned,5\nb,y,refund,7\nb,z,,9\n",
                  "--kind", "return:1:negative", "--kind", "cart:0.5:unseen:ttl=30d", "--kind-map", "returned=return,refund=return")
        self.assertEqual(self.rows(), [("a", "x", "purchase", 1, 20, 0, 1), ("a", "x", "view", 2, 30, 10, 1), ("b", "y", "return", 2, 7, 5, 1),
                                       ("b", "z", "interaction", 1, 9, 0, 1)])
        self.assertEqual(self.query("SELECT name, weight, negative, unseen, ttl FROM kinds WHERE kind > 5 ORDER BY kind"),
                         [("return", 1, 1, 0, None), ("cart", 0.5, 0, 1, 30 * 86400)])

    def test_rows_of_a_word_without_a_meaning_are_left_out_and_counted(self):
        text = "user,item,kind\na,x,delivered\na,y,cancelled\nb,y,cancelled\n"
        said = json.loads(self.load(text, "--kind-map", "delivered=purchase,cancelled=", "--json").out)
        self.assertEqual((said["left_out"], said["imported"]["interactions"], len(self.rows())), (2, 1, 1))
        self.assertEqual(self.query("SELECT id FROM users"), [("a",)])
        self.assertIn("3 rows left out by --kind-map", self.load("user,item,kind\n" + "c,z,cancelled\n" * 3, "--kind-map", "cancelled=").out)

    def test_a_word_that_is_no_kind_is_named_with_those_that_are(self):
        run = self.load("user,item,kind\na,x,view\na,y,buy\n", check=False)
        self.assertEqual(run.returncode, 1)
        for part in ("no kind of events 'buy'", "known: interaction, view, like, purchase, dislike, shown", "--kind-map buy=KIND", ":3"):
            self.assertIn(part, run.stderr.decode())
        self.assertFalse(os.path.exists(self.store))
        self.load("user,item,kind\na,x,view\na,y,buy\n", "--skip-bad", "1")
        self.assertEqual(len(self.rows()), 1)

    def test_options_that_cannot_be_are_refused(self):
        for options in (("--kind", "cart"), ("--kind", "cart:x"), ("--kind", "cart:1:soon"), ("--kind", "cart:1:ttl=d"), ("--kind", "cart:1:ttl=-1d"), ("--kind", "Big:1"), ("--kind", "cart:-1"),
                        ("--kind", "interaction:2"), ("--kind-map", "a"), ("--kind-map", "=view"), ("--kind-map", "a=nothing"),
                        ("--kind-map", "a=view,a=like")):
            run = self.load("user,item,kind\na,x,view\n", *options, check=False)
            self.assertNotEqual(run.returncode, 0, options)
            self.assertIn(options[0], run.stderr.decode())
            self.assertFalse(os.path.exists(self.store), options)

    def kinds(self):
        return self.query("SELECT kind, name, weight, negative, unseen FROM kinds ORDER BY kind")

    def test_a_kind_that_is_a_number_is_its_digits(self):
        line = '{"user":"u","item":"i","kind":5}\n'
        self.assertIn("no kind of events '5'", self.load(line, name="a.ndjson", check=False).err)
        self.load(line, "--kind-map", "5=like", name="a.ndjson")
        self.assertEqual(self.rows(), [("u", "i", "like", 1, 0, 0, 1)])
        self.assertIn("no kind of events '0.25'", self.load(line.replace("5}", "0.25}"), name="a.ndjson", check=False).err)

    def test_a_refused_import_leaves_the_kinds_as_they_were(self):
        self.load("user,item,kind\na,x,view\n")
        before = self.kinds()
        made = ("--kind", "view:9:negative", "--kind", "cart:0.5")
        for bad in ("user,item,kind\na,y,cart\na,x,buy\n", "user,item,kind\na,,cart\n", "user,thing,kind\n"):
            self.assertEqual(self.load(bad, *made, check=False).returncode, 1, bad)
            self.assertEqual(self.kinds(), before, bad)
        self.assertEqual(self.load("user,item,kind\na,y,view\n", *made, "--ignore-field", "nope", check=False).returncode, 1)
        self.assertEqual(self.kinds(), before)
        revision = self.query("SELECT revision FROM users")
        self.load("user,item,kind\na,y,cart\nb,y,view\n", *made)
        self.assertEqual(self.kinds(), [*(k if k[1] != "view" else (k[0], "view", 9, 1, 0) for k in before), (6, "cart", 0.5, 0, 0)])
        self.assertEqual([row[:3] for row in self.rows()], [("a", "x", "view"), ("a", "y", "cart"), ("b", "y", "view")])
        self.assertNotEqual(self.query("SELECT revision FROM users WHERE id = 'a'"), revision)

    def test_kinds_are_made_beside_many_rows_that_are_staged(self):
        n = 400001
        rows = "".join(f"u{n % 5000},i{n // 5000},{'cart' if n % 2 else 'view'}\n" for n in range(n))
        self.load("user,item,kind\n" + rows, "--kind", "cart:0.5", "--kind", "view:0.3")
        self.assertEqual(self.query("SELECT k.name, k.weight, count(*) FROM interactions JOIN kinds k USING (kind) GROUP BY 1 ORDER BY 1"),
                         [("cart", 0.5, n // 2), ("view", 0.3, n // 2 + 1)])

    def test_words_without_a_column_of_kinds_are_refused(self):
        for name, text in (("a.csv", "user,item,status\na,x,ok\n"), ("a.ndjson", '{"user":"a","item":"x","status":"ok"}\n')):
            run = self.load(text, "--kind-map", "ok=purchase", name=name, check=False)
            self.assertEqual(run.returncode, 1)
            self.assertIn("--kind-map: no table has a column kind", run.err)
            self.assertFalse(os.path.exists(self.store))
        self.load("user,item,status\na,x,ok\n", "--kind-map", "ok=purchase", "--column", "kind=status")

    def test_a_last_is_a_time_beside_a_kind_alone(self):
        self.load("user,item,last\na,x,Smith\n")
        self.load('{"user":"a","item":"y","last":"Smith"}\n', name="a.ndjson")
        self.load("user,item,kind,last,timestamp\nb,x,view,Smith,9\n")
        self.load('{"user":"b","item":"y","kind":"view","last":"Smith","ts":8}\n', name="a.ndjson")
        self.assertEqual([row[:2] + row[4:5] for row in self.rows()], [("a", "x", 0), ("a", "y", 0), ("b", "x", 9), ("b", "y", 8)])
        self.assertEqual(self.load("user,item,kind,last\na,x,view,Smith\n", check=False).returncode, 1)

    def test_a_count_is_of_events_beside_a_kind_and_a_weight_without_one(self):
        self.load("user,item,kind,count,first,last\na,x,view,7,10,30\n")
        self.load("user,item,count\na,y,7\n", name="plain.csv")
        self.load('{"user":"b","item":"x","kind":"view","count":3,"first":1,"last":9,"weight":2}\n{"user":"b","item":"y","count":3}\n', name="more.ndjson")
        self.assertEqual(self.rows(), [("a", "x", "view", 7, 30, 10, 1), ("a", "y", "interaction", 1, 0, 0, 7), ("b", "x", "view", 3, 9, 1, 2),
                                       ("b", "y", "interaction", 1, 0, 0, 3)])
        for bad in ("user,item,kind,count\na,x,view,0\n", "user,item,kind,count\na,x,view,1.5\n", "user,item,kind,first,last\na,x,view,9,5\n"):
            self.assertEqual(self.load(bad, check=False).returncode, 1, bad)


class Simulated(hn.Folder):
    def simulate(self, name):
        hn.run("simulate", "--kinds", "--out", self.path(name), "--users", "200", "--items", "150", "--interactions", "4000", "--seed", "3")
        read = lambda table: [line.rstrip("\n").split("\t") for line in open_lines(self.path(f"{name}/{table}.tsv"))]
        return read("interactions")[1:], read("test")[1:]

    def test_a_world_of_kinds_is_a_funnel_that_import_takes(self):
        rows, test = self.simulate("one")
        self.assertEqual((rows, test), self.simulate("two"))
        by_kind = {kind: {(u, i) for u, i, k, _ in rows if k == kind} for kind in ("view", "cart", "purchase", "return", "dislike")}
        self.assertEqual(len(by_kind["view"]), 4000)
        for less, more in (("cart", "view"), ("purchase", "cart"), ("return", "purchase"), ("dislike", "view")):
            self.assertLess(by_kind[less], by_kind[more])
            self.assertTrue(by_kind[less])
        self.assertTrue(10 < len(test) < 200)
        self.assertFalse({(u, i) for u, i, _ in test} & by_kind["view"])

        hn.run("import", "--store", self.store, "--interactions", self.path("one/interactions.tsv"), "--kind", "cart:0.5", "--kind", "return:2:negative")
        self.assertEqual(self.query("SELECT count(*) FROM interactions"), [(len(rows),)])

    def test_what_comes_next_is_a_command_that_runs(self):
        told = hn.run("simulate", "--kinds", "--out", self.path("world"), "--users", "200", "--items", "150", "--interactions", "4000").err
        words = shlex.split(told.split("next: ")[1].splitlines()[0])[1:]
        words[words.index("store.db")] = self.path("s.db")
        hn.run(*words)
        names = {k for _, _, k, _ in (line.split("\t") for line in open_lines(self.path("world/interactions.tsv"))[1:])}
        self.assertLessEqual(names, {json.loads(x)["kind"] for x in hn.run("export", "interactions", "--store", self.path("s.db")).out.splitlines()})


class There(hn.Case):
    def test_what_is_exported_and_imported_answers_the_same(self):
        w = hn.world()
        store, folder = w.copy_store(), hn.temporary_folder()
        tables = [part for t in ("users", "items", "interactions") for part in (f"--{t}", os.path.join(folder, t + ".ndjson"))]
        users = ("k", *w.users[:20])
        with hn.Server(store=store) as server:
            server.register("k", {"interactions": [{"item": w.items[0], "timestamp": 3}]})
            for n, kind in enumerate(("view", "view", "purchase", "dislike", "shown", "like")):
                self.assertEqual(server.event("k", w.items[n % 4 + 1], kind=kind, timestamp=100 + n % 3).status, 200)
            server.event("k", w.items[0], timestamp=50)
            before = [(server.recommend(u, limit=200).json["items"], server.user(u).json["interactions"]) for u in users]
        hn.run("export", "--store", store, *tables)
        with open(os.path.join(folder, "interactions.ndjson"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertIn({"user": "k", "item": w.items[0], "kind": "interaction", "count": 2, "first": 3, "last": 50}, lines)
        there = os.path.join(folder, "there.db")
        hn.run("import", "--store", there, *tables)
        with hn.Server(store=there) as server:
            self.assertEqual([(server.recommend(u, limit=200).json["items"], server.user(u).json["interactions"]) for u in users], before)


if __name__ == "__main__":
    unittest.main()
