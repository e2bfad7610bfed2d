"""POST /v1/recommendations for several contexts as one: what the blend is, what it hides, and what is refused."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

PATH = "/v1/recommendations"


class Blended(hn.Case):
    def ask(self, contexts, **body):
        return self.server.request("POST", PATH, {"contexts": contexts, **body})

    def lists(self, contexts, **body):
        answer = self.ask(contexts, **body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["items"]

    def assertFaults(self, answer, *pointers):
        self.assertProblem(answer, 422, "invalid-value")
        self.assertEqual([fault["pointer"] for fault in answer.json["errors"]], list(pointers), answer)

    def embedding(self, seed):
        chosen = random.Random(seed)
        return [chosen.randrange(-8, 9) / 8 for _ in range(self.world.description["hypernet"]["d_context"])]


class Household(Blended):
    def test_one_context_is_answered_as_its_user(self):
        for user in ("u1", "u2", "u3"):
            for body in ({}, {"exclude_seen": False}, {"categories": ["Comedy"]}):
                expected = self.server.request("POST", PATH, {"user": user, "limit": 50, **body}).json["items"]
                self.assertEqual(self.lists([{"user": user}], limit=50, **body), expected)
                self.assertEqual(self.lists([{"user": user, "weight": 0.3}], limit=50, **body), expected)

    def test_a_user_twice_is_the_user(self):
        for contexts in ([{"user": "u4"}] * 2, [{"user": "u4"}] * 4):
            got, expected = self.lists(contexts, limit=200), self.lists([{"user": "u4"}], limit=200)
            self.assertEqual([item["id"] for item in got], [item["id"] for item in expected])

    def test_the_blend_is_the_mean_by_weights(self):
        a, b = self.embedding(1), self.embedding(2)
        mean = [0.75 * x + 0.25 * y for x, y in zip(a, b)]
        got = self.lists([{"embedding": a, "weight": 3}, {"embedding": b, "weight": 1}], limit=200)
        self.assertEqual(got, self.lists([{"embedding": mean}], limit=200))
        self.assertEqual(got, self.lists([{"embedding": a, "weight": 0.0003}, {"embedding": b, "weight": 0.0001}], limit=200))
        self.assertNotEqual(got, self.lists([{"embedding": a}, {"embedding": b}], limit=200))

    def test_an_embedding_is_answered_as_a_user_registered_with_it(self):
        embedding = self.embedding(3)
        self.assertIn(self.server.register("given", {"embedding": embedding}).status, (200, 201))
        expected = self.server.recommend("given", limit=200).json["items"]
        self.server.forget("given")
        self.assertEqual(self.lists([{"embedding": embedding}], limit=200), expected)

    def test_what_any_of_them_took_is_left_out_and_comes_back_when_asked_for(self):
        users = ["u5", "u6", "u7"]
        taken = {item for user in users for item in self.world.interactions[user]}
        contexts = [{"user": "u5"}, {"user": "u6", "weight": 2}, {"user": "u7", "weight": 0}]
        self.assertEqual({item["id"] for item in self.lists(contexts, limit=1000)}, set(self.world.items) - taken)
        self.assertEqual({item["id"] for item in self.lists(contexts, limit=1000, exclude_seen=False)}, set(self.world.items))

    def test_somebody_of_weight_0_says_nothing_of_scores(self):
        both = self.lists([{"user": "u8"}, {"user": "u9", "weight": 0}], exclude_seen=False, limit=200)
        self.assertEqual(both, self.lists([{"user": "u8"}], exclude_seen=False, limit=200))

    def test_the_last_event_of_each_counts_and_nothing_is_stored(self):
        body = [{"user": "u10"}, {"user": "u11"}]
        first = self.lists(body)
        self.server.event("u11", first[0]["id"])
        self.assertNotIn(first[0]["id"], [item["id"] for item in self.lists(body)])
        rows, entries = self.server.rows(), self.server.metric("cache_entries")
        answer = self.ask(body)
        self.assertEqual((answer.json["user"], answer.json["context_revision"]), (None, None))
        self.assertEqual((self.server.rows(), self.server.metric("cache_entries")), (rows, entries))

    def test_pages_go_on_until_one_of_them_changes(self):
        body = [{"user": "u12"}, {"user": "u13", "weight": 2}]
        whole, items, page = self.lists(body, limit=1000), [], {}
        while True:
            answer = self.ask(body, limit=50, **page).json
            items += answer["items"]
            if "page" not in answer:
                break
            page = {"page": answer["page"]}
        self.assertEqual(items, whole)
        self.server.event("u13", whole[-1]["id"])
        self.assertProblem(self.ask(body, limit=50, **page), 409, "list-gone")

    def test_rules_and_diversity_are_those_of_any_list(self):
        body = [{"user": "u14"}, {"user": "u15"}]
        whole = self.lists(body, limit=1000)
        some = [item["id"] for item in whole[10:20]]
        self.assertEqual(self.lists(body, candidates=some + ["unknown"], limit=20), whole[10:20] + [{"id": "unknown", "score": None, "unknown": True}])
        self.assertEqual(self.lists(body, exclude=[whole[0]["id"]], limit=5), whole[1:6])
        self.assertNotEqual(self.lists(body, diversity=0.8), self.lists(body))


class Refused(Blended):
    def test_more_than_one_way_to_say_for_whom(self):
        self.assertFaults(self.ask([{"user": "u1"}], user="u1"), "/contexts")
        self.assertFaults(self.ask([{"user": "u1"}], users=["u1"]), "/contexts")
        self.assertFaults(self.ask([{"user": "u1"}], profile={}), "/contexts")

    def test_weights_that_are_none(self):
        self.assertFaults(self.ask([{"user": "u1", "weight": -1}, {"user": "u2", "weight": "1"}, {"user": "u2", "weight": 1e7}]),
                          "/contexts/0/weight", "/contexts/1/weight", "/contexts/2/weight")
        self.assertFaults(self.ask([{"user": "u1", "weight": 0}, {"user": "u2", "weight": 0}]), "/contexts")
        for weight in (b"NaN", b"Infinity", b"1e999"):
            answer = self.server.request("POST", PATH, b'{"contexts":[{"user":"u1","weight":%s}]}' % weight)
            self.assertIn(answer.status, (400, 422))

    def test_contexts_that_are_none(self):
        self.assertFaults(self.ask([]), "/contexts")
        self.assertFaults(self.ask("u1"), "/contexts")
        self.assertFaults(self.ask([{"user": "u1"}] * 65), "/contexts")
        self.assertFaults(self.ask([{}, {"user": "u1", "embedding": []}, 5, {"user": 5}, {"embedding": [1]}, {"user": "u1", "x": 1}]),
                          "/contexts/0", "/contexts/1", "/contexts/2", "/contexts/3/user", "/contexts/4/embedding", "/contexts/5/x")
        self.assertFaults(self.ask([{"user": "u1"}], explain=2), "/explain")
        self.assertEqual(self.ask([{"user": "u1"}] * 64).status, 200)

    def test_somebody_unknown_is_named_by_place_or_counts_as_anybody(self):
        answer = self.ask([{"user": "u1"}, {"user": "nobody"}])
        self.assertEqual(self.assertProblem(answer, 404, "unknown-user")["pointer"], "/contexts/1/user")
        self.assertEqual(self.lists([{"user": "nobody"}], cold_start=True, limit=200),
                         self.server.recommend("nobody", cold_start="true", limit=200).json["items"])
        self.assertEqual(self.ask([{"user": "u1"}, {"user": "nobody"}], cold_start=True).status, 200)


if __name__ == "__main__":
    unittest.main()
