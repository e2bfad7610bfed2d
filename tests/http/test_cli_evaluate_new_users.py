"""`evaluate --known`: users who are not in the store, with so many of their interactions given, are measured by what a registration
over HTTP would answer them; nothing is stored; baselines know the same."""
import contextlib
import json
import math
import os
import random
import sqlite3
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn  # noqa: E402

N_NEW, N_KNOWN, N_HELD = 12, 8, 3
METRICS = "hr@10,ndcg@10,map"


def figures(places, n):
    """hr@10, ndcg@10 and map from the places of n held-out items."""
    places = sorted(places)
    gain = sum(1 / math.log2(p + 2) for p in places if p < 10)
    return {"hr@10": float(any(p < 10 for p in places)), "ndcg@10": gain / sum(1 / math.log2(i + 2) for i in range(n)),
            "map": sum((i + 1) / (p + 1) for i, p in enumerate(places)) / n}


class NewUsers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = hn.world()
        cls.store = cls.world.copy_store()
        rng = random.Random(3)
        cls.known, cls.held, cls.profiles = {}, {}, {}
        for n in range(N_NEW):
            items = rng.sample(cls.world.items, N_KNOWN + N_HELD)
            # times that do not rise in the order of the file: which are given is the file's choice
            times = rng.sample(range(1700000000, 1700900000), N_KNOWN)
            cls.known["new%d" % n] = list(zip(items[:N_KNOWN], times))
            cls.held["new%d" % n] = items[N_KNOWN:]
            cls.profiles["new%d" % n] = {"age": rng.choice(["18-24", "25-34", "35-49"]), "region": rng.choice(["east", "west"])}
        lines = ["%s\t%s\t%d" % (u, i, t) for u, rows in cls.known.items() for i, t in rows]
        cls.known_path = cls.table("known.tsv", "user\titem\ttimestamp", lines)
        cls.users_path = cls.table("new.tsv", "user\tage\tregion", ["%s\t%s\t%s" % (u, p["age"], p["region"])
                                                                    for u, p in cls.profiles.items()])
        cls.test_path = cls.table("test.tsv", "user\titem", ["%s\t%s" % (u, i) for u, items in cls.held.items() for i in items])

    @classmethod
    def table(cls, name, header, lines):
        return cls.world.file("new-users-" + name, "\n".join([header] + lines) + "\n")

    def command(self, *args, known=None, store=None, check=True):
        return hn.run("evaluate", "--store", store or self.store, "--model", self.world.model, "--test", self.test_path, "--known",
                      known or self.known_path, "--metrics", METRICS, *args, check=check)

    def evaluate(self, *args, **more):
        return json.loads(self.command("--json", *args, **more).out)

    def test_what_is_known_goes_by_its_kind(self):
        plain = [f"{u}\t{i}\t{t}" for u, rows in self.known.items() for i, t in rows]
        lines = {kind: self.table(f"{kind}.tsv", "user\titem\ttimestamp\tkind", [f"{line}\t{kind}" for line in plain]) for kind in ("purchase", "dislike", "buy")}
        figures_of = lambda known: self.evaluate(known=known)["systems"][0]["metrics"]
        self.assertEqual(figures_of(lines["purchase"]), figures_of(self.known_path))
        self.assertNotEqual(figures_of(lines["dislike"]), figures_of(self.known_path))
        self.assertIn("buy.tsv:2: no kind of events 'buy'; known: interaction", self.command(known=lines["buy"], check=False).err)

    def by_registration(self, count, profile):
        """The mean figures of the answers that registering everybody over HTTP gives."""
        means = dict.fromkeys(METRICS.split(","), 0)
        with hn.Server(store=self.world.copy_store()) as server:
            for user, rows in self.known.items():
                body = {"interactions": [{"item": i, "timestamp": t} for i, t in rows[:count]]}
                if profile:
                    body["profile"] = self.profiles[user]
                self.assertEqual(server.register(user, body).status, 201)
                answer = server.recommend(user, limit=1000, exclude_seen="false").json["items"]
                scores = {item["id"]: item["score"] for item in answer}
                all_known = {i for i, _ in rows}
                ranked = [i for i in sorted(scores, key=scores.get, reverse=True) if i not in all_known]
                mine = figures([ranked.index(i) for i in self.held[user]], N_HELD)
                for name, value in mine.items():
                    means[name] += value / N_NEW
        return means

    def compare(self, system, expected):
        for name, value in expected.items():
            self.assertAlmostEqual(system["metrics"][name]["mean"], value, delta=2e-6, msg=name)

    def test_each_count_is_what_a_registration_is_answered(self):
        result = self.evaluate("--users", self.users_path, "--known-counts", "profile,2,5")
        self.assertEqual([case["count"] for case in result["cases"]], [0, 2, 5])
        self.assertEqual((result["users"], result["test_rows"], result["users_without_context"]), (N_NEW, N_NEW * N_HELD, 0))
        for case in result["cases"]:
            self.compare(case["systems"][0], self.by_registration(case["count"], True))

    def test_without_counts_all_is_known_and_without_users_no_profile(self):
        result = self.evaluate()
        self.assertNotIn("cases", result)
        self.compare(result["systems"][0], self.by_registration(N_KNOWN, False))
        self.compare(self.evaluate("--known-counts", "99")["cases"][0]["systems"][0], self.by_registration(N_KNOWN, False))

    def test_rivals_are_the_same_at_every_count_so_popularity_is_too(self):
        result = self.evaluate("--known-counts", "0,1,5", "--baselines")
        for case in result["cases"]:
            names = [s["name"] for s in case["systems"]]
            self.assertEqual(names[1:], ["popularity", "iALS fold-in", "iALS", "EASE"])
            self.assertEqual(case["systems"][1]["metrics"]["map"]["mean"], result["cases"][0]["systems"][1]["metrics"]["map"]["mean"])
        nothing = {s["name"]: s["metrics"]["map"]["mean"] for s in result["cases"][0]["systems"]}
        self.assertEqual(nothing["iALS"], nothing["popularity"])
        self.assertEqual(nothing["EASE"], nothing["popularity"])
        five = {s["name"]: s["metrics"]["map"]["mean"] for s in result["cases"][2]["systems"]}
        self.assertNotEqual(five["EASE"], five["popularity"])

    def test_nothing_is_stored(self):
        def dump():
            with contextlib.closing(sqlite3.connect(self.store)) as db:
                return list(db.iterdump())
        before = dump()
        self.evaluate("--users", self.users_path, "--known-counts", "1,3", "--baselines")
        self.assertEqual(dump(), before)

    def test_an_item_named_twice_is_given_once_and_an_item_of_no_store_is_counted(self):
        lines = ["%s\t%s\t%d" % (u, i, t) for u, rows in self.known.items() for i, t in [rows[0], ("no-such", 1), rows[0]] + rows[1:]]
        odd = self.table("odd.tsv", "user\titem\ttimestamp", lines)
        result = self.evaluate("--known-counts", "2", known=odd)
        self.assertEqual(result["left_out"], N_NEW)
        self.assertEqual(result["cases"], self.evaluate("--known-counts", "2")["cases"])
        self.assertIn("%d known interactions left out" % N_NEW, self.command(known=odd).out)

    def test_a_user_of_the_store_is_no_new_user(self):
        old = self.world.users[0]
        test = self.table("old.tsv", "user\titem", ["%s\t%s" % (old, self.world.items[0])])
        done = hn.run("evaluate", "--store", self.store, "--model", self.world.model, "--test", test, "--known", self.known_path, check=False)
        self.assertEqual((done.returncode, done.out), (1, ""))
        self.assertIn("user '%s' is in the store" % old, done.err)

    def test_per_user_lines_name_their_count(self):
        path = self.world.path("new-per-user")
        result = self.evaluate("--known-counts", "profile,3", "--per-user", path)
        with open(path, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual([(line["count"], line["known"]) for line in lines], [(0, 0)] * N_NEW + [(3, 3)] * N_NEW)
        for case in result["cases"]:
            mine = [line["values"][0][1] for line in lines if line["count"] == case["count"]]
            self.assertAlmostEqual(sum(mine) / N_NEW, case["systems"][0]["metrics"]["ndcg@10"]["mean"], delta=2e-6)

    def test_the_table_has_a_block_for_every_count(self):
        text = self.command("--users", self.users_path, "--known-counts", "profile,3").out
        self.assertRegex(text, r"(?m)^the profile alone .*ndcg@10")
        self.assertRegex(text, r"(?m)^3 known .*ndcg@10")
        self.assertIn("%d new users" % N_NEW, text)

    def test_options_that_do_not_go_together_are_wrong_use(self):
        for args in (["--known-counts", "1,x"], ["--known-counts", ","], ["--known-counts", "-1"], ["--known-counts", "1," * 17],
                     ["--known-counts", "1", "--groups"]):
            done = self.command(*args, check=False)
            self.assertEqual((done.returncode, done.out), (2, ""), args)
        done = hn.run("evaluate", "--store", self.store, "--model", self.world.model, "--test", self.test_path, "--users", self.users_path,
                      check=False)
        self.assertEqual((done.returncode, done.out), (2, ""))


if __name__ == "__main__":
    unittest.main()
