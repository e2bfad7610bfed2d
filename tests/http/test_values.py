"""One rule for each value that is stored: what the tables refuse the calls refuse too, what is on a limit is served and trained,
and what a store holds from before there were limits stops nobody."""
import contextlib
import os
import sqlite3
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

# each: the value in a table, the same in JSON, and whether it passes
WEIGHTS = [("1e6", 1e6, True), ("1e-6", 1e-6, True), ("1000001", 1000001, False), ("1e300", 1e300, False), ("1e-320", 1e-320, False),
           ("1e-7", 1e-7, False), ("0", 0, False), ("-1", -1, False)]
RATINGS = [("-1e6", -1e6, True), ("1e6", 1e6, True), ("1e-320", 1e-320, True), ("1e7", 1e7, False), ("-1e300", -1e300, False)]
TIMES = [("0", 0, True), ("1700000000", 1700000000, True), ("1700000000000", 1700000000000, True), ("2023-11-14", "2023-11-14", True),
         ("1700000000123456789", 1700000000123456789, True), ("1577836800000000", 1577836800000000, True),
         ("2023-11-14T22:13:20+01:00", "2023-11-14T22:13:20+01:00", True), ("9223372036854775807", 2**63 - 1, False),
         ("-9223372036854775808", -2**63, False), ("1579000000000", 1579000000000, True), ("90000000000", 90000000000, False),
         ("9000000000000", 9000000000000, False), ("-5", -5, False), ("2023-11-14 22:13:20.25 UTC", "2023-11-14 22:13:20.25 UTC", True),
         ("Tue Nov 14 2023 22:13:20 GMT+0000 (UTC)",) * 2 + (True,), ("14/11/2023", "14/11/2023", False), ("2299-01-01", "2299-01-01", False)]


class OneDoor(hn.Case):
    def imported(self, column, value):
        """Whether a table with this value passes, and the row that it left."""
        folder = hn.temporary_folder()
        path, store = f"{folder}/x.csv", f"{folder}/x.db"
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"user,item,{column}\nu,i,{value}\n")
        done = hn.run("import", "--store", store, "--interactions", path, check=False)
        if done.returncode:
            self.assertIn("x.csv:2: ", done.err)
            self.assertFalse(os.path.exists(store))
            return False, None
        with contextlib.closing(sqlite3.connect(store)) as db:
            return True, db.execute(f"SELECT {column} FROM interactions").fetchone()[0]

    def sent(self, column, value, call):
        item = self.world.items[0]
        if call == "event":
            self.server.register("door", {"interactions": []})
            answer = self.server.request("POST", "/v1/events", {"events": [{"user": "door", "item": item, column: value}]})
        else:
            answer = self.server.register("door", {"interactions": [{"item": item, column: value}]})
        if answer.status == 422:
            self.assertIn(f"/{column}", answer.json["pointer"])
            return False, None
        self.assertIn(answer.status, (200, 201), answer)
        got = self.server.recommend("door")
        self.assertEqual(got.status, 200, got)
        return True, self.server.user("door").json["interactions"][0].get(column)

    def test_a_text_that_was_meant_as_a_number_is_told_how_to_be_one(self):
        item = self.world.items[0]
        for column, text, said in (("weight", "3,5", ": a decimal comma; write 3.5, without the quotes"),
                                   ("rating", "1.299,00", ": a decimal comma; write 1299.00, without the quotes"),
                                   ("weight", "5 EUR", ": a currency; write 5, without the quotes"),
                                   ("weight", "3.5", "; write 3.5, without the quotes"), ("rating", "four", ""),
                                   ("timestamp", "1700000000", "; write 1700000000, without the quotes")):
            with self.subTest(column=column, text=text):
                answer = self.server.request("POST", "/v1/events", {"events": [{"user": self.world.users[0], "item": item, column: text}]})
                self.assertEqual((answer.status, answer.json["pointer"]), (422, f"/events/0/{column}"))
                wanted = "a number, or a text in ISO 8601" if column == "timestamp" else "a number"
                self.assertEqual(answer.json["errors"][0]["detail"], f"expected {wanted}, got a string{said}")
        answer = self.server.register("commas", {"embedding": ["1,5"] * self.world.description["hypernet"]["d_context"]})
        self.assertIn("got a string: a decimal comma; write 1.5, without the quotes", answer.json["detail"])

    def test_tables_events_and_registrations_pass_and_refuse_the_same(self):
        for column, cases in (("weight", WEIGHTS), ("rating", RATINGS), ("timestamp", TIMES)):
            for text, value, good in cases:
                with self.subTest(column=column, value=text):
                    passed, stored = self.imported(column, text)
                    self.assertEqual(passed, good)
                    for call in ("event", "registration"):
                        passed, served = self.sent(column, value, call)
                        self.assertEqual(passed, good, call)
                        if good:
                            self.assertAlmostEqual(served, stored, delta=1e-6 * abs(stored), msg=call)

    def test_embeddings_and_inputs_on_the_limit_are_answered_and_beyond_it_refused(self):
        spec = self.world.description["hypernet"]
        for sign in (1, -1):
            e = [sign * 1e6 * (-1) ** i for i in range(spec["d_context"])]
            self.assertIn(self.server.register("far", {"embedding": e}).status, (200, 201))
            self.assertEqual(self.server.recommend("far", limit=200).status, 200)
            answer = self.server.request("POST", "/v1/users/far/predictions", {"inputs": [[sign * 1e6] * spec["d_item"]]})
            self.assertEqual(answer.status, 200, answer)
        for value in (1e38, -1e38, 1000001):
            e = [0.5] * (spec["d_context"] - 1) + [value]
            self.assertProblem(self.server.register("far", {"embedding": e}), 422, "invalid-value")
            inputs = {"inputs": [[0.5] * (spec["d_item"] - 1) + [value]]}
            self.assertProblem(self.server.request("POST", "/v1/users/far/predictions", inputs), 422, "invalid-value")
        self.assertEqual(self.server.recommend("far").status, 200)


class Times(hn.Case):
    def test_a_later_event_that_is_older_than_what_is_there_is_counted(self):
        item = self.world.items[0]
        self.server.register("t1", {})
        for stamp, older in ((1700000000, 0), (1600000000, 1), ("2020-01-01", 1), (1700000000, 0), (1700000001000, 0)):
            answer = self.server.event("t1", item, timestamp=stamp, rating=3)
            self.assertEqual((answer.json["accepted"], answer.json["older"]), (1, older), stamp)
        self.assertEqual(self.server.user("t1").json["interactions"][0]["timestamp"], 1700000001)

    def test_an_event_without_a_time_is_newer_than_one_of_its_call_whose_clock_is_ahead(self):
        """Clocks differ: a time may be up to a day ahead, and what comes behind it without a time happened later all the same."""
        ahead = int(time.time()) + 3600
        first, second, third = self.world.items[:3]
        for user, n_users in (("t2", 1), ("t3", 300)):  # a small call and one whose contexts are made after it
            self.server.register(user, {})
            others = [f"{user}-{i}" for i in range(n_users - 1)]
            events = [{"user": user, "item": first, "timestamp": ahead}, {"user": user, "item": second},
                      {"user": user, "item": third, "timestamp": ahead - 7200}] + [{"user": u, "item": first} for u in others]
            answer = self.server.admin("POST", "/v1/events?create=true", {"events": events})
            self.assertEqual((answer.status, answer.json["older"]), (200, 0), answer)
            got = [(x["item"], x["timestamp"]) for x in self.server.user(user).json["interactions"]]
            self.assertEqual(got, [(second, ahead), (first, ahead), (third, ahead - 7200)])

    def test_an_event_without_a_time_is_the_newest_even_after_milliseconds_of_old(self):
        store = self.world.copy_store()
        now_ms = int(time.time() * 1000)
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            db.execute("UPDATE interactions SET timestamp = ?", (now_ms,))
        with hn.Server(store=store) as server:
            fresh = next(i for i in self.world.items if i not in self.world.interactions["u1"])
            known = self.world.interactions["u2"][0]
            for user, item in (("u1", fresh), ("u2", known)):
                self.assertEqual(server.event(user, item, rating=2).json["older"], 0)
                newest = server.user(user).json["interactions"][0]
                self.assertEqual((newest["item"], newest["rating"]), (item, 2))


class FromBefore(hn.Case):
    """Rows that came in before there were limits, as an older program could leave them."""

    def old_store(self, sql, *values):
        store = self.world.copy_store()
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            db.execute(sql, values)
        return store

    def one_row(self, column, value, user="u1"):
        return self.old_store(f"UPDATE interactions SET {column} = ? WHERE (user_key, item_key) IN (SELECT user_key, min(item_key) "
                              "FROM interactions JOIN users USING (user_key) WHERE id = ? GROUP BY user_key)", value, user)

    def test_such_a_row_is_served_and_fails_nobody_else(self):
        for column, value in (("weight", 1e300), ("weight", 5e-324), ("rating", 1e300), ("timestamp", 2**63 - 1)):
            with self.subTest(column=column, value=value):
                store = self.one_row(column, value)
                with contextlib.closing(sqlite3.connect(store)) as db, db:
                    db.execute("DELETE FROM contexts")
                with hn.Server(store=store) as server:
                    self.assertEqual(server.recommend("u1").status, 200)
                    events = [{"user": u, "item": self.world.items[3]} for u in ("u1", "u2")]
                    answer = server.request("POST", "/v1/events", {"events": events})
                    self.assertEqual((answer.status, answer.json["older"]), (200, 0), answer)
                    self.assertEqual(server.recommend("u1").status, 200)

    def test_a_given_embedding_of_old_is_served(self):
        d = self.world.description["hypernet"]["d_context"]
        store = self.world.copy_store()
        with hn.Server(store=store) as server:
            self.assertEqual(server.register("big", {"embedding": [0.5] * d}).status, 201)
            server.stop()
        import struct
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            db.execute("UPDATE contexts SET embedding = ? WHERE id = 'big'", (struct.pack(f"<{d}f", *[1e38] * d),))
        with hn.Server(store=store) as server:
            self.assertEqual(server.recommend("big").status, 200)

    def test_training_names_the_row_first_and_ends_well(self):
        for column, value, said in (("weight", 1e300, "weight 1e+300"), ("rating", -1e300, "rating -1e+300"),
                                    ("timestamp", 1700000000000, "1700000000000")):
            for objective in ("ranking", "rating"):
                with self.subTest(column=column, objective=objective):
                    store, out = self.one_row(column, value), self.world.path("old.hn")
                    done = hn.run("train", "--store", store, "--out", out, "--epochs", 1, "--dim", 8, "--objective", objective)
                    first = next(line for line in done.err.splitlines() if "warning" in line)
                    for part in ("warning: 1 interaction has", "user 'u1'", "item 'i", said):
                        self.assertIn(part, first)

    def test_weights_from_one_limit_to_the_other_train_and_serve(self):
        store = self.old_store("UPDATE interactions SET weight = CASE (user_key + item_key) % 3 WHEN 0 THEN 1e-6 WHEN 1 THEN 1 "
                               "ELSE 1e6 END, rating = CASE item_key % 2 WHEN 0 THEN 1e6 ELSE -1e6 END")
        out = self.world.path("limits.hn")
        done = hn.run("train", "--store", store, "--out", out, "--epochs", 1, "--dim", 8)
        self.assertNotIn("warning", done.err)
        with hn.Server(store=store, models=[out]) as server:
            for user in self.world.users[:20]:
                self.assertEqual(server.recommend(user).status, 200)


if __name__ == "__main__":
    unittest.main()
