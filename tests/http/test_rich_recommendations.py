"""POST /v1/recommendations: a user's list as GET has it, candidates, exclusions, least scores, metadata, and what is refused."""
import contextlib
import json
import os
import sqlite3
import sys
import threading
import unittest
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
from test_similar import embeddings

PATH = "/v1/recommendations"


def without_page(answer):
    return {name: value for name, value in answer.json.items() if name != "page"}


class Rich(hn.Case):
    def ask(self, params=None, **body):
        return self.server.request("POST", PATH, body, params=params)

    def assertFaults(self, answer, *pointers):
        self.assertProblem(answer, 422, answer.problem)
        self.assertEqual([fault["pointer"] for fault in answer.json["errors"]], list(pointers), answer)


class OneUser(Rich):
    def test_the_answer_is_that_of_get(self):
        for user, params in (("u1", {}), ("u2", {"limit": 200}), ("u3", {"limit": 7, "offset": 5}), ("u4", {"exclude_seen": False, "limit": 50}),
                             ("u5", {"category": ["Comedy", "No such"]}), ("u6", {"explain": 3, "limit": 5}), ("u7", {"samples": 20, "seed": 3}),
                             ("nobody", {"cold_start": True}), ("u8", {"min_score": 0}), ("u9", {"exclude": self.world.items[:20]})):
            with self.subTest(user=user, params=params):
                body = {"categories" if name == "category" else name: value for name, value in params.items()}
                query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
                got, expected = self.ask(user=user, **body), self.server.recommend(user, **query)
                self.assertEqual((got.status, expected.status), (200, 200), (got, expected))
                self.assertEqual(without_page(got), expected.json)
                self.assertTrue(got.items)

    def test_an_id_with_a_slash_needs_no_encoding(self):
        self.assertEqual(self.server.admin("PUT", "/v1/admin/users/" + quote("a/b", safe=""), {}).status, 201)
        self.assertEqual(self.ask(user="a/b").json["user"], "a/b")

    def test_a_user_is_found_in_the_cache(self):
        self.ask(user="u11")
        self.assertEqual(self.ask(user="u11").headers["x-hypernet-cache"], "hit")

    def test_candidates_are_ranked_and_unknown_ones_come_last(self):
        every = self.server.recommend("u1", limit=1000).json["items"]
        wanted = [every[i]["id"] for i in (50, 3, 120, 3)]
        answer = self.ask(user="u1", candidates=["no/such", wanted[0], wanted[1], "other", wanted[2], wanted[3], "no/such"]).json["items"]
        self.assertEqual(answer, [every[3], every[50], every[120]]
                         + [{"id": name, "score": None, "unknown": True} for name in ("no/such", "other")])

    def test_pages_of_candidates_go_on_into_the_unknown_ones(self):
        ids = [item["id"] for item in self.server.recommend("u1", limit=3).json["items"]]
        body = {"user": "u1", "candidates": ["x", "y", *ids, "z"]}
        whole = self.ask(**body).items
        self.assertEqual(whole, [*ids, "x", "y", "z"])
        for offset in range(8):
            for limit in (1, 2, 4):
                self.assertEqual(self.ask(**body, offset=offset, limit=limit).items, whole[offset:offset + limit])

    def test_what_was_seen_is_left_out_of_candidates_unless_it_is_asked_for(self):
        seen = list(self.world.interactions["u1"])
        self.assertEqual(self.ask(user="u1", candidates=seen).items, [])
        self.assertEqual(sorted(self.ask(user="u1", candidates=seen, exclude_seen=False, limit=1000).items), sorted(seen))

    def test_candidates_are_narrowed_by_categories(self):
        got = self.ask(user="u1", candidates=self.world.items, categories=["Comedy"], limit=1000).json["items"]
        self.assertEqual(got, self.server.recommend("u1", category="Comedy", limit=1000).json["items"])

    def test_a_deleted_candidate_is_unknown(self):
        self.assertEqual(self.server.admin("PUT", "/v1/admin/items/gone", {"title": "Gone"}).status, 201)
        self.server.admin("DELETE", "/v1/admin/items/gone")
        hn.eventually(lambda: self.ask(user="u1", candidates=["gone"]).json["items"] == [{"id": "gone", "score": None, "unknown": True}], "its end")

    def test_no_candidate_is_no_item(self):
        self.assertEqual(self.ask(user="u1", candidates=[]).items, [])

    def test_excluded_items_are_not_listed(self):
        every = self.server.recommend("u2", limit=1000).items
        out = every[:5] + every[9:10] + ["no such item"]
        left = [item for item in every if item not in out]
        self.assertEqual(self.ask(user="u2", exclude=out, limit=1000).items, left)
        self.assertEqual(self.server.recommend("u2", exclude=out, limit=1000).items, left)
        comedies = self.server.recommend("u2", limit=1000, category="Comedy").items
        self.assertEqual(self.server.recommend("u2", exclude=comedies[:1], limit=1000, category="Comedy").items, comedies[1:])
        self.assertEqual(self.ask(user="u2", candidates=every[:3] + ["x", "y"], exclude=[every[0], "x"]).items, every[1:3] + ["y"])

    def test_items_have_the_least_score_that_is_asked_for(self):
        every = self.server.recommend("u3", limit=1000).json["items"]
        least = every[9]["score"]
        expected = [item for item in every if item["score"] >= least]
        self.assertEqual(self.ask(user="u3", min_score=least, limit=1000).json["items"], expected)
        self.assertEqual(self.server.recommend("u3", min_score=repr(least), limit=1000).json["items"], expected)
        self.assertEqual(self.ask(user="u3", min_score=every[0]["score"] + 1, candidates=[every[0]["id"], "unknown"]).items, [])

    def test_chosen_fields_come_back_as_metadata(self):
        item, metadata = self.world.items[0], {"year": 1999, "a/b": {"c": [1, None]}, "price": 1.5}
        self.assertEqual(self.server.admin("PATCH", "/v1/admin/items/" + quote(item, safe=""), {"metadata": metadata}).status, 200)
        body = {"user": "u1", "candidates": [item, self.world.items[1]], "exclude_seen": False}
        for fields, expected in ((["price", "a/b", "none"], {"price": 1.5, "a/b": metadata["a/b"]}), ([], {}), (["year"], {"year": 1999})):
            answer = {found["id"]: found for found in self.ask(**body, fields=fields).json["items"]}
            self.assertEqual((answer[item]["metadata"], answer[self.world.items[1]]["metadata"]), (expected, {}))
        self.assertNotIn("metadata", self.ask(**body).json["items"][0])

    def test_a_field_that_is_named_twice_comes_once(self):
        item = self.world.items[2]
        self.assertEqual(self.server.admin("PATCH", "/v1/admin/items/" + quote(item, safe=""), {"metadata": {"a": 1, "b": 2}}).status, 200)
        answer = self.ask(user="u1", candidates=[item], exclude_seen=False, fields=["b", "a", "b", "a"])
        self.assertIn(b'"metadata":{"b":2,"a":1}', answer.body)

    def test_an_unknown_user_is_none(self):
        answer = self.ask(user="nobody")
        self.assertProblem(answer, 404, "unknown-user")
        self.assertEqual(answer.json["pointer"], "/user")
        self.assertProblem(self.ask(user="u1", params={"model": "none"}), 404, "unknown-model")


class ManyUsers(Rich):
    def test_each_has_the_answer_that_he_has_alone_in_the_order_asked(self):
        users = ["u9", "u1", "nobody", "u9", "u300", "u2"]
        body = {"limit": 7, "exclude": self.world.items[:9], "candidates": self.world.items[:90] + ["x"]}
        answer = self.ask(users=users, **body)
        self.assertEqual((answer.status, list(answer.json)), (200, ["results"]), answer)
        for user, result in zip(users, answer.json["results"], strict=True):
            alone = self.ask(user=user, **body).json
            if user == "nobody":
                self.assertEqual((result["status"], result["type"]), (404, "urn:hypernet:problem:unknown-user"))
                self.assertIn("nobody", result["detail"])
            else:
                self.assertEqual(result, alone)
        self.assertEqual(self.ask(users=[]).json, {"results": []})

    def test_who_is_unknown_is_answered_from_the_prior_where_that_is_asked_for(self):
        known, unknown = self.ask(users=["u1", "nobody"], cold_start=True).json["results"]
        self.assertNotIn("cold", known)
        self.assertEqual(unknown, self.ask(user="nobody", cold_start=True).json)

    def test_whose_record_is_damaged_has_a_problem_of_his_own(self):
        store = self.world.copy_store()
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            db.execute("UPDATE users SET profile = ? WHERE id = 'u5'", (json.dumps({"note": "z" * 15000}),))
            db.execute("DELETE FROM contexts WHERE id = 'u5'")
            page = db.execute("PRAGMA page_size").fetchone()[0]
        with open(store, "r+b") as f:
            data = f.read()
            at = next(i for i in range(0, len(data), page) if data[i + 4:i + page] == b"z" * (page - 4))
            f.seek(at)
            f.write(b"\x7f\xff\xff\xff")  # the page on which the profile goes on: there is none
        with hn.Server(store=store) as server:
            answer = server.request("POST", PATH, {"users": ["u4", "u5", "u6"], "limit": 3})
            self.assertEqual(answer.status, 200, answer)
            before, damaged, after = answer.json["results"]
            self.assertEqual((damaged["status"], damaged["type"]), (500, "urn:hypernet:problem:store-failed"))
            self.assertNotIn("SQL", damaged["detail"])
            self.assertEqual([before, after], [self.ask(user=user, limit=3).json | {"page": result["page"]}
                                               for user, result in (("u4", before), ("u6", after))])

    def test_an_item_that_comes_meanwhile_stays_excluded(self):
        """Lists of one category, whose only item comes and goes while they are made."""
        self.server = hn.Server("--cache-bytes", 0)
        self.addCleanup(self.server.stop)
        over = threading.Event()

        def change():
            with self.server.client(self.server.token) as client:
                while not over.is_set():
                    client.request("PUT", "/v1/admin/items/fresh", {"categories": ["Fresh"]})
                    client.request("DELETE", "/v1/admin/items/fresh")

        changing = threading.Thread(target=change)
        changing.start()
        try:
            body = {"exclude": ["fresh"], "categories": ["Fresh"], "exclude_seen": False}
            for i in range(12):
                for result in self.ask(users=[f"u{i + 1}" for i in range(256)], **body).json["results"]:
                    self.assertEqual(result["items"], [])
                self.assertEqual(self.ask(user="u1", **body, candidates=["fresh"]).items, [])
                self.assertEqual(self.server.recommend("u1", exclude="fresh", category="Fresh").items, [])
        finally:
            over.set()
            changing.join()

    def test_256_users_and_no_more(self):
        users = [f"u{i % 300 + 1}" for i in range(256)]
        self.assertEqual([result["user"] for result in self.ask(users=users).json["results"]], users)
        self.assertFaults(self.ask(users=users + ["u1"]), "/users")
        self.assertFaults(self.ask(users=["u1", 5, ""], explain=1), "/users/1", "/users/2", "/explain")


class Long(Rich):
    """Answers that many connections may have at once."""

    def test_lists_are_8_mib_together(self):
        body = {"candidates": [f"{i:0250}" for i in range(950)], "limit": 1000}
        answer = self.ask(users=["u1"] * 25, **body)
        self.assertEqual(answer.status, 200)
        self.assertGreater(len(answer.body), 6 << 20)
        for n in (40, 200):
            answer = self.ask(users=["u1"] * n, **body)
            self.assertProblem(answer, 413, "too-large")
            self.assertIn("fewer users", answer.json["detail"])

    def test_metadata_is_of_a_thousand_items_and_8_mib(self):
        self.server = hn.Server()
        self.addCleanup(self.server.stop)
        long = [{"id": f"long{i}", "metadata": {"text": "x" * 60000, "year": i}} for i in range(150)]
        for i in range(0, 150, 50):
            self.assertEqual(self.server.admin("POST", "/v1/admin/items", {"items": long[i:i + 50]}).status, 200)
        body = {"user": "u1", "candidates": [item["id"] for item in long], "exclude_seen": False, "limit": 150}
        hn.eventually(lambda: all("unknown" not in item for item in self.ask(**body).json["items"]), "the new items")
        self.assertProblem(self.ask(**body, fields=["text"]), 413, "too-large")
        two = {name: value for name, value in body.items() if name != "user"} | {"users": ["u1", "u2"], "limit": 75}
        self.assertProblem(self.ask(**two, fields=["text"]), 413, "too-large")
        self.assertEqual([len(result["items"]) for result in self.ask(**two, fields=["year"]).json["results"]], [75, 75])
        self.assertEqual(self.ask(user="u1", limit=1000, fields=["year"]).status, 200)
        self.assertEqual(self.ask(users=["u1"] * 100, fields=["year"]).status, 200)
        self.assertFaults(self.ask(users=["u1"] * 101, fields=["year"]), "/fields")
        self.assertFaults(self.ask(users=["u1", "u2"], limit=501, fields=[]), "/fields")

    def test_they_count_with_the_bodies(self):
        with hn.Server("--max-body-bytes", 1 << 20, "--max-body-memory", 1 << 20) as server:
            def status_of(users):
                return server.request("POST", PATH, {"users": ["u1"] * users, "limit": 100}).status
            for _ in range(2):
                self.assertEqual(status_of(200), 503)
                hn.eventually(lambda: status_of(20) == 200, "the memory of an answer that was refused or read")
            hn.eventually(lambda: server.request("POST", PATH, {"user": "u1", "limit": 100}).status == 200, "the memory of an answer that was read")


class Passing(Rich):
    def test_a_session_is_answered_as_somebody_registered_with_it_and_leaves_nothing(self):
        interactions = [{"item": item, "timestamp": 100 + i, "weight": 1 + i % 3} for i, item in enumerate(self.world.items[20:70])]
        interactions.append({"item": self.world.items[25], "timestamp": 50, "weight": 9})  # older than what there is of it
        body = {"profile": {"age": "25-34"}, "interactions": interactions}
        for part in (body, {"interactions": interactions}, {"profile": body["profile"]}, {"interactions": []}):
            self.assertIn(self.server.register("twin", part | {"interactions": part.get("interactions", [])}).status, (200, 201))
            expected = self.server.recommend("twin", limit=50, explain=3).json
            self.server.forget("twin")
            users, cached = self.server.query("SELECT count(*) FROM users"), self.server.metric("hypernet_cache_entries")
            answer = self.ask(**part, limit=50, explain=3)
            self.assertEqual(answer.json["items"], expected["items"])
            self.assertEqual((answer.json["user"], answer.json["context_revision"]), (None, None))
            self.assertNotIn("x-hypernet-cache", answer.headers)
            self.assertEqual((self.server.query("SELECT count(*) FROM users"), self.server.metric("hypernet_cache_entries")), (users, cached))

    def test_items_that_nobody_knows_are_passed_over(self):
        some = [{"item": item, "timestamp": 5} for item in self.world.items[:3]]
        self.assertEqual(without_page(self.ask(interactions=some + [{"item": "never heard of"}])), without_page(self.ask(interactions=some)))

    def test_faults_are_those_of_a_registration(self):
        self.assertFaults(self.ask(profile=5, interactions=[{"item": 3}, {"weight": 1}, {"item": "a", "weight": -1}, "a", {"item": "a", "x": 1}]),
                          "/profile", "/interactions/0/item", "/interactions/1/item", "/interactions/2/weight", "/interactions/3", "/interactions/4/x")
        self.assertFaults(self.ask(interactions=[{"item": "x"}] * 10001), "/interactions")
        self.assertFaults(self.ask(profile={"x": "y" * 20000}), "/profile")
        self.assertFaults(self.ask(user="u1", users=["u1"], profile={}, interactions=[]), "/users", "/profile", "/interactions")
        self.assertFaults(self.ask(users=["u1"], interactions=[]), "/interactions")


class Diversity(Rich):
    def expected(self, user, share, n):
        """Maximal marginal relevance over the whole list, which the window has room for."""
        rows = embeddings(self.world.model)
        left, taken = self.server.recommend(user, limit=1000).json["items"], []
        best, span = left[0]["score"], left[0]["score"] - left[-1]["score"]

        def unit(item):
            length = sum(x * x for x in rows[item]) ** 0.5
            return [x / length for x in rows[item]]

        units = {item["id"]: unit(item["id"]) for item in left}
        nearest = {item: -1 for item in units}
        while len(taken) < n:
            pick = max(left, key=lambda item: (1 - share) * (1 - (best - item["score"]) / span) - share * (nearest[item["id"]] if taken else 0))
            left.remove(pick)
            taken.append(pick)
            for item in left:
                nearest[item["id"]] = max(nearest[item["id"]], sum(a * b for a, b in zip(units[pick["id"]], units[item["id"]])))
        return taken

    def test_the_order_is_that_of_maximal_marginal_relevance(self):
        for share in (0.3, 0.7, 1):
            self.assertEqual(self.ask(user="u1", diversity=share, limit=20).json["items"], self.expected("u1", share, 20), share)
        self.assertEqual(self.ask(user="u1", diversity=0).json, self.ask(user="u1").json | {"page": self.ask(user="u1", diversity=0).json["page"]})
        self.assertNotEqual(self.ask(user="u1", diversity=0.7).items, self.ask(user="u1").items)

    def test_pages_of_a_diverse_list_are_one_list(self):
        whole = self.ask(user="u2", diversity=0.5, limit=60).json["items"]
        items, page = [], {}
        while len(items) < 60:
            answer = self.ask(user="u2", diversity=0.5, limit=15, **page).json
            items, page = items + answer["items"], {"page": answer["page"]}
            self.server.event("u2", whole[-1]["id"])
        self.assertEqual(items, whole)

    def test_what_is_refused(self):
        for diversity in (-0.1, 1.1, "1", None):
            self.assertFaults(self.ask(user="u1", diversity=diversity), "/diversity")
        self.assertFaults(self.ask(user="u1", diversity=0.5, limit=500, offset=501), "/offset")


class Pages(Rich):
    def pages(self, between=lambda n: None, **body):
        """Items of all pages of a list; `between` is called after each."""
        items, page = [], {}
        while True:
            answer = self.ask(**body, **page)
            self.assertEqual(answer.status, 200, answer)
            items += answer.json["items"]
            if "page" not in answer.json:
                return items
            self.assertTrue(answer.json["items"])
            between(items)
            page = {"page": answer.json["page"]}

    def test_pages_are_one_list(self):
        for user, body in (("u1", {}), ("u2", {"exclude_seen": False, "categories": ["Comedy", "Drama"]}), ("u3", {"min_score": 0}),
                           ("u4", {"candidates": self.world.items[:50] + ["x", "y", "z"], "exclude": ["y"]}), ("nobody", {"cold_start": True}),
                           ("u5", {"offset": 0})):
            whole = self.ask(user=user, **body, limit=1000).json
            self.assertNotIn("page", whole)
            for limit in (7, 50, 1000):
                self.assertEqual(self.pages(user=user, **body, limit=limit), whole["items"])
        session = {"interactions": [{"item": item, "timestamp": 1} for item in self.world.items[:5]]}
        self.assertEqual(self.pages(**session, limit=30), self.ask(**session, limit=1000).json["items"])

    def test_events_between_pages_change_nothing_of_the_list(self):
        whole = self.server.recommend("u21", limit=1000).json["items"]

        def take_what_comes(items):
            left = [item["id"] for item in whole[len(items):]]
            for item in left[:2] + left[-1:]:
                self.assertEqual(self.server.event("u21", item).status, 200)

        self.assertEqual(self.pages(take_what_comes, user="u21", limit=30), whole)
        self.assertNotEqual(self.server.recommend("u21", limit=1000).json["items"], whole)

    def test_items_that_come_move_and_go_between_pages_cost_no_other_item_and_none_comes_twice(self):
        self.server = hn.Server()  # the others' lists stay as they are
        self.addCleanup(self.server.stop)
        self.server.admin("PUT", "/v1/admin/items/moves", {"categories": ["Comedy"]})
        self.server.admin("PUT", "/v1/admin/items/goes", {"categories": ["Comedy"]})
        hn.eventually(lambda: {"moves", "goes"} <= set(self.ask(user="u22", limit=1000).items), "the new items")
        whole = set(self.ask(user="u22", limit=1000).items)

        def change(items):
            n = len(items)
            self.server.admin("PUT", f"/v1/admin/items/came{n}", {"categories": ["Comedy"]})
            self.server.admin("DELETE", "/v1/admin/items/goes")
            self.server.event(f"u{30 + n}", "moves")
            hn.eventually(lambda: f"came{n}" in self.ask(user="u23", limit=1000, categories=["Comedy"]).items, "the new item")

        items = [item["id"] for item in self.pages(change, user="u22", limit=40)]
        self.assertEqual(len(items), len(set(items)))
        self.assertEqual(whole - {"goes"} - set(items), set())

    def test_an_offset_passes_over_items_for_all_pages(self):
        whole = self.ask(user="u6", limit=1000).json["items"]
        first = self.ask(user="u6", limit=5, offset=3).json
        self.assertEqual(first["items"] + self.ask(user="u6", limit=5, page=first["page"]).json["items"], whole[3:13])
        self.assertFaults(self.ask(user="u6", limit=5, offset=3, page=first["page"]), "/page")

    def test_users_of_one_call_have_pages_of_their_own(self):
        for result in self.ask(users=["u7", "u8"], limit=5).json["results"]:
            whole = self.server.recommend(result["user"], limit=10).json["items"]
            self.assertEqual(result["items"] + self.ask(user=result["user"], limit=5, page=result["page"]).json["items"], whole)
        self.assertFaults(self.ask(users=["u7"], page=result["page"]), "/page")

    def test_a_token_is_of_its_list_and_nobody_can_make_one(self):
        token = self.ask(user="u9", candidates=self.world.items, limit=5).json["page"]
        self.assertEqual(self.ask(user="u9", candidates=self.world.items, limit=5, fields=["x"], page=token).status, 200)
        for body in ({"user": "u10"}, {"user": "u9", "exclude": ["a"]}, {"user": "u9", "min_score": 0}, {"interactions": []},
                     {"user": "u9", "candidates": self.world.items[1:]}, {"user": "u9", "exclude_seen": False}):
            self.assertFaults(self.ask(**({"candidates": self.world.items} | body), page=token), "/page")
        broken = [token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1:] for i in range(len(token))]
        for bad in broken + ["", "A", token[:-1], token + "A", token + "=", token + " ", token[1:], "\u00e4" * 40, 5, None, [], "A" * 200000]:
            self.assertFaults(self.ask(user="u9", candidates=self.world.items, page=bad), "/page")

    def test_another_server_refuses_the_token(self):
        token = self.ask(user="u9", limit=5).json["page"]
        with hn.Server() as other:
            self.assertProblem(other.request("POST", PATH, {"user": "u9", "limit": 5, "page": token}), 422, "invalid-value")

    def test_who_is_forgotten_has_no_next_page_and_who_changed_none_where_nothing_is_kept(self):
        self.assertEqual(self.server.register("brief", {"interactions": [{"item": self.world.items[0]}]}).status, 201)
        token = self.ask(user="brief", limit=5).json["page"]
        self.server.forget("brief")
        self.assertProblem(self.ask(user="brief", limit=5, page=token), 404, "unknown-user")
        self.server.register("brief", {"interactions": [{"item": self.world.items[0]}]})
        self.assertProblem(self.ask(user="brief", limit=5, page=token), 409, "list-gone")
        with hn.Server("--cache-bytes", "0") as small:
            token = small.request("POST", PATH, {"user": "u9", "limit": 5}).json["page"]
            self.assertEqual(small.request("POST", PATH, {"user": "u9", "limit": 5, "page": token}).status, 200)
            small.event("u9", self.world.items[3])
            self.assertProblem(small.request("POST", PATH, {"user": "u9", "limit": 5, "page": token}), 409, "list-gone")

    def test_a_list_of_the_prior_goes_on_after_its_user_came(self):
        first = self.ask(user="late", cold_start=True, limit=5).json
        self.server.register("late", {"interactions": [{"item": first["items"][0]["id"]}]})
        second = self.ask(user="late", cold_start=True, limit=5, page=first["page"]).json
        self.assertEqual((first["items"] + second["items"], second["cold"]), (self.ask(user="nobody", cold_start=True).json["items"], True))


class Refusals(Rich):
    def test_all_faults_of_a_body_are_named(self):
        self.assertFaults(self.ask(user=5, limit=0, candidates=["a", 7, ""], exclude=[None], min_score="1", fields=["", "x", 3], explain=11, limt=1),
                          "/limt", "/limit", "/explain", "/user", "/fields/0", "/fields/2", "/min_score", "/exclude/0", "/candidates/1", "/candidates/2")

    def test_values_out_of_range(self):
        for body in ({"limit": 1001}, {"limit": 1.5}, {"limit": True}, {"offset": -1}, {"offset": 100001}, {"exclude_seen": "true"}, {"cold_start": 1},
                     {"explain": 0}, {"samples": 1}, {"samples": 1001}, {"seed": -1}, {"min_score": 1e31}, {"min_score": None}, {"categories": "Comedy"},
                     {"categories": ["x"] * 17}, {"fields": ["x"] * 65}, {"fields": "year"}, {"candidates": ["x"] * 10001}, {"candidates": {}},
                     {"exclude": ["x"] * 10001}, {"exclude": ["x" * 257]}):
            with self.subTest(body=str(body)[:60]):
                answer = self.ask(user="u1", **body)
                self.assertProblem(answer, 422, "invalid-value")
                self.assertTrue(answer.json["pointer"].startswith("/" + next(iter(body))), answer)
        self.assertFaults(self.ask(user="u1", limit=101, explain=1), "/limit")
        self.assertFaults(self.ask(user="u1", limit=101, samples=5), "/limit")

    def test_bodies_that_are_none(self):
        for body in (None, [], "u1", 5):
            self.assertProblem(self.server.request("POST", PATH, body, headers={"Content-Type": "application/json"}), 400 if body is None else 422,
                               "malformed-json" if body is None else "invalid-value")
        self.assertFaults(self.ask(), "/user")
        self.assertProblem(self.ask(user="u1", params={"limit": 5}), 400, "bad-request")

    def test_parameters_of_get(self):
        for params in ({"min_score": "x"}, {"min_score": ""}, {"min_score": "nan"}, {"exclude": ""}, {"exclude": "x" * 257}):
            self.assertProblem(self.server.recommend("u1", **params), 400, "bad-request")


if __name__ == "__main__":
    unittest.main()
