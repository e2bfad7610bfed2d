"""`train --images` and `evaluate --images`: from array files to a model and to what it is worth; every file that cannot be used is refused
with what was expected, and leaves nothing behind."""
import gzip
import json
import os
import shutil
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import strokes
from command import done, done_json, run
from model_file import changed

SIDE, LEARNED = strokes.SIDE, 12


class Images(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="hypernet-test-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        classes = strokes.characters(LEARNED + 8, 8)
        strokes.write_set(cls.folder, "train", classes[:LEARNED])
        strokes.write_set(cls.folder, "test", classes[LEARNED:], LEARNED)
        cls.model = cls.path("model.hn")
        cls.result = done_json("train", *cls.training("train"), "--out", cls.model, "--held-out-classes", 4, "--episodes", 25, "--threads", 1)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def training(cls, name):
        return ["--images", cls.path(name + "_images.npy"), "--classes", cls.path(name + "_classes.npy")]

    def refused(self, said, *args, status=1):
        before = sorted(os.listdir(self.folder))
        r = run(*args)
        self.assertEqual(r.returncode, status, r.stderr)
        self.assertIn(said, r.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def train_refused(self, said, images, classes, *more, **rest):
        self.refused(said, "train", "--images", images, "--classes", classes, "--out", self.path("none.hn"), "--episodes", 1, *more, **rest)


class Overflow(Images):
    def test_a_model_whose_answers_overflow_has_no_accuracy(self):
        for tensor, value in (("images.0.weight", 3e38), ("images.head.scale", 1e4)):
            bad = changed(self.model, self.path("bad.hn"), tensor, value)
            self.refused("an answer of the model is not finite", "evaluate", "--model", bad, *self.training("test"), "--episodes", 5)


class Training(Images):
    def test_what_is_held_out_is_measured_beside_prototypes_and_ridge_regression(self):
        r = self.result
        self.assertEqual((r["images"], r["classes"], r["held_out_classes"], r["episodes"], r["ended"]), (LEARNED * 8, LEARNED, 4, 25, "complete"))
        self.assertIn(r["kept"], ("generated", "prototypes"))
        self.assertEqual([(row["ways"], row["shots"]) for row in r["held_out"]], [(4, 1), (4, 5)])
        for row in r["held_out"]:
            for layer in ("generated", "prototypes", "ridge"):
                f = row[layer]
                self.assertTrue(0.25 < f["low"] <= f["mean"] <= f["high"] <= 1, row)
            self.assertAlmostEqual(row["gain_over_prototypes"]["mean"], row["generated"]["mean"] - row["prototypes"]["mean"], places=5)

    def test_the_same_seed_gives_the_same_model_whatever_the_threads(self):
        models = []
        for threads in (1, 3):
            path = self.path("again.hn")
            done("train", *self.training("train"), "--out", path, "--held-out-classes", 4, "--episodes", 4, "--model-version", 1, "--threads", threads)
            with open(path, "rb") as f:
                models.append(f.read())
            os.remove(path)
        self.assertEqual(models[0], models[1])

    def test_idx_and_gzip_give_the_same_images(self):
        classes = strokes.characters(LEARNED, 8)
        images = [image for each in classes for image in each]
        strokes.idx(self.path("i.idx"), (len(images), SIDE, SIDE), strokes.flat(images))
        strokes.idx(self.path("c.idx"), (len(images),), [k for k in range(LEARNED) for _ in range(8)])
        with open(self.path("i.idx"), "rb") as plain, gzip.open(self.path("i.idx.gz"), "wb") as packed:
            packed.write(plain.read())
        strokes.write_set(self.folder, "same", classes)
        models = []
        for images, labels in ((self.path("i.idx.gz"), self.path("c.idx")), tuple(self.training("same")[1::2])):
            done("train", "--images", images, "--classes", labels, "--out", self.path("form.hn"), "--episodes", 2, "--model-version", 1)
            with open(self.path("form.hn"), "rb") as f:
                models.append(f.read())
        self.assertEqual(models[0], models[1])

    def test_a_deadline_ends_it_with_a_model(self):
        r = done_json("train", *self.training("train"), "--out", self.path("late.hn"), "--deadline-seconds", 0.5)
        self.assertGreater(r["episodes"], 0)
        self.assertIn("images", done_json("inspect", self.path("late.hn"))["hypernet"])

    def test_a_deadline_before_the_first_episode_is_an_error_that_says_so(self):
        self.train_refused("--deadline-seconds 1e-06: it was over before the first episode", *self.training("train")[1::2], "--deadline-seconds", 1e-6)

    def test_arrays_that_are_no_images_with_classes_are_refused(self):
        images, classes = self.training("train")[1::2]
        n = LEARNED * 8
        labels = [k for k in range(LEARNED) for _ in range(8)]
        arrays = {"flat": ((n, SIDE * SIDE), [0, 1] * (n * SIDE * SIDE // 2), "|u1", "B"), "few": ((n - 1,), labels[1:], "<i4", "i"),
                  "halves": ((n,), [k + 0.5 for k in labels], "<f8", "d"), "black": ((n, SIDE, SIDE), [0] * (n * SIDE * SIDE), "|u1", "B"),
                  "single": ((n,), [0] + [1] * (n - 1), "<i4", "i"), "one": ((n,), [3] * n, "<i4", "i"),
                  "huge": ((2, 1, 2), [1e300, 0, 1, 2], "<f8", "d"), "two": ((2,), [0, 1], "<i4", "i"), "wide": ((1, 1, 1025), [0] * 1025, "|u1", "B"),
                  "none": ((0, SIDE, SIDE), [], "|u1", "B")}
        for name, array in arrays.items():
            strokes.npy(self.path(name + ".npy"), *array)
        for said, i, c in (("it is %d x %d; expected images" % (n, SIDE * SIDE), "flat", None), ("of %d images" % n, None, "few"),
                           ("value [0] is 0.5; classes are whole numbers", None, "halves"), ("all pixels of all images are 0", "black", None),
                           ("class 0 has 1 image; at least 2 are needed", None, "single"), ("1 class, of which 0 are held out", None, "one"),
                           ("a pixel of 1e+300", "huge", "two"), ("at most 1024 x 1024", "wide", None), ("expected images", "none", None)):
            with self.subTest(said=said):
                self.train_refused(said, self.path(i + ".npy") if i else images, self.path(c + ".npy") if c else classes)
        self.train_refused("held out; at least 2 are to be trained on", images, classes, "--held-out-classes", LEARNED)
        self.train_refused("two are needed", images, classes, "--held-out-classes", 1)

    def test_files_that_lie_are_refused(self):
        images, classes = self.training("train")[1::2]
        with open(images, "rb") as f:
            whole = f.read()
        for name, data in (("cut.npy", whole[:-5]), ("more.npy", whole + b"x"), ("text.npy", b"not an array\n"),
                           ("lies.npy", whole.replace(b"(96, 14, 14)", b"(99, 14, 14)")), ("object.npy", whole.replace(b"'|u1'", b"'|O1'"))):
            with open(self.path(name), "wb") as f:
                f.write(data)
            with self.subTest(name=name):
                self.train_refused(name, self.path(name), classes)
        self.train_refused("gone.npy", self.path("gone.npy"), classes)

    def test_options_that_do_not_go_together(self):
        images, classes = self.training("train")[1::2]
        for args, said in ((["--images", images], "--images needs --classes"), (["--classes", classes, "--store", "x"], "goes with --images"),
                           (["--images", images, "--classes", classes, "--rows", "x"], "give --store, or --rows"),
                           (["--images", images, "--classes", classes, "--dim", 4], "does not go with --images"), ([], "--images with --classes")):
            with self.subTest(said=said):
                self.refused(said, "train", *args, "--out", self.path("none.hn"), status=2)


class Evaluation(Images):
    def test_new_classes_are_told_apart_and_others_from_them(self):
        noise = [((i * 2654435761) >> 7) % 256 for i in range(40 * SIDE * SIDE)]
        strokes.npy(self.path("noise.npy"), (40, SIDE, SIDE), noise)
        args = ["evaluate", "--model", self.model, *self.training("test"), "--ways", "3,8", "--shots", "2", "--episodes", 50, "--outside", self.path("noise.npy")]
        r = done_json(*args)
        self.assertEqual((r["classes"], r["images"], r["episodes"], r["asked"]), (8, 64, 50, 3))
        self.assertEqual([(row["ways"], row["shots"]) for row in r["results"]], [(3, 2), (8, 2)])
        self.assertGreater(r["results"][0]["generated"]["mean"], 0.6)
        self.assertEqual((r["outside"]["images"], r["outside"]["ways"], r["outside"]["shots"]), (40, 3, 2))
        self.assertGreater(r["outside"]["novelty"]["auroc"], 0.8)
        self.assertEqual(r, done_json(*args, "--threads", 1))
        text = done(*args)
        self.assertIn("prototypes", text)
        self.assertIn("by novelty", text)

    def test_accuracy_by_known_images_is_drawn(self):
        told = done("evaluate", "--model", self.model, *self.training("test"), "--ways", "3,5", "--shots", "1,2,4", "--episodes", 20, "--json")
        path = self.path("episodes.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(told)
        for args in ((), ("--measure", "accuracy")):
            root = xml.dom.minidom.parseString(done("plot", path, *args)).documentElement
            texts = [t.firstChild.data for t in root.getElementsByTagName("text") if t.firstChild]
            for word in ("known images of each class", "accuracy", "1", "2", "4", "generated, 3 classes", "prototypes, 5 classes", "ridge, 5 classes"):
                self.assertIn(word, texts)
        self.refused("no measure 'rmse'", "plot", path, "--measure", "rmse")

    def test_what_does_not_fit_the_model_is_refused(self):
        strokes.npy(self.path("small.npy"), (64, 7, 7), [0, 1] * (64 * 49 // 2))
        strokes.npy(self.path("bright.npy"), (64, SIDE, SIDE), [0, 1000] * (64 * SIDE * SIDE // 2), "<i4", "i")
        images, classes = self.training("test")[1::2]
        for said, args in (("images of 7 x 7 with 1 channel; the model takes 14 x 14 with 1", ["--images", self.path("small.npy"), "--classes", classes]),
                           ("a pixel of 1000; the model was trained on 0 to 255", ["--images", self.path("bright.npy"), "--classes", classes]),
                           ("episodes of 9 classes, and there are 8", ["--images", images, "--classes", classes, "--ways", "9"]),
                           ("8 known and", ["--images", images, "--classes", classes, "--shots", "8"]),
                           ("--ways takes numbers from 2", ["--images", images, "--classes", classes, "--ways", "1"]),
                           ("--shots takes numbers from 1", ["--images", images, "--classes", classes, "--shots", "1,x"]),
                           ("--outside: images of 7 x 7", ["--images", images, "--classes", classes, "--outside", self.path("small.npy")])):
            with self.subTest(said=said):
                self.refused(said, "evaluate", "--model", self.model, *args, "--episodes", 5)
        self.refused("--images is for one --model", "evaluate", "--model", self.model, "--images", images, status=2)
        self.refused("goes with --images", "evaluate", "--model", self.model, "--store", "x", "--test", "y", "--ways", "5", status=2)
        with open(self.path("other.hn"), "w", encoding="utf-8") as f:
            json.dump({}, f)
        self.refused("other.hn", "evaluate", "--model", self.path("other.hn"), "--images", images, "--classes", classes)


if __name__ == "__main__":
    unittest.main()
