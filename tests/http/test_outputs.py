"""What commands write never takes the place of what they read, nor of a file that nobody can have meant."""
import contextlib
import os
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

TABLE = b"user,item\nu1,a\nu1,b\nu2,a\nu2,c\n"


class Outputs(hn.Folder):
    filled = True

    def setUp(self):
        super().setUp()
        self.model, self.test = self.path("model.hn"), self.file("test.csv", TABLE)
        shutil.copy(hn.world().model, self.model)
        self.other = self.path("other.db")
        with contextlib.closing(sqlite3.connect(self.other)) as db:
            db.execute("CREATE TABLE t (x)")
            db.execute("INSERT INTO t VALUES (zeroblob(20000))")
            db.commit()
        self.link = self.path("link")
        os.symlink(self.store, self.link)

    def content(self):
        """Of every file; pipes and folders have none."""
        found = {}
        for name in os.listdir(self.folder):
            if os.path.isfile(self.path(name)):
                with open(self.path(name), "rb") as f:
                    found[name] = f.read()
        return found

    def refused(self, path, what, *args):
        before = self.content()
        done = hn.run(*args, check=False)
        self.assertEqual((done.returncode, done.out), (1, ""), done.err)
        self.assertIn(path, done.err)
        self.assertIn(what, done.err)
        self.assertEqual(self.content(), before)

    def train(self, out, *args):
        return ("train", "--store", self.store, "--out", out, "--epochs", 1, "--dim", 4, "--threads", 1, *args)

    def test_train_replaces_models_and_empty_files_alone(self):
        self.refused(self.store, "--store", *self.train(self.store))
        self.refused(self.link, "--store", *self.train(self.link))
        self.refused(self.other, "SQLite database", *self.train(self.other))
        self.refused(self.test, "table of text", *self.train(self.test))
        self.refused("noise", "no model file", *self.train(self.file("noise", b"\x9c\x01\xfe\x00\x13\x37" * 9)))
        self.refused("letters", "text", *self.train(self.file("letters", b"{" * 99)))
        os.mkfifo(self.path("pipe"))
        self.refused("pipe", "no regular file", *self.train(self.path("pipe")))
        for out in (self.model, self.file("empty", b"")):
            hn.run(*self.train(out))
            self.assertIn("default", hn.run("inspect", out).out)

    def test_a_checkpoint_takes_the_place_of_no_store(self):
        self.refused(self.store, "--store", *self.train(self.path("new"), "--checkpoint", self.store))
        self.refused(self.other, "SQLite database", *self.train(self.path("new"), "--checkpoint", self.other))
        self.refused(self.path("one"), "--checkpoint", *self.train(self.path("one"), "--checkpoint", self.path("one")))

    def test_values_of_users_replace_no_input_and_no_database(self):
        evaluate = ("evaluate", "--store", "sqlite:" + self.store, "--model", self.model, "--test", self.test, "--per-user")
        self.refused(self.store, "--store", *evaluate, self.store)
        self.refused(self.link, "--store", *evaluate, self.link)
        self.refused(self.model, "--model", *evaluate, self.model)
        self.refused(self.test, "--test", *evaluate, self.test)
        self.refused(self.other, "SQLite database", *evaluate, self.other)
        shutil.copy(self.model, self.path("second.hn"))
        self.refused("second.hn", "a model file", *evaluate, self.path("second.hn"))
        item = hn.world().items[0]
        with open(self.test, "w", encoding="utf-8") as f:
            f.write("user,item\n%s,%s\n" % (hn.world().users[0], item))
        hn.run(*evaluate, self.file("values.ndjson", b"{}\n"))
        with open(self.path("values.ndjson"), encoding="utf-8") as f:
            self.assertIn(hn.world().users[0], f.read())

    def test_a_server_writes_into_no_database_model_or_token(self):
        token = self.file("token", b"0123456789abcdef0123456789abcdef\n")
        os.chmod(token, 0o600)
        serve = ("serve", "--store", self.store, "--model", self.model, "--listen", "127.0.0.1:0", "--admin-token-file", token)
        for option in ("--warm-file", "--log-file"):
            self.refused(self.store, "--store", *serve, option, self.store)
            self.refused(self.link, "--store", *serve, option, self.link)
            self.refused(self.model, "--model", *serve, option, self.model)
            self.refused(token, "--admin-token-file", *serve, option, token)
            self.refused(self.other, "SQLite database", *serve, option, self.other)
            self.refused("log.db", "SQLite log", *serve, option, self.file("log.db", b"\x37\x7f\x06\x82" + b"\0" * 28))
        both = self.path("both")
        self.refused(both, "--warm-file", *serve, "--log-file", both, "--warm-file", both)

    def test_a_restore_replaces_stores_alone(self):
        backup = self.path("backup.db")
        hn.run("backup", "--store", self.store, "--out", backup)
        for path, what in ((self.test, "table of text"), (self.model, "a model file"), (self.other, "another program"),
                           (self.file("page.html", b"<!doctype html><html></html>"), "HTML")):
            self.refused(path, what, "restore", "--store", path, "--from", backup)
        self.refused(self.test, "table of text", "restore", "--store", "sqlite:" + self.test, "--from", backup)
        with contextlib.closing(sqlite3.connect(self.path("made.db"))) as db:
            db.execute("PRAGMA journal_mode = WAL")  # as a store whose first writes are in its log yet
        for path in (self.store, self.link, self.path("made.db"), self.file("empty", b""), self.path("new.db")):
            self.assertIn("restored", hn.run("restore", "--store", path, "--from", backup).out)

    def test_a_split_overwrites_no_table_that_it_reads(self):
        for name in ("train.csv", "test.csv", "train.csv.part"):
            table = self.file(name, TABLE)
            self.refused(table, name + " there is the table", "split", "--interactions", table, "--out", self.folder)
        os.remove(self.path("train.csv.part"))
        known = self.file("known.csv", TABLE)
        self.refused(known, "known.csv", "split", "--interactions", known, "--out", self.folder, "--by", "users")
        os.remove(self.path("test.csv"))
        os.symlink(known, self.path("test.csv"))
        self.refused(known, "test.csv", "split", "--interactions", known, "--out", self.folder)
        os.remove(self.path("test.csv"))
        hn.run("split", "--interactions", known, "--out", self.folder)  # it writes no known.csv
        self.assertEqual(self.content()["known.csv"], TABLE)
        hn.run("split", "--interactions", known, "--out", self.folder)  # over its own of before


if __name__ == "__main__":
    unittest.main()
