"""A value of a category is one thing in all doors: in a table that is learned from or predicted for, in one that is imported, in a row
of a call. The values here look like numbers and are none, or are more digits than a number keeps."""
import json
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

CODES = ["+49", "+33", "007.5", "12345678901234567", "1e5", "20.0"]
WORTH = dict(zip(CODES, (10, 30, 50, 70, 90, 110)))


def rows_of(shops, seed):
    rng = random.Random(seed)
    return [{"shop": f"s{shop}", "code": code, "size": round(rng.uniform(1, 5), 2), "units": WORTH[code] + shop + round(rng.uniform(0, 1), 2)}
            for shop in shops for code in CODES for _ in range(2)]


def table(rows):
    return "shop,code,size,units\n" + "".join("{shop},{code},+{size},{units}\n".format(**r) for r in rows)


class Values(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = hn.temporary_folder()
        cls.model = cls.file("model.hn", "")
        os.remove(cls.model)
        hn.run("train", "--rows", cls.file("learned.csv", table(rows_of(range(8), 1))), "--task", "shop", "--target", "units", "--categorical",
               "code", "--out", cls.model, "--name", "codes", "--model-version", "1", "--epochs", 4, "--threads", 1)

    @classmethod
    def file(cls, name, text):
        with open(f"{cls.folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        return f"{cls.folder}/{name}"

    def predicted(self, path, known=None):
        options = ["--known", known] if known else []
        lines = hn.run("predict", "--model", self.model, "--rows", path, *options, "--task", "shop").out.splitlines()[1:]
        return [float(line.split("\t")[1]) for line in lines]

    def assertClose(self, some, others):
        self.assertEqual(len(some), len(others))
        for a, b in zip(some, others):
            self.assertAlmostEqual(a, b, delta=2e-3 * max(1, abs(a)))

    def test_the_model_tells_the_codes_apart(self):
        values = self.predicted(self.file("asked.csv", table(rows_of([20], 2)[::2])))
        for value, code in zip(values, CODES):
            self.assertAlmostEqual(value, WORTH[code] + 4, delta=15)

    def test_rows_of_a_call_mean_what_rows_of_a_table_do(self):
        rows = rows_of([20], 2)[::2]
        asked = [{"code": r["code"], "size": r["size"]} for r in rows]
        with hn.Server(models=[self.model]) as server:
            columns = {c["name"]: c for c in server.request("GET", "/v1/models").json["models"][0]["columns"]}
            self.assertEqual(columns["code"]["values"], sorted(["+49", "+33", "007.5", "12345678901234567", "100000", "20"]))
            answer = server.request("POST", "/v1/tasks/x/predictions", {"rows": asked}, params={"cold_start": "true"})
            self.assertEqual(answer.status, 200, answer)
            self.assertClose(self.predicted(self.file("asked.csv", table(rows))), [p["value"] for p in answer.json["predictions"]])
            number = [dict(asked[3], code=12345678901234567)]
            same = server.request("POST", "/v1/tasks/x/predictions", {"rows": number}, params={"cold_start": "true"})
            self.assertEqual(same.json["predictions"], [answer.json["predictions"][3]])

    def test_rows_that_are_imported_are_known_as_those_that_are_read(self):
        known = rows_of([20], 3)
        path, asked = self.file("known.csv", table(known)), self.file("asked.csv", table(rows_of([20], 2)))
        ndjson = [dict(r, code=int(r["code"])) if r["code"].isdigit() else r for r in known]
        forms = [path, self.file("known.ndjson", "".join(json.dumps(r) + "\n" for r in ndjson))]
        expected = self.predicted(asked, path)
        for form in forms:
            self.assertClose(self.predicted(asked, form), expected)
            store = f"{self.folder}/{os.path.basename(form)}.db"
            hn.run("import", "--store", store, "--task-rows", form, "--task", "shop")
            with hn.Server(store=store, models=[self.model]) as server:
                body = {"rows": [{"code": r["code"], "size": r["size"]} for r in rows_of([20], 2)]}
                told = server.request("POST", "/v1/tasks/s20/predictions", body).json
                self.assertEqual(told["known"], len(known))
                self.assertClose([p["value"] for p in told["predictions"]], expected)

    def test_a_task_whose_id_has_many_digits_keeps_them(self):
        store = f"{self.folder}/ids.db"
        row = dict(rows_of([20], 3)[0], shop=12345678901234567)
        hn.run("import", "--store", store, "--task-rows", self.file("ids.ndjson", json.dumps(row) + "\n"), "--task", "shop")
        with hn.Server(store=store, models=[self.model]) as server:
            self.assertEqual(server.request("GET", "/v1/tasks/12345678901234567").status, 200)


if __name__ == "__main__":
    unittest.main()
