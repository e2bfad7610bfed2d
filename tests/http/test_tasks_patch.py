"""Tasks in part: PATCH says what changes of a task and leaves the rest; on_error=skip leaves out what is wrong and keeps the rest."""
import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import shops
from shops import without

ADMIN = "/v1/admin/tasks/"
NDJSON = {"Content-Type": "application/x-ndjson"}


class Case(shops.Case):
    def put(self, task, body, **params):
        return self.server.admin("PUT", ADMIN + task, body, params=params)

    def patch(self, task, body, **params):
        return self.server.admin("PATCH", ADMIN + task, body, params=params)

    def examples(self, task, body, token=None, **params):
        return self.server.request("POST", f"/v1/tasks/{task}/examples", body, params=params, token=token)

    def task(self, task, **params):
        return self.server.request("GET", f"/v1/tasks/{task}", params=params)

    def values(self, task, shop):
        return [p["value"] for p in self.predicted(task, {"rows": self.shops.asked(shop)})["predictions"]]


class Patch(Case):
    def test_a_patch_merges_the_profile_and_leaves_the_rest(self):
        self.put("p", {"profile": {"district": "north", "name": "Ada", "more": {"a": 1, "b": 2}}, "support": {"rows": self.shops.known("s20", 8)}})
        before, values = self.task("p").json, self.values("p", "s20")
        answer = self.patch("p", {"profile": {"name": None, "more": {"b": None, "c": 3}, "size": 5}})
        self.assertEqual((answer.status, answer.json["result"], answer.json["known"], answer.json["rows"]), (200, "updated", 8, 8))
        after = self.task("p").json
        self.assertEqual(after["profile"], {"district": "north", "more": {"a": 1, "c": 3}, "size": 5})
        self.assertEqual((after["rows"], after["known"], after["keep_rows"]), (8, 8, True))
        self.assertGreater(after["revision"], before["revision"])
        self.assertEqual(self.values("p", "s20"), values)
        self.patch("p", {"profile": None})
        self.assertEqual(self.task("p").json["profile"], None)
        self.assertEqual(self.patch("p", {}).json["known"], 8)

    def test_the_next_answer_is_of_the_profile_as_it_is_then(self):
        rows = [without(r, "district") for r in self.shops.known("s20")]
        self.put("q", {"profile": {"district": "north"}, "support": {"rows": rows}})
        asked = [without(r, "district") for r in self.shops.asked("s20")]
        north = self.predicted("q", {"rows": asked})
        self.assertEqual(self.patch("q", {"profile": {"district": "south"}}).json["known"], 16)
        south = self.predicted("q", {"rows": asked})
        self.put("q2", {"profile": {"district": "south"}, "support": {"rows": rows}})
        self.assertEqual(south["predictions"], self.predicted("q2", {"rows": asked})["predictions"])
        self.assertNotEqual(south["predictions"], north["predictions"])

    def test_rows_are_replaced_or_taken_away_only_where_it_says_so(self):
        self.put("r", {"profile": {"district": "south"}, "support": {"rows": self.shops.known("s21", 8)}})
        rows = [without(r, "district") for r in self.shops.known("s21", 4)]
        answer = self.patch("r", {"support": {"rows": rows}})  # which the stored profile makes whole
        self.assertEqual((answer.status, answer.json["known"], answer.json["rows"]), (200, 4, 4))
        self.assertIn("loss", answer.json)
        self.assertEqual(self.task("r").json["profile"], {"district": "south"})
        answer = self.patch("r", {"support": None})
        self.assertEqual((answer.json["known"], answer.json["rows"], answer.json["source"]), (0, 0, "profile"))

    def test_a_task_goes_on_keeping_its_rows_or_not(self):
        self.put("k", {"support": {"rows": self.shops.known("s20", 8)}, "keep_rows": False})
        values = self.values("k", "s20")
        answer = self.patch("k", {"profile": {"name": "x"}})
        self.assertEqual((answer.json["known"], answer.json["rows"], answer.json.get("warnings")), (8, 0, None))
        self.assertEqual(self.values("k", "s20"), values)
        answer = self.patch("k", {"support": {"rows": self.shops.known("s20", 4)}})
        self.assertEqual((answer.json["known"], answer.json["rows"]), (4, 0))
        self.assertEqual([w["type"].split(":")[-1] for w in self.patch("k", {"keep_rows": True}).json["warnings"]], ["rows-forgotten"])

    def test_what_is_refused_leaves_no_trace(self):
        self.put("n", {"profile": {"district": "north"}, "support": {"rows": self.shops.known("s20", 4)}})
        before = self.task("n").json
        for body, pointers in (({"profile": {"price": "x", "deal": []}}, {"/profile/price", "/profile/deal"}), ({"profile": 5}, {"/profile"}),
                               ({"keep_rows": None}, {"/keep_rows"}), ({"x": 1, "support": {"rows": [5]}}, {"/x", "/support/rows/0"}),
                               ({"profile": {"x": "y" * 16380}}, {"/profile"}), ([], {""})):
            with self.subTest(body=str(body)[:60]):
                self.assertEqual(set(self.faults(self.patch("n", body))), pointers)
        problem = self.assertProblem(self.patch("nobody", {"profile": {"a": 1}}), 404, "unknown-task")
        self.assertNotIn("create", problem["detail"])
        self.assertProblem(self.server.request("PATCH", ADMIN + "n", {}), 401, "unauthorized")
        self.assertEqual(self.task("n").json, before)
        self.assertEqual(self.task("nobody").status, 404)

    def test_patches_of_several_at_once_all_count(self):
        self.put("many", {})

        def say(i):
            self.assertEqual(self.patch("many", {"profile": {"m%d" % i: i}}).status, 200)

        threads = [threading.Thread(target=say, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.task("many").json["profile"], {"m%d" % i: i for i in range(6)})


class Skip(Case):
    def test_examples_that_are_wrong_are_left_out_with_their_place_and_reason(self):
        good, names = self.shops.known("s20", 3), ["day", "price", "deal", "district", "units"]
        self.put("e", {})
        bad = [good[0], dict(good[1], price="x", units="y"), good[1], 5, dict(good[2], colour=1), good[2]]
        answer = self.examples("e", {"rows": bad}, on_error="skip")
        self.assertEqual((answer.status, answer.json["accepted"], answer.json["rows"], answer.json["known"]), (200, 3, 3, 3))
        self.assertEqual([(f["index"], f["pointer"]) for f in answer.json["refused"]],
                         [(1, "/rows/1/price"), (1, "/rows/1/units"), (3, "/rows/3"), (4, "/rows/4/colour")])
        self.assertTrue(all(f["detail"] for f in answer.json["refused"]))
        arrays = {"columns": names, "rows": [[r[n] for n in names] for r in good[:1]] + [[1]]}
        answer = self.examples("e", arrays, on_error="skip")
        self.assertEqual((answer.json["accepted"], answer.json["rows"]), (1, 4))
        answer = self.examples("e", {"rows": good}, on_error="skip")
        self.assertEqual((answer.json["accepted"], answer.json["refused"]), (3, []))
        self.assertNotIn("refused", self.examples("e", {"rows": good}).json)

    def test_of_a_row_with_many_faults_the_first_are_named_and_the_rest_counted(self):
        good = self.shops.known("s20", 5)
        odd = dict.fromkeys((f"x{i}" for i in range(40)), 1)
        n_faults = len(self.faults(self.examples("many", {"rows": [odd]}, create="true", token=self.server.token)))
        self.assertGreater(n_faults, 40)
        self.put("many", {})
        answer = self.examples("many", {"rows": good + [odd] * 3000}, on_error="skip")
        self.assertEqual((answer.status, answer.json["accepted"], self.task("many").json["rows"]), (200, 5, 5), answer.body[:500])
        self.assertEqual([f["index"] for f in answer.json["refused"]], [i for i in range(5, 3005) for _ in range(4)])
        self.assertEqual([f.get("more") for f in answer.json["refused"]], [None, None, None, n_faults - 4] * 3000)
        tasks = [{"id": "m1", "support": {"rows": good}}, {"id": "m2", "support": {"rows": [odd] * 3000}}]
        answer = self.server.admin("POST", ADMIN[:-1], {"tasks": tasks}, params={"on_error": "skip"})
        self.assertEqual([t["id"] for t in answer.json["tasks"]], ["m1"], answer.body[:500])
        self.assertEqual([(f["index"], f.get("more")) for f in answer.json["refused"]], [(1, None)] * 3 + [(1, 3000 * n_faults - 4)])

    def test_rows_whose_columns_are_wrong_are_refused_with_a_hundred_faults(self):
        self.put("h", {})
        answer = self.examples("h", {"columns": ["price", "x"], "rows": [[]] * 300}, on_error="skip")
        document = self.assertProblem(answer, 422, "invalid-value")
        self.assertEqual((len(document["errors"]), self.task("h").json["rows"]), (100, 0))

    def test_where_no_row_is_left_nothing_changes(self):
        self.put("z", {"support": {"rows": self.shops.known("s20", 4)}})
        before = self.task("z").json
        answer = self.examples("z", {"rows": [{}, 5]}, on_error="skip")
        self.assertEqual((answer.status, answer.json["accepted"], answer.json["revision"], answer.json["known"]), (200, 0, before["revision"], 4))
        self.assertEqual(self.task("z").json, before)
        self.assertProblem(self.examples("nobody", {"rows": [5]}, on_error="skip"), 404, "unknown-task")
        answer = self.server.admin("POST", "/v1/tasks/nobody/examples", {"rows": [5]}, params={"on_error": "skip", "create": "true"})
        self.assertEqual((answer.status, answer.json["accepted"], answer.json["revision"], answer.json["created"]), (200, 0, None, False))
        self.assertEqual(self.task("nobody").status, 404)

    def test_what_is_wrong_with_the_whole_is_a_refusal(self):
        row = self.shops.known("s20", 1)[0]
        self.put("w", {})
        for body, pointers in (({"rows": [row], "x": 1}, {"/x"}), ({"rows": [[1]], "columns": ["what"]}, {"/columns/0"}), ({"rows": 5}, {"/rows"})):
            faults = set(self.faults(self.examples("w", body, on_error="skip")))
            self.assertLessEqual(pointers, faults)
        self.assertEqual(self.task("w").json["rows"], 0)
        self.assertEqual(self.examples("w", {"rows": [row]}, on_error="maybe").status, 400)

    def test_a_task_whose_rows_would_be_lost_is_left_out_of_many(self):
        rows = [without(r, "district") for r in self.shops.known("s20", 4)]
        for task in ("lost0", "lost1"):
            self.put(task, {"profile": {"district": "north"}, "support": {"rows": rows}})
        body = {"tasks": [{"id": "lost0", "keep_rows": False}, {"id": "fine", "support": {"rows": self.shops.known("s20", 2)}},
                          {"id": "lost1", "keep_rows": False}]}
        answer = self.server.admin("POST", "/v1/admin/tasks", body)
        self.assertEqual(set(self.faults(answer)), {"/tasks/0/keep_rows", "/tasks/2/keep_rows"})
        self.assertEqual(self.task("fine").status, 404)
        lines = "\n".join(json.dumps(t) for t in body["tasks"]).encode()
        for sent, headers in ((body, {}), (lines, NDJSON)):
            answer = self.server.admin("POST", "/v1/admin/tasks", sent, params={"on_error": "skip"}, headers=headers)
            self.assertEqual([t["id"] for t in answer.json["tasks"]], ["fine"])
            self.assertEqual([(f["index"], f["pointer"]) for f in answer.json["refused"]], [(0, "/tasks/0/keep_rows"), (2, "/tasks/2/keep_rows")])
        self.assertEqual(self.task("lost0").json["rows"], 4)
        self.assertEqual(set(self.faults(self.put("lost0", {"keep_rows": False}))), {"/keep_rows"})


class Many(Case):
    def many(self, body, **params):
        return self.server.request("POST", "/v1/predictions", body, params=params)

    def test_tasks_that_are_not_known_may_be_answered_with_null(self):
        self.put("s20", {"support": {"rows": self.shops.known("s20", 4)}})
        asked = [{"id": "nobody", "rows": [5]}, {"id": "s20", "rows": self.shops.asked("s20")},
                 {"id": "x", "contexts": [{"id": "s20"}, {"id": "none"}], "rows": []}]
        answer = self.many({"tasks": asked}, unknown="null")
        self.assertEqual((answer.status, answer.json["unknown"]), (200, 2), answer)
        self.assertEqual(answer.json["tasks"][0], {"task": "nobody", "context_revision": None, "predictions": None})
        self.assertEqual(answer.json["tasks"][2], {"task": "x", "context_revision": None, "predictions": None})
        self.assertEqual(answer.json["tasks"][1], self.many({"tasks": asked[1:2]}).json["tasks"][0])
        self.assertNotIn("unknown", self.many({"tasks": asked[1:2]}).json)
        asked[0]["rows"] = self.shops.asked("s20")
        answer = self.many({"tasks": asked}, unknown="null", cold_start="true")
        self.assertEqual((answer.json["unknown"], answer.json["tasks"][0]["cold"]), (0, True))
        self.assertEqual([e["pointer"] for e in self.many({"tasks": asked}).json["errors"]], ["/tasks/0/id", "/tasks/2/contexts/1/id"])
        self.assertEqual(self.many({"tasks": []}, unknown="yes").status, 400)
        self.assertEqual(set(self.faults(self.many({"tasks": [{"id": "s20", "rows": [5]}, asked[0]]}, unknown="null"))), {"/tasks/0/rows/0"})

    def test_each_task_may_be_a_blend_as_alone(self):
        for shop in ("s20", "s21"):
            self.put(shop, {"support": {"rows": self.shops.known(shop)}})
        contexts, rows = [{"id": "s20", "weight": 3}, {"id": "s21"}], self.shops.asked("s20")
        told = self.many({"tasks": [{"id": "s20", "rows": rows}, {"id": "new", "contexts": contexts, "rows": rows}]}).json["tasks"]
        alone = self.predicted("new", {"rows": rows, "contexts": contexts})
        self.assertEqual(told[1], {k: v for k, v in alone.items() if not k.startswith("model")})
        self.assertEqual(told[0]["predictions"], self.predicted("s20", {"rows": rows})["predictions"])
        bad = [{"id": "a", "contexts": [], "rows": []}, {"id": "b", "contexts": [{"id": "s20", "weight": -1}], "rows": []}]
        self.assertEqual(set(self.faults(self.many({"tasks": bad}))), {"/tasks/0/contexts", "/tasks/1/contexts/0/weight"})
        many = [{"id": "m", "contexts": [{"id": "s20"}] * 32, "rows": []}] * 33
        self.assertEqual(set(self.faults(self.many({"tasks": many}))), {"/tasks/32/contexts"})


if __name__ == "__main__":
    unittest.main()
