"""A small world, servers over it, and requests to them, for the tests of tests/http.

One world (store and models) is made a run of tests/run, or a process where a test is run alone,
and never written to afterwards: each process has a copy, and each server a copy of its store. Nothing waits by sleeping:
`eventually` polls a condition until a deadline that is far above what the slowest build (ThreadSanitizer on a busy machine) needs,
and a test never fails for being slow.
"""
import atexit
import collections
import contextlib
import fcntl
import http.client
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
from urllib.parse import quote, urlencode

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("HYPERNET", os.path.join(ROOT, "build", "release", "hypernet")))
# What a test needs and is not about is made by the release build where another one is tested: the bytes are the same. Under
# ThreadSanitizer that is every training but those of the tests that say binary=BINARY: it would take most of the time.
PREPARED = os.environ.get("HYPERNET_PREPARED", BINARY)
TRAINER = PREPARED if os.environ.get("MODE") == "tsan" else BINARY
PATIENCE = float(os.environ.get("HYPERNET_TEST_PATIENCE", 300))  # seconds any condition may take before a test gives up
ADMIN_TOKEN = "test-admin-token-0123456789"
REPORTS = ("Sanitizer", "runtime error:", "Assertion", "SUMMARY:")  # what a broken build writes on standard error


def run(*args, check=True, binary=None, input=None, env=None):
    """Runs the program to its end; with check, its exit status must be 0."""
    if binary is None:
        binary = TRAINER if args[:1] == ("train",) else BINARY
    done = subprocess.run([binary, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=input,
                          timeout=PATIENCE, env=dict(os.environ, **(env or {})))
    done.out, done.err = done.stdout.decode(), done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{done.err}")
    for word in REPORTS:
        if word in done.err:
            raise AssertionError(f"{' '.join(map(str, args))}: a report on standard error\n{done.err}")
    return done


def eventually(condition, what="the condition", seconds=PATIENCE, every=0.005):
    """The first true value of condition(); fails when none came before the deadline."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {seconds} s")
        time.sleep(every)


def temporary_folder():
    path = tempfile.mkdtemp(prefix="hypernet-test-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def filled_once(folder, name, fill):
    """Fills a folder by fill(folder). In a run of tests/run the first process does, and the others copy what it made: under
    ThreadSanitizer a training takes longer than most tests. A run where it failed tries again in the next process."""
    shared = os.environ.get("HYPERNET_TEST_SHARED")
    if not shared:
        fill(folder)
        return
    with open(os.path.join(shared, name + ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        made = os.path.join(shared, name)
        if not os.path.isdir(made):
            begun = tempfile.mkdtemp(dir=shared)
            fill(begun)
            os.rename(begun, made)
    shutil.copytree(made, folder, dirs_exist_ok=True)


class World:
    """300 users, 200 items, about 6000 interactions, and two models trained on them: `default` and `other`."""

    def __init__(self):
        self.folder = temporary_folder()
        filled_once(self.folder, "world", self._fill)
        self.store = self.path("world.db")
        self.model, self.other_model = self.path("default.hn"), self.path("other.hn")
        tables = self.path("tables")
        self.description = json.loads(run("inspect", self.model, "--json").out)
        self.interactions = collections.defaultdict(list)  # of each user: [item, ...]
        for row in self._rows(f"{tables}/interactions.tsv"):
            self.interactions[row["user"]].append(row["item"])
        self.users = [row["user"] for row in self._rows(f"{tables}/users.tsv")]
        self.categories = {row["item"]: row["categories"].split("|") for row in self._rows(f"{tables}/items.tsv")}
        self.items = list(self.categories)
        self._copies = 0

    @staticmethod
    def _fill(folder):
        store, tables = f"{folder}/world.db", f"{folder}/tables"
        run("simulate", "--out", tables, "--users", 300, "--items", 200, "--interactions", 6000, "--seed", 1, binary=PREPARED)
        run("import", "--store", store, "--interactions", f"{tables}/interactions.tsv", "--users", f"{tables}/users.tsv",
            "--items", f"{tables}/items.tsv", binary=PREPARED)
        run("train", "--store", store, "--out", f"{folder}/default.hn", "--epochs", 4, "--dim", 16, "--seed", 1,
            "--model-version", "1", "--generator", "core", binary=PREPARED)  # what serves weights is tested, not whether they are worth it
        run("train", "--store", store, "--out", f"{folder}/other.hn", "--epochs", 1, "--dim", 8, "--seed", 2,
            "--model-version", "1", "--generator", "core", "--name", "other", binary=PREPARED)

    @staticmethod
    def _rows(path):
        with open(path, encoding="utf-8") as f:
            head = f.readline().rstrip("\n").split("\t")
            return [dict(zip(head, line.rstrip("\n").split("\t"))) for line in f]

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def copy_store(self):
        """A store of its own for a server."""
        self._copies += 1
        copy = self.path(f"copy-{self._copies}.db")
        with contextlib.closing(sqlite3.connect(self.store)) as source, \
                contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy

    def file(self, name, data):
        path = self.path(name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path


    def secret(self, name, data):
        """A file of its owner's alone, as tokens are kept."""
        path = self.file(name, data)
        os.chmod(path, 0o600)
        return path


_world = None


def world():
    global _world
    if _world is None:
        _world = World()
    return _world


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def problem(self):
        """The last part of the problem's type; None for an answer that is no problem."""
        if self.headers.get("Content-Type") != "application/problem+json":
            return None
        return self.json["type"].rsplit(":", 1)[1]

    @property
    def items(self):
        return [item["id"] for item in self.json["items"]]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def path_of_user(user, admin=False):
    """The path of a user whose id is text or bytes."""
    return ("/v1/admin/users/" if admin else "/v1/users/") + quote(user, safe="")


class Client:
    """One keep-alive connection. Bodies that are not bytes are sent as JSON."""

    def __init__(self, host, port, token=None):
        self.connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        self.token = token

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, body=None, token=None, headers=None, params=None, chunked=False):
        headers = dict(headers or {})
        if params:
            path += "?" + urlencode(params, doseq=True)
        if body is not None and not isinstance(body, bytes) and not chunked:
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if headers.get("Content-Type", "") is None:  # asked for without one
            del headers["Content-Type"]
        token = self.token if token is None else token
        if token:
            headers.setdefault("Authorization", "Bearer " + token)
        self.connection.request(method, path, body=body, headers=headers, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


class Server:
    """`hypernet serve` on a free port. Ended by stop(), which asserts a clean end, or by kill()."""

    def __init__(self, *options, store=None, models=None, admin=True, env=None):
        w = world()
        self.store = store or w.copy_store()
        self.token = ADMIN_TOKEN if admin else None
        args = ["serve", "--store", self.store, "--listen", "127.0.0.1:0"]
        args += ["--allowed-host", "x", "--allowed-host", "example.org"]  # what tests that write bytes say as Host
        for model in models or [w.model]:
            args += ["--model", model]
        if admin:
            args += ["--admin-token-file", w.secret("admin-token", ADMIN_TOKEN + "\n")]
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen([BINARY, *args, *map(str, options)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.stderr, bufsize=0,
                                        env=dict(os.environ, **(env or {})))
        atexit.register(self._end)
        self.url = self._listening()
        host, port = self.url.split("//", 1)[1].rsplit(":", 1)
        self.host, self.port = host, int(port)

    def _listening(self):
        line = b""
        end = time.monotonic() + PATIENCE
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the server did not start\n{self.log()}")
            line += piece
        if not line.startswith(b"listening on http://"):
            raise AssertionError(f"unexpected first line {line!r}")
        return line.decode().split()[2]

    def _end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        if not self.stderr.closed:
            self.stderr.close()

    def log(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def check_log(self):
        log = self.log()
        for word in REPORTS:
            if word in log:
                raise AssertionError(f"a report on standard error\n{log}")

    def alive(self):
        return self.process.poll() is None

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait_stopped(self):
        """Waits for the end that a signal began, and checks that it was clean."""
        status = self.process.wait(timeout=PATIENCE)
        self.check_log()
        if status != 0:
            raise AssertionError(f"exit {status}\n{self.log()}")
        self._end()

    def stop(self):
        if self.process.poll() is None:
            self.signal()
        if not self.stderr.closed:
            self.wait_stopped()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.check_log()
        self._end()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self._end()

    # ---- requests ----

    def client(self, token=None):
        return Client(self.host, self.port, token)

    def request(self, method, path, body=None, **rest):
        with self.client() as client:
            return client.request(method, path, body, **rest)

    def admin(self, method, path, body=None, **rest):
        rest.setdefault("token", self.token)
        return self.request(method, path, body, **rest)

    def recommend(self, user, **params):
        headers = params.pop("headers", None)
        return self.request("GET", path_of_user(user) + "/recommendations", params=params, headers=headers)

    def user(self, user, **params):
        return self.request("GET", path_of_user(user), params=params)

    def register(self, user, body, **params):
        return self.admin("PUT", path_of_user(user, True), body, params=params)

    def forget(self, user):
        return self.admin("DELETE", path_of_user(user, True))

    def event(self, user, item, **more):
        return self.request("POST", "/v1/events", {"events": [dict(more, user=user, item=item)]})

    def metric(self, name):
        """The value of a metric; with labels, its whole name and labels as printed."""
        if not name.startswith("hypernet_"):
            name = "hypernet_" + name
        for line in self.request("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {name}")

    def socket(self):
        s = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    # ---- what is stored ----

    def rows(self):
        """All rows of the store, by table."""
        with contextlib.closing(sqlite3.connect(self.store, timeout=PATIENCE)) as db:
            tables = [name for name, in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            return {name: sorted(map(repr, db.execute(f'SELECT * FROM "{name}"'))) for name in tables}

    def query(self, sql, *values):
        with contextlib.closing(sqlite3.connect(self.store, timeout=PATIENCE)) as db:
            return db.execute(sql, values).fetchall()


class Case(unittest.TestCase):
    """A test whose class shares one server; options and models are the class's."""
    options = ()
    use_other_model = False
    server = None

    @classmethod
    def setUpClass(cls):
        w = world()
        cls.world = w
        cls.server = Server(*cls.options, models=[w.model, w.other_model] if cls.use_other_model else None)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def assertProblem(self, answer, status, kind):
        self.assertEqual((answer.status, answer.problem), (status, kind), answer)
        document = answer.json
        self.assertEqual(document["status"], status)
        self.assertTrue(document["title"])
        self.assertTrue(document["detail"])
        self.assertEqual(document["request_id"], answer.headers["X-Request-Id"])
        return document


class Folder(unittest.TestCase):
    """A test with a folder of its own and a store in it: one that is not there yet, or, if filled, the world's."""
    filled = False

    def setUp(self):
        self.folder = temporary_folder()
        self.store = self.path("store.db")
        if self.filled:
            os.rename(world().copy_store(), self.store)

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        """Writes bytes, a text or lines; the path."""
        if isinstance(data, list):
            data = "".join(line + "\n" for line in data)
        with open(self.path(name), "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def query(self, sql):
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            return db.execute(sql).fetchall()
