"""A restart with --warm-file: who was asked for before is cached before the server says ready."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops


class WarmStart(unittest.TestCase):
    def setUp(self):
        self.store, self.file = hn.world().copy_store(), os.path.join(hn.temporary_folder(), "warm")
        self.hot = hn.world().users[:20]

    def serve(self, *options):
        return hn.Server("--warm-file", self.file, *options, store=self.store)

    def cache(self, server, user):
        return server.recommend(user, limit=3).headers.get("x-hypernet-cache")

    def warm(self, *options):
        with self.serve(*options) as server:
            for user in self.hot:
                self.assertEqual(self.cache(server, user), "miss")

    def test_first_request_of_a_hot_user_after_a_restart_is_a_hit(self):
        self.warm()
        with self.serve() as server:
            self.assertEqual([self.cache(server, user) for user in self.hot], ["hit"] * len(self.hot))
            self.assertEqual(self.cache(server, hn.world().users[50]), "miss")

    def test_users_deleted_since_do_not_come_back_and_changed_ones_are_as_new(self):
        self.warm()
        gone, changed = self.hot[:2]
        with hn.Server(store=self.store) as server:  # without the file, which stays as it was
            self.assertEqual(server.forget(gone).status, 204)
            self.assertEqual(server.event(changed, "i1").status, 200)
            want = server.recommend(changed, limit=3).json
        with self.serve() as server:
            self.assertEqual(server.recommend(gone).status, 404)
            answer = server.recommend(changed, limit=3)
            self.assertEqual((answer.headers["x-hypernet-cache"], answer.json), ("hit", want))
        with open(self.file, encoding="ascii") as f:
            self.assertNotIn(f" {gone}\n", f.read())

    def test_a_missing_cut_or_changed_file_is_no_error(self):
        self.warm()
        with open(self.file, "rb") as f:
            good = f.read()
        for bad in (None, b"", good[:-1], good[: len(good) // 2], good.replace(b"u", b"v", 1), os.urandom(5000)):
            os.unlink(self.file)
            if bad is not None:
                with open(self.file, "wb") as f:
                    f.write(bad)
            with self.serve() as server:
                self.assertEqual(server.metric("cache_entries"), 0)
                self.assertEqual(self.cache(server, self.hot[0]), "miss")

    def test_a_pipe_in_its_place_holds_no_start(self):
        os.mkfifo(self.file)
        with self.serve() as server:
            self.assertEqual(server.metric("cache_entries"), 0)
            self.assertIn("not a regular file", server.log())

    def test_a_killed_server_is_followed_by_a_warm_start(self):
        server = self.serve("--warm-save-seconds", 1)
        self.assertEqual(self.cache(server, self.hot[3]), "miss")

        def saved():
            try:
                with open(self.file, encoding="ascii") as f:
                    return f" {self.hot[3]}\n" in f.read()
            except FileNotFoundError:
                return False

        hn.eventually(saved, "the periodic save")
        server.kill()
        with self.serve() as server:
            self.assertEqual(self.cache(server, self.hot[3]), "hit")

    def test_a_smaller_cache_or_no_time_bounds_what_is_loaded(self):
        self.warm()
        with self.serve("--cache-bytes", 0) as server:
            self.assertEqual(server.metric("cache_entries"), 0)
        self.warm()
        with self.serve("--warm-seconds", 0) as server:
            self.assertEqual(server.metric("cache_entries"), 0)


class Tasks(shops.Case):
    """The same of the tasks of a model of tasks, in the same file as users."""

    def setUp(self):
        self.file = os.path.join(hn.temporary_folder(), "warm")
        self.store = self.world.copy_store()
        self.names = ["s%d" % i for i in range(18, 24)]
        with self.serve() as server:
            for name in self.names:
                self.assertEqual(server.admin("PUT", "/v1/admin/tasks/" + name, {"support": {"rows": self.shops.known(name)}}).status, 201)
                self.assertEqual(self.cache(server, name), "miss")
            self.assertEqual(server.recommend("u1").status, 200)

    def serve(self):
        return hn.Server("--warm-file", self.file, models=[self.world.model, self.shops.model], store=self.store)

    def cache(self, server, name):
        return self.predict(name, {"rows": self.shops.asked(name)}, server=server).headers.get("x-hypernet-cache")

    def test_first_request_of_a_task_after_a_restart_is_a_hit_and_a_users_too(self):
        with self.serve() as server:
            self.assertEqual([self.cache(server, name) for name in self.names], ["hit"] * len(self.names))
            self.assertEqual(server.recommend("u1").headers.get("x-hypernet-cache"), "hit")

    def test_a_task_that_is_deleted_is_soon_out_of_the_file(self):
        def names(name):
            with open(self.file, encoding="ascii") as f:
                return f"shops {name}\n" in f.read()
        with self.serve() as server:
            self.assertTrue(names("s20"))
            self.assertEqual(server.admin("DELETE", "/v1/admin/tasks/s20").status, 204)
            hn.eventually(lambda: not names("s20"), "the file without the task")
            self.assertTrue(names("s21"))
        with hn.Server(models=[self.shops.model], store=self.store) as server:  # without the file, which stays as it was
            self.assertEqual(server.admin("DELETE", "/v1/admin/tasks/s21").status, 204)
        with self.serve() as server:
            self.assertEqual(self.predict("s21", {"rows": self.shops.asked("s21")}, server=server).status, 404)
            self.assertEqual(self.cache(server, "s22"), "hit")
            hn.eventually(lambda: not names("s21"), "the file without the task that went meanwhile")


if __name__ == "__main__":
    unittest.main()
