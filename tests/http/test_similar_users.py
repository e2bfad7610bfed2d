"""GET /v1/users/{user}/similar: the cosine of stored contexts, against the store's own bytes."""
import os
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class SimilarUsers(hn.Case):
    def similar(self, user, **params):
        return self.server.request("GET", hn.path_of_user(user) + "/similar", params=params)

    def contexts(self):
        rows = self.server.query("SELECT id, embedding FROM contexts WHERE kind = 'user' AND model = 'default'")
        return {name: struct.unpack(f"<{len(blob) // 4}f", blob) for name, blob in rows}

    def expected(self, user):
        contexts = self.contexts()
        x = contexts.pop(user)

        def cosine(y):
            return sum(a * b for a, b in zip(x, y)) / (sum(a * a for a in x) * sum(b * b for b in y)) ** 0.5
        return sorted(((name, cosine(y)) for name, y in contexts.items()), key=lambda pair: (-pair[1], pair[0]))

    def assertSimilar(self, answer, expected):
        self.assertEqual(answer.status, 200, answer)
        got = answer.json["users"]
        self.assertEqual([u["id"] for u in got], [name for name, _ in expected])
        for u, (_, score) in zip(got, expected):
            self.assertAlmostEqual(u["score"], score, places=5)

    def test_the_nearest_contexts_come_first(self):
        for user in ("u1", "u2"):
            expected = self.expected(user)
            self.assertGreater(len(expected), 290)
            self.assertSimilar(self.similar(user), expected[:10])
            self.assertSimilar(self.similar(user, limit=1000), expected)

    def test_events_move_somebody_at_once_and_who_is_forgotten_is_gone(self):
        taken = [{"item": item} for item in self.world.interactions["u3"]]
        self.server.register("twin", {"interactions": taken})
        self.assertIn("twin", [u["id"] for u in self.similar("u3", limit=20).json["users"]])
        self.assertSimilar(self.similar("u3"), self.expected("u3")[:10])
        self.server.forget("twin")
        self.assertNotIn("twin", [u["id"] for u in self.similar("u3", limit=1000).json["users"]])

    def test_what_is_refused(self):
        self.assertProblem(self.similar("nobody"), 404, "unknown-user")
        self.assertProblem(self.similar("u1", limit=0), 400, "bad-request")
        self.assertProblem(self.similar("u1", limit=1001), 400, "bad-request")
        self.assertProblem(self.similar("u1", model="none"), 404, "unknown-model")


if __name__ == "__main__":
    unittest.main()
