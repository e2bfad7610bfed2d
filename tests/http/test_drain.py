"""SIGTERM under load, and clients that are slow, half gone or gone."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

GET = b"GET /v1/users/%s/recommendations?limit=3 HTTP/1.1\r\nHost: x\r\n\r\n"
WORKED = GET.replace(b"limit=3", b"explain=1")  # a worker answers, whatever is cached


def read_all(s):
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece


def read_answers(s, n):
    """n answers, one after the other, from a socket: [(status, body), ...]; fewer when it ends before."""
    data, answers = b"", []
    while len(answers) < n:
        while True:
            head, separator, rest = data.partition(b"\r\n\r\n")
            if separator:
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                               if line.lower().startswith(b"content-length:")), 0)
                if len(rest) >= length:
                    answers.append((int(head.split()[1]), rest[:length]))
                    data = rest[length:]
                    break
            piece = s.recv(65536)
            if not piece:
                return answers
            data += piece
    return answers


class Drain(unittest.TestCase):
    threads = 8

    def load(self, server, other, started, failures, counts, seed):
        """Asks until told to leave (Connection: close), then once more at the other server, as a proxy would."""
        try:
            client, n = server.client(server.token), 0
            while True:
                i = seed * 1000 + n
                kind = i % 4
                user = f"u{i * 7 % 300 + 1}"
                if kind == 3:
                    answer = client.request("POST", "/v1/events",
                                            {"events": [{"user": user, "item": f"i{i % 200 + 1}"}]})
                else:
                    answer = client.request("GET", hn.path_of_user(user) + "/recommendations")
                n += 1
                if answer.status != 200:
                    raise AssertionError(f"{answer}")
                if n == 5:
                    started.release()
                if answer.headers.get("Connection", "").lower() == "close":
                    break
            client.close()
            answer = other.recommend(user)
            if answer.status != 200:
                raise AssertionError(f"at the other server: {answer}")
            counts.append(n)
        except Exception as e:  # pylint: disable=broad-except
            failures.append(e)
            started.release()

    def test_no_request_is_lost(self):
        server = hn.Server("--drain-seconds", 2)
        with hn.Server(store=server.store) as other:
            started, failures, counts = threading.Semaphore(0), [], []
            threads = [threading.Thread(target=self.load, args=(server, other, started, failures, counts, i))
                       for i in range(self.threads)]
            for t in threads:
                t.start()
            for _ in threads:
                started.acquire()
            server.signal()
            for t in threads:
                t.join()
            self.assertEqual(failures, [])
            self.assertEqual(len(counts), self.threads)
            server.wait_stopped()

    def test_a_draining_server_is_not_ready_and_still_answers(self):
        server = hn.Server("--drain-seconds", 3600)
        self.assertEqual(server.request("GET", "/readyz").json, {"status": "ready"})
        server.signal()
        answer = hn.eventually(lambda: (a := server.request("GET", "/readyz")).status == 503 and a, "readiness to turn")
        self.assertEqual(answer.json, {"status": "draining"})
        self.assertEqual(answer.headers["Connection"].lower(), "close")
        # alive, and still answering, reads and writes alike
        self.assertEqual(server.request("GET", "/healthz").status, 200)
        self.assertEqual(server.recommend("u1").status, 200)
        self.assertEqual(server.register("late", {}).status, 201)
        self.assertGreaterEqual(server.metric("drained_requests_total"), 4)
        self.assertEqual(hn.run("serve", "--probe", "--listen", f"127.0.0.1:{server.port}", check=False).returncode, 1)
        server.signal()  # a second signal ends the wait
        server.wait_stopped()
        self.assertEqual(server_rows(server.store), 1)

    def test_a_drain_lasts_its_seconds_and_answers_meanwhile(self):
        server = hn.Server("--drain-seconds", 1)
        start, answers = time.monotonic(), []
        server.signal()
        with contextlib.suppress(OSError, http.client.HTTPException):  # until it has stopped
            while True:
                answers.append(server.recommend("u1").status)
        server.wait_stopped()
        self.assertGreaterEqual(time.monotonic() - start, 1)
        self.assertEqual(set(answers), {200})

    def test_an_interrupt_ends_it_cleanly(self):
        server = hn.Server()
        self.assertEqual(server.recommend("u1").status, 200)
        server.signal(signal.SIGINT)
        server.wait_stopped()

    def test_idle_connections_do_not_hold_it(self):
        server = hn.Server("--request-timeout", 3600)
        sockets = [server.socket() for _ in range(20)]
        with server.client() as client:
            self.assertEqual(client.request("GET", "/healthz").status, 200)
            server.signal()
            server.wait_stopped()
        for s in sockets:
            s.close()

    def test_stops_while_a_slow_client_sends(self):
        """A request that is not whole is in nobody's hands: it holds the stop for the request timeout at most."""
        server = hn.Server("--request-timeout", 1)
        with contextlib.ExitStack() as sockets:
            def half_sent():  # another at each look: on a busy machine the ones before may have ended by now
                s = sockets.enter_context(server.socket())
                s.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          b'Content-Length: 100\r\n\r\n{"events"')
                return server.metric("requests_in_flight") >= 2

            hn.eventually(half_sent, "a request to arrive")
            server.signal()
            server.wait_stopped()

    def test_waiting_requests_are_answered(self):
        """Requests in the queue when the signal comes are answered before the stop."""
        server = hn.Server("--workers", 1)
        sockets = [server.socket() for _ in range(50)]
        for i, s in enumerate(sockets):
            s.sendall(WORKED % b"u%d" % (i + 1))
        name = 'hypernet_requests_total{method="GET",route="/v1/users/{user}/recommendations",status="2xx"}'

        def begun():  # /metrics is itself in flight; a request may be counted twice while it ends: look again
            if f"\n{name} " not in server.request("GET", "/metrics").body.decode():
                return False
            return all(server.metric(name) + server.metric("requests_in_flight") - 1 >= 50 for _ in range(3))

        hn.eventually(begun, "all requests to be begun")
        server.signal()
        answers = [read_answers(s, 1) for s in sockets]
        for s in sockets:
            s.close()
        for i, answer in enumerate(answers):
            self.assertEqual(len(answer), 1, f"request {i} was lost")
            self.assertEqual((answer[0][0], json.loads(answer[0][1])["user"]), (200, f"u{i + 1}"))
        server.wait_stopped()


def server_rows(store):
    import contextlib
    import sqlite3
    with contextlib.closing(sqlite3.connect(store)) as db:
        return db.execute("SELECT count(*) FROM users WHERE id = 'late'").fetchone()[0]


class Clients(hn.Case):
    options = ("--workers", 1)

    def tearDown(self):
        self.assertEqual(self.server.request("GET", "/readyz").status, 200)
        hn.eventually(lambda: self.server.metric("requests_in_flight") == 1, "an end to all requests")
        hn.eventually(lambda: self.server.metric("queue_depth") == 0, "an empty queue")

    def test_a_request_that_comes_byte_by_byte_is_answered(self):
        body = b'{"events": [{"user": "u1", "item": "i1"}]}'
        request = (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                   % len(body)) + body
        with self.server.socket() as s:
            for i in range(len(request)):
                s.sendall(request[i:i + 1])
                if i % 20 == 0:  # others are answered meanwhile
                    self.assertEqual(self.server.request("GET", "/healthz").status, 200)
            self.assertEqual(read_answers(s, 1)[0][0], 200)

    def test_a_slow_reader_gets_the_whole_answer(self):
        """An answer of some 100 KB to a client that takes it in small pieces."""
        width = len(self.world.items)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(hn.PATIENCE)
            s.connect((self.server.host, self.server.port))
            body = json.dumps({"items": self.world.items * 20}).encode()
            s.sendall(b"POST /v1/users/u1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            data = b""
            while piece := s.recv(512):
                data += piece
                if len(data) % 8192 == 0:
                    self.assertEqual(self.server.request("GET", "/healthz").status, 200)
        document = json.loads(data.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(len(document["predictions"]), 20 * width)

    def test_who_will_send_no_more_is_answered(self):
        """Clients that say they send no more, and wait for their answers: at once, and many at once from workers."""
        for user in (b"u50", b"u50"):
            self.assertEqual(self.half_closed(GET % user), [(200, user.decode())])
        users = [b"u%d" % i for i in range(100, 196)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(self.half_closed, (WORKED % user for user in users)))
        self.assertEqual(answers, [[(200, user.decode())] for user in users])

    def half_closed(self, request):
        with self.server.socket() as s:
            s.sendall(request)
            s.shutdown(socket.SHUT_WR)
            return [(status, json.loads(body)["user"]) for status, body in read_answers(s, 1)]

    def test_pipelined_requests_are_answered_in_order(self):
        users = [b"u%d" % (i % 40 + 60) for i in range(100)]  # some from the cache, some not
        with self.server.socket() as s:
            s.sendall(b"".join(GET % user for user in users))
            answers = read_answers(s, len(users))
        self.assertEqual([(status, json.loads(body)["user"]) for status, body in answers],
                         [(200, user.decode()) for user in users])

    def test_pipelined_writes_and_refusals_are_answered_in_order(self):
        event = b'{"events": [{"user": "u2", "item": "i%d"}]}'
        requests, want = [], []
        for i in range(1, 21):
            body = event % i
            requests += [b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body,
                         GET % b"nobody", GET % b"u2", b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"]
            want += [200, 404, 200, 405]
        with self.server.socket() as s:
            s.sendall(b"".join(requests))
            answers = read_answers(s, len(want))
        self.assertEqual([status for status, _ in answers], want)
        events = [json.loads(body)["users"][0]["revision"] for _, body in answers[::4]]
        self.assertEqual(events, sorted(set(events)))
        for revision, (_, body) in zip(events, answers[2::4]):
            self.assertEqual(json.loads(body)["context_revision"], revision)

    def test_clients_that_vanish_cost_the_others_nothing(self):
        """Reset while their requests wait for the one worker: the others get their answers."""
        gone = [self.server.socket() for _ in range(60)]
        kept = [self.server.socket() for _ in range(10)]
        for i, s in enumerate(gone):
            s.sendall(WORKED % b"u%d" % (i + 100))
        for i, s in enumerate(kept):
            s.sendall(WORKED % b"u%d" % (i + 200))
        for s in gone:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
            s.close()
        for i, s in enumerate(kept):
            ((status, body),) = read_answers(s, 1)
            self.assertEqual((status, json.loads(body)["user"]), (200, f"u{i + 200}"))
            s.close()

    def test_clients_that_vanish_with_half_a_body_write_nothing(self):
        before = self.server.rows()
        for i in range(40):
            with self.server.socket() as s:
                s.sendall(b"PUT /v1/admin/users/u1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " +
                          hn.ADMIN_TOKEN.encode() + b"\r\nContent-Type: application/json\r\n"
                          b'Content-Length: 1000\r\n\r\n{"interactions": []')
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.assertEqual(self.server.request("GET", "/healthz").status, 200)
        self.assertEqual(self.server.rows(), before)

    def test_a_connection_serves_many_requests(self):
        with self.server.client() as client:
            for i in range(200):
                self.assertEqual(client.request("GET", "/healthz").status, 200)
                self.assertIsNotNone(client.connection.sock)  # one connection for all

    def test_http_1_0_is_answered_and_closed(self):
        with self.server.socket() as s:
            s.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            data = read_all(s)
            self.assertTrue(data.endswith(b'{"status":"alive"}\n'), data)

    def test_who_expects_a_continue_gets_it(self):
        body = b'{"events": []}'
        with self.server.socket() as s:
            s.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 100"))
            s.sendall(body)
            self.assertEqual(read_answers(s, 1)[0][0], 200)


class Crowds(unittest.TestCase):
    """As many requests at once as libmicrohttpd looks at in one go (128), and others: none is left lying."""

    def test_all_are_answered(self):
        with hn.Server("--threads", 1, "--request-timeout", 3600) as server:
            for size in (127, 128, 129, 256):
                sockets = [server.socket() for _ in range(size)]
                hn.eventually(lambda n=size: server.metric("connections") == n + 1, "all to be connected")
                server.process.send_signal(signal.SIGSTOP)  # they all come before the server looks
                for s in sockets:
                    s.sendall(GET % b"u1")
                server.process.send_signal(signal.SIGCONT)
                for s in sockets:
                    self.assertEqual(read_answers(s, 1)[0][0], 200)
                    s.close()
                hn.eventually(lambda: server.metric("connections") == 1, "all to be closed")


class SlowClients(unittest.TestCase):
    def test_a_client_without_progress_is_closed(self):
        with hn.Server("--request-timeout", 1) as server:
            with server.socket() as idle, server.socket() as stuck:
                stuck.sendall(b"GET /healthz HT")
                self.assertEqual(read_all(idle), b"")
                read_all(stuck)  # ends; what it says is the library's
            hn.eventually(lambda: server.metric("connections") == 1, "both to be closed")

    def test_past_the_most_connections_silent_ones_go_and_the_next_is_answered(self):
        most, n = 8, 40
        with hn.Server("--max-connections", most, "--max-connections-per-address", most, "--request-timeout",
                       3600) as server, contextlib.ExitStack() as sockets:
            silent = [sockets.enter_context(server.socket()) for _ in range(n)]
            hn.eventually(lambda: sum(map(ended, silent)) >= n - most, "the silent ones to go")
            self.assertEqual(server.request("GET", "/healthz").status, 200)
            self.assertGreaterEqual(server.metric("connections_evicted_total"), n - most)
            self.assertLessEqual(server.metric("connections"), most + 1)


def ended(s):
    """Whether the server has ended a connection that it said nothing on."""
    s.setblocking(False)
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


if __name__ == "__main__":
    unittest.main()
