"""Many requests at once: weights are made once, the cache keeps its limit, nobody gets another's answer."""
import json
import os
import random
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


def together(functions):
    """Runs all at once, each in its thread, from one starting line; re-raises the first failure."""
    barrier, failures, results = threading.Barrier(len(functions)), [], [None] * len(functions)

    def one(i):
        try:
            barrier.wait(hn.PATIENCE)
            results[i] = functions[i]()
        except BaseException as e:  # pylint: disable=broad-except
            failures.append(e)
            barrier.abort()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(functions))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        real = [e for e in failures if not isinstance(e, threading.BrokenBarrierError)]
        raise (real or failures)[0]
    return results


class SingleFlight(hn.Case):
    requests = 200

    def cold_at_once(self, user, query=""):
        clients = [self.server.client() for _ in range(self.requests)]
        for c in clients:
            c.connection.connect()
        path = hn.path_of_user(user) + "/recommendations" + query
        answers = together([lambda c=c: c.request("GET", path) for c in clients])
        for c in clients:
            c.close()
        return answers

    def test_weights_of_a_cold_user_are_made_once(self):
        """By a thread that was asked, and by the workers, who alone give reasons."""
        for user, query in (("u1", ""), ("u2", ""), ("u3", ""), ("u5", "?explain=1"), ("u6", "?explain=1")):
            made = self.server.metric("weights_made_total")
            answers = self.cold_at_once(user, query)
            self.assertEqual({a.status for a in answers}, {200})
            self.assertEqual(len({a.body for a in answers}), 1)
            self.assertEqual(self.server.metric("weights_made_total"), made + 1)
            self.assertGreaterEqual(sum(a.headers["x-hypernet-cache"] == "miss" for a in answers), 1)

    def test_weights_of_the_prior_are_made_once(self):
        made = self.server.metric("weights_made_total")
        path = "/v1/users/nobody/recommendations?cold_start=true"
        clients = [self.server.client() for _ in range(50)]
        answers = together([lambda c=c: c.request("GET", path) for c in clients])
        for c in clients:
            c.close()
        self.assertEqual({(a.status, a.body) for a in answers}, {(200, answers[0].body)})
        self.assertEqual(self.server.metric("weights_made_total"), made + 1)

    def test_an_unknown_user_asked_for_at_once_is_404_for_all(self):
        answers = self.cold_at_once("nobody")
        self.assertEqual({a.status for a in answers}, {404})
        self.assertEqual(self.server.recommend("u4").status, 200)


class SmallCache(unittest.TestCase):
    """Random load from 8 threads on a cache that holds a few users only."""

    threads, requests = 8, 150

    def test_the_limit_is_kept(self):
        w = hn.world()
        for size in (16 * 1024, 64 * 1024):
            with self.subTest(size=size), hn.Server("--cache-bytes", size) as server:
                made = server.metric("weights_made_total")

                def load(seed):
                    r = random.Random(seed)
                    with server.client(server.token) as client:
                        for _ in range(self.requests):
                            user = f"u{r.randrange(1, 301)}"
                            kind = r.randrange(10)
                            if kind < 7:
                                a = client.request("GET", hn.path_of_user(user) + "/recommendations",
                                                   params={"limit": r.randrange(1, 30)})
                            elif kind == 7:
                                a = client.request("POST", hn.path_of_user(user) + "/predictions",
                                                   {"items": r.sample(w.items, 5)})
                            elif kind == 8:
                                a = client.request("POST", "/v1/events",
                                                   {"events": [{"user": user, "item": r.choice(w.items)}]})
                            else:
                                a = client.request("PUT", hn.path_of_user(user, True),
                                                   {"interactions": [{"item": r.choice(w.items)}]})
                            self.assertIn(a.status, (200, 201), a)

                together([lambda seed=seed: load(seed) for seed in range(self.threads)])
                self.assertEqual(server.metric("cache_capacity_bytes"), size)
                self.assertLessEqual(server.metric("cache_peak_bytes"), size)
                self.assertLessEqual(server.metric("cache_used_bytes"), server.metric("cache_peak_bytes"))
                self.assertGreater(server.metric("cache_evictions_total") + server.metric("cache_drops_total"), 0)
                self.assertGreater(server.metric("weights_made_total"), made)

    def test_without_a_cache_answers_are_the_same(self):
        with hn.Server("--cache-bytes", 0) as server, hn.Server() as other:
            for user in hn.world().users[:10]:
                self.assertEqual(server.recommend(user).body, other.recommend(user).body)
            self.assertEqual(server.metric("cache_peak_bytes"), 0)


class OwnAnswers(hn.Case):
    use_other_model = True
    options = ("--cache-bytes", 96 * 1024)  # holds some of them: hits and misses are mixed

    def test_each_user_gets_its_own(self):
        users = self.world.users[:120]
        asked = [(user, model) for user in users for model in ("default", "other")]
        with self.server.client() as client:
            alone = {(user, model): client.request("GET", hn.path_of_user(user) + "/recommendations",
                                                   params={"limit": 20, "model": model}).body
                     for user, model in asked}
        for (user, model), body in alone.items():
            document = json.loads(body)
            self.assertEqual((document["user"], document["model"]), (user, model))

        def ask(seed):
            order = asked[:]
            random.Random(seed).shuffle(order)
            with self.server.client() as client:
                for user, model in order:
                    body = client.request("GET", hn.path_of_user(user) + "/recommendations",
                                          params={"limit": 20, "model": model}).body
                    if body != alone[user, model]:
                        raise AssertionError(f"{user}, {model}: {body[:200]!r}")

        together([lambda seed=seed: ask(seed) for seed in range(16)])


class Fresh(hn.Case):
    """After a write is acknowledged, no answer is older than it, whoever asks and whatever is being made."""

    def test_readers_never_see_what_is_older_than_a_write(self):
        users = [f"f{i}" for i in range(4)]
        revision = {user: self.server.register(user, {}).json["revision"] for user in users}
        lock, writing = threading.Lock(), threading.Event()
        writing.set()
        left = [4]

        def write(seed):
            r = random.Random(seed)
            try:
                with self.server.client(self.server.token) as client:
                    for i in range(40):
                        user, item = r.choice(users), r.choice(self.world.items)
                        if i % 8 == 7:
                            a = client.request("PUT", hn.path_of_user(user, True), {"interactions": [{"item": item}]})
                            self.assertEqual(a.status, 200, a)
                            new = a.json["revision"]
                        else:
                            a = client.request("POST", "/v1/events", {"events": [{"user": user, "item": item}]})
                            self.assertEqual(a.status, 200, a)
                            new = a.json["users"][0]["revision"]
                        with lock:
                            revision[user] = max(revision[user], new)
                        got = client.request("GET", hn.path_of_user(user) + "/recommendations").json
                        self.assertGreaterEqual(got["context_revision"], new)
            finally:
                with lock:
                    left[0] -= 1
                    if left[0] == 0:
                        writing.clear()

        def read(seed):
            r = random.Random(seed)
            n = 0
            with self.server.client() as client:
                while writing.is_set() or n < 20:
                    user = r.choice(users)
                    with lock:
                        least = revision[user]
                    got = client.request("GET", hn.path_of_user(user) + "/recommendations")
                    self.assertEqual(got.status, 200, got)
                    self.assertGreaterEqual(got.json["context_revision"], least)
                    n += 1

        together([lambda s=s: write(s) for s in range(4)] + [lambda s=s: read(s) for s in range(100, 106)])
        # at rest, what is answered is what the store says
        with hn.Server(store=self.server.store) as other:
            for user in users:
                self.assertEqual(self.server.recommend(user).body, other.recommend(user).body)

    def test_a_user_deleted_under_readers_is_404_after(self):
        """Registered and deleted over and over: an answer is 404 or the user's, and 404 after the last deletion."""
        done = threading.Event()

        def write():
            try:
                for i in range(25):
                    made = self.server.register("gone", {"interactions": [{"item": self.world.items[i]}]})
                    self.assertEqual(made.status, 201, made)
                    self.assertGreaterEqual(self.server.recommend("gone").json["context_revision"],
                                            made.json["revision"])
                    self.assertEqual(self.server.forget("gone").status, 204)
                    self.assertEqual(self.server.recommend("gone").status, 404)
            finally:
                done.set()

        def read():
            with self.server.client() as client:
                while not done.is_set():
                    self.assertIn(client.request("GET", "/v1/users/gone/recommendations").status, (200, 404))

        together([write, read, read, read])
        self.assertEqual(self.server.recommend("gone").status, 404)


class FullQueue(unittest.TestCase):
    """Past --max-queue the answer is 503 with Retry-After at once, and the server goes on."""

    def test_past_the_queue_is_503_at_once_with_retry_after(self):
        with hn.Server("--max-queue", 1, "--workers", 1) as server:
            users = hn.world().users[:100]
            clients = [server.client() for _ in users]
            for c in clients:
                c.connection.connect()
            answers = together([lambda c=c, u=u: c.request("GET", hn.path_of_user(u) + "/recommendations?explain=1")
                                for c, u in zip(clients, users)])
            for c in clients:
                c.close()
            refused = [a for a in answers if a.status == 503]
            self.assertEqual({a.status for a in answers} - {503}, {200})
            for a in refused:
                self.assertEqual((a.problem, a.headers["Retry-After"]), ("overloaded", "1"))
            self.assertEqual(server.metric("rejected_queue_full_total"), len(refused))
            hn.eventually(lambda: server.metric("queue_depth") == 0, "an empty queue")
            self.assertEqual(server.recommend(users[0]).status, 200)


if __name__ == "__main__":
    unittest.main()
