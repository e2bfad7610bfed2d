"""`import --tasks` and `--task-rows`: tables of tasks as people have them, into a store that `inspect` and a server see."""
import json
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops

ROWS = "store,week,price,units\n2,1,2.5,12\n5,1,3,7\n2,2,2.25,\n"
STORES = "store,age,city\n2,30,Paris\n5,41,Lyon\n9,1,Rome\n"


class ImportTasks(unittest.TestCase):
    def setUp(self):
        self.dir = hn.temporary_folder()
        self.store = f"{self.dir}/s.db"

    def file(self, name, text):
        with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        return f"{self.dir}/{name}"

    def load(self, *options, check=True, **more):
        return hn.run("import", "--store", self.store, "--task", "store", *options, check=check, **more)

    def stored(self):
        db = sqlite3.connect(self.store)
        try:
            return [(task, json.loads(row)) for task, row in
                    db.execute("SELECT id, content FROM task_rows JOIN tasks USING (task_key) ORDER BY task_key, number")]
        finally:
            db.close()

    def test_rows_and_profiles_come_in_one_import_and_inspect_counts_them(self):
        out = self.load("--task-rows", self.file("rows.csv", ROWS), "--tasks", self.file("stores.csv", STORES)).stdout.decode()
        self.assertIn("3 rows of 2 tasks imported, 3 in the store", out)
        self.assertIn("3 tasks with a profile of the table", out)
        self.assertEqual(self.stored(), [("2", {"week": 1, "price": 2.5, "units": 12}), ("2", {"week": 2, "price": 2.25}),
                                         ("5", {"week": 1, "price": 3, "units": 7})])
        about = json.loads(hn.run("inspect", self.store, "--json").stdout)
        self.assertEqual((about["tasks"], about["task_rows"], about["users"]), (3, 3, 0))
        self.assertIn("task rows     3\n", hn.run("inspect", self.store).stdout.decode())

    def test_the_same_rows_come_from_every_format(self):
        lines = [dict(zip(("store", "week", "price", "units"), values)) for values in
                 (("2", 1, 2.5, 12), ("5", 1, 3.0, 7), ("2", 2, 2.25, None))]
        forms = {"rows.tsv": ROWS.replace(",", "\t"), "rows.ndjson": "".join(json.dumps(row) + "\n" for row in lines)}
        self.load("--task-rows", self.file("rows.csv", ROWS))
        expected = self.stored()
        for name, text in forms.items():
            os.remove(self.store)
            self.load("--task-rows", self.file(name, text))
            self.assertEqual(self.stored(), expected, name)
        os.remove(self.store)
        self.load("--task-rows", "-", input=ROWS.encode())
        self.assertEqual(self.stored(), expected)

    def test_a_second_import_adds_and_says_so_or_replaces(self):
        rows = self.file("rows.csv", ROWS)
        self.load("--task-rows", rows)
        self.assertIn("note: 2 tasks had 3 rows already", self.load("--task-rows", rows).stdout.decode())
        self.assertEqual(len(self.stored()), 6)
        report = json.loads(self.load("--task-rows", rows, "--replace-rows", "--json").stdout)
        self.assertEqual((report["rows_replaced"], report["total"]), (6, {"tasks": 2, "task_rows": 3}))
        report = json.loads(self.load("--task-rows", rows, "--replace-rows", "--json").stdout)
        self.assertEqual((report["rows_replaced"], report["tasks_unchanged"]), (0, 2))

    def test_bad_lines_are_listed_and_left_out_as_far_as_is_allowed(self):
        rows = self.file("rows.csv", "store,price,units\n2,inf,1\n,2,1\n2,2,1\n5,1,3\n")
        bad = self.load("--task-rows", rows, check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertIn(f"{rows}:2: column 'price': 'inf' is no finite number", bad.stderr.decode())
        self.assertIn("2 bad lines, 0 allowed: nothing was imported", bad.stderr.decode())
        self.assertFalse(os.path.exists(self.store))
        self.assertIn("2 bad lines left out", self.load("--task-rows", rows, "--skip-bad", "2").stdout.decode())
        self.assertEqual([task for task, _ in self.stored()], ["2", "5"])

    def test_what_does_not_go_together_is_refused_before_any_file_is_read(self):
        for options in (["--task-rows", "no-such.csv", "--users", "u.csv"], ["--tasks", "no-such.csv", "--replace-rows"], [],
                        ["--task-rows", "-", "--tasks", "-"], ["--task-rows", "no-such.csv", "--format", "u.data"],
                        ["--task-rows", "no-such.csv", "--replace"]):
            r = self.load(*options, check=False)
            self.assertEqual(r.returncode, 2, options)
            self.assertNotIn("no-such.csv", r.stderr.decode())
        r = hn.run("import", "--store", self.store, "--task-rows", "no-such.csv", check=False)
        self.assertEqual(r.returncode, 2)
        self.assertIn("--task names the columns", r.stderr.decode())
        self.assertFalse(os.path.exists(self.store))


class BesideAServer(shops.Case):
    def load(self, text, *options):
        path = f"{hn.temporary_folder()}/rows.csv"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        hn.run("import", "--store", self.server.store, "--task-rows", path, "--task", "shop", *options)

    def known(self, task, n):
        """A server that runs follows by itself: what it answers from, once it has so many rows."""
        hn.eventually(lambda: self.predict(task, {"rows": self.shops.asked(task)}, cold_start="true").json["known"] == n,
                      f"{n} rows of {task}")
        return self.predicted(task, {"rows": self.shops.asked(task)})["predictions"]

    def test_imported_rows_answer_as_those_of_the_call_do(self):
        rows = {shop: self.shops.known(shop) for shop in self.shops.new}
        self.load(shops.table(rows, "units"))
        for shop in self.shops.new[:2]:
            of_call = self.predicted(shop, {"rows": self.shops.asked(shop), "support": {"rows": rows[shop]}})["predictions"]
            for a, b in zip(self.known(shop, 16), of_call):
                self.assertAlmostEqual(a["value"], b["value"], places=3)
                self.assertAlmostEqual(a["deviation"], b["deviation"], places=3)

    def test_an_answer_that_was_given_is_another_once_other_rows_are_imported(self):
        shop = self.shops.new[3]
        self.load(shops.table({shop: self.shops.known(shop)}, "units"))
        before = self.known(shop, 16)
        self.load(shops.table({shop: self.shops.known(shop, 9)}, "units"), "--replace-rows")
        self.assertNotEqual(before, self.known(shop, 9))


if __name__ == "__main__":
    unittest.main()
