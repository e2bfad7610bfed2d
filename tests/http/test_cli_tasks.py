"""`train --rows` and `predict`: from a table to predictions for each task, and every table that cannot be used is refused with file,
line and column, and leaves nothing behind."""
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from command import HYPERNET, done, environment, run  # noqa: E402

SHOPS, ROWS = 24, 24


def sales(seed=3):
    """Rows of shops, each with a price elasticity and a level of its own: (shop, day, price, deal, units)."""
    rng = random.Random(seed)
    rows = []
    for shop in range(SHOPS):
        level, slope = rng.uniform(20, 60), rng.uniform(2, 12)
        for day in range(ROWS):
            price, deal = round(rng.uniform(1, 4), 2), rng.choice(["yes", "no"])
            units = level - slope * price + (8 if deal == "yes" else 0) + rng.gauss(0, 0.5)
            rows.append(("s%d" % shop, day, price, deal, round(max(units, 0.1), 2)))
    return rows


def csv(rows, header=("shop", "day", "price", "deal", "units")):
    return "".join(",".join(map(str, row)) + "\n" for row in [header] + list(rows))


def table_of(text):
    lines = [line.split("\t") for line in text.splitlines()]
    return lines[0], [dict(zip(lines[0], line)) for line in lines[1:]]


class Tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = folder.name
        rows = sales()
        cls.known = [r for r in rows if r[1] < 16]
        cls.asked = [r for r in rows if r[1] >= 16]
        cls.learned = cls.file("learned.csv", csv([r for r in cls.known if int(r[0][1:]) < 18]))  # six shops come new
        cls.known_path = cls.file("known.csv", csv(cls.known))
        cls.asked_path = cls.file("asked.csv", csv(r[:4] for r in cls.asked).replace(",units", ""))
        cls.model = cls.path("shops.hn")
        cls.talk = cls.train(cls.learned, cls.model).stderr

    @classmethod
    def path(cls, name):
        return os.path.join(cls.dir, name)

    @classmethod
    def file(cls, name, text):
        with open(cls.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return cls.path(name)

    @classmethod
    def train(cls, table, out, *args, target="units", task="shop", epochs=4, check=True):
        r = run("train", "--rows", table, "--task", task, "--target", target, "--out", out, "--epochs", epochs,
                "--threads", 1, *args)
        if check and r.returncode != 0:
            raise AssertionError(r.stderr)
        return r

    def predict(self, rows, *args, model=None, task="shop"):
        return table_of(done("predict", "--model", model or self.model, "--rows", rows, "--task", task, *args))

    def error(self, predictions):
        return math.sqrt(sum((float(p["units"]) - r[4]) ** 2 for p, r in zip(predictions, self.asked)) / len(self.asked))

    def refused(self, rows, *reasons, known=None, args=(), status=1, model=None):
        more = ["--known", known] if known else []
        r = run("predict", "--model", model or self.model, "--rows", rows, "--task", "shop", *more, *args)
        self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
        for reason in reasons:
            self.assertIn(reason, r.stderr)

    def not_trained(self, text, *reasons, name="bad.csv", args=(), target="units", task="shop", status=1):
        out = self.path("never.hn")
        before = sorted(os.listdir(self.dir))
        table = self.file(name, text)
        r = self.train(table, out, *args, target=target, task=task, epochs=1, check=False)
        os.unlink(table)
        self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
        for reason in reasons:
            self.assertIn(reason, r.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), before)

    # ---- from a file to predictions ----

    def test_each_shop_is_predicted_from_its_own_rows_also_one_that_came_new(self):
        header, none = self.predict(self.asked_path)
        self.assertEqual(header, ["task", "units", "low", "high", "known"])
        _, some = self.predict(self.asked_path, "--known", self.known_path)
        self.assertEqual([p["task"] for p in some], [r[0] for r in self.asked])
        self.assertEqual({p["known"] for p in none}, {"0"})
        self.assertEqual({p["known"] for p in some}, {"16"})
        self.assertLess(self.error(some), 0.35 * self.error(none))
        self.assertLess(self.error(some), 3)
        for p in none + some:
            self.assertLessEqual(float(p["low"]), float(p["units"]))
            self.assertLessEqual(float(p["units"]), float(p["high"]))

    def test_intervals_are_wide_where_nothing_is_known_and_cover_the_target(self):
        def width(predictions):
            return sum(float(p["high"]) - float(p["low"]) for p in predictions) / len(predictions)

        none, some = (self.predict(self.asked_path, *a, "--no-clamp")[1] for a in ([], ["--known", self.known_path]))
        wider = self.predict(self.asked_path, "--known", self.known_path, "--interval", 0.99)[1]
        self.assertGreater(width(none), 2 * width(some))
        self.assertGreater(width(wider), 1.2 * width(some))
        covered = sum(float(p["low"]) <= r[4] <= float(p["high"]) for p, r in zip(some, self.asked)) / len(self.asked)
        self.assertGreater(covered, 0.6)  # of 0.9: eighteen shops teach little of the noise

    def test_the_order_of_rows_and_the_format_make_no_difference(self):
        straight = done("predict", "--model", self.model, "--rows", self.asked_path, "--task", "shop", "--known", self.known_path)
        turned = self.file("turned.csv", csv(reversed(self.known)))
        lines = "".join('{"deal": "%s", "units": %s, "shop": "%s", "price": %s, "day": %d}\n' % (d, u, s, p, t)
                        for s, t, p, d, u in self.known)
        for known in turned, self.file("known.ndjson", lines):
            other = done("predict", "--model", self.model, "--rows", self.asked_path, "--task", "shop", "--known", known)
            for a, b in zip(table_of(straight)[1], table_of(other)[1]):
                self.assertAlmostEqual(float(a["units"]), float(b["units"]), delta=1e-5 * abs(float(a["units"])))
                self.assertEqual((a["task"], a["known"]), (b["task"], b["known"]))

    def test_a_target_or_an_unknown_column_among_the_rows_is_ignored(self):
        with_target = self.file("with.csv", csv([r + ("x",) for r in self.asked],
                                                ("shop", "day", "price", "deal", "units", "colour")))
        self.assertEqual(self.predict(with_target), self.predict(self.asked_path))

    def test_classes_are_predicted_with_their_probabilities(self):
        def named(rows):
            return csv([r[:4] + ("many" if r[4] > 35 else "few",) for r in rows])

        model = self.path("classes.hn")
        self.train(self.file("named.csv", named(self.known)), model)
        header, answers = self.predict(self.asked_path, "--known", self.path("named.csv"), model=model)
        self.assertEqual(header, ["task", "units", "few", "many", "known"])
        right = 0
        for p, r in zip(answers, self.asked):
            self.assertAlmostEqual(float(p["few"]) + float(p["many"]), 1, delta=2e-6)
            self.assertEqual(p["units"], "many" if float(p["many"]) > float(p["few"]) else "few")
            right += p["units"] == ("many" if r[4] > 35 else "few")
        self.assertGreater(right / len(self.asked), 0.85)

    def test_training_says_what_the_table_is_and_what_it_leaves_out(self):
        self.assertIn("288 rows of 18 tasks; 3 columns; the target 'units' is a number from", self.talk)
        rows = [r[:4] + ("Jo",) + r[4:] for r in self.known]
        out = self.path("named.hn")
        r = self.train(self.file("names.csv", csv(rows, ("shop", "day", "price", "deal", "name", "units"))), out, epochs=1)
        self.assertIn("column 'name' is left out: by its name it says who somebody is", r.stderr)

    def test_of_noise_there_is_one_model_for_all_and_of_shops_each_has_its_part(self):
        rng = random.Random(9)
        noise = [("s%d" % (i % 30), i, round(rng.uniform(1, 4), 2), rng.choice(["yes", "no"]), round(rng.gauss(0, 1), 4))
                 for i in range(600)]
        said = [json.loads(self.train(self.file("some.csv", csv(rows)), self.path("some.hn"), "--json", epochs=1).stdout)
                for rows in (noise, self.known)]
        self.assertLess(said[0]["own_part"], 1)
        self.assertLess(said[0]["loss_one_for_all"], said[0]["loss_as_learned"])
        self.assertEqual(said[1]["chosen"], "net")
        self.assertGreaterEqual(said[1]["own_part"], 0.5)
        self.assertLess(said[1]["loss"], said[1]["loss_one_for_all"] - 0.3)

    # ---- how good it is ----

    def measured(self, *args):
        return json.loads(done("evaluate", "--model", self.model, "--rows", self.path("targets.csv"), "--task", "shop", "--json", *args))

    def test_what_is_measured_is_what_is_predicted(self):
        self.file("targets.csv", csv(self.asked))
        result = self.measured("--known", self.known_path)
        self.assertEqual((result["tasks"], result["unseen_tasks"], list(result["by_known"])), (SHOPS, 0, ["5-24"]))
        for name, known in (("model", ["--known", self.known_path]), ("nothing_known", [])):
            predictions = self.predict(self.asked_path, *known)[1]
            self.assertAlmostEqual(result["all"][name]["rmse"], self.error(predictions), delta=1e-4)
            covered = [float(p["low"]) <= r[4] <= float(p["high"]) for p, r in zip(predictions, self.asked)]
            self.assertAlmostEqual(result["all"][name]["coverage"], sum(covered) / len(covered), delta=0.05)  # which are not cut
            self.assertEqual(result["all"][name]["rows"], len(self.asked))
        difference = result["difference"]["nothing_known"]
        self.assertAlmostEqual(difference["mean"], result["all"]["model"]["rmse"] - result["all"]["nothing_known"]["rmse"], delta=1e-3)
        self.assertLess(difference["low"], difference["mean"])
        self.assertLess(difference["high"], 0)
        self.assertEqual(result["difference"]["of"], "rmse")

    def test_baselines_are_fitted_to_the_known_rows_and_compared_by_shop(self):
        self.file("targets.csv", csv(self.asked))
        r = self.evaluate("--known", self.known_path, "--baselines", "--json")
        result = json.loads(r.stdout)
        rmse = {name: m["rmse"] for name, m in result["all"].items()}
        self.assertEqual(list(rmse), ["model", "nothing_known", "linear_for_all", "linear_with_ids", "linear_for_each", "network_for_all",
                                      "network_with_ids", "fine_tuned"])
        self.assertLess(rmse["linear_with_ids"], 0.7 * rmse["linear_for_all"])  # the shops' levels differ
        self.assertLess(rmse["linear_for_each"], 0.6 * rmse["linear_with_ids"])  # and their elasticities
        self.assertLess(rmse["network_with_ids"], 0.7 * rmse["network_for_all"])
        self.assertLess(rmse["fine_tuned"], 0.8 * rmse["network_for_all"])
        for name in list(rmse)[1:]:
            d = result["difference"][name]
            self.assertAlmostEqual(d["mean"], rmse["model"] - rmse[name], delta=1e-3)
            self.assertTrue(d["low"] <= d["mean"] <= d["high"])
        for told in "network for all: ", "network with ids: ", "fine-tuned: ":
            self.assertRegex(r.stderr, told + r"\d+ steps.* squared error of a row in validation 0\.")

    def test_a_baseline_is_measured_alone_and_the_same_again(self):
        args = "--known", self.known_path, "--baseline", "linear-for-each", "--baseline", "network-for-all"
        lines = self.evaluate(*args).stdout
        self.assertIn("rmse of the model less that of", lines)
        self.assertIn("linear for each", lines)
        self.assertIn("network for all", lines)
        for other in "linear for all", "network with ids", "fine-tuned":
            self.assertNotIn(other, lines)
        self.assertEqual(self.evaluate(*args).stdout, lines)

    def test_baselines_learn_from_the_rows_that_the_model_was_trained_from(self):
        linear = "--baseline", "linear-for-all", "--baseline", "linear-with-ids", "--json"
        few = self.file("few.csv", csv([r for r in self.known if r[1] < 2]))

        def rmse(*args):
            return json.loads(self.evaluate(*args, *linear).stdout)["all"]

        known, both = rmse("--known", few), rmse("--known", few, "--train", self.known_path)
        self.assertEqual(both["model"], known["model"])
        self.assertEqual(both["linear_for_all"], known["linear_for_all"])  # of these shops what is known is all there is
        new = self.file("new.csv", csv([r for r in self.known if r[0] == "s0" and r[1] < 2]))
        alone, beside = rmse("--known", new), rmse("--known", new, "--train", self.known_path)
        self.assertLess(beside["linear_with_ids"]["rmse"], 0.7 * alone["linear_with_ids"]["rmse"])
        trained = rmse("--train", self.known_path)
        self.assertEqual(trained["model"], trained["nothing_known"])
        self.assertLess(trained["linear_with_ids"]["rmse"], 0.7 * trained["linear_for_all"]["rmse"])

    def test_baselines_that_have_nothing_to_learn_from_are_refused(self):
        for args, told in ((["--baselines"], "--baselines goes with --known or --train, from whose rows they learn"),
                           (["--baseline", "fine-tuned"], "--baseline goes with --known or --train, from whose rows they learn"),
                           (["--train", self.known_path], "--train goes with --baselines or --baseline, which learn from it"),
                           (["--known", self.known_path, "--baseline", "ials"], "--baseline: 'ials' is none of linear-for-all")):
            r = self.evaluate(*args, status=2)
            self.assertEqual(r.stdout, "")
            self.assertIn(told, r.stderr)

    def test_rows_unlike_the_others_are_told_by_how_unsure_they_are(self):
        measured = self.file("inside.csv", csv(self.asked))
        strange = self.file("strange.csv", csv([(s, d, p + 9, k) for s, d, p, k, _ in self.asked], ("shop", "day", "price", "deal")))
        args = ("evaluate", "--model", self.model, "--rows", measured, "--known", self.known_path, "--task", "shop", "--outside")
        found = json.loads(done(*args, strange, "--json"))["outside"]
        self.assertEqual(found["rows"], len(self.asked))
        self.assertGreater(found["epistemic"]["auroc"], 0.9)
        self.assertGreater(found["epistemic"]["outside"], 2 * found["epistemic"]["inside"])
        for by in ("epistemic", "deviation"):
            self.assertLessEqual(found[by]["low"], found[by]["auroc"])
            self.assertLessEqual(found[by]["auroc"], found[by]["high"])
        same = json.loads(done(*args, measured, "--json"))["outside"]
        self.assertEqual((same["epistemic"]["auroc"], same["deviation"]["auroc"]), (0.5, 0.5))
        printed = done(*args, strange)
        self.assertIn("%d rows outside are told from the others" % len(self.asked), printed)
        plain = json.loads(done(*args[:-1], "--json"))
        self.assertNotIn("outside", plain)
        missing = self.file("missing.csv", csv([r[:2] for r in self.asked], ("shop", "day")))
        self.assertNotEqual(run(*args, missing).returncode, 0)

    def test_how_unsure_a_prediction_is_are_two_columns_if_asked(self):
        args = ("predict", "--model", self.model, "--rows", self.asked_path, "--task", "shop", "--uncertainty")
        names, cold = table_of(done(*args))
        self.assertEqual(names, ["task", "units", "low", "high", "deviation", "epistemic", "known"])
        warm = table_of(done(*args, "--known", self.known_path))[1]
        for a, b in zip(cold, warm):
            self.assertLessEqual(float(a["epistemic"]), float(a["deviation"]))
            self.assertLess(float(b["epistemic"]), float(a["epistemic"]))

    def test_columns_that_the_model_does_not_know_are_named(self):
        table = self.file("colour.csv", csv([r + ("x",) for r in self.asked], ("shop", "day", "price", "deal", "units", "Price")))
        told = "the model does not know, and ignores, the column 'Price'\n"
        r = run("predict", "--model", self.model, "--rows", table, "--task", "shop")
        self.assertEqual((r.returncode, r.stderr), (0, "%s: %s" % (table, told)))
        r = run("evaluate", "--model", self.model, "--rows", self.file("targets.csv", csv(self.asked)), "--task", "shop", "--known", table)
        self.assertEqual((r.returncode, r.stderr), (0, "%s: %s" % (table, told)))
        self.assertEqual(run("predict", "--model", self.model, "--rows", self.asked_path, "--task", "shop").stderr, "")

    # ---- what cannot be trained from ----

    def test_a_column_without_a_name_as_pandas_writes_it_is_left_out_and_told_of(self):
        head, *lines = csv(self.known).splitlines()
        table = self.file("index.csv", "\n".join(["," + head, *("%d,%s" % (i, line) for i, line in enumerate(lines))]) + "\n")
        r = self.train(table, self.path("index.hn"), epochs=1)
        self.assertIn("the column without a name is left out", r.stderr)
        self.assertIn("3 columns", r.stderr)

    def evaluate(self, *args, status=0):
        r = run("evaluate", "--model", self.model, "--rows", self.file("held.csv", csv(self.asked)), "--task", "shop", *args)
        self.assertEqual(r.returncode, status, r.stderr)
        return r

    def test_the_same_rows_are_measured_with_so_many_rows_known(self):
        result = json.loads(self.evaluate("--known", self.known_path, "--known-counts", "0,2,16", "--json").stdout)
        self.assertEqual(list(result["by_count"]), ["0", "2", "16"])
        rmse = [result["by_count"][n]["model"]["rmse"] for n in ("0", "2", "16")]
        self.assertEqual(rmse, sorted(rmse, reverse=True))
        self.assertEqual(result["by_count"]["0"]["model"], result["all"]["nothing_known"])
        self.assertEqual(result["by_count"]["16"]["model"], result["all"]["model"])
        self.assertEqual([p["expected"] for p in result["calibration"]["model"]], [.1, .2, .3, .4, .5, .6, .7, .8, .9, .95])
        covered = [p["found"] for p in result["calibration"]["model"]]
        self.assertEqual(covered, sorted(covered))
        self.assertAlmostEqual(covered[8], result["all"]["model"]["coverage"], 5)
        text = self.evaluate("--known", self.known_path, "--known-counts", "0,2").stdout
        self.assertRegex(text, r"model, 2 known +192 +rmse")
        self.assertIn("calibration: intervals are", text)

    def test_counts_without_known_rows_are_refused(self):
        self.assertIn("--known-counts goes with --known", self.evaluate("--known-counts", "1", status=2).stderr)

    def test_pictures_are_made_of_a_result(self):
        result = self.file("result.json", self.evaluate("--known", self.known_path, "--known-counts", "0,2,16", "--json").stdout)
        for args, words in (([], ("rmse by what is known", "nothing known", ">16<")), (["--measure", "mae"], ("mae by what",)),
                            (["--chart", "calibration", "--title", "a & b"], ("a & b", "share that is right"))):
            svg = xml.dom.minidom.parseString(done("plot", result, *args)).documentElement
            self.assertEqual(svg.tagName, "svg")
            texts = " ".join(">%s<" % "".join(n.data for n in t.childNodes) for t in svg.getElementsByTagName("text"))
            for word in words:
                self.assertIn(word, texts)

    def test_a_count_is_measured_once(self):
        self.assertIn("--known-counts has 2 twice",
                      self.evaluate("--known", self.known_path, "--known-counts", "2,0,2", status=2).stderr)

    def test_a_table_whose_start_is_best_is_trained(self):
        rng = random.Random(1)
        rows = [("s%d" % (i % 3),) + tuple(round(rng.gauss(0, 1), 3) for _ in range(5)) for i in range(90)]
        table = self.file("chance.csv", csv(rows, ("shop", "a", "b", "c", "d", "units")))
        r = run("train", "--rows", table, "--task", "shop", "--target", "units", "--out", self.path("chance.hn"), "--threads", 1)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("3 tasks", r.stderr)

    def test_a_loss_refuses_targets_that_it_cannot_take_with_their_line(self):
        text = "shop,price,units\n" + "".join("s%d,%d,%d\n" % (i % 30, i % 7, i % 5) for i in range(7, 200))
        self.not_trained(text.replace("s%d,0,2" % (77 % 30), "s%d,0,-2" % (77 % 30)), "the target 'units' has '-2', which is below 0",
                         args=["--loss", "poisson"])
        self.not_trained(text, "the target 'units' has '0', which is not above 0", args=["--loss", "relative"])
        self.not_trained(text, "the target 'units' has '0', which is not above 0", args=["--target-scale", "log"])
        self.not_trained(text, "--loss is squared, absolute, relative or poisson, not 'huber'", args=["--loss", "huber"])
        self.not_trained(text, "--target-scale is auto, identity, log, asinh or count, not 'sqrt'", args=["--target-scale", "sqrt"])
        self.not_trained(text.replace(",2\n", ",two\n").replace(",1\n", ",one\n").replace(",0\n", ",none\n").replace(",3\n", ",three\n").replace(",4\n", ",four\n"),
                         "a loss and a scale are for targets that are numbers", args=["--loss", "absolute"])

    def test_a_skewed_target_is_learned_by_its_logarithm_and_answered_in_its_unit(self):
        rng = random.Random(3)
        levels = [rng.gauss(0, 1) for _ in range(60)]
        rows = [(s, rng.uniform(0, 2)) for s in range(60) for _ in range(25)]
        rows = [(s, x, math.exp(8 + levels[s] - x + 0.5 * rng.gauss(0, 1))) for s, x in rows]
        table = self.file("skewed.csv", "shop,price,units\n" + "".join("s%d,%.3f,%.1f\n" % r for r in rows))
        said = self.train(table, self.path("skewed.hn"), epochs=0).stdout
        self.assertIn("the target is learned by its logarithm", said)
        self.assertIn("predicts    units by its logarithm", done("inspect", self.path("skewed.hn")))
        predicted = [float(p["units"]) for p in self.predict(table, "--known", table, model=self.path("skewed.hn"))[1]]
        # means, a little drawn to each other; medians would have been 0.82 of it
        self.assertAlmostEqual(sum(predicted) / sum(r[2] for r in rows), 1, delta=0.1)
        self.train(table, self.path("plain.hn"), "--target-scale", "identity", epochs=1)
        self.assertIn("predicts    units, ", done("inspect", self.path("plain.hn")))

    def test_counts_are_measured_by_their_deviance(self):
        rng = random.Random(4)
        rows = [(s, rng.uniform(0, 1)) for s in range(40) for _ in range(20)]
        rows = [(s, x, sum(rng.random() < 0.02 + 0.02 * (s % 4) + 0.03 * x for _ in range(40))) for s, x in rows]
        table = self.file("counts.csv", "shop,price,units\n" + "".join("s%d,%.3f,%d\n" % r for r in rows))
        self.train(table, self.path("counts.hn"), "--loss", "poisson", epochs=2)
        result = json.loads(done("evaluate", "--model", self.path("counts.hn"), "--rows", table, "--known", table, "--task", "shop",
                                 "--json", "--baseline", "linear-for-all"))
        self.assertEqual(result["difference"]["of"], "deviance")
        self.assertLess(result["all"]["model"]["deviance"], result["all"]["nothing_known"]["deviance"])
        self.assertLess(result["all"]["model"]["deviance"], 1.3)  # of Poisson's distribution about 1

    @staticmethod
    def poisson(rng, rate):
        """Arrivals within one, each an exponential time after the one before."""
        n, at = 0, rng.expovariate(rate)
        while at < 1:
            n, at = n + 1, at + rng.expovariate(rate)
        return n

    def counted(self, name, draw):
        """Tables of 40 shops that are learned from, and of known and asked rows of 40 that come new."""
        rng, rows = random.Random(8), []
        for shop in range(80):
            level, slope = rng.gauss(0, 0.8), rng.gauss(0.5, 0.5)
            for day in range(16):
                price = rng.gauss(0, 1)
                rows.append(("s%d" % shop, day, "%.3f" % price, draw(rng, level + slope * price)))
        header = ("shop", "day", "price", "units")
        return [self.file(name + part, csv(some, header)) for part, some in (
            ("-learned.csv", [r for r in rows if int(r[0][1:]) < 40]), ("-known.csv", [r for r in rows if int(r[0][1:]) >= 40 and r[1] < 8]),
            ("-asked.csv", [r for r in rows if int(r[0][1:]) >= 40 and r[1] >= 8]))]

    def figures(self, known, asked, model):
        return json.loads(done("evaluate", "--model", model, "--rows", asked, "--known", known, "--task", "shop", "--json"))["all"]["model"]

    def test_a_likelihood_of_counts_is_taken_for_counts_and_wins_in_deviance(self):
        learned, known, asked = self.counted("counts", lambda rng, x: self.poisson(rng, math.exp(0.2 + x)))
        said = self.train(learned, self.path("of-counts.hn"), "--loss", "poisson", epochs=0).stdout
        self.assertIn("the target is learned by its likelihood of counts", said)
        self.assertIn("predicts    units by a likelihood of counts", done("inspect", self.path("of-counts.hn")))
        self.train(learned, self.path("of-asinh.hn"), "--loss", "poisson", "--target-scale", "asinh", epochs=0)
        self.train(learned, self.path("as-it-is.hn"), "--target-scale", "identity", epochs=0)
        counts, others = self.figures(known, asked, self.path("of-counts.hn")), [
            self.figures(known, asked, self.path(m)) for m in ("of-asinh.hn", "as-it-is.hn")]
        self.assertLess(counts["deviance"], 0.95 * others[0]["deviance"])
        self.assertLess(counts["rmse"], min(o["rmse"] for o in others))
        self.assertGreater(counts["coverage"], 0.85)
        for p in self.predict(asked, "--known", known, model=self.path("of-counts.hn"))[1]:
            bounds = [float(p["low"]), float(p["high"])]
            self.assertTrue(any(b == int(b) for b in bounds), p)  # counts, unless the mean is beside them
            self.assertLessEqual(bounds[0], float(p["units"]))

    def test_a_likelihood_of_counts_is_not_taken_where_errors_are_as_large_for_all(self):
        learned, _, _ = self.counted("plain", lambda rng, x: round(200 + 30 * x + rng.gauss(0, 10)))
        self.assertNotIn("likelihood of counts", self.train(learned, self.path("plain-counts.hn"), epochs=0).stdout)

    def test_what_is_no_count_is_refused_where_counts_are_learned(self):
        text = "shop,price,units\n" + "".join("s%d,%d,%d\n" % (i % 30, i % 7, i % 5) for i in range(7, 200))
        asked = ["--target-scale", "count"]
        for wrong, told in (("2.5", "'2.5', which is not a whole number up to 1e9"), ("-2", "'-2', which is below 0"),
                            ("1e12", "which is not a whole number up to 1e9")):
            self.not_trained(text.replace("s%d,0,2" % (77 % 30), "s%d,0,%s" % (77 % 30, wrong)), "the target 'units' has " + told
                             if told[0] == "'" else told, args=asked)
        self.not_trained(text, "counts are learned for the loss squared or poisson", args=asked + ["--loss", "absolute"])

    def test_a_deadline_that_is_over_at_once_leaves_a_model(self):
        wide = [("s%d" % (i % 40),) + tuple((i * k * 7919) % 101 / 50 for k in range(1, 101)) for i in range(4000)]
        table = self.file("wide.csv", csv(wide, ("shop",) + tuple("c%d" % k for k in range(99)) + ("units",)))
        r = run("train", "--rows", table, "--task", "shop", "--target", "units", "--out", self.path("wide.hn"), "--threads", 1,
                "--deadline-seconds", 1)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(self.predict(table, model=self.path("wide.hn"))[0][1], "units")

    def test_what_no_picture_can_be_made_of_is_refused(self):
        result = self.file("result.json", self.evaluate("--json").stdout)
        for args, status, reason in ((["--measure", "auc"], 1, "result.json: the result has no measure 'auc'"),
                                     (["--chart", "pie"], 2, "--chart is known, calibration or search, not 'pie'"),
                                     (["--chart", "calibration", "--measure", "mae"], 2, "--measure is for --chart known"),
                                     (["--title", "x" * 48], 2, "--title is up to 47 bytes")):
            r = run("plot", result, *args)
            self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
            self.assertIn(reason, r.stderr)
        for path, reason in ((self.asked_path, "what `hypernet evaluate --json` printed"), (self.path("none"), "cannot open"),
                             (self.dir, "cannot read")):
            r = run("plot", path)
            self.assertEqual((r.returncode, r.stdout), (1, ""), r.stderr)
            self.assertIn(reason, r.stderr)

    def test_rows_of_one_time_leave_nothing_to_validate_on(self):
        self.not_trained(csv([(r[0], 7) + r[2:] for r in self.known]), "no row is left to validate on", "--gap", args=("--time", "day"))

    def test_a_table_that_teaches_nothing_is_refused(self):
        self.not_trained(csv([r[:4] + ("many",) for r in self.known]), "the target 'units' has 1 classes; it must have 2 to 1000")
        self.not_trained(csv([r[:4] + (7,) for r in self.known]), "the target 'units' is 7 in all rows")
        self.not_trained(csv(self.known[:16]), "at least two tasks with two rows; there are 1")
        self.not_trained(csv([("s%d" % n,) + r[1:] for n, r in enumerate(self.known)]), "there are 0")
        self.not_trained(csv([]), "bad.csv has no row")
        self.not_trained(csv([r[:4] + ("",) for r in self.known]), "bad.csv has no row with a target")
        self.not_trained("", "bad.csv")
        self.not_trained(csv([(r[0], r[4]) for r in self.known], ("shop", "units")), "no column is left to learn from")

    def test_a_bad_cell_is_named_with_its_line_and_column(self):
        def changed(row, column, value):
            rows = [list(r) for r in self.known]
            rows[row][column] = value
            return csv(rows)

        self.not_trained(changed(9, 2, "cheap"), "bad.csv: line 11: column 'price' has 'cheap', which is no number")
        self.not_trained(changed(9, 4, "some"), "bad.csv: line 11: the target 'units' has 'some', which is no number")
        self.not_trained(changed(9, 0, ""), "bad.csv:11: column 'shop', which says what task a row is of, is empty")
        self.not_trained(changed(9, 1, "soon"), "bad.csv:11: column 'day': 'soon' is neither a number nor a time",
                         args=("--time", "day"))
        self.not_trained(csv(self.known) + "s1,3,2\n", "bad.csv:386")
        self.not_trained('{"shop": "a", "price": 1, "units": 2}\n{"shop": "a", "price": NaN, "units": 2}\n', "bad.ndjson:2",
                         name="bad.ndjson")

    def test_columns_that_are_not_there_or_have_two_purposes_are_refused(self):
        self.not_trained(csv(self.known), "there is no column 'sold'", target="sold")
        self.not_trained(csv(self.known), "there is no column 'store'", task="store")
        self.not_trained(csv(self.known), "column 'units' is named twice", task="shop,units")
        self.not_trained(csv(self.known), "--categorical: there is no column 'colour'", args=("--categorical", "colour"))
        self.not_trained(csv(self.known), "--task", task=",shop")
        self.not_trained(csv(self.known), "--task names more than 4 columns", task="a,b,c,d,e")

    def test_wrong_use_is_status_2(self):
        for args in (["--store", self.path("s.db"), "--rows", self.known_path], []):
            r = run("train", *args, "--task", "shop", "--target", "units", "--out", self.path("never.hn"))
            self.assertEqual(r.returncode, 2, r.stderr)
            self.assertIn("give --store, or --rows", r.stderr)
        for args in (["--rows", self.asked_path], ["--task", "shop"], ["--rows", self.asked_path, "--task", "shop", "--interval", 1]):
            self.assertEqual(run("predict", "--model", self.model, *args).returncode, 2)
        self.assertFalse(os.path.exists(self.path("never.hn")))

    # ---- what cannot be predicted ----

    def test_a_row_that_the_model_cannot_read_is_refused_with_line_and_column(self):
        def rows(*lines):
            return self.file("rows.csv", "shop,day,price,deal\ns1,1,2,yes\n" + "".join(line + "\n" for line in lines))

        self.refused(rows("s1,1,,yes"), 'rows.csv: line 3: column "price" is missing')
        self.refused(rows("s1,1,NaN,yes"), 'rows.csv: line 3: column "price" is missing')
        self.refused(rows("s1,1,low,yes"), 'rows.csv: line 3: column "price": "low" is no number')
        self.refused(rows("s1,1,1e999,yes"), 'rows.csv: line 3: column "price": "1e999" is no number')
        self.refused(rows("s1,1,2,maybe"), 'rows.csv: line 3: column "deal": the model does not know the value "maybe"')
        self.refused(rows(",1,2,yes"), "rows.csv:3: column 'shop'")
        self.refused(rows("s1,1,2"), "rows.csv:3")
        _, answers = self.predict(rows("s1,1,2,maybe"), "--unknown-is-absent")
        self.assertEqual(len(answers), 2)
        self.refused(self.file("rows.ndjson", '{"shop": "s1", "day": 1, "price": "2", "deal": "yes"}\n'),
                     'rows.ndjson: line 1: column "price": "2" is no number')
        self.refused(self.file("rows.ndjson", '{"shop": "s1", "day": 1, "price": NaN, "deal": "yes"}\n'), "rows.ndjson:1: no valid JSON")

    def test_another_table_is_refused(self):
        other = self.file("other.csv", "shop,colour,size\ns1,red,3\n")
        self.refused(other, 'other.csv: line 2: column "day" is missing')
        self.refused(self.file("other.csv", "store,day,price,deal\ns1,1,2,yes\n"), "there is no column 'shop'")
        self.refused(self.asked_path, "there is no column 'units'", known=self.asked_path)
        self.refused(self.asked_path, "line 3: the target 'units' has 'many', which is no number",
                     known=self.file("known2.csv", "shop,day,price,deal,units\ns1,1,2,yes,3\ns1,1,2,yes,many\n"))
        self.refused(self.path("nowhere.csv"), "nowhere.csv")
        self.refused(self.asked_path, self.known_path, model=self.known_path)

    def test_known_rows_that_say_the_same_are_answered(self):
        same = self.file("same.csv", "shop,day,price,deal,units\n" + "s1,1,2,yes,30\n" * 40)
        _, answers = self.predict(self.asked_path, "--known", same)
        self.assertTrue(all(math.isfinite(float(p[c])) for p in answers for c in ("units", "low", "high")))

    def test_extreme_inputs_stay_within_the_range_of_training(self):
        rows = self.file("far.csv", "shop,day,price,deal\ns1,1e300,-1e300,yes\ns1,1,1e300,no\n")
        _, answers = self.predict(rows, "--known", self.known_path)
        units = [r[4] for r in self.known if int(r[0][1:]) < 18]
        for p in answers:
            for c in ("units", "low", "high"):
                self.assertTrue(min(units) - 1e-6 <= float(p[c]) <= max(units) + 1e-6, p)

    def test_a_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("SKIPPED: there is no /dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            r = subprocess.run([HYPERNET, "predict", "--model", self.model, "--rows", self.asked_path, "--task", "shop"], stdout=full,
                               stderr=subprocess.PIPE, text=True, timeout=600, env=environment())
        self.assertEqual(r.returncode, 1, r.stderr)


if __name__ == "__main__":
    unittest.main()
