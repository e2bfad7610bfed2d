"""Commands that read write nothing: the file and its folder stay byte for byte as they were, also where nothing could be written, also
beside a log that a killed process left, also beside a running server."""
import contextlib
import hashlib
import os
import shutil
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

NOBODY = 65534


def as_nobody(function, *args, **more):
    """Calls function where root's permissions do not hold, in a child that ends with its result."""
    if os.geteuid() != 0:
        return function(*args, **more)
    down, up = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(down)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(up, repr(function(*args, **more)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(up)
    with os.fdopen(down, "rb") as pipe:
        said = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise AssertionError("the child failed")
    return eval(said)  # what repr wrote a moment ago


def run(*args):
    done = hn.run(*args, check=False)
    return done.returncode, done.out, done.err


def content(folder, but=()):
    """Name, bytes and time of every file, without those that end so."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(but):
            with open(os.path.join(folder, name), "rb") as f:
                found[name] = (hashlib.sha256(f.read()).hexdigest(), os.stat(f.name).st_mtime_ns)
    return found


class ReadOnly(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        os.chmod(cls.world.folder, 0o755)  # the model is read by others too
        rows = "user\titem\n" + "".join("%s\t%s\n" % (u, cls.world.interactions[u][0]) for u in cls.world.users[:5])
        test = cls.world.file("held.tsv", rows)
        cls.readings = {"recommend": ["--model", cls.world.model, "--user", "u1"],
                        "evaluate": ["--model", cls.world.model, "--test", test],
                        "evaluate beside": ["--model", cls.world.model, "--test", test, "--baselines"]}

    def setUp(self):
        self.folder = hn.temporary_folder()
        os.chmod(self.folder, 0o755)
        self.store = os.path.join(self.folder, "store.db")
        shutil.copyfile(self.world.store, self.store)

    def tearDown(self):
        os.chmod(self.folder, 0o755)

    def read_all(self, nobody=False):
        for name, args in self.readings.items():
            command = [name.split()[0], "--store", self.store, *args]
            status, out, err = as_nobody(run, *command) if nobody else run(*command)
            self.assertEqual(status, 0, "%s: %s" % (name, err))
            self.assertTrue(out)

    def leave_a_log(self):
        """As a process that was killed leaves the store: the newest user is in the log alone."""
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as db:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("INSERT INTO users (id, revision) VALUES ('late', 1)")
            for suffix in ("", "-wal", "-shm"):
                shutil.copyfile(self.store + suffix, self.store + ".kept" + suffix)
        for suffix in ("", "-wal", "-shm"):
            os.replace(self.store + ".kept" + suffix, self.store + suffix)

    def lock_up(self):
        for name in os.listdir(self.folder):
            os.chmod(os.path.join(self.folder, name), 0o444)
        os.chmod(self.folder, 0o555)

    def recommend_late(self, nobody):
        command = ["recommend", "--store", self.store, "--model", self.world.model, "--user", "late"]
        return as_nobody(run, *command) if nobody else run(*command)

    def test_a_folder_that_could_be_written_stays_as_it_was(self):
        before = content(self.folder)
        self.read_all()
        self.assertEqual(content(self.folder), before)

    def test_a_read_only_file_in_a_read_only_folder_is_read(self):
        self.lock_up()
        before = content(self.folder)
        self.read_all(nobody=True)
        self.assertEqual(content(self.folder), before)

    def test_a_read_only_file_in_a_folder_that_can_be_written_leaves_nothing_beside_it(self):
        os.chmod(self.store, 0o444)
        os.chmod(self.folder, 0o777)
        before = content(self.folder)
        self.read_all(nobody=True)
        self.assertEqual(content(self.folder), before)

    def test_odd_names_are_read_too(self):
        for name in ("100%41.db", "a?b=c#d.db", "sp ace.db"):
            os.replace(self.store, os.path.join(self.folder, name))
            self.store = os.path.join(self.folder, name)
            self.lock_up()
            self.read_all(nobody=True)
            os.chmod(self.folder, 0o755)

    def test_a_log_that_was_left_behind_is_read_and_stays(self):
        self.leave_a_log()
        before = content(self.folder, but="-shm")  # the index of the log is made anew by whoever reads first
        status, _, err = self.recommend_late(nobody=False)
        self.assertEqual(status, 0, err)
        self.assertEqual(content(self.folder, but="-shm"), before)

    def test_a_log_in_a_read_only_folder_is_read_or_said_to_be_there(self):
        self.leave_a_log()
        self.lock_up()
        before = content(self.folder)
        status, _, err = self.recommend_late(nobody=True)
        self.assertEqual(status, 0, err)
        os.chmod(self.folder, 0o755)
        os.remove(self.store + "-shm")
        os.chmod(self.folder, 0o555)
        status, out, err = self.recommend_late(nobody=True)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("its log (-wal) is there", err)
        before.pop("store.db-shm")
        self.assertEqual(content(self.folder), before)

    def test_what_a_running_server_just_wrote_is_read(self):
        with hn.Server(store=self.store) as server:
            server.register("late", {"interactions": [{"item": self.world.items[0]}]})
            for suffix in ("", "-wal", "-shm"):
                os.chmod(self.store + suffix, 0o644)
            for nobody in (False, True):
                status, _, err = self.recommend_late(nobody)
                self.assertEqual(status, 0, err)
            self.assertEqual(server.register("later", {}).status, 201)

    def test_items_that_came_after_training_are_ranked_alike_by_who_may_not_write(self):
        self.import_after_training()
        ask = ["recommend", "--model", self.world.model, "--user", "u250", "--limit", "1000", "--json", "--store"]
        before = content(self.folder)
        read = run(*ask, self.store)
        self.assertEqual(content(self.folder), before)
        with hn.Server(store=self.store) as server:
            served = server.recommend("u250", limit=1000)
        self.assertIn('"after"', read[1])
        self.assertEqual(read[1].strip(), served.body.decode().strip())

    def import_after_training(self):
        items = self.world.file("after.tsv", "item\ttitle\tcategories\nafter\tAfter\tDrama\n")
        taken = self.world.file("after-taken.tsv", "user\titem\n" + "".join("%s\tafter\n" % u for u in self.world.users[:40]))
        hn.run("import", "--store", self.store, "--items", items, "--interactions", taken)

    def followed(self):
        with contextlib.closing(sqlite3.connect(self.store, timeout=hn.PATIENCE)) as db:
            return db.execute("SELECT followed FROM items WHERE id = 'after'").fetchone()[0] == 1

    def test_a_server_that_only_answers_writes_nothing(self):
        self.import_after_training()
        before = content(self.folder)
        with hn.Server(store=self.store) as server:
            self.assertIn("after", server.recommend("u250", limit=1000).items)
            self.assertEqual(server.request("GET", "/v1/items/after").json["source"], "interactions")
            self.assertEqual(server.user("u1").status, 200)
        self.assertEqual(content(self.folder), before)
        with hn.Server(store=self.store) as server:
            self.assertEqual(server.event("u250", self.world.items[0]).status, 200)
            hn.eventually(self.followed, "new items are followed once something was written")

    def test_new_items_are_answered_from_while_another_process_writes(self):
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as writer, hn.Server(store=self.store) as early:
            self.assertEqual(early.register("written", {}).status, 201)
            self.import_after_training()
            writer.execute("BEGIN IMMEDIATE")
            hn.eventually(lambda: "after" in early.recommend("u250", limit=1000).items, "the import is followed")
            with hn.Server(store=self.store) as late:
                want = early.recommend("u250", limit=1000).body
                self.assertEqual(late.recommend("u250", limit=1000).body, want)
                self.assertEqual(late.request("GET", "/v1/items/after").json["source"], "interactions")
                self.assertNotIn("slow", late.log())
            writer.execute("ROLLBACK")
            hn.eventually(self.followed, "it is followed when the other one is done")
            self.assertEqual(early.recommend("u250", limit=1000).body, want)
            self.assertNotIn("slow", early.log())

    def test_an_older_schema_is_left_to_a_command_that_writes(self):
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = %d" % (version - 1))
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = content(self.folder)
        status, out, err = run("recommend", "--store", self.store, "--model", self.world.model, "--user", "u1")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("made by an older version of this program (schema %d, here %d)" % (version - 1, version), err)
        self.assertIn("import, train or serve", err)
        self.assertEqual(content(self.folder), before)

    def test_a_server_does_not_start_on_what_it_could_not_write(self):
        """Else every registration and event would fail, one by one, under a server that says it is ready."""
        for name, file, folder in (("the file", 0o444, 0o777), ("the folder", 0o666, 0o555), ("both", 0o444, 0o555)):
            with self.subTest(name):
                os.chmod(self.store, file)
                os.chmod(self.folder, folder)
                before = content(self.folder)
                status, out, err = as_nobody(run, "serve", "--store", self.store, "--model", self.world.model, "--listen", "127.0.0.1:0")
                self.assertEqual((status, out), (1, ""), err)
                self.assertRegex(err, "cannot be written|permissions of the file and of its folder")
                os.chmod(self.folder, 0o755)
                self.assertEqual(content(self.folder), before)

    def test_a_store_that_is_not_there_is_not_made(self):
        for name, args in self.readings.items():
            status, _, err = run(name.split()[0], "--store", self.store + ".none", *args)
            self.assertEqual(status, 1)
            self.assertIn("No such file", err)
        status, _, err = run("serve", "--store", self.store + ".none", "--model", self.world.model, "--listen", "127.0.0.1:0")
        self.assertEqual(status, 1)
        self.assertIn("--create", err)
        self.assertEqual(os.listdir(self.folder), ["store.db"])


if __name__ == "__main__":
    unittest.main()
