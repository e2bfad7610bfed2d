"""Ids that do not meet between tables, and names of fields that nearly do, are said aloud with an example and the likely cause; what is to
be left out stays out."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Case(hn.Folder):
    def load(self, *arguments, status=0):
        done = hn.run("import", "--store", self.store, *arguments, check=False)
        self.assertEqual(done.returncode, status, done.err)
        return done

    def notes(self, *arguments):
        return json.loads(self.load(*arguments, "--json").out)["notes"]

    def start_over(self):
        for end in ("", "-wal", "-shm"):
            if os.path.exists(self.store + end):
                os.unlink(self.store + end)


def interactions(ids):
    return ["user,item"] + [f"u{n % 3},{i}" for n, i in enumerate(ids)]


FORMS = [  # how one table writes n, how the other does, what is said of it
    (lambda n: f"{n}.0", lambda n: f"{n}", "a fraction of zeros"),
    (lambda n: f"SKU-{n}", lambda n: f"sku-{n}", "letter case"),
    (lambda n: f"{n:05d}", lambda n: f"{n}", "leading zeros"),
    (lambda n: f"a{n:03d}", lambda n: f"a{n}", "leading zeros"),
    (lambda n: f"a {n}", lambda n: f"a{n}", "spaces"),
    (lambda n: f"a{n}\u00a0", lambda n: f"a{n}", "spaces"),
    (lambda n: f"SKU-{n:04d}", lambda n: f"sku-{n}", "the way they are written"),
]


class Meeting(Case):
    def assertSaid(self, notes, what, kind, *more):
        found = [n for n in notes if n.startswith(f"ids of {kind} that differ by {what}")]
        self.assertEqual(len(found), 1, notes)
        for text in more:
            self.assertIn(text, found[0])

    def test_ids_of_items_that_do_not_meet_are_said_with_both_sides_and_the_cause(self):
        for one, other, what in FORMS:
            for first, second in ((one, other), (other, one)):
                with self.subTest(one=first(7), other=second(7)):
                    self.start_over()
                    orders = self.file("o.csv", interactions(first(n) for n in range(1, 5)))
                    items = self.file("i.csv", ["item,price"] + [f"{second(n)},1" for n in range(1, 5)])
                    both = self.notes("--interactions", orders, "--items", items)
                    self.assertSaid(both, what, "items", f"'{first(1)}' in {orders}", f"'{second(1)}' in {items}", "others: 4, ",
                                    "the same in both: 0")

    def test_tables_imported_one_after_the_other_are_compared_with_the_store(self):
        orders = self.file("o.csv", interactions(f"SKU-{n}" for n in range(4)))
        items = self.file("i.ndjson", [json.dumps({"item": f"sku-{n}", "title": "t"}) for n in range(4)])
        for first, second, held, other in ((("--interactions", orders), ("--items", items), "the store", items),
                                           (("--items", items), ("--interactions", orders), orders, "the store")):
            self.start_over()
            self.assertEqual(self.notes(*first), [])
            self.assertSaid(self.notes(*second), "letter case", "items", f"'SKU-0' in {held}" if other == items else
                            f"'SKU-0' in {orders}", f"in {other}")

    def test_users_are_compared_too_and_a_few_that_differ_are_counted(self):
        orders = self.file("o.tsv", ["user\titem"] + [f"{n}\ti" for n in range(10, 30)] + ["0031\ti", "Bo\ti"])
        users = self.file("u.tsv", ["user\tage"] + [f"{n}\t5" for n in range(10, 32)] + ["bo\t5"])
        notes = self.notes("--interactions", orders, "--users", users)
        self.assertSaid(notes, "leading zeros", "users", "others: 2, ", "the same in both: 20")

    def test_ids_that_have_nothing_in_common_are_said_where_they_are_not_few(self):
        for n, said in ((12, 1), (3, 0)):
            self.start_over()
            orders = self.file("o.csv", interactions(f"a{i}" for i in range(n)))
            items = self.file("i.csv", ["item,price"] + [f"z{i},1" for i in range(n)])
            notes = self.notes("--interactions", orders, "--items", items)
            self.assertEqual(len(notes), said, notes)
        self.start_over()
        orders = self.file("o.csv", interactions(f"a{i}" for i in range(12)))
        items = self.file("i.csv", ["item,price"] + [f"z{i},1" for i in range(12)])
        out = self.load("--interactions", orders, "--items", items).out
        self.assertIn(f"note: of the 12 ids of items in {orders} none are among the 12 in {items}: 'a0' here, 'z0' there", out)

    def test_tables_that_meet_say_nothing(self):
        orders = self.file("o.csv", interactions(f"a{i}" for i in range(40)))
        items = self.file("i.csv", ["item,price"] + [f"a{i},1" for i in range(90)])
        users = self.file("u.csv", ["user,age", "u0,1", "u1,2", "u2,3"])
        for arguments in (("--interactions", orders, "--items", items, "--users", users), ("--interactions", orders), ("--items", items),
                          ("--users", users)):
            self.assertEqual(self.notes(*arguments), [])

    def test_a_column_of_numbers_with_fractions_is_said_and_kept(self):
        orders = self.file("o.csv", ["user,item", "1.0,7", "2.0,8"])
        notes = self.notes("--interactions", orders)
        self.assertEqual(len(notes), 1, notes)
        self.assertIn("every id of the users is a number like 1.0 and kept as that text", notes[0])
        self.assertEqual(self.query("SELECT id FROM users ORDER BY id"), [("1.0",), ("2.0",)])
        mixed = self.file("m.csv", ["user,item", "1.0,7", "v2.0,8"])
        self.assertEqual(self.notes("--interactions", mixed), [])

    def test_a_fraction_is_no_id_in_ndjson(self):
        done = self.load("--users", self.file("u.ndjson", ['{"user":1.0,"age":2}']), status=1)
        self.assertIn("u.ndjson:1: \"user\" is a number with a fraction (1); write ids as texts, or as whole numbers", done.err)


class Ignored(Case):
    def test_fields_that_are_to_be_left_out_are_in_no_store_whatever_the_format(self):
        cases = {
            "--users": [("u.csv", ["user,E-Mail,age", "u,me@x,5"]), ("u.tsv", ["user\te-mail\tage", "u\tme@x\t5"]),
                        ("u.ndjson", ['{"user":"u","e-mail":"me@x","age":"5"}']),
                        ("n.ndjson", ['{"user":"u","profile":{"age":"5","E-MAIL":"me@x"}}'])],
            "--items": [("i.csv", ["item,e-mail,age", "u,me@x,5"]), ("i.ndjson", ['{"item":"u","metadata":{"e-mail":"me@x","age":"5"}}'])],
        }
        for kind, files in cases.items():
            for name, lines in files:
                with self.subTest(name=name):
                    self.start_over()
                    done = self.load(kind, self.file(name, lines), "--ignore-field", "e-mail", "--ignore-field", "unheard", status=1)
                    self.assertIn("--ignore-field unheard: no table has such a column or field; nothing was imported", done.err)
                    self.assertFalse(os.path.exists(self.store))
                    self.load(kind, self.file(name, lines), "--ignore-field", "e-mail")
                    column = "profile" if kind == "--users" else "metadata"
                    self.assertEqual(self.query(f"SELECT {column} FROM {kind[2:]}"), [('{"age":"5"}',)])

    def test_a_mistyped_name_to_be_left_out_is_told_which_column_is_like_it(self):
        table = self.file("c.csv", ["customer_id,name,e-mail", "u1,Ann,ann@example.org"])
        done = self.load("--users", table, "--ignore-field", "email", status=1)
        self.assertIn("--ignore-field email: no table has such a column or field (did you mean e-mail?); nothing was imported", done.err)

    def test_titles_times_and_categories_may_be_left_out_and_ids_may_not(self):
        items = self.file("i.csv", ["item,title,categories", "1,A,x|y"])
        done = self.load("--items", items, "--ignore-field", "title", "--ignore-field", "categories")
        self.assertIn("  item\n  ignored: title, categories\n", done.out)
        self.assertEqual(self.query("SELECT title, categories FROM items"), [(None, None)])
        self.load("--interactions", self.file("o.csv", ["user,item,ts", "u,1,soon"]), "--ignore-field", "TS")
        self.assertEqual(self.query("SELECT timestamp FROM interactions"), [(0,)])
        for name, lines in (("j.csv", ["Product ID,price", "1,2"]), ("j.ndjson", ['{"product_id":1}'])):
            done = self.load("--items", self.file(name, lines), "--ignore-field", "Product_ID", status=1)
            self.assertIn("says which item a row is of; it cannot be ignored", done.err)

    def test_columns_without_a_name_are_left_out_and_said(self):
        users = self.file("u.csv", [",user,age,", "0,u,5,x"])
        self.assertIn("  user, age as profile\n  ignored: column 1, without a name, column 4, without a name\n", self.load("--users", users).out)
        self.assertEqual(self.query("SELECT profile FROM users"), [('{"age":"5"}',)])


class Names(Case):
    def test_fields_that_differ_by_letter_case_are_kept_apart_and_said(self):
        for kind, column in (("--items", "item"), ("--users", "user")):
            one = self.file("a.csv", [f"{column},price,stock", "1,2,3"])
            self.assertEqual(self.notes(kind, one), [])
            for name, lines in (("b.csv", [f"{column},Price", "1,5"]), ("b.ndjson", [json.dumps({column: "1", "STOCK": 5})])):
                notes = self.notes(kind, self.file(name, lines))
                self.assertEqual(len(notes), 1, notes)
                self.assertIn("by letter case alone: they are two fields", notes[0])
                self.assertIn("which the store has", notes[0])
            self.assertEqual(self.notes(kind, one), [])
        notes = self.notes("--items", self.file("c.csv", ["item,Size,size", "9,1,2"]))
        self.assertIn("the field 'size' differs from 'Size' of the same table by letter case alone", notes[0])
        self.assertEqual(self.query("SELECT metadata FROM items WHERE id = '9'"), [('{"Size":"1","size":"2"}',)])


class Together(Case):
    def counts(self, *arguments):
        said = json.loads(self.load(*arguments, "--json").out)
        return [(kind, said["known"][kind], said["repeated"][kind]) for kind in ("interactions", "users", "items")
                if said["known"][kind] or said["repeated"][kind]]

    def test_rows_that_came_together_in_the_file_are_not_said_to_be_in_the_store(self):
        orders = self.file("o.csv", ["user,item,ts", "u,1,5", "u,1,6", "u,2,5", "v,1,5"])
        items = self.file("i.csv", ["item,title", "1,A", "1,B", "9,C"])
        users = self.file("u.csv", ["user,age", "u,1", "w,2", "w,3", "w,4"])
        everything = ("--interactions", orders, "--items", items, "--users", users)
        self.assertEqual(self.counts(*everything), [("interactions", 0, 1), ("users", 0, 2), ("items", 0, 1)])
        self.assertEqual(self.counts(*everything), [("interactions", 3, 1), ("users", 2, 2), ("items", 2, 1)])
        out = self.load(*everything).out
        self.assertIn(" 1 of them names a user and item that a row before names: one interaction, the newest counts\n", out)
        self.assertIn(" 2 of them name a user that a row before names: what the last says counts\n", out)
        self.assertIn(" 3 of them were in the store before: of the same user and item the newest counts\n", out)


if __name__ == "__main__":
    unittest.main()
