"""deploy/deps and deploy/demo: what a newcomer's two commands do first. deps runs with stand-ins for the system's commands, so that
nothing is installed; the demo runs for real on small tables whose names need care in JSON, in a shell and in a URL."""
import contextlib
import fcntl
import os
import pty
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from hn import PATIENCE  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
HYPERNET = os.environ.get("HYPERNET", str(ROOT / "build/release/hypernet"))


class Folder(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="hypernet-setup-"))
        self.addCleanup(shutil.rmtree, self.dir)


class Deps(Folder):
    """The system is what the stand-ins say: which packages are installed, who is asking, what apt-get does."""

    def stand_in(self, name, script):
        path = self.dir / name
        path.write_text("#!/bin/bash\n" + script + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def deps(self, *arguments, missing=(), uid=0, sudo=None, apt_status=0):
        names = "|".join(missing) or "none"
        self.stand_in("dpkg-query", f'case "${{@: -1}}" in {names}) exit 1 ;; *) printf installed ;; esac')
        self.stand_in("id", f"echo {uid}")
        calls = self.dir / "calls"
        calls.write_text("")
        self.stand_in("apt-get", f'echo "apt-get $*" >>{calls}; echo "apt speaks"; exit {apt_status}')
        self.stand_in("sudo", f'shift; "$@"' if sudo else "exit 1")
        done = subprocess.run([str(ROOT / "deploy/deps"), *arguments], capture_output=True, text=True,
                              env=dict(os.environ, PATH=f"{self.dir}:/usr/bin:/bin"))
        return done, calls.read_text().splitlines()

    def test_nothing_missing_calls_nothing(self):
        done, calls = self.deps("--tests")
        self.assertEqual((done.returncode, done.stdout, done.stderr, calls), (0, "", "", []))

    def test_root_installs_what_is_missing_and_only_that(self):
        done, calls = self.deps(missing=["libjansson-dev", "curl"])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls, ["apt-get update", "apt-get install -y --no-install-recommends libjansson-dev curl"])

    def test_sudo_that_asks_nothing_is_used(self):
        done, calls = self.deps(missing=["gcc"], uid=1000, sudo=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls[-1], "apt-get install -y --no-install-recommends gcc")

    def test_others_are_told_the_line_to_run(self):
        done, calls = self.deps(missing=["gcc", "curl"], uid=1000)
        self.assertEqual((done.returncode, calls), (1, []))
        self.assertIn("sudo apt-get update && sudo apt-get install -y --no-install-recommends gcc curl\n", done.stderr)

    def test_a_failure_of_apt_is_shown(self):
        done, _ = self.deps(missing=["gcc"], apt_status=100)
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt speaks", done.stderr)

    def test_each_purpose_installs_its_packages_alone(self):
        self.assertEqual(self.deps(missing=["check", "haproxy", "buildah"])[1], [])
        self.assertEqual(self.deps("--unit", missing=["check", "haproxy", "buildah"])[1][1:],
                         ["apt-get install -y --no-install-recommends check"])
        self.assertEqual(self.deps("--tests", missing=["check", "haproxy", "buildah"])[1][1:],
                         ["apt-get install -y --no-install-recommends check haproxy"])
        self.assertEqual(self.deps("--deploy", missing=["check", "haproxy", "buildah"])[1][1:],
                         ["apt-get install -y --no-install-recommends check haproxy buildah"])
        self.assertEqual(self.deps("--no-such-set")[0].returncode, 2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Make(Folder):
    """What make says before and beside a build."""

    def make(self, *words, **variables):
        return subprocess.run(["make", f"B={self.dir}/b", *words], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ, **variables))

    def test_a_missing_compiler_or_library_is_named_with_the_way_to_get_it(self):
        for target, words, variables in (("all", ["CC=no-such-compiler"], {}), ("all", [], {"PKG_CONFIG_LIBDIR": str(self.dir)}),
                                         ("all", ["PKG_CONFIG=no-such-tool"], {}), ("test-programs", ["PKG_CONFIG=no-such-tool"], {})):
            done = self.make(target, *words, **variables)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("`make deps` installs what is needed", done.stderr)
            self.assertRegex(done.stderr, r"missing:.* (no-such-compiler|libmicrohttpd jansson|no-such-tool)")
            self.assertNotIn("fatal error", done.stderr)

    def test_help_is_short_and_help_all_has_every_target(self):
        short, every = (self.make(target).stdout.splitlines() for target in ("help", "help-all"))
        names = [line.split()[0] for line in every]
        self.assertTrue({"demo", "check", "deps", "install", "bench", "help-all"} <= {line.split()[0] for line in short})
        self.assertLessEqual(len(short), 10)
        self.assertTrue(set(short) < set(every))
        self.assertTrue({"check-asan", "check-bare", "fuzz", "dist"} <= set(names))


class Demo(Folder):
    def demo(self, expect=0, **variables):
        done = subprocess.run([str(ROOT / "deploy/demo")], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                              cwd=ROOT, env=dict(os.environ, HYPERNET=HYPERNET, DEMO_DIR=str(self.dir / "demo dir"), DEMO_EXIT="1",
                                                 DEMO_OFFLINE="1", **{"PORT": str(free_port()), **variables}))
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def tables(self, categories):
        """120 users and 60 items with ids that hold an apostrophe, a quote, a space, a letter beyond ASCII."""
        rng = random.Random(1)
        data = self.dir / "data"
        data.mkdir()
        items = [f"it's \"{i}\" é&" for i in range(60)]
        with open(data / "interactions.tsv", "w", encoding="utf-8") as f:
            f.write("user\titem\ttimestamp\n")
            for user in range(120):
                for n, item in enumerate(rng.sample(items, 12)):
                    f.write(f"u{user}\t{item}\t{n + 1}\n")
        with open(data / "items.tsv", "w", encoding="utf-8") as f:
            f.write("item\ttitle\tcategories\n" if categories else "item\ttitle\n")
            for item in items:
                f.write(f"{item}\t{item}\tChildren's & Co\n" if categories else f"{item}\t{item}\n")
        return str(data)

    def test_every_printed_command_answers_and_a_second_run_uses_the_model_again(self):
        data = self.tables(categories=True)
        output = self.demo(DATA=data)
        self.assertIn("all 8 commands answered", output)
        self.assertIn('"result":"registered"', output)
        self.assertIn("category=Children%27s%20%26%20Co", output)
        self.assertEqual((self.dir / "demo dir/admin.token").stat().st_mode & 0o777, 0o600)
        self.assertNotIn((self.dir / "demo dir/admin.token").read_text(), output)
        again = self.demo(DATA=data)
        self.assertIn("using the store and model of the last run", again)
        self.assertIn('"result":"replaced"', again)

    def test_the_demo_takes_items_without_categories(self):
        self.assertIn("all 8 commands answered", self.demo(DATA=self.tables(categories=False)))

    def test_a_folder_without_tables_is_refused_with_the_names_looked_for(self):
        said = self.demo(DATA=str(self.dir), expect=1)
        self.assertIn("no table of interactions in", said)
        for name in ("interactions.csv", "ratings.dat", "u.data", "users.tsv", "movies.dat", ".gz"):
            self.assertIn(name, said)
        self.assertIn("is no folder", self.demo(DATA=str(self.dir / "absent"), expect=1))

    def test_the_newcomer_s_list_has_the_category_of_the_five_items(self):
        said = self.demo()  # the simulated world
        category = re.search(r"five items of (.+), compare", said).group(1)
        lists = re.findall(r'^{"user":"newcomer","model".*', said, re.M)
        shown = re.findall(r'"categories":\[([^]]*)\]', lists[0])
        self.assertGreaterEqual(sum(f'"{category}"' in c for c in shown), 3, lists[0])

    def test_other_tables_than_the_last_run_s_are_used(self):
        first = self.tables(categories=True)
        self.demo(DATA=first)
        other = self.dir / "other"
        other.mkdir()
        for name in ("interactions.tsv", "items.tsv"):
            (other / name).write_text((Path(first) / name).read_text().replace("it's", "that's"))
        said = self.demo(DATA=str(other))
        self.assertIn("starting anew", said)
        self.assertIn("that's", said)
        self.assertNotIn("it's \\\"", said)
        with open(other / "interactions.tsv", "a", encoding="utf-8") as f:
            f.write("u0\tthat's new\t9\n")
        self.assertIn("1441 in the store", self.demo(DATA=str(other)))

    def test_a_taken_port_names_the_variable_before_any_work(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            said = self.demo(PORT=str(port), expect=1)
        self.assertIn(f"port {port} is taken", said)
        self.assertIn("make demo PORT=", said)
        self.assertNotIn("import", said)
        for word in ("x", "0", "65536", ""):
            self.assertEqual("PORT is a number" in self.demo(PORT=word, DATA=str(self.dir), expect=1), word != "")

    def interrupted(self, at, data):
        """What is on the terminal of `make demo` when Ctrl-C is typed once `at` is there, and what it ends with."""
        ours, theirs = pty.openpty()
        def at_a_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background ignores it
        process = subprocess.Popen(["make", "demo"], cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                                   preexec_fn=at_a_terminal,
                                   env=dict(os.environ, DEMO_DIR=str(self.dir / "demo dir"), DEMO_OFFLINE="1", DATA=data, PORT=str(free_port())))
        os.close(theirs)
        shown, typed = b"", False
        with contextlib.suppress(OSError):  # all of the other side are closed
            while piece := os.read(ours, 65536):
                shown += piece
                if at in shown and not typed:
                    os.write(ours, b"\x03")
                    typed = True
        os.close(ours)
        process.wait(PATIENCE)
        self.assertTrue(typed, shown)
        return shown.split(at, 1)[1].decode(errors="replace")

    def test_ctrl_c_ends_without_an_error(self):
        data = self.tables(categories=True)
        training = self.interrupted(b"== train", data)
        self.assertNotIn("Error", training)
        self.assertNotIn("***", training)
        self.assertNotIn("== serve", training)
        said = self.interrupted(b"Ctrl-C stops the server", data)
        self.assertEqual(said.replace("^C", "").strip(), "", said)

    def test_a_command_that_fails_fails_the_demo(self):
        tools = self.dir / "tools"
        tools.mkdir()
        (tools / "curl").write_text('#!/bin/bash\ncase "$*" in */v1/events*) exit 22 ;; *) exec /usr/bin/curl "$@" ;; esac\n')
        (tools / "curl").chmod(0o755)
        output = self.demo(DATA=self.tables(categories=True), PATH=f"{tools}:{os.environ['PATH']}", expect=1)
        self.assertIn("some commands failed", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
