"""Tasks learned one after the other: `train --inputs`, `--continue`, and the server that answers for them by their names."""
import gzip
import json
import os
import random
import signal
import struct
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import jsonschema_small as schema
from model_file import changed

SIDE, N = 6, 240
TASKS = {"lines": [7, 9], "dots": [1, 2], "rings": [30, 40]}


def npy(values, shape, kind="<f4", code="f"):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + struct.pack("<%d%s" % (len(values), code), *values)


def idx(values, shape):
    return bytes([0, 0, 8, len(shape)]) + struct.pack(">%dI" % len(shape), *shape) + bytes(values)


def rows(task, n=N, seed=0):
    """Images of noise on one of two patterns of the task, and which: bytes."""
    draw = random.Random("%s %s" % (task, seed))
    pattern = [[random.Random("%s %d %d" % (task, k, i)).randrange(60, 200) for i in range(SIDE * SIDE)] for k in range(2)]
    inputs, classes = [], []
    for _ in range(n):
        k = draw.randrange(2)
        inputs.append([max(0, min(255, int(p + draw.gauss(0, 25)))) for p in pattern[k]])
        classes.append(TASKS[task][k])
    return inputs, classes


def flat(lists):
    return [value for one in lists for value in one]


class Folder(unittest.TestCase):
    """A folder with the arrays of each task, and models of the first, of two and of three."""

    @classmethod
    def setUpClass(cls):
        held = tempfile.TemporaryDirectory()
        cls.addClassCleanup(held.cleanup)
        cls.folder = held.name
        for task in TASKS:
            inputs, classes = rows(task)
            cls.write(task + ".x", idx(flat(inputs), [N, SIDE, SIDE]))
            cls.write(task + ".y", idx(classes, [N]))
        before, cls.told, cls.models = None, {}, []
        for task in TASKS:
            out = cls.path("after-%s.hn" % task)
            cls.told[task] = json.loads(cls.learn(task, out, before, "--json").out)
            before = out
            cls.models.append(out)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def write(cls, name, data):
        with open(cls.path(name), "wb") as f:
            f.write(data)
        return cls.path(name)

    @classmethod
    def learn(cls, task, out, before, *more, inputs=None, classes=None, check=True):
        args = ["train", "--inputs", inputs or cls.path(task + ".x"), "--classes", classes or cls.path(task + ".y"), "--task", task,
                "--out", out, "--steps", 500, "--beta", 0.2, "--model-version", os.path.basename(out), *more]
        args += ["--continue", before] if before else [] if "--hidden" in more else ["--hidden", "12,12"]
        return hn.run(*args, check=check)

    def refused(self, what, task, before, **more):
        """Says what is wrong, with the file or option, and leaves nothing."""
        out = self.path("none.hn")
        told = self.learn(task, out, before, *more.pop("options", ()), check=False, **more)
        self.assertNotEqual(told.returncode, 0)
        self.assertRegex(told.err, what)
        self.assertEqual([f for f in os.listdir(self.folder) if f.startswith("none")], [])


class Learning(Folder):
    def test_each_task_is_learned_from_its_own_rows_and_measured_on_those_held_out(self):
        for n, task in enumerate(TASKS):
            told = self.told[task]
            self.assertEqual((told["task"], told["tasks"], told["classes"], told["rows"], told["held_out"]), (task, n + 1, 2, 216, 24))
            self.assertGreaterEqual(told["accuracy"], 0.9)

    def test_what_is_frozen_has_the_same_bits_and_the_largest_change_is_told(self):
        self.assertNotIn("frozen_same", self.told["lines"])
        for task in ("dots", "rings"):
            self.assertTrue(self.told[task]["frozen_same"])
            self.assertTrue(0 < self.told[task]["largest_change"] < 0.5)

    def test_the_same_rows_and_seed_give_the_same_file_and_another_seed_another(self):
        content = []
        for seed in (1, 1, 2):
            self.learn("dots", self.path("again.hn"), self.models[0], "--seed", seed)
            with open(self.path("again.hn"), "rb") as f:
                content.append(f.read())
        self.assertEqual(content[0], content[1])
        self.assertNotEqual(content[0], content[2])

    def test_numpy_and_gzip_files_are_as_good_as_idx(self):
        inputs, classes = rows("lines")
        x = self.write("lines.npy.gz", gzip.compress(npy(flat(inputs), [N, SIDE, SIDE], "|u1", "B")))
        y = self.write("classes.npy", npy(classes, [N], "<i8", "q"))
        self.learn("lines", self.path("numpy.hn"), None, "--model-version", "after-lines.hn", inputs=x, classes=y)
        with open(self.path("numpy.hn"), "rb") as a, open(self.models[0], "rb") as b:
            self.assertEqual(a.read(), b.read())

    def test_inspect_names_the_tasks_and_their_classes(self):
        told = hn.run("inspect", self.models[2]).out
        for task, classes in TASKS.items():
            self.assertRegex(told, r"%s +%d, %d\n" % (task, *classes))
        self.assertIn("6 x 6", told)
        described = json.loads(hn.run("inspect", self.models[2], "--json").out)
        self.assertEqual(described["hypernet"]["trained"]["classes"], [[str(c) for c in classes] for classes in TASKS.values()])

    def test_a_task_that_the_model_has_is_refused(self):
        self.refused("has learned a task 'lines'", "lines", self.models[2])

    def test_inputs_of_another_shape_are_refused(self):
        x = self.write("wide.x", idx([0] * N * 40, [N, 5, 8]))
        self.refused(r"wide.x: an input is 5 x 8; the model reads inputs of 6 x 6", "rings", self.models[0], inputs=x)
        x = self.write("flat.x", idx([0] * N * 36, [N, 36]))
        self.refused(r"an input is 36; the model reads inputs of 6 x 6", "rings", self.models[0], inputs=x)

    def test_rows_of_another_scale_than_the_model_was_trained_on_are_refused(self):
        inputs, classes = rows("dots")
        shares = self.write("shares.x", npy([v / 255 for v in flat(inputs)], [N, SIDE, SIDE]))
        small = self.path("small.hn")
        self.learn("dots", small, None, "--steps", 1, inputs=shares)
        bytes_after = self.path("rings.x")
        self.refused("rings.x: the largest number is 2[0-9]+, and the model was trained on numbers up to 1;", "rings", small, inputs=bytes_after)
        self.refused("shares.x: the largest number is (1|0[.0-9]*), and the model was trained on numbers up to 255", "rings", self.models[0], inputs=shares)
        told = hn.run("evaluate", "--model", self.models[1], "--inputs", "dots=%s,%s" % (shares, self.path("dots.y")), check=False)
        self.assertEqual((told.returncode, "numbers up to 255" in told.err), (1, True), told.err)
        dim = self.write("dim.x", npy([v / 50 for v in flat(inputs)], [N, SIDE, SIDE]))
        dark = self.write("dark.x", idx([v // 100 for v in flat(inputs)], [N, SIDE, SIDE]))
        for x in (dim, dark):
            self.learn("rings", self.path("next.hn"), self.models[0], "--steps", 1, inputs=x)

    def test_more_classes_than_the_model_has_outputs_are_refused(self):
        y = self.write("many.y", idx([i % 3 for i in range(N)], [N]))
        self.refused(r"many.y: the task has 3 classes, and the model outputs for 2", "rings", self.models[0], classes=y)

    def test_classes_that_do_not_fit_the_rows_are_refused(self):
        for what, classes in (("expected a class for each of the 240 inputs", idx([1] * 9, [9])),
                              ("all rows are of class 5", idx([5] * N, [N])),
                              ("is 0.5; a class is a whole number", npy([0.5] * N, [N])),
                              ("expected finite numbers", npy([float("nan")] * N, [N])),
                              ("240 x 1; expected a class for each", idx([1] * N, [N, 1]))):
            self.refused(what, "rings", None, classes=self.write("bad.y", classes))
        self.refused("more than 1000 classes", "many", None, inputs=self.write("m.x", idx([0] * 2200, [1100, 2])),
                     classes=self.write("m.y", npy(list(range(1100)), [1100])))

    def test_a_file_that_lies_is_refused(self):
        for what, data in (("its header promises", idx([0] * 100, [N, SIDE, SIDE])), ("none of 0", idx([], [0, 6, 6])),
                           ("two dimensions or more", idx([0] * N, [N])), ("beyond float32", npy([1e300] * N, [N, 1], "<f8", "d"))):
            self.refused(what, "rings", None, inputs=self.write("lie.x", data))

    def test_a_model_that_learns_no_more_tasks_is_refused(self):
        self.refused("the model learns no more tasks", "rings", hn.world().model)
        self.refused("cannot open|No such file", "rings", self.path("absent.hn"))

    def test_a_model_of_tables_needs_registration_alone_and_says_so(self):
        table = self.write("t.csv", b"task,x,y\n" + b"".join(b"t%d,%d,%d\n" % (i % 8, i % 7, i % 7 + i % 8) for i in range(160)))
        model = self.path("tables.hn")
        hn.run("train", "--rows", table, "--task", "task", "--target", "y", "--out", model, "--deadline-seconds", 1)
        self.refused("tables.hn: the model learns no more tasks, and need not: .*registered, which disturbs no other;.*import --task-rows", "rings", model)
        told = hn.run("train", "--rows", table, "--task", "task", "--target", "y", "--continue", model, "--out", self.path("none.hn"), check=False)
        self.assertIn("comes later is registered", told.err)
        self.assertFalse(os.path.exists(self.path("none.hn")))
        server = hn.Server(models=[model])
        some = lambda n: {"support": {"rows": [{"x": x, "y": x + n} for x in range(5)]}}
        asked = {"rows": [{"x": 2.5}, {"x": 6}]}
        server.admin("PUT", "/v1/admin/tasks/old", some(3))
        before = server.request("POST", "/v1/tasks/old/predictions", asked).json["predictions"]
        self.assertEqual(server.admin("PUT", "/v1/admin/tasks/new", some(40)).status, 201)
        self.assertEqual(server.request("POST", "/v1/tasks/old/predictions", asked).json["predictions"], before)
        server.stop()

    def test_commands_for_other_models_say_what_it_is(self):
        told = hn.run("recommend", "--store", hn.world().copy_store(), "--model", self.models[0], "--user", "u1", check=False)
        self.assertEqual(told.returncode, 1)
        self.assertIn("a model of tasks has no items to recommend", told.err)
        told = hn.run("predict", "--model", self.models[0], "--rows", self.write("r.csv", b"task,x\na,1\n"), "--task", "task", check=False)
        self.assertIn("is no model of tasks that read rows", told.err)

    def test_wrong_uses_are_told_before_anything_is_read(self):
        for what, options in (("--hidden is widths", ("--hidden", "12,x")), ("--hidden is widths", ("--hidden", "12,")),
                              ("goes with --inputs|does not go with --inputs", ("--epochs", 3))):
            self.refused(what, "lines", None, options=options)
        self.refused("not of one that goes on", "rings", self.models[0], options=("--hidden", "9"))
        self.refused("not of one that goes on", "rings", self.models[0], options=("--chunks", "5"))
        self.refused("--chunks", "lines", None, options=("--chunks", "0"))
        told = hn.run("train", "--store", "s.db", "--continue", self.models[0], "--out", self.path("none.hn"), check=False)
        self.assertIn("goes with --inputs", told.err)
        told = hn.run("train", "--inputs", self.path("lines.x"), "--out", self.path("none.hn"), check=False)
        self.assertIn("--inputs needs --classes", told.err)

    def test_what_is_wrong_is_blamed(self):
        self.refused("train: --hidden 12,x|train: --hidden is widths", "lines", None, options=("--hidden", "12,x"))
        self.refused("train: --hidden 1048576,1048576: ", "lines", None, options=("--hidden", "1048576,1048576"))
        self.refused("train: the id of the task .x+\\.\\.\\.. has 257 bytes", "x" * 257, None)

    def test_an_interrupt_says_that_nothing_is_written(self):
        out = self.path("none.hn")
        args = [hn.BINARY, "train", "--inputs", self.path("lines.x"), "--classes", self.path("lines.y"), "--task", "lines", "--out", out,
                "--hidden", "300,300", "--steps", "1000000"]
        ended = subprocess.Popen(args, stderr=subprocess.PIPE, text=True)
        while "learn" not in ended.stderr.readline():
            self.assertIsNone(ended.poll())
        ended.send_signal(signal.SIGINT)
        said = ended.communicate(timeout=60)[1]
        self.assertEqual((ended.returncode, "nothing is written" in said, os.path.exists(out)), (130, True, False), said)

    def test_the_rows_are_not_written_over(self):
        told = self.learn("lines", self.path("lines.x"), None, check=False)
        self.assertNotEqual(told.returncode, 0)
        with open(self.path("lines.x"), "rb") as f:
            self.assertEqual(f.read(4), bytes([0, 0, 8, 3]))


class Evaluated(Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for task in TASKS:
            inputs, classes = rows(task, 100, seed=9)
            cls.write(task + ".tx", idx(flat(inputs), [100, SIDE, SIDE]))
            cls.write(task + ".ty", idx(classes, [100]))

    def evaluate(self, *more, models=None, tasks=TASKS, check=True):
        args = [a for m in models or self.models for a in ("--model", m)]
        args += [a for t in tasks for a in ("--inputs", "%s=%s,%s" % (t, self.path(t + ".tx"), self.path(t + ".ty")))]
        return hn.run("evaluate", *args, *more, check=check)

    def learned(self, tasks=TASKS):
        return [a for t in tasks for a in ("--learned", "%s=%s,%s" % (t, self.path(t + ".x"), self.path(t + ".y")))]

    def test_the_matrix_is_task_by_time_with_what_it_sums_up_to(self):
        told = json.loads(self.evaluate("--json").out)
        self.assertEqual(told["tasks"], list(TASKS))
        model = told["systems"]["model"]
        self.assertEqual([[x is None for x in row] for row in model["matrix"]],
                         [[False, True, True], [False, False, True], [False] * 3])
        last = model["matrix"][2]
        self.assertAlmostEqual(model["average"], sum(last) / 3, 5)
        forgot = [model["matrix"][0][0] - last[0], model["matrix"][1][1] - last[1]]
        self.assertAlmostEqual(model["forgetting"], sum(forgot) / 2, 5)
        self.assertIsNone(model["intransigence"])
        self.assertLess(abs(model["forgetting"]), 0.05)
        self.assertEqual(list(told["systems"]), ["model"])
        self.assertEqual(told["by_learned"]["2"], {t: {"accuracy": x} for t, x in zip(TASKS, model["matrix"][1][:2])})

    def test_networks_that_learn_in_the_same_order_stand_beside_it(self):
        told = json.loads(self.evaluate(*self.learned(), "--steps", 60, "--json").out)["systems"]
        self.assertEqual(list(told), ["model", "own", "sequence", "ewc", "beta_0"])
        self.assertEqual((told["own"]["forgetting"], told["own"]["intransigence"]), (0, 0))
        straight = [told["model"]["matrix"][k][k] for k in range(3)]
        own = [told["own"]["matrix"][k][k] for k in range(3)]
        self.assertAlmostEqual(told["model"]["intransigence"], sum(o - s for o, s in zip(own, straight)) / 3, 5)
        for name in ("sequence", "ewc", "beta_0"):
            self.assertIsNotNone(told[name]["forgetting"])
        text = self.evaluate(*self.learned(), "--steps", 60).out
        self.assertRegex(text, r"tasks learned +lines +dots +rings\n1 +[0-9.]+ *\n")
        for name in ("the model", "the hypernetwork, beta 0"):
            self.assertRegex(text, name + r" +[0-9.]+ +-?[0-9.]+ +-?[0-9.]+\n")

    def test_rows_that_an_earlier_model_reads_otherwise_are_refused(self):
        inputs, classes = rows("lines")
        for what, x, y in (("an input of task 'lines' is 36; the last model's is 6 x 6", idx(flat(inputs), [N, 36]), classes),
                           ("in units of 1; the last model's of 255", npy([v / 255 for v in flat(inputs)], [N, SIDE, SIDE]), classes),
                           ("task 'lines' has 3 classes; the last model's has 2", idx(flat(inputs), [N, SIDE, SIDE]), [i % 3 for i in range(N)]),
                           ("class 1 of task 'lines' is '8'; the last model's is '9'", idx(flat(inputs), [N, SIDE, SIDE]), [min(c, 8) for c in classes])):
            other = self.path("other.hn")
            self.learn("lines", other, None, "--steps", 1, inputs=self.write("other.x", x), classes=self.write("other.y", idx(y, [N])))
            told = self.evaluate(models=[other, self.models[0]], tasks=["lines"], check=False)
            self.assertEqual((told.returncode, "other.hn: " in told.err, what in told.err), (1, True, True), told.err)

    def test_a_task_is_measured_once(self):
        told = self.evaluate(tasks=["lines", "dots", "lines"], check=False)
        self.assertEqual((told.returncode, "--inputs names task 'lines' twice" in told.err), (1, True), told.err)

    def test_a_network_of_one_task_has_none_to_stand_beside_it(self):
        server = hn.Server(models=[self.models[1]])
        alone = self.write("alone.hn", server.request("GET", "/v1/tasks/dots/weights").body)
        server.stop()
        told = self.evaluate(*self.learned(["dots"]), "--steps", 3, models=[alone], tasks=["dots"], check=False)
        self.assertEqual(told.returncode, 1, told.err)
        self.assertIn("layer 0 has weights that are not generated", told.err)
        self.evaluate(models=[alone], tasks=["dots"])

    def test_weights_that_overflow_are_told_and_not_measured(self):
        server = hn.Server(models=[self.models[0]])
        alone = self.write("alone.hn", server.request("GET", "/v1/tasks/lines/weights").body)
        server.stop()
        for path, what in ((changed(alone, self.path("bad.hn"), "target.2.weight", 3e38), "answer is not finite"),
                           (changed(self.models[0], self.path("bad2.hn"), "chunks.head.weight", 3e38), "a generated weight is not finite")):
            told = self.evaluate("--json", models=[path], tasks=["lines"], check=False)
            self.assertEqual((told.returncode, told.out, what in told.err), (1, "", True), told.err)

    def test_the_picture_has_a_line_for_each_task(self):
        path = self.write("result.json", self.evaluate("--json").out.encode())
        picture = hn.run("plot", path).out
        for word in (*TASKS, "tasks learned", "accuracy"):
            self.assertIn(word, picture)

    def test_one_model_alone_is_measured_after_all(self):
        told = json.loads(self.evaluate("--json", models=self.models[2:]).out)["systems"]["model"]
        self.assertEqual(len(told["matrix"]), 1)
        self.assertIsNone(told["forgetting"])

    def test_what_does_not_fit_is_told(self):
        for what, told in (("has learned no task 'rings'", self.evaluate(models=self.models[:2], check=False)),
                           ("learned no tasks of inputs", self.evaluate(models=[hn.world().model], check=False)),
                           ("--learned is of 1 tasks", self.evaluate(*self.learned(["lines"]), check=False)),
                           ("expected 'lines', in the order", self.evaluate(*self.learned(["dots", "lines", "rings"]), check=False)),
                           ("goes with --learned", self.evaluate("--steps", 5, check=False)),
                           ("NAME=INPUTS,CLASSES, not 'x'", hn.run("evaluate", "--model", self.models[0], "--inputs", "x", check=False))):
            self.assertNotEqual(told.returncode, 0)
            self.assertIn(what, told.err)
        other = self.write("other.y", idx([3] * 50 + [7] * 50, [100]))
        told = hn.run("evaluate", "--model", self.models[0], "--inputs", "lines=%s,%s" % (self.path("lines.tx"), other), check=False)
        self.assertIn("row 0 is of class 3, which the task has not", told.err)


class Served(Folder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = hn.Server(models=[cls.models[2]])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def post(self, task, body, server=None, **params):
        return (server or self.server).request("POST", "/v1/tasks/%s/predictions" % task, body, params=params)

    def answers(self, task, inputs, server=None, **params):
        answer = self.post(task, {"inputs": inputs}, server, **params)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["predictions"]

    def test_a_trained_task_that_the_store_does_not_have_is_answered(self):
        for task in TASKS:
            inputs, classes = rows(task, 60, seed=1)
            answer = self.post(task, {"inputs": inputs}).json
            self.assertEqual((answer["task"], answer["source"], answer["context_revision"]), (task, "trained", None))
            right = sum(p["class"] == str(c) for p, c in zip(answer["predictions"], classes))
            self.assertGreaterEqual(right, 54)
            for p in answer["predictions"]:
                self.assertEqual(sorted(p["probabilities"]), sorted(str(c) for c in TASKS[task]))
                self.assertAlmostEqual(sum(p["probabilities"].values()), 1, 4)

    def test_the_second_answer_is_cached_and_the_same(self):
        inputs = rows("dots", 5, seed=2)[0]
        self.answers("dots", inputs)
        first, second = self.post("dots", {"inputs": inputs}), self.post("dots", {"inputs": inputs})
        self.assertEqual(second.headers["x-hypernet-cache"], "hit")
        self.assertEqual(first.body, second.body)

    def test_nested_and_flat_inputs_are_the_same(self):
        inputs = rows("lines", 3, seed=3)[0]
        nested = [[one[r * SIDE:(r + 1) * SIDE] for r in range(SIDE)] for one in inputs]
        self.assertEqual(self.answers("lines", inputs), self.answers("lines", nested))
        self.assertEqual(self.answers("lines", []), [])

    def test_answers_and_bodies_fit_the_contract(self):
        document = self.server.request("GET", "/openapi.json").json
        inputs = {"inputs": rows("lines", 2, seed=8)[0]}
        for method, path, body in (("POST", "/v1/tasks/{task}/predictions", inputs), ("GET", "/v1/tasks/{task}", None),
                                   ("POST", "/v1/tasks/predictions", dict(inputs, limit=3)), ("GET", "/v1/models", None)):
            call = schema.resolve(document, document["paths"][path])[method.lower()]
            if body:
                asked = schema.resolve(document, call["requestBody"])["content"]["application/json"]["schema"]
                self.assertEqual(schema.errors(document, asked, body), [])
            answer = self.server.request(method, path.replace("{task}", "lines"), body)
            told = schema.resolve(document, call["responses"][str(answer.status)])["content"]["application/json"]["schema"]
            self.assertEqual((answer.status, schema.errors(document, told, answer.json)), (200, []))

    def test_every_input_that_is_wrong_is_named(self):
        good = [0] * 36
        bad = [7, [1, 2], [[0] * 6] * 5, [[0] * 6] * 5 + [[0] * 5], ["a"] + good[1:], good[1:] + [1e300], [True] + good[1:], [[[0]] * 6] * 6]
        answer = self.post("lines", {"inputs": [good, *bad]})
        self.assertEqual(answer.status, 422)
        self.assertEqual([e["pointer"] for e in answer.json["errors"]], ["/inputs/%d" % (i + 1) for i in range(len(bad))])
        for body, pointer in (({}, "/inputs"), ({"rows": []}, "/rows"), ({"inputs": 3}, "/inputs"),
                              ({"inputs": [], "cold_start": True}, "/cold_start")):
            answer = self.post("lines", body)
            self.assertEqual((answer.status, answer.json["pointer"]), (422, pointer))
        self.assertEqual(self.post("lines", {"inputs": [good] * 1025}).status, 422)

    def test_inputs_far_beyond_the_training_are_refused(self):
        good = [0] * 36
        for value in (2551, -2551, 8e40, 1e300):
            answer = self.post("lines", {"inputs": [good, good[1:] + [value], good]})
            self.assertEqual((answer.status, answer.json["pointer"]), (422, "/inputs/1"))
            self.assertIn("number 35 is %g; the model was trained on numbers up to 255" % value, answer.json["detail"])
            answer = self.server.request("POST", "/v1/tasks/predictions", {"inputs": [good[1:] + [value]]})
            self.assertEqual((answer.status, answer.json["pointer"]), (422, "/inputs/0"))
        self.answers("lines", [[2550, -2550] * 18])

    def test_weights_that_overflow_are_refused_and_end_no_server(self):
        alone = self.write("alone.hn", self.server.request("GET", "/v1/tasks/lines/weights").body)
        body = {"inputs": [[0] * 36, [200] * 36]}
        calls = [("POST", "/v1/tasks/lines/predictions", body), ("POST", "/v1/tasks/predictions", body), ("GET", "/v1/tasks/lines/weights", None)]
        for path, calls, what in ((changed(self.models[2], self.path("bad.hn"), "chunks.head.weight", 3e38), calls, "a generated weight is not finite"),
                                  (changed(alone, self.path("bad2.hn"), "target.2.weight", 3e38), calls[:2], "the model's answer is not finite")):
            server = hn.Server(models=[path])
            for call in calls * 3:
                answer = server.request(*call)
                self.assertEqual((answer.status, what in str(answer.json)), (422, True), answer)
            self.assertEqual(server.request("GET", "/v1/models").status, 200)
            server.stop()

    def test_fewer_chunks_are_a_larger_hypernetwork_that_learns_on_as_any_other(self):
        few, many, more = (self.path(name) for name in ("few.hn", "many.hn", "more.hn"))
        self.learn("lines", few, None, "--hidden", "12,12", "--chunks", 2)
        self.learn("lines", many, None, "--hidden", "12,12")
        self.assertGreater(os.path.getsize(few), os.path.getsize(many) + 4 * 24 * 200)  # a chunk has hundreds of weights, each with 24 numbers
        self.assertIn("what is frozen has the same bits", self.learn("dots", more, few).out)

    def test_a_network_that_the_cache_has_no_room_for_is_warned_of(self):
        large = self.path("large.hn")
        self.learn("lines", large, None, "--hidden", "100,100", "--steps", 1)
        for room, warned in (("50K", True), ("10M", False)):
            server = hn.Server("--cache-bytes", room, models=[large])
            for _ in range(2):
                answer = self.post("lines", {"inputs": [[0] * 36]}, server)
            self.assertEqual(answer.headers["x-hypernet-cache"], "miss" if warned else "hit")
            self.assertEqual("of 56008 bytes is generated anew for each call" in server.log(), warned, server.log())
            server.stop()

    def test_a_task_that_was_not_learned_is_not_known(self):
        for answer in (self.post("other", {"inputs": []}), self.post("other", {"inputs": []}, cold_start="true"),
                       self.server.request("GET", "/v1/tasks/other"), self.server.request("GET", "/v1/tasks/other/weights")):
            self.assertEqual((answer.status, answer.json["type"]), (404, "urn:hypernet:problem:unknown-task"))

    def test_what_is_known_of_a_task_and_of_the_model(self):
        told = self.server.request("GET", "/v1/tasks/dots").json
        self.assertEqual((told["task"], told["source"], told["learned"]), ("dots", "trained", 2))
        self.assertEqual((told["classes"], told["shape"], told["unit"]), (["1", "2"], [6, 6], 255))
        model, = self.server.request("GET", "/v1/models").json["models"]
        self.assertEqual((model["answers_for"], model["shape"]), ("trained tasks", [6, 6]))
        self.assertEqual([t["id"] for t in model["tasks"]], list(TASKS))

    def test_the_task_of_inputs_is_guessed_by_entropy_and_marked_as_a_guess(self):
        right = 0
        for task in TASKS:
            inputs = rows(task, 12, seed=4)[0]
            told = self.server.request("POST", "/v1/tasks/predictions", {"inputs": inputs, "limit": 2}).json
            self.assertEqual((told["guess"], told["by"], told["compared"], told["complete"]), (True, "entropy", 3, True))
            self.assertEqual(len(told["tasks"]), 2)
            self.assertGreaterEqual(told["tasks"][0]["score"], told["tasks"][1]["score"])
            self.assertEqual(told["tasks"][0]["predictions"], self.answers(told["tasks"][0]["task"], inputs))
            right += told["tasks"][0]["task"] == task
        self.assertGreaterEqual(right, 2)
        for body, pointer in (({"inputs": []}, "/inputs"), ({"inputs": [[0] * 36], "limit": 0}, "/limit"), ({"rows": [1]}, "/rows")):
            answer = self.server.request("POST", "/v1/tasks/predictions", body)
            self.assertEqual((answer.status, answer.json["pointer"]), (422, pointer))

    def test_the_weights_of_a_task_are_a_model_that_answers_the_same(self):
        path = self.write("alone.hn", self.server.request("GET", "/v1/tasks/rings/weights").body)
        alone = hn.Server(models=[path])
        inputs = rows("rings", 20, seed=5)[0]
        self.assertEqual(self.answers("rings", inputs, alone), self.answers("rings", inputs))
        self.assertEqual(self.post("dots", {"inputs": inputs}, alone).status, 404)
        alone.stop()
        self.refused("of one task alone", "dots", path)

    def test_calls_that_need_rows_say_what_the_model_takes(self):
        for method, path, body in (("POST", "/v1/tasks/dots/examples", {"rows": []}), ("PUT", "/v1/admin/tasks/dots", {}),
                                   ("POST", "/v1/predictions", {"tasks": []}), ("GET", "/v1/users/u1/recommendations", None)):
            answer = self.server.admin(method, path, body)
            self.assertEqual((answer.status, answer.json["type"]), (422, "urn:hypernet:problem:other-model"), path)

    def test_old_tasks_answer_as_before_after_a_new_one_was_learned(self):
        before = hn.Server(models=[self.models[0]])
        inputs = rows("lines", 200, seed=6)[0]
        old, new = self.answers("lines", inputs, before), self.answers("lines", inputs)
        before.stop()
        self.assertEqual(sum(a["class"] == b["class"] for a, b in zip(old, new)), 200)
        self.assertLess(max(abs(a["probabilities"]["7"] - b["probabilities"]["7"]) for a, b in zip(old, new)), 0.05)

    def test_models_of_all_kinds_are_served_beside_each_other_by_their_names(self):
        named = self.path("named.hn")
        self.learn("lines", named, None, "--name", "pictures")
        both = hn.Server(models=[hn.world().model, named])
        inputs = rows("lines", 5, seed=7)[0]
        self.assertEqual(self.answers("lines", inputs, both), self.answers("lines", inputs, both, model="pictures"))
        self.assertEqual(self.post("lines", {"inputs": inputs}, both, model="default").status, 422)
        self.assertEqual(both.request("GET", "/v1/users/%s/recommendations" % hn.world().users[0]).status, 200)
        answer = both.request("GET", "/v1/users/u1/recommendations", params={"model": "pictures"})
        self.assertEqual(answer.json["type"], "urn:hypernet:problem:other-model")
        both.stop()


class Stored(Folder):
    """Rows that a model file keeps, by which rows without a task are guessed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kept, cls.said = [], {}
        for task in TASKS:
            out = cls.path("kept-%s.hn" % task)
            cls.said[task] = json.loads(cls.learn(task, out, cls.kept[-1] if cls.kept else None, "--keep-rows", 20, "--json").out)
            cls.kept.append(out)

    def guess(self, server, task, n=12):
        return server.request("POST", "/v1/tasks/predictions", {"inputs": rows(task, n, seed=4)[0], "limit": 3}).json

    def test_rows_of_each_task_are_kept_and_tell_it_apart(self):
        for n, task in enumerate(TASKS):
            self.assertEqual(self.said[task]["stored_rows"], 20 * (n + 1))
        self.assertGreater(self.said["rings"]["told_apart"], 0.9)
        self.assertNotIn("stored_rows", self.told["rings"])
        told = json.loads(hn.run("inspect", self.kept[2], "--json").out)["hypernet"]["trained"]["stored"]
        self.assertEqual(told["rows"], [[10, 10]] * 3)
        self.assertIn("7, 9 (20 rows stored)", hn.run("inspect", self.kept[2]).out)

    def test_what_is_learned_is_the_same_whether_rows_are_kept_or_not(self):
        for kept, other in zip(self.kept, self.models):
            server, beside = hn.Server(models=[kept]), hn.Server(models=[other])
            body = {"inputs": rows("lines", 30, seed=2)[0]}
            a, b = (s.request("POST", "/v1/tasks/lines/predictions", body).json["predictions"] for s in (server, beside))
            self.assertEqual(a, b)
            alone = server.request("GET", "/v1/tasks/lines/weights").body
            self.assertNotIn(b"trained.rows", alone)
            server.stop()
            beside.stop()

    def test_the_server_guesses_by_stored_rows_and_says_so(self):
        server = hn.Server(models=[self.kept[2]])
        for task in TASKS:
            told = self.guess(server, task)
            self.assertEqual((told["guess"], told["by"], told["compared"], told["complete"]), (True, "rows", 3, True))
            self.assertEqual(told["tasks"][0]["task"], task)
            self.assertGreater(told["tasks"][0]["score"], told["tasks"][1]["score"])
            inputs = rows(task, 12, seed=4)[0]
            answer = server.request("POST", "/v1/tasks/%s/predictions" % task, {"inputs": inputs}).json
            self.assertEqual(told["tasks"][0]["predictions"], answer["predictions"])
        server.stop()

    def test_without_rows_of_each_task_the_guess_is_by_entropy(self):
        mixed = self.path("mixed.hn")
        told = json.loads(self.learn("rings", mixed, self.kept[1], "--json").out)
        self.assertEqual(told["stored_rows"], 40)
        for model in (mixed, self.models[2], self.kept[0]):
            server = hn.Server(models=[model])
            self.assertEqual(self.guess(server, "lines")["by"], "entropy")
            server.stop()

    def test_evaluate_says_how_often_rows_without_a_task_are_right(self):
        args = [a for t in TASKS for a in ("--inputs", "%s=%s,%s" % (t, self.path(t + ".x"), self.path(t + ".y")))]
        told = json.loads(hn.run("evaluate", "--model", self.kept[2], *args, "--json").out)["unknown_task"]
        self.assertGreater(told["rows"]["task"], 0.95)
        self.assertGreater(told["rows"]["accuracy"], 0.9)
        self.assertTrue(0 <= told["entropy"]["accuracy"] <= told["entropy"]["task"] <= 1)
        self.assertRegex(hn.run("evaluate", "--model", self.kept[2], *args).out, r"by stored rows +[0-9.]+ +[0-9.]+\n")
        told = json.loads(hn.run("evaluate", "--model", self.models[2], *args, "--json").out)["unknown_task"]
        self.assertIsNone(told["rows"])

    def test_more_rows_than_a_file_keeps_are_refused_before_training(self):
        self.refused("a model file keeps at most 5000 rows, and has 40", "rings", self.kept[1], options=("--keep-rows", 4980))
        self.refused("keep-rows", "rings", self.kept[1], options=("--keep-rows", 5001))
        told = hn.run("train", "--store", "s.db", "--keep-rows", 3, "--out", self.path("none.hn"), check=False)
        self.assertIn("goes with --inputs", told.err)

    def test_a_class_of_few_rows_keeps_them_all(self):
        inputs, classes = rows("rings")
        few = [i for i, c in enumerate(classes) if c == classes[0]] + [i for i, c in enumerate(classes) if c != classes[0]][:3]
        x = self.write("few.x", idx(flat([inputs[i] for i in few]), [len(few), SIDE, SIDE]))
        y = self.write("few.y", idx([classes[i] for i in few], [len(few)]))
        out = self.path("few.hn")
        self.learn("rings", out, self.kept[1], "--keep-rows", 40, "--steps", 5, inputs=x, classes=y)
        stored = json.loads(hn.run("inspect", out, "--json").out)["hypernet"]["trained"]["stored"]["rows"][2]
        self.assertEqual(max(stored), 20)
        self.assertTrue(1 <= min(stored) <= 3)

    def test_a_file_whose_rows_are_not_as_described_is_refused(self):
        with open(self.kept[2], "rb") as f:
            data = f.read()
        for old, new in ((b"trained.rows", b"trained.rowz"), (b'[10,10]', b'[10,11]')):
            self.assertIn(old, data.replace(b" ", b""))
            told = hn.run("inspect", self.write("bad.hn", data.replace(old, new, 1)), check=False)
            self.assertEqual(told.returncode, 1, told.out)


class Asking(threading.Thread):
    """Asks a task again and again over a connection of its own, until told to end; what was not as expected is kept."""

    def __init__(self, server, path, body, expected):
        super().__init__()
        self.server, self.path, self.body, self.expected = server, path, body, expected
        self.ending, self.n, self.wrong = threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.ending.is_set():
            answer = self.server.request("POST", self.path, self.body)
            self.n += 1
            if answer.status != 200 or not self.expected(answer.json):
                self.wrong.append((answer.status, answer.body))

    def end(self):
        self.ending.set()
        self.join()


class Renewed(Folder):
    """A running server takes the file of one task more."""

    def setUp(self):
        self.serving = self.path("serving.hn")
        shutil.copyfile(self.models[0], self.serving)
        self.serve(self.serving)

    def serve(self, *models):
        self.server = server = hn.Server(models=models)
        self.addCleanup(server.stop)

    def take(self, path, metric="model_renewals_total"):
        """Renames a copy of a file to the path of the model served, and waits until the server looked at it."""
        before = self.server.metric(metric)
        shutil.copyfile(path, self.serving + ".part")
        os.rename(self.serving + ".part", self.serving)
        self.server.signal(signal.SIGHUP)
        hn.eventually(lambda: self.server.metric(metric) > before, "the new file to be looked at")

    def ask(self, task, inputs):
        return self.server.request("POST", "/v1/tasks/%s/predictions" % task, {"inputs": inputs})

    def test_old_tasks_are_answered_by_the_new_version_as_before_and_its_new_tasks_too(self):
        old, new = rows("lines", 100, seed=6)[0], rows("dots", 60, seed=1)
        before = self.ask("lines", old).json
        self.assertEqual((before["model_version"], self.ask("dots", new[0]).status), ("after-lines.hn", 404))
        self.take(self.models[1])
        after = self.ask("lines", old).json
        self.assertEqual(after["model_version"], "after-dots.hn")
        self.assertEqual([p["class"] for p in after["predictions"]], [p["class"] for p in before["predictions"]])
        self.assertLess(max(abs(a["probabilities"]["7"] - b["probabilities"]["7"])
                            for a, b in zip(before["predictions"], after["predictions"])), 0.05)
        answers = self.ask("dots", new[0]).json["predictions"]
        self.assertGreaterEqual(sum(p["class"] == str(c) for p, c in zip(answers, new[1])), 54)
        self.assertEqual(len(self.server.request("GET", "/v1/models").json["models"]), 1)

    def test_a_version_of_the_same_weights_answers_with_the_same_bits(self):
        inputs = rows("lines", 50, seed=6)[0]
        before = self.ask("lines", inputs).json["predictions"]
        self.take(self.models[0])
        self.assertEqual(self.ask("lines", inputs).json["predictions"], before)

    def test_no_request_fails_while_versions_come(self):
        inputs = rows("lines", 5, seed=6)[0]
        classes = [p["class"] for p in self.ask("lines", inputs).json["predictions"]]
        right = lambda answer: [p["class"] for p in answer["predictions"]] == classes
        guessed = lambda answer: answer["guess"] and answer["tasks"][0]["predictions"]
        asking = [Asking(self.server, "/v1/tasks/lines/predictions", {"inputs": inputs}, right) for _ in range(3)]
        asking.append(Asking(self.server, "/v1/tasks/predictions", {"inputs": inputs}, guessed))
        for path in self.models[1:] + self.models[:2]:
            self.take(path)
        counts = [one.n for one in asking]
        hn.eventually(lambda: all(one.n > n for one, n in zip(asking, counts)), "an answer after the last version")
        for one in asking:
            one.end()
            self.assertEqual(one.wrong, [])

    def test_a_file_that_cannot_be_served_leaves_the_version_before(self):
        inputs = rows("lines", 5, seed=6)[0]
        named = self.path("renamed.hn")
        self.learn("lines", named, None, "--name", "pictures", "--steps", 1)
        for path, what in ((self.path("lines.x"), "serving.hn"), (named, "is named 'pictures', and 'default' is served from it"),
                           (hn.world().model, "is of another kind")):
            self.take(path, "model_renewals_failed_total")
            answer = self.ask("lines", inputs)
            self.assertEqual((answer.status, answer.json["model_version"]), (200, "after-lines.hn"))
            hn.eventually(lambda: what in self.server.log(), "the log to say why")
        self.take(self.models[1])
        self.assertEqual(self.ask("dots", inputs).status, 200)

    def test_a_file_that_went_away_and_one_that_stayed_are_no_errors(self):
        os.unlink(self.serving)
        self.server.signal(signal.SIGHUP)
        hn.eventually(lambda: "goes on as it was opened" in self.server.log(), "the log to say so")
        self.assertEqual(self.ask("lines", rows("lines", 5)[0]).status, 200)
        self.assertEqual(self.server.metric("model_renewals_failed_total"), 0)
        self.take(self.models[1])
        self.assertEqual(self.server.metric("model_renewals_total"), 1)

    def test_tasks_that_the_new_version_has_not_are_told(self):
        self.take(self.models[2])
        self.take(self.models[0])
        hn.eventually(lambda: "had learned 2 tasks that this one has not" in self.server.log(), "the log to say so")

    def test_models_beside_it_are_as_they_were_and_in_their_order(self):
        named = [self.path("named%d.hn" % i) for i in range(2)]
        self.learn("lines", named[0], None, "--name", "pictures", "--steps", 1)
        self.learn("dots", named[1], named[0], "--steps", 1)
        self.learn("rings", self.path("last.hn"), None, "--name", "last", "--steps", 1)
        shutil.copyfile(named[0], self.serving)
        self.serve(hn.world().model, self.serving, self.path("last.hn"))
        names = lambda: [m["name"] for m in self.server.request("GET", "/v1/models").json["models"]]
        user, before = "/v1/users/%s/recommendations" % hn.world().users[0], names()
        answer = self.server.request("GET", user).json
        self.take(named[1])
        self.assertEqual((self.server.request("GET", user).json, names()), (answer, before))
        self.assertEqual(self.ask("dots", rows("dots", 2)[0]).json["model_version"], "named1.hn")

    def test_a_new_version_of_a_model_for_users_makes_their_contexts_anew(self):
        shutil.copyfile(hn.world().model, self.serving)
        self.serve(self.serving)
        user = "/v1/users/%s/recommendations" % hn.world().users[0]
        before = self.server.request("GET", user).json
        self.take(hn.world().model)
        self.assertEqual(self.server.request("GET", user).json, before)


if __name__ == "__main__":
    unittest.main()
