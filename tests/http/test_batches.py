"""A model with large heads: users who miss at the same time are generated in batches, and are answered as if alone."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), os.path.join(HERE, "..", "bench"), HERE]
import hn
from serving import models
from test_concurrency import together

_model = None


def large_model():
    """25 MB of heads over the world's items: far above what is generated at once, in any build."""
    global _model
    if _model is None:
        w = hn.world()
        _model = w.path("large.hn")
        models.write(_model, w.items, 48, [("age", "25-34")], "full", 2048)
    return _model


class Batches(unittest.TestCase):
    n_users = 64

    def ask(self, server, users):
        clients = [server.client() for _ in users]
        for c in clients:
            c.connection.connect()
        answers = together([lambda c=c, u=u: c.request("GET", hn.path_of_user(u) + "/recommendations")
                            for c, u in zip(clients, users)])
        for c in clients:
            c.close()
        return answers

    def test_answers_are_those_of_users_who_come_alone(self):
        users = hn.world().users[:self.n_users]
        with hn.Server(models=[large_model()]) as server:
            self.assertIn("in batches", server.log())
            crowd = self.ask(server, users)
            self.assertEqual({a.status for a in crowd}, {200})
            self.assertEqual({a.headers["x-hypernet-cache"] for a in crowd}, {"miss"})
            self.assertEqual(server.metric("weights_batched_total"), len(users))
            self.assertLess(server.metric("weights_batches_total"), len(users))
            self.assertEqual(server.metric("misses_at_once_total"), 0)
        with hn.Server(models=[large_model()]) as server:
            for user, answer in zip(users[:16], crowd):
                self.assertEqual(server.recommend(user).body, answer.body)
            self.assertEqual(server.metric("weights_batches_total"), 16)

    def test_one_user_is_generated_once(self):
        with hn.Server(models=[large_model()]) as server:
            answers = self.ask(server, hn.world().users[:2] * 16)
            self.assertEqual({a.status for a in answers}, {200})
            self.assertEqual(server.metric("weights_batched_total"), 2)

    def test_past_the_queue_is_503(self):
        with hn.Server("--workers", 2, "--max-queue", 2, models=[large_model()]) as server:
            answers = self.ask(server, hn.world().users[:self.n_users])
            refused = [a for a in answers if a.status == 503]
            self.assertTrue(refused)
            self.assertEqual({a.status for a in answers}, {200, 503})
            for a in refused:
                self.assertEqual((a.problem, a.headers["Retry-After"]), ("overloaded", "1"))
            self.assertEqual(server.recommend(hn.world().users[0]).status, 200)

    def test_a_stop_answers_those_who_wait(self):
        with hn.Server(models=[large_model()]) as server:
            clients = [server.client() for _ in range(self.n_users)]
            for c, user in zip(clients, hn.world().users):
                c.connection.request("GET", hn.path_of_user(user) + "/recommendations")
            hn.eventually(lambda: server.metric("requests_in_flight") + server.metric("weights_made_total")
                          > self.n_users, "all requests to be there")  # the one that asks is in flight too
            server.signal()
            for c in clients:
                self.assertEqual(c.connection.getresponse().status, 200)
                c.close()
            server.wait_stopped()

    def test_small_heads_are_generated_at_once(self):
        with hn.Server() as server:
            self.ask(server, hn.world().users[:self.n_users])
            self.assertEqual(server.metric("weights_made_total"), self.n_users)
            if "one by one" in server.log():  # a slow build may measure otherwise
                self.assertEqual(server.metric("weights_batches_total"), 0)


if __name__ == "__main__":
    unittest.main()
