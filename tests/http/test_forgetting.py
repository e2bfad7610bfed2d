"""After `204 Forgotten` nothing of the person is in any file beside the store: not in the store, its log, the log of changes, the list of
users of the last run, a backup made then; nor is a profile that was replaced. Replicas forget too."""
import contextlib
import json
import os
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

PERSON, SECRET = "person-qX7bWk29vN", "lives-in-Zt84mPw3R"
BODY = {"profile": {"home": SECRET, "age": 7}, "interactions": [{"item": "i1"}, {"item": "i2"}]}


class Forgetting(hn.Folder):
    filled = True

    def holders(self, text):
        """The files in which the bytes are."""
        found = []
        for name in sorted(os.listdir(self.folder)):
            try:
                with open(self.path(name), "rb") as f:
                    if text.encode() in f.read():
                        found.append(name)
            except FileNotFoundError:
                pass  # a file that was being written
        return found

    def gone(self, *texts):
        for text in texts:
            hn.eventually(lambda t=text: not self.holders(t), "%s is in no file" % text)

    def test_no_file_has_who_was_deleted(self):
        with hn.Server("--warm-file", self.path("warm.users"), "--warm-save-seconds", "1", store=self.store) as server:
            server.register(PERSON, BODY)
            server.event(PERSON, "i9")
            self.assertEqual(server.recommend(PERSON).status, 200)
            hn.eventually(lambda: "warm.users" in self.holders(PERSON), "the list of users is written")
            self.assertTrue(self.holders(SECRET))
            self.assertEqual(server.forget(PERSON).status, 204)
            self.gone(PERSON, SECRET)
            hn.run("backup", "--store", self.store, "--out", self.path("backup.db"))
            self.assertEqual((self.holders(PERSON), self.holders(SECRET)), ([], []))
            self.assertEqual(server.recommend(PERSON).status, 404)
        self.assertEqual((self.holders(PERSON), self.holders(SECRET)), ([], []))

    def listed(self):
        """A store with the person, and a list of the last run's users that has him."""
        with hn.Server("--warm-file", self.path("warm.users"), store=self.store) as server:
            server.register(PERSON, BODY)
            self.assertEqual(server.recommend(PERSON).status, 200)
        self.assertIn("warm.users", self.holders(PERSON))

    def rarely(self):
        return hn.Server("--warm-file", self.path("warm.users"), "--warm-save-seconds", "86400", store=self.store)

    def test_the_list_of_users_forgets_without_waiting_for_its_next_save(self):
        self.listed()
        server = self.rarely()
        self.assertEqual(server.recommend("u1").status, 200)
        self.assertEqual(server.forget(PERSON).status, 204)
        self.gone(PERSON, SECRET)
        server.kill()
        self.assertEqual((self.holders(PERSON), self.holders("u1\n")), ([], ["warm.users"]))

    def test_the_list_of_users_forgets_who_another_replica_deleted(self):
        self.listed()
        with self.rarely() as server, hn.Server(store=self.store) as other:
            self.assertEqual(other.forget(PERSON).status, 204)
            self.gone(PERSON, SECRET)
            self.assertEqual(server.recommend(PERSON).status, 404)

    def test_the_list_of_users_forgets_who_was_deleted_while_the_server_was_down(self):
        self.listed()
        with open(self.path("warm.users.new"), "w", encoding="ascii") as f:
            f.write(PERSON)  # as a server leaves it that is killed while it saves
        with hn.Server(store=self.store) as other:
            self.assertEqual(other.forget(PERSON).status, 204)
        with self.rarely():
            self.gone(PERSON, SECRET)

    def test_no_file_has_a_profile_that_was_replaced(self):
        with hn.Server(store=self.store) as server:
            server.register(PERSON, BODY)
            server.register(PERSON, {"profile": {"home": "elsewhere"}})
            self.gone(SECRET)
            self.assertTrue(self.holders(PERSON))

    def test_no_file_has_a_profile_that_an_import_replaced_beside_a_server(self):
        with hn.Server(store=self.store) as server:
            server.register(PERSON, BODY)
            hn.run("import", "--store", self.store, "--users", hn.world().file("moved.tsv", "user\thome\n%s\telsewhere\n" % PERSON))
            self.gone(SECRET)
            hn.eventually(lambda: "elsewhere" in json.dumps(server.user(PERSON).json), "the import is followed")

    def test_a_reader_that_stands_in_the_way_delays_it_only(self):
        with hn.Server(store=self.store) as server:
            server.register(PERSON, BODY)
            with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM users").fetchone()
                self.assertEqual(server.forget(PERSON).status, 204)
                self.assertEqual(server.recommend("u1").status, 200)
                self.assertEqual(server.register("meanwhile", {}).status, 201)
                self.assertTrue(self.holders(SECRET))
                reader.execute("COMMIT")
            self.gone(PERSON, SECRET)

    def test_a_replica_that_had_answered_forgets_without_being_told_who(self):
        with hn.Server(store=self.store) as one, hn.Server(store=self.store) as two:
            one.register(PERSON, BODY)
            hn.eventually(lambda: two.recommend(PERSON).status == 200, "the other one knows")
            self.assertEqual(two.recommend(PERSON).headers["x-hypernet-cache"], "hit")
            self.assertEqual(one.forget(PERSON).status, 204)
            hn.eventually(lambda: two.recommend(PERSON).status == 404, "the other one forgets")
            self.gone(PERSON, SECRET)


if __name__ == "__main__":
    unittest.main()
