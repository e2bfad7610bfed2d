"""The requests of each load, written to files once, before anything is timed."""
import itertools
import math
import random

from .answers import predictions_path, recommendations_path
from .wrk import write_requests

CANDIDATES = 100
REGISTRATION_BATCH, REGISTRATION_INTERACTIONS = 200, 10
ZIPF_EXPONENT = 1.0


class Loads:
    def __init__(self, world):
        self.world = world
        self.random = random.Random(1)
        self.candidates = world.items[:CANDIDATES]

    def _write(self, name, requests):
        return write_requests(self.world.path(name + ".requests"), requests)

    def recommendations(self):
        users = list(self.world.users)
        self.random.shuffle(users)
        return self._write("recommendations", (("GET", recommendations_path(user), None) for user in users))

    def predictions(self):
        users, body = list(self.world.users), {"items": self.candidates}
        self.random.shuffle(users)
        return self._write("predictions", (("POST", predictions_path(user), body) for user in users))

    def uniform(self, n_users, n_requests=100000):
        """Users of a crowd, all equally likely."""
        users = (self.random.randrange(n_users) for _ in range(n_requests))
        return self._write("uniform-%d" % n_users, (("GET", recommendations_path("m%d" % i), None) for i in users))

    def zipf(self, n_users, n_requests=200000):
        """Users of a crowd by Zipf's law: the i-th is asked for 1 / i as often as the first. Drawn by inverting the integral,
        and spread over the ids, so that a rank is no place in the store."""
        log_n, step = math.log(n_users), 611953  # a prime: a permutation of the ids unless it divides n_users
        ranks = (int(math.exp(self.random.random() * log_n)) - 1 for _ in range(n_requests))
        return self._write("zipf-%d" % n_users,
                           (("GET", recommendations_path("m%d" % (rank * step % n_users)), None) for rank in ranks))

    def _registration(self, number):
        world, r = self.world, self.random
        items = r.sample(world.items, REGISTRATION_INTERACTIONS)
        return {"id": "n%d" % number, "profile": world.profiles[r.choice(world.users)],
                "interactions": [{"item": item, "timestamp": 1767225600 + number} for item in items]}

    def registration(self, n_users=20000):
        """New users with a profile and a few interactions each, many in a call."""
        calls = range(0, n_users, REGISTRATION_BATCH)
        return self._write("registration", (
            ("POST", "/v1/admin/users", {"users": [self._registration(i) for i in range(c, c + REGISTRATION_BATCH)]}) for c in calls))

    def _event(self):
        return {"user": self.random.choice(self.world.users), "item": self.random.choice(self.world.items)}

    def events(self, n_requests=20000):
        return self._write("events", (("POST", "/v1/events", {"events": [self._event()]}) for _ in range(n_requests)))

    def mixed(self, n_requests=50000):
        """Of 100 requests 90 ask, 9 report an event, 1 registers somebody."""
        numbers = itertools.count(10 ** 6)

        def one():
            share = self.random.random()
            if share < 0.90:
                return "GET", recommendations_path(self.random.choice(self.world.users)), None
            if share < 0.99:
                return "POST", "/v1/events", {"events": [self._event()]}
            registration = self._registration(next(numbers))
            return "PUT", "/v1/admin/users/" + registration.pop("id"), registration
        return self._write("mixed", (one() for _ in range(n_requests)))
