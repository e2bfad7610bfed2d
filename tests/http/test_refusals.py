"""What a refusal tells: the faults of all parts of a request, and nothing of the server's own affairs."""
import contextlib
import json
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
        for a in failed:
            self.assertIn((a.status, a.problem), statuses, a)
            text = a.body.decode()
            for secret in (server.store, os.path.basename(server.store), "sqlite", "table", "secret", "SQL", "contexts",
                           "column", "malformed"):
                self.assertNotIn(secret, text)
        for a in failed:  # lines of the log may come after the answer
            hn.eventually(lambda: f"request {a.headers['X-Request-Id']}: " in server.log(), "the reason in the log")
        self.assertIn(server.store, server.log())

    def test_a_lost_table_is_explained_to_the_log_alone(self):
        with hn.Server() as server:
            with contextlib.closing(sqlite3.connect(server.store)) as db:
                db.execute("DROP TABLE contexts")
                db.commit()
            answers = list(self.calls(server, hn.world().users[0]))
            self.assertSilent(server, answers, {(500, "internal"), (500, "store-failed")})

    def test_a_constraint_that_nobody_checked_is_explained_to_the_log_alone(self):
        with hn.Server() as server:
            with contextlib.closing(sqlite3.connect(server.store)) as db:
                db.execute("CREATE TRIGGER t BEFORE INSERT ON interactions BEGIN SELECT RAISE(ABORT, 'secret'); END")
                db.commit()
            answers = [server.event(hn.world().users[0], hn.world().items[0])]
            self.assertSilent(server, answers, {(500, "internal"), (500, "store-failed")})

    def test_a_damaged_file_is_explained_to_the_log_alone(self):
        with hn.Server() as server:
            with open(server.store, "r+b") as f:
                size = os.path.getsize(server.store)
                f.seek(4096)
                f.write(b"\xff" * (size - 4096))
            answers = [a for user in hn.world().users[:40] for a in (server.recommend(user), server.user(user))]
            self.assertSilent(server, answers, {(500, "internal"), (500, "store-failed")})

    def test_a_full_disk_is_explained_to_the_log_alone(self):
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
                self.assertEqual({e["pointer"].split("/")[2] for e in document["errors"]}, {"1", "3"})
                self.assertTrue(document["pointer"].startswith("/inputs/1"))
        self.assertEqual(self.predict({"inputs": [fine]}).status, 200)

    def test_all_faults_of_inputs_are_named(self):
        width = self.world.description["hypernet"]["d_item"]
        document = self.assertProblem(self.predict({"inputs": [[1] * width, [1], ["x"] + [1] * (width - 1), 7]}), 422,
                                      "invalid-value")
        self.assertEqual([e["pointer"] for e in document["errors"]], ["/inputs/1", "/inputs/2/0", "/inputs/3"])


class NumbersAsIds(hn.Case):
    def test_a_number_as_an_id_is_refused_with_how_it_is_written(self):
        user = hn.path_of_user(self.world.users[0])
        calls = [("POST", "/v1/events", {"events": [{"user": 42, "item": "i1"}]}, "/events/0/user"),
                 ("POST", "/v1/events", {"events": [{"user": "u1", "item": 42}]}, "/events/0/item"),
                 ("POST", "/v1/admin/users", {"users": [{"id": 42}]}, "/users/0/id"),
                 ("PUT", "/v1/admin/users/new", {"interactions": [{"item": 42}]}, "/interactions/0/item"),
                 ("POST", "/v1/admin/items", {"items": [{"id": 42}]}, "/items/0/id"),
                 ("POST", user + "/predictions", {"items": ["i1", 42]}, "/items/1")]
        for method, path, body, pointer in calls:
            with self.subTest(path=path, body=body):
                document = self.assertProblem(self.server.admin(method, path, body), 422, "invalid-value")
                self.assertEqual(document["pointer"], pointer)
                self.assertIn('ids are strings: write "42", with the quotes', document["detail"])


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


def faults(answer, key="errors"):
    """[(pointer, last part of the type)] of a refusal, or of what was left out."""
    return [(e.get("pointer"), e["type"].rsplit(":", 1)[1]) for e in answer.json[key]]


class Skipping(hn.Case):
    def assertFirstFaults(self, answer, parts, n_faults):
        """Each of the parts is named by its first four faults of so many, and nothing is larger than that takes."""
        refused = answer.json["refused"]
        self.assertEqual([e["index"] for e in refused], [i for i in parts for _ in range(4)])
        self.assertEqual([e.get("more") for e in refused], [None, None, None, n_faults - 4] * len(parts))
        self.assertLess(len(answer.body), 1000 * len(parts) + 10000)


class Events(Skipping):
    def post(self, events, token=None, **params):
        return self.server.request("POST", "/v1/events", {"events": events}, params=params, token=token)

    def mixed(self, user):
        """Two good events among bad ones, with the faults of these."""
        good, other = self.world.items[:2]
        events = [{"user": user, "item": good}, {"user": "nobody", "item": good}, {"user": user, "item": "nothing"},
                  {"user": user, "item": good, "weight": 0}, {"user": "nobody", "item": "nothing"}, {"item": 5, "x": 1}, 7,
                  {"user": user, "item": other}]
        return events, [("/events/1/user", "unknown-user"), ("/events/2/item", "unknown-item"),
                        ("/events/3/weight", "invalid-value"), ("/events/4/user", "unknown-user"),
                        ("/events/4/item", "unknown-item"), ("/events/5/x", "invalid-value"),
                        ("/events/5/user", "invalid-value"), ("/events/5/item", "invalid-value"), ("/events/6", "invalid-value")]

    def test_all_faults_of_a_batch_are_named_and_nothing_is_kept(self):
        self.server.register("e1", {})
        before = self.server.rows()
        events, expected = self.mixed("e1")
        answer = self.post(events, create="false")
        document = self.assertProblem(answer, 404, "unknown-user")
        self.assertEqual((faults(answer), document["n_errors"]), (expected, len(expected)))
        self.assertEqual(document["pointer"], "/events/1/user")
        self.assertIn("nothing of the request was kept", document["detail"])
        answer = self.post([{"user": "e1", "item": f"x{i}"} for i in range(300)])
        self.assertEqual(faults(answer), [(f"/events/{i}/item", "unknown-item") for i in range(100)])
        self.assertEqual(answer.json["n_errors"], 300)
        self.assertEqual(self.server.rows(), before)

    def test_skip_keeps_the_rest_and_names_what_is_left_out(self):
        made = self.server.register("e2", {}).json["revision"]
        events, expected = self.mixed("e2")
        answer = self.post(events, on_error="skip", create="false")
        self.assertEqual((answer.status, answer.json["accepted"]), (200, 2), answer)
        self.assertEqual([u["id"] for u in answer.json["users"]], ["e2"])
        self.assertGreater(answer.json["users"][0]["revision"], made)
        self.assertEqual(faults(answer, "refused"), expected)
        self.assertEqual([e["index"] for e in answer.json["refused"]], [1, 2, 3, 4, 4, 5, 5, 5, 6])
        self.assertEqual({x["item"] for x in self.server.user("e2").json["interactions"]}, set(self.world.items[:2]))
        self.assertFalse(set(self.world.items[:2]) & set(self.server.recommend("e2", limit=1000).items))

    def test_of_an_event_with_many_faults_the_first_are_named_and_the_rest_counted(self):
        self.server.register("e4", {})
        odd = dict.fromkeys((f"x{i}" for i in range(30)), 1)
        good = {"user": "e4", "item": self.world.items[0]}
        answer = self.post([odd] * 3000 + [good] + [odd] * 3000, on_error="skip")
        self.assertEqual((answer.status, answer.json["accepted"]), (200, 1), answer.body[:500])
        self.assertFirstFaults(answer, [i for i in range(6001) if i != 3000], 32)

    def test_skip_touches_nobody_whose_events_are_all_left_out(self):
        made = self.server.register("e3", {}).json["revision"]
        before = self.server.rows()
        answer = self.post([{"user": "e3", "item": "nothing"}] * 150, on_error="skip")
        self.assertEqual((answer.json["accepted"], answer.json["users"], len(answer.json["refused"])), (0, [], 150))
        self.assertEqual(self.post([], on_error="skip").json,
                         {"accepted": 0, "older": 0, "users": [], "refused": []})
        self.assertEqual(self.server.user("e3").json["revision"], made)
        self.assertEqual(self.server.rows(), before)

    def test_create_makes_users_and_items(self):
        item = self.world.items[0]
        events = [{"user": "new1", "item": "made1"}, {"user": "new1", "item": item}, {"user": "new2", "item": "made1"}]
        answer = self.post(events, token=self.server.token, create="true")
        self.assertEqual((answer.status, answer.json["accepted"], answer.json["created"]), (200, 3, {"users": 2, "items": 1}), answer)
        answer = self.post(events, token=self.server.token, create="true")
        self.assertEqual(answer.json["created"], {"users": 0, "items": 0})
        for user in ("new1", "new2"):
            got = self.server.recommend(user, limit=1000)
            self.assertEqual(got.status, 200)
            self.assertNotIn("made1", got.items)
        self.assertEqual(self.server.user("new1").json["n_interactions"], 2)
        self.assertIn("made1", self.server.recommend(self.world.users[1], limit=1000).items)
        self.assertEqual(self.server.request("GET", "/v1/items/made1").status, 200)

    def test_create_makes_nothing_where_the_batch_is_refused(self):
        before = self.server.rows()
        answer = self.post([{"user": "new3", "item": "made3"}, {"user": "new3", "item": "made3", "weight": -1}],
                           token=self.server.token, create="true")
        self.assertEqual(faults(answer), [("/events/1/weight", "invalid-value")])
        self.assertEqual(self.server.rows(), before)
        answer = self.post([{"user": "new3", "item": "made3"}, {"user": "new4", "item": "made3", "weight": -1}],
                           token=self.server.token, create="true", on_error="skip")
        self.assertEqual((answer.json["accepted"], answer.json["created"]), (1, {"users": 1, "items": 1}))
        self.assertProblem(self.server.user("new4"), 404, "unknown-user")

    def test_a_visitors_first_click_needs_no_registration(self):
        item = self.world.items[0]
        answer = self.post([{"user": "visitor", "item": item}])
        self.assertEqual((answer.status, answer.json["created"]), (200, {"users": 1, "items": 0}), answer)
        self.assertEqual(self.server.recommend("visitor").status, 200)
        self.assertNotIn(item, self.server.recommend("visitor", limit=1000).items)
        self.assertNotIn("created", self.post([{"user": "visitor", "item": item}]).json)  # as it was before
        before = self.server.rows()
        self.assertProblem(self.post([{"user": "another", "item": item}], create="false"), 404, "unknown-user")
        self.assertProblem(self.post([{"user": "another", "item": item}, {"user": "another", "item": "nothing"}]), 422, "unknown-item")
        self.assertEqual(self.server.rows(), before)

    def test_items_of_events_are_made_by_the_admin_or_where_the_server_says_so(self):
        events = [{"user": "new5", "item": "made5"}]
        self.assertProblem(self.post(events), 422, "unknown-item")
        self.assertProblem(self.post(events, token=self.server.token), 422, "unknown-item")
        refused = self.assertProblem(self.post(events, create="true"), 422, "unknown-item")
        self.assertIn("--events-create", refused["detail"])
        self.assertProblem(self.server.user("new5"), 404, "unknown-user")
        with hn.Server("--events-create") as server:
            answer = server.request("POST", "/v1/events", {"events": events}, params={"create": "true"})
            self.assertEqual((answer.status, answer.json["created"]), (200, {"users": 1, "items": 1}), answer)
            self.assertProblem(server.request("POST", "/v1/events", {"events": [{"user": "new5", "item": "made6"}]}), 422, "unknown-item")

    def test_events_make_so_many_users_a_minute_and_say_when_more_can_be(self):
        item = self.world.items[0]
        with hn.Server("--events-new-users", "2") as server:
            def post(users, token=None, **params):
                return server.request("POST", "/v1/events", {"events": [{"user": u, "item": item} for u in users]}, params=params, token=token)
            before = server.rows()
            refused = post(["a", "b", "a", "c"])
            problem = self.assertProblem(refused, 429, "too-many-new-users")
            self.assertEqual(problem["pointer"], "/events/3/user")
            self.assertTrue(1 <= int(refused.headers["Retry-After"]) <= 60)
            self.assertEqual(server.rows(), before)  # and what was refused took nothing of the two
            answer = post(["a", "b", "c", self.world.users[0]], on_error="skip")
            self.assertEqual((answer.json["accepted"], answer.json["created"]), (3, {"users": 2, "items": 0}), answer)
            self.assertEqual([(e["pointer"], e["type"]) for e in answer.json["refused"]],
                             [("/events/2/user", "urn:hypernet:problem:too-many-new-users")])
            self.assertProblem(server.user("c"), 404, "unknown-user")
            self.assertEqual(post(["a", "b", self.world.users[0]]).status, 200)  # who is there goes on
            self.assertEqual(post(["c", "d", "e"], token=server.token).json["created"], {"users": 3, "items": 0})
            made, not_made = (server.metric("hypernet_users_%s_total" % name) for name in ("made", "not_made"))
            self.assertEqual((made, not_made), (5, 2))
        with hn.Server("--events-new-users", "0") as server:
            answer = server.request("POST", "/v1/events", {"events": [{"user": "new7", "item": item}]})
            self.assertProblem(answer, 404, "unknown-user")
            answer = server.admin("POST", "/v1/events", {"events": [{"user": "new7", "item": item}]})
            self.assertEqual((answer.status, answer.json["created"]["users"]), (200, 1), answer)

    def test_parameters_are_checked(self):
        for params in ({"on_error": "maybe"}, {"create": "yes"}, {"on_error": ""}):
            self.assertProblem(self.post([], **params), 400, "bad-request")


class Registrations(Skipping):
    """Users and items, as JSON and as lines."""

    def post(self, what, parts, lines=False, **params):
        if not lines:
            return self.server.admin("POST", "/v1/admin/" + what, {what: parts}, params=params)
        body = b"\n\n".join(p if isinstance(p, bytes) else json.dumps(p).encode() for p in parts)
        return self.server.admin("POST", "/v1/admin/" + what, body, params=params,
                                 headers={"Content-Type": "application/x-ndjson"})

    def test_users(self):
        item = self.world.items[0]
        parts = [{"id": "u-a", "profile": {"age": "25-34"}},
                 {"id": "u-b", "interactions": [{"item": item}, {"item": "x1"}, {"item": "x2"}]},
                 {"id": 5, "profile": []}, {"id": "u-c", "interactions": [{"item": item, "weight": 0}, {"rating": "x"}]},
                 {"id": "u-d", "interactions": [{"item": item}]}]
        expected = [("/users/1/interactions/1/item", "unknown-item"), ("/users/1/interactions/2/item", "unknown-item"),
                    ("/users/2/id", "invalid-value"), ("/users/2/profile", "invalid-value"),
                    ("/users/3/interactions/0/weight", "invalid-value"), ("/users/3/interactions/1/item", "invalid-value"),
                    ("/users/3/interactions/1/rating", "invalid-value")]
        for lines in (False, True):
            with self.subTest(lines=lines):
                before = self.server.rows()
                answer = self.post("users", parts, lines)
                self.assertProblem(answer, 422, "unknown-item")
                self.assertEqual(faults(answer), expected)
                self.assertEqual(self.server.rows(), before)
                answer = self.post("users", parts, lines, on_error="skip")
                self.assertEqual([u["id"] for u in answer.json["users"]], ["u-a", "u-d"], answer)
                self.assertEqual(faults(answer, "refused"), expected)
                self.assertProblem(self.server.user("u-b"), 404, "unknown-user")
                self.assertEqual(self.server.user("u-d").json["n_interactions"], 1)
                for user in ("u-a", "u-d"):
                    self.server.forget(user)

    def test_items(self):
        parts = [{"id": "i-a", "title": "A"}, {"title": 5, "categories": ["x", "", 7]}, {"id": "i-b", "metadata": 1, "price": 2},
                 {"id": "i-c", "categories": ["x"]}]
        expected = [("/items/1/id", "invalid-value"), ("/items/1/title", "invalid-value"),
                    ("/items/1/categories/1", "invalid-value"), ("/items/1/categories/2", "invalid-value"),
                    ("/items/2/price", "invalid-value"), ("/items/2/metadata", "invalid-value")]
        for lines in (False, True):
            with self.subTest(lines=lines):
                before = self.server.rows()
                answer = self.post("items", parts, lines)
                self.assertProblem(answer, 422, "invalid-value")
                self.assertEqual(faults(answer), expected)
                self.assertEqual(self.server.rows(), before)
                answer = self.post("items", parts, lines, on_error="skip")
                self.assertEqual([i["id"] for i in answer.json["items"]], ["i-a", "i-c"], answer)
                self.assertEqual(faults(answer, "refused"), expected)
                self.assertProblem(self.server.request("GET", "/v1/items/i-b"), 404, "item-not-found")

    def test_of_a_part_with_many_faults_the_first_are_named_and_the_rest_counted(self):
        odd = {"users": {"id": "many", "interactions": [{}] * 100}, "items": {"id": "many", "categories": [0] * 64}}
        for what, n_faults in (("users", 100), ("items", 64)):
            for lines in (False, True):
                with self.subTest(what, lines=lines):
                    parts = [odd[what]] * 700 + [{"id": "m-a"}]
                    answer = self.post(what, parts, lines, on_error="skip")
                    self.assertEqual([p["id"] for p in answer.json[what]], ["m-a"])
                    self.assertFirstFaults(answer, list(range(700)), n_faults)

    def test_what_cannot_be_answered_is_not_kept(self):
        profile = {"y" * 4000: ["x"] * 2000}  # each value is told with the field's name
        parts = [{"id": f"long{i}", "profile": profile} for i in range(10)]
        before = self.server.rows()
        for params in ({}, {"on_error": "skip"}):
            answer = self.post("users", parts + [{"id": "short"}, {"id": 5}][:1 + len(params)], **params)
            self.assertIn("send fewer", self.assertProblem(answer, 413, "too-large")["detail"])
            self.assertEqual(self.server.rows(), before)
        self.assertEqual(self.post("users", parts[:1], on_error="skip").status, 200)
        self.server.forget("long0")

    def test_lines_that_do_not_parse(self):
        for what in ("users", "items"):
            with self.subTest(what):
                parts = [{"id": "l-a"}, b'{"id":', {"id": "l-b"}, b"[", b'{"id": 1e999}']
                answer = self.post(what, parts, True)
                self.assertProblem(answer, 400, "malformed-json")
                self.assertEqual([(e.get("line"), e["type"].rsplit(":", 1)[1]) for e in answer.json["errors"]],
                                 [(3, "malformed-json"), (7, "malformed-json"), (9, "invalid-value")])
                answer = self.post(what, parts, True, on_error="skip")
                self.assertEqual([p["id"] for p in answer.json[what]], ["l-a", "l-b"])
                self.assertEqual([(e["index"], e["line"]) for e in answer.json["refused"]], [(1, 3), (3, 7), (4, 9)])

    def test_one_user_with_many_faults(self):
        answer = self.server.register("o", {"profile": 5, "interactions": [{"item": "x", "weight": 0}, {"item": 5}], "y": 1})
        self.assertEqual(faults(answer), [("/y", "invalid-value"), ("/profile", "invalid-value"),
                                          ("/interactions/0/weight", "invalid-value"), ("/interactions/1/item", "invalid-value")])
        answer = self.server.register("o", {"interactions": [{"item": "x"}, {"item": self.world.items[0]}, {"item": "y"}]})
        self.assertEqual(faults(answer), [("/interactions/0/item", "unknown-item"), ("/interactions/2/item", "unknown-item")])
        answer = self.server.register("o", {"interactions": [{"item": "x"}]}, create="true")
        self.assertEqual((answer.status, self.server.user("o").json["n_interactions"]), (201, 1), answer)

    def test_what_a_lower_layer_refuses_is_left_out_too(self):
        self.server.register("big", {"profile": {"a": "x" * 9000}})
        answer = self.server.admin("PATCH", "/v1/admin/users/big", {"profile": {"b": "y" * 9000}})
        self.assertProblem(answer, 422, "invalid-value")
        self.assertIn("profile would have 18", answer.json["detail"])


if __name__ == "__main__":
    unittest.main()
