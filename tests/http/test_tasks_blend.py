"""Tasks blended by weights: what is answered for a shop that is so much like one and so much like another; nothing of it is stored."""
import math
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops
from shops import without


class Blends(shops.Case):
    def setUp(self):
        for shop in ("s20", "s21", "s22"):
            rows = [dict(r, busy="yes" if r["units"] > 30 else "no") for r in self.shops.known(shop)]
            self.assertIn(self.server.admin("PUT", f"/v1/admin/tasks/{shop}", {"support": {"rows": rows}}).status, (200, 201))

    def blend(self, contexts, task="new", **rest):
        more = {k: rest.pop(k) for k in ("samples", "clamp", "rows", "profile") if k in rest}
        return self.predicted(task, dict({"rows": self.shops.asked("s20"), "contexts": contexts}, **more), **rest)

    def alone(self, shop, **rest):
        return self.predicted(shop, {"rows": self.shops.asked("s20"), "clamp": False}, **rest)["predictions"]

    def test_a_value_is_the_weighted_mean_of_the_values(self):
        told = self.blend([{"id": "s20", "weight": 3}, {"id": "s21", "weight": 1}], clamp=False)
        self.assertEqual((told["task"], told["source"], told["known"], told["context_revision"]), ("new", "contexts", 16, None))
        self.assertEqual([(c["id"], c["weight"], c["known"]) for c in told["contexts"]], [("s20", 0.75, 16), ("s21", 0.25, 16)])
        for p, a, b in zip(told["predictions"], self.alone("s20"), self.alone("s21")):
            self.assertAlmostEqual(p["value"], 0.75 * a["value"] + 0.25 * b["value"], places=3)

    def test_the_interval_holds_how_far_the_tasks_differ(self):
        half = [{"id": "s20"}, {"id": "s21"}]
        told = self.blend(half, clamp=False)
        self.assertEqual([c["weight"] for c in told["contexts"]], [0.5, 0.5])
        for p, a, b in zip(told["predictions"], self.alone("s20"), self.alone("s21")):
            apart = abs(a["value"] - b["value"]) / 2
            self.assertGreater(p["deviation"], 0.7 * math.hypot(apart, min(a["deviation"], b["deviation"])))
            for end in (a["value"], b["value"]):
                self.assertLessEqual(p["interval"][0], end)
                self.assertLessEqual(end, p["interval"][1])
        samples = self.blend(half, clamp=False, samples=1000)["predictions"][0]
        self.assertAlmostEqual(sum(samples["samples"]) / 1000, samples["value"], delta=0.3 * samples["deviation"])

    def test_a_task_blended_with_itself_or_with_nothing_of_others_is_itself(self):
        alone = self.alone("s20")
        self.assertEqual(self.blend([{"id": "s20", "weight": 1e-6}], clamp=False)["predictions"], alone)
        self.assertEqual(self.blend([{"id": "s21", "weight": 0}, {"id": "s20"}], clamp=False)["predictions"], alone)
        for p, q in zip(self.blend([{"id": "s20", "weight": 2}, {"id": "s20", "weight": 5}], clamp=False)["predictions"], alone):
            for a, b in zip([p["value"], *p["interval"]], [q["value"], *q["interval"]]):
                self.assertAlmostEqual(a, b, places=3)

    def test_a_few_rows_have_the_say_that_their_weight_gives_them(self):
        self.server.admin("PUT", "/v1/admin/tasks/few", {"support": {"rows": self.shops.known("s21", 3)}})
        told = self.blend([{"id": "s20"}, {"id": "few"}], clamp=False)
        self.assertEqual(told["known"], 3)
        for p, a, b in zip(told["predictions"], self.alone("s20"), self.alone("few")):
            self.assertAlmostEqual(p["value"], (a["value"] + b["value"]) / 2, places=3)

    def test_classes_are_blended_too(self):
        told = self.blend([{"id": "s20"}, {"id": "s21"}, {"id": "s22"}], model="busy")
        for p in told["predictions"]:
            self.assertAlmostEqual(sum(p["probabilities"].values()), 1, places=4)

    def test_profiles_count_where_the_tasks_agree(self):
        for shop, district in (("n1", "north"), ("n2", "north"), ("z", "south")):
            body = {"profile": {"district": district}, "support": {"rows": self.shops.known("s20", 4)}}
            self.server.admin("PUT", f"/v1/admin/tasks/{shop}", body)
        rows = [without(r, "district") for r in self.shops.asked("s20")]
        both = self.blend([{"id": "n1"}, {"id": "n2"}], rows=rows)
        self.assertEqual(both["predictions"], self.blend([{"id": "n1"}, {"id": "n2"}])["predictions"])
        differ = {"rows": rows, "contexts": [{"id": "n1"}, {"id": "z"}]}
        self.assertEqual(set(self.faults(self.predict("new", differ))), {f"/rows/{i}/district" for i in range(8)})
        self.blend([{"id": "n1"}, {"id": "z"}], rows=rows, profile={"district": "north"})
        alone = self.blend([{"id": "n1"}], rows=rows)
        for without_say in ("z", "s20"):  # of another district, of none
            for contexts in ([{"id": without_say, "weight": 0}, {"id": "n1"}], [{"id": "n1"}, {"id": without_say, "weight": 0}]):
                self.assertEqual(self.blend(contexts, rows=rows)["predictions"], alone["predictions"])

    def test_nothing_is_stored_and_what_is_cached_stays(self):
        before = {s: self.predict(s, {"rows": self.shops.asked("s20")}).body for s in ("s20", "s21")}
        self.blend([{"id": "s20"}, {"id": "s21"}])
        for shop, body in before.items():
            again = self.predict(shop, {"rows": self.shops.asked("s20")})
            self.assertEqual((again.headers["x-hypernet-cache"], again.body), ("hit", body))
        self.assertEqual(self.server.request("GET", "/v1/tasks/new").status, 404)

    def test_a_blend_is_of_what_the_tasks_know_now(self):
        first = self.blend([{"id": "s20"}, {"id": "s22"}])
        self.server.request("POST", "/v1/tasks/s22/examples", {"rows": [self.shops.rows["s22"][16]]})
        then = self.blend([{"id": "s20"}, {"id": "s22"}])
        self.assertGreater(then["contexts"][1]["context_revision"], first["contexts"][1]["context_revision"])
        self.assertEqual(then["contexts"][1]["known"], 17)
        self.assertNotEqual(first["predictions"], then["predictions"])

    def test_every_fault_is_named_by_its_place(self):
        def refused(contexts, status=422, **more):
            answer = self.predict("new", dict({"rows": [], "contexts": contexts}, **more))
            self.assertEqual(answer.status, status, answer)
            return [e["pointer"] for e in answer.json.get("errors", [answer.json])]

        self.assertEqual(refused([]), ["/contexts"])
        self.assertIn("at least one", self.predict("new", {"rows": [], "contexts": []}).json["detail"])
        self.assertEqual(self.faults(self.predict("new", {"rows": [], "contexts": [{"id": ""}]})), {"/contexts/0/id": "the id of the task is empty"})
        self.assertEqual(refused([{"id": "s20", "weight": 0}, {"id": "s21", "weight": 0}]), ["/contexts"])
        self.assertEqual(refused([{"id": "s20"}] * 33), ["/contexts"])
        self.assertEqual(refused({}), ["/contexts"])
        self.assertEqual(refused([5, {"id": 7}, {"weight": 1}, {"id": "s20", "weight": -1}, {"id": "s20", "weight": "1"},
                                  {"id": "s20", "weight": 1e7}, {"id": "s20", "wieght": 1}, {"id": "s20", "weight": None}]),
                         ["/contexts/0", "/contexts/1/id", "/contexts/2/id", "/contexts/3/weight", "/contexts/4/weight",
                          "/contexts/5/weight", "/contexts/6/wieght", "/contexts/7/weight"])
        self.assertEqual(refused([{"id": "s20"}], support={"rows": []}), ["/contexts"])
        self.assertEqual(refused([{"id": "s20"}, {"id": "nobody"}, {"id": "none"}], 404), ["/contexts/1/id", "/contexts/2/id"])
        self.assertProblem(self.predict("new", b"{\"rows\":[],\"contexts\":[{\"id\":\"s20\",\"weight\":1e999}]}"), 422, "invalid-value")
        cold = self.blend([{"id": "s20"}, {"id": "nobody"}], cold_start="true")
        self.assertEqual([(c["known"], c["context_revision"] is None) for c in cold["contexts"]], [(16, False), (0, True)])


if __name__ == "__main__":
    unittest.main()
