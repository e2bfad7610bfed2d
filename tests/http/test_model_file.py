"""A model file under a server that serves it: overwritten, cut short, replaced, deleted. The server keeps what it opened."""
import os
import shutil
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

USERS = [f"u{i}" for i in range(1, 41)]


def answers(server):
    return [server.recommend(u, limit=20).json["items"] for u in USERS]


def overwrite(path):
    with open(path, "r+b") as f:
        f.write(b"\xff" * os.path.getsize(path))


def cut(path):
    os.truncate(path, 0)


def copy_another_over_it(path):
    shutil.copyfile(hn.world().other_model, path)


def shorten_from_behind(path):
    with open(path, "ab") as f:
        f.truncate(os.path.getsize(path) // 2)


def delete(path):
    os.unlink(path)


def replace(path):
    shutil.copyfile(hn.world().other_model, path + ".new")
    os.rename(path + ".new", path)


class ModelFile(unittest.TestCase):
    def own_copy(self, name):
        path = hn.world().path(name)
        shutil.copyfile(hn.world().model, path)
        return path

    def test_what_is_done_to_the_file_changes_no_answer(self):
        """Without a cache each answer is made from the model anew."""
        with hn.Server("--cache-bytes", 0) as server:
            right = answers(server)
        for change in (overwrite, cut, copy_another_over_it, shorten_from_behind, delete, replace):
            path = self.own_copy(f"{change.__name__}.hn")
            with hn.Server("--cache-bytes", 0, models=[path]) as server:
                self.assertEqual(answers(server), right)
                change(path)
                self.assertEqual(answers(server), right, change.__name__)
                self.assertEqual(server.request("GET", "/readyz").status, 200)
                self.assertTrue(server.alive())

    def test_meanwhile_requests_are_answered(self):
        path = self.own_copy("busy.hn")
        with hn.Server("--cache-bytes", 0, models=[path]) as server:
            right, wrong, done = answers(server), [], threading.Event()

            def ask():
                while not done.is_set():
                    wrong.extend(a for a in [answers(server)] if a != right)
            threads = [threading.Thread(target=ask) for _ in range(3)]
            for t in threads:
                t.start()
            copy_another_over_it(path)
            self.assertEqual(answers(server), right)
            done.set()
            for t in threads:
                t.join()
            self.assertEqual(wrong, [])

    def test_several_servers_of_one_file_let_it_go(self):
        path = self.own_copy("shared.hn")
        with hn.Server("--cache-bytes", 0, models=[path]) as one, hn.Server("--cache-bytes", 0, models=[path]) as other:
            right = answers(one)
            overwrite(path)
            self.assertEqual(answers(one), right)
            self.assertEqual(answers(other), right)

    def test_a_file_that_somebody_has_open_for_writing_is_copied(self):
        path = self.own_copy("open.hn")
        with open(path, "r+b") as writer:
            with hn.Server("--cache-bytes", 0, models=[path]) as server:
                right = answers(server)
                writer.truncate(0)
                self.assertEqual(answers(server), right)
                self.assertIn("a copy of", server.log())

    def test_it_is_said_and_a_signal_ends_it_as_ever(self):
        path = self.own_copy("said.hn")
        server = hn.Server(models=[path])
        shared = "a copy of" not in server.log()
        overwrite(path)
        if shared:  # else the file system cannot tell
            hn.eventually(lambda: "somebody writes to its file" in server.log(), "the line")
        server.signal(signal.SIGIO)  # from anybody: nothing happens
        self.assertEqual(server.recommend("u1").status, 200)
        server.stop()

    def test_commands_keep_what_they_read(self):
        """They copy the file, and refuse it where it changes meanwhile; here only that it is none that is named."""
        path = self.own_copy("pointer.hn")
        with open(path, "w", encoding="ascii") as f:
            f.write("version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea423c2713d436b5ee50593a9640e0018c1550b5a0\n")
        w = hn.world()
        for command in (["inspect", path], ["recommend", "--store", w.copy_store(), "--model", path, "--user", "u1"],
                        ["evaluate", "--store", w.copy_store(), "--model", path, "--test", w.path("tables", "interactions.tsv")],
                        ["serve", "--store", w.copy_store(), "--model", path, "--listen", "127.0.0.1:0"]):
            done = hn.run(*command, check=False)
            self.assertEqual(done.returncode, 1, command)
            self.assertIn(f"{path}: it is no model file, it is a Git LFS pointer", done.err)


if __name__ == "__main__":
    unittest.main()
