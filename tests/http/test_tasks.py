"""Models of tasks over HTTP: what is asked with all that is to be known of the task in the call; every body that is refused."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops
from shops import without


def error(predictions, rows):
    return sum(abs(p["value"] - r["units"]) for p, r in zip(predictions, rows)) / len(rows)


class Models(shops.Case):
    """Models of tasks beside those for users, and each call's own kind."""

    def test_a_server_of_tasks_alone_answers_no_user_and_says_why(self):
        for model in ({}, {"model": "shops"}):
            for method, path, body in (("GET", "/v1/users/u1/recommendations", None), ("GET", "/v1/users/u1", None),
                                       ("POST", "/v1/users/u1/predictions", {"items": []}), ("GET", "/v1/items/i1", None),
                                       ("PUT", "/v1/admin/users/u1", {}), ("PUT", "/v1/admin/items/i1", {}),
                                       ("POST", "/v1/admin/users", {"users": []})):
                with self.subTest(path=path, model=model):
                    answer = self.server.admin(method, path, body, params=model)
                    document = self.assertProblem(answer, 422, "other-model")
                    self.assertIn("/v1/tasks/{task}/predictions" if model else "GET /v1/models", document["detail"])
        self.assertEqual(self.server.request("GET", "/readyz").status, 200)

    def test_models_are_listed_with_what_has_to_be_sent(self):
        models = self.server.request("GET", "/v1/models").json["models"]
        self.assertEqual([(m["name"], m["answers_for"], m["objective"], m["target"]) for m in models],
                         [("shops", "tasks", "regression", "units"), ("busy", "tasks", "classification", "busy")])
        self.assertEqual(models[1]["classes"], ["no", "yes"])
        columns = {c["name"]: c for c in models[0]["columns"]}
        self.assertEqual(columns["deal"], {"name": "deal", "kind": "category", "optional": False, "values": ["no", "yes"]})
        self.assertEqual(columns["price"]["kind"], "number")
        self.assertEqual(len(columns["price"]["range"]), 2)
        self.assertEqual([m["name"] for m in self.server.request("GET", "/").json["models"]], ["shops", "busy"])

    def test_beside_a_model_for_users_each_call_finds_its_own(self):
        asked = self.shops.asked("s20")
        with hn.Server(models=[self.world.model, self.shops.model, self.world.other_model]) as server:
            self.assertEqual(server.recommend("u1").json["model"], "default")
            self.assertEqual(server.recommend("u1", model="other").json["model"], "other")
            answer = self.predict("s20", {"rows": asked}, server=server, cold_start="true")
            self.assertEqual((answer.status, answer.json["model"]), (200, "shops"))
            refused = self.predict("s20", {"rows": asked}, server=server, model="other")
            self.assertIn("recommendations", self.assertProblem(refused, 422, "other-model")["detail"])
            self.assertProblem(server.recommend("u1", model="shops"), 422, "other-model")
            self.assertProblem(self.predict("s20", {"rows": asked}, server=server, model="none"), 404, "unknown-model")
            self.assertEqual(server.register("new", {"interactions": [{"item": self.world.items[0]}]}).status, 201)
            self.assertEqual([m["answers_for"] for m in server.request("GET", "/v1/models").json["models"]],
                             ["users", "users", "tasks"])

    def test_two_models_of_one_name_do_not_start_a_server(self):
        done = hn.run("serve", "--store", self.world.copy_store(), "--listen", "127.0.0.1:0", "--model", self.shops.model, "--model",
                      self.shops.model, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("'shops' is served already", done.err)


class Predictions(shops.Case):
    def test_rows_that_are_given_along_are_what_is_known_of_a_task(self):
        for shop in self.shops.new:
            rows = self.shops.rows[shop][16:]
            body = {"rows": self.shops.asked(shop), "support": {"rows": self.shops.known(shop)}}
            some = self.predicted(shop, body)
            none = self.predicted(shop, {"rows": self.shops.asked(shop)}, cold_start="true")
            self.assertEqual((some["task"], some["source"], some["known"], some["context_revision"]), (shop, "support", 16, None))
            self.assertEqual((none["source"], none["known"], none["cold"]), ("prior", 0, True))
            self.assertLess(error(some["predictions"], rows), 3)
            for p in some["predictions"] + none["predictions"]:
                self.assertLessEqual(p["interval"][0], p["value"])
                self.assertLessEqual(p["value"], p["interval"][1])
            self.assertLess(some["predictions"][0]["deviation"], none["predictions"][0]["deviation"])

    def test_nothing_of_a_call_with_support_stays(self):
        body = {"rows": self.shops.asked("s19"), "support": {"rows": self.shops.known("s19")}}
        once, again = self.predict("s19", body), self.predict("s19", body)
        self.assertEqual((once.status, once.body), (200, again.body))
        self.assertIsNone(once.headers["x-hypernet-cache"])
        self.assertProblem(self.predict("s19", {"rows": body["rows"]}), 404, "unknown-task")

    def test_answers_are_those_of_the_command_line(self):
        with open(self.shops.folder + "/known.csv", "w", encoding="utf-8") as f:
            f.write(shops.table({s: self.shops.known(s) for s in self.shops.new}, "units"))
        with open(self.shops.folder + "/asked.csv", "w", encoding="utf-8") as f:
            f.write(shops.table({s: self.shops.rows[s][16:] for s in self.shops.new}, "units"))
        printed = hn.run("predict", "--model", self.shops.model, "--rows", self.shops.folder + "/asked.csv", "--known",
                         self.shops.folder + "/known.csv", "--task", "shop").out.splitlines()[1:]
        answers = [p for s in self.shops.new for p in self.predicted(
            s, {"rows": self.shops.asked(s), "support": {"rows": self.shops.known(s)}})["predictions"]]
        self.assertEqual(len(printed), len(answers))
        for line, p in zip(printed, answers):
            _, value, low, high, known = line.split("\t")
            for a, b in ((value, p["value"]), (low, p["interval"][0]), (high, p["interval"][1])):
                self.assertAlmostEqual(float(a), b, delta=1e-3)
            self.assertEqual(known, "16")

    def test_the_order_of_rows_makes_no_difference(self):
        known = self.shops.known("s21")
        one, other = (self.predicted("s21", {"rows": self.shops.asked("s21"), "support": {"rows": rows}})["predictions"]
                      for rows in (known, known[::-1]))
        for a, b in zip(one, other):
            self.assertAlmostEqual(a["value"], b["value"], places=4)

    def test_rows_may_be_arrays_of_named_columns(self):
        rows, names = self.shops.known("s22"), ["units", "deal", "price", "district", "day"]
        arrays = {"columns": names, "rows": [[r[n] for n in names] for r in rows]}
        asked = self.shops.asked("s22")
        as_objects = self.predicted("s22", {"rows": asked, "support": {"rows": rows}})
        as_arrays = self.predicted("s22", {"columns": names[1:], "rows": [[r[n] for n in names[1:]] for r in asked],
                                           "support": arrays})
        self.assertEqual(as_objects, as_arrays)

    def test_a_profile_says_what_rows_do_not(self):
        rows = self.shops.known("s20")
        asked = self.shops.asked("s20")
        whole = self.predicted("s20", {"rows": asked, "support": {"rows": rows}})
        by_profile = self.predicted("s20", {"rows": [without(r, "district") for r in asked], "profile": {"district": "north"},
                                            "support": {"rows": [without(r, "district") for r in rows]}})
        self.assertEqual(whole, by_profile)
        own = self.predicted("s20", {"rows": asked, "profile": {"district": "south"}, "support": {"rows": rows}})
        self.assertEqual(whole, own)  # a row that says it itself is right
        cold = [self.predicted("x", {"rows": [without(r, "district") for r in asked], "profile": {"district": d}}, cold_start="true")
                for d in ("north", "south")]
        self.assertEqual(cold[0], self.predicted("x", {"rows": asked}, cold_start="true"))
        self.assertNotEqual(cold[0], cold[1])

    def test_intervals_grow_with_the_probability_and_are_cut_to_what_training_had(self):
        body = {"rows": self.shops.asked("s23"), "support": {"rows": self.shops.known("s23")}}

        def width(**more):
            return [p["interval"][1] - p["interval"][0] for p in self.predicted("s23", dict(body, **more))["predictions"]]

        for a, b, c in zip(width(interval=0.5, clamp=False), width(clamp=False), width(interval=0.99, clamp=False)):
            self.assertLess(a, b)
            self.assertLess(b, c)
        low, high = self.server.request("GET", "/v1/models").json["models"][0]["range"]
        cut = self.predicted("x", {"rows": body["rows"], "interval": 0.999}, cold_start="true")["predictions"]
        free = self.predicted("x", {"rows": body["rows"], "interval": 0.999, "clamp": False}, cold_start="true")["predictions"]
        self.assertTrue(all(low <= p["interval"][0] and p["interval"][1] <= high for p in cut))
        self.assertTrue(any(p["interval"][1] > high for p in free))

    def test_samples_are_spread_as_the_interval_and_of_one_state_for_all_rows(self):
        body = {"rows": self.shops.asked("s21"), "support": {"rows": self.shops.known("s21", 6)}, "clamp": False, "samples": 1000}
        one = self.predicted("s21", body)["predictions"]
        self.assertEqual(one, self.predicted("s21", dict(body, seed=0))["predictions"])
        other = self.predicted("s21", dict(body, seed=2**62))["predictions"]
        for a, b in zip(one, other):
            self.assertEqual((a["value"], len(a["samples"])), (b["value"], 1000))
            self.assertNotEqual(a["samples"], b["samples"])
            self.assertAlmostEqual(sorted(a["samples"])[500], sorted(b["samples"])[500], delta=0.3 * a["deviation"])
            self.assertAlmostEqual(sorted(a["samples"])[500], a["value"], delta=0.5 * a["deviation"])
        # Rows far from what is known share what is not known of the task: their draws go together.
        rows = [dict(r, price=4.5) for r in body["rows"][:2]]
        a, b = (p["samples"] for p in self.predicted("s21", dict(body, rows=rows, support={"rows": []}))["predictions"])
        mean = [sum(x) / len(x) for x in (a, b)]
        together = sum((x - mean[0]) * (y - mean[1]) for x, y in zip(a, b))
        alone = (sum((x - mean[0]) ** 2 for x in a) * sum((y - mean[1]) ** 2 for y in b)) ** 0.5
        self.assertGreater(together / alone, 0.3)
        few = self.predicted("s21", dict(body, rows=body["rows"][:1]))["predictions"][0]["samples"]
        for x, y in zip(few, one[0]["samples"]):
            self.assertAlmostEqual(x, y, delta=0.01)  # whatever rows come behind

    def test_quantiles_of_samples_are_the_bounds_of_intervals(self):
        for known, task in ((6, "s21"), (0, "s22")):
            body = {"rows": self.shops.asked(task, 14), "support": {"rows": self.shops.known(task, known)}, "clamp": False, "samples": 1000}
            for share in (0.5, 0.9):
                below = above = 0
                rows = self.predicted(task, dict(body, interval=share))["predictions"]
                for p in rows:
                    below += sum(s < p["interval"][0] for s in p["samples"]) / 1000 / len(rows)
                    above += sum(s > p["interval"][1] for s in p["samples"]) / 1000 / len(rows)
                self.assertAlmostEqual(below, (1 - share) / 2, delta=0.03)
                self.assertAlmostEqual(above, (1 - share) / 2, delta=0.03)

    def test_the_epistemic_part_is_what_more_rows_take_away(self):
        row, parts = self.shops.asked("s21")[:1], []
        for n in (0, 2, 8, 16):
            p = self.predicted("s21", {"rows": row, "support": {"rows": self.shops.known("s21", n)}})["predictions"][0]
            self.assertLessEqual(p["epistemic"], p["deviation"])
            parts.append(p["epistemic"])
        self.assertEqual(parts, sorted(parts, reverse=True))
        self.assertLess(parts[3], parts[0] / 3)

    def test_what_lies_beyond_the_inputs_is_answered_less_surely_whoever_says_it(self):
        row, known = self.shops.asked("s21")[0], {"rows": self.shops.known("s21")}
        within, cut, twice = (self.predicted("s21", {"rows": [dict(row, price=price)], "support": known, "clamp": False})["predictions"][0]
                              for price in (3, 50, 1000))
        self.assertGreater(cut["epistemic"], 3 * within["epistemic"])
        self.assertGreater(twice["epistemic"], 3 * cut["epistemic"])
        self.assertEqual(cut["value"], twice["value"])  # both are answered as at the end of what inputs can say
        self.assertGreater(twice["interval"][1] - twice["interval"][0], 3 * (cut["interval"][1] - cut["interval"][0]))
        for key, value in (("price", 50), ("deal", "maybe")):
            by_row = self.predicted("s21", {"rows": [dict(row, **{key: value})], "support": known, "unknown_category": "ignore"})
            by_profile = self.predicted("s21", {"rows": [without(row, key)], "profile": {key: value}, "support": known,
                                                "unknown_category": "ignore"})
            self.assertEqual(by_row["predictions"], by_profile["predictions"])
            self.assertGreater(by_row["predictions"][0]["epistemic"], 2 * within["epistemic"])

    def test_classes_tell_what_more_rows_would_take_away_if_asked(self):
        rows = [dict(without(r, "units"), busy="yes" if r["units"] > 30 else "no") for r in self.shops.rows["s20"]]
        body = {"rows": [without(r, "busy") for r in rows[16:]], "uncertainty": True}
        none = self.predicted("s20", body, model="busy", cold_start="true")["predictions"]
        some = self.predicted("s20", dict(body, support={"rows": rows[:16]}), model="busy")["predictions"]
        self.assertEqual(some, self.predicted("s20", dict(body, support={"rows": rows[:16]}), model="busy")["predictions"])
        for p in none + some:
            self.assertTrue(0 <= p["epistemic"] <= p["entropy"], p)
        for a, b in zip(none, some):
            self.assertLess(b["novelty"], a["novelty"])  # rows of the task make no row newer
        mean = [sum(p["epistemic"] for p in answers) / len(answers) for answers in (none, some)]
        self.assertLess(mean[1], mean[0])
        plain = self.predicted("s20", dict(body, uncertainty=False), model="busy", cold_start="true")["predictions"]
        self.assertEqual([without(without(p, "epistemic"), "novelty") for p in none], plain)
        other = self.predicted("s20", dict(body, seed=9), model="busy", cold_start="true")["predictions"]
        self.assertNotEqual(none, other)
        for a, b in zip(none, other):
            self.assertAlmostEqual(a["epistemic"], b["epistemic"], delta=0.02)

    def test_classes_come_with_the_probability_of_each(self):
        rows = [dict(without(r, "units"), busy="yes" if r["units"] > 30 else "no") for r in self.shops.rows["s20"]]
        asked = [without(r, "busy") for r in rows[16:]]
        some = self.predicted("s20", {"rows": asked, "support": {"rows": rows[:16]}}, model="busy")
        self.assertEqual(some["model"], "busy")
        for p in some["predictions"]:
            self.assertEqual(set(p), {"class", "probabilities", "entropy"})
            self.assertAlmostEqual(sum(p["probabilities"].values()), 1, places=4)
            self.assertEqual(p["class"], max(p["probabilities"], key=p["probabilities"].get))
        right = sum(p["class"] == r["busy"] for p, r in zip(some["predictions"], rows[16:]))
        self.assertGreaterEqual(right, 6)

    def test_the_target_in_rows_that_are_asked_for_is_passed_over(self):
        body = {"rows": self.shops.asked("s20"), "support": {"rows": self.shops.known("s20")}}
        self.assertEqual(self.predicted("s20", body), self.predicted("s20", dict(body, rows=self.shops.rows["s20"][16:])))

    def test_no_row_is_no_answer(self):
        self.assertEqual(self.predicted("s20", {"rows": []}, cold_start="true")["predictions"], [])
        empty = self.predicted("s20", {"rows": self.shops.asked("s20"), "support": {"rows": []}})
        self.assertEqual((empty["known"], empty["predictions"]),
                         (0, self.predicted("s20", {"rows": self.shops.asked("s20")}, cold_start="true")["predictions"]))

    def test_a_thousand_rows_are_answered_as_one(self):
        asked = (self.shops.asked("s20") * 200)[:1024]
        many = self.predicted("s20", {"rows": asked, "support": {"rows": self.shops.known("s20") * 20}})["predictions"]
        self.assertEqual(len(many), 1024)
        one = self.predicted("s20", {"rows": asked[1023:], "support": {"rows": self.shops.known("s20") * 20}})["predictions"]
        self.assertAlmostEqual(many[1023]["value"], one[0]["value"], places=3)


class BadBodies(shops.Case):
    def refused(self, body, task="s20", **params):
        return self.faults(self.predict(task, body, **dict({"cold_start": "true"}, **params)))

    def test_each_wrong_cell_is_named_and_all_of_them_at_once(self):
        row = self.shops.asked("s20")[0]
        faults = self.refused({"rows": [dict(row, price="cheap", deal="maybe"), without(row, "price"), dict(row, colour=1),
                                        dict(row, price=[1]), dict(row, price=None), 5, [1]],
                               "profile": {"price": {}, "anything": 1},
                               "support": {"rows": [row, dict(row, units="x"), dict(row, units=None, price=""), dict(row, units={})]}})
        self.assertEqual(set(faults), {"/rows/0/price", "/rows/0/deal", "/rows/1/price", "/rows/2/colour", "/rows/3/price",
                                       "/rows/4/price", "/rows/5", "/rows/6", "/profile/price", "/support/rows/0/units",
                                       "/support/rows/1/units", "/support/rows/2/units", "/support/rows/2/price",
                                       "/support/rows/3/units"})
        self.assertIn("\"cheap\" is no number", faults["/rows/0/price"])
        self.assertIn("it knows \"no\", \"yes\"", faults["/rows/0/deal"])
        self.assertIn("missing", faults["/rows/1/price"])
        self.assertIn("no such column", faults["/rows/2/colour"])

    def test_a_mistyped_name_is_told_what_was_meant(self):
        row = self.shops.asked("s20")[0]
        faults = self.refused({"rows": [dict(without(row, "price"), pricee=2), dict(row, district="nort")]})
        self.assertIn("did you mean \"price\"?", faults["/rows/0/pricee"])
        self.assertIn("did you mean \"north\"?", faults["/rows/1/district"])

    def test_cells_of_arrays_are_named_by_their_place(self):
        names = ["day", "price", "deal", "district"]
        faults = self.refused({"columns": names, "rows": [[1, "x", "yes", "north"], [1, 2], {}]})
        self.assertEqual(set(faults), {"/rows/0/1", "/rows/1", "/rows/2"})
        self.assertEqual(set(self.refused({"columns": names + ["price"], "rows": []})), {"/columns/1"})
        self.assertEqual(set(self.refused({"columns": ["what", 5], "rows": []})), {"/columns", "/columns/0"})
        self.assertEqual(set(self.refused({"columns": names[1:], "rows": [[1, "yes", "north"]]})), {"/rows/0"})

    def test_a_value_that_is_not_known_may_be_let_through(self):
        row = dict(self.shops.asked("s20")[0], deal="maybe")
        self.assertEqual(set(self.refused({"rows": [row]})), {"/rows/0/deal"})
        by_query = self.predicted("s20", {"rows": [row]}, cold_start="true", unknown_category="ignore")
        self.assertEqual(by_query, self.predicted("s20", {"rows": [row], "unknown_category": "ignore"}, cold_start="true"))
        self.assertEqual(self.predict("s20", {"rows": [row]}, unknown_category="maybe").status, 400)

    def test_members_that_are_wrong_are_all_named(self):
        faults = self.refused({"rows": 5, "support": 7, "profile": [], "interval": 1, "clamp": "no", "uncertainty": 1,
                               "unknown_category": 1, "x": 1})
        self.assertEqual(set(faults), {"/rows", "/support", "/profile", "/interval", "/clamp", "/uncertainty", "/unknown_category", "/x"})
        for bad in (1001, -1, 1.5, "5", None):
            self.assertEqual(set(self.refused({"rows": [], "samples": bad})), {"/samples"})
        self.assertEqual(set(self.refused({"rows": [], "samples": 5, "seed": -1})), {"/seed"})
        self.assertEqual(set(self.refused({"rows": [{}] * 201, "samples": 1000})), {"/samples"})
        self.assertEqual(set(self.refused({"rows": [], "samples": 5}, model="busy")), {"/samples"})
        for interval in (0, 1, -1, 1e300, "0.9", None, True):
            self.assertEqual(set(self.refused({"rows": [], "interval": interval})), {"/interval"})
        self.assertEqual(set(self.refused({})), {"/rows"})
        self.assertEqual(set(self.refused([])), {""})
        for body in (b"", b"{", b"[1", b"{\"rows\":[{\"a\":NaN}]}", b"{\"rows\":[{\"a\":1,\"a\":2}]}"):
            self.assertProblem(self.predict("s20", body), 400, "malformed-json")
        self.assertProblem(self.predict("s20", b"{\"rows\":[{\"price\":1e999}]}"), 422, "invalid-value")

    def test_too_many_rows_are_too_large(self):
        row = self.shops.asked("s20")[0]
        document = self.assertProblem(self.predict("s20", {"rows": [row] * 1025}), 413, "too-large")
        self.assertEqual(document["pointer"], "/rows")
        known = {"rows": [[1]] * 10001, "columns": ["day"]}
        self.assertEqual(self.assertProblem(self.predict("s20", {"rows": [], "support": known}), 413, "too-large")["pointer"],
                         "/support/rows")

    def test_numbers_of_any_size_have_an_answer(self):
        row = self.shops.asked("s20")[0]
        for price in (1e308, -1e308, 5e-324, 0, 10**18, True):
            p = self.predicted("s20", {"rows": [dict(row, price=price)], "clamp": False}, cold_start="true")["predictions"][0]
            self.assertTrue(abs(p["value"]) < 1e6, p)
        known = [dict(row, units=units) for units in (1e300, -1e300)]
        self.assertEqual(set(self.refused({"rows": [row], "support": {"rows": known}})),
                         {"/support/rows/0/units", "/support/rows/1/units"})
        self.assertEqual(self.predict("s20", {"rows": [row], "support": {"rows": [dict(row, units=1e8)] * 50}}).status, 200)

    def test_ids_of_tasks_are_as_those_of_users(self):
        for task, status in (("a%2Fb", 200), ("%E2%82%AC", 200), ("a" * 256, 200), ("a" * 257, 400), ("%FF", 400), ("%00", 400)):
            answer = self.predict(task, {"rows": []}, cold_start="true")
            self.assertEqual(answer.status, status, (task, answer))

    def test_a_task_with_a_control_character_is_not_made(self):
        for text, coded in (("a\nb", "a%0Ab"), ("a\u007f", "a%7F"), ("\u0001", "%01")):
            path = f"/v1/admin/tasks/{coded}"
            answer = self.server.admin("PUT", path, {})
            self.assertIn("control character", self.assertProblem(answer, 400, "bad-request")["detail"])
            answer = self.server.admin("POST", f"/v1/tasks/{coded}/examples", {"rows": []}, params={"create": "true"})
            self.assertIn("control character", self.assertProblem(answer, 400, "bad-request")["detail"])
            answer = self.server.admin("POST", "/v1/admin/tasks", {"tasks": [{"id": "plain"}, {"id": text}]})
            self.assertIn("control character", self.faults(answer)["/tasks/1/id"])
            for method in ("GET", "DELETE"):  # one that is there from before could be read and deleted
                answer = self.server.admin(method, path if method == "DELETE" else f"/v1/tasks/{coded}")
                self.assertProblem(answer, 404, "unknown-task")
            self.assertEqual(self.predict(coded, {"rows": []}, cold_start="true").status, 200)
        self.assertEqual(self.server.request("GET", "/v1/tasks/plain").status, 404)

    def test_an_empty_id_is_called_by_what_it_is_of(self):
        answer = self.server.admin("POST", "/v1/admin/tasks", {"tasks": [{"id": ""}]})
        self.assertEqual(self.faults(answer), {"/tasks/0/id": "the id of the task is empty"})
        answer = self.server.request("POST", "/v1/predictions", {"tasks": [{"id": "", "rows": []}]})
        self.assertEqual(self.faults(answer), {"/tasks/0/id": "the id of the task is empty"})


if __name__ == "__main__":
    unittest.main()
