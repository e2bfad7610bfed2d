"""What whoever runs the server relies on: addresses, the log, signals, tokens, a disk that is full, a store that fails."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


def read_all(s):
    data = b""
    while piece := s.recv(65536):
        data += piece
    return data


class Addresses(unittest.TestCase):
    def test_an_address_of_ipv6_is_served(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
        except OSError:
            self.skipTest("this machine has no ::1")
        with hn.Server("--listen", "[::1]:0") as server:  # the last one given counts
            self.assertTrue(server.url.startswith("http://[::1]:"), server.url)
            server.host = "::1"
            self.assertEqual(server.recommend("u1").status, 200)
            self.assertEqual(hn.run("serve", "--probe", "--listen", f"[::1]:{server.port}").returncode, 0)

    def test_the_process_is_known_by_its_name(self):
        """However often the program executed itself: pgrep and ps find it."""
        with hn.Server() as server:
            with open("/proc/%d/comm" % server.process.pid, encoding="utf-8") as f:
                self.assertEqual(f.read(), "hypernet\n")

    def test_a_probe_says_whether_the_server_is_there(self):
        with hn.Server() as server:
            address = f"127.0.0.1:{server.port}"
            self.assertEqual(hn.run("serve", "--probe", "--listen", address).returncode, 0)
        done = hn.run("serve", "--probe", "--listen", address, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(address, done.err)

    def test_a_probe_of_something_silent_ends_and_fails(self):
        """A port where somebody listens and never answers: unhealthy, and no wait without an end."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            done = hn.run("serve", "--probe", "--listen", "127.0.0.1:%d" % s.getsockname()[1], check=False)
            self.assertEqual(done.returncode, 1)

    def test_an_absolute_target_is_answered(self):
        with hn.Server() as server, server.socket() as s:
            s.sendall(b"GET http://example.org/v1/users/u1/recommendations?limit=1 HTTP/1.1\r\nHost: example.org\r\n"
                      b"Connection: close\r\n\r\n")
            self.assertTrue(read_all(s).startswith(b"HTTP/1.1 200 "))


class Log(unittest.TestCase):
    def test_the_access_log_has_a_line_for_each_request(self):
        with hn.Server("--access-log") as server:
            server.recommend("u1", headers={"X-Request-Id": "first"})
            answer = server.recommend("u1", headers={"X-Request-Id": "second"})
            server.request("GET", "/v1/users/caf%C3%A9%2F%22x?model=none", headers={"X-Request-Id": "third"})
            server.request("GET", "/" + "x" * 3000, headers={"X-Request-Id": "fourth"})

            def lines():
                found = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
                return found if len(found) == 4 else None
            # a line is written when its connection has let go of the answer: those of different ones may change places
            found = {line["request_id"]: line for line in hn.eventually(lines, "four lines")}
        self.assertEqual(set(found), {"first", "second", "third", "fourth"})
        first, second, third, fourth = (found[name] for name in ("first", "second", "third", "fourth"))
        self.assertEqual((first["cache"], second["cache"], third["cache"]), ("miss", "hit", None))
        self.assertEqual(second["method"], "GET")
        self.assertEqual(second["path"], "/v1/users/u1/recommendations")
        self.assertEqual(second["route"], "/v1/users/{user}/recommendations")
        self.assertEqual((second["status"], second["bytes"]), (200, len(answer.body)))
        self.assertGreater(second["time"], 1.6e9)
        self.assertGreater(second["seconds"], 0)
        self.assertEqual((third["path"], third["status"]), ("/v1/users/caf%C3%A9%2F%22x", 404))
        self.assertEqual((fourth["path"], fourth["status"]), ("/" + "x" * 1023, 404))

    def test_the_access_log_of_routes_names_nobody(self):
        with hn.Server("--access-log-routes") as server:
            server.recommend("someone-asked-for")
            server.request("GET", "/v1/user/someone-mistyped")
            server.request("POST", "/v1/events?create=false", {"events": [{"user": "someone-else", "item": "i1"}]})
            server.request("GET", "/healthz", headers={"X-Request-Id": "last"})

            def lines():
                found = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
                return found if len(found) == 4 else None
            found = hn.eventually(lines, "four lines")
            self.assertNotIn("someone", server.log())
        self.assertEqual(sorted((line["route"], line["status"]) for line in found),
                         [("", 404), ("/healthz", 200), ("/v1/events", 404), ("/v1/users/{user}/recommendations", 404)])
        self.assertFalse(any("path" in line for line in found))

    def test_nothing_is_logged_of_requests_unless_asked(self):
        with hn.Server() as server:
            server.recommend("u1")
            server.request("GET", "/nothing")
            self.assertNotIn("/v1/users", server.log())


class Signals(unittest.TestCase):
    def test_another_signal_ends_the_wait_for_the_last_requests(self):
        """The first signal begins the stop, which waits for a request that does not come to its end; another one ends
        the process."""
        server = hn.Server("--request-timeout", 3600)
        with server.socket() as s:
            s.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b'Content-Length: 100\r\n\r\n{"events"')
            hn.eventually(lambda: server.metric("requests_in_flight") == 2, "the request to arrive")
            server.signal()

            def refuses():
                try:
                    server.socket().close()
                except OSError:
                    return True
                server.signal()
                return server.process.poll() is not None
            hn.eventually(refuses, "the end", every=0.05)
            server.signal()
            self.assertEqual(server.process.wait(timeout=hn.PATIENCE), -signal.SIGTERM)
            server.check_log()

    def test_a_broken_pipe_of_the_output_stops_nothing(self):
        """Nobody reads standard output or standard error any more: the server goes on."""
        w = hn.world()
        read_end, write_end = os.pipe()
        process = subprocess.Popen([hn.BINARY, "serve", "--store", w.copy_store(), "--model", w.model, "--listen",
                                    "127.0.0.1:0", "--access-log"], stdout=subprocess.PIPE, stderr=write_end)
        try:
            os.close(write_end)
            port = int(process.stdout.readline().rsplit(b":", 1)[1])
            process.stdout.close()
            os.close(read_end)
            for _ in range(3):
                with hn.Client("127.0.0.1", port) as client:
                    self.assertEqual(client.request("GET", "/healthz").status, 200)
            process.terminate()
            self.assertEqual(process.wait(timeout=hn.PATIENCE), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


class Tokens(unittest.TestCase):
    def test_blanks_around_a_token_are_not_of_it(self):
        w = hn.world()
        for i, data in enumerate((hn.ADMIN_TOKEN, hn.ADMIN_TOKEN + " \t\r\n\n", "  " + hn.ADMIN_TOKEN + "\n")):
            path = w.file(f"blanks-{i}", data)
            with hn.Server("--admin-token-file", path) as server:
                self.assertEqual(server.register("somebody", {}).status, 201)

    def test_two_words_are_no_token(self):
        w = hn.world()
        for data in ("two words of a token", "first line of it\nsecond-line-of-it", "caf\u00e9-caf\u00e9-caf\u00e9-caf\u00e9"):
            path = w.file("two", data)
            done = hn.run("serve", "--store", w.copy_store(), "--model", w.model, "--listen", "127.0.0.1:0",
                          "--admin-token-file", path, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(path, done.err)


class Bodies(hn.Case):
    options = ("--max-body-bytes", 64 * 1024)

    def test_any_refusal_comes_before_a_body_that_was_asked_for(self):
        for line, status in ((b"PUT /v1/admin/users/u1", 401), (b"POST /nothing", 404), (b"POST /healthz", 405)):
            with self.server.socket() as s:
                s.sendall(line + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
                          b"Expect: 100-continue\r\n\r\n")
                self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 %d " % status))

    def test_a_body_without_an_end_ends_the_connection(self):
        """Chunks for ever, to a call that is refused anyway: the connection is closed, not read for ever."""
        for path in (b"/v1/events", b"/nothing"):
            with self.server.socket() as s:
                s.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n")
                with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                    for _ in range(100000):
                        s.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        self.assertEqual(self.server.request("GET", "/readyz").status, 200)

    def test_every_media_type_of_json_is_read(self):
        for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.events+json"):
            answer = self.server.request("POST", "/v1/events", b'{"events": []}', headers={"Content-Type": kind})
            self.assertEqual(answer.status, 200, kind)
        for kind in ("application/jsonl", "text/json", "application/x-ndjson"):
            answer = self.server.request("POST", "/v1/events", b'{"events": []}', headers={"Content-Type": kind})
            self.assertProblem(answer, 415, "unsupported-media-type")


class Cache(hn.Case):
    def test_own_writes_cost_one_generation(self):
        """What this server wrote it hears of again from the store; the weights made since stay."""
        followed = self.server.metric("changes_followed_total")
        self.assertEqual(self.server.register("fresh", {"interactions": [{"item": "i1"}]}).status, 201)
        self.assertEqual(self.server.recommend("fresh").headers["x-hypernet-cache"], "miss")
        hn.eventually(lambda: self.server.metric("changes_followed_total") > followed, "the change to be followed")
        # the generation may have been under way when the change came by, and then was not kept: once more at most
        self.server.recommend("fresh")
        self.assertEqual(self.server.recommend("fresh").headers["x-hypernet-cache"], "hit")


def misses_at_once(server):
    """Whether a miss may be made at once: the file system says what it has in memory, and a generation takes less than 0.1 ms, which
    it does not under ThreadSanitizer."""
    cost_ms = float(re.search(r"and takes ([0-9.]+) ms", server.log())[1])
    with open(server.store, "rb") as f:
        try:
            os.preadv(f.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT)
        except OSError:
            return False
    return cost_ms < 0.1


class Trouble(unittest.TestCase):
    def test_a_full_disk_refuses_writes_and_answers_reads(self):
        """The store cannot grow: writes are refused and change nothing, reads go on; when there is room, all is well."""
        with hn.Server() as server:
            self.assertEqual(server.register("before", {"interactions": [{"item": "i1"}]}).status, 201)
            before, known = server.rows(), server.recommend("u1").body
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            for request in (lambda: server.register("late", {"profile": {"x": "y" * 1000}}),
                            lambda: server.register("before", {}),
                            lambda: server.event("before", "i2"),
                            lambda: server.admin("POST", "/v1/admin/users", {"users": [{"id": "a"}, {"id": "b"}]}),
                            lambda: server.forget("before")):
                answer = request()
                self.assertIn((answer.status, answer.problem), ((500, "store-failed"), (507, "store-full")), answer)
                self.assertEqual(server.rows(), before)
            self.assertEqual(server.recommend("u1").body, known)
            self.assertEqual(server.recommend("u2").status, 200)  # a read of the store
            self.assertEqual(server.recommend("late").status, 404)
            self.assertGreaterEqual(server.metric("store_errors_total"), 5)
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.assertEqual(server.register("late", {}).status, 201)
            self.assertEqual(server.event("before", "i2").status, 200)
            self.assertEqual(server.forget("before").status, 204)

    def test_a_write_says_that_another_writer_is_at_work(self):
        """Somebody else holds the write lock: a write waits for it and then says that it was busy; reads go on."""
        with hn.Server() as server:
            with contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                with server.client() as slow:
                    slow.connection.request("PUT", "/v1/admin/users/late", body=b"{}", headers={
                        "Content-Type": "application/json", "Authorization": "Bearer " + server.token})
                    self.assertEqual(server.recommend("u1").status, 200)
                    self.assertEqual(server.request("GET", "/readyz").status, 200)
                    answer = slow.connection.getresponse()
                    self.assertEqual(answer.status, 503)
                    self.assertEqual(answer.headers["Retry-After"], "1")
                    answer.read()
                db.execute("ROLLBACK")
            self.assertEqual(server.register("late", {}).status, 201)

    def test_readiness_and_quick_answers_wait_for_no_worker(self):
        """The queue is full, and neither readiness nor an answer that can be made at once waits in it."""
        with hn.Server("--workers", 1, "--max-queue", 1) as server:
            with contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                sockets = [server.socket() for _ in range(8)]
                body = b"{}"
                for s in sockets:  # some are worked on, one waits, the others are refused
                    s.sendall(b"PUT /v1/admin/users/late HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                              b"Authorization: Bearer " + server.token.encode() + b"\r\nConnection: close\r\n"
                              b"Content-Length: %d\r\n\r\n" % len(body) + body)
                hn.eventually(lambda: server.metric("rejected_queue_full_total") > 0, "a full queue")
                self.assertEqual(server.request("GET", "/readyz").status, 200)
                if misses_at_once(server):
                    for i in range(1, 40):  # of users who were not asked for yet
                        self.assertEqual(server.recommend(f"u{i}").headers["x-hypernet-cache"], "miss")
                db.execute("ROLLBACK")
            statuses = sorted(read_all(s).split(b" ", 2)[1] for s in sockets)
            for s in sockets:
                s.close()
            self.assertIn(b"503", statuses)


if __name__ == "__main__":
    unittest.main()
