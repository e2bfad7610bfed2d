"""How a server begins, is told to read its files anew, and ends: limits on memory, signals at any moment, work that does not end."""
import contextlib
import os
import resource
import select
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

SANITIZED = os.environ.get("MODE") in ("asan", "tsan")  # these need terabytes of address space


def start(*args, limit_mb=None, **more):
    """A command that was started, its output and errors in pipes; without variables that make OpenBLAS need less."""
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))
    return subprocess.Popen([hn.BINARY, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True, preexec_fn=limit if limit_mb else None, env=env, **more)


@unittest.skipIf(SANITIZED, "a sanitizer's address space cannot be limited")
class LimitedMemory(unittest.TestCase):
    def end(self, process):
        out, err = process.communicate(timeout=hn.PATIENCE)
        return process.returncode, out, err

    def test_a_server_serves_or_says_what_it_needs(self):
        w, ends = hn.world(), set()
        for mb in (90, 150, 200, 300, 400, 800):
            process = start("serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                            "--threads", 2, "--workers", 2, limit_mb=mb)
            line = process.stdout.readline()
            if line.startswith("listening on"):
                process.send_signal(signal.SIGTERM)
                self.assertEqual(self.end(process)[0], 0, mb)
                ends.add("served")
            else:
                status, _, err = self.end(process)
                self.assertEqual(status, 1, (mb, err))
                self.assertRegex(err, rf"address space is limited to {mb} MB \(ulimit -v\).*allow \d+ MB or more")
                ends.add("said what it needs")
        self.assertEqual(ends, {"served", "said what it needs"})

    def test_what_it_asks_for_is_enough(self):
        w = hn.world()
        _, _, err = self.end(start("recommend", "--store", w.copy_store(), "--model", w.model, "--user", "u1", limit_mb=100))
        enough = int(err.split("allow ")[1].split()[0])
        status, out, err = self.end(start("recommend", "--store", w.copy_store(), "--model", w.model, "--user", "u1",
                                          limit_mb=enough))
        self.assertEqual((status, err), (0, ""))
        self.assertIn("rank", out)

    def test_every_command_ends(self):
        """Those that multiply matrices say what they need; the others do not need it."""
        w = hn.world()
        folder = w.path("limited")
        for limited in (["train", "--out", w.path("limited.hn"), "--epochs", 1], ["recommend", "--model", w.model, "--user", "u1"],
                        ["evaluate", "--model", w.model, "--test", w.path("tables", "interactions.tsv")]):
            status, _, err = self.end(start(limited[0], "--store", w.copy_store(), *limited[1:], limit_mb=120))
            self.assertEqual(status, 1, limited)
            self.assertIn("address space is limited to 120 MB", err)
        for free in (["--version"], ["help"], ["simulate", "--out", folder, "--users", 200, "--items", 200, "--interactions", 4000],
                     ["import", "--store", w.path("limited.db"), "--interactions", f"{folder}/interactions.tsv"]):
            status, _, err = self.end(start(*free, limit_mb=120))
            self.assertEqual(status, 0, (free, err))

    def test_products_wait_for_the_memory_there_is(self):
        """Room for one product at a time, and more threads than that."""
        w = hn.world()
        models = []
        for name, threads, mb in (("one.hn", 1, None), ("four.hn", 4, 330)):
            models.append(w.path(name))
            status, _, err = self.end(start("train", "--store", w.copy_store(), "--out", models[-1], "--epochs", 1, "--dim", 8,
                                            "--threads", threads, "--model-version", "1", limit_mb=mb))
            self.assertEqual(status, 0, err)
        with open(models[0], "rb") as one, open(models[1], "rb") as four:
            self.assertEqual(one.read(), four.read())


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def memory_limit_file():
    """The file that limits this process's memory, by its control group; None where it is not found."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        groups = [line.rstrip("\n").split(":", 2) for line in f]
    with open("/proc/self/mountinfo", encoding="ascii") as f:
        mounts = [line.split(" - ") for line in f]
    for left, right in mounts:
        top, point = left.split()[3:5]
        kind, options = right.split()[0], right.split()[-1].split(",")
        for _, controllers, group in groups:
            name = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}.get(kind)
            if name and ("memory" in controllers.split(",") and "memory" in options if kind == "cgroup" else not controllers):
                path = os.path.normpath(f"{point}/{os.path.relpath(group, top)}/{name}")
                if os.path.exists(path):
                    return path
    return None


class ControlGroup(unittest.TestCase):
    """Another file is laid over the one of the limit, in a mount namespace of the server's own."""

    def run_with(self, limit_bytes, *options, ask=lambda url: None):
        """What a server logs under such a limit; it is asked once it listens."""
        w, real = hn.world(), memory_limit_file()
        limit = w.file("limit", f"{limit_bytes}\n")
        if not real or subprocess.run(["unshare", "-m", "mount", "--bind", limit, real], capture_output=True).returncode:
            self.skipTest("no control group with memory, or mounts are not allowed here")
        words = ["serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0", *options]
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', limit, real, hn.BINARY,
                                    *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = process.stdout.readline()
        self.assertTrue(line.startswith("listening on"))
        ask(line.split()[-1])
        process.terminate()
        _, err = process.communicate(timeout=hn.PATIENCE)
        self.assertEqual(process.returncode, 0, err)
        return err

    def lines(self, *options):
        return self.run_with(536870912, *options)

    def test_the_cache_holds_no_more_than_its_quarter(self):
        held = []

        def ask(url):
            host, port = url.removeprefix("http://").split(":")
            with hn.Client(host, int(port)) as client:
                for user in hn.world().users:
                    self.assertEqual(client.request("GET", f"/v1/users/{user}/recommendations").status, 200)
                text = client.request("GET", "/metrics").body.decode()
            held.append(next(float(line.split()[1]) for line in text.splitlines() if line.startswith("hypernet_cache_used_bytes ")))
        self.run_with(536870912, ask=ask)
        all_users = held.pop()
        self.run_with(int(2 * all_users), ask=ask)  # a quarter of that is room for half of them
        self.assertLessEqual(held.pop(), all_users / 2)
        self.run_with(int(2 * all_users), "--cache-bytes", "256M", ask=ask)
        self.assertGreater(held.pop(), all_users / 2)

    def test_the_cache_takes_a_quarter_unless_it_is_given(self):
        self.assertIn("the control group allows 512 MB: the cache takes a quarter, 128 MB", self.lines())
        self.assertNotIn("control group", self.lines("--cache-bytes", "256M"))
        self.assertIn("--cache-bytes allows 1024 MB, and the control group 512 MB", self.lines("--cache-bytes=1G"))


def has_open(process, path):
    """Whether the process has the file open: with a token file it is in the middle of its start."""
    folder = f"/proc/{process.pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(OSError):
            if os.readlink(f"{folder}/{name}") == path:
                return True
    return False


class Start(unittest.TestCase):
    def test_a_signal_during_the_start_ends_it(self):
        """The start is held by a token file that is a pipe into which somebody will write."""
        w = hn.world()
        for number in (signal.SIGTERM, signal.SIGINT):
            pipe = w.path(f"pipe-{number}")
            os.mkfifo(pipe, 0o600)
            end = os.open(pipe, os.O_RDWR)
            process = start("serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                            "--admin-token-file", pipe)
            hn.eventually(lambda p=process, path=pipe: has_open(p, path), "the start")
            process.send_signal(number)
            _, err = process.communicate(timeout=hn.PATIENCE)
            os.close(end)
            self.assertEqual(process.returncode, -number)
            self.assertIn("before it was ready", err)

    def test_hanging_up_does_not_end_a_start(self):
        w = hn.world()
        pipe = w.path("pipe-hup")
        os.mkfifo(pipe, 0o600)
        end = os.open(pipe, os.O_RDWR)
        process = start("serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                        "--api-token-file", pipe)
        hn.eventually(lambda: has_open(process, pipe), "the start")
        process.send_signal(signal.SIGHUP)
        os.write(end, b"a-token-through-a-pipe\n")
        line = process.stdout.readline()
        os.close(end)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=hn.PATIENCE)
        self.assertTrue(line.startswith("listening on"), err)
        self.assertEqual(process.returncode, 0, err)


class Stop(unittest.TestCase):
    def late_write(self):
        """A server that was stopped while a write waited, its end, and whether that write was answered: on a busy machine the ten
        seconds that a write waits may have passed first, which says nothing of the stop."""
        # ThreadSanitizer would count the threads that are left at such an end as leaks
        server = hn.Server("--request-timeout", 1, env={"TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "") + ":report_thread_leaks=0"})
        with contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            with server.socket() as s:
                s.sendall(b"PUT /v1/admin/users/late HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer "
                          + server.token.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")
                hn.eventually(lambda: server.metric("requests_in_flight") == 2 or select.select([s], [], [], 0)[0], "the write")
                server.signal()
                status = server.process.wait(timeout=hn.PATIENCE)
                try:
                    answered = s.recv(65536).startswith(b"HTTP/1.1 ")
                except ConnectionError:
                    answered = False
            db.execute("ROLLBACK")
        return server, status, answered

    def test_a_worker_that_does_not_end_holds_no_stop(self):
        """A write waits for somebody else's lock, longer than the stop may take."""
        for _ in range(10):
            server, status, answered = self.late_write()
            if not answered:
                break
        log = server.log()
        self.assertEqual(status, 1, log)
        self.assertIn("the stop took longer than --request-timeout allows: it ends with 1 requests under way", log)
        server.check_log()
        with hn.Server(store=server.store) as again:  # nothing is left of what was not acknowledged
            self.assertEqual(again.user("late").status, 404)
            self.assertEqual(again.register("late", {}).status, 201)


class HangUp(unittest.TestCase):
    def test_tokens_are_read_anew(self):
        w = hn.world()
        tokens = {kind: w.secret(f"{kind}-new", f"the-first-{kind}-token-0123") for kind in ("admin", "api")}
        with hn.Server("--admin-token-file", tokens["admin"], "--api-token-file", tokens["api"]) as server:
            def allowed(token, path):
                return server.request("GET" if "admin" not in path else "DELETE", path, token=token).status != 401
            paths = {"admin": "/v1/admin/users/nobody", "api": "/v1/users/u1"}
            for kind, path in paths.items():
                w.secret(f"{kind}-new", f"the-second-{kind}-token-0123")
                self.assertTrue(allowed(f"the-first-{kind}-token-0123", path))
            server.signal(signal.SIGHUP)
            for kind, path in paths.items():
                hn.eventually(lambda k=kind, p=path: allowed(f"the-second-{k}-token-0123", p), "the new token")
                self.assertFalse(allowed(f"the-first-{kind}-token-0123", path))
            for n, wrong in enumerate((b"short", b"", None, b"two words of a token")):
                if wrong is None:
                    os.unlink(tokens["api"])
                else:
                    w.secret("api-new", wrong)
                server.signal(signal.SIGHUP)
                hn.eventually(lambda k=n: server.log().count("the old API token stays") == k + 1, "the refusal")
                self.assertTrue(allowed("the-second-api-token-0123", "/v1/users/u1"))

    def test_the_log_is_opened_anew(self):
        w = hn.world()
        path = w.path("server.log")
        with hn.Server("--access-log", "--log-file", path) as server:
            server.recommend("u1")
            hn.eventually(lambda: "/v1/users/u1/" in text_of(path), "the line, which comes after the answer")
            os.rename(path, path + ".1")
            server.recommend("u2")
            hn.eventually(lambda: "/v1/users/u2/" in text_of(path + ".1"), "the line in the file that was moved")
            server.signal(signal.SIGHUP)
            hn.eventually(lambda: os.path.exists(path) and text_of(path), "the new log")
            server.recommend("u3")
            hn.eventually(lambda: "/v1/users/u3/" in text_of(path), "the line")
            self.assertEqual(server.log(), "")
        with open(path + ".1", encoding="utf-8") as old, open(path, encoding="utf-8") as new:
            before, after = old.read(), new.read()
        self.assertIn("/v1/users/u1/", before)
        self.assertIn("/v1/users/u2/", before)
        self.assertNotIn("/v1/users/u3/", before)
        self.assertIn("stopped", after)

    def test_a_log_that_cannot_be_opened_anew_goes_on(self):
        w = hn.world()
        folder = w.path("logs")
        os.mkdir(folder)
        with hn.Server("--access-log", "--log-file", f"{folder}/a.log") as server:
            os.rename(folder, folder + "-moved")
            server.signal(signal.SIGHUP)
            hn.eventually(lambda: "lines go on into the old one" in text_of(f"{folder}-moved/a.log"), "the line")

    def test_a_log_file_that_cannot_be_made_is_refused(self):
        w = hn.world()
        done = hn.run("serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                      "--log-file", w.path("no", "such", "folder"), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("log file", done.err)

    def test_requests_go_on_meanwhile(self):
        with hn.Server() as server, server.client() as client:
            for i in range(100):
                server.signal(signal.SIGHUP)
                self.assertEqual(client.request("GET", f"/v1/users/u{i + 1}/recommendations?limit=1").status, 200)


if __name__ == "__main__":
    unittest.main()
