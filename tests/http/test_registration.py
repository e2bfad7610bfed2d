"""Users that come, change, leave and outlive a kill: /v1/admin/users and /v1/events."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

ALL = {"limit": 1000}


def bought(*items, start=1700000000):
    return {"interactions": [{"item": item, "rating": 4, "timestamp": start + i} for i, item in enumerate(items)]}


class Registration(hn.Case):
    use_other_model = True

    def test_a_user_registered_again_is_replaced(self):
        w = self.world
        first = self.server.register("r1", bought(*w.items[:5]))
        self.assertEqual(first.status, 201, first)
        self.assertEqual((first.json["id"], first.json["result"], first.json["source"]),
                         ("r1", "registered", "interactions"))
        before = self.server.recommend("r1", **ALL)
        self.assertEqual(before.json["context_revision"], first.json["revision"])
        second = self.server.register("r1", bought(*w.items[5:9]))
        self.assertEqual((second.status, second.json["result"]), (200, "replaced"), second)
        self.assertGreater(second.json["revision"], first.json["revision"])
        after = self.server.recommend("r1", **ALL)
        self.assertEqual(after.headers["x-hypernet-cache"], "miss")
        self.assertEqual(after.json["context_revision"], second.json["revision"])
        self.assertNotEqual(after.json["items"], before.json["items"])
        # what it replaced is gone: the first items are no longer seen, the second ones are
        self.assertLessEqual(set(w.items[:5]), set(after.items))
        self.assertFalse(set(w.items[5:9]) & set(after.items))
        known = self.server.user("r1").json
        self.assertEqual(known["n_interactions"], 4)
        self.assertEqual([x["item"] for x in known["interactions"]], w.items[8:4:-1])  # newest first
        self.assertEqual(known["interactions"][0], {"item": w.items[8], "kind": "interaction", "count": 1, "weight": 1, "rating": 4,
                                                    "timestamp": 1700000003, "first": 1700000003, "last": 1700000003})

    def test_replacing_drops_the_profile_and_the_embedding(self):
        width = self.world.description["hypernet"]["d_context"]
        self.server.register("r2", {"profile": {"age": "25-34"}, "embedding": [0.5] * width})
        self.assertEqual(self.server.user("r2").json["source"], "embedding")
        self.server.register("r2", {})
        known = self.server.user("r2").json
        self.assertEqual((known["source"], known["profile"], known["n_interactions"]), ("prior", None, 0))
        cold = self.server.recommend("nobody", cold_start="true")
        self.assertEqual(self.server.recommend("r2").json["items"], cold.json["items"])

    def test_the_source_is_the_best_that_is_known(self):
        width = self.world.description["hypernet"]["d_context"]
        item, profile = self.world.items[0], {"age": "25-34", "region": "north"}
        cases = {
            "prior": [{}, {"interactions": []}],
            "profile": [{"profile": profile}, {"profile": profile, "interactions": []}],
            "interactions": [bought(item), dict(bought(item), profile=profile)],
            "embedding": [{"embedding": [0.1] * width}, dict(bought(item), embedding=[0.1] * width, profile=profile)],
        }
        for source, bodies in cases.items():
            for body in bodies:
                with self.subTest(source=source, body=sorted(body)):
                    self.assertEqual(self.server.register("r3", body).json["source"], source)
                    self.assertEqual(self.server.user("r3").json["source"], source)
                    self.assertEqual(self.server.user("r3").json["profile"], body.get("profile"))

    def test_profile_and_interactions_matter(self):
        answers = set()
        for body in ({}, {"profile": {"age": "under 18"}}, {"profile": {"age": "65 and over"}},
                     bought(self.world.items[0]), bought(self.world.items[1])):
            self.server.register("r4", body)
            answer = self.server.recommend("r4", exclude_seen="false", **ALL)
            answers.add(json.dumps(answer.json["items"]))
        self.assertEqual(len(answers), 5)

    def test_profile_of_any_shape_is_kept(self):
        profile = {"age": "25-34", "likes": ["a", 1, 2.5, True, None, {"deep": [1, {"er": "\u4e2d"}]}], "n": -0.0,
                   "": "empty", "big": 2**53, "text": "\"\\\u0001\u20ac\U0001f600"}
        self.assertEqual(self.server.register("r5", {"profile": profile}).status, 201)
        self.assertEqual(self.server.user("r5").json["profile"], profile)

    def test_a_given_embedding_decides_the_answer(self):
        spec = self.world.description["hypernet"]
        one = [((i * 7919) % 101 - 50) / 50 for i in range(spec["d_context"])]
        self.assertEqual(self.server.register("r6", {"embedding": one}).status, 201)
        answer = self.server.recommend("r6", exclude_seen="false", **ALL)
        self.assertEqual(answer.status, 200, answer)
        other = self.server.register("r7", {"embedding": one[::-1]})
        self.assertEqual(other.json["source"], "embedding")
        self.assertNotEqual(self.server.recommend("r7", exclude_seen="false", **ALL).json["items"],
                            answer.json["items"])
        self.server.register("r7", {"embedding": one})
        self.assertEqual(self.server.recommend("r7", exclude_seen="false", **ALL).json["items"], answer.json["items"])
        # an event does not change a given embedding, but what is seen and the revision
        made = self.server.event("r7", self.world.items[3]).json["users"][0]["revision"]
        after = self.server.recommend("r7", **ALL)
        self.assertEqual(after.json["context_revision"], made)
        self.assertEqual(after.json["items"],
                         [item for item in answer.json["items"] if item["id"] != self.world.items[3]])

    def test_an_embedding_is_one_model_s(self):
        other = json.loads(hn.run("inspect", self.world.other_model, "--json").out)["hypernet"]["d_context"]
        made = self.server.register("r8", {"embedding": [0.25] * other}, model="other")
        self.assertEqual((made.status, made.json["source"]), (201, "embedding"), made)
        self.assertEqual(self.server.user("r8", model="other").json["source"], "embedding")
        self.assertEqual(self.server.user("r8").json["source"], "prior")
        for model in ("default", "other"):
            self.assertEqual(self.server.recommend("r8", model=model).status, 200)

    def test_the_same_content_has_the_same_scores(self):
        body = dict(bought(*self.world.items[20:26]), profile={"age": "25-34"})
        for user in ("r9", "r10"):
            self.server.register(user, body)
        self.assertEqual(self.server.recommend("r9", **ALL).json["items"],
                         self.server.recommend("r10", **ALL).json["items"])

    def test_a_deleted_user_is_forgotten(self):
        item = self.world.items[0]
        made = self.server.register("r11", dict(bought(item), profile={"age": "25-34"})).json
        self.assertEqual(self.server.recommend("r11").status, 200)  # now cached
        gone = self.server.forget("r11")
        self.assertEqual((gone.status, gone.body), (204, b""))
        self.assertProblem(self.server.recommend("r11"), 404, "unknown-user")
        self.assertProblem(self.server.recommend("r11", model="other"), 404, "unknown-user")
        self.assertProblem(self.server.user("r11"), 404, "unknown-user")
        self.assertProblem(self.server.forget("r11"), 404, "unknown-user")
        event = {"events": [{"user": "r11", "item": item}]}
        self.assertProblem(self.server.request("POST", "/v1/events?create=false", event), 404, "unknown-user")
        for table in ("users", "contexts"):
            self.assertEqual(self.server.query(f"SELECT count(*) FROM {table} WHERE id = 'r11'"), [(0,)])
        self.assertEqual(self.server.query("SELECT count(*) FROM interactions WHERE user_key NOT IN "
                                           "(SELECT user_key FROM users)"), [(0,)])
        again = self.server.register("r11", {}).json
        self.assertEqual(again["result"], "registered")
        self.assertGreater(again["revision"], made["revision"])
        self.assertEqual(self.server.user("r11").json["n_interactions"], 0)

    def test_an_imported_user_can_be_deleted(self):
        self.assertEqual(self.server.forget("u299").status, 204)
        self.assertProblem(self.server.recommend("u299"), 404, "unknown-user")


class Many(hn.Case):
    def post(self, users, lines=False, **rest):
        if not lines:
            return self.server.admin("POST", "/v1/admin/users", {"users": users}, **rest)
        body = "\n".join(json.dumps(user) for user in users).encode()
        return self.server.admin("POST", "/v1/admin/users", body, headers={"Content-Type": "application/x-ndjson"},
                                 **rest)

    def test_json_and_lines_register_alike(self):
        for lines in (False, True):
            with self.subTest(lines=lines):
                prefix = "lines" if lines else "json"
                users = [dict(bought(self.world.items[i % 200]), id=f"{prefix}{i}") for i in range(100)]
                self.server.register(f"{prefix}7", {})
                answer = self.post(users, lines)
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual([u["id"] for u in answer.json["users"]], [u["id"] for u in users])
                self.assertEqual([u["result"] for u in answer.json["users"]],
                                 ["replaced" if i == 7 else "registered" for i in range(100)])
                for i in (0, 7, 99):
                    known = self.server.user(f"{prefix}{i}").json
                    self.assertEqual(known["revision"], answer.json["users"][i]["revision"])
                    self.assertEqual(known["interactions"][0]["item"], self.world.items[i % 200])

    def test_line_endings_and_empty_lines_are_no_users(self):
        body = b'\r\n{"id": "e1"}\r\n\n  \t\n{"id": "e2", "profile": {}}\n\n'
        answer = self.server.admin("POST", "/v1/admin/users", body,
                                   headers={"Content-Type": "application/x-ndjson; charset=utf-8"})
        self.assertEqual([u["id"] for u in answer.json["users"]], ["e1", "e2"], answer)

    def test_no_users_are_registered_by_an_empty_body(self):
        self.assertEqual(self.post([]).json, {"users": []})
        empty = self.server.admin("POST", "/v1/admin/users", b"", headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual((empty.status, empty.body), (200, b'{"users":[]}\n'))

    def test_the_same_user_twice_ends_as_the_last(self):
        answer = self.post([dict(bought(self.world.items[0]), id="t1"), dict(bought(self.world.items[1]), id="t1")])
        self.assertEqual([u["result"] for u in answer.json["users"]], ["registered", "replaced"])
        self.assertEqual(self.server.user("t1").json["interactions"][0]["item"], self.world.items[1])

    def test_users_with_a_fault_among_them_are_not_registered(self):
        good = [dict(bought(self.world.items[i]), id=f"n{i}") for i in range(20)]
        faults = [
            ({"id": "bad", "interactions": [{"item": self.world.items[0]}, {"item": "no such item"}]}, 422,
             "unknown-item", "/users/20/interactions/1/item"),
            ({"id": "bad", "interactions": [{"item": self.world.items[0], "weight": -1}]}, 422, "invalid-value",
             "/users/20/interactions/0/weight"),
            ({"id": "bad", "embedding": [1, 2, 3]}, 422, "invalid-value", "/users/20/embedding"),
            ({"id": 5}, 422, "invalid-value", "/users/20/id"),
            ({}, 422, "invalid-value", "/users/20/id"),
            ([], 422, "invalid-value", "/users/20"),
            ({"id": "x" * 257}, 422, "invalid-value", "/users/20/id"),
            ({"id": "bad", "Profile": {}}, 422, "invalid-value", "/users/20/Profile"),
        ]
        before = self.server.rows()
        for lines in (False, True):
            for fault, status, kind, pointer in faults:
                with self.subTest(lines=lines, fault=fault):
                    problem = self.assertProblem(self.post(good + [fault], lines), status, kind)
                    self.assertEqual(problem["pointer"], pointer)
                    self.assertEqual(self.server.user("n0").status, 404)
        self.assertEqual(self.server.rows(), before)

    def test_bad_line_is_named(self):
        body = b'{"id": "m1"}\n\n{"id": "m2"}\n{"id": "m3",}\n{"id": "m4"}\n'
        answer = self.server.admin("POST", "/v1/admin/users", body, headers={"Content-Type": "application/x-ndjson"})
        problem = self.assertProblem(answer, 400, "malformed-json")
        self.assertEqual((problem["line"], problem["column"]), (4, 13))
        self.assertEqual(self.server.user("m1").status, 404)

    def test_more_users_than_a_call_may_have_are_refused(self):
        users = [{"id": f"q{i}"} for i in range(10001)]
        before = self.server.rows()
        for lines in (False, True):
            self.assertProblem(self.post(users, lines), 422, "invalid-value")
        self.assertEqual(self.server.rows(), before)


class Events(hn.Case):
    def test_an_event_changes_the_next_answer(self):
        before = self.server.recommend("u1", **ALL)
        item = before.items[0]
        answer = self.server.event("u1", item, rating=5)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["accepted"], 1)
        (touched,) = answer.json["users"]
        self.assertEqual(touched["id"], "u1")
        self.assertGreater(touched["revision"], before.json["context_revision"])
        after = self.server.recommend("u1", **ALL)
        self.assertEqual(after.headers["x-hypernet-cache"], "miss")
        self.assertEqual(after.json["context_revision"], touched["revision"])
        self.assertNotIn(item, after.items)
        scores = {i["id"]: i["score"] for i in before.json["items"]}
        self.assertTrue(any(i["score"] != scores[i["id"]] for i in after.json["items"]))
        known = self.server.user("u1").json
        self.assertEqual(known["revision"], touched["revision"])
        self.assertEqual(known["interactions"][0]["item"], item)

    def test_an_event_leaves_what_a_registration_with_it_leaves(self):
        items = self.world.items[30:36]
        stamps = [{"item": item, "timestamp": 1700000000 + i} for i, item in enumerate(items)]
        self.server.register("v1", {"interactions": stamps})
        self.server.register("v2", {"interactions": stamps[:2]})
        for x in stamps[2:]:
            self.assertEqual(self.server.event("v2", x["item"], timestamp=x["timestamp"]).status, 200)
        self.assertEqual(self.server.recommend("v1", **ALL).json["items"],
                         self.server.recommend("v2", **ALL).json["items"])

    def test_events_of_many_users_count_for_each(self):
        users = self.world.users[50:60]
        events = [{"user": user, "item": self.world.items[i]} for i in range(5) for user in users]
        answer = self.server.request("POST", "/v1/events", {"events": events})
        self.assertEqual((answer.status, answer.json["accepted"]), (200, 50), answer)
        self.assertEqual(sorted(u["id"] for u in answer.json["users"]), sorted(users))
        for touched in answer.json["users"]:
            got = self.server.recommend(touched["id"], **ALL)
            self.assertEqual(got.json["context_revision"], touched["revision"])
            self.assertFalse(set(self.world.items[:5]) & set(got.items))

    def test_events_with_a_fault_among_them_are_not_taken(self):
        good = [{"user": "u70", "item": self.world.items[i]} for i in range(9)]
        before, known = self.server.rows(), self.server.user("u70").json
        for bad, kind, status, pointer in (
                ({"user": "u70", "item": "no such item"}, "unknown-item", 422, "/events/9/item"),
                ({"user": "no such user", "item": "i1"}, "unknown-user", 404, "/events/9/user"),
                ({"user": "u70", "item": "i1", "weight": 0}, "invalid-value", 422, "/events/9/weight"),
                ({"user": "u70"}, "invalid-value", 422, "/events/9/item")):
            with self.subTest(bad=bad):
                problem = self.assertProblem(self.server.request("POST", "/v1/events?create=false", {"events": good + [bad]}),
                                             status, kind)
                self.assertEqual(problem["pointer"], pointer)
        self.assertEqual(self.server.rows(), before)
        self.assertEqual(self.server.user("u70").json, known)

    def test_no_events_are_accepted_as_such(self):
        answer = self.server.request("POST", "/v1/events", {"events": []})
        self.assertEqual((answer.status, answer.json), (200, {"accepted": 0, "older": 0, "users": []}))

    def test_an_event_of_the_same_item_replaces_the_one_before(self):
        self.server.register("v3", {})
        for i in range(5):
            self.assertEqual(self.server.event("v3", self.world.items[0], timestamp=1700000000 + i,
                                               rating=i + 1).status, 200)
        self.assertEqual(self.server.user("v3").json["n_interactions"], 1)

    def test_events_are_counted(self):
        events = self.server.metric("events_total")
        self.server.request("POST", "/v1/events",
                            {"events": [{"user": "u71", "item": i} for i in self.world.items[:7]]})
        self.assertEqual(self.server.metric("events_total"), events + 7)


class Kill(unittest.TestCase):
    """What was acknowledged outlives kill -9, to the bit."""

    def test_what_was_acknowledged_outlives_a_kill(self):
        w = hn.world()
        width = w.description["hypernet"]["d_context"]
        server = hn.Server()
        users = {
            "k1": bought(*w.items[:5]),
            "k2": {"profile": {"age": "25-34", "work": "science"}},
            "k3": {"embedding": [0.125] * width},
            "k4": {},
        }
        for user, body in users.items():
            self.assertEqual(server.register(user, body).status, 201)
        server.register("k5", {})
        server.forget("k5")
        last = server.event("k1", w.items[9], timestamp=1750000000).json["users"][0]["revision"]
        before = {user: (server.recommend(user, **ALL).body, server.user(user).body) for user in users}
        self.assertEqual(json.loads(before["k1"][1])["revision"], last)
        server.kill()
        with hn.Server(store=server.store) as again:
            for user in users:
                self.assertEqual((again.recommend(user, **ALL).body, again.user(user).body), before[user], user)
            self.assertEqual(again.user("k5").status, 404)
            self.assertGreater(again.register("k6", {}).json["revision"], last)

    def test_killed_at_once_after_the_answer(self):
        w = hn.world()
        store = w.copy_store()
        for i in range(5):
            server = hn.Server(store=store)
            made = server.register(f"k{i}", bought(*w.items[i:i + 3])).json
            server.kill()
            with hn.Server(store=store) as again:
                self.assertEqual(again.user(f"k{i}").json["revision"], made["revision"])
                self.assertEqual(again.recommend(f"k{i}").json["context_revision"], made["revision"])


if __name__ == "__main__":
    unittest.main()
