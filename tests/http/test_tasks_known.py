"""What is known of tasks: registration, labelled rows as they come, deletion; what survives a kill, what another replica sees, what
is refused and leaves no trace; the first answer after a write is the new one."""
import json
import os
import sqlite3
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import shops
from shops import without

ADMIN = "/v1/admin/tasks/"
NDJSON = {"Content-Type": "application/x-ndjson"}


class Known(shops.Case):
    def put(self, task, body, server=None, **params):
        return (server or self.server).admin("PUT", ADMIN + task, body, params=params)

    def examples(self, task, body, server=None, token=None, **params):
        server = server or self.server
        return server.request("POST", f"/v1/tasks/{task}/examples", body, params=params, token=token)

    def task(self, task, server=None, **params):
        return (server or self.server).request("GET", f"/v1/tasks/{task}", params=params)

    def values(self, task, shop, server=None, **rest):
        return [p["value"] for p in self.predicted(task, {"rows": self.shops.asked(shop)}, server=server, **rest)["predictions"]]

    def supported(self, shop, n):
        body = {"rows": self.shops.asked(shop), "support": {"rows": self.shops.rows[shop][:n]}}
        return [p["value"] for p in self.predicted("x", body)["predictions"]]

    def assertClose(self, some, others):
        self.assertEqual(len(some), len(others))
        for a, b in zip(some, others):
            self.assertAlmostEqual(a, b, places=4)


class Registration(Known):
    def test_a_task_is_answered_from_its_own_rows_at_once(self):
        answer = self.put("s20", {"support": {"rows": self.shops.known("s20")}})
        self.assertEqual(answer.status, 201)
        told = answer.json
        self.assertEqual((told["id"], told["result"], told["source"], told["known"], told["rows"]), ("s20", "registered", "rows", 16, 16))
        first = self.predict("s20", {"rows": self.shops.asked("s20")})
        self.assertEqual((first.headers["x-hypernet-cache"], first.json["context_revision"], first.json["source"], first.json["known"]),
                         ("miss", told["revision"], "rows", 16))
        self.assertEqual(self.predict("s20", {"rows": self.shops.asked("s20")}).headers["x-hypernet-cache"], "hit")
        self.assertClose(self.values("s20", "s20"), self.supported("s20", 16))
        again = self.put("s20", {"support": {"rows": self.shops.known("s20", 4)}})
        self.assertEqual((again.status, again.json["result"], again.json["rows"]), (200, "replaced", 4))
        self.assertGreater(again.json["revision"], told["revision"])
        self.assertClose(self.values("s20", "s20"), self.supported("s20", 4))

    def test_the_answer_says_what_the_rows_are_worth(self):
        loss = self.put("s21", {"support": {"rows": self.shops.known("s21")}}).json["loss"]
        self.assertEqual(loss["measure"], "rmse")
        self.assertLess(loss["after"], loss["left_out"])
        self.assertLess(loss["left_out"], 0.5 * loss["before"])
        rows = [dict(without(r, "units"), busy="yes" if r["units"] > 30 else "no") for r in self.shops.known("s21")]
        loss = self.put("b21", {"support": {"rows": rows}}, model="busy").json["loss"]
        self.assertEqual(loss["measure"], "log_loss")
        self.assertGreater(loss["before"], loss["after"])
        one = self.put("s21", {"support": {"rows": self.shops.known("s21", 1)}}).json["loss"]
        self.assertAlmostEqual(one["left_out"], one["before"], places=4)  # of the others there is none
        none = self.put("s21", {"support": {"rows": []}}).json["loss"]
        self.assertEqual((none["before"], none["after"], none["left_out"]), (None, None, None))

    def test_rows_of_arrays_are_stored_as_those_of_objects(self):
        rows, names = self.shops.known("s22"), ["units", "deal", "price", "district", "day"]
        body = {"support": {"columns": names, "rows": [[r[n] for n in names] for r in rows]}}
        self.assertEqual(self.put("arrays", body).json["known"], 16)
        self.assertClose(self.values("arrays", "s22"), self.supported("s22", 16))

    def test_without_support_rows_stay_and_the_profile_is_replaced(self):
        rows = [without(r, "district") for r in self.shops.known("s20")]
        asked = {"rows": [without(r, "district") for r in self.shops.asked("s20")]}
        self.assertEqual(self.put("p", {"profile": {"district": "north"}}).json["source"], "profile")
        self.assertEqual(self.put("p", {"profile": {"district": "north"}, "support": {"rows": rows}}).json["known"], 16)
        north = self.predicted("p", asked)
        self.assertClose([p["value"] for p in north["predictions"]], self.supported("s20", 16))
        told = self.put("p", {"profile": {"district": "south"}}).json
        self.assertEqual((told["known"], told["rows"]), (16, 16))
        south = self.predicted("p", asked)
        self.assertNotEqual(north["predictions"], south["predictions"])
        self.assertEqual(self.task("p").json["profile"], {"district": "south"})
        self.assertEqual(self.put("p", {}).json["known"], 0)  # no model can read these rows without a district
        self.assertEqual(set(self.faults(self.predict("p", asked))), {f"/rows/{i}/district" for i in range(8)})

    def test_a_profile_may_have_what_no_model_knows(self):
        self.assertEqual(self.put("q", {"profile": {"district": "north", "manager": "Ada", "sizes": [1, {"a": None}]}}).status, 201)
        self.assertEqual(self.task("q").json["profile"]["sizes"], [1, {"a": None}])
        self.assertEqual(self.task("q").json["source"], "profile")
        self.assertEqual(self.put("q", {"profile": {"manager": "Ada"}}).json["source"], "prior")

    def test_rows_that_are_not_kept_are_in_the_sums_alone(self):
        body = {"support": {"rows": self.shops.known("s23", 8)}, "keep_rows": False}
        self.assertEqual((self.put("f", body).json["known"], self.task("f").json["rows"]), (8, 0))
        told = self.examples("f", {"rows": self.shops.rows["s23"][8:16]}).json
        self.assertEqual((told["known"], told["rows"], told["accepted"]), (16, 0, 8))
        self.assertClose(self.values("f", "s23"), self.supported("s23", 16))
        with sqlite3.connect(self.server.store) as store:
            self.assertEqual(store.execute("SELECT count(*) FROM tasks WHERE id = 'f'").fetchone(), (1,))
        kept = {"support": {"rows": self.shops.known("s23", 8)}}
        self.assertEqual(self.put("g", kept).json["rows"], 8)
        told = self.put("g", {"keep_rows": False}).json
        self.assertEqual((told["known"], told["rows"]), (8, 0))  # forgotten, and still in the sums
        self.assertClose(self.values("g", "s23"), self.supported("s23", 8))
        self.assertEqual(self.put("g", {"keep_rows": True}).json["known"], 8)
        self.assertEqual(self.examples("g", {"rows": self.shops.rows["s23"][8:16]}).json["rows"], 0)  # of half of them nothing could be made
        self.assertClose(self.values("g", "s23"), self.supported("s23", 16))

    def test_rows_are_kept_again_only_with_new_support(self):
        self.put("once", {"support": {"rows": self.shops.known("s20", 4)}, "keep_rows": False})
        again = self.put("once", {"profile": {"district": "north"}}).json
        self.examples("once", {"rows": self.shops.rows["s20"][4:6]})
        told = self.task("once").json
        self.assertEqual((told["known"], told["rows"]), (6, 0), (again, told))
        self.put("once", {"support": {"rows": self.shops.known("s20", 3)}})
        told = self.task("once").json
        self.assertEqual((told["known"], told["rows"]), (3, 3))

    def test_who_wants_rows_kept_that_were_forgotten_is_warned(self):
        def warned(body):
            return [w["type"].rsplit(":", 1)[1] for w in self.put("lost", body).json.get("warnings", [])]

        self.assertEqual(warned({"support": {"rows": self.shops.known("s20", 4)}, "keep_rows": False}), [])
        self.assertEqual(warned({"profile": {"district": "north"}}), [])  # nothing is said of rows
        self.assertEqual(warned({"keep_rows": True}), ["rows-forgotten"])
        self.assertEqual(warned({"keep_rows": True, "support": {"rows": self.shops.known("s20", 4)}}), [])
        self.assertEqual(warned({"keep_rows": True}), [])

    def test_a_task_of_no_row_has_no_sums_in_the_store(self):
        def contexts():
            with sqlite3.connect(self.server.store) as store:
                return store.execute("SELECT count(*) FROM contexts WHERE kind = 'task'").fetchone()[0]

        before = contexts()
        tasks = [{"id": f"none{i}", "keep_rows": False} for i in range(50)]
        self.assertEqual(self.server.admin("POST", "/v1/admin/tasks", {"tasks": tasks}).status, 200)
        self.assertEqual(contexts(), before)
        self.examples("none7", {"rows": self.shops.known("s20", 4)})
        self.assertEqual(self.task("none7").json["known"], 4)

    def test_steps_are_refused_where_there_is_nothing_to_adapt(self):
        rows = {"rows": self.shops.known("s20", 4)}
        self.assertEqual(self.put("steps", {"support": rows, "adapt_steps": 0}).status, 201)
        self.assertEqual(self.examples("steps", dict(rows, adapt_steps=0)).status, 200)
        for bad in (5, 1000):
            for answer in (self.put("steps", {"support": rows, "adapt_steps": bad}), self.examples("steps", dict(rows, adapt_steps=bad)),
                           self.predict("steps", {"rows": [], "adapt_steps": bad})):
                self.assertIn("at once", self.faults(answer)["/adapt_steps"])
        for bad in (-1, 1001, 1.5, "3", None, True):
            self.assertIn("from 0 to 1000", self.faults(self.put("steps", {"adapt_steps": bad}))["/adapt_steps"])
        answer = self.server.admin("POST", "/v1/admin/tasks", {"tasks": [{"id": "steps", "adapt_steps": 3}]})
        self.assertEqual(set(self.faults(answer)), {"/tasks/0/adapt_steps"})
        self.assertEqual(set(self.faults(self.put("steps", {"support": dict(rows, adapt_steps=0)}))), {"/support/adapt_steps"})
        self.assertEqual(self.task("steps").json["known"], 8)

    def test_rows_that_the_model_cannot_read_are_not_forgotten(self):
        rows = [without(r, "district") for r in self.shops.known("s20", 5)]
        self.put("reads", {"profile": {"district": "north"}, "support": {"rows": rows}})
        answer = self.put("reads", {"keep_rows": False})
        self.assertEqual(answer.status, 422)
        self.assertIn("of 5 stored rows the model can read 0", answer.json["detail"])
        self.assertEqual(self.task("reads").json["known"], 5)

    def test_columns_that_are_no_texts_are_refused(self):
        for method, path in (("PUT", ADMIN + "columns"), ("POST", "/v1/tasks/columns/examples")):
            support = {"columns": ["day", "price", "deal", "district", 7], "rows": [[1, 2, "no", "north", 3]]}
            body = {"support": support} if method == "PUT" else support
            answer = self.server.admin(method, path, body, params={} if method == "PUT" else {"create": "true"})
            self.assertEqual(answer.status, 422, answer)

    def test_what_rows_say_little_of_is_warned_of(self):
        def warned(body, **params):
            return [w["type"].rsplit(":", 1)[1] for w in self.put("w", body, **params).json.get("warnings", [])]

        rows = self.shops.known("s20", 4)
        self.assertEqual(warned({"support": {"rows": rows}}), [])
        self.assertEqual(warned({"support": {"rows": [dict(r, units=5) for r in rows[:2]] + [dict(r, units=5.0) for r in rows]}}),
                         ["constant-target"])
        self.assertEqual(warned({}), [])
        self.assertEqual(warned({"support": {"rows": []}}), ["no-rows"])
        self.assertEqual(warned({"support": {"rows": [dict(without(r, "units"), busy="no") for r in rows]}}, model="busy"), ["one-class"])

    def test_many_tasks_in_one_call_each_with_its_result(self):
        body = {"tasks": [{"id": s, "support": {"rows": self.shops.known(s)}} for s in self.shops.new] + [{"id": "cold"}]}
        told = self.server.admin("POST", "/v1/admin/tasks", body).json["tasks"]
        self.assertEqual([t["id"] for t in told], self.shops.new + ["cold"])
        self.assertEqual([t["known"] for t in told], [16] * 6 + [0])
        for shop in self.shops.new:
            self.assertClose(self.values(shop, shop), self.supported(shop, 16))
        lines = "\n".join(json.dumps(t) for t in body["tasks"]).encode()
        again = self.server.admin("POST", "/v1/admin/tasks", lines, headers=NDJSON)
        self.assertEqual([t["result"] for t in again.json["tasks"]], ["replaced"] * 7)
        row = self.shops.known("s20")[0]
        bad = {"tasks": [{"id": "one", "support": {"rows": [row]}}, {"id": 5}, {"id": "two", "support": {"rows": [dict(row, price="x")]}}]}
        answer = self.server.admin("POST", "/v1/admin/tasks", bad)
        self.assertEqual(set(self.faults(answer)), {"/tasks/1/id", "/tasks/2/support/rows/0/price"})
        self.assertEqual(self.task("one").status, 404)
        answer = self.server.admin("POST", "/v1/admin/tasks", bad, params={"on_error": "skip"})
        self.assertEqual([t["id"] for t in answer.json["tasks"]], ["one"])
        self.assertEqual([(f["index"], f["pointer"]) for f in answer.json["refused"]],
                         [(1, "/tasks/1/id"), (2, "/tasks/2/support/rows/0/price")])

    def test_what_is_refused_leaves_no_trace(self):
        self.put("r", {"profile": {"district": "north"}, "support": {"rows": self.shops.known("s20", 4)}})
        before, values = self.task("r").json, self.values("r", "s20")
        row = self.shops.known("s20")[0]
        for body, pointers in (
                ({"support": {"rows": [row, dict(row, units="many")]}}, {"/support/rows/1/units"}),
                ({"support": {"rows": [without(row, "units")]}}, {"/support/rows/0/units"}),
                ({"support": {"rows": [dict(row, colour=1)]}}, {"/support/rows/0/colour"}),
                ({"support": {"rows": [dict(row, deal="maybe")]}}, {"/support/rows/0/deal"}),
                ({"support": {"rows": [dict(row, units=1e300)]}}, {"/support/rows/0/units"}),
                ({"support": {"rows": {}}}, {"/support/rows"}), ({"support": []}, {"/support"}), ({"support": {}}, {"/support/rows"}),
                ({"profile": {"price": "x", "deal": []}}, {"/profile/price", "/profile/deal"}), ({"profile": 5}, {"/profile"}),
                ({"keep_rows": 1, "rows": [row]}, {"/keep_rows", "/rows"}), ([], {""}),
                ({"profile": {"x": "y" * 20000}}, {"/profile"})):
            with self.subTest(body=str(body)[:80]):
                self.assertEqual(set(self.faults(self.put("r", body))), pointers)
        for body, pointers in (({"rows": [row, 5]}, {"/rows/1"}), ({"rows": [dict(row, price=None)]}, {"/rows/0/price"}),
                               ({"columns": ["price"], "rows": [[1]]}, {"/rows/0/units", "/rows/0/day", "/rows/0/deal", "/rows/0"})):
            faults = set(self.faults(self.examples("r", body)))
            self.assertTrue(faults and faults <= pointers, faults)
        self.assertProblem(self.put("r", b"{"), 400, "malformed-json")
        self.assertProblem(self.put("r", {"support": {"rows": [row] * 10001}}), 413, "too-large")
        self.assertProblem(self.put("r", {}, model="none"), 404, "unknown-model")
        self.assertProblem(self.server.request("PUT", ADMIN + "r", {}), 401, "unauthorized")
        self.assertEqual(self.task("r").json, before)
        self.assertEqual(self.values("r", "s20"), values)

    def test_a_deleted_task_is_forgotten(self):
        self.put("gone", {"profile": {"district": "north", "name": "Ada Lovelace"}, "support": {"rows": self.shops.known("s20")}})
        self.values("gone", "s20")
        self.assertEqual(self.server.admin("DELETE", ADMIN + "gone").status, 204)
        for answer in (self.predict("gone", {"rows": []}), self.task("gone"), self.server.admin("DELETE", ADMIN + "gone"),
                       self.examples("gone", {"rows": []})):
            self.assertProblem(answer, 404, "unknown-task")
        self.assertEqual(self.values("gone", "s20", cold_start="true"), self.values("never", "s20", cold_start="true"))

        def bytes_of_store():
            found = b""
            for path in (self.server.store, self.server.store + "-wal"):
                if os.path.exists(path):
                    with open(path, "rb") as f:
                        found += f.read()
            return found

        hn.eventually(lambda: b"Lovelace" not in bytes_of_store(), "no byte of a deleted task in the store's files")


class Weights(Known):
    """A task's own model as a file."""

    def test_a_tasks_own_model_predicts_what_the_server_does(self):
        for model, target in (("shops", "units"), ("busy", "busy")):
            rows = [dict(r, busy="yes" if r["units"] > 30 else "no") for r in self.shops.known("s22", 8)]
            self.put("own", {"support": {"rows": rows}}, model=model)
            answer = self.server.request("GET", "/v1/tasks/own/weights", params={"model": model})
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/octet-stream"))
            path = self.world.file("own.safetensors", answer.body)
            asked = self.world.file("asked.csv", shops.table({"own": self.shops.rows["s22"][16:]}, target))
            lines = hn.run("predict", "--model", path, "--rows", asked, "--task", "shop", "--no-clamp").out.splitlines()[1:]
            served = self.predicted("own", {"rows": self.shops.asked("s22"), "clamp": False}, model=model)["predictions"]
            self.assertEqual(len(lines), len(served))
            for line, p in zip(lines, served):
                cells = line.split("\t")
                expected = [p["value"], *p["interval"]] if target == "units" else [p["class"], *p["probabilities"].values()]
                for a, b in zip(cells[1:], expected):
                    if isinstance(b, str):
                        self.assertEqual(a, b)
                    else:
                        self.assertAlmostEqual(float(a), b, delta=2e-3 * max(1, abs(b)))
            description = json.loads(hn.run("inspect", path, "--json").out)["hypernet"]
            self.assertEqual(description["version"], "1@%d" % self.task("own").json["revision"])

    def test_rows_that_come_later_are_learned_beside_those_in_the_file(self):
        self.put("own", {"support": {"rows": self.shops.known("s22", 8)}})
        path = self.world.file("own.safetensors", self.server.request("GET", "/v1/tasks/own/weights").body)
        asked = self.world.file("asked.csv", shops.table({"own": self.shops.rows["s22"][16:]}, "units"))
        known = self.world.file("known.csv", shops.table({"own": self.shops.rows["s22"][8:16]}, "units"))
        lines = hn.run("predict", "--model", path, "--rows", asked, "--known", known, "--task", "shop").out.splitlines()[1:]
        for line, value in zip(lines, self.supported("s22", 16)):
            self.assertAlmostEqual(float(line.split("\t")[1]), value, delta=0.02)

    def test_no_file_of_nobody(self):
        self.assertProblem(self.server.request("GET", "/v1/tasks/nobody/weights"), 404, "unknown-task")


class Many(Known):
    """Rows of many tasks in one call."""

    def many(self, body, **params):
        return self.server.request("POST", "/v1/predictions", body, params=params)

    def test_each_task_is_answered_as_alone(self):
        for shop in self.shops.new[:3]:
            self.put(shop, {"support": {"rows": self.shops.known(shop)}})
        asked = [{"id": s, "rows": self.shops.asked("s20")} for s in self.shops.new[:3] + ["stranger"]]
        asked[1] = {"id": asked[1]["id"], "columns": list(asked[1]["rows"][0]), "rows": [list(r.values()) for r in asked[1]["rows"]]}
        answer = self.many({"tasks": asked, "interval": 0.5, "clamp": False}, cold_start="true")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["model"], "shops")
        self.assertEqual([t["task"] for t in answer.json["tasks"]], [t["id"] for t in asked])
        for told, task in zip(answer.json["tasks"], asked):
            rest = {k: v for k, v in task.items() if k != "id"}
            alone = self.predicted(task["id"], dict(rest, interval=0.5, clamp=False), cold_start="true")
            self.assertEqual(told, {k: v for k, v in alone.items() if not k.startswith("model")})
        self.assertEqual(self.many({"tasks": []}).json["tasks"], [])

    def test_all_that_is_wrong_is_named_with_its_task(self):
        self.put("s20", {"support": {"rows": self.shops.known("s20")}})
        row = self.shops.asked("s20")[0]
        answer = self.many({"tasks": [{"id": "s20", "rows": [row, dict(row, price="x")]}, {"id": "nobody", "rows": [row]}, {"id": 5},
                                      {"id": "s20", "rows": [5], "x": 1}], "interval": 7})
        self.assertEqual(answer.status, 422, answer)
        self.assertEqual([e["pointer"] for e in answer.json["errors"]],
                         ["/interval", "/tasks/0/rows/1/price", "/tasks/1/id", "/tasks/2/id", "/tasks/2/rows", "/tasks/3/x"])
        self.assertProblem(self.many({"tasks": [{"id": "nobody", "rows": []}]}), 404, "unknown-task")
        self.assertProblem(self.many({"tasks": [{"id": "s20", "rows": [row] * 5001}] * 2}), 413, "too-large")
        self.assertProblem(self.many({"tasks": []}, model="none"), 404, "unknown-model")
        self.assertEqual(set(self.faults(self.many({"rows": []}))), {"/rows", "/tasks"})


class Examples(Known):
    def test_rows_as_they_come_count_at_once(self):
        answer = self.examples("e", {"rows": self.shops.known("s21", 4)}, token=self.server.token, create="true")
        self.assertEqual((answer.status, answer.json["created"], answer.json["accepted"]), (201, True, 4))
        revision = answer.json["revision"]
        for n in range(5, 17):
            told = self.examples("e", {"rows": [self.shops.rows["s21"][n - 1]]}).json
            self.assertEqual((told["known"], told["rows"], told["created"]), (n, n, False))
            self.assertGreater(told["revision"], revision)
            revision = told["revision"]
            some = self.predicted("e", {"rows": self.shops.asked("s21")})
            self.assertEqual((some["known"], some["context_revision"]), (n, revision))
            self.assertClose([p["value"] for p in some["predictions"]], self.supported("s21", n))

    def test_only_who_may_makes_tasks_by_examples(self):
        body = {"rows": self.shops.known("s20", 1)}
        self.assertProblem(self.examples("nobody", body), 404, "unknown-task")
        self.assertProblem(self.examples("nobody", body, create="true"), 403, "create-off")
        self.assertEqual(self.task("nobody").status, 404)
        with hn.Server("--events-create", models=[self.shops.model]) as server:
            self.assertEqual(self.examples("nobody", body, server=server, create="true").status, 201)

    def test_a_stored_profile_says_what_rows_do_not(self):
        self.put("prof", {"profile": {"district": "north"}})
        rows = [without(r, "district") for r in self.shops.known("s20")]
        self.assertEqual(self.examples("prof", {"rows": rows}).json["known"], 16)
        self.assertClose(self.values("prof", "s20"), self.supported("s20", 16))

    def test_each_model_has_its_own_sums_of_the_same_rows(self):
        rows = [dict(r, busy="yes" if r["units"] > 30 else "no") for r in self.shops.known("s20")]
        told = self.put("both", {"support": {"rows": rows}})
        self.assertEqual((told.status, told.json["known"]), (201, 16))  # `busy` is a column of another model that is served
        asked = {"rows": self.shops.asked("s20")}
        self.assertEqual(self.predicted("both", asked, model="busy")["known"], 16)
        self.assertEqual(self.predicted("both", asked)["known"], 16)
        self.examples("both", {"rows": [self.shops.rows["s20"][16]]})  # which says nothing of the class
        self.assertEqual((self.predicted("both", asked)["known"], self.predicted("both", asked, model="busy")["known"]), (17, 16))

    def test_a_model_that_comes_later_reads_the_stored_rows(self):
        store = self.world.copy_store()
        rows = [dict(r, busy="no") for r in self.shops.known("s20")]
        with hn.Server(store=store, models=[self.shops.model, self.shops.classes]) as server:
            self.put("late", {"support": {"rows": rows}}, server=server)
        with sqlite3.connect(store) as db:
            db.execute("DELETE FROM contexts WHERE kind = 'task'")
        with hn.Server(store=store, models=[self.shops.model]) as server:
            self.assertClose(self.values("late", "s20", server=server), self.supported("s20", 16))
            self.examples("late", {"rows": [self.shops.rows["s20"][16]]}, server=server)
        with hn.Server(store=store, models=[self.shops.classes, self.shops.model]) as server:
            self.assertEqual(self.task("late", server=server).json["known"], 16)
            self.assertEqual(self.task("late", server=server, model="shops").json["known"], 17)

    def test_a_model_trained_anew_under_its_old_version_has_no_use_for_the_sums_of_the_old(self):
        store, other = self.world.copy_store(), hn.temporary_folder() + "/shops.hn"
        hn.run("train", "--rows", self.shops.folder + "/shops.csv", "--task", "shop", "--target", "units", "--out", other, "--name", "shops",
               "--model-version", "1", "--epochs", 6, "--threads", 1, "--seed", 9)
        body = {"rows": self.shops.asked("s20"), "support": {"rows": self.shops.known("s20")}}
        with hn.Server(store=store, models=[self.shops.model]) as server:
            self.put("again", {"support": {"rows": self.shops.known("s20")}}, server=server)
            old = self.values("again", "s20", server=server)
        with hn.Server(store=store, models=[other]) as server:
            new = self.values("again", "s20", server=server)
            self.assertClose(new, [p["value"] for p in self.predicted("x", body, server=server)["predictions"]])
            self.assertNotEqual(new, old)

    def other_model(self, version):
        """The shops' model with other features, under the same name."""
        other = f"{hn.temporary_folder()}/shops{version}.hn"
        hn.run("train", "--rows", self.shops.folder + "/shops.csv", "--task", "shop", "--target", "units", "--out", other, "--name", "shops",
               "--model-version", version, "--epochs", 2, "--threads", 1, "--seed", 9, binary=hn.PREPARED)
        return other

    def sums_alone(self, model):
        """A store with tasks of which a model keeps eight rows' sums, and two that never had a row."""
        store = self.world.copy_store()
        with hn.Server(store=store, models=[model]) as server:
            for task in ("sums", "other"):
                self.put(task, {"support": {"rows": self.shops.known("s20", 8)}, "keep_rows": False}, server=server)
            self.put("kept", {"support": {"rows": self.shops.known("s20", 8)}}, server=server)
            self.put("none", {"keep_rows": False}, server=server)
        return store

    def warned(self, answer):
        self.assertIn(answer.status, (200, 201), answer)
        return [w["type"].rsplit(":", 1)[1] for w in answer.json.get("warnings", [])]

    def test_to_a_later_version_a_task_that_keeps_no_rows_waits_for_some_and_says_so(self):
        store, later = self.sums_alone(self.shops.model), self.other_model("2")
        asked = {"rows": self.shops.asked("s20")}
        with hn.Server(store=store, models=[later]) as server:
            for _ in range(2):  # made, and from the cache
                self.assertEqual(self.warned(self.predict("sums", asked, server=server)), ["rows-wanted"])
            self.assertEqual((self.task("sums", server=server).json["source"], self.task("sums", server=server).json["known"]), ("prior", 0))
            self.assertEqual(self.warned(self.task("sums", server=server)), ["rows-wanted"])
            many = server.request("POST", "/v1/predictions", {"tasks": [dict(asked, id=t) for t in ("sums", "kept", "none")]}).json["tasks"]
            self.assertEqual([[w["type"].rsplit(":", 1)[1] for w in t.get("warnings", [])] for t in many], [["rows-wanted"], [], []])
            blend = {"contexts": [{"id": "sums", "weight": 1}, {"id": "kept", "weight": 1}]}
            self.assertEqual(self.warned(self.predict("x", dict(asked, **blend), server=server)), ["rows-wanted"])
            self.assertEqual(self.warned(self.predict("sums", dict(asked, support={"rows": self.shops.known("s20", 4)}), server=server)), [])
            for task in ("kept", "none"):
                self.assertEqual(self.warned(self.task(task, server=server)), [])
            self.assertEqual(self.warned(self.put("other", {"profile": {"district": "north"}}, server=server)), ["rows-wanted"])
            self.assertEqual(self.warned(self.examples("sums", {"rows": self.shops.rows["s20"][8:12]}, server=server)), ["rows-wanted"])
            self.assertEqual((self.task("sums", server=server).json["known"], self.warned(self.task("sums", server=server))), (4, []))
            self.assertEqual(self.warned(self.predict("sums", asked, server=server)), [])
        with hn.Server(store=store, models=[self.shops.model]) as server:  # the sums of the first version are as they were
            self.assertEqual([self.task(t, server=server).json["known"] for t in ("sums", "other")], [8, 8])
            self.assertClose(self.values("sums", "s20", server=server), self.supported("s20", 8))

    def test_sums_that_nothing_could_make_again_are_not_written_over(self):
        def stored():
            with sqlite3.connect(store) as db:
                return db.execute("SELECT id, embedding FROM contexts WHERE id IN ('sums', 'other') ORDER BY id").fetchall()

        store, same = self.sums_alone(self.shops.model), self.other_model("1")
        before = stored()
        with hn.Server(store=store, models=[same]) as server:
            answer = self.examples("sums", {"rows": self.shops.rows["s20"][8:12]}, server=server)
            self.assertIn("whose rows are not kept", self.assertProblem(answer, 422, "other-model")["detail"])
            skipped = self.examples("sums", {"rows": [{"day": "x"}, self.shops.rows["s20"][8]]}, server=server, on_error="skip")
            self.assertProblem(skipped, 422, "other-model")
            for changed in (self.put("sums", {"profile": {"district": "north"}}, server=server), self.put("sums", {"keep_rows": False}, server=server),
                            server.admin("PATCH", ADMIN + "sums", {"profile": {"district": "south"}})):
                self.assertEqual(self.warned(changed), ["rows-wanted"])
            self.assertEqual(self.warned(self.predict("sums", {"rows": self.shops.asked("s20")}, server=server)), ["rows-wanted"])
            self.assertEqual(stored(), before)
            self.assertEqual(self.warned(self.put("other", {"support": {"rows": self.shops.known("s20", 4)}, "keep_rows": False}, server=server)), [])
            self.assertEqual(self.task("other", server=server).json["known"], 4)
        with hn.Server(store=store, models=[self.shops.model]) as server:
            self.assertEqual((self.task("sums", server=server).json["known"], self.warned(self.task("sums", server=server))), (8, []))

    def test_what_was_acknowledged_outlives_a_kill(self):
        server = hn.Server(models=[self.shops.model])
        self.put("k", {"support": {"rows": self.shops.known("s20", 8)}}, server=server)
        self.examples("k", {"rows": self.shops.rows["s20"][8:16]}, server=server)
        self.put("f", {"support": {"rows": self.shops.known("s20", 8)}, "keep_rows": False}, server=server)
        values = self.values("k", "s20", server=server)
        server.kill()
        with hn.Server(store=server.store, models=[self.shops.model]) as again:
            self.assertEqual(self.values("k", "s20", server=again), values)
            self.assertEqual(self.task("k", server=again).json["known"], 16)
            self.assertClose(self.values("f", "s20", server=again), self.supported("s20", 8))

    def test_another_replica_sees_what_one_writes(self):
        store = self.world.copy_store()
        with hn.Server(store=store, models=[self.shops.model]) as one, hn.Server(store=store, models=[self.shops.model]) as other:
            asked = {"rows": self.shops.asked("s20")}

            def known():
                answer = self.predict("r", asked, server=other)
                return answer.json.get("known") if answer.status == 200 else answer.status

            self.put("r", {"support": {"rows": self.shops.known("s20", 4)}}, server=one)
            self.assertEqual(known(), 4)
            self.examples("r", {"rows": self.shops.rows["s20"][4:16]}, server=one)
            hn.eventually(lambda: known() == 16, "the other replica's answer from the new rows")
            self.assertClose(self.values("r", "s20", server=other), self.values("r", "s20", server=one))
            one.admin("DELETE", ADMIN + "r")
            hn.eventually(lambda: known() == 404, "the other replica's answer without the task")

    def test_no_answer_is_older_than_an_acknowledged_row(self):
        path, rows = "busy%20shop", self.shops.rows["s20"]
        acknowledged, failures = [0], []
        self.put(path, {"support": {"rows": []}})

        def ask():
            with self.server.client() as client:
                while acknowledged[0] < 24:
                    least = acknowledged[0]
                    answer = client.request("POST", f"/v1/tasks/{path}/predictions", {"rows": self.shops.asked("s20")})
                    if answer.status != 200 or answer.json["known"] < least:
                        failures.append((least, answer))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(24):
            self.assertEqual(self.examples(path, {"rows": [rows[i % 16]]}).json["known"], i + 1)
            acknowledged[0] = i + 1
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def while_rows_come(self, task, act):
        """Calls act again and again until forty rows were sent, each by itself; the failures that it returns."""
        done, failures = threading.Event(), []

        def repeat():
            while not done.is_set():
                failures.extend(act())

        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            for i in range(40):
                yield self.examples(task, {"rows": [without(self.shops.rows["s20"][i % 16], "district")]})
        finally:
            done.set()
            thread.join()
        self.assertEqual(failures, [])

    def test_what_is_said_of_a_task_is_of_one_moment(self):
        self.put("moment", {"profile": {"district": "north"}})

        def look():
            told = self.task("moment").json
            return [] if told["known"] == told["rows"] else [told]

        for answer in self.while_rows_come("moment", look):
            self.assertEqual(answer.status, 200, answer)

    def test_rows_are_checked_with_the_profile_that_the_task_has_when_they_are_added(self):
        self.put("turns", {"profile": {"district": "north"}})

        def turn():
            return [a for a in (self.put("turns", {"profile": p}) for p in ({}, {"district": "north"})) if a.status != 200]

        for answer in self.while_rows_come("turns", turn):
            if answer.status == 200:
                self.assertEqual(answer.json["known"], answer.json["rows"], "rows that no model can read were added")
            else:
                self.assertIn("/rows/0/district", self.faults(answer))

    def test_rows_of_many_at_once_are_all_counted(self):
        self.put("crowd", {"support": {"rows": []}})

        def add():
            for i in range(5):
                self.assertEqual(self.examples("crowd", {"rows": [self.shops.rows["s20"][i]]}).status, 200)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.task("crowd").json["known"], 20)
        body = {"rows": self.shops.asked("s20"), "support": {"rows": self.shops.rows["s20"][:5] * 4}}
        self.assertClose(self.values("crowd", "s20"), [p["value"] for p in self.predicted("x", body)["predictions"]])


if __name__ == "__main__":
    unittest.main()
