"""`split`: nothing that is tested is learned, whichever way it is split; and `evaluate` says so where it is not so."""
import csv
import gzip
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Split(hn.Folder):
    def setUp(self):
        super().setUp()
        self.out = self.path("out")

    def split(self, *arguments):
        return json.loads(hn.run("split", "--out", self.out, "--json", *arguments).out)

    def table(self, name):
        with open(f"{self.out}/{name}.csv", newline="", encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def pairs(self, name):
        return [(row["user"], row["item"]) for row in self.table(name)]

    @staticmethod
    def many(n_users=40, n_items=25):
        """Rows in no order of time, some of them of the same user and item."""
        rows = [(f"u{u}", f"i{(u * 7 + k * 3) % n_items}", 1700000000 + (u * 31 + k * 17) % 997, k % 5 + 1)
                for u in range(n_users) for k in range(2 + u % 9)]
        rows += [(u, i, t - 5000, 3) for u, i, t, _ in rows[::4]]
        return rows

    def views(self):
        text = "user_id,item_id,ts,stars,note\n" + "".join(f"{u},{i},{t * 1000},{r},x\n" for u, i, t, r in self.many())
        return self.file("views.csv.gz", gzip.compress(text.encode()))

    def test_a_column_is_taken_as_what_it_is_named(self):
        rows = [(f"u{n % 3}", f"i{n}", 1700000000 + n) for n in range(9)]
        named = self.file("o.csv", "Kundennr,SKU,Datum\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
        bare = self.file("b.csv", "".join(f"{t},{u},{i}\n" for u, i, t in rows))
        plain = self.file("p.csv", "user,item,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
        self.split("--interactions", plain)
        expected = self.table("train"), self.table("test")
        for words in (("--interactions", named, "--column", "user=Kundennr", "--column", "item=SKU",
                       "--column", "timestamp=Datum"),
                      ("--interactions", bare, "--no-header", "--column", "user=2", "--column", "item=3",
                       "--column", "timestamp=1")):
            self.split(*words)
            self.assertEqual((self.table("train"), self.table("test")), expected)

    def test_kinds_stay_and_of_an_item_that_is_tested_nothing_is_learned(self):
        rows = [("a", "x", "view", 1), ("a", "x", "view", 2), ("a", "x", "purchase", 3), ("a", "y", "view", 4), ("a", "y", "", 5), ("a", "z", "dislike", 2)]
        rows += [(f"u{n % 9}", f"i{n % 7}", ("view", "purchase", "dislike", "cart")[n % 4], n) for n in range(500)]
        table = self.file("k.csv", "user,item,status,ts\n" + "".join(f"{u},{i},{k},{t}\n" for u, i, k, t in rows))
        whole = {(u, i, k) for u, i, k, _ in rows}
        for way in (("--by", "newest"), ("--by", "random"), ("--by", "users", "--share", "0.5")):
            said = self.split("--interactions", table, "--column", "kind=status", *way)
            names = ["train", "test"] + (["known"] if way[1] == "users" else [])
            parts = [[(r["user"], r["item"], r["kind"]) for r in self.table(name)] for name in names]
            self.assertEqual(sorted(sum(parts, [])), sorted(whole), way)
            self.assertEqual(said["merged"], len(rows) - len(whole))
            pairs = [{row[:2] for row in part} for part in parts]
            self.assertFalse(pairs[1] & set().union(pairs[0], *pairs[2:]))
            if way[1] == "newest":
                self.assertEqual([row for row in parts[1] if row[0] == "a"], [("a", "y", "view"), ("a", "y", "")])
                self.assertEqual([r["timestamp"] for r in self.table("train") if r["user"] == "a"], ["2", "3", "2"])

    def test_a_name_that_no_table_has_writes_nothing(self):
        plain = self.file("p.csv", "user,item\na,i\na,j\n")
        r = hn.run("split", "--out", self.out, "--interactions", plain, "--column", "weight=quantity", check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("--column quantity: no table has such a column", r.err)
        self.assertFalse(os.path.exists(self.out))

    def check_apart(self, said, files):
        pairs = [self.pairs(name) for name in files]
        together = [p for some in pairs for p in some]
        self.assertEqual(len(together), len(set(together)))  # each interaction once, in one file
        self.assertEqual(set(together), {(u, i) for u, i, _, _ in self.many()})
        self.assertEqual([len(some) for some in pairs], [said["train"], said["test"], said["known"]][:len(files)])
        self.assertEqual(said["rows"], len(together) + said["merged"])
        newest = {}
        for u, i, t, _ in self.many():
            newest[u, i] = max(t, newest.get((u, i), 0))
        for name in files:
            for row in self.table(name):
                self.assertEqual(int(row["timestamp"]), newest[row["user"], row["item"]])

    def test_the_newest_of_each_user_are_held_out(self):
        said = self.split("--interactions", self.views())
        self.check_apart(said, ["train", "test"])
        last = {}
        for u, i, t, _ in self.many():
            last[u] = max(last.get(u, (0, "")), (t, i))
        self.assertEqual(dict(self.pairs("test")).keys(), last.keys())
        for row in self.table("test"):
            self.assertEqual(int(row["timestamp"]), last[row["user"]][0])
        self.assertFalse(os.path.exists(f"{self.out}/known.csv"))

    def test_a_random_share_of_each_user(self):
        views = self.views()
        said = self.split("--interactions", views, "--by", "random", "--share", 0.25)
        self.check_apart(said, ["train", "test"])
        self.assertAlmostEqual(said["test"] / (said["train"] + said["test"]), 0.25, delta=0.08)
        self.assertEqual({u for u, _ in self.pairs("train")}, {u for u, _, _, _ in self.many()})  # everybody is still known
        first = self.pairs("test")
        self.split("--interactions", views, "--by", "random", "--share", 0.25)
        self.assertEqual(self.pairs("test"), first)
        self.split("--interactions", views, "--by", "random", "--share", 0.25, "--seed", 2)
        self.assertNotEqual(self.pairs("test"), first)

    def test_users_are_held_out_whole(self):
        said = self.split("--interactions", self.views(), "--by", "users", "--share", 0.3)
        self.check_apart(said, ["train", "test", "known"])
        tested = {u for u, _ in self.pairs("test")}
        self.assertEqual((len(tested), said["users_tested"]), (12, 12))
        self.assertEqual({u for u, _ in self.pairs("known")}, tested)
        self.assertFalse({u for u, _ in self.pairs("train")} & tested)
        for user in tested:
            times = [[int(r["timestamp"]) for r in self.table(name) if r["user"] == user] for name in ("known", "test")]
            self.assertLessEqual(max(times[0]), min(times[1]))
            self.assertEqual(len(times[1]), -(-(len(times[0]) + len(times[1])) // 5))

    def test_without_times_the_order_of_the_rows_counts(self):
        said = self.split("--interactions", self.file("v.tsv", "user\titem\nu\ta\nu\tb\nv\tc\n"), "--interactions",
                          self.file("w.ndjson", '{"user":"u","item":"c"}\n'))
        self.assertEqual((self.pairs("test"), said["timed"]), ([("u", "c")], False))
        self.assertEqual(self.pairs("train"), [("u", "a"), ("u", "b"), ("v", "c")])  # one alone stays

    def test_odd_ids_and_values_come_back_as_they_were(self):
        ids = ["NULL", 'a"b', "c,d", "e f'g;h", "Köln"]
        lines = [{"user": "nan", "item": i, "weight": w, "rating": 0.1} for i, w in zip(ids, (0.1, 1e-6, 1e6, 3, 1))]
        self.split("--interactions", self.file("v.ndjson", "".join(json.dumps(x) + "\n" for x in lines)))
        rows = self.table("train") + self.table("test")
        self.assertEqual([(r["user"], r["item"], float(r["weight"]), float(r["rating"])) for r in rows],
                         [("nan", x["item"], x["weight"], 0.1) for x in lines])
        hn.run("import", "--store", f"{self.folder}/s.db", "--interactions", f"{self.out}/train.csv")

    def test_bad_lines_are_left_out_as_by_import(self):
        said = self.split("--interactions", self.file("v.csv", 'user,item\nu,a\nu,"b\nu,c\nu,\n'), "--skip-bad", 2)
        self.assertEqual((self.pairs("train"), self.pairs("test"), said["skipped"]), ([("u", "a")], [("u", "c")], 2))

    def test_what_cannot_be_split_is_refused_and_leaves_no_file(self):
        bad = self.file("bad.csv", "user,item\nu,a\nu,\n")
        one = self.file("one.csv", "user,item\nu,a\nv,b\nu,a\n")
        for arguments, status, said in (
                (["--interactions", bad], 1, "bad.csv:3: the id of the item is empty; --skip-bad N"),
                (["--interactions", one], 1, "nothing to hold out: 3 rows of 2 users"),
                (["--interactions", self.folder + "/none.csv"], 1, "cannot open"),
                (["--interactions", "-"], 2, "standard input can be read once"),
                (["--interactions", one, "--by", "time"], 2, "--by is newest, random or users"),
                (["--interactions", one, "--by", "users", "--share", "1"], 2, "--share"),
                (["--interactions", one, "--share", "0.3"], 2, "--share is for --by random and users, not newest"),
                (["--interactions", one, "--by", "newest", "--seed=7"], 2, "--seed is for --by random and users")):
            done = hn.run("split", "--out", self.out, *arguments, check=False, input=b"")
            self.assertEqual(done.returncode, status, done.err)
            self.assertIn(said, done.err)
        self.assertFalse(os.path.exists(self.out) and os.listdir(self.out))


class Evaluate(hn.Folder):
    """With the world of the tests, whose interactions are in the store."""

    def setUp(self):
        super().setUp()
        self.world = hn.world()

    def measure(self, store, model, test, *more):
        text = hn.run("evaluate", "--store", store, "--model", model, "--test", test, *more).out
        return text, json.loads(hn.run("evaluate", "--store", store, "--model", model, "--test", test, *more, "--json").out)

    def test_held_out_rows_that_the_store_has_are_named_and_counted(self):
        user, items = "u1", self.world.interactions["u1"]
        fresh = next(i for i in self.world.items if i not in items)
        test = f"{self.folder}/test.csv"
        with open(test, "w", encoding="utf-8") as f:
            f.write("user,item\n" + "".join(f"{user},{i}\n" for i in (items[0], items[1], fresh)))
        text, said = self.measure(self.world.store, self.world.model, test)
        self.assertEqual(said["already_known"], 2)
        self.assertEqual(sorted(said["first_already_known"]), sorted(f"user 'u1' item '{i}'" for i in items[:2]))
        self.assertIn("(2 of 3 held-out rows)", text)
        self.assertIn("hypernet split", text)

    def test_a_split_has_none_of_them(self):
        out, tables = f"{self.folder}/out", self.world.path("tables")
        for by, share, more in (("newest", (), ()), ("users", ("--share", 0.1), ("--known", f"{out}/known.csv"))):
            with self.subTest(by=by):
                store, model = f"{self.folder}/{by}.db", f"{self.folder}/{by}.hn"
                hn.run("split", "--interactions", f"{tables}/interactions.tsv", "--out", out, "--by", by, *share)
                hn.run("import", "--store", store, "--interactions", f"{out}/train.csv")
                hn.run("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8)
                text, said = self.measure(store, model, f"{out}/test.csv", *more)
                self.assertEqual((said["already_known"], said["users_without_context"]), (0, 0))
                self.assertNotIn("held out, but known", text)


if __name__ == "__main__":
    unittest.main()
