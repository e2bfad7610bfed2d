"""hypernet export: tasks and their rows out of a store as tables, and back in."""
import json
import os
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import done, run  # noqa: E402


class Export(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.store = folder.name, os.path.join(folder.name, "s.db")

    def file(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return path

    def lines(self, name):
        with open(self.file(name), encoding="utf-8") as f:
            return f.read()

    def tasks(self, store):
        with sqlite3.connect(store) as c:
            tasks = c.execute("SELECT id, profile FROM tasks ORDER BY id").fetchall()
            rows = c.execute("SELECT id, number, content FROM task_rows JOIN tasks USING (task_key) ORDER BY id, number").fetchall()
        return ({t: p and json.loads(p) for t, p in tasks}, [(t, n, json.loads(r)) for t, n, r in rows])

    def export(self, task, n="1", store=None):
        return run("export", "--store", store or self.store, "--task", task, "--task-rows", self.file(n + ".rows.ndjson"), "--tasks",
                   self.file(n + ".tasks.ndjson"))

    def import_exported(self, task, n="1"):
        again = self.file("again.db")
        done("import", "--store", again, "--task", task, "--task-rows", self.file(n + ".rows.ndjson"), "--tasks",
             self.file(n + ".tasks.ndjson"))
        return again

    def test_what_is_exported_comes_back_as_it_was(self):
        rows = self.file("r.csv", 'shop,day,code,deal,note,units\nb,1,007,yes,,2.5\na,1,12,no,"x, ""y""",3\nb,2,8,true,NA,1e3\n')
        profiles = self.file("p.csv", "shop,district,size\na,north,12\nempty,south,\n")
        done("import", "--store", self.store, "--task", "shop", "--task-rows", rows, "--tasks", profiles)
        r = self.export("shop")
        self.assertEqual((r.returncode, r.stdout), (0, ""), r.stderr)
        self.assertEqual(r.stderr, "3 tasks, 3 rows; 1 task without a row\n")
        self.assertEqual(os.stat(self.file("1.rows.ndjson")).st_mode & 0o777, 0o600)
        again = self.import_exported("shop")
        self.assertEqual(self.tasks(again), self.tasks(self.store))
        self.assertEqual(self.export("shop", "2", again).returncode, 0)
        for table in ("rows", "tasks"):
            first, second = (sorted(map(json.dumps, map(json.loads, self.lines(n + f".{table}.ndjson").splitlines()))) for n in "12")
            self.assertEqual(first, second)
        out = done("export", "--store", self.store, "--task", "shop", "--tasks", "-")
        self.assertEqual(out, self.lines("1.tasks.ndjson"))

    def test_an_id_of_several_columns_is_taken_apart(self):
        rows = self.file("r.csv", "store,brand,units\ns1,7,2\ns1,9.0,3\n")
        profiles = self.file("p.csv", "store,district\ns1,north\n")
        done("import", "--store", self.store, "--task", "store,brand", "--task-rows", rows, "--tasks", profiles)
        r = self.export("store,brand")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual([json.loads(x) for x in self.lines("1.tasks.ndjson").splitlines()],
                         [{"store": "s1", "brand": b, "district": "north"} for b in ("7", "9.0")])
        before, after = self.tasks(self.store), self.tasks(self.import_exported("store,brand"))
        self.assertEqual([(t, r["units"]) for t, _, r in before[1]], [(t, r["units"]) for t, _, r in after[1]])

    def test_a_table_that_cannot_be_written_leaves_the_other_as_it_was(self):
        done("import", "--store", self.store, "--task", "shop", "--task-rows", self.file("r.csv", "shop,day,units\na,1,2\n"))
        self.file("1.rows.ndjson", "before\n")
        os.mkdir(self.file("1.tasks.ndjson"))
        r = self.export("shop")
        self.assertEqual((r.returncode, self.lines("1.rows.ndjson")), (1, "before\n"), r.stderr)

    def test_the_longest_id_comes_back_with_its_profile(self):
        shop = "x" * 256
        rows = self.file("r.csv", f"shop,day,units\n{shop},1,2\n")
        done("import", "--store", self.store, "--task", "shop", "--task-rows", rows, "--tasks", self.file("p.csv", f"shop,size\n{shop},12\n"))
        self.assertEqual(self.tasks(self.store)[0], {shop: {"size": 12}})
        self.assertEqual(self.export("shop").returncode, 0)
        self.assertEqual(self.tasks(self.import_exported("shop")), self.tasks(self.store))

    def test_what_cannot_be_said_is_refused_and_leaves_no_file(self):
        done("import", "--store", self.store, "--task", "shop", "--task-rows", self.file("r.csv", "shop,day,units\na,1,2\n"))
        for task, why in (("day", "has a column 'day' that says something else"), ("shop,brand", "is not of 2 columns")):
            r = self.export(task)
            self.assertEqual((r.returncode, r.stdout), (1, ""))
            self.assertIn(why, r.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["r.csv", "s.db"])
        for words, why in (((), "nothing to export"), (("--tasks", "-", "--task-rows", "-"), "name two files")):
            r = run("export", "--store", self.store, *words)
            self.assertEqual(r.returncode, 2)
            self.assertIn(why, r.stderr)
        r = run("export", "--store", self.store, "--task-rows", self.store)
        self.assertEqual(r.returncode, 1)
        self.assertIn("--task-rows", r.stderr)
        self.assertEqual(run("inspect", self.store).returncode, 0)
        with open("/dev/full", "w") as full:
            import subprocess
            from command import HYPERNET, environment
            r = subprocess.run([HYPERNET, "export", "--store", self.store, "--tasks", "-"], stdout=full, stderr=subprocess.PIPE, text=True,
                               env=environment(), timeout=600)
        self.assertEqual(r.returncode, 1)
        self.assertIn("written", r.stderr)


if __name__ == "__main__":
    unittest.main()
