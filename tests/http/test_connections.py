"""Who may be connected, and for how long: slow, silent and many clients, and that probes get through."""
import contextlib
import json
import os
import socket
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import hn  # noqa: E402

HALF = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "
EVENT = b'{"events": []}'
POST = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def ended(s):
    """Whether the server has ended the connection; what it said goes."""
    s.setblocking(False)
    try:
        while s.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def last_words(s):
    data = b""
    s.settimeout(hn.PATIENCE)
    try:
        while piece := s.recv(65536):
            data += piece
    except OSError:
        pass
    return data


class Crowded(unittest.TestCase):
    def test_slow_connections_lock_nobody_out(self):
        """More connections than there is room for, each with half a request: probes and calls are answered all the time, by new
        connections."""
        with hn.Server("--max-connections", 40, "--max-connections-per-address", 40) as server:
            slow = []
            for i in range(120):
                s = server.socket()
                s.sendall(HALF)
                slow.append(s)
                if i % 10 == 9:
                    for path in ("/healthz", "/readyz", "/metrics", "/v1/users/u1"):
                        self.assertEqual(server.request("GET", path).status, 200)
            self.assertGreater(server.metric("connections_evicted_total"), 70)
            self.assertLessEqual(server.metric("connections"), 41)
            for s in slow:
                s.close()

    def test_the_longest_without_an_answer_goes_first(self):
        with hn.Server("--max-connections", 8, "--max-connections-per-address", 8) as server:
            def get(s):
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 200"))
            old = [server.socket() for _ in range(4)]
            for s in old:
                get(s)
                time.sleep(0.02)  # the clock of connections ticks every few milliseconds
            get(old[0])
            time.sleep(0.02)
            new = [server.socket() for _ in range(5)]
            for s in new:
                get(s)
            hn.eventually(lambda: ended(old[1]), "the most silent to go")
            self.assertFalse(ended(old[0]))
            for s in old + new:
                s.close()

    def test_many_addresses_together_lock_nobody_out(self):
        """Each keeps to its share, and all of them are more than there is room for: the longest silent of all goes, so that the next one gets
        an answer and not only the places that are kept for probes."""
        with hn.Server("--max-connections", 20, "--max-connections-per-address", 10) as server:
            slow = []
            for i in range(60):
                s = socket.socket()
                s.bind((f"127.0.1.{1 + i % 20}", 0))
                s.settimeout(hn.PATIENCE)
                s.connect((server.host, server.port))
                s.sendall(HALF)
                slow.append(s)
                if i % 10 == 9:
                    self.assertEqual(server.request("GET", "/v1/users/u1").status, 200)
            self.assertGreater(server.metric("connections_evicted_total"), 35)
            hn.eventually(lambda: server.metric("connections") <= 21, "those that were told to go to be gone")
            hn.eventually(lambda: all(map(ended, slow[:30])), "the longest silent to go")
            for s in slow:
                s.close()

    def test_an_address_has_a_share(self):
        """One address takes its own places again; another one is not touched."""
        with hn.Server("--max-connections", 20, "--max-connections-per-address", 5) as server:
            other = socket.socket()
            other.bind(("127.0.0.2", 0))
            other.settimeout(hn.PATIENCE)
            other.connect((server.host, server.port))
            greedy = [server.socket() for _ in range(30)]
            for s in greedy:
                try:
                    s.sendall(HALF)
                except OSError:
                    pass  # it went to make room
            hn.eventually(lambda: sum(map(ended, greedy)) >= 24, "the share to be kept")
            other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(other.recv(65536).startswith(b"HTTP/1.1 200"))
            for s in greedy + [other]:
                s.close()

    def test_what_is_owed_an_answer_stays(self):
        """All connections wait for a write that waits for the store: beyond them only probes and the admin get in."""
        with hn.Server("--max-connections", 6, "--max-connections-per-address", 1000) as server:
            with contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                body = b'{"events": [{"user": "u1", "item": "i1"}]}'
                waiting = []

                def crowded():  # one that is not read yet may have to go for the next
                    waiting.append(server.socket())
                    waiting[-1].sendall(POST % len(body) + body)
                    return server.request("GET", "/v1/users/u1").status == 503
                hn.eventually(crowded, "all to be owed an answer")
                for path in ("/healthz", "/readyz", "/metrics"):
                    self.assertEqual(server.request("GET", path).status, 200)
                answer = server.request("GET", "/v1/users/u1")
                self.assertEqual((answer.status, answer.problem), (503, "overloaded"))
                self.assertEqual(answer.headers["Connection"], "close")
                self.assertEqual(server.admin("DELETE", "/v1/admin/users/%00").status, 400)
                db.execute("ROLLBACK")
            answers = [last_words_of_one(s) for s in waiting]
            self.assertGreaterEqual(sum(answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")) for answer in answers), 6, answers)
            for s in waiting:
                s.close()


def last_words_of_one(s):
    try:
        return s.recv(65536)
    except OSError:
        return b""


class Slow(unittest.TestCase):
    def drip(self, server, head, piece, every=0.1):
        """Sends piece by piece until the server ends it; what it said."""
        with server.socket() as s:
            s.sendall(head)
            try:
                while not ended_now(s):
                    s.sendall(piece)
                    time.sleep(every)
            except OSError:
                pass
            return last_words(s)

    def test_a_request_has_a_deadline_in_all(self):
        """A byte now and then, of a head or of a body, keeps a request alive no longer than --request-deadline."""
        with hn.Server("--request-deadline", 1) as server:
            self.drip(server, HALF, b"x")
            self.drip(server, POST % 100000, b" ")
            self.drip(server, b"", b"\r\n")
            self.drip(server, POST.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked"), b"1\r\n \r\n")
            self.assertGreaterEqual(server.metric("requests_too_slow_total"), 3)
            hn.eventually(lambda: server.metric("requests_in_flight") == 1, "all requests to have ended")

    def test_who_is_too_slow_is_told(self):
        with hn.Server("--request-deadline", 1) as server, server.socket() as s:
            s.sendall(POST % 10 + b"{")
            self.assertTrue(last_words(s).startswith(b"HTTP/1.1 408 "))

    def test_silence_ends_a_request_before_its_deadline(self):
        with hn.Server("--request-timeout", 1, "--request-deadline", 3600) as server, server.socket() as s:
            s.sendall(HALF)
            self.assertTrue(last_words(s).startswith(b"HTTP/1.1 408 "))

    def test_keep_alive_is_another_limit(self):
        """A connection that had an answer waits for its next request longer than a request may be silent, or less."""
        with hn.Server("--request-timeout", 1, "--keep-alive-timeout", 3600) as server, server.socket() as kept, server.socket() as new:
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            kept.recv(65536)
            self.assertEqual(last_words(new), b"")  # it never asked
            self.assertFalse(ended(kept))
        with hn.Server("--request-timeout", 3600, "--keep-alive-timeout", 1) as server, server.socket() as kept, server.socket() as new:
            kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(last_words(kept).count(b"HTTP/1.1"), 1)
            self.assertFalse(ended(new))

    def test_who_takes_nothing_of_an_answer_is_ended(self):
        with hn.Server("--request-timeout", 1) as server, socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((server.host, server.port))
            body = json.dumps({"items": hn.world().items * 50}).encode()
            one = (b"POST /v1/users/u1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
            s.setblocking(False)
            try:
                while True:
                    s.sendall(one)
            except OSError:
                pass  # the server reads no more, since nobody takes what it answers
            hn.eventually(lambda: server.metric("requests_too_slow_total") > 0, "it to be ended")
            hn.eventually(lambda: server.metric("connections") == 1, "it to be closed")


def ended_now(s):
    s.setblocking(False)
    try:
        return s.recv(1, socket.MSG_PEEK) == b"" or True
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        s.setblocking(True)
        s.settimeout(hn.PATIENCE)


if __name__ == "__main__":
    unittest.main()
