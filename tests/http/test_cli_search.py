"""`search`: from a table or images to the best network within a budget, which is served at once; a report that is drawn; and every
source, budget and option that cannot be used is refused, and leaves nothing behind."""
import json
import os
import random
import sys
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402
import strokes  # noqa: E402
from command import done, run  # noqa: E402

QUICK = ("--candidates", 6, "--finalists", 2, "--steps", 400, "--final-steps", 800, "--hypernetwork-steps", 300)
ROOMY = 1e9  # microseconds: no timing decides a test


def rows(n=500, seed=2):
    """Rows of machines: whether one fails is decided by two numbers together; what it makes is a number."""
    r = random.Random(seed)
    lines = ["machine,heat,load,maker,fails,output"]
    for i in range(n):
        heat, load, maker = r.gauss(60, 10), r.gauss(0, 1), r.choice(["acme", "bolt"])
        fails = "yes" if (heat - 60) * load > 0 else "no"
        output = 100 + 3 * (heat - 60) + (8 if maker == "acme" else 0) + r.gauss(0, 1)
        lines.append("m%d,%.3f,%.4f,%s,%s,%.3f" % (i % 25, heat, load, maker, fails, output))
    return "\n".join(lines) + "\n"


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = hn.temporary_folder()
        cls.table = cls.file("rows.csv", rows())
        cls.model = cls.dir + "/fails.hn"
        cls.result = json.loads(done("search", "--rows", cls.table, "--target", "fails", "--out", cls.model, "--budget-us", ROOMY,
                                     "--report", 5, "--json", *QUICK))

    @classmethod
    def file(cls, name, text):
        with open(cls.dir + "/" + name, "w", encoding="utf-8") as f:
            f.write(text)
        return cls.dir + "/" + name

    def search(self, *args, out="out.hn", budget=ROOMY):
        return run("search", *args, "--out", self.dir + "/" + out, "--budget-us", budget, *QUICK)

    def refused(self, args, *reasons, status=1, out="never.hn", budget=ROOMY):
        before = sorted(os.listdir(self.dir))
        r = self.search(*args, out=out, budget=budget)
        self.assertEqual((r.returncode, r.stdout), (status, ""), r.stderr)
        for reason in reasons:
            self.assertIn(reason, r.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), before)

    # ---- what is found ----

    def test_the_network_that_is_kept_is_the_best_finalist_and_better_than_chance(self):
        r, chosen = self.result, self.result["chosen"]
        self.assertEqual((r["measure"], r["objective"], len(r["candidates"])), ("accuracy", "classification", 6))
        finalists = [c for c in r["candidates"] if c["from_scratch"]]
        self.assertEqual(len(finalists), 2)
        self.assertEqual(finalists, r["candidates"][:2])
        self.assertEqual(chosen["from_scratch"], max(c["from_scratch"] for c in finalists))
        self.assertGreaterEqual(r["kept"], chosen["from_scratch"][0])
        generated = [c["generated"] for c in r["candidates"]]
        self.assertEqual(generated, sorted(generated, reverse=True))
        self.assertEqual(r["test"]["rows"], 75)
        self.assertTrue(r["test"]["low"] <= r["test"]["accuracy"] <= r["test"]["high"])
        self.assertGreater(r["test"]["accuracy"], 0.6)
        self.assertGreater(r["test"]["latency_us"], 0)

    def test_the_same_seed_finds_the_same_and_another_one_not(self):
        def what(seed):
            r = json.loads(done("search", "--rows", self.table, "--target", "fails", "--out", self.dir + "/again.hn", "--budget-us",
                                ROOMY, "--report", 5, "--json", "--seed", seed, *QUICK))
            return [r["test"]["accuracy"], r["report"]["all"]] + \
                [(m["widths"], m["activation"], m["generated"], m["from_scratch"]) for m in r["candidates"] + r["report"]["architectures"]]
        first = what(1)
        self.assertEqual(first[1], self.result["report"]["all"])
        self.assertEqual(first, what(1))
        self.assertNotEqual(first, what(2))

    def test_the_report_compares_with_training_and_its_ceiling(self):
        report = self.result["report"]
        self.assertEqual(len(report["architectures"]), 5)
        self.assertTrue(all(len(m["from_scratch"]) == 2 for m in report["architectures"]))
        plain = [m for m in report["architectures"] if m["activation"] != "identity" and min(m["widths"]) >= 8]
        self.assertEqual((report["all"]["architectures"], report["plain"]["architectures"]), (5, len(plain)))
        for name in ("kendall", "spearman", "kendall_one", "spearman_one", "kendall_most", "spearman_most"):
            figure = report["all"][name]
            self.assertTrue(-1 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, (name, figure))

    def test_the_best_by_training_is_trained_as_long_and_measured_on_the_same_rows(self):
        best, all_of_them = self.result["report"]["best"], self.result["report"]["architectures"]
        self.assertEqual(best["network"], max(all_of_them, key=lambda m: sum(m["from_scratch"])))
        self.assertEqual(best["test"]["rows"], self.result["test"]["rows"])
        self.assertTrue(best["test"]["low"] <= best["test"]["accuracy"] <= best["test"]["high"])
        self.assertAlmostEqual(best["less"]["value"], self.result["test"]["accuracy"] - best["test"]["accuracy"], places=5)
        self.assertTrue(best["less"]["low"] <= best["less"]["value"] <= best["less"]["high"])
        self.assertGreater(best["kept"], 0.5)

    def test_the_report_is_drawn(self):
        picture = done("plot", self.file("result.json", json.dumps(self.result)), "--chart", "search")
        root = xml.dom.minidom.parseString(picture).documentElement
        texts = [t.firstChild.data for t in root.getElementsByTagName("text") if t.firstChild]
        self.assertIn("accuracy of generated weights", texts)
        self.assertIn("accuracy from scratch", texts)
        kinds = {m["activation"] for m in self.result["report"]["architectures"]}
        self.assertTrue(kinds <= set(texts))
        without = dict(self.result)
        del without["report"]
        r = run("plot", self.file("none.json", json.dumps(without)), "--chart", "search")
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("search --report N --json", r.stderr)

    def test_text_says_the_same(self):
        r = self.search("--rows", self.table, "--target", "fails", "--report", 3)
        self.assertEqual(r.returncode, 0, r.stderr)
        for part in ("the best of those 3 by training: ", "the written one's less this one's: ", "6 architectures within 1e+09 us", "from scratch", "Kendall", "accuracy 0.", "75 rows that chose nothing"):
            self.assertIn(part, r.stdout)
        self.assertIn("350 rows to learn from, 75 to choose by, 75 to measure on", r.stderr)

    # ---- what is written ----

    def test_the_file_predicts_and_is_inspected_and_served_at_once(self):
        self.assertIn("classification", done("inspect", self.model))
        asked = self.file("asked.csv", "machine,heat,load,maker,output\nm1,75,1,acme,145\nm1,75,-1,acme,150\nm1,45,-1,bolt,60\n")
        lines = [line.split("\t") for line in done("predict", "--model", self.model, "--rows", asked).splitlines()]
        self.assertEqual(lines[0], ["task", "fails", "no", "yes", "known"])
        server = hn.Server(models=[self.model])
        self.addCleanup(server.stop)
        body = {"columns": ["machine", "heat", "load", "maker", "output"],
                "rows": [["m1", 75, 1, "acme", 145], ["m1", 75, -1, "acme", 150], ["m1", 45, -1, "bolt", 60]]}
        answer = server.request("POST", "/v1/tasks/any/predictions", body, params={"cold_start": "true"})
        self.assertEqual(answer.status, 200, answer.body)
        for line, p in zip(lines[1:], answer.json["predictions"]):
            self.assertEqual(line[1], p["class"])
            self.assertAlmostEqual(float(line[3]), p["probabilities"]["yes"], places=5)

    def test_a_model_whose_tasks_have_layers_of_their_own_needs_the_task(self):
        model = self.dir + "/own.hn"
        done("train", "--rows", self.table, "--task", "machine", "--target", "output", "--out", model, "--epochs", 1, "--threads", 1)
        r = run("predict", "--model", model, "--rows", self.table)
        self.assertEqual((r.returncode, r.stdout), (2, ""))
        self.assertIn("--task is needed", r.stderr)

    def test_numbers_have_intervals_as_wide_as_the_errors_were(self):
        r = json.loads(done("search", "--rows", self.table, "--target", "output", "--out", self.dir + "/output.hn", "--budget-us", ROOMY,
                            "--json", *QUICK))
        self.assertEqual((r["measure"], r["objective"]), ("rmse", "regression"))
        self.assertLess(r["test"]["rmse"], 15)
        asked = self.file("asked.csv", "heat,load,maker,machine,fails\n70,0,acme,m1,no\n")
        _, value, low, high, _ = done("predict", "--model", self.dir + "/output.hn", "--rows", asked).splitlines()[1].split("\t")
        self.assertTrue(float(low) < float(value) < float(high))
        half = (float(high) - float(low)) / 2
        self.assertAlmostEqual(half / 1.645, r["kept"], delta=0.02 * half)

    def test_whole_tasks_are_held_out_where_they_are_named(self):
        r = self.search("--rows", self.table, "--target", "fails", "--task", "machine")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("340 rows to learn from, 80 to choose by, 80 to measure on", r.stderr)  # 20 of each of 25 machines
        self.refused(("--rows", self.table, "--target", "fails", "--task", "maker"), "2 tasks; at least 3")

    def test_a_task_with_most_of_the_rows_is_learned_from(self):
        head, *lines = rows().splitlines()
        large = "\n".join([head] + [line if i % 5 == 0 else "m0," + line.split(",", 1)[1] for i, line in enumerate(lines)]) + "\n"
        for seed in range(3):
            r = self.search("--rows", self.file("large.csv", large), "--target", "fails", "--task", "machine", "--seed", seed)
            self.assertEqual(r.returncode, 0, r.stderr)
            learned = int(r.stderr.split(" rows to learn from")[0].split()[-1])
            self.assertGreater(learned, 400, r.stderr)

    def test_rows_of_their_own_may_be_measured_on(self):
        r = self.search("--rows", self.table, "--target", "fails", "--test-rows", self.file("test.csv", rows(60, 9)))
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("425 rows to learn from, 75 to choose by, 60 to measure on", r.stderr)

    # ---- what is read ----

    def test_a_network_of_fewer_inputs_needs_the_columns_that_tell_and_no_others(self):
        r, names = random.Random(4), ["x%d" % i for i in range(20)]
        lines = [",".join(names + ["output"])]
        for _ in range(400):
            x = [r.gauss(0, 1) for _ in names]
            lines.append(",".join("%.4f" % v for v in x + [3 * x[13] - 2 * x[7] + r.gauss(0, 0.1)]))
        table, model = self.file("wide.csv", "\n".join(lines) + "\n"), self.dir + "/wide.hn"
        seeds = iter(range(20))
        told = {"chosen": {"inputs": 20}}
        while told["chosen"]["inputs"] == 20:  # most of such a table is noise, without which networks are better
            told = json.loads(done("search", "--rows", table, "--target", "output", "--out", model, "--budget-us", ROOMY, "--json",
                                   "--seed", next(seeds), *QUICK))
        self.assertEqual({m["inputs"] for m in told["candidates"]}, {10, 20})
        widths = told["chosen"]["widths"]
        self.assertEqual(told["chosen"]["weights"], sum((i + 1) * o for i, o in zip([10] + widths, widths + [1])))
        with hn.Server(models=[model]) as server:
            columns = [c["name"] for c in server.request("GET", "/v1/models").json["models"][0]["columns"]]
            self.assertEqual((len(columns), set(columns[:2])), (10, {"x7", "x13"}))
            answer = server.request("POST", "/v1/tasks/any/predictions", {"columns": columns, "rows": [[0.5] * 10]}, params={"cold_start": "true"})
            self.assertEqual(answer.status, 200, answer)
        asked = done("predict", "--model", model, "--rows", self.file("asked.csv", ",".join(names) + "\n" + ",".join(["0.5"] * 20) + "\n"))
        self.assertAlmostEqual(float(asked.splitlines()[1].split("\t")[1]), answer.json["predictions"][0]["value"], places=4)

    def test_all_inputs_are_read_when_asked_for(self):
        images, classes = self.images("every")
        for more, counts in (((), {196, 98, 49, 24}), (("--all-inputs",), {196})):
            told = json.loads(done("search", "--images", images, "--classes", classes, "--out", self.dir + "/every.hn", "--budget-us", ROOMY,
                                   "--candidates", 30, "--finalists", 1, "--steps", 20, "--final-steps", 0, "--hypernetwork-steps", 20, "--json",
                                   *more))
            self.assertEqual({m["inputs"] for m in told["candidates"]}, counts)

    # ---- images ----

    def images(self, name, n_classes=3, first=0):
        strokes.write_set(self.dir, name, strokes.characters(n_classes, 40), first)
        return "%s/%s_images.npy" % (self.dir, name), "%s/%s_classes.npy" % (self.dir, name)

    def test_images_are_rows_of_their_numbers(self):
        images, classes = self.images("some")
        r = self.search("--images", images, "--classes", classes, "--test-images", images, "--test-classes", classes, "--steps", 200)
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("102 rows to learn from, 18 to choose by, 120 to measure on; 196 inputs, 3 classes", r.stderr)
        figure = float(r.stdout.split("accuracy ")[1].split()[0])
        self.assertGreater(figure, 0.8)

    def test_images_that_do_not_fit_are_refused(self):
        images, classes = self.images("good")
        few = self.dir + "/few.npy"
        strokes.npy(few, (119,), [0] * 119)
        self.refused(("--images", images, "--classes", few), "of 120 images")
        strokes.npy(few, (120,), [7] * 120)
        self.refused(("--images", images, "--classes", few), "has 1 class; 2 to 1000")
        large = self.dir + "/large.npy"
        strokes.npy(large, (2, 33, 32), [0, 1] * 33 * 32)
        strokes.npy(few, (2,), [0, 1])
        self.refused(("--images", large, "--classes", few), "images of 1056 numbers; at most 1024")
        other, names = self.images("other", first=2)
        self.refused(("--images", images, "--classes", classes, "--test-images", other, "--test-classes", names),
                     "has class 3, of which there was none to learn from")
        self.refused(("--images", images, "--classes", classes, "--test-images", large, "--test-classes", few), "33 x 32")
        self.refused(("--images", self.table, "--classes", classes), "rows.csv")

    # ---- what is refused ----

    def test_a_budget_that_none_meets_is_refused_with_the_smallest_latency(self):
        args = ("--rows", self.table, "--target", "fails")
        self.refused(args, "no architecture answers a row within --budget-us 0.001", "smallest latency measured", budget=0.001)
        with open(self.model, "rb") as f:
            kept = f.read()
        self.refused(args, "smallest latency measured", budget=0.001, out="fails.hn")
        with open(self.model, "rb") as f:
            self.assertEqual(f.read(), kept)
        self.refused(args, "--budget-us", budget=0, status=2)

    def test_tables_that_cannot_be_searched_are_refused(self):
        self.refused(("--rows", self.table, "--target", "gain"), "no column 'gain'")
        self.refused(("--rows", self.dir + "/nowhere.csv", "--target", "fails"), "nowhere.csv")
        short = self.file("short.csv", "\n".join(rows().splitlines()[:31]) + "\n")
        self.refused(("--rows", short, "--target", "fails"), "short.csv: there are 30 rows; a search needs at least 40")
        alike = self.file("alike.csv", "a,b\n" + "".join("%d,5\n" % i for i in range(60)))
        self.refused(("--rows", alike, "--target", "b"), "there is nothing to learn")
        other = self.file("other.csv", "heat,load,maker\n1,2,acme\n")
        self.refused(("--rows", self.table, "--target", "fails", "--test-rows", other), "other.csv")

    def test_options_that_do_not_go_together_are_wrong_use(self):
        images, classes = self.images("use")
        for args, reason in (((), "--rows with --target, or --images with --classes"),
                             (("--rows", self.table), "--target"),
                             (("--images", images), "--images with --classes"),
                             (("--images", images, "--classes", classes, "--test-images", images), "--test-classes"),
                             (("--images", images, "--classes", classes, "--target", "x"), "--rows"),
                             (("--rows", self.table, "--target", "fails", "--test-images", images), "--images"),
                             (("--rows", self.table, "--target", "fails", "--objective", "ranking"), "regression or classification"),
                             (("--rows", self.table, "--target", "fails", "--report", 2), "3 to 500"),
                             (("--rows", self.table, "--target", "fails", "--finalists", 0), "--finalists")):
            self.refused(args, reason, status=2)

    def test_neither_an_input_nor_another_file_is_written_over(self):
        args = ("--rows", self.table, "--target", "fails")
        self.refused(args, "--out", out="rows.csv")
        self.refused(args, "cannot write there", out="no/such/folder/m.hn")


if __name__ == "__main__":
    unittest.main()
