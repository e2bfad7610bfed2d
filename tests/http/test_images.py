"""Tasks of images: a few images of each class make a task at once; what comes is added, what goes is gone, a kill loses nothing, and what
is refused says where it is wrong and leaves no trace."""
import base64
import contextlib
import json
import os
import shutil
import sqlite3
import struct
import sys
import tempfile
import unittest
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn
import jsonschema_small as schema
import shops
import strokes
from model_file import changed

ADMIN = "/v1/admin/tasks/"
LEARNED, ALL, EACH = 24, 30, 10
SIDE = strokes.SIDE
JSON_OF = {"Content-Type": "application/json"}


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(image, depth=8, kind=0, width=None, height=None, body=None, beside=b"", more=b"", interlaced=False):
    """A PNG of rows of values from 0 to 255; kind 0: grey, 2: red, green, blue; with chunks beside its pixels, and more bytes behind those."""
    rows = image
    if interlaced:
        rows = [row[x::dx] for x, y, dx, dy in PASSES for row in image[y::dy]]
    raw = b"".join(b"\0" + b"".join(bytes([v]) * (3 if kind == 2 else 1) for v in row) for row in rows) + more
    head = struct.pack(">IIBBBBB", width or len(image[0]), height or len(image), depth, kind, 0, 0, interlaced)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + beside + chunk(b"IDAT", zlib.compress(raw) if body is None else body) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def context_of(store, task):
    with contextlib.closing(sqlite3.connect(store)) as db:
        return db.execute("SELECT embedding FROM contexts WHERE id = ?", (task,)).fetchone()[0]


class Glyphs:
    def __init__(self):
        self.folder = hn.temporary_folder()
        hn.filled_once(self.folder, "glyphs", self._fill)
        self.model = self.folder + "/glyphs.hn"
        self.classes = strokes.characters(ALL, EACH)

    @staticmethod
    def _fill(folder):
        strokes.write_set(folder, "train", strokes.characters(ALL, EACH)[:LEARNED])
        hn.run("train", "--images", folder + "/train_images.npy", "--classes", folder + "/train_classes.npy", "--episodes", 40,
               "--out", folder + "/glyphs.hn", "--name", "glyphs", "--model-version", "1", "--threads", 1)

    def support(self, classes="abcde", n=3, form=lambda image: image):
        """n images of each new class, and the name of each."""
        drawn = [(form(image), name) for k, name in enumerate(classes) for image in self.classes[LEARNED + k][:n]]
        return {"images": [image for image, _ in drawn], "classes": [name for _, name in drawn]}

    def asked(self, k=0, n=2):
        return self.classes[LEARNED + k][-n:]


_glyphs = None


class Case(hn.Case):
    @classmethod
    def setUpClass(cls):
        global _glyphs
        _glyphs = _glyphs or Glyphs()
        cls.glyphs = _glyphs
        cls.server = hn.Server(models=[cls.glyphs.model])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def put(self, task, support, server=None, **rest):
        return (server or self.server).admin("PUT", ADMIN + task, {"support": support, **rest})

    def predict(self, task, images, server=None, params=None, **rest):
        return (server or self.server).request("POST", f"/v1/tasks/{task}/predictions", {"images": images, **rest}, params=params)

    def predicted(self, *args, **rest):
        answer = self.predict(*args, **rest)
        self.assertEqual(answer.status, 200, answer)
        return answer.json["predictions"]

    def refused(self, answer, status, pointer, text):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json.get("pointer"), pointer, answer)
        self.assertIn(text, answer.json["detail"])


class Tasks(Case):
    def test_a_task_of_new_classes_is_answered_from_a_few_images_of_each(self):
        told = self.put("alphabet", self.glyphs.support())
        self.assertEqual(told.status, 201, told)
        self.assertEqual((told.json["known"], told.json["rows"], told.json["classes"]), (15, 15, 5))
        right = 0
        for k, name in enumerate("abcde"):
            for p in self.predicted("alphabet", self.glyphs.asked(k)):
                self.assertEqual(list(p["probabilities"]), list("abcde"))
                self.assertAlmostEqual(sum(p["probabilities"].values()), 1, places=4)
                self.assertGreaterEqual(p["entropy"], 0)
                right += p["class"] == name
        self.assertGreaterEqual(right, 8)

    def test_the_second_answer_comes_from_the_cache_and_is_the_same(self):
        self.put("twice", self.glyphs.support())
        answers = [self.predict("twice", self.glyphs.asked()) for _ in range(2)]
        self.assertEqual([a.headers["x-hypernet-cache"] for a in answers], ["miss", "hit"])
        self.assertEqual(answers[0].json, answers[1].json)

    def test_support_in_the_call_answers_as_what_is_stored_does(self):
        support = self.glyphs.support()
        self.put("stored", support)
        stored, inline = self.predict("stored", self.glyphs.asked()).json, self.predict("nobody", self.glyphs.asked(), support=support).json
        self.assertEqual(stored["predictions"], inline["predictions"])
        self.assertEqual((inline["source"], inline["context_revision"], inline["known"]), ("support", None, 15))

    def test_the_order_of_images_makes_no_difference(self):
        support = self.glyphs.support()
        self.put("one-way", support)
        self.put("other-way", {"images": support["images"][::-1], "classes": support["classes"][::-1]})
        one, other = (self.predicted(task, self.glyphs.asked()) for task in ("one-way", "other-way"))
        self.assertEqual([p["probabilities"] for p in one], [p["probabilities"] for p in other])

    def test_examples_that_come_are_known_in_the_next_answer(self):
        support, more = self.glyphs.support("abcde", 2), self.glyphs.support("f", 3)
        more["images"] = self.glyphs.classes[LEARNED + 5][:3]
        self.put("grows", support)
        self.predict("grows", self.glyphs.asked())
        told = self.server.request("POST", "/v1/tasks/grows/examples", more)
        self.assertEqual((told.status, told.json["accepted"], told.json["known"], told.json["rows"], told.json["classes"]), (200, 3, 13, 13, 6))
        best = [p["class"] for p in self.predicted("grows", self.glyphs.asked(5))]
        self.assertEqual(best, ["f", "f"])
        all_at_once = {"images": support["images"] + more["images"], "classes": support["classes"] + more["classes"]}
        self.assertEqual(self.predicted("grows", self.glyphs.asked(1)), self.predicted("x", self.glyphs.asked(1), support=all_at_once))
        self.assertEqual(self.server.request("GET", "/v1/tasks/grows").json["classes"], {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2, "f": 3})

    def test_a_task_that_is_not_there_takes_examples_only_when_it_is_to_be_made(self):
        support = self.glyphs.support("ab")
        self.assertEqual(self.server.request("POST", "/v1/tasks/none/examples", support).status, 404)
        self.assertEqual(self.server.admin("POST", "/v1/tasks/made/examples", support, params={"create": "true"}).status, 201)
        self.assertEqual(self.predict("made", self.glyphs.asked()).status, 200)

    def test_without_rows_the_sums_answer_and_take_more(self):
        self.put("forgets", self.glyphs.support("abc", 2), keep_rows=False)
        told = self.server.request("GET", "/v1/tasks/forgets").json
        self.assertEqual((told["known"], told["rows"], told["keep_rows"]), (6, 0, False))
        self.server.request("POST", "/v1/tasks/forgets/examples", {"images": [self.glyphs.classes[LEARNED][4]], "classes": ["a"]})
        support = self.glyphs.support("abc", 2)
        support = {"images": support["images"] + [self.glyphs.classes[LEARNED][4]], "classes": support["classes"] + ["a"]}
        self.assertEqual(self.predicted("forgets", self.glyphs.asked()), self.predicted("x", self.glyphs.asked(), support=support))

    def test_a_task_is_forgotten_and_replaced(self):
        self.put("goes", self.glyphs.support("abc"))
        again = self.put("goes", self.glyphs.support("xy"))
        self.assertEqual((again.status, again.json["result"], again.json["classes"]), (200, "replaced", 2))
        self.assertEqual(list(self.predicted("goes", self.glyphs.asked())[0]["probabilities"]), ["x", "y"])
        self.assertEqual(self.server.admin("DELETE", ADMIN + "goes").status, 204)
        self.assertEqual(self.predict("goes", self.glyphs.asked()).status, 404)
        cold = self.predict("goes", self.glyphs.asked(), params={"cold_start": "true"})
        self.refused(cold, 404, None, "give some images of each class")
        self.assertNotIn("cold_start", cold.json["detail"])

    def test_a_class_that_goes_is_gone_from_answers_and_rows(self):
        for keep in (True, False):
            self.put("less", self.glyphs.support("abc", 2), keep_rows=keep)
            self.assertEqual(self.server.admin("DELETE", ADMIN + "less/classes/b").status, 204)
            told = self.server.request("GET", "/v1/tasks/less").json
            self.assertEqual((told["classes"], told["rows"]), ({"a": 2, "c": 2}, 4 if keep else 0))
            support = self.glyphs.support("abc", 2)
            support = {"images": support["images"][:2] + support["images"][4:], "classes": ["a", "a", "c", "c"]}
            self.assertEqual(self.predicted("less", self.glyphs.asked()), self.predicted("x", self.glyphs.asked(), support=support))
            for path in ("less/classes/b", "nobody/classes/b"):
                self.assertEqual(self.server.admin("DELETE", ADMIN + path).status, 404)
        self.assertEqual(self.server.request("DELETE", ADMIN + "less/classes/a").status, 401)
        self.assertEqual(self.server.admin("DELETE", ADMIN + "less/classes/a").status, 204)
        answer = self.predict("less", self.glyphs.asked())
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("1 class of the task; it takes two", answer.json["detail"])

    def test_a_png_is_the_image_that_it_shows(self):
        self.put("arrays", self.glyphs.support())
        self.put("pngs", self.glyphs.support(form=png))
        arrays = self.predicted("arrays", self.glyphs.asked())
        texts = chunk(b"tEXt", b"Comment\0x") + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1000))) + chunk(b"iTXt", b"C\0\1\0\0\0none")
        for form in (png, lambda i: png(i, kind=2), lambda i: "data:image/png;base64," + png(i), lambda i: png(i, interlaced=True),
                     lambda i: png(i, beside=texts)):
            for a, b in zip(arrays, self.predicted("pngs", [form(i) for i in self.glyphs.asked()])):
                for k, p in a["probabilities"].items():
                    self.assertAlmostEqual(p, b["probabilities"][k], places=3)

    def test_the_profile_of_a_task_is_told(self):
        rows = shops.shops()
        with hn.Server(models=[rows.model, self.glyphs.model]) as server:
            self.assertEqual(server.admin("PUT", ADMIN + "s20", {"profile": {}, "support": {"rows": rows.known("s20")}}).status, 201)
            told = [server.request("GET", "/v1/tasks/s20", params=params).json["profile"] for params in ({}, {"model": "glyphs"})]
            self.assertEqual(told, [{}, {}])

    def test_models_say_what_images_they_take(self):
        model = self.server.request("GET", "/v1/models").json["models"][0]
        self.assertEqual((model["answers_for"], model["images"]),
                         ("tasks", {"height": SIDE, "width": SIDE, "channels": 1, "range": [0, 255]}))


class Contract(Case):
    def test_requests_and_answers_fit_the_contract(self):
        document = self.server.request("GET", "/openapi.json").json
        support, task = self.glyphs.support("abc"), "/v1/admin/tasks/{task}"
        for method, path, body, status in (
                ("PUT", task, {"support": support}, 201), ("PUT", task, {"support": support, "keep_rows": False}, 200), ("PUT", task, {}, 422),
                ("POST", "/v1/tasks/{task}/examples", self.glyphs.support("ab", 1), 200), ("GET", "/v1/tasks/{task}", None, 200),
                ("POST", "/v1/tasks/{task}/predictions", {"images": self.glyphs.asked()}, 200),
                ("POST", "/v1/tasks/{task}/predictions", {"images": [png(self.glyphs.asked()[0])], "support": support}, 200),
                ("POST", "/v1/tasks/{task}/predictions", {"images": [[]]}, 422), ("PATCH", task, {"support": support}, 200), ("PATCH", task, {}, 200),
                ("POST", "/v1/admin/tasks", {"tasks": [{"id": "fits", "support": support}]}, 200),
                ("POST", "/v1/predictions", {"tasks": [{"id": "fits", "images": self.glyphs.asked()}]}, 200),
                ("POST", "/v1/tasks/predictions", {"images": self.glyphs.asked(), "candidates": ["fits"], "limit": 5}, 200), ("DELETE", task + "/classes/{class}", None, 204),
                ("DELETE", task + "/classes/{class}", None, 404), ("GET", "/v1/models", None, 200)):
            with self.subTest(method=method, path=path, status=status):
                answer = self.server.admin(method, path.replace("{task}", "fits").replace("{class}", "a"), body)
                self.assertEqual(answer.status, status, answer)
                call = document["paths"][path][method.lower()]
                if body is not None and status < 400:
                    asked = call["requestBody"]["content"]["application/json"]["schema"]
                    self.assertEqual(schema.errors(document, asked, body), [])
                told = schema.resolve(document, call["responses"][str(status)]).get("content", {}).get(answer.headers.get("Content-Type"))
                if told:
                    self.assertEqual(schema.errors(document, told["schema"], answer.json), [], answer)
                else:
                    self.assertEqual((answer.body, status), (b"", 204))


class Refusals(Case):
    """Nothing is kept of what is refused."""

    def refused_put(self, support, pointer, text, status=422, **rest):
        self.refused(self.put("refused", support, **rest), status, pointer, text)
        self.assertEqual(self.server.request("GET", "/v1/tasks/refused").status, 404)

    def test_images_of_another_form(self):
        good = self.glyphs.support("ab")
        row = [0] * SIDE
        for image, place, text in (([row] * (SIDE - 1), "", "%d rows; the model takes images of %d x %d" % (SIDE - 1, SIDE, SIDE)),
                                   ([row] * (SIDE - 1) + [row[1:]], "/%d" % (SIDE - 1), "%d pixels" % (SIDE - 1)),
                                   ([row] * (SIDE - 1) + [5], "/%d" % (SIDE - 1), "expected an array of %d pixels" % SIDE),
                                   ([row] * (SIDE - 1) + [row[1:] + ["x"]], "/%d/%d" % (SIDE - 1, SIDE - 1), "expected a number from 0 to 255"),
                                   ([row] * (SIDE - 1) + [row[1:] + [1e4]], "/%d/%d" % (SIDE - 1, SIDE - 1), "a pixel of 10000; the model was trained on 0 to 255"),
                                   (7, "", "expected an array of %d rows, or a PNG" % SIDE),
                                   ([], "", "0 rows")):
            with self.subTest(text=text):
                self.refused_put({"images": good["images"][:-1] + [image], "classes": good["classes"]}, "/support/images/5" + place, text)
                self.refused(self.predict("x", [image], support=good), 422, "/images/0" + place, text)

    def test_weights_that_overflow_are_refused(self):
        support, folder = self.glyphs.support(), tempfile.mkdtemp(prefix="hypernet-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for tensor, value, pointer, what in (("images.2.weight", 3e38, "/support/images/0", "features of the image are not finite"),
                                             ("images.head.scale", 1e4, "/images/0", "the model's answer is not finite")):
            server = hn.Server(models=[changed(self.glyphs.model, folder + "/bad.hn", tensor, value)])
            for _ in range(2):
                answer = self.predict("t", self.glyphs.asked(n=1), server, support=support)
                faults = answer.json.get("errors", [answer.json])
                self.assertEqual((answer.status, faults[0].get("pointer"), what in faults[0].get("detail", "")),
                                 (422, pointer, True), answer)
            server.stop()

    def test_pngs_that_lie(self):
        good, image = self.glyphs.support("ab"), self.glyphs.asked()[0]
        whole = base64.b64decode(png(image))
        for text, said in (("", "the bytes are no PNG"), ("%%%", "expected an image"), ("AAAAA", "expected an image"),
                           (base64.b64encode(b"GIF89a").decode(), "the bytes are no PNG"),
                           (png(image, width=60000, height=60000), "a PNG of 60000 x 60000 pixels (height x width); the model takes %d x %d" % (SIDE, SIDE)),
                           (png(image, width=2 * SIDE), "a PNG of %d x %d pixels" % (SIDE, 2 * SIDE)),
                           (png(image, more=b"\0"), "a PNG with more than the %d bytes that its pixels are" % (SIDE * (SIDE + 1))),
                           (png(image, interlaced=True, more=b"\0"), "a PNG with more than the"),
                           (png(image, more=bytes(10_000_000)), "a PNG with more than the"),
                           (png(image, beside=chunk(b"tEXt", b"Comment\0" + b"x" * 70_000)), "one of %d x %d pixels may have" % (SIDE, SIDE)),
                           (png(image, body=zlib.compress(b"")), "a PNG that cannot be decoded"),
                           (png(image, body=b"none"), "a PNG that cannot be decoded"),
                           (base64.b64encode(whole[:-30]).decode(), "a PNG that cannot be decoded"),
                           (base64.b64encode(whole[:20]).decode(), "a PNG that cannot be read"),
                           (png(image, depth=7), "a PNG that cannot be read")):
            with self.subTest(said=said):
                self.refused_put({"images": good["images"][:-1] + [text], "classes": good["classes"]}, "/support/images/5", said)
                self.refused(self.predict("x", [text], support=good), 422, "/images/0", said)

    def test_classes_that_do_not_fit(self):
        good = self.glyphs.support("ab")
        images = good["images"]
        for support, pointer, text in (({"images": images, "classes": ["a"] * 6}, "/support/classes", "all images are of one class"),
                                       ({"images": images, "classes": good["classes"][1:]}, "/support/classes", "5 classes of 6 images"),
                                       ({"images": images, "classes": good["classes"][:-1] + [""]}, "/support/classes/5", "class"),
                                       ({"images": images, "classes": good["classes"][:-1] + [5]}, "/support/classes/5", ""),
                                       ({"images": [], "classes": []}, "/support/images", "one image or more"),
                                       ({"images": images}, "/support/classes", ""), ({"classes": []}, "/support/images", ""),
                                       ({"rows": []}, "/support/rows", ""), ([], "/support", "")):
            with self.subTest(text=text, pointer=pointer):
                self.refused_put(support, pointer, text)
        self.refused(self.server.admin("PUT", ADMIN + "refused", {}), 422, "/support", "some images of each class")
        self.refused(self.server.admin("PUT", ADMIN + "refused", {"support": good, "keep_rows": 1}), 422, "/keep_rows", "true or false")

    def test_every_fault_is_told_and_what_was_known_stays(self):
        self.put("stays", self.glyphs.support("ab"))
        before = self.predicted("stays", self.glyphs.asked())
        bad = self.server.request("POST", "/v1/tasks/stays/examples", {"images": [[], 5, self.glyphs.asked()[0]], "classes": ["a", "b", 7]})
        self.assertEqual((bad.status, bad.json["n_errors"]), (422, 3))
        self.assertEqual([e["pointer"] for e in bad.json["errors"]], ["/images/0", "/images/1", "/classes/2"])
        self.assertEqual(self.predicted("stays", self.glyphs.asked()), before)
        self.assertEqual(self.server.request("GET", "/v1/tasks/stays").json["known"], 6)

    def test_parameters_that_have_no_such_value(self):
        for method, path, body in (("PUT", ADMIN + "refused", {"support": self.glyphs.support("ab")}),
                                   ("POST", "/v1/tasks/refused/predictions", {"images": self.glyphs.asked(), "support": self.glyphs.support("ab")}),
                                   ("POST", "/v1/tasks/refused/examples", self.glyphs.support("ab"))):
            answer = self.server.admin(method, path, body, params={"unknown_category": "zork"})
            self.assertEqual(answer.status, 400, answer)
            self.assertIn("unknown_category", answer.json["detail"])

    def test_too_many(self):
        answer = self.predict("x", [0] * 1001, support=self.glyphs.support("ab"))
        self.refused(answer, 413, "/images", "1001 images; at most 1000 in one call")

    def test_calls_that_are_for_rows(self):
        answer = self.server.request("GET", "/v1/tasks/x/weights", params={"model": "glyphs"})
        self.assertEqual((answer.status, answer.json["type"]), (422, "urn:hypernet:problem:other-model"), answer)


class Guesses(Case):
    """Which task is it? Images that nobody names the task of."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for task, classes in (("first", (0, 1)), ("second", (2, 3)), ("third", (4, 5))):
            images = [image for k in classes for image in cls.glyphs.classes[LEARNED + k][:5]]
            told = cls.server.admin("PUT", ADMIN + task, {"support": {"images": images, "classes": [c for c in "ab" for _ in range(5)]}})
            assert told.status == 201, told

    def guess(self, body, server=None, **params):
        return (server or self.server).request("POST", "/v1/tasks/predictions", body, params=params)

    def guessed(self, body, **rest):
        answer = self.guess(body, **rest)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def faults(self, answer):
        self.assertEqual(answer.status, 422, answer)
        return [each["pointer"] for each in answer.json.get("errors", [answer.json])]

    def test_images_find_the_task_whose_classes_they_are_nearest_to(self):
        for task, classes in (("first", (0, 1)), ("second", (2, 3)), ("third", (4, 5))):
            told = self.guessed({"images": [image for k in classes for image in self.glyphs.asked(k, 4)]})
            self.assertEqual((told["guess"], told["by"], told["model"], told["prior_score"]), (True, "novelty", "glyphs", None))
            self.assertEqual((told["complete"], told["compared"], told["looked_at"], told["of"], "next" in told), (True, 3, 3, 3, False))
            self.assertEqual(len(told["tasks"]), 3)
            scores = [each["score"] for each in told["tasks"]]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertEqual(told["tasks"][0]["task"], task)

    def test_a_score_is_the_mean_novelty_of_what_the_task_predicts(self):
        images = self.glyphs.asked(0, 3)
        for task in self.guessed({"images": images, "limit": 2})["tasks"]:
            alone = self.predict(task["task"], images).json
            for key in ("predictions", "context_revision", "source", "known"):
                self.assertEqual(task[key], alone[key])
            novelties = [p["novelty"] for p in task["predictions"]]
            self.assertAlmostEqual(task["score"], -sum(novelties) / 3, delta=1e-4 * max(novelties))

    def test_candidates_may_be_named_or_those_behind_one(self):
        images = self.glyphs.asked(0)
        told = self.guessed({"images": images, "candidates": ["third", "second", "third"]})
        self.assertEqual(({each["task"] for each in told["tasks"]}, told["compared"]), ({"second", "third"}, 2))
        told = self.guessed({"images": images, "after": "first"})
        self.assertEqual(({each["task"] for each in told["tasks"]}, told["of"]), ({"second", "third"}, 2))
        self.assertEqual(len(self.guessed({"images": images, "limit": 1})["tasks"]), 1)
        answer = self.guess({"images": images, "candidates": ["first", "nobody"]})
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (404, "/candidates/1"), answer)
        answer = self.guess({"images": images, "after": "nobody"})
        self.assertEqual((answer.status, answer.json["errors"][0]["pointer"]), (404, "/after"), answer)

    def test_tasks_that_know_too_little_or_nothing_of_images_are_no_candidates(self):
        rows = shops.shops()
        with hn.Server(models=[rows.model, self.glyphs.model]) as server:
            name = {"model": "glyphs"}
            server.admin("PUT", ADMIN + "s20", {"support": {"rows": rows.known("s20")}})
            for task, classes in (("whole", "ab"), ("half", "ab")):
                server.admin("PUT", ADMIN + task, {"support": self.glyphs.support(classes)}, params=name)
            self.assertEqual(server.admin("DELETE", ADMIN + "half/classes/a").status, 204)
            told = self.guess({"images": self.glyphs.asked()}, server, **name).json
            self.assertEqual(([each["task"] for each in told["tasks"]], told["compared"], told["looked_at"]), (["whole"], 1, 3))
            told = self.guess({"rows": rows.rows["s20"][16:18]}, server).json
            self.assertEqual((told["by"], told["compared"]), ("likelihood", 1))

    def test_every_fault_is_named_by_its_place(self):
        image = self.glyphs.asked()[0]
        for body, pointers in (({}, ["/images"]), ({"images": []}, ["/images"]), ({"rows": [{"a": 1}]}, ["/rows", "/images"]),
                               ({"images": [image, [], "x"]}, ["/images/1", "/images/2"]),
                               ({"images": [image], "limit": 0, "candidates": [5, ""]}, ["/candidates/0", "/candidates/1", "/limit"]),
                               ({"images": [image], "after": "first", "candidates": ["third"]}, ["/after"]), (5, [""]),
                               ({"images": [image] * 65}, ["/images"])):
            with self.subTest(body=str(body)[:60]):
                self.assertEqual(sorted(self.faults(self.guess(body))), sorted(pointers))

    def test_what_is_cached_stays_as_it_is(self):
        before = self.predict("first", self.glyphs.asked())
        self.guessed({"images": self.glyphs.asked()})
        again = self.predict("first", self.glyphs.asked())
        self.assertEqual((again.headers["x-hypernet-cache"], again.body), ("hit", before.body))


class Many(Case):
    def post(self, tasks, **params):
        return self.server.admin("POST", "/v1/admin/tasks", {"tasks": tasks}, params=params)

    def test_many_tasks_are_registered_and_asked_in_a_call_each(self):
        support = {"first": self.glyphs.support("abc"), "second": self.glyphs.support("de", form=png)}
        told = self.post([{"id": task, "support": s, "keep_rows": task == "first"} for task, s in support.items()])
        self.assertEqual(told.status, 200, told)
        self.assertEqual([(t["id"], t["result"], t["known"], t["rows"], t["classes"]) for t in told.json["tasks"]],
                         [("first", "registered", 9, 9, 3), ("second", "registered", 6, 0, 2)])
        asked = {"tasks": [{"id": task, "images": self.glyphs.asked(k, 2)} for k, task in enumerate(support)]}
        answer = self.server.request("POST", "/v1/predictions", asked)
        self.assertEqual(answer.status, 200, answer)
        for k, (task, one) in enumerate(zip(support, answer.json["tasks"])):
            alone = self.predict(task, self.glyphs.asked(k, 2)).json
            self.assertEqual({**one, "model": "glyphs", "model_version": "1"}, alone)

    def test_lines_replace_and_bad_ones_are_left_out_when_asked(self):
        lines = [{"id": "l1", "support": self.glyphs.support("ab")}, {"id": "l2", "support": self.glyphs.support("a")},
                 {"id": "l3", "support": {"images": [[[0]]], "classes": ["a"]}}, {"id": "l1", "support": self.glyphs.support("xyz")}]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        send = {"headers": {"Content-Type": "application/x-ndjson"}}
        refused = self.server.admin("POST", "/v1/admin/tasks", body.encode(), **send)
        self.assertEqual(refused.status, 422, refused)
        self.assertEqual(self.server.request("GET", "/v1/tasks/l1").status, 404)
        told = self.server.admin("POST", "/v1/admin/tasks", body.encode(), params={"on_error": "skip"}, **send)
        self.assertEqual(told.status, 200, told)
        self.assertEqual([(t["id"], t["result"]) for t in told.json["tasks"]], [("l1", "registered"), ("l1", "replaced")])
        self.assertEqual(len(told.json["refused"]), 2, told)
        self.assertEqual(self.server.request("GET", "/v1/tasks/l1").json["classes"], {"x": 3, "y": 3, "z": 3})

    def test_what_is_wrong_with_one_task_is_named_and_nothing_is_kept(self):
        good = {"id": "m1", "support": self.glyphs.support("ab")}
        self.refused(self.post([good, {"id": "m2", "support": self.glyphs.support("a")}]), 422, "/tasks/1/support/classes", "all images are of one class")
        self.refused(self.post([good, {"id": "m2"}]), 422, "/tasks/1/support", "expected {")
        self.refused(self.post([good, {"id": "m2", "support": good["support"], "profile": {}}]), 422, "/tasks/1/profile", "")
        self.assertEqual(self.server.request("GET", "/v1/tasks/m1").status, 404)
        self.post([good])
        ask = lambda tasks, **params: self.server.request("POST", "/v1/predictions", {"tasks": tasks}, params=params)
        fine = {"id": "m1", "images": self.glyphs.asked()}
        self.refused(ask([fine, {"id": "m1", "images": [[[0]]]}]), 422, "/tasks/1/images/0", "1 rows")
        self.refused(ask([fine, {"id": "none", "images": self.glyphs.asked()}]), 404, "/tasks/1/id", "no task 'none'")
        told = ask([{"id": "none", "images": self.glyphs.asked()}, fine], unknown="null")
        self.assertEqual((told.status, told.json["unknown"], told.json["tasks"][0]["predictions"], len(told.json["tasks"][1]["predictions"])),
                         (200, 1, None, 2), told)

    def test_a_patch_changes_what_it_names(self):
        self.put("patched", self.glyphs.support("abc"))
        patch = lambda body, task="patched": self.server.admin("PATCH", ADMIN + task, body)
        before = self.predicted("patched", self.glyphs.asked())
        told = patch({"keep_rows": False})
        self.assertEqual((told.status, told.json["result"], told.json["known"], told.json["rows"], told.json["classes"]), (200, "updated", 9, 0, 3), told)
        self.assertEqual(self.predicted("patched", self.glyphs.asked()), before)
        told = patch({"keep_rows": True})
        self.assertEqual((told.json["rows"], told.json["warnings"][0]["type"]), (0, "urn:hypernet:warning:rows-forgotten"), told)
        told = patch({"support": self.glyphs.support("xy"), "keep_rows": True})
        self.assertEqual((told.json["known"], told.json["rows"], told.json["classes"]), (6, 6, 2), told)
        self.assertEqual(self.server.request("GET", "/v1/tasks/patched").json["classes"], {"x": 3, "y": 3})
        self.refused(patch({"support": None}), 422, "/support", "")
        self.refused(patch({"profile": {}}), 422, "/profile", "")
        self.assertEqual(patch({}, "nobody").status, 404)


class Survival(Case):
    def test_a_kill_loses_nothing_and_nothing_comes_back(self):
        store = hn.world().copy_store()
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.put("kept", self.glyphs.support(), server)
            self.put("gone", self.glyphs.support(), server)
            server.admin("DELETE", ADMIN + "gone")
            before = self.predicted("kept", self.glyphs.asked(), server=server)
            server.kill()
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.assertEqual(self.predicted("kept", self.glyphs.asked(), server=server), before)
            self.assertEqual(self.predict("gone", self.glyphs.asked(), server=server).status, 404)

    def test_another_model_makes_its_context_from_the_rows(self):
        store, other = hn.world().copy_store(), hn.temporary_folder() + "/other.hn"
        hn.run("train", "--images", self.glyphs.folder + "/train_images.npy", "--classes", self.glyphs.folder + "/train_classes.npy",
               "--episodes", 5, "--out", other, "--name", "glyphs", "--model-version", "2", "--threads", 1, "--seed", 2)
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.put("kept", self.glyphs.support("abc"), server)
            self.put("sums", self.glyphs.support("abc"), server, keep_rows=False)
        with hn.Server(store=store, models=[other]) as server:
            self.assertEqual(self.predicted("kept", self.glyphs.asked(), server=server),
                             self.predicted("x", self.glyphs.asked(), server=server, support=self.glyphs.support("abc")))
            answer = self.predict("sums", self.glyphs.asked(), server=server)
            self.assertEqual(answer.status, 422, answer)
            self.assertIn("0 classes of the task", answer.json["detail"])

    def stored_sums(self, change=None):
        """A store with a task 'sums' of which no image is kept, its context changed by change(bytearray)."""
        store = hn.world().copy_store()
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.put("sums", self.glyphs.support("ab", 2), server, keep_rows=False)
        data = bytearray(context_of(store, "sums"))
        change(data)
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            db.execute("UPDATE contexts SET embedding = ? WHERE id = 'sums'", (bytes(data),))
        return store

    def test_images_that_are_not_kept_count_too(self):
        store = self.stored_sums(lambda data: struct.pack_into("<d", data, 24, 99_996))  # of the first class; two more are known
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            told = [server.request("POST", "/v1/tasks/sums/examples", self.glyphs.support("ab", n)) for n in (2, 1)]
            self.refused(told[0], 413, None, "has 99998 images; with 4 more it would have more than 100000")
            self.assertEqual((told[1].status, told[1].json["known"]), (200, 100_000), told[1])
            full = server.request("POST", "/v1/tasks/sums/examples", self.glyphs.support("a", 1))
            self.refused(full, 413, None, "more than 100000")
            self.assertEqual(server.request("GET", "/v1/tasks/sums").json["classes"], {"a": 99_997, "b": 3})

    def test_what_nothing_could_make_again_is_not_written_over(self):
        store = self.stored_sums(lambda data: struct.pack_into("<d", data, 0, 1))  # the mark of another model
        before = context_of(store, "sums")
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            for answer in (server.request("POST", "/v1/tasks/sums/examples", self.glyphs.support("ab", 1)), server.request("GET", "/v1/tasks/sums"),
                           self.predict("sums", self.glyphs.asked(), server)):
                self.refused(answer, 422, None, "its images are not kept")
                self.assertEqual(answer.json["type"], "urn:hypernet:problem:other-model")
            self.assertEqual(context_of(store, "sums"), before)
            self.assertEqual(self.put("sums", self.glyphs.support("ab"), server, keep_rows=False).status, 200)
            self.assertEqual(self.predict("sums", self.glyphs.asked(), server).status, 200)

    def test_a_class_is_forgotten_whichever_models_are_served(self):
        store, other = hn.world().copy_store(), hn.temporary_folder() + "/other.hn"
        hn.run("train", "--images", self.glyphs.folder + "/train_images.npy", "--classes", self.glyphs.folder + "/train_classes.npy",
               "--episodes", 1, "--out", other, "--name", "other", "--threads", 1, "--seed", 2)
        with hn.Server(store=store, models=[self.glyphs.model, other]) as server:
            self.put("kept", self.glyphs.support("abc"), server)
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.assertEqual(server.admin("DELETE", ADMIN + "kept/classes/b").status, 204)
        with contextlib.closing(sqlite3.connect(store)) as db:
            self.assertEqual(db.execute("SELECT model FROM contexts WHERE id = 'kept'").fetchall(), [("glyphs",)])
        with hn.Server(store=store, models=[other]) as server:
            self.assertEqual(server.request("GET", "/v1/tasks/kept").json["classes"], {"a": 3, "c": 3})

    def test_a_class_that_no_model_reads_or_of_too_many_is_forgotten(self):
        store, rows = hn.world().copy_store(), hn.temporary_folder() + "/rows.ndjson"
        with open(rows, "w", encoding="utf-8") as f:
            for task, n in (("some", 2), ("many", 1001)):
                for i in range(n):
                    f.write('{"shop":"%s","class":"k%d","image":"%s"}\n' % (task, i, png(self.glyphs.classes[LEARNED + i % 5][i % EACH])))
            f.write('{"shop":"some","class":"none","image":"no image"}\n')
        hn.run("import", "--store", store, "--task", "shop", "--task-rows", rows)
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            told = server.request("GET", "/v1/tasks/many")
            self.assertEqual((told.status, told.json["rows"], told.json["known"], told.json["warnings"][0]["type"]),
                             (200, 1001, 0, "urn:hypernet:warning:too-many-classes"), told)
            for path in ("some/classes/none", "many/classes/k7"):
                self.assertEqual([server.admin("DELETE", ADMIN + path).status for _ in range(2)], [204, 404], path)
            some, many = (server.request("GET", "/v1/tasks/" + task).json for task in ("some", "many"))
            self.assertEqual((some["rows"], many["rows"], len(many["classes"])), (2, 1000, 1000))

    def test_a_class_whose_images_are_not_kept_is_forgotten_of_models_that_are_not_served(self):
        store, other = hn.world().copy_store(), hn.temporary_folder() + "/other.hn"
        hn.run("train", "--images", self.glyphs.folder + "/train_images.npy", "--classes", self.glyphs.folder + "/train_classes.npy",
               "--episodes", 1, "--out", other, "--name", "other", "--threads", 1, "--seed", 2)
        rows = shops.shops()
        with hn.Server(store=store, models=[self.glyphs.model, other, rows.model]) as server:
            glyphs = {"model": "glyphs"}
            put = server.admin("PUT", ADMIN + "sums", {"support": self.glyphs.support("abc"), "keep_rows": False}, params=glyphs)
            self.assertEqual(put.status, 201, put)
            server.admin("PUT", ADMIN + "rows", {"support": {"rows": rows.known("s20")}, "keep_rows": False})
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.assertEqual([server.admin("DELETE", ADMIN + "sums/classes/b").status for _ in range(2)], [204, 404])
            self.assertEqual(server.admin("DELETE", ADMIN + "rows/classes/b").status, 404)
        with contextlib.closing(sqlite3.connect(store)) as db:
            left = db.execute("SELECT model FROM contexts WHERE id = 'sums' ORDER BY model").fetchall()
            self.assertEqual(left, [("glyphs",), ("other",)])
        with hn.Server(store=store, models=[other]) as server:
            self.assertEqual(server.request("GET", "/v1/tasks/sums").json["classes"], {"a": 3, "c": 3})

    def test_a_damaged_context_is_not_taken_for_one_without_the_class(self):
        store = self.stored_sums(lambda data: data.__delitem__(slice(-1, None)))
        before = context_of(store, "sums")
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.refused(server.admin("DELETE", ADMIN + "sums/classes/a"), 422, None, "is damaged, and its images are not kept")
        self.assertEqual(context_of(store, "sums"), before)

    def test_what_is_exported_comes_back_as_it_was(self):
        store, folder = hn.world().copy_store(), hn.temporary_folder()
        rows, tasks, new = folder + "/rows.ndjson", folder + "/tasks.ndjson", folder + "/new.db"
        odd = self.glyphs.support("ab", 2, form=lambda image: [[v / 3 for v in row] for row in image])
        known = {"arrays": self.glyphs.support("abc"), "pngs": self.glyphs.support("abc", form=png), "fractions": odd,
                 "digits": {"images": odd["images"], "classes": ["7", "7", "true", "007"]},
                 "words": {"images": odd["images"], "classes": ["nan", " ", "null", "x\u00e9"]}}
        asked = {}
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            for task, support in known.items():
                self.assertEqual(self.put(task, support, server).status, 201, task)
                asked[task] = self.predicted(task, self.glyphs.asked(), server)
        hn.run("export", "--store", store, "--task-rows", rows, "--tasks", tasks)
        told = hn.run("import", "--store", new, "--task", "task", "--task-rows", rows, "--tasks", tasks)
        self.assertIn("%d rows of %d tasks" % (3 * 3 * 2 + 3 * 4, len(known)), told.out)
        again = hn.run("import", "--store", new, "--task", "task", "--task-rows", rows, "--replace-rows")
        self.assertIn("%d tasks had just these rows" % len(known), again.out)
        with hn.Server(store=new, models=[self.glyphs.model]) as server:
            for task, answer in asked.items():
                self.assertEqual(self.predicted(task, self.glyphs.asked(), server), answer, task)
        hn.run("export", "--store", new, "--task-rows", folder + "/again.ndjson")
        with open(rows, "rb") as first, open(folder + "/again.ndjson", "rb") as second:
            self.assertEqual(second.read(), first.read())

    def test_images_of_a_table_with_numbers_as_classes(self):
        store, rows = hn.world().copy_store(), hn.temporary_folder() + "/rows.csv"
        support = self.glyphs.support("12", form=png)
        with open(rows, "w", encoding="utf-8") as f:
            f.write("task,class,image\n" + "".join("t,%s,%s\n" % pair for pair in zip(support["classes"], support["images"])))
        hn.run("import", "--store", store, "--task", "task", "--task-rows", rows)
        with hn.Server(store=store, models=[self.glyphs.model]) as server:
            self.assertEqual(server.request("GET", "/v1/tasks/t").json["classes"], {"1": 3, "2": 3})
            self.assertEqual(self.predicted("t", self.glyphs.asked(), server), self.predicted("x", self.glyphs.asked(), server, support=support))

    def test_what_is_no_image_is_refused_with_its_line(self):
        folder = hn.temporary_folder()
        for row, text in (('"class":"a","image":[[1,2],[3]]', "no image"), ('"class":"a","image":[]', "no image"), ('"class":"a","image":[1,2]', "no image"),
                          ('"class":"a","image":[[[1,2],[3]]]', "at most 4"), ('"class":"a","image":[[[1,2,3,4,5]]]', "at most 4"), ('"class":"a","image":[[[1]],[2]]', "no image"),
                          ('"class":"a","image":[[[]]]', "no image"), ('"class":"a","image":[[1,[2]]]', "no image"), ('"class":"a","image":[[1,-3.5e38]]', "3.402823e+38"),
                          ('"class":"a","image":[["x"]]', "no image"), ('"class":"a","image":{}', "neither a number"), ('"image":[[1]]', "an image has no class"),
                          ('"class":"%s","image":[[1]]' % ("k" * 257), "more than 256 bytes"), ('"class":"a","picture":[[1]]', "neither a number")):
            with self.subTest(row=row[:40]):
                with open(folder + "/rows.ndjson", "w", encoding="utf-8") as f:
                    f.write('{"task":"t","class":"a","image":[[1]]}\n{"task":"t",%s}\n' % row)
                told = hn.run("import", "--store", folder + "/new.db", "--task", "task", "--task-rows", folder + "/rows.ndjson", check=False)
                self.assertEqual(told.returncode, 1, told)
                self.assertIn("rows.ndjson:2: ", told.err)
                self.assertIn(text, told.err)
                self.assertFalse(os.path.exists(folder + "/new.db"))

    def test_models_of_trained_tasks_get_no_context(self):
        folder = hn.temporary_folder()
        strokes.write_set(folder, "two", self.glyphs.classes[:2])
        hn.run("train", "--inputs", folder + "/two_images.npy", "--classes", folder + "/two_classes.npy", "--task", "two", "--steps", 2,
               "--out", folder + "/two.hn")
        store = hn.world().copy_store()
        with hn.Server(store=store, models=[self.glyphs.model, folder + "/two.hn"]) as server:
            self.put("beside", self.glyphs.support("abc"), server)
            server.request("POST", "/v1/tasks/beside/examples", self.glyphs.support("a", 1))
            self.assertEqual(server.admin("DELETE", ADMIN + "beside/classes/b").status, 204)
        with contextlib.closing(sqlite3.connect(store)) as db:
            self.assertEqual(db.execute("SELECT model FROM contexts WHERE id = 'beside'").fetchall(), [("glyphs",)])

    def test_beside_a_model_of_rows_each_is_asked_by_name(self):
        rows = shops.shops()
        with hn.Server(models=[rows.model, self.glyphs.model]) as server:
            name = {"model": "glyphs"}
            put = server.admin("PUT", ADMIN + "images", {"support": self.glyphs.support("ab")}, params=name)
            self.assertEqual(put.status, 201, put)
            self.assertEqual(self.predict("images", self.glyphs.asked(), server, params=name).status, 200)
            self.assertIn("'glyphs' version '1': tells classes of tasks by images of %d x %d with 1 channel; asked for by ?model=glyphs"
                          % (SIDE, SIDE), server.log())
            put = server.admin("PUT", ADMIN + "s20", {"support": {"rows": rows.known("s20")}})
            self.assertEqual((put.status, put.json["known"]), (201, 16), put)
            answer = self.predict("s20", self.glyphs.asked(), server, params=name)
            self.assertEqual(answer.status, 422, answer)
            asked = server.request("POST", "/v1/tasks/images/predictions", {"rows": rows.asked("s20")})
            self.assertEqual((asked.status, asked.json["known"]), (200, 0), asked)


if __name__ == "__main__":
    unittest.main()
