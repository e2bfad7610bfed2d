"""Reads, writes and long computations wait in queues of their own; who left is not worked for."""
import contextlib
import json
import os
import select
import socket
import sqlite3
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support import hn  # noqa: E402

WRITE_WORKERS = 3  # of the server: so many writes are worked on, the others wait
POST = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def event(user, item="i1"):
    body = json.dumps({"events": [{"user": user, "item": item}]}).encode()
    return POST % len(body) + body


class Void(Exception):
    """A write was answered while the store was locked: the server gave it up, since the test took too long."""


def check_waiting(writes):
    if select.select(writes, [], [], 0)[0]:
        raise Void
    return False


def repeat(attempt, *args):
    """A write waits ten seconds for a lock. A busy machine may take longer than that for an attempt, which then says nothing."""
    for _ in range(10):
        with contextlib.suppress(Void):
            return attempt(*args)
    raise AssertionError("no attempt was done before the server gave its writes up")


def eventually_waiting(condition, what, writes):
    hn.eventually(lambda: condition() or check_waiting(writes), what)


class Queues(unittest.TestCase):
    @contextlib.contextmanager
    def locked(self, server, n_writes=12):
        """The store is locked by another process, and more writes wait for it than there are workers."""
        with contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db, contextlib.ExitStack() as sockets:
            db.execute("BEGIN IMMEDIATE")
            writes = [sockets.enter_context(server.socket()) for _ in range(n_writes)]
            for i, s in enumerate(writes):
                s.sendall(event(f"u{i + 1}"))
            eventually_waiting(lambda: server.metric("requests_in_flight") == n_writes + 1, "the writes to wait", writes)
            yield writes
            if db.in_transaction:
                db.execute("ROLLBACK")

    def test_no_read_stands_behind_a_write(self):
        """While writes wait for another process, users who are not cached are answered, and explanations are."""
        rows = json.dumps({"items": hn.world().items * 40}).encode()
        self.assertGreater(len(rows), 32768)
        users = iter(range(100, 300))  # a read that is done again is of another user, who is not cached
        reads = [lambda s: s.recommend(f"u{next(users)}")] * 20
        reads.append(lambda s: s.recommend(f"u{next(users)}", limit=1, explain=1))
        reads.append(lambda s: s.request("POST", f"/v1/users/u{next(users)}/predictions", rows))
        with hn.Server("--workers", 1) as server:
            repeat(self.read_beside_writes, server, reads)

    def read_beside_writes(self, server, reads):
        """Each was answered while all writes waited; those that were stay done."""
        with self.locked(server) as writes:
            while reads:
                answer = reads[0](server)
                self.assertEqual((answer.status, answer.headers["x-hypernet-cache"]), (200, "miss"))
                check_waiting(writes)
                reads.pop(0)

    def test_small_writes_pass_large_ones(self):
        """Large writes that wait for their turn hold no place of small ones: there is always a worker for these."""
        repeat(self.small_beside_large)

    def small_beside_large(self):
        events = json.dumps({"events": [{"user": "u1", "item": f"i{i % 200 + 1}"} for i in range(2000)]}).encode()
        self.assertGreater(len(events), 32768)
        with hn.Server("--max-queue", 3) as server, contextlib.ExitStack() as opened, \
                contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
            def taken(n_small):
                """Two were refused, the others wait; one more of those that are large has an answer: the attempt is void."""
                refused = server.metric("rejected_queue_full_total")
                if len(select.select(large, [], [], 0)[0]) > refused or select.select(small, [], [], 0)[0]:
                    raise Void
                return refused == 2 and server.metric("requests_in_flight") == 4 + n_small + 1
            db.execute("BEGIN IMMEDIATE")
            large, small = [opened.enter_context(server.socket()) for _ in range(6)], []
            for s in large:  # one is worked on, three wait, the others are refused
                s.sendall(POST % len(events) + events)
            hn.eventually(lambda: taken(0), "a full queue of large writes")
            small = [opened.enter_context(server.socket()) for _ in range(3)]
            for s in small:
                s.sendall(event("u2"))
            hn.eventually(lambda: taken(3), "the small ones to be taken")
            db.execute("ROLLBACK")
            for s in small:
                status = s.recv(65536).split(b" ", 2)[1]
                if status == b"503" and server.metric("rejected_queue_full_total") == 2:
                    raise Void  # it had waited for the lock too long when that was given back
                self.assertEqual(status, b"200")

    def test_each_queue_is_as_long_as_it_may_be(self):
        """A full queue of writes refuses writes alone."""
        with hn.Server("--max-queue", 2) as server, contextlib.closing(sqlite3.connect(server.store, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            writes = [server.socket() for _ in range(12)]
            for s in writes:
                s.sendall(event("u1"))
            hn.eventually(lambda: server.metric("rejected_queue_full_total") > 0, "a full queue")
            self.assertEqual(server.recommend("u130", limit=1, explain=1).status, 200)
            db.execute("ROLLBACK")
            for s in writes:
                s.close()

    def test_who_left_is_not_worked_for(self):
        """Writes whose clients are gone while they wait for a worker are never made."""
        repeat(self.leave)

    def leave(self):
        with hn.Server() as server:
            before = server.user("u200").json
            with self.locked(server) as writes:
                gone = [server.socket() for _ in range(8)]
                for i, s in enumerate(gone):
                    s.sendall(event("u200", f"i{i + 1}"))
                # a request whose body is not read yet ends with its client, before anybody could work for it
                eventually_waiting(lambda: server.metric("queue_depth") == len(writes) + 8 - WRITE_WORKERS, "them to wait", writes + gone)
                for s in gone:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
                    s.close()
                check_waiting(writes)
            hn.eventually(lambda: server.metric("requests_in_flight") == 1, "all to have ended")
            self.assertGreaterEqual(server.metric("abandoned_total"), 8)  # of the others some may not have stayed for their answers
            self.assertEqual(server.user("u200").json, before)


if __name__ == "__main__":
    unittest.main()
