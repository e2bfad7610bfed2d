"""Three replicas on one store behind the shipped HAProxy configuration, and the checks that hold for them.

The replicas are started by a function, so that the same checks run for plain processes (test_replicas.py) and for
containers (run, which builds the image first).
"""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HYPERNET = os.environ.get("HYPERNET", str(ROOT / "build/release/hypernet"))
TOKEN = "replica-tests-admin-token"
DEADLINE_S = 300  # of a condition that never comes; the speed of the machine decides nothing


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, seconds=DEADLINE_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds} s")


def call(port, method, path, body=None, token=None, timeout=DEADLINE_S):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = "Bearer " + token
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, dict(answer.getheaders()), data
    finally:
        connection.close()


def metric(port, name):
    text = call(port, "GET", "/metrics")[2].decode()
    found = re.search(rf"^hypernet_{name} (\S+)$", text, re.M)
    return float(found.group(1)) if found else 0.0


class ProcessReplica:
    """One `hypernet serve` as a plain process."""

    def __init__(self, cluster, number):
        self.cluster, self.number, self.port, self.process = cluster, number, free_port(), None

    def start(self):
        with open(self.cluster.dir / f"replica{self.number}.log", "ab") as log:
            self.process = self.popen(log)

    def popen(self, log):
        return subprocess.Popen(
            [HYPERNET, "serve", "--store", str(self.cluster.dir / "store.db"), "--model", str(self.cluster.dir / "model.safetensors"),
             "--listen", f"127.0.0.1:{self.port}", "--admin-token-file", str(self.cluster.dir / "token"), "--drain-seconds", "2"],
            stdout=subprocess.DEVNULL, stderr=log, stdin=subprocess.DEVNULL)

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def kill(self):
        self.process.kill()

    def wait(self):
        return self.process.wait(DEADLINE_S)


class Cluster:
    def __init__(self, replica=ProcessReplica):
        self.holder = tempfile.TemporaryDirectory(prefix="hypernet-replicas-")
        self.dir = Path(self.holder.name)
        os.chmod(self.dir, 0o755)
        self.haproxy = None
        self.make_world()
        self.replicas = [replica(self, n) for n in (1, 2, 3)]
        self.front, self.stats = free_port(), free_port()

    def hypernet(self, *arguments):
        subprocess.run([HYPERNET, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def make_world(self):
        world = self.dir / "world"
        self.hypernet("simulate", "--out", str(world), "--users", "200", "--items", "200", "--interactions", "8000")
        self.hypernet("import", "--store", str(self.dir / "store.db"), "--interactions", str(world / "interactions.tsv"),
                      "--users", str(world / "users.tsv"), "--items", str(world / "items.tsv"))
        self.hypernet("train", "--store", str(self.dir / "store.db"), "--out", str(self.dir / "model.safetensors"),
                      "--epochs", "1", "--dim", "16", "--name", "m", "--model-version", "1")
        (self.dir / "token").write_text(TOKEN + "\n")
        (self.dir / "token").chmod(0o600)
        rows = (world / "interactions.tsv").read_text().splitlines()[1:]
        self.users = sorted({row.split("\t")[0] for row in rows})
        self.items = sorted({row.split("\t")[1] for row in rows})

    def start(self):
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            self.wait_ready(replica)
        environment = dict(os.environ, HYPERNET_FRONT=f"127.0.0.1:{self.front}", HYPERNET_STATS=f"127.0.0.1:{self.stats}")
        for replica in self.replicas:
            environment[f"HYPERNET_{replica.number}"] = f"127.0.0.1:{replica.port}"
        with open(self.dir / "haproxy.log", "ab") as log:
            self.haproxy = subprocess.Popen(["haproxy", "-db", "-f", str(ROOT / "deploy/haproxy.cfg")], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        wait_for("the proxy answers", lambda: self.up_servers() == 3)

    def wait_ready(self, replica):
        def ready():
            try:
                return call(replica.port, "GET", "/readyz", timeout=5)[0] == 200
            except OSError:
                if replica.process.poll() is not None:
                    raise AssertionError(f"replica {replica.number} ended with status {replica.process.returncode}")
                return False
        try:
            wait_for(f"replica {replica.number} is ready", ready)
        except AssertionError as failure:
            log = (self.dir / f"replica{replica.number}.log").read_text(errors="replace")
            raise AssertionError(f"{failure}; it said: {log[-2000:]}") from failure

    def up_servers(self):
        """How many replicas the proxy sends requests to."""
        try:
            lines = call(self.stats, "GET", "/;csv")[2].decode().splitlines()
        except OSError:
            return 0
        return sum(1 for line in lines if re.match(r"replicas,(one|two|three),", line) and line.split(",")[17].startswith("UP"))

    def stop(self):
        if self.haproxy:
            self.haproxy.terminate()
            self.haproxy.wait(DEADLINE_S)
        for replica in self.replicas:
            try:
                replica.kill()
                replica.wait()
            except (AttributeError, ProcessLookupError):
                pass
        self.holder.cleanup()


class Load(threading.Thread):
    """Clients that ask one request after the other through the proxy until told to stop: lists, events and registrations.

    Every failure is kept, and every interaction that was acknowledged: those must be in the store afterwards.
    """

    n_started = 0  # loads of the process, so that each one's new users are its own

    def __init__(self, cluster, n_clients=6):
        super().__init__()
        self.cluster, self.n_clients = cluster, n_clients
        self.failures, self.n_answers, self.acknowledged, self.ending = [], 0, [], threading.Event()
        self.lock = threading.Lock()
        self.number = Load.n_started = Load.n_started + 1

    def requests(self, client):
        """Endless: method, path, body, the interaction it stores, the statuses that are right."""
        users, items, n = self.cluster.users, self.cluster.items, client
        while True:
            user = users[n % len(users)]
            n += 7
            yield "GET", f"/v1/users/{user}/recommendations?limit=3", None, None, (200,)
            yield "GET", f"/v1/users/{user}/recommendations?limit=3", None, None, (200,)
            new, item = f"load-{self.number}-{client}-{n}", items[n % len(items)]
            # 200 when the first try was stored but its answer died with the replica, and the proxy asked again
            yield "PUT", f"/v1/admin/users/{new}", {"interactions": [{"item": item}]}, (new, item), (201, 200)
            item = items[(n + 1) % len(items)]
            yield "POST", "/v1/events", {"events": [{"user": new, "item": item}]}, (new, item), (200,)

    def client(self, number):
        connection = None
        requests = self.requests(number)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        known = True
        while not self.ending.is_set():  # a request under way is always finished
            method, path, body, interaction, right = next(requests)
            if method == "POST" and not known:
                continue  # the user's registration is the failure; the event would be the same one again
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.cluster.front, timeout=DEADLINE_S)
                connection.request(method, path, json.dumps(body) if body else None, headers)
                answer = connection.getresponse()
                data = answer.read()
                if answer.status not in right:
                    raise AssertionError(f"status {answer.status} {data[:200]!r}")
                known = True
                with self.lock:
                    self.n_answers += 1
                    if interaction:
                        self.acknowledged.append(interaction)
                if answer.getheader("Connection", "").lower() == "close":
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException, AssertionError, ValueError) as failure:
                known = method != "PUT"
                with self.lock:
                    self.failures.append(f"{method} {path}: {failure!r}")
                if connection:
                    connection.close()
                connection = None
        if connection:
            connection.close()

    def run(self):
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(self.n_clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def answers_more(self, n):
        have = self.n_answers
        wait_for(f"{n} more answers", lambda: self.n_answers >= have + n)

    def finish(self):
        self.ending.set()
        self.join()

    def check_stored(self, test):
        """Everything that was acknowledged is in the store, and the file is whole."""
        with contextlib.closing(sqlite3.connect(self.cluster.dir / "store.db", timeout=DEADLINE_S)) as db:
            stored = set(db.execute("SELECT u.id, i.id FROM interactions n JOIN users u USING (user_key) "
                                    "JOIN items i USING (item_key) WHERE u.id LIKE ?", (f"load-{self.number}-%",)))
            test.assertGreater(len(self.acknowledged), 0)
            test.assertEqual([x for x in self.acknowledged if x not in stored], [])
            test.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])


# ---- the checks ----

def check_write_is_seen_everywhere(test, cluster):
    """A user registered through any replica is answered by every one; a second is promised, and the slowest is printed."""
    slowest = 0.0
    for number, writer in enumerate(cluster.replicas):
        user = f"everywhere-{number}"
        body = {"interactions": [{"item": item} for item in cluster.items[number:number + 5]]}
        status, _, answer = call(writer.port, "PUT", f"/v1/admin/users/{user}", body, TOKEN)
        test.assertEqual(status, 201, answer)
        revision = json.loads(answer)["revision"]
        start = time.monotonic()
        for reader in cluster.replicas:
            def seen():
                status, _, data = call(reader.port, "GET", f"/v1/users/{user}/recommendations")
                return status == 200 and json.loads(data)["context_revision"] == revision
            wait_for("the user is known", seen)
        slowest = max(slowest, time.monotonic() - start)
        # an event through another replica changes what a cached user gets
        other = cluster.replicas[(number + 1) % 3]
        status, _, answer = call(other.port, "POST", "/v1/events", {"events": [{"user": user, "item": cluster.items[-1 - number]}]})
        test.assertEqual(status, 200, answer)
        revision = json.loads(answer)["users"][0]["revision"]
        start = time.monotonic()
        wait_for("the event is seen", lambda: json.loads(
            call(writer.port, "GET", f"/v1/users/{user}/recommendations")[2])["context_revision"] == revision)
        slowest = max(slowest, time.monotonic() - start)
    print(f"slowest follow-up of a write: {slowest:.3f} s")


def check_user_keeps_replica(test, cluster):
    """Asked often through the proxy, in any spelling, a user's weights are made once in all, and users are spread over the replicas.

    The balance factor may send a few requests elsewhere while one is still ending; without affinity about 127 generations
    would be needed for three requests of each of 60 users.
    """
    users = [f"spread-{i}" for i in range(60)]
    body = {"users": [{"id": user, "interactions": [{"item": cluster.items[i]}]} for i, user in enumerate(users)]}
    followed = [metric(r.port, "changes_followed_total") for r in cluster.replicas]
    status, _, answer = call(cluster.replicas[0].port, "POST", "/v1/admin/users", body, TOKEN)
    test.assertEqual(status, 200, answer)
    wait_for("all replicas followed the registrations", lambda: all(
        metric(r.port, "changes_followed_total") >= before + len(users) for r, before in zip(cluster.replicas, followed)))
    made = [metric(r.port, "weights_made_total") for r in cluster.replicas]
    for spelling in (lambda user: user, lambda user: user, lambda user: f"%{ord(user[0]):02x}{user[1:]}"):
        for user in users:
            status, _, answer = call(cluster.front, "GET", f"/v1/users/{spelling(user)}/recommendations")
            test.assertEqual(status, 200, answer)
    now = [metric(r.port, "weights_made_total") for r in cluster.replicas]
    shares = [b - a for a, b in zip(made, now)]
    test.assertLessEqual(sum(shares), len(users) * 1.2)
    test.assertTrue(all(share > 0 for share in shares), shares)


def check_calls_without_user_are_spread(test, cluster):
    """Events name no user in their path: every replica gets some."""
    before = [metric(r.port, "events_total") for r in cluster.replicas]
    for n in range(60):
        body = {"events": [{"user": cluster.users[n], "item": cluster.items[n]}]}
        status, _, answer = call(cluster.front, "POST", "/v1/events", body)
        test.assertEqual(status, 200, answer)
    shares = [metric(r.port, "events_total") - b for r, b in zip(cluster.replicas, before)]
    test.assertEqual(sum(shares), 60)
    test.assertTrue(all(share > 0 for share in shares), shares)


def check_comes_back(test, cluster, replica):
    """A replica that starts again gets its share of the users again."""
    replica.start()
    cluster.wait_ready(replica)
    wait_for("the proxy finds it again", lambda: cluster.up_servers() == 3)
    for user in cluster.users:
        status, _, answer = call(cluster.front, "GET", f"/v1/users/{user}/recommendations?limit=1")
        test.assertEqual(status, 200, answer)
    test.assertGreater(metric(replica.port, "weights_made_total"), 0)


def check_stop_loses_nothing(test, cluster):
    load = Load(cluster)
    load.start()
    try:
        load.answers_more(200)
        cluster.replicas[0].terminate()
        test.assertEqual(cluster.replicas[0].wait(), 0)
        load.answers_more(200)
    finally:
        load.finish()
    test.assertEqual(load.failures, [])
    load.check_stored(test)
    check_comes_back(test, cluster, cluster.replicas[0])


def check_kill_loses_what_it_held(test, cluster):
    load = Load(cluster)
    load.start()
    try:
        load.answers_more(200)
        cluster.replicas[1].kill()
        cluster.replicas[1].wait()
        load.answers_more(200)
    finally:
        load.finish()
    print(f"killed under load: {len(load.failures)} of {load.n_answers} requests failed")
    test.assertLessEqual(len(load.failures), load.n_clients, load.failures)
    load.check_stored(test)
    check_comes_back(test, cluster, cluster.replicas[1])


def check_acknowledged_survives_kill(test, cluster):
    body = {"interactions": [{"item": item} for item in cluster.items[:5]]}
    status, _, answer = call(cluster.replicas[2].port, "PUT", "/v1/admin/users/survivor", body, TOKEN)
    test.assertEqual(status, 201, answer)
    cluster.replicas[2].kill()
    cluster.replicas[2].wait()
    cluster.replicas[2].start()
    cluster.wait_ready(cluster.replicas[2])
    status, _, data = call(cluster.replicas[2].port, "GET", "/v1/users/survivor/recommendations")
    test.assertEqual(status, 200, data)
    test.assertEqual(json.loads(data)["context_revision"], json.loads(answer)["revision"])
    wait_for("the proxy uses it again", lambda: cluster.up_servers() == 3)


def check_badly_framed_requests_end(test, cluster):
    """What the proxy and a replica might read in two ways: the proxy mends or refuses it, or the replica refuses what it passed on; and
    no connection between them is out of step afterwards, so that everybody gets the answer to the own request."""
    sys.path.insert(0, str(ROOT / "tests" / "http"))
    from test_framing import FAULTY, NEXT, read_to_end
    for name, data in FAULTY.items():
        data = (data + NEXT).replace(b"Host: x", b"Host: localhost")
        with test.subTest(name), socket.create_connection(("127.0.0.1", cluster.front), timeout=DEADLINE_S) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            answers = read_to_end(s)
            statuses = [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]]
            test.assertLessEqual(len(statuses), 2, answers)
            test.assertLessEqual(set(statuses), {b"200", b"400", b"422", b"501"}, answers)
            for user in range(1, 4):
                status, _, document = call(cluster.front, "GET", f"/v1/users/u{user}/recommendations?limit=1")
                test.assertEqual((status, json.loads(document)["user"]), (200, f"u{user}"))
