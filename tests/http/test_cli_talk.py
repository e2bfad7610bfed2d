"""How the commands speak to a person: what a mistyped option was meant to be, the next command to type, one and many, a bar that ends
before the next line, a reader that goes away, and what a server says when it is ready."""
import os
import pty
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402
from command import COMMANDS, HYPERNET, World, done, environment, run  # noqa: E402


def options_of(command):
    return re.findall(r"^  --([a-z-]+)", done(command, "--help"), re.M)


class Mistyped(unittest.TestCase):
    def meant(self, command, word, meant):
        r = run(command, word)
        self.assertEqual((r.returncode, r.stdout), (2, ""), word)
        self.assertIn("no option %s; did you mean --%s?" % (word.split("=")[0], meant), r.stderr)

    def test_each_option_of_each_command_is_found_with_two_letters_turned(self):
        for command in COMMANDS:
            for name in options_of(command):
                turned = name[1] + name[0] + name[2:]
                if turned != name and len(name) > 3:
                    self.meant(command, "--" + turned, name)

    def test_beginnings_capitals_underlines_and_a_single_dash(self):
        self.meant("serve", "--cache_bytes=5", "cache-bytes")
        self.meant("serve", "--CACHE-BYTES", "cache-bytes")
        self.meant("serve", "--cache", "cache-bytes")
        self.meant("import", "--interaction", "interactions")
        self.meant("train", "-store", "store")
        self.meant("train", "-store=x", "store")

    def test_a_far_word_is_not_guessed_at(self):
        for word in ("--nonsense", "--x", "-v", "--" + "x" * 4000, "--=3"):
            self.assertNotIn("did you mean", run("serve", word).stderr, word[:20])

    def test_an_option_before_the_command_is_refused_with_the_order(self):
        self.assertIn("the command comes first", run("--store", "s.db", "serve").stderr)
        self.assertIn("did you mean '--version'?", run("--verison").stderr)
        self.assertIn("did you mean 'help'?", run("hepl").stderr)


class Next(World):
    """Paths hold what a shell would take apart."""

    @classmethod
    def load(cls, store):
        cls.odd = os.path.join(cls.dir, "it's $HOME; \"here\"")
        os.mkdir(cls.odd)
        super().load(store)

    def commands(self, stderr):
        return [line.split(": ", 1)[1] for line in stderr.splitlines() if line.startswith("next: ")]

    def test_after_import_and_train_what_is_shown_runs_as_it_stands(self):
        store, model = os.path.join(self.odd, "s.db"), os.path.join(self.odd, "model.safetensors")
        imported = run("import", "--store", store, "--interactions", self.path("interactions.tsv"))
        (train,) = self.commands(imported.stderr)
        self.assertNotIn("next", imported.stdout)
        subprocess.run(train + " --epochs 1 --dim 8 --threads 1", shell=True, check=True, cwd=self.odd, capture_output=True, env=environment())
        self.assertTrue(os.path.exists(model))
        trained = run("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8, "--threads", 1)
        recommend, serve = self.commands(trained.stderr)
        shown = subprocess.run(recommend, shell=True, check=True, capture_output=True, text=True, env=environment())
        self.assertEqual(len(shown.stdout.splitlines()), 11)
        started = subprocess.Popen("exec %s --listen 127.0.0.1:0" % serve, shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=environment())
        self.assertTrue(started.stdout.readline().startswith(b"listening on"))
        started.terminate()
        self.assertEqual(started.wait(hn.PATIENCE), 0)
        started.stdout.close()

    def test_simulate_shows_the_import_of_what_it_wrote(self):
        world = os.path.join(self.odd, "world")
        r = run("simulate", "--out", world, "--users", 3, "--items", 150, "--interactions", 30)
        (command,) = self.commands(r.stderr)
        subprocess.run(command, shell=True, check=True, cwd=self.odd, capture_output=True, env=environment())
        self.assertTrue(os.path.exists(os.path.join(self.odd, "store.db")))

    def test_a_store_without_interactions_needs_some_next(self):
        items = os.path.join(self.odd, "items.csv")
        with open(items, "w", encoding="utf-8") as f:
            f.write("item\n1\n")
        r = run("import", "--store", os.path.join(self.odd, "items.db"), "--items", items)
        self.assertIn("without interactions", r.stderr)

    def test_after_a_feed_of_prices_nothing_is_left_to_do(self):
        store, model = os.path.join(self.odd, "fed.db"), os.path.join(self.odd, "fed.safetensors")

        def load(kind, text):
            path = os.path.join(self.odd, "feed.csv")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            r = run("import", "--store", store, kind, path)
            self.assertEqual(r.returncode, 0, r.stderr)
            return r.stderr

        run("import", "--store", store, "--interactions", self.path("interactions.tsv"))
        item = hn.world().items[0]
        self.assertEqual(len(self.commands(load("--items", "item,price\n%s,5\n" % item))), 1)  # nothing is trained yet
        run("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8, "--threads", 1)
        fed = load("--items", "item,price\n%s,6\n%s,7\n" % (item, item))
        self.assertEqual((self.commands(fed), "train" in fed), ([], False))
        self.assertIn("nothing is left to do: servers that run follow by themselves", fed)
        for kind, text in (("--items", "item,price\nbrand-new,5\n"), ("--users", "user,age\nu1,5\n"),
                           ("--interactions", "user,item\nu1,%s\n" % item)):
            self.assertIn("servers that run follow by themselves; when a model is to learn from it too: ", load(kind, text))

    def test_json_comes_without_talk(self):
        r = run("import", "--store", os.path.join(self.odd, "j.db"), "--interactions", self.path("interactions.tsv"), "--json")
        self.assertEqual((r.returncode, r.stderr), (0, ""))


class Words(World):
    def test_one_is_one(self):
        bad = self.path("bad.csv")
        with open(bad, "w", encoding="utf-8") as f:
            f.write("user,item,weight\na,1,1\na,2,0\nb,1,1\n")
        store = self.path("one.db")
        r = run("import", "--store", store, "--interactions", bad)
        self.assertIn("1 bad line, 0 allowed", r.stderr)
        self.assertRegex(run("import", "--store", store, "--interactions", bad, "--skip-bad", 1).stdout, r" 1 bad line left out")
        with open(bad, "w", encoding="utf-8") as f:
            f.write("user,item\na,1\n")
        self.assertRegex(done("import", "--store", self.path("alone.db"), "--interactions", bad), r"interactions +1 row imported, +1 in the store")
        test = self.path("one.tsv")
        with open(test, "w", encoding="utf-8") as f:
            f.write("user\titem\nu1\tnobody-s\n")
        told = done("evaluate", "--store", self.store, "--model", self.model, "--test", test)
        self.assertIn("1 user, 1 held-out item, ranked over all items;", told)
        self.assertIn("1 held-out item not in the model", told)

    def test_the_sign_of_a_difference_says_which_is_better(self):
        test = self.path("test.tsv")
        told = done("evaluate", "--store", self.store, "--model", self.model, "--test", test, "--baseline", "popularity")
        mean = [float(re.search(r"  (\d\.\d{4})", line).group(1)) for line in told.splitlines()[1:3]]
        self.assertRegex(told.splitlines()[3], r"^  less the first row; \+ is better +([+-]\d\.\d{4})")
        self.assertAlmostEqual(float(re.search(r"[+-]\d\.\d{4}", told.splitlines()[3]).group(0)), mean[1] - mean[0], delta=2e-4)

    def test_of_errors_the_less_is_better(self):
        ratings, model = self.path("ratings.db"), self.path("ratings.safetensors")
        done("import", "--store", ratings, "--interactions", self.path("interactions.tsv"))
        done("train", "--store", ratings, "--out", model, "--objective", "rating", "--threads", 1, "--dim", 8)
        told = done("evaluate", "--store", ratings, "--model", model, "--test", self.path("interactions.tsv"), "--metrics", "rmse",
                    "--baselines")
        self.assertIn("less the first row; - is better", told)
        self.assertNotIn("+ is better", told)


class Terminal(World):
    def test_what_follows_a_bar_has_a_line_of_its_own(self):
        for objective in ("ranking", "rating"):
            try:
                ours, theirs = pty.openpty()
            except OSError as e:
                self.skipTest("this system gives no terminals: %s" % e)
            with subprocess.Popen([HYPERNET, "train", "--store", self.store, "--out", self.path("t.safetensors"), "--epochs", "2", "--dim", "8",
                                   "--threads", "1", "--objective", objective], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
                                  env=environment()) as process:
                os.close(theirs)
                shown = b""
                while True:
                    try:
                        piece = os.read(ours, 65536)
                    except OSError:  # all of the other side are closed
                        break
                    if not piece:
                        break
                    shown += piece
            os.close(ours)
            self.assertEqual(process.returncode, 0, shown)
            self.assertIn(b"[####", shown)
            for line in shown.split(b"\n"):
                last = line.rstrip(b"\r").split(b"\r")[-1].replace(b"\x1b[K", b"")  # what is left of it to see
                if b"model 'default'" in last or b"next: " in last or b"validation" in last:
                    self.assertNotIn(b"[#", last)
            self.assertRegex(shown, rb"\n(\r\x1b\[K)?model 'default' version")


class ReaderGone(World):
    """As others end whose reader went: by SIGPIPE, without a word, after all of the work."""

    def ends(self, *words):
        read_end, write_end = os.pipe()
        os.close(read_end)
        try:
            r = subprocess.run([HYPERNET, *map(str, words)], stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=hn.PATIENCE,
                               env=environment())
        finally:
            os.close(write_end)
        self.assertEqual(r.returncode, -signal.SIGPIPE, (words, r.stderr))
        self.assertNotIn("could not", r.stderr, words)
        return r

    def test_every_command_is_silent(self):
        store, model = self.path("gone.db"), self.path("gone.safetensors")
        self.ends("--version")
        self.ends("help")
        for name in COMMANDS:
            self.ends("help", name)
            self.ends(name, "--help")
        for more in ([], ["--json"]):
            self.ends("inspect", self.model, *more)
            self.ends("recommend", "--store", self.store, "--model", self.model, "--user", "u1", *more)
            self.ends("evaluate", "--store", self.store, "--model", self.model, "--test", self.path("test.tsv"), *more)
            self.ends("simulate", "--out", self.path("gone"), "--users", 3, "--items", 150, "--interactions", 30, *more)
            self.ends("import", "--store", store, "--interactions", self.path("interactions.tsv"), *more)
            self.ends("train", "--store", store, "--out", model, "--epochs", 1, "--dim", 8, "--threads", 1, *more)
        copy, split = self.path("gone.backup"), self.path("gone.split")
        self.ends("split", "--interactions", self.path("interactions.tsv"), "--out", split)
        self.ends("backup", "--store", store, "--out", copy)
        self.ends("restore", "--store", self.path("gone.restored"), "--from", copy)
        self.assertIn("model       default", done("inspect", model))

    def test_a_failure_is_still_told(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        r = subprocess.run([HYPERNET, "inspect", self.path("absent")], stdout=write_end, stderr=subprocess.PIPE, text=True, env=environment(),
                           timeout=hn.PATIENCE)
        os.close(write_end)
        self.assertEqual(r.returncode, 1)
        self.assertIn("absent", r.stderr)


class Start(unittest.TestCase):
    def told(self, *options, **more):
        with hn.Server(*options, **more) as server:
            return server.log(), server

    def test_says_what_is_served_to_whom_and_what_is_off(self):
        w = hn.world()
        log, _ = self.told(admin=False)
        self.assertRegex(log, r"store \S+: %d users, \d+ items\n" % len(w.users))
        self.assertRegex(log, r"model '\S+' version '\S+': \d+ items; answers unless another is asked for\n")
        self.assertIn("admin calls (/v1/admin/...) are off: --admin-token-file FILE turns them on", log)
        self.assertIn("open to this machine alone without a token: --api-token-file FILE", log)
        anonymous, _ = self.told("--allow-anonymous")
        self.assertIn("open to everybody who reaches this address without a token: --api-token-file FILE", anonymous)
        self.assertIn("--warm-file FILE makes it a warm start", log)

    def test_names_the_files_of_tokens_and_no_token(self):
        w = hn.world()
        token = w.file("told-token", "abcdefghijklmnopqrstuvwxyz\n")
        log, _ = self.told("--api-token-file", token, "--warm-file", w.file("told.warm", ""), models=[w.model, w.other_model])
        self.assertIn("all other calls need the token in " + token, log)
        self.assertIn("admin calls (/v1/admin/...) need the token in ", log)
        self.assertRegex(log, r"asked for by \?model=\S+\n")
        self.assertNotIn(" off", log)
        self.assertNotIn("abcdefghijkl", log)
        self.assertNotIn(hn.ADMIN_TOKEN, log)


if __name__ == "__main__":
    unittest.main()
