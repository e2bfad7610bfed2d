"""A batch of many users is one transaction; the contexts of its users come after it, and nothing that was acknowledged or kept depends on them."""
import contextlib
import os
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

STALE = "SELECT count(*) FROM users u LEFT JOIN contexts c ON c.id = u.id AND c.model = 'default' " \
    "WHERE c.revision IS NOT u.revision"
KEPT = "SELECT count(*) FROM interactions WHERE timestamp = 1790000000"


def events():
    return {"events": [{"user": user, "item": "i7", "timestamp": 1790000000} for user in hn.world().users]}


def answers(server):
    return [server.recommend(user, limit=3).body for user in hn.world().users[::10]]


class LargeBatches(unittest.TestCase):
    def post(self, server):
        """In a thread, of which nobody hears whether it was answered."""
        def work():
            with contextlib.suppress(OSError, hn.http.client.HTTPException):
                server.request("POST", "/v1/events", events())
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def between(self, server, db):
        """Locks the store between the batch and its last contexts: true. False: it was over before."""
        thread = self.post(server)
        locked = False
        while thread.is_alive():
            with contextlib.suppress(sqlite3.OperationalError):
                db.execute("BEGIN IMMEDIATE")
                locked = db.execute(KEPT).fetchone()[0] > 0 and db.execute(STALE).fetchone()[0] > 0
                if locked:
                    break
                db.execute("ROLLBACK")
        self.addCleanup(thread.join)
        return locked

    def test_a_kill_between_a_batch_and_its_contexts_loses_nothing_and_the_next_start_finishes_it(self):
        with hn.Server() as server:
            done = server.request("POST", "/v1/events", events())
            self.assertEqual(done.status, 200, done.body)
            self.assertEqual(server.query(STALE)[0][0], 0)
            expected = answers(server)
        for _ in range(50):  # until the lock was had in one of the pauses
            server = hn.Server()
            with contextlib.closing(sqlite3.connect(server.store, isolation_level=None, timeout=0)) as db:
                found = self.between(server, db)
                server.kill()
                if found:
                    db.execute("ROLLBACK")
            if found:
                break
        self.assertTrue(found)
        with hn.Server(store=server.store) as again:
            self.assertEqual(again.query(KEPT)[0][0], len(hn.world().users))
            self.assertEqual(again.query(STALE)[0][0], 0)
            self.assertIn("was stored and not finished", again.log())
            self.assertEqual(answers(again), expected)
            self.assertEqual(again.query("SELECT count(*) FROM unfinished")[0][0], 0)


if __name__ == "__main__":
    unittest.main()
