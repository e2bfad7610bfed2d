"""`import` says what it did: how a file was read, which columns were taken and as what, which rows came together. What is no table it
names, and what stands for nothing is no id."""
import bz2
import io
import json
import lzma
import os
import sys
import tarfile
import unittest
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

TABLE = b"user,item\nu,1\nu,2\n"


class Case(hn.Folder):
    def load(self, *arguments, status=0, **more):
        done = hn.run("import", "--store", self.store, *arguments, check=False, **more)
        self.assertEqual(done.returncode, status, done.err)
        if status:
            self.assertFalse(os.path.exists(self.store))
        return done


class Types(Case):
    def test_the_types_of_metadata_are_said_at_the_end(self):
        rows = [{"item": f"i{i}", "price": 9.5 if i else "9.50", "since": "2026-01-02", "sale": True, "sizes": ["a"], "deep": {"x": 1}, **({"colour": "red"} if i < 2 else {"colour": 3})}
                for i in range(3)]
        rows[2]["sizes"] = None
        table = self.file("a.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
        done = self.load("--items", table)
        self.assertRegex(done.out, r"metadata +3 rows of items: price number, since time, sale true or false, sizes list of texts in 2, deep something else, "
                                   r"colour number in 1 and text in 2\n")
        self.assertEqual(json.loads(self.load("--items", table, "--json").out)["metadata"],
                         {"price": {"number": 3}, "since": {"time": 3}, "sale": {"boolean": 3}, "sizes": {"list": 2}, "deep": {"other": 3},
                          "colour": {"number": 1, "text": 2}})

    def test_texts_of_a_table_that_are_numbers_are_said_to_be(self):
        done = self.load("--items", self.file("a.csv", "item,price,zip,available_until\na,9.50,01234,2030-01-01\nb,,56,\n"))
        self.assertIn("price number in 1, zip number in 1 and text in 1\n", done.out)
        self.assertNotIn("metadata ", self.load("--users", self.file("b.csv", "user,age\nu,3\n")).out)

    def test_fields_without_end_are_named_up_to_a_bound(self):
        table = self.file("a.ndjson", json.dumps({"item": "a", **{f"f{i}": i for i in range(200)}, "x" * 100: 1}) + "\n")
        told = json.loads(self.load("--items", table, "--json").out)["metadata"]
        self.assertEqual((len(told), told["f63"]), (64, {"number": 1}))
        self.assertIn("f63 number, and others\n", self.load("--items", table).out)


class Forms(Case):
    def notes(self, kind, name, data):
        return json.loads(self.load("--" + kind, self.file(name, data), "--json").out)["notes"]

    def test_numbers_with_a_decimal_comma_are_kept_as_texts_and_said(self):
        for kind, name, data in (
                ("items", "a.csv", 'item,price,title\ni1,"1,99",A\ni2,"1.299,00",B\ni3,5,C\n'),
                ("items", "a.tsv", "item\tprice\ttitle\ni1\t1,99\tA\ni2\t1.299,00\tB\ni3\t5\tC\n"),
                ("items", "a.ndjson", '{"item":"i1","price":"1,99"}\n{"item":"i2","price":"1.299,00"}\n{"item":"i3","price":5}\n'),
                ("users", "b.csv", 'user,price\nu1,"1,99"\nu2,"1.299,00"\nu3,5\n'),
                ("users", "b.ndjson", '{"user":"u1","price":"1,99"}\n{"user":"u2","price":"1.299,00"}\n')):
            note, = self.notes(kind, name, data)
            self.assertIn("%s: the field 'price' looks like numbers with a decimal comma (in 2 of the first" % name, note)
            self.assertIn("as '1,99'): these are kept as texts; write 1.99", note)
        self.assertEqual(self.query("SELECT json_extract(metadata, '$.price') FROM items WHERE id = 'i1'"), [("1,99",)])

    def test_thousands_and_currencies_are_said(self):
        notes = self.notes("items", "a.csv", 'item,price,rent\ni1,"1,299.00",$5\ni2,7,6 EUR\n')
        self.assertEqual([part in note for part, note in zip(
            ("'price' looks like numbers with separators between thousands (in 1 of the first 2 rows, as '1,299.00')", "'rent' looks like numbers with a currency"),
            notes)], [True, True])
        self.assertIn("write 1299.00", notes[0])
        self.assertIn("write 5", notes[1])

    def test_dates_of_birth_are_said(self):
        for name, born in (("a.csv", ("1985-07-31", "1990-01-02")), ("b.csv", ("31.07.1985", "2.1.1990"))):
            note, = self.notes("users", name, "user,born,city\nu1,%s,Bern\nu2,%s,Basel\n" % born)
            self.assertIn("the field 'born' has dates (as '%s')" % born[0], note)
            self.assertIn("a year or an age as a number is learned as a range", note)

    def test_nothing_is_said_of_names_codes_and_plain_numbers(self):
        self.assertEqual(self.notes("users", "a.csv", 'user,age,zip,size,tags\nu1,31,08001,"S, M","1,2,3"\nu2,25-34,8002,L,7\n'), [])
        self.assertEqual(self.notes("items", "b.csv", 'item,released,text\ni1,1985-07-31,"1,5"\ni2,1990-01-02,soon\n'), [])

    def test_a_rating_with_a_decimal_comma_is_refused_with_how_to_write_it(self):
        done = self.load("--interactions", self.file("r.csv", 'user,item,rating\nu1,i1,"4,5"\n'), status=1)
        self.assertIn("the rating '4,5' is not a finite number: a decimal comma; write 4.5", done.err)


class Report(Case):
    def test_tables_of_a_shop_are_taken_as_it_writes_them_and_what_is_personal_is_said(self):
        done = self.load("--interactions", self.file("o.csv", "order_id,customer_id,sku,ordered_at,status\n1,u1,S-1,2025-01-02T10:00:00+01:00,paid\n"),
                         "--users", self.file("c.csv", "customer_id,name,e-mail,country\nu1,Ann Lee,ann@example.org,CH\n"),
                         "--items", self.file("p.csv", "sku,title,price,category\nS-1,Pan,9.5,Kitchen\n"))
        self.assertIn("  customer_id as user, sku as item, ordered_at as timestamp (ISO 8601)\n  ignored: order_id, status\n", done.out)
        self.assertIn("  name, e-mail: personal by name, kept in the store and never learned; --ignore-field leaves a column out\n", done.out)
        self.assertIn("sku as item, title, price as metadata", done.out)
        self.load("--items", self.file("n.csv", "sku,price\nS-1,8.5\n"))
        self.assertEqual(self.query("SELECT id, title, metadata FROM items"), [("S-1", "Pan", '{"price":"8.5"}')])
        self.assertEqual(self.query("SELECT id FROM users"), [("u1",)])
        done = self.load("--users", self.file("d.csv", "customer_id,country\nu1,CH\n"), "--ignore-field", "country")
        self.assertNotIn("personal", done.out)

    def test_columns_formats_times_and_merged_rows_are_said(self):
        views = self.file("v.csv", "user_id,stars,movieId,ts,session\nu1,4,i1,1700000000000,x\nu1,5,i1,1600000000000,y\n"
                                   "u2,3,i2,2024-01-01,z\n")
        done = self.load("--interactions", views)
        self.assertIn("v.csv: interactions, read as csv (by its name), 3 rows\n  user_id as user, stars as rating, movieId as item, "
                      "ts as timestamp (ISO 8601 in 1 row, milliseconds since 1970 in 2 rows)\n  ignored: session\n", done.out)
        self.assertIn("1 of these changed nothing: a row of the same user and item is newer", done.out)
        again = json.loads(self.load("--interactions", views, "--json").out)
        self.assertEqual((again["known"]["interactions"], again["repeated"]["interactions"], again["older"]), (2, 1, 1))
        said, = again["files"]
        self.assertEqual(said["columns"], {"user_id": "user", "stars": "rating", "movieId": "item", "ts": "timestamp"})
        self.assertEqual((said["ignored"], said["times"]), (["session"], {"iso8601": 1, "milliseconds": 2}))
        self.assertEqual((said["format"], said["format_found"], said["rows"], said["skipped"]), ("csv", "by its name", 3, 0))

    def test_every_kind_and_format_says_its_columns(self):
        cases = [
            ("--users", "users.tsv", "uid\tage\nu\t5\n", "tsv", {"uid": "user", "age": "profile"}, []),
            ("--items", "shop", '{"product_id":7,"name":"A","category":"X","tags":["Y"],"price":1}\n{"product_id":8,"stock":3}\n', "ndjson",
             {"product_id": "item", "name": "title", "category": "categories", "tags": "metadata", "price": "metadata",
              "stock": "metadata"}, []),
            ("--items", "u.item.csv", "item,genre,title,name\n9,X,A,B\n", "csv",
             {"item": "item", "genre": "categories", "title": "title", "name": "metadata"}, []),
            ("--interactions", "ratings.dat", "1::2::3::4\n", "dat",
             {"user": "user", "item": "item", "rating": "rating", "timestamp": "timestamp"}, []),
            ("--contexts", "c.csv", "user,note,vector\nu,x,1 2\n", "csv", {"user": "user", "vector": "embedding"}, ["note"]),
        ]
        for kind, name, text, form, columns, ignored in cases:
            with self.subTest(name=name):
                more = ("--model", "m", "--model-version", "1") if kind == "--contexts" else ()
                said, = json.loads(self.load(kind, self.file(name, text), "--json", *more).out)["files"]
                self.assertEqual((said["format"], said["columns"], said["ignored"]), (form, columns, ignored))
        self.assertEqual(self.query("SELECT categories FROM items WHERE id IN ('7', '9')"), [('["X"]',), ('["X"]',)])

    def test_small_times_are_said_to_be_an_order(self):
        done = self.load("--interactions", self.file("v.csv", "user,item,time\nu,a,1\nu,b,2\nu,c,\n"))
        self.assertIn("time as timestamp (seconds since 1970: small numbers, taken as an order, none in 1 row)", done.out)

    def test_ignored_columns_that_look_like_times_or_states_are_said(self):
        text = "user,item,when_bought,Status,born\nu,a,2024-03-01 12:30,cancelled,x\nu,b,2024-03-02,paid,7\n"
        done = self.load("--interactions", self.file("v.csv", text))
        self.assertIn("  ignored: when_bought, Status, born\n  when_bought looks like times: rename it to timestamp, and the order counts\n"
                      "  every row is learned as an interaction, whatever Status says: ", done.out)
        self.assertNotIn("born looks", done.out)
        for more in ("user,item,ts,when_bought\nu,a,5,2024-03-01\n", "user,item,when_bought\nu,a,20240301\n"):
            self.assertNotIn("looks like", self.load("--interactions", self.file("w.csv", more)).out)
        users = self.load("--users", self.file("u.csv", "user,status,born\nu,new,2024-03-01\n")).out
        self.assertNotIn("looks like", users)
        self.assertNotIn("every row", users)

    def test_users_and_items_that_were_there_are_counted(self):
        users = self.file("u.csv", "user,age\na,1\nb,2\na,3\n")
        said = json.loads(self.load("--users", users, "--json").out)
        self.assertEqual((said["known"]["users"], said["repeated"]["users"]), (0, 1))
        self.assertIn("2 of them were in the store before: what the rows say is updated", self.load("--users", users).out)

    def test_quotes_of_pandas_in_a_tsv_are_taken_off_and_others_are_not(self):
        text = 'item\ttitle\n1\t"A ""B"" C"\n2\t"Heroes"\n3\t"Crocodile" Dundee\n4\tsay "no"\n'
        done = self.load("--items", self.file("i.tsv", text))
        self.assertIn("quotes were taken off 1 field with quotes inside", done.out)
        self.assertEqual([t for t, in self.query("SELECT title FROM items ORDER BY id")],
                         ['A "B" C', '"Heroes"', '"Crocodile" Dundee', 'say "no"'])

    def test_a_tsv_with_a_quoted_header_is_quoted_throughout(self):
        text = '"item"\t"title"\n"1"\t"A\tB\nC ""D"""\n"2"\t"Heroes"\n'
        done = self.load("--items", self.file("i.tsv", text))
        self.assertIn("read as tsv with quotes", done.out)
        self.assertEqual(self.query("SELECT id, title FROM items ORDER BY id"), [("1", 'A\tB\nC "D"'), ("2", "Heroes")])

    def test_a_tab_within_quotes_of_pandas_is_named(self):
        done = self.load("--items", self.file("i.tsv", 'item\ttitle\n1\t"A\tB"\n'), status=1)
        self.assertIn("i.tsv:2: more than 2 columns; a field begins with a quote and does not end with one", done.err)


class NoTable(Case):
    def test_a_file_without_rows_is_no_table(self):
        for kind, header in (("--interactions", "user,item\n"), ("--users", "user\n"), ("--items", "item,title\n"),
                             ("--contexts", "user,embedding\n")):
            more = ("--model", "m", "--model-version", "1") if kind == "--contexts" else ()
            for name, text, said in (("e.csv", "", "e.csv is empty\n"), ("h.csv", header, "h.csv is empty but for its header"),
                                     ("b.csv", "\n\n", "b.csv is empty\n"), ("e.ndjson", "", "e.ndjson is empty\n")):
                with self.subTest(kind=kind, name=name):
                    self.assertIn(said, self.load(kind, self.file(name, text), *more, status=1).err)
        self.assertIn("standard input is empty", self.load("--users", "-", status=1, input=b"").err)
        bad = self.file("bad.csv", "user,item\nu,\n")
        self.assertIn("bad.csv has no good line; 1 bad line", self.load("--interactions", bad, "--skip-bad", 5, status=1).err)

    def test_what_is_no_table_of_text_is_named_with_what_to_do(self):
        packed, tarred = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(packed, "w") as z:
            z.writestr("t.csv", TABLE)
        workbook = io.BytesIO()
        with zipfile.ZipFile(workbook, "w") as z:
            z.writestr("[Content_Types].xml", "<Types/>")
        with tarfile.open(fileobj=tarred, mode="w") as t:
            t.addfile(tarfile.TarInfo("t.csv"), io.BytesIO())
        text = TABLE.decode()
        cases = {
            "UTF-16": [text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be"), text.encode("utf-16-le"), text.encode("utf-16-be")],
            "UTF-32": [text.encode("utf-32")],
            "a zip archive; unpack": [packed.getvalue()],
            "an Excel workbook; save": [workbook.getvalue()],
            "an old Excel workbook": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)],
            "an xz file": [lzma.compress(TABLE)],
            "a bzip2 file": [bz2.compress(TABLE)],
            "a Zstandard file": [b"\x28\xb5\x2f\xfd" + bytes(50)],
            "a Parquet file": [b"PAR1" + bytes(50)],
            "an Arrow or Feather file": [b"ARROW1\0\0" + bytes(50)],
            "an SQLite database": [b"SQLite format 3\0" + bytes(50)],
            "a tar archive": [tarred.getvalue()],
            "text whose lines end in CR alone": [TABLE.replace(b"\n", b"\r")],
            "a JSON array": [b'[{"user":"u","item":"i"}]', b'\n [\n {"user": "u"}\n]'],
            "a JSON document over several lines": [b'{\n "user": "u"\n}'],
            "an HTML page": [b"<!DOCTYPE html><html>", b"\n<html lang=en>"],
            "a Git LFS pointer": [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"],
            "a Python pickle": [b"\x80\x04\x95" + bytes(50)],
        }
        for said, files in cases.items():
            for data in files:
                for name in ("t.csv", "t") if data is files[0] else ("t",):
                    with self.subTest(said=said, data=data[:30], name=name):
                        done = self.load("--interactions", self.file(name, data), status=1)
                        self.assertIn(f"{name} is {said}", done.err)
        self.assertIn("standard input is UTF-16", self.load("--users", "-", status=1, input=text.encode("utf-16")).err)

    def test_other_separators_are_named(self):
        for kind, header, said in (("--interactions", "user;item;rating", "separated by ';'"), ("--users", "user;age", "separated by ';'"),
                                   ("--items", "item;title;price, net", "separated by ';'"), ("--interactions", "user|item", "separated by '|'"),
                                   ("--interactions", "user item", "separated by spaces")):
            for name in ("t.csv", "t.txt"):
                with self.subTest(header=header, name=name):
                    done = self.load(kind, self.file(name, header + "\na;b;c\n"), status=1)
                    self.assertIn(f"{name}:1: the header has no column", done.err)
                    self.assertIn(said, done.err)

    def test_a_missing_column_is_named_with_its_other_names(self):
        done = self.load("--interactions", self.file("t.csv", "who,item\nu,i\n"), status=1)
        self.assertIn("no column 'user' (or user_id, ", done.err)


class Nothing(Case):
    def test_words_for_nothing_are_no_ids_unless_quoted(self):
        words = ["NULL", "null", "\\N", "nan", "NaN", "None", "NA", "<NA>", "N/A", "NaT"]
        for kind, head, row in (("--interactions", "user,item", "%s,i"), ("--interactions", "user,item", "u,%s"),
                                ("--users", "user,age", "%s,5"), ("--items", "item,title", "%s,x")):
            for name, separator in (("t.csv", ","), ("t.tsv", "\t")):
                for word in words if kind == "--interactions" else words[:1]:
                    text = f"{head}\n{row % word}\n".replace(",", separator)
                    with self.subTest(word=word, kind=kind, name=name):
                        done = self.load(kind, self.file(name, text), status=1)
                        self.assertIn(f"{name}:2: the id of the ", done.err)
                        self.assertIn(f"is {word}, which programs write for none", done.err)
        quoted = "user,item\n" + "".join(f'"{w}","{w}"\n' for w in words)
        self.load("--interactions", self.file("q.csv", quoted))
        self.load("--interactions", self.file("q.ndjson", "".join(json.dumps({"user": w, "item": "i"}) + "\n" for w in words)))
        self.assertEqual(self.query("SELECT count(*) FROM users"), [(len(words),)])

    def test_null_is_no_id_in_ndjson(self):
        done = self.load("--interactions", self.file("t.ndjson", '{"user":null,"item":"i"}\n'), status=1)
        self.assertIn("the id of the user is empty", done.err)

    def test_titles_and_profiles_may_be_such_words_where_they_are_quoted(self):
        self.load("--items", self.file("i.csv", 'item,title\n1,"None"\n2,"NULL"\n'))
        self.assertEqual(self.query("SELECT title FROM items ORDER BY id"), [("None",), ("NULL",)])
        self.load("--items", self.file("j.ndjson", '{"item":"1","title":"NA"}\n'))
        self.assertEqual(self.query("SELECT title FROM items ORDER BY id"), [("NA",), ("NULL",)])

    def test_unquoted_they_are_empty_cells_that_keep_what_is_there(self):
        for name, between in (("a.csv", ","), ("a.tsv", "\t")):
            with self.subTest(name=name):
                self.load("--items", self.file("i.csv", "item,title,genre,year\n1,One,X,1999\n"))
                text = "item,title,genre,year\n1,NULL,\\N,nan\n2,None,NaN,N/A\n"
                self.load("--items", self.file(name, text.replace(",", between)))
                self.assertEqual(self.query("SELECT id, title, categories, metadata FROM items ORDER BY id"),
                                 [("1", "One", '["X"]', '{"year":"1999"}'), ("2", None, None, None)])
        self.load("--users", self.file("u.csv", "user,age,city\nu,NULL,NA\nv,5,null\n"))
        self.assertEqual(self.query("SELECT id, profile FROM users ORDER BY id"), [("u", None), ("v", '{"age":"5"}')])
        self.load("--interactions", self.file("r.csv", "user,item,rating,weight,ts\nu,1,nan,NULL,NaT\n"))
        self.assertEqual(self.query("SELECT weight, rating, timestamp FROM interactions"), [(1, None, 0)])


if __name__ == "__main__":
    unittest.main()
