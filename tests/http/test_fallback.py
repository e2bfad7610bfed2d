"""POST /v1/recommendations with fallback: what fills a list that is too short, for whom nothing is known, and what is refused."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn


class Fallback(hn.Case):
    def ask(self, **body):
        return self.server.request("POST", "/v1/recommendations", body)

    def everybodys(self, sort, **params):
        return [(item["id"], item["score"]) for item in self.server.request("GET", "/v1/items", params={"sort": sort, "limit": 1000, **params}).json["items"]]

    def said(self, answer):
        self.assertEqual(answer.status, 200, answer)
        return [(item["id"], item["source"]) for item in answer.json["items"]]

    def test_whoever_is_unknown_gets_what_everybody_takes(self):
        answer = self.ask(user="nobody", fallback=["trending", "popular"], limit=300)
        trending = self.everybodys("trending")
        popular = [pair for pair in self.everybodys("popular") if pair[0] not in dict(trending)]
        self.assertTrue(trending)
        self.assertEqual(self.said(answer), [(item, "trending") for item, _ in trending] + [(item, "popular") for item, _ in popular])
        self.assertEqual([item["score"] for item in answer.json["items"]], [score for _, score in trending + popular])
        self.assertEqual((answer.json["cold"], "page" in answer.json), (True, False))
        self.assertEqual(self.said(self.ask(user="nobody", fallback=["popular"], limit=3)), [(item, "popular") for item, _ in self.everybodys("popular")[:3]])

    def test_a_short_list_is_filled_without_what_was_seen_excluded_or_listed(self):
        whole = self.ask(user="u1", limit=1000).json["items"]
        least, seen = whole[3]["score"], set(self.world.interactions["u1"])
        first = [item["id"] for item in whole if item["score"] >= least]
        left = [item for item, _ in self.everybodys("popular") if item not in seen and item not in first]
        body = {"user": "u1", "min_score": least, "fallback": ["popular"], "exclude": left[:2]}
        expected = [(item, "personal") for item in first] + [(item, "popular") for item in left[2:12 - len(first)]]
        self.assertEqual(self.said(self.ask(**body, limit=10)), expected)
        self.assertEqual(self.said(self.ask(**body, limit=2)), expected[:2])

    def test_a_list_that_is_long_enough_is_what_it_was(self):
        plain, filled = (self.ask(user="u2", **body).json["items"] for body in ({}, {"fallback": ["popular"]}))
        self.assertEqual([dict(item, source="personal") for item in plain], filled)

    def test_categories_and_filters_hold_for_all_of_it(self):
        got = self.ask(user="nobody", fallback=["popular"], categories=["Comedy"], limit=1000).json["items"]
        self.assertEqual([item["id"] for item in got], [item for item, _ in self.everybodys("popular", category="Comedy")])

    def test_each_of_many_users_has_his_own_and_a_cold_start_comes_first(self):
        known, unknown = self.ask(users=["u3", "nobody"], fallback=["popular"], limit=5).json["results"]
        self.assertEqual({item["source"] for item in known["items"]}, {"personal"})
        self.assertEqual({item["source"] for item in unknown["items"]}, {"popular"})
        cold = self.ask(user="nobody", fallback=["popular"], cold_start=True, limit=5)
        self.assertEqual(self.said(cold), [(item, "personal") for item in self.server.recommend("nobody", cold_start="true", limit=5).items])

    def test_what_is_refused(self):
        for body, pointer in (({"fallback": ["best"]}, "/fallback/0"), ({"fallback": ["popular", "popular"]}, "/fallback/1"), ({"fallback": [5]}, "/fallback/0"),
                              ({"fallback": "popular"}, "/fallback"), ({"fallback": ["popular", "trending", "popular"]}, "/fallback/2"), ({"fallback": ["popular"] * 4}, "/fallback"),
                              ({"fallback": ["popular"], "candidates": []}, "/fallback"), ({"fallback": ["popular"], "offset": 1}, "/fallback"),
                              ({"fallback": ["popular"], "explain": 1}, "/fallback")):
            answer = self.ask(user="u1", **body)
            self.assertProblem(answer, 422, "invalid-value")
            self.assertEqual(answer.json["pointer"], pointer)
        self.assertProblem(self.ask(user="nobody", fallback=[]), 404, "unknown-user")


if __name__ == "__main__":
    unittest.main()
