"""What a refusal tells: the faults of all parts of a request, and nothing of the server's own affairs."""
import contextlib
import os
import resource
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Failures(unittest.TestCase):
    """A store that fails: callers get a text of its own, the log has the reason with the request's id."""

    def calls(self, server, user):
        w = hn.world()
        yield server.recommend(user)
        yield server.user(user)
        yield server.event(user, w.items[0])
        yield server.register("somebody", {"interactions": [{"item": w.items[1]}]})
        yield server.admin("PATCH", "/v1/admin/users/" + user, {"profile": {"age": "25-34"}})
        yield server.admin("PUT", "/v1/admin/items/new", {"title": "New"})
        yield server.admin("POST", "/v1/admin/users", {"users": [{"id": "a"}]})
        yield server.forget(user)

    def assertSilent(self, server, answers, statuses):
        failed = [a for a in answers if a.status >= 500]
        self.assertTrue(failed, answers)
        log = server.log()
        for a in failed:
            self.assertIn((a.status, a.problem), statuses, a)
            text = a.body.decode()
            for secret in (server.store, os.path.basename(server.store), "sqlite", "table", "secret", "SQL", "contexts",
                           "column", "malformed"):
                self.assertNotIn(secret, text)
            self.assertIn("request " + a.headers["X-Request-Id"], log)
        self.assertIn(server.store, log)

    def test_a_lost_table(self):
        with hn.Server() as server:
            with contextlib.closing(sqlite3.connect(server.store)) as db:
                db.execute("DROP TABLE contexts")
                db.commit()
            answers = list(self.calls(server, hn.world().users[0]))
            self.assertSilent(server, answers, {(500, "internal"), (500, "store-failed")})

    def test_a_constraint_that_nobody_checked(self):
        with hn.Server() as server:
            with contextlib.closing(sqlite3.connect(server.store)) as db:
                db.execute("CREATE TRIGGER t BEFORE INSERT ON interactions BEGIN SELECT RAISE(ABORT, 'secret'); END")
                db.commit()
            answers = [server.event(hn.world().users[0], hn.world().items[0])]
            self.assertSilent(server, answers, {(500, "internal")})

    def test_a_damaged_file(self):
        with hn.Server() as server:
            with open(server.store, "r+b") as f:
                size = os.path.getsize(server.store)
                f.seek(4096)
                f.write(b"\xff" * (size - 4096))
            answers = [a for user in hn.world().users[:40] for a in (server.recommend(user), server.user(user))]
            self.assertSilent(server, answers, {(500, "internal"), (500, "store-failed")})

    def test_a_full_disk(self):
        with hn.Server() as server:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            answers = list(self.calls(server, hn.world().users[0]))
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            self.assertSilent(server, answers, {(500, "store-failed"), (507, "store-full")})


class Inputs(hn.Case):
    def predict(self, body, user=None, **params):
        return self.server.request("POST", hn.path_of_user(user or self.world.users[0]) + "/predictions", body, params=params)

    def test_rows_too_large_for_the_model_are_named(self):
        width = self.world.description["hypernet"]["d_item"]
        fine = [0.5] * width
        for large in (1e38, 3.4e38, -1e38):
            with self.subTest(large):
                answer = self.predict({"inputs": [fine, [large] * width, fine, [large] * width]})
                document = self.assertProblem(answer, 422, "invalid-value")
                self.assertEqual([e["pointer"] for e in document["errors"]], ["/inputs/1", "/inputs/3"])
                self.assertEqual(document["pointer"], "/inputs/1")
        self.assertEqual(self.predict({"inputs": [fine]}).status, 200)

    def test_all_faults_of_inputs_are_named(self):
        width = self.world.description["hypernet"]["d_item"]
        document = self.assertProblem(self.predict({"inputs": [[1] * width, [1], ["x"] + [1] * (width - 1), 7]}), 422,
                                      "invalid-value")
        self.assertEqual([e["pointer"] for e in document["errors"]], ["/inputs/1", "/inputs/2/0", "/inputs/3"])


class Candidates(hn.Case):
    def predict(self, items, **params):
        return self.server.request("POST", hn.path_of_user(self.world.users[0]) + "/predictions", {"items": items},
                                   params=params)

    def test_unknown_ones_are_named_all(self):
        items = self.world.items
        gone = items[7]
        self.assertEqual(self.server.admin("DELETE", "/v1/admin/items/" + gone).status, 204)
        document = self.assertProblem(self.predict([items[0], "x1", gone, items[1], "x2"]), 422, "unknown-item")
        self.assertEqual([(e["pointer"], e["type"]) for e in document["errors"]],
                         [(f"/items/{i}", "urn:hypernet:problem:unknown-item") for i in (1, 2, 4)])
        self.assertEqual((document["pointer"], document["n_errors"]), ("/items/1", 3))
        self.assertIn("x1", document["detail"])
        self.server.admin("PUT", "/v1/admin/items/" + gone, {})

    def test_a_hundred_are_listed_and_all_counted(self):
        document = self.assertProblem(self.predict([f"x{i}" for i in range(250)]), 422, "unknown-item")
        self.assertEqual([e["pointer"] for e in document["errors"]], [f"/items/{i}" for i in range(100)])
        self.assertEqual(document["n_errors"], 250)

    def test_null_stands_for_unknown_ones(self):
        items = self.world.items
        known = self.predict([items[3], items[5]]).json
        self.assertNotIn("unknown", known)
        odd = 'x"\u20ac\\'
        answer = self.predict([items[3], "x1", items[5], odd], unknown="null")
        self.assertEqual(answer.status, 200, answer)
        a, b = known["predictions"]
        self.assertEqual(answer.json["predictions"], [a, {"id": "x1", "score": None}, b, {"id": odd, "score": None}])
        self.assertEqual(answer.json["unknown"], 2)
        self.assertEqual(self.predict([items[3]], unknown="null").json["unknown"], 0)
        self.assertEqual(self.predict(["x"] * 600, unknown="null").json["unknown"], 600)
        self.assertEqual(self.predict([items[3]] * 600 + ["x"], unknown="null").json["predictions"][599], a)
        self.assertProblem(self.predict([items[3], "x"], unknown="error"), 422, "unknown-item")
        self.assertProblem(self.predict([items[3], 5], unknown="null"), 422, "invalid-value")
        self.assertProblem(self.predict([items[3]], unknown="maybe"), 400, "bad-request")


if __name__ == "__main__":
    unittest.main()
