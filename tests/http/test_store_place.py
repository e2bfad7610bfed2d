"""A running server whose store is removed, renamed or replaced, and logs that are taken from under it: it says so, is not ready, and
acknowledges nothing that would be lost; and what is found at the path afterwards is a sound store."""
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402


def ask(store, sql):
    with contextlib.closing(sqlite3.connect(store)) as db:
        return [row[0] for row in db.execute(sql)]


class Place(hn.Folder):
    filled = True

    def other_store(self):
        """As a backup that is moved over a store: another file, with fewer users."""
        path = hn.world().copy_store()
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM interactions WHERE user_key > 100")
            db.execute("DELETE FROM users WHERE user_key > 100")
            db.commit()
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path

    def becomes_lost(self, server, what):
        hn.eventually(lambda: server.request("GET", "/readyz").status == 503, "readiness turns")
        self.assertEqual(server.request("GET", "/readyz").json["status"], "store lost")
        self.assertEqual(server.metric("store_lost"), 1)
        for refused in (server.event("u1", hn.world().items[0]), server.register("late", {}), server.forget("u2"),
                        server.admin("PUT", "/v1/admin/items/x", {}), server.admin("DELETE", "/v1/admin/items/i1")):
            self.assertEqual((refused.status, refused.problem), (503, "store-lost"), refused)
            self.assertNotIn(self.folder, refused.json["detail"])
            self.assertIn("restarted", refused.json["detail"])
        self.assertEqual(server.recommend("u1").status, 200)  # what is open is still answered from
        self.assertEqual(server.request("GET", "/healthz").status, 200)
        for part in (what, self.store, "restart this server"):  # which is said after it is known
            hn.eventually(lambda part=part: part in server.log(), "the log says %r" % part)

    def fill(self, server, n=50):
        for i in range(n):
            self.assertEqual(server.register("new%d" % i, {"interactions": [{"item": hn.world().items[i]}]}).status, 201)

    def sound(self, path, users):
        self.assertEqual(ask(path, "PRAGMA integrity_check"), ["ok"])
        self.assertEqual(ask(path, "SELECT count(*) FROM users"), [users])

    def test_a_removed_store_is_noticed_and_does_not_come_back_empty(self):
        with hn.Server(store=self.store) as server:
            self.fill(server)
            os.remove(self.store)
            self.becomes_lost(server, "removed or renamed")
        self.assertEqual(os.listdir(self.folder), [])
        done = hn.run("serve", "--store", self.store, "--model", hn.world().model, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.err)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_replaced_store_is_not_spoilt_by_the_log_of_the_old_one(self):
        other = self.other_store()
        with hn.Server(store=self.store) as server:
            self.fill(server)
            os.replace(other, self.store)
            self.becomes_lost(server, "the file was replaced")
        self.sound(self.store, 100)
        with hn.Server(store=self.store) as server:
            self.assertEqual(server.recommend("new1").status, 404)
            self.assertEqual(server.register("late", {}).status, 201)
        self.sound(self.store, 101)

    def test_a_replaced_store_is_sound_although_the_server_was_killed(self):
        other = self.other_store()
        server = hn.Server(store=self.store)
        self.fill(server)
        os.replace(other, self.store)
        self.becomes_lost(server, "the file was replaced")
        hn.eventually(lambda: not os.path.exists(self.store + "-wal"), "the old log is gone")
        server.kill()
        self.sound(self.store, 100)

    def killed_before_it_notices(self, replaced_by=None):
        """A server with writes that are in its log alone dies without a chance to do anything about what happens to its file."""
        server = hn.Server(store=self.store)
        self.fill(server)
        server.signal(signal.SIGSTOP)
        if replaced_by:
            os.replace(replaced_by, self.store)
        server.kill()
        self.assertGreater(os.path.getsize(self.store + "-wal"), 1000)
        try:
            os.getxattr(self.store + "-wal", "user.hypernet.log-of")
        except OSError:
            self.skipTest("the file system has no extended attributes")

    def test_the_log_of_a_killed_server_is_not_applied_to_another_file(self):
        other = self.other_store()
        kept = shutil.copyfile(other, os.path.join(hn.temporary_folder(), "kept.db"))
        self.killed_before_it_notices(replaced_by=other)
        out = os.path.join(self.folder, "out.db")
        for args in (["serve", "--store", self.store, "--model", hn.world().model, "--listen", "127.0.0.1:0"],
                     ["recommend", "--store", self.store, "--model", hn.world().model, "--user", "u1"],
                     ["import", "--store", self.store, "--users", hn.world().file("some.tsv", "user\tage\nsome\t3\n")],
                     ["backup", "--store", self.store, "--out", out]):
            done = hn.run(*args, check=False)
            self.assertEqual(done.returncode, 1, args)
            for part in ("is of another file", "hypernet restore --store", "move the log away"):
                self.assertIn(part, done.err, args)
            with open(self.store, "rb") as mine, open(kept, "rb") as its:
                self.assertEqual(mine.read(), its.read(), args)
        os.rename(self.store + "-wal", self.store + ".log-of-another")
        with hn.Server(store=self.store) as server:
            self.fill(server, 2)
        self.sound(self.store, 102)

    def test_the_log_of_a_killed_server_is_not_applied_to_a_file_that_was_made_in_place_of_a_removed_one(self):
        other = self.other_store()
        self.killed_before_it_notices()
        os.remove(self.store)
        shutil.copyfile(other, self.store)  # which may get the inode of the removed one
        done = hn.run("serve", "--store", self.store, "--model", hn.world().model, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is of another file", done.err)

    def test_a_restore_takes_the_place_of_a_file_with_another_one_s_log(self):
        other = self.other_store()
        self.killed_before_it_notices(replaced_by=self.other_store())
        hn.run("restore", "--store", self.store, "--from", other)
        server = hn.Server(store=self.store)
        self.fill(server, 3)
        server.kill()
        with hn.Server(store=self.store) as server:  # its own log
            self.assertEqual(server.user("new2").status, 200)
        self.sound(self.store, 103)

    def test_the_log_of_a_killed_server_is_applied_to_its_file_also_elsewhere_and_in_a_copy(self):
        self.killed_before_it_notices()
        copy = os.path.join(hn.temporary_folder(), "copy.db")
        moved = os.path.join(hn.temporary_folder(), "moved.db")
        for suffix in ("", "-wal"):
            shutil.copy2(self.store + suffix, copy + suffix)  # with its attributes
            os.rename(self.store + suffix, moved + suffix)
        for store in (copy, moved):
            with hn.Server(store=store) as server:
                self.assertEqual(server.user("new49").status, 200)
            self.sound(store, 350)

    def test_a_renamed_store_keeps_all_that_was_acknowledged(self):
        away = os.path.join(self.folder, "away.db")
        with hn.Server(store=self.store) as server:
            self.fill(server)
            os.rename(self.store, away)
            self.becomes_lost(server, "removed or renamed")
        self.assertEqual(os.listdir(self.folder), ["away.db"])
        self.sound(away, 350)

    def test_a_renamed_folder_is_noticed(self):
        with hn.Server(store=self.store) as server:
            self.fill(server, 5)
            os.rename(self.folder, self.folder + ".away")
            self.becomes_lost(server, "removed or renamed")
        self.sound(os.path.join(self.folder + ".away", "store.db"), 305)
        os.rename(self.folder + ".away", self.folder)

    def test_a_log_that_was_removed_is_noticed_and_its_content_saved(self):
        for suffix, what in (("-wal", "its log (-wal) was removed"), ("-shm", "the index of its log (-shm) was removed")):
            with hn.Server(store=self.store) as server:
                users = ask(self.store, "SELECT count(*) FROM users")[0]
                name = "log%s" % suffix
                self.assertEqual(server.register(name, {}).status, 201)
                os.remove(self.store + suffix)
                self.becomes_lost(server, what)
                self.assertEqual(server.user(name).status, 200)
            self.sound(self.store, users + 1)

    def test_writes_that_race_with_the_removal_are_refused_or_were_there(self):
        away = os.path.join(self.folder, "away.db")
        with hn.Server(store=self.store) as server, server.client(server.token) as client:
            taken = 0
            for i in range(400):
                answer = client.request("PUT", "/v1/admin/users/race%d" % i, {})
                self.assertIn((answer.status, answer.problem), ((201, None), (503, "store-lost")))
                taken += answer.status == 201
                if i == 200:
                    os.rename(self.store, away)
            self.assertEqual(taken, 201)
            hn.eventually(lambda: server.request("GET", "/readyz").status == 503, "readiness turns")
        self.sound(away, 300 + taken)

    def test_a_server_makes_no_store_unless_told(self):
        path = os.path.join(self.folder, "none.db")
        done = hn.run("serve", "--store", path, "--model", hn.world().model, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--create", done.err)
        self.assertFalse(os.path.exists(path))
        with hn.Server("--create", "--allow-foreign-items", store=path) as server:
            self.assertEqual(server.register("first", {}).status, 201)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_a_server_in_its_place_stays_ready(self):
        with hn.Server(store=self.store) as server:
            self.fill(server)
            self.assertEqual(server.request("GET", "/readyz").status, 200)
            self.assertEqual(server.metric("store_lost"), 0)
            hn.run("import", "--store", self.store, "--users", hn.world().file("more.tsv", "user\tage\nmore\t3\n"))
            hn.eventually(lambda: server.user("more").status == 200, "the import is followed")
            self.assertEqual(server.request("GET", "/readyz").status, 200)


if __name__ == "__main__":
    unittest.main()
