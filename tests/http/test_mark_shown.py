"""mark_shown: what an answer lists is recorded as events, at once or after a while, at a stop, by whom, and what an answer says that could not be
marked."""
import os
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"
NOT_SHOWN = {"not": {"has_kind": {"kind": "shown", "within_days": 1}}}


class Marks(hn.Case):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        cls.server = hn.Server(models=[cls.world.model])

    def user(self, name):
        self.assertEqual(self.server.register(name, {"interactions": [{"item": self.world.items[0], "timestamp": 10}]}).status, 201)
        return name

    def ask(self, mark, server=None, **body):
        answer = (server or self.server).request("POST", PATH, {"mark_shown": mark, "limit": 3, **body})
        self.assertEqual(answer.status, 200, answer)
        return answer

    def shown(self, user, kind="shown", server=None):
        return {x["item"]: (x["count"], x["last"]) for x in (server or self.server).user(user).json["interactions"] if x["kind"] == kind}

    def test_what_is_listed_is_recorded(self):
        user, before = self.user("m1"), int(time.time())
        answer = self.ask({}, user=user)
        marked = answer.json["marked"]
        self.assertEqual((marked["kind"], marked["items"], marked["waits"]), ("shown", 3, False))
        self.assertNotIn("error", marked)
        self.assertEqual(self.shown(user), {item: (1, marked["at"]) for item in answer.items})
        self.assertLessEqual(before, marked["at"])
        again = self.ask({}, user=user)
        self.assertEqual(again.items, answer.items, "shown neither hides nor moves")
        self.assertEqual({count for count, _ in self.shown(user).values()}, {2})

    def test_what_was_shown_gives_way_to_the_next(self):
        user, got = self.user("m2"), []
        every = self.server.request("POST", PATH, {"user": user, "limit": 12}).items
        for _ in range(4):
            got += self.ask({}, user=user, filter=NOT_SHOWN).items
        self.assertEqual(got, every)

    def test_pages_go_on_with_their_list(self):
        user = self.user("m3")
        every = self.server.request("POST", PATH, {"user": user, "limit": 9}).items
        first = self.ask({}, user=user)
        second = self.ask({}, user=user, page=first.json["page"])
        third = self.server.request("POST", PATH, {"user": user, "limit": 3, "page": second.json["page"]})
        self.assertEqual(first.items + second.items + third.items, every)
        self.assertEqual(set(self.shown(user)), set(every[:6]))

    def test_each_of_a_batch_is_marked_with_his_own(self):
        a, b = self.user("m4"), self.user("m5")
        self.server.event(b, self.world.items[5])
        answer = self.ask({"kind": "view"}, users=[a, "nobody at all", b])
        results = answer.json["results"]
        self.assertEqual((results[1]["status"], answer.json["marked"]["items"]), (404, 6))
        for user, result in ((a, results[0]), (b, results[2])):
            self.assertEqual(set(self.shown(user, "view")), {x["id"] for x in result["items"]})

    def test_other_parts_of_a_call_go_with_it(self):
        user, items = self.user("m6"), self.world.items
        answer = self.ask({}, user=user, candidates=items[3:5] + ["gone"])
        self.assertEqual(set(self.shown(user)), set(items[3:5]), "what no answer has is not marked")
        self.assertEqual(answer.json["marked"]["items"], 2)
        answer = self.ask({}, user=user, explain=1, fields=["year"], categories=["no such"])
        self.assertEqual((answer.items, answer.json["marked"]["items"]), ([], 0))
        answer = self.ask({}, user=user, fallback=["popular"], limit=50, filter={"field": "id", "in": items[10:20]})
        self.assertEqual(set(answer.items) - set(self.shown(user)), set())

    def test_who_is_unknown_gets_his_list_and_is_told(self):
        answer = self.ask({}, user="nobody", cold_start=True)
        self.assertEqual(len(answer.items), 3)
        marked = answer.json["marked"]
        self.assertEqual((marked["items"], marked["error"]), (0, "no user 'nobody'"))
        self.assertEqual(self.server.user("nobody").status, 404)

    def test_a_delay_holds_marks_back(self):
        user = self.user("m7")
        answer = self.ask({"delay": 2}, user=user)
        self.assertEqual((answer.json["marked"]["items"], answer.json["marked"]["waits"]), (3, True))
        if time.time() < answer.json["marked"]["at"] - 1:
            self.assertEqual(self.shown(user), {})
        hn.eventually(lambda: len(self.shown(user)) == 3, "the marks")
        self.assertEqual(self.shown(user), {item: (1, answer.json["marked"]["at"]) for item in answer.items})
        self.assertGreaterEqual(int(time.time()), answer.json["marked"]["at"])

    def test_marks_of_somebody_who_went_meanwhile_are_gone(self):
        user, other = self.user("m8"), self.user("m9")
        self.ask({"delay": 1}, users=[user, other])
        self.assertEqual(self.server.admin("DELETE", "/v1/admin/users/" + user).status, 204)
        hn.eventually(lambda: len(self.shown(other)) == 3, "the marks")
        self.assertEqual(self.server.user(user).status, 404)

    def test_a_stop_writes_what_waits(self):
        with hn.Server(models=[self.world.model]) as server:
            self.server, kept = server, self.server
            try:
                user = self.user("s1")
                items = self.ask({"delay": 86400}, user=user).items
                self.assertEqual(self.shown(user), {})
            finally:
                self.server = kept
            server.stop()
            db = sqlite3.connect(server.store)
            rows = db.execute("SELECT i.id, x.timestamp FROM interactions x JOIN items i USING (item_key) JOIN users u USING (user_key) "
                              "WHERE u.id = 's1' AND x.kind = 5").fetchall()
            db.close()
        self.assertEqual({item for item, _ in rows}, set(items))
        self.assertTrue(all(at <= time.time() for _, at in rows), "it says when it was written")

    def test_what_cannot_be_asked_is_refused(self):
        user = self.user("m10")
        for body, pointer in (({"user": user, "mark_shown": {"kind": "seen it"}}, "/mark_shown/kind"), ({"user": user, "mark_shown": {"kind": 3}}, "/mark_shown/kind"),
                              ({"user": user, "mark_shown": {"delay": -1}}, "/mark_shown/delay"), ({"user": user, "mark_shown": {"delay": 86401}}, "/mark_shown/delay"),
                              ({"user": user, "mark_shown": {"delay": "0s"}}, "/mark_shown/delay"), ({"user": user, "mark_shown": True}, "/mark_shown"),
                              ({"user": user, "mark_shown": {"after": 1}}, "/mark_shown/after"), ({"interactions": [], "mark_shown": {}}, "/mark_shown"),
                              ({"contexts": [{"user": user}], "mark_shown": {}}, "/mark_shown"),
                              ({"users": [user] * 101, "limit": 100, "mark_shown": {}}, "/mark_shown")):
            with self.subTest(body=str(body)[:80]):
                answer = self.server.request("POST", PATH, body)
                self.assertProblem(answer, 422, answer.problem)
                self.assertIn(pointer, [fault["pointer"] for fault in answer.json.get("errors", [{"pointer": answer.json.get("pointer")}])])
        self.assertEqual(self.shown(user), {})

    def test_a_store_that_cannot_be_written_costs_the_mark_and_not_the_list(self):
        user = self.user("m11")
        expected = self.server.request("POST", PATH, {"user": user, "limit": 3}).items
        db = sqlite3.connect(self.server.store, isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        try:
            answer = self.ask({}, user=user)
        finally:
            db.execute("ROLLBACK")
            db.close()
        self.assertEqual(answer.items, expected)
        self.assertEqual((answer.json["marked"]["items"], answer.json["marked"]["waits"]), (0, False))
        self.assertIn("error", answer.json["marked"])
        self.assertEqual(self.shown(user), {})


if __name__ == "__main__":
    unittest.main()
