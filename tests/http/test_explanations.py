"""Explanations that are true: what an entry is said to have added is what the score loses without it."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

MOST = 10  # reasons an item
PROFILE = {"age": "25-34", "region": "north", "work": "science", "unknown": "to the model", "shoe": [42, None, "wide"]}


class Explanations(hn.Case):
    def setUp(self):
        self.history = [{"item": item, "weight": 1 + i % 2, "timestamp": 1700000000 + i}
                        for i, item in enumerate(self.world.items[3:40:6])]
        self.server.register("x", {"profile": PROFILE, "interactions": self.history})

    def scores(self, user):
        answer = self.server.request("POST", f"/v1/users/{user}/predictions", {"items": self.world.items})
        return {p["id"]: p["score"] for p in answer.json["predictions"]}

    def without(self, reason):
        """The scores of a second user who lacks what the reason names."""
        history, profile = self.history, dict(PROFILE)
        if reason["kind"] == "interaction":
            history = [x for x in history if x["item"] != reason["item"]]
            self.assertEqual(len(history), len(self.history) - 1)
        else:
            self.assertEqual(profile.pop(reason["field"]), reason["value"])
        self.assertIn(self.server.register("y", {"profile": profile, "interactions": history}).status, (200, 201))
        return self.scores("y")

    def entries(self):
        return [{"kind": "interaction", "item": x["item"]} for x in self.history] + [
            {"kind": "profile", "field": f, "value": v} for f, v in PROFILE.items() if isinstance(v, str)]

    def test_the_score_falls_by_the_effect_without_the_entry(self):
        kinds = set()
        answer = self.server.recommend("x", explain=MOST, limit=20)
        self.assertEqual(answer.status, 200, answer)
        for item in answer.json["items"]:
            self.assertTrue(item["because"], item)
        for kind in ("interaction", "profile"):
            best = max(((r, item) for item in answer.json["items"] for r in item["because"] if r["kind"] == kind),
                       key=lambda pair: pair[0]["effect"])
            reason, item = best
            kinds.add(reason["kind"])
            fallen = item["score"] - self.without(reason)[item["id"]]
            self.assertGreater(fallen, 0)
            self.assertLessEqual(abs(fallen - reason["effect"]), 1e-5 * max(1, abs(item["score"])), (reason, item))
        self.assertEqual(kinds, {"interaction", "profile"})

    def test_the_reasons_are_those_of_largest_effect(self):
        """Every entry left out in turn, by registering a user who lacks it, gives the same list."""
        answer = self.server.recommend("x", explain=MOST, limit=5).json["items"]
        lacking = [(entry, self.without(entry)) for entry in self.entries()]
        for item in answer:
            effects = {json.dumps(entry, sort_keys=True): item["score"] - scores[item["id"]]
                       for entry, scores in lacking}
            near = 1e-5 * max(1, abs(item["score"]))
            told = [json.dumps({k: v for k, v in r.items() if k not in ("title", "effect")}, sort_keys=True)
                    for r in item["because"]]
            for name, reason in zip(told, item["because"]):
                self.assertLessEqual(abs(effects[name] - reason["effect"]), near, (name, item["id"]))
            self.assertEqual(len(set(told)), len(told))
            listed = [r["effect"] for r in item["because"]]
            self.assertEqual(listed, sorted(listed, reverse=True))
            self.assertGreater(listed[-1], 0)
            least = listed[-1] if len(listed) == MOST else 0
            for name, effect in effects.items():
                self.assertTrue(name in told or effect <= least + near, (name, effect, item))

    def test_the_number_asked_for_is_the_most(self):
        everything = self.server.recommend("x", explain=MOST).json
        for most in (1, 2, 5):
            answer = self.server.recommend("x", explain=most).json
            for item, full in zip(answer["items"], everything["items"]):
                self.assertEqual(item["because"], full["because"][:most])

    def test_the_rest_of_the_answer_is_the_same(self):
        for params in ({}, {"limit": 100}, {"offset": 7, "limit": 3}, {"exclude_seen": "false"}, {"category": "Drama"},
                       {"offset": 100000}):
            explained = self.server.recommend("x", explain=3, **params).json
            for item in explained["items"]:
                del item["because"]
            plain = self.server.recommend("x", **params)
            self.assertEqual(explained, plain.json)
            self.assertNotIn("because", plain.body.decode())

    def test_titles_are_given(self):
        titles = {item["id"]: item["title"]
                  for item in self.server.recommend("x", limit=1000, exclude_seen="false").json["items"]}
        told = [r for item in self.server.recommend("x", explain=MOST).json["items"] for r in item["because"]
                if r["kind"] == "interaction"]
        self.assertTrue(told)
        for reason in told:
            self.assertEqual(reason["title"], titles[reason["item"]])

    def test_the_next_explanation_knows_of_an_event(self):
        self.server.register("z", {"interactions": self.history})
        before = self.server.recommend("z", explain=MOST, limit=100).json
        new = before["items"][0]["id"]  # near to his tastes, so that it raises others
        self.server.event("z", new, timestamp=1750000000)
        after = self.server.recommend("z", explain=MOST, limit=100).json
        self.assertGreater(after["context_revision"], before["context_revision"])
        told = [{r["item"] for item in answer["items"] for r in item["because"]} for answer in (before, after)]
        self.assertTrue(told[0] <= {x["item"] for x in self.history})
        self.assertNotIn(new, told[0])
        self.assertIn(new, told[1])

    def test_who_has_nothing_to_leave_out_has_no_reasons(self):
        width = self.world.description["hypernet"]["d_context"]
        self.server.register("e", {"embedding": [0.25] * width, "interactions": self.history, "profile": PROFILE})
        self.server.register("n", {})
        for answer in (self.server.recommend("e", explain=3), self.server.recommend("n", explain=3),
                       self.server.recommend("nobody", explain=3, cold_start="true")):
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual([item["because"] for item in answer.json["items"]], [[]] * 10)

    def test_a_long_history_is_explained(self):
        history = [{"item": item, "timestamp": 1700000000 + i} for i, item in enumerate(self.world.items[:190])]
        self.server.register("long", {"interactions": history})
        answer = self.server.recommend("long", explain=MOST)
        self.assertEqual((answer.status, len(answer.json["items"])), (200, 10), answer)
        for item in answer.json["items"]:
            self.assertEqual(len(item["because"]), MOST)

    def test_what_cannot_be_explained_is_refused(self):
        for bad in ("0", "11", "-1", "x", "", "1.5", "1e0", " 1", "99999999999"):
            document = self.assertProblem(self.server.recommend("x", explain=bad), 400, "bad-request")
            self.assertIn("explain", document["detail"])
        document = self.assertProblem(self.server.recommend("x", explain=1, limit=101), 400, "bad-request")
        self.assertIn("limit", document["detail"])
        self.assertProblem(self.server.recommend("nobody", explain=1), 404, "unknown-user")
        self.assertEqual(self.server.recommend("x", explain=1, limit=100).status, 200)

    def test_the_command_line_gives_the_same_reasons(self):
        answer = self.server.recommend("x", explain=4, limit=3)
        args = ["recommend", "--store", self.server.store, "--model", self.world.model, "--user", "x", "--limit", 3,
                "--explain", 4]
        self.assertEqual(hn.run(*args, "--json").out.encode(), answer.body)
        table = hn.run(*args).out
        for item in answer.json["items"]:
            for reason in item["because"]:
                name = reason.get("title") or f"{reason['field']} is {reason['value']}"
                self.assertRegex(table, rf"\+{reason['effect']:.4f} +because .*{name}")
        for bad in (["--explain", -1], ["--explain", 11], ["--limit", 101]):
            self.assertEqual(hn.run(*args, *bad, check=False).returncode, 2, bad)
        cold = hn.run("recommend", "--store", self.server.store, "--model", self.world.model, "--user", "nobody",
                      "--cold-start", "--explain", 2, "--json")
        self.assertEqual(json.loads(cold.out)["items"][0]["because"], [])

    def test_a_request_without_explain_makes_no_more_weights(self):
        self.server.recommend("x")
        made, hits = self.server.metric("weights_made_total"), self.server.metric("cache_hits_total")
        self.assertEqual(self.server.recommend("x").headers["x-hypernet-cache"], "hit")
        self.assertEqual(self.server.metric("weights_made_total"), made)
        self.assertEqual(self.server.metric("cache_hits_total"), hits + 1)


if __name__ == "__main__":
    unittest.main()
