"""hypernet import --column and --no-header: tables whose columns are called otherwise, or have no names."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Columns(hn.Folder):
    def setUp(self):
        super().setUp()
        self.store = self.path("s.db")

    def bring(self, *words, check=True):
        return hn.run("import", "--store", self.store, *words, check=check)

    def table(self, name):
        """The rows of a table, without the moment of their import."""
        rows = [json.loads(x) for x in hn.run("export", name, "--store", self.store).out.splitlines()]
        for row in rows:
            row.pop("created", None)
        return rows

    def named(self, *pairs):
        return [w for p in pairs for w in ("--column", p)]

    def test_a_column_is_taken_as_what_it_is_named(self):
        orders = self.file("o.csv", "Kundennr,SKU,Datum,user\na,p1,2024-01-01,zz\nb,p2,2024-01-02,yy\n")
        items = self.file("i.csv", "SKU,VK,item\np1,2.5,text\n")
        out = self.bring("--interactions", orders, "--items", items,
                         *self.named("user=Kundennr", "item=SKU", "price=VK", "timestamp=Datum")).out
        self.assertIn("Kundennr as user, SKU as item, Datum as timestamp (ISO 8601)", out)
        self.assertIn("ignored: user", out)
        self.assertEqual(self.table("interactions"), [{"user": "a", "item": "p1", "timestamp": 1704067200},
                                                      {"user": "b", "item": "p2", "timestamp": 1704153600}])
        self.assertEqual(self.table("items")[0], {"item": "p1", "metadata": {"price": "2.5"}})

    def test_members_of_ndjson_are_named_too_and_the_name_that_is_taken_stands_back(self):
        rows = self.file("r.ndjson", '{"c":"x","p":7,"user":"no","user_id":"nor"}\n{"user":"plain","p":8}\n')
        self.bring("--interactions", rows, *self.named("user=c", "item=p"))
        self.assertEqual(self.table("interactions"), [{"user": "x", "item": "7"}, {"user": "plain", "item": "8"}])
        both = self.file("b.ndjson", '{"a":"x","b":"y","item":"i"}\n')
        r = self.bring("--interactions", both, *self.named("user=a", "user=b"), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("two fields are to be called 'user'", r.err)

    def test_a_field_that_is_named_does_not_meet_one_of_its_name_in_the_metadata(self):
        items = self.file("m.ndjson", '{"item":"a","VK":1,"metadata":{"price":2}}\n')
        r = self.bring("--items", items, *self.named("price=VK"), check=False)
        self.assertEqual(r.returncode, 1)
        self.assertIn("stands both", r.err)
        for ignored in ("price", "VK"):
            self.bring("--items", items, *self.named("price=VK"), "--ignore-field", ignored)

    def test_one_name_may_be_of_a_column_in_each_of_several_tables(self):
        orders, people = self.file("o.csv", "buyer,item\na,i\n"), self.file("u.csv", "Nr,age\na,30\n")
        self.bring("--interactions", orders, "--users", people, *self.named("user=buyer", "user=Nr"))
        self.assertEqual(self.table("users"), [{"user": "a", "profile": {"age": "30"}}])

    def test_without_a_header_columns_are_numbers_and_the_first_line_is_a_row(self):
        for name, text in (("n.csv", 'a,p1,5,junk\n"b",p2,6,junk\n'), ("n.tsv", "a\tp1\t5\tjunk\nb\tp2\t6\tjunk\n")):
            self.store = self.path(name + ".db")
            self.bring("--interactions", self.file(name, text), "--no-header", *self.named("user=1", "item=2", "timestamp=3"))
            self.assertEqual(self.table("interactions"), [{"user": "a", "item": "p1", "timestamp": 5},
                                                          {"user": "b", "item": "p2", "timestamp": 6}])
        self.bring("--items", self.file("i.csv", "p1,A title,9,secret\n"), "--no-header", *self.named("item=1", "title=2", "price=3"))
        self.assertEqual(self.table("items")[0], {"item": "p1", "title": "A title", "metadata": {"price": "9"}})

    def test_what_cannot_be_meant_is_refused_and_nothing_is_imported(self):
        csv, lines = self.file("o.csv", "Kunde,SKU,b\na,i,b\n"), self.file("o.ndjson", '{"user":"a","item":"i"}\n')
        for words, status, why in (
            ((csv, *self.named("user=Kunde", "user=b", "item=SKU")), 1, "o.csv:1: two columns are to be called 'user'"),
            ((csv, *self.named("user=Kunde", "item=Kunde")), 2, "'Kunde' is to be 'user' and 'item'"),
            ((csv, *self.named("user=Kunde", "item=SKU", "price=Pries")), 1, "--column Pries: no table has such a column"),
            ((csv, *self.named("user")), 2, "NAME=COLUMN"), ((csv, *self.named("=Kunde")), 2, "NAME=COLUMN"),
            ((csv, *self.named("x" * 200 + "=Kunde")), 2, "at most 127"),
            ((csv, "--no-header", *self.named("user=1")), 1, "which of its 3 columns is the item?"),
            ((csv, "--items", csv, "--no-header", *self.named("user=1", "item=2")), 2, "import each kind by itself"),
            ((self.file("s.csv", "a;i;1\n"), "--no-header", *self.named("user=1", "item=2")), 1, "the line is one column"),
            ((csv, *self.named("user=Kunde", "item=SKU", " y=b")), 2, "spaces around it"),
            ((lines, "--no-header", *self.named("user=1", "item=2")), 1, "--no-header is for CSV and TSV; this is ndjson"),
        ):
            r = self.bring("--interactions", *words, check=False)
            self.assertEqual(r.returncode, status, r.err)
            self.assertIn(why, r.err)
            self.assertFalse(os.path.exists(self.store))
        r = hn.run("import", "--store", self.store, "--task-rows", csv, "--column", "a=Kunde", check=False)
        self.assertEqual(r.returncode, 2, r.err)


if __name__ == "__main__":
    unittest.main()
