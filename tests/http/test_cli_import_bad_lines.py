"""`import --skip-bad`: what it counts are lines that are lost, and one bad line costs one, whatever it has of quotes."""
import gzip
import json
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class BadLines(hn.Folder):
    def load(self, text, *options, name="t.csv", kind="--interactions", stdin=False):
        if os.path.exists(self.store):
            os.remove(self.store)
        data = text if isinstance(text, bytes) else text.encode()
        path = "-" if stdin else self.file(name, data)
        return hn.run("import", "--store", self.store, kind, path, "--json", *options, check=False,
                      input=data if stdin else b"")

    def rows(self, sql="SELECT u.id, i.id FROM interactions JOIN users u USING (user_key) JOIN items i USING (item_key)"):
        return sorted(self.query(sql))

    def check(self, lines, bad):
        """Of these lines (from line 2 on) those with an index in `bad` are lost and no other, and that is what is counted."""
        text = "user,item\n" + "".join(line + "\n" for line in lines)
        for allowed, status in ((len(bad), 0), (len(bad) - 1, 1)):
            if allowed < 0:
                continue
            done = self.load(text, "--skip-bad", allowed)
            self.assertEqual(done.returncode, status, done.err)
            if status == 0:
                self.assertEqual(json.loads(done.out)["skipped"], len(bad))
                want = sorted(tuple(part.strip('"') for part in line.split(",")) for i, line in enumerate(lines) if i not in bad)
                self.assertEqual(self.rows(), want)

    def test_a_quote_that_is_not_closed_costs_its_line(self):
        lines = [f"u{i},i{i}" for i in range(1000)]
        for bad, form in (([0], 'u,"i'), ([999], '"u,i'), ([0, 1], 'u,"i""'), ([5, 6, 7, 500], 'u,"i'), ([0, 400, 999], '"')):
            with self.subTest(bad=bad, form=form):
                self.check([form if i in bad else line for i, line in enumerate(lines)], bad)

    def test_the_same_in_every_way_a_table_comes_in(self):
        lines = [f"u{i},i{i}" for i in range(50)]
        lines[7], lines[30] = 'u,"i', '"u,i'
        text = "user,item\n" + "".join(line + "\n" for line in lines)
        ways = {"plain": dict(text=text), "gzip": dict(text=gzip.compress(text.encode()), name="t.csv.gz"),
                "standard input": dict(text=text, stdin=True), "gzip on standard input": dict(text=gzip.compress(text.encode()), stdin=True),
                "line ends of Windows": dict(text=text.replace("\n", "\r\n")),
                "quoted tabs": dict(text=text.replace("user,item", '"user","item"').replace(",", "\t"), name="t.tsv")}
        for way, arguments in ways.items():
            with self.subTest(way=way):
                done = self.load(arguments.pop("text"), "--skip-bad", 2, **arguments)
                self.assertEqual(done.returncode, 0, done.err)
                self.assertEqual((json.loads(done.out)["skipped"], len(self.rows())), (2, 48))
                self.assertIn(":9: a quoted field is not closed", done.err)
                self.assertIn(":32: a quoted field is not closed", done.err)

    def test_other_formats_lose_a_line_each_too(self):
        for name, good, bad in (("t.ndjson", '{"user":"u%d","item":"i"}', '{"user":"u'), ("ratings.dat", "u%d::i::3::1", "u::i::x::1"),
                                ("t.tsv", "u%d\ti", "u"), ("u.data", "%d\t1\t3\t1", "1\t2\tx\t1")):
            lines = [good % i for i in range(20)]
            lines[4] = lines[11] = bad
            if name == "t.tsv":
                lines.insert(0, "user\titem")
            with self.subTest(name=name):
                done = self.load("\n".join(lines), "--skip-bad", 2, name=name)
                self.assertEqual(done.returncode, 0, done.err)
                self.assertEqual((json.loads(done.out)["skipped"], len(self.rows())), (2, 18))

    def test_a_field_over_several_lines_is_one_row_and_counts_its_lines_when_it_is_bad(self):
        text = 'item,title,categories\n1,"one\ntwo, ""three""\n",A\n2,two,B\n,"no\nid",C\n4,four,D\n'
        done = self.load(text, "--skip-bad", 2, kind="--items", name="i.csv")
        self.assertEqual(done.returncode, 0, done.err)
        self.assertEqual(json.loads(done.out)["skipped"], 2)
        self.assertEqual(self.rows("SELECT id, title FROM items"), [("1", 'one\ntwo, "three"\n'), ("2", "two"), ("4", "four")])
        self.assertEqual(self.load(text, "--skip-bad", 1, kind="--items", name="i.csv").returncode, 1)

    def test_a_quote_swallows_no_line_of_ids(self):
        """Two stray quotes, each well formed with the other: what they would hold between them are rows."""
        lines = [f"u{i},i{i}" for i in range(300)]
        lines[10], lines[200] = 'u,"i', 'u,"'
        self.check(lines, [10, 200])

    def test_any_mix_of_good_quoted_and_broken_lines(self):
        draw = random.Random(1)
        for _ in range(10):
            lines, bad = [], []
            for i in range(draw.randrange(1, 120)):
                if draw.random() < 0.2:
                    bad.append(i)
                lines.append(draw.choice(('u,"i', '"u,i', 'x,"y', '"u"x,i', 'u,i"x', '"x y"z,"')) if bad and bad[-1] == i else
                             draw.choice((f"u{i},i{i}", f'"u{i}",i{i}', f'u{i},"i{i}"', f'"u{i}","i{i}"')))
            with self.subTest(lines=lines):
                self.check(lines, bad)

    def test_many_lines_that_open_a_quote_are_looked_at_once(self):
        """From inside of the first quote and by themselves these lines stay open, to the end: a search from each of them would look
        at each byte thousands of times."""
        self.check(['"x y"z,"'] * 20000 + ["u,i"], range(20000))

    def test_a_text_of_more_lines_than_a_field_may_have_is_not_closed(self):
        done = self.load('item,title\n1,"%s"\n2,two\n' % ("a\n" * 1001), "--skip-bad", 2000, kind="--items", name="i.csv")
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("i.csv:2: a quoted field is not closed, within 1000 lines", done.err)
        self.assertEqual(self.rows("SELECT id FROM items"), [("2",)])

    def test_a_field_that_is_longer_than_a_line_may_be(self):
        done = self.load('item,title\n1,"%s"\n2,two\n' % ("a" * 5000 + "\n") * 300, "--skip-bad", 2000, kind="--items", name="i.csv")
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn(("2",), self.rows("SELECT id FROM items"))

    def test_where_it_fails_the_option_is_named(self):
        done = self.load("user,item\nu,\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 bad line, 0 allowed: nothing was imported; --skip-bad N leaves out up to N bad lines", done.err)


if __name__ == "__main__":
    unittest.main()
