"""POST /v1/admin/backup: whole while others write, private, in one folder that no caller names; nothing is left of one that fails; one at a time."""
import contextlib
import os
import resource
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

BACKUP = "/v1/admin/backup"


def ask(store, sql):
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % store, uri=True)) as db:
        return [row[0] for row in db.execute(sql)]


class BackupCall(hn.Folder):
    filled = True
    assertProblem = hn.Case.assertProblem

    def setUp(self):
        super().setUp()
        self.backups = self.path("backups")
        os.mkdir(self.backups)

    def serve(self, *options, **more):
        return hn.Server("--backup-dir", self.backups, *options, store=self.store, **more)

    def whole(self, name):
        path = os.path.join(self.backups, name)
        self.assertEqual(ask(path, "PRAGMA integrity_check"), ["ok"])
        return path

    def test_a_backup_is_whole_private_and_answers_as_the_store_did(self):
        old = os.umask(0)
        try:
            server = self.serve()
        finally:
            os.umask(old)
        with server:
            self.assertEqual(server.register("before", {"interactions": [{"item": hn.world().items[3]}]}).status, 201)
            answer = server.admin("POST", BACKUP)
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual(sorted(answer.json), ["bytes", "file", "integrity", "seconds"])
            self.assertRegex(answer.json["file"], r"^hypernet-\d{8}T\d{6}\.\d{3}Z\.db$")
            self.assertEqual(answer.json["integrity"], "ok")
            self.assertEqual(os.listdir(self.backups), [answer.json["file"]])
            path = self.whole(answer.json["file"])
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            self.assertEqual(os.path.getsize(path), answer.json["bytes"])
            self.assertEqual(server.metric("backups_total"), 1)
            self.assertEqual(server.register("after", {}).status, 201)  # it is not of the copy
            users = ["before", *hn.world().users[:20]]
            said = [server.recommend(u, limit=50).json["items"] for u in users]
        restored = self.path("restored.db")
        self.assertEqual(hn.run("restore", "--store", restored, "--from", path).returncode, 0)
        with hn.Server(store=restored) as server:
            self.assertEqual([server.recommend(u, limit=50).json["items"] for u in users], said)
            self.assertEqual(server.user("after").status, 404)

    def test_a_backup_under_load_has_all_that_was_acknowledged_before_it(self):
        with self.serve() as server:
            acknowledged, ended, failed = [], threading.Event(), []

            def register(part):
                with server.client(server.token) as client:
                    n = 0
                    while not ended.is_set():
                        name = "busy%d-%d" % (part, n)
                        body = {"interactions": [{"item": hn.world().items[n % 50]}]}
                        if client.request("PUT", "/v1/admin/users/" + name, body).status != 201:
                            failed.append(name)
                        acknowledged.append(name)
                        n += 1

            writers = [threading.Thread(target=register, args=(part,)) for part in range(2)]
            for w in writers:
                w.start()
            try:
                hn.eventually(lambda: len(acknowledged) > 20)
                taken = []
                for _ in range(3):
                    known = list(acknowledged)
                    taken.append((known, server.admin("POST", BACKUP)))
            finally:
                ended.set()
                for w in writers:
                    w.join()
            self.assertEqual(failed, [])
            for known, answer in taken:
                self.assertEqual(answer.status, 201, answer)
                path = self.whole(answer.json["file"])
                self.assertLessEqual(set(known), set(ask(path, "SELECT id FROM users")))
                self.assertEqual(ask(path, "SELECT count(*) FROM users u WHERE id LIKE 'busy%' AND NOT EXISTS "
                                           "(SELECT 1 FROM interactions i WHERE i.user_key = u.user_key)"), [0])  # no half of a write
            # The locks of the serving process stand: nobody takes its store.
            done = hn.run("restore", "--store", self.store, "--from", path, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("has it open", done.err)

    def test_one_at_a_time_and_what_is_not_made_leaves_nothing(self):
        with self.serve() as server:
            answers = []

            def back_up():
                answers.append(server.admin("POST", BACKUP))

            askers = [threading.Thread(target=back_up) for _ in range(8)]
            for a in askers:
                a.start()
            for a in askers:
                a.join()
            made = [a.json["file"] for a in answers if a.status == 201]
            for a in answers:
                if a.status != 201:
                    self.assertProblem(a, 409, "backup-runs")
            self.assertGreaterEqual(len(made), 1)
            self.assertEqual(sorted(os.listdir(self.backups)), sorted(made))
            for name in made:
                self.whole(name)

    def test_a_full_disk_leaves_nothing_and_the_next_one_is_made(self):
        with self.serve() as server:
            self.assertEqual(server.register("kept", {}).status, 201)
            log = os.path.getsize(self.store + "-wal")
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (max(log, 65536), resource.RLIM_INFINITY))
            answer = server.admin("POST", BACKUP)
            self.assertIn(answer.status, (500, 507), answer)
            self.assertNotIn(self.backups, answer.body.decode())
            self.assertEqual(os.listdir(self.backups), [])
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.assertEqual(server.recommend("kept").status, 200)
            answer = server.admin("POST", BACKUP)
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual(ask(self.whole(answer.json["file"]), "SELECT count(*) FROM users WHERE id = 'kept'"), [1])

    def test_a_folder_that_went_is_an_error_of_the_server(self):
        with self.serve() as server:
            os.rmdir(self.backups)
            answer = server.admin("POST", BACKUP)
            self.assertProblem(answer, 500, "store-failed")
            self.assertNotIn(self.folder, answer.body.decode())
            self.assertEqual(server.recommend("u1").status, 200)

    def test_who_may(self):
        with self.serve() as server:
            self.assertProblem(server.request("POST", BACKUP), 401, "unauthorized")
            self.assertProblem(server.admin("POST", BACKUP + "?file=x"), 400, "bad-request")
            self.assertProblem(server.admin("GET", BACKUP), 405, "wrong-method")
            self.assertEqual(os.listdir(self.backups), [])
        with hn.Server() as server:
            self.assertProblem(server.admin("POST", BACKUP), 403, "backup-off")

    def test_a_start_names_a_folder_that_is_none(self):
        for name, reason in (("none", "No such file"), ("store.db", "Not a directory")):
            done = hn.run("serve", "--store", self.store, "--model", hn.world().model, "--listen", "127.0.0.1:0",
                          "--backup-dir", self.path(name), check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(reason, done.err)
            self.assertIn("--backup-dir", done.err)


if __name__ == "__main__":
    unittest.main()
