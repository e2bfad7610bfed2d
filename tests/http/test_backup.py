"""The commands `backup` and `restore`: whole or not at all, while a server runs or not, and never a store with another one's log."""
import contextlib
import os
import shutil
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402


def ask(store, sql):
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % store, uri=True)) as db:
        return [row[0] for row in db.execute(sql)]


class Backup(hn.Folder):
    filled = True

    def setUp(self):
        super().setUp()
        self.out = self.path("backup.db")

    def backup(self, *args):
        return hn.run("backup", "--store", self.store, "--out", self.out, *args, check=False)

    def restore(self, *args):
        return hn.run("restore", "--store", self.store, "--from", self.out, *args, check=False)

    def sound(self, path, users):
        self.assertEqual(ask(path, "PRAGMA integrity_check"), ["ok"])
        self.assertEqual(ask(path, "SELECT count(*) FROM users"), [users])

    def files(self):
        return sorted(os.listdir(self.folder))

    def refused(self, done, *parts):
        self.assertEqual((done.returncode, done.out), (1, ""), done.err)
        for part in parts:
            self.assertIn(part, done.err)

    # ---- backup ----

    def test_a_backup_is_whole_private_and_said_to_be_checked(self):
        old = os.umask(0)
        try:
            done = self.backup()
        finally:
            os.umask(old)
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("checked", done.out)
        self.assertEqual(os.stat(self.out).st_mode & 0o777, 0o600)
        self.sound(self.out, 300)
        self.assertEqual(self.files(), ["backup.db", "store.db"])
        answers = [hn.run("recommend", "--store", s, "--model", hn.world().model, "--user", "u9", "--json").out
                   for s in (self.store, self.out)]
        self.assertEqual(*answers)

    def test_a_backup_never_overwrites_unless_forced(self):
        with open(self.out, "w", encoding="utf-8") as f:
            f.write("precious")
        self.refused(self.backup(), "exists", "--force")
        with open(self.out, encoding="utf-8") as f:
            self.assertEqual(f.read(), "precious")
        self.assertEqual(self.backup("--force").returncode, 0)
        self.sound(self.out, 300)
        self.assertEqual(self.files(), ["backup.db", "store.db"])

    def test_a_backup_beside_a_server_has_all_that_was_acknowledged(self):
        with hn.Server(store=self.store) as server:
            ended, failed = threading.Event(), []

            def register():
                with server.client(server.token) as client:
                    n = 0
                    while not ended.is_set():
                        if client.request("PUT", "/v1/admin/users/busy%d" % n, {}).status != 201:
                            failed.append(n)
                        n += 1

            self.assertEqual(server.register("before", {}).status, 201)
            writer = threading.Thread(target=register)
            writer.start()
            done = [self.backup("--force") for _ in range(3)]
            ended.set()
            writer.join()
            self.assertEqual(([d.returncode for d in done], failed), ([0, 0, 0], []))
            self.assertEqual(ask(self.out, "PRAGMA integrity_check"), ["ok"])
            self.assertEqual(ask(self.out, "SELECT count(*) FROM users WHERE id = 'before'"), [1])

    def test_a_backup_never_overwrites_its_own_store_by_any_name(self):
        os.symlink(self.store, self.path("link.db"))
        os.link(self.store, self.path("hard.db"))
        server = hn.Server(store=self.store)
        self.assertEqual(server.register("kept", {}).status, 201)
        server.kill()  # its log stays
        before = self.files()
        for name in ("store.db", "link.db", "hard.db", "store.db-wal", "store.db-shm"):
            self.out = self.path(name)
            for options in ((), ("--force",)):
                self.refused(self.backup(*options), name, "itself")
        self.out = os.path.join(self.folder, "..", os.path.basename(self.folder), "store.db")
        self.refused(self.backup("--force"), "itself")
        self.assertEqual(self.files(), before)
        os.remove(self.path("hard.db"))
        self.sound(self.store, 301)

    def test_a_backup_over_a_store_that_somebody_has_open_is_refused(self):
        os.rename(hn.world().copy_store(), self.out)
        os.symlink(self.out, self.path("link.db"))
        with hn.Server(store=self.out) as server:
            self.assertEqual(server.register("kept", {}).status, 201)
            self.refused(self.backup("--force"), self.out, "has it open")
            place, self.out = self.out, self.path("link.db")
            self.refused(self.backup("--force"), "has it open")
            self.assertEqual(server.register("later", {}).status, 201)
        self.sound(place, 302)
        self.assertEqual(self.backup("--force").returncode, 0)  # the link stays one
        self.assertTrue(os.path.islink(self.out))
        self.sound(place, 300)

    def test_a_backup_is_not_spoiled_by_the_log_of_what_was_there(self):
        os.rename(hn.world().copy_store(), self.out)
        server = hn.Server(store=self.out)
        for i in range(40):
            self.assertEqual(server.register("other%d" % i, {"interactions": [{"item": hn.world().items[i]}]}).status, 201)
        server.kill()  # its log stays
        self.assertGreater(os.path.getsize(self.out + "-wal"), 0)
        shutil.copy(self.out + "-wal", self.path("log"))
        self.assertEqual(self.backup("--force").returncode, 0)
        self.assertEqual(self.files(), ["backup.db", "log", "store.db"])
        self.sound(self.out, 300)
        os.remove(self.out)
        shutil.move(self.path("log"), self.out + "-wal")
        self.refused(self.backup(), "backup.db-wal", "--force")
        self.assertEqual(self.files(), ["backup.db-wal", "store.db"])
        self.assertEqual(self.backup("--force").returncode, 0)
        self.sound(self.out, 300)

    def test_a_backup_replaces_no_pipe_or_folder(self):
        os.mkfifo(self.path("pipe"))
        os.mkdir(self.path("folder"))
        for name in ("pipe", "folder"):
            self.out = self.path(name)
            self.refused(self.backup("--force"), name, "no regular file")

    def test_a_store_that_is_none_or_damaged_is_not_backed_up(self):
        with open(self.store, "r+b") as f:
            f.seek(40 * 4096)
            f.write(os.urandom(20 * 4096))
        self.refused(self.backup(), "damaged")
        self.assertEqual(self.files(), ["store.db"])
        self.store = self.path("none.db")
        self.refused(self.backup(), "No such file")
        self.store = self.path("text.db")
        with open(self.store, "w", encoding="utf-8") as f:
            f.write("no database\n" * 1000)
        self.refused(self.backup(), "not a database")
        with contextlib.closing(sqlite3.connect(self.path("other.db"))) as db:
            db.execute("CREATE TABLE t (x)")
            db.commit()
        self.store = self.path("other.db")
        self.refused(self.backup(), "another program")
        self.assertNotIn("backup.db", self.files())

    def test_a_store_that_cannot_be_written_is_backed_up(self):
        os.mkdir(self.path("locked"))
        os.rename(self.store, self.path("locked/store.db"))
        self.store = self.path("locked/store.db")
        os.chmod(self.store, 0o444)
        os.chmod(self.path("locked"), 0o555)
        self.assertEqual(self.backup().returncode, 0)
        self.sound(self.out, 300)

    def test_a_place_that_cannot_be_written_is_named(self):
        self.out = self.path("no/such/folder.db")
        self.refused(self.backup(), "no/such/folder.db", "No such file")

    def test_a_store_of_an_older_version_is_backed_up_as_it_is(self):
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = %d" % (version - 1))
        self.assertEqual(self.backup().returncode, 0)
        self.assertEqual(ask(self.out, "PRAGMA user_version"), [version - 1])
        self.assertEqual(ask(self.store, "PRAGMA user_version"), [version - 1])

    # ---- restore ----

    def test_a_restore_replaces_the_store_and_its_log(self):
        self.assertEqual(self.backup().returncode, 0)
        server = hn.Server(store=self.store)
        for i in range(40):
            self.assertEqual(server.register("later%d" % i, {"interactions": [{"item": hn.world().items[i]}]}).status, 201)
        server.kill()  # its log stays
        self.assertGreater(os.path.getsize(self.store + "-wal"), 0)
        done = self.restore()
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("restored", done.out)
        self.assertEqual(self.files(), ["backup.db", "store.db"])
        self.sound(self.store, 300)
        with hn.Server(store=self.store) as server:
            self.assertEqual(server.recommend("later1").status, 404)
            self.assertEqual(server.register("anew", {}).status, 201)
        self.sound(self.store, 301)
        self.sound(self.out, 300)

    def test_a_restore_is_refused_while_somebody_has_the_store_open(self):
        self.assertEqual(self.backup().returncode, 0)
        with hn.Server(store=self.store) as server:
            self.assertEqual(server.register("kept", {}).status, 201)
            self.refused(self.restore(), "has it open", "stop it first")
            self.assertEqual(server.request("GET", "/readyz").status, 200)
            self.assertEqual(server.user("kept").status, 200)
        self.sound(self.store, 301)
        self.assertEqual(self.restore().returncode, 0)
        self.sound(self.store, 300)

    def test_a_store_damaged_past_opening_is_restored(self):
        self.assertEqual(self.backup().returncode, 0)
        for content in (b"", b"\0" * 100000, b"\xa5" * 100000, b"SQLite format 3\0" + b"\x10\0hynt" * 100):
            with open(self.store, "wb") as f:
                f.write(content)
            self.assertEqual(self.restore().returncode, 0)
            self.sound(self.store, 300)

    def test_a_store_that_is_gone_is_made(self):
        self.assertEqual(self.backup().returncode, 0)
        os.remove(self.store)
        self.assertEqual(self.restore().returncode, 0)
        self.sound(self.store, 300)
        self.assertEqual(os.stat(self.store).st_mode & 0o777, 0o600)

    def test_a_bad_backup_leaves_the_store_as_it_is(self):
        self.assertEqual(self.backup().returncode, 0)
        with open(self.out, "rb") as f:
            good = f.read()
        half, empty, text = good[:len(good) // 2], b"", b"no backup at all\n" * 500
        holes = good[:20 * 4096] + os.urandom(10 * 4096) + good[30 * 4096:]
        for bad in (half, empty, text, holes):
            with open(self.out, "wb") as f:
                f.write(bad)
            before = hn.run("inspect", hn.world().model).out, self.files()
            self.refused(self.restore(), self.out)
            self.assertEqual((hn.run("inspect", hn.world().model).out, self.files()), before)
            self.sound(self.store, 300)
        os.remove(self.out)
        self.refused(self.restore(), "No such file")
        self.sound(self.store, 300)

    def test_a_backup_of_a_newer_program_is_refused(self):
        self.assertEqual(self.backup().returncode, 0)
        with contextlib.closing(sqlite3.connect(self.out)) as db:
            db.execute("PRAGMA user_version = 1000")
        self.refused(self.restore(), "newer version")

    def test_a_link_to_the_store_stays_one(self):
        self.assertEqual(self.backup().returncode, 0)
        real = self.path("real.db")
        os.rename(self.store, real)
        os.symlink(real, self.store)
        self.assertEqual(self.restore().returncode, 0)
        self.assertTrue(os.path.islink(self.store))
        self.sound(real, 300)

    @unittest.skipIf(os.geteuid() != 0, "only root restores for another user")
    def test_root_restores_for_the_owner_of_the_store_or_its_folder(self):
        self.assertEqual(self.backup().returncode, 0)
        os.chown(self.store, 10001, 10001)
        self.assertEqual(self.restore().returncode, 0)
        self.assertEqual(os.stat(self.store).st_uid, 10001)
        os.remove(self.store)
        os.chown(self.folder, 10002, 10002)
        self.assertEqual(self.restore().returncode, 0)
        self.assertEqual(os.stat(self.store).st_uid, 10002)

    def test_a_store_and_its_backup_may_be_one_file(self):
        self.out = self.store
        self.assertEqual(self.restore().returncode, 0)
        self.sound(self.store, 300)
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    unittest.main()
