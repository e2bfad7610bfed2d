"""Which task is it? Rows of a task that nobody names, compared with all that are known."""
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops
from shops import without


def labelled(rows):
    return [dict(r, busy="yes" if r["units"] > 30 else "no") for r in rows]


def of_classes(rows):
    return [without(r, "units") for r in labelled(rows)]


class Guesses(shops.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tasks = [{"id": s, "support": {"rows": labelled(cls.shops.known(s))}} for s in cls.shops.rows] + [{"id": "empty"}]
        answer = cls.server.admin("POST", "/v1/admin/tasks", {"tasks": tasks})
        assert answer.status == 200, answer

    def guess(self, body, **params):
        return self.server.request("POST", "/v1/tasks/predictions", body, params=params)

    def guessed(self, body, **params):
        answer = self.guess(body, **params)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def test_rows_with_their_targets_find_the_task_they_are_of(self):
        right = 0
        for shop in self.shops.rows:
            told = self.guessed({"rows": self.shops.rows[shop][16:22]})
            self.assertEqual((told["guess"], told["by"], told["complete"], told["compared"]), (True, "likelihood", True, 24))
            self.assertEqual((told["looked_at"], told["of"], "next" in told), (25, 25, False))
            self.assertEqual(len(told["tasks"]), 3)
            scores = [t["score"] for t in told["tasks"]]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertGreater(scores[0], told["prior_score"])
            right += told["tasks"][0]["task"] == shop
        self.assertGreaterEqual(right, 22)

    def test_the_answer_has_the_predictions_of_each_task_as_it_would_be_asked_by_name(self):
        rows = self.shops.rows["s20"][16:]
        told = self.guessed({"rows": rows, "limit": 2, "interval": 0.5, "clamp": False})
        self.assertEqual(len(told["tasks"]), 2)
        for task in told["tasks"]:
            alone = self.predicted(task["task"], {"rows": rows, "interval": 0.5, "clamp": False})
            for key in ("predictions", "context_revision", "source", "known"):
                self.assertEqual(task[key], alone[key])

    def test_probabilities_are_shares_of_all_that_are_compared(self):
        told = self.guessed({"rows": self.shops.rows["s20"][16:17], "limit": 100})
        self.assertEqual(len(told["tasks"]), 24)  # `empty` knows no row
        self.assertAlmostEqual(sum(t["probability"] for t in told["tasks"]), 1, places=4)
        a, b = told["tasks"][:2]
        self.assertAlmostEqual(a["probability"] / b["probability"], math.exp(a["score"] - b["score"]), delta=1e-3 * a["probability"] / b["probability"])

    def test_classes_are_told_by_their_targets_or_by_how_sure_a_task_is(self):
        rows = of_classes(self.shops.rows["s20"][16:])
        told = self.guessed({"rows": rows}, model="busy")
        self.assertEqual((told["by"], told["model"]), ("likelihood", "busy"))
        told = self.guessed({"rows": [without(r, "busy") for r in rows], "limit": 24}, model="busy")
        self.assertEqual(told["by"], "entropy")
        for task in told["tasks"]:
            self.assertNotIn("probability", task)
            mean = sum(p["entropy"] for p in task["predictions"]) / len(rows)
            self.assertAlmostEqual(task["score"], -mean, places=4)

    def test_candidates_may_be_named(self):
        rows = self.shops.rows["s20"][16:]
        told = self.guessed({"rows": rows, "candidates": ["s3", "s5", "empty"]})
        self.assertEqual(({t["task"] for t in told["tasks"]}, told["compared"]), ({"s3", "s5"}, 2))
        answer = self.guess({"rows": rows, "candidates": ["s3", "nobody", "none"]})
        self.assertEqual([e["pointer"] for e in self.assertProblem(answer, 404, "unknown-task")["errors"]], ["/candidates/1", "/candidates/2"])
        self.assertEqual(self.guessed({"rows": rows, "candidates": []})["tasks"], [])

    def test_a_candidate_named_twice_counts_once(self):
        rows = self.shops.rows["s20"][16:]
        once = self.guessed({"rows": rows, "candidates": ["s3", "s5"]})
        self.assertEqual(self.guessed({"rows": rows, "candidates": ["s3", "s5", "s3", "s5", "s3"]}), once)
        answer = self.guess({"rows": rows, "candidates": ["s3", "s3", "nobody", "nobody", "none"]})
        self.assertEqual([e["pointer"] for e in self.assertProblem(answer, 404, "unknown-task")["errors"]], ["/candidates/2", "/candidates/4"])

    def test_rows_may_be_arrays_and_need_no_more_than_the_row_of_a_task(self):
        rows, names = self.shops.rows["s21"][16:], ["units", "deal", "price", "district", "day"]
        as_arrays = self.guessed({"columns": names, "rows": [[r[n] for n in names] for r in rows]})
        self.assertEqual(as_arrays, self.guessed({"rows": rows}))

    def test_what_rows_leave_out_the_profile_of_each_task_says(self):
        rows = [without(r, "district") for r in self.shops.rows["s20"][16:]]
        answer = self.guess({"rows": rows})
        self.assertIn("\"district\"", self.assertProblem(answer, 422, "invalid-value")["detail"])
        for shop in ("s20", "s22"):
            body = {"profile": {"district": "north"}, "support": {"rows": self.shops.known(shop)}}
            self.server.admin("PUT", f"/v1/admin/tasks/with-{shop}", body)
        try:
            told = self.guessed({"rows": rows})
            self.assertEqual([t["task"] for t in told["tasks"]], ["with-s20", "with-s22"])
            self.assertEqual((told["compared"], told["prior_score"]), (2, None))
            whole = self.guessed({"rows": self.shops.rows["s20"][16:], "candidates": ["with-s20", "with-s22"]})
            self.assertEqual(told["tasks"], whole["tasks"])
        finally:
            for shop in ("s20", "s22"):
                self.server.admin("DELETE", f"/v1/admin/tasks/with-{shop}")

    def test_the_tasks_behind_one_are_compared_alone(self):
        rows, order = self.shops.rows["s20"][16:], list(self.shops.rows) + ["empty"]
        for after in ("s0", "s20", "empty"):
            behind = order[order.index(after) + 1:]
            told = self.guessed({"rows": rows, "after": after, "limit": 100})
            self.assertEqual({t["task"] for t in told["tasks"]}, set(behind) - {"empty"})
            self.assertEqual((told["looked_at"], told["of"]), (len(behind), len(behind)))
        answer = self.guess({"rows": rows, "after": "nobody"})
        self.assertEqual(self.assertProblem(answer, 404, "unknown-task")["errors"][0]["pointer"], "/after")
        self.assertEqual(list(self.faults(self.guess({"rows": rows, "after": "s0", "candidates": ["s3"]}))), ["/after"])
        self.assertEqual(list(self.faults(self.guess({"rows": rows, "after": 5}))), ["/after"])

    def test_what_is_cached_stays_as_it_is(self):
        asked = {"rows": self.shops.asked("s20")}
        before = self.predict("s20", asked)
        self.guessed({"rows": self.shops.rows["s20"][16:]})
        again = self.predict("s20", asked)
        self.assertEqual((again.headers["x-hypernet-cache"], again.body), ("hit", before.body))
        self.assertEqual(self.server.request("GET", "/v1/tasks/predictions").status, 404)  # a task may have this name

    def test_every_fault_is_named_by_its_place(self):
        row = self.shops.rows["s20"][16]

        def refused(body, **params):
            return list(self.faults(self.guess(body, **params)))

        self.assertEqual(refused({"rows": []}), ["/rows"])
        self.assertEqual(refused({}), ["/rows"])
        self.assertEqual(refused({"rows": [row], "limit": 0, "candidates": [5, ""], "interval": 2, "x": 1}),
                         ["/x", "/candidates/0", "/candidates/1", "/limit", "/interval"])
        for limit in (101, 1.5, "3", None, True):
            self.assertEqual(refused({"rows": [row], "limit": limit}), ["/limit"])
        self.assertEqual(refused({"rows": [without(row, "units")]}), ["/rows/0/units"])
        self.assertEqual(refused({"rows": [row, without(row, "units"), dict(row, price="x")]}), ["/rows/1/units", "/rows/2/price"])
        self.assertEqual(refused({"rows": [dict(without(row, "units"), busy="no"), without(row, "units")]}, model="busy"), ["/rows/1/busy"])
        self.assertEqual(refused({"rows": [dict(row, colour=1), 5, [1]]}), ["/rows/0/colour", "/rows/1", "/rows/2"])
        self.assertEqual(refused({"rows": [[1]], "columns": ["what"]}), ["/columns/0"])
        self.assertProblem(self.guess({"rows": [row] * 65}), 413, "too-large")
        self.assertProblem(self.guess({"rows": [row]}, model="none"), 404, "unknown-model")
        self.assertEqual(self.guess({"rows": [row]}, cold_start="true").status, 400)


if __name__ == "__main__":
    unittest.main()
