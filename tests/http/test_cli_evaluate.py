"""The command `evaluate` against the same figures computed here: rankings from `recommend`, popularity from the table,
the iALS baseline from the model file with NumPy; and the protocol's edges: ties, users and items that are not known."""
import json
import math
import os
import sys
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
from command import World, done, done_json, run  # noqa: E402
from reference import read_safetensors  # noqa: E402

METRICS = "hr@10,ndcg@10,recall@5,recall_capped@5,mrr,map,map@3"


def place_of(mine, others):
    """Places before an item, from 0: ties count against it."""
    return sum(score >= mine for score in others)


def figures(places, n_relevant):
    """The metrics of one user from the places of the held-out items, as their definitions say."""
    places = sorted(places)

    def dcg(at, k):
        return sum(1 / math.log2(p + 2) for p in at if p < k)

    def precision(k):
        hits = [(i + 1) / (p + 1) for i, p in enumerate(places) if p < k]
        return sum(hits) / min(k, n_relevant)
    five = sum(p < 5 for p in places)
    return {"hr@10": float(any(p < 10 for p in places)),
            "ndcg@10": dcg(places, 10) / dcg(range(n_relevant), 10),
            "recall@5": five / n_relevant, "recall_capped@5": five / min(5, n_relevant),
            "mrr": 1 / (places[0] + 1) if places else 0, "map": precision(10 ** 9), "map@3": precision(3)}


def mean(rows, n_users):
    return {name: sum(row[name] for row in rows) / n_users for name in METRICS.split(",")}


class Evaluate(World):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tested = cls.rows("test.tsv")[:40]
        cls.test = cls.path("test40.tsv")
        with open(cls.test, "w") as f:
            f.write("user\titem\n" + "".join("%s\t%s\n" % (r["user"], r["item"]) for r in cls.tested))
        with open(cls.path("candidates.tsv")) as f:
            lines = (line.rstrip("\n").split("\t") for line in f)
            cls.candidates = {words[0]: words[1:] for words in lines}
        cls.seen, cls.counts = {}, {}
        for row in cls.rows("interactions.tsv"):
            cls.seen.setdefault(row["user"], []).append(row["item"])
            cls.counts[row["item"]] = cls.counts.get(row["item"], 0) + 1
        cls.scores = {r["user"]: cls.all_scores(cls.model, r["user"]) for r in cls.tested}

    @classmethod
    def all_scores(cls, model, user):
        answer = done_json("recommend", "--store", cls.store, "--model", model, "--user", user, "--limit", 1000,
                           "--exclude-seen", "false")
        return {item["id"]: item["score"] for item in answer["items"]}

    def test_rows_of_kinds_that_were_not_taken_are_no_targets(self):
        test = self.path("kinds.csv")
        words = ["", "purchase", "view", "dislike", "shown"]
        with open(test, "w") as f:
            f.write("user,item,kind\n" + "".join(f"{r['user']},{r['item']},{words[n % 5]}\n" for n, r in enumerate(self.tested)))
        part = self.path("taken.csv")
        with open(part, "w") as f:
            f.write("user,item\n" + "".join(f"{r['user']},{r['item']}\n" for n, r in enumerate(self.tested) if n % 5 < 3))
        whole, alone = self.evaluate(test=test), self.evaluate(test=part)
        self.assertEqual((whole["not_taken"], alone["not_taken"]), (16, 0))
        self.assertEqual((whole["users"], whole["test_rows"], whole["systems"][0]["metrics"]), (alone["users"], alone["test_rows"], alone["systems"][0]["metrics"]))
        self.assertIn("16 rows of the test left out, of a kind", done("evaluate", "--store", self.store, "--model", self.model, "--test", test, "--metrics", "hr@10"))
        for text, said in (("a,i,buy\n", "kinds.csv:2: no kind of events 'buy'; known: interaction, view"), ("a,i,dislike\n", "has no rows of a kind that says")):
            with open(test, "w") as f:
                f.write("user,item,kind\n" + text)
            r = run("evaluate", "--store", self.store, "--model", self.model, "--test", test, "--metrics", "hr@10")
            self.assertEqual(r.returncode, 1)
            self.assertIn(said, r.stderr if isinstance(r.stderr, str) else r.stderr.decode())

    def evaluate(self, *args, test=None, models=None, store=None, metrics=METRICS):
        words = ["evaluate", "--store", store or self.store, "--test", test or self.test, "--metrics", metrics]
        for model in models or [self.model]:
            words += ["--model", model]
        return done_json(*words, *args)

    def test_groups_have_the_figures_of_their_users_alone(self):
        """Figures by what is known of a user are those of an evaluation of these users alone."""
        rows = self.rows("test.tsv")
        ends = [(0, 0), (1, 2), (3, 4), (5, 9), (10, 19), (20, None)]
        lines = []  # users with so many interactions that every group has some
        for i, row in enumerate(rows[:60]):
            known = self.seen.get(row["user"], [])[:(0, 1, 4, 7, 12, 99)[i % 6]]
            lines += ["%s\t%s\n" % (row["user"], item) for item in known]
            row["known"] = len(known)
        store, test = self.path("groups.db"), self.path("groups.tsv")
        done("import", "--store", store, "--interactions", self.write("known.tsv", "user\titem\n" + "".join(lines)))
        self.write("groups.tsv", "user\titem\n" + "".join("%s\t%s\n" % (r["user"], r["item"]) for r in rows[:60]))
        self.assertNotIn("groups", self.evaluate(test=test, store=store))
        whole = self.evaluate("--groups", "--baselines", test=test, store=store)
        seen = []
        for low, high in ends:
            mine = [r for r in rows[:60] if r["known"] >= low and (high is None or r["known"] <= high)]
            self.assertGreater(len(mine), 0, "the data leaves a group out")
            group = [g for g in whole["groups"] if g["known"] == [low, high]]
            self.assertEqual([g["users"] for g in group], [len(mine)])
            part = self.write("part.tsv", "user\titem\n" + "".join("%s\t%s\n" % (r["user"], r["item"]) for r in mine))
            alone = self.evaluate("--baselines", test=part, store=store)
            self.assertEqual([s["name"] for s in group[0]["systems"]], [s["name"] for s in alone["systems"]])
            for here, there in zip(group[0]["systems"], alone["systems"]):
                for name, figure in here["metrics"].items():
                    for key in ("mean", "difference", "difference_interval"):
                        self.assertEqual(figure[key], there["metrics"][name][key], (low, here["name"], name, key))
            seen += mine
        self.assertEqual(len(seen), 60)
        text = done("evaluate", "--store", store, "--model", self.model, "--test", test, "--groups", "--metrics", "hr@10")
        self.assertIn("hr@10 by interactions known (users)", text)
        self.assertIn("20+ (%d)" % sum(r["known"] >= 20 for r in rows[:60]), text)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def compare(self, system, expected, delta=2e-6):
        for name, value in expected.items():
            self.assertAlmostEqual(system["metrics"][name]["mean"], value, delta=delta, msg=name)

    def expect(self, score_of, rivals_of):
        """Mean figures with one held-out item a user."""
        rows = []
        for row in self.tested:
            scores = score_of(row["user"])
            others = [scores[item] for item in rivals_of(row["user"]) if item != row["item"]]
            rows.append(figures([place_of(scores[row["item"]], others)], 1))
        return mean(rows, len(rows))

    def unseen(self, user):
        return set(self.scores[user]) - set(self.seen[user])

    def popularity(self, _user):
        return {item: self.counts.get(item, 0) for item in next(iter(self.scores.values()))}

    # ---- figures ----

    def test_full_ranking_leaves_out_what_the_user_has(self):
        result = self.evaluate()
        self.assertEqual((result["users"], result["test_rows"], result["candidates"]), (40, 40, False))
        self.compare(result["systems"][0], self.expect(self.scores.get, self.unseen))

    def test_candidates_are_the_only_rivals(self):
        result = self.evaluate("--candidates", self.path("candidates.tsv"))
        self.assertIs(result["candidates"], True)
        self.compare(result["systems"][0], self.expect(self.scores.get, self.candidates.get))

    def test_popularity_counts_interactions_and_its_many_ties_count_against_it(self):
        for args, rivals in (([], self.unseen), (["--candidates", self.path("candidates.tsv")], self.candidates.get)):
            system = self.evaluate("--baselines", *args)["systems"][1]
            self.assertEqual(system["name"], "popularity")
            self.compare(system, self.expect(self.popularity, rivals))

    def test_coverage_is_the_share_of_items_that_somebody_is_shown(self):
        for args, rivals in (([], self.unseen), (["--candidates", self.path("candidates.tsv")], self.candidates.get)):
            shown = {3: set(), 10: set()}
            for row in self.tested:
                scores, items = self.scores[row["user"]], set(rivals(row["user"])) | {row["item"]}
                for k, mine in shown.items():
                    mine.update(sorted(items, key=scores.get, reverse=True)[:k])
            first = self.evaluate("--baselines", *args, metrics="coverage@3,hr@10,coverage@10")["systems"][0]["metrics"]
            for k, mine in shown.items():
                expected = {"mean": len(mine) / len(scores), "interval": None, "difference": 0, "difference_interval": None}
                for key, value in first["coverage@%d" % k].items():
                    (self.assertAlmostEqual if key == "mean" else self.assertEqual)(value, expected[key], msg=key, **(
                        {"delta": 1e-6} if key == "mean" else {}))

    def test_tuned_ials_has_factors_of_its_own(self):
        other = self.path("narrow.safetensors")
        self.train(self.store, other, "--seed", 4, "--dim", 2, "--epochs", 1)
        test = self.path("test.tsv")
        first, second = (self.evaluate("--baselines", test=test, models=[m], metrics="mrr")["systems"] for m in (self.model, other))
        self.assertEqual([s["name"] for s in first[1:]], ["popularity", "iALS fold-in", "iALS", "EASE"])
        self.assertNotIn("chosen", self.evaluate())
        mrr = {s["name"]: s["metrics"]["mrr"]["mean"] for s in first[1:]}
        self.assertNotIn(mrr["iALS"], (mrr["popularity"], mrr["iALS fold-in"]))
        self.assertEqual(mrr["iALS"], second[3]["metrics"]["mrr"]["mean"])
        self.assertNotEqual(mrr["iALS fold-in"], second[2]["metrics"]["mrr"]["mean"])

    def test_one_baseline_alone_has_the_figures_it_has_among_all(self):
        every = {s["name"]: s for s in self.evaluate("--baselines")["systems"]}
        for word, name in (("popularity", "popularity"), ("fold-in", "iALS fold-in"), ("ials", "iALS"), ("ease", "EASE")):
            systems = self.evaluate("--baseline", word)["systems"]
            self.assertEqual(systems[1:], [every[name]])
        self.assertEqual(len(self.evaluate("--baseline", "ease", "--baseline", "popularity")["systems"]), 3)
        r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--baseline", "luck")
        self.assertEqual((r.returncode, r.stdout), (2, ""))

    def test_a_baseline_that_the_metrics_cannot_measure_is_refused(self):
        for words, says in ((["--baseline", "mean"], "mean is of ratings"), (["--baseline", "popularity", "--baseline", "bias"], "bias is of ratings"),
                            (["--metrics", "rmse", "--baseline", "ease"], "ease is of rankings")):
            r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, *words)
            self.assertEqual((r.returncode, r.stdout), (2, ""))
            self.assertIn(says, r.stderr)

    def test_what_the_baselines_chose_is_told(self):
        chosen = self.evaluate("--baselines")["chosen"]
        self.assertEqual(set(chosen["iALS"]), {"dim", "alpha", "reg"})
        self.assertIn(chosen["iALS"]["dim"], (8, 16, 32))  # a quarter of 150 items is the most
        text = done("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--baselines")
        self.assertIn("iALS: %(dim)d wide, alpha %(alpha)g, reg %(reg)g; EASE: lambda %(lambda)g; chosen by validation" % {
            **chosen["iALS"], **chosen["EASE"]}, text)

    def test_per_user_lines_add_up_to_the_means(self):
        path = self.path("per-user")
        result = self.evaluate("--baselines", "--per-user", path)
        with open(path, encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        self.assertEqual([line["user"] for line in lines], sorted(r["user"] for r in self.tested))
        self.assertEqual({(line["count"], line["rows"]) for line in lines}, {(None, 1)})
        self.assertEqual([line["known"] for line in lines], [len(self.seen[line["user"]]) for line in lines])
        for i, system in enumerate(result["systems"]):
            for j, name in enumerate(METRICS.split(",")):
                self.assertAlmostEqual(sum(line["values"][i][j] for line in lines) / 40, system["metrics"][name]["mean"], delta=2e-6)
        r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--per-user", self.path("no/such"))
        self.assertEqual((r.returncode, r.stdout), (1, ""))

    def test_ials_is_the_fold_in_of_the_model_s_factors(self):
        metadata, t = read_safetensors(self.model)
        block = json.loads(metadata["hypernet"])["encoder"]["fold_in"]
        data, at = t["catalogue.id_bytes"].tobytes(), t["catalogue.id_offsets"]
        ids = [data[a:b].decode() for a, b in zip(at[:-1], at[1:])]
        v, gram = t["encoder.fold_in.factor"].astype("f8"), t["encoder.fold_in.gram"].astype("f8")

        def score_of(user):
            mine = v[[ids.index(item) for item in self.seen[user]]]
            ridge = block["reg"] * (len(mine) + block["alpha"] * len(ids)) ** block["reg_exponent"]
            f = np.linalg.solve(gram + mine.T @ mine + ridge * np.eye(len(gram)), mine.sum(0))
            return dict(zip(ids, v @ f))
        system = self.evaluate("--baselines")["systems"][2]
        self.assertEqual(system["name"], "iALS fold-in")
        self.compare(system, self.expect(score_of, self.unseen), delta=0.01)  # float32 may swap two neighbours

    def test_several_held_out_items_of_a_user(self):
        user = self.tested[0]["user"]
        ranked = sorted(self.unseen(user), key=self.scores[user].get, reverse=True)
        held_out = [ranked[1], ranked[6], ranked[30]]
        test = self.write("several.tsv", "user\titem\n" + "".join("%s\t%s\n" % (user, i) for i in held_out))
        # the held-out items keep their places: here they are rivals of each other as they are in a ranking
        self.compare(self.evaluate(test=test)["systems"][0], figures([1, 6, 30], 3))

    # ---- edges ----

    def test_an_item_named_twice_is_one(self):
        rows = [(r["user"], r["item"]) for r in self.tested]
        test = self.write("twice.tsv", "user\titem\n" + "".join("%s\t%s\n" % r for r in rows + rows[::-1]))
        self.assertEqual(self.evaluate(test=test), self.evaluate())

    def test_users_without_a_context_are_in_the_denominator_and_named(self):
        rows = "".join("%s\t%s\n" % (r["user"], r["item"]) for r in self.tested)
        test = self.write("nobody.tsv", "user\titem\n" + rows + "".join("nobody%d\ti1\n" % n for n in range(10)))
        result, known = self.evaluate("--baselines", test=test), self.evaluate("--baselines")
        self.assertEqual((result["users"], result["users_without_context"]), (50, 10))
        self.assertEqual(result["first_without_context"], ["nobody%d" % n for n in range(5)])
        for system, as_known in zip(result["systems"], known["systems"]):
            self.compare(system, {name: m["mean"] * 40 / 50 for name, m in as_known["metrics"].items()})
        text = done("evaluate", "--store", self.store, "--model", self.model, "--test", test)
        self.assertIn("nobody0, nobody1, nobody2, nobody3, nobody4, ... (10 in all)", text)

    def test_items_the_model_does_not_have_are_missed(self):
        user = self.tested[0]["user"]
        best = max(self.unseen(user), key=self.scores[user].get)
        test = self.write("unknown.tsv", "user\titem\n%s\t%s\n%s\tno-such\n" % (user, best, user))
        result = self.evaluate(test=test)
        self.assertEqual(result["unknown_items"], 1)
        self.compare(result["systems"][0], figures([0], 2))

    def test_ids_of_the_test_that_are_nearly_those_of_the_model_and_the_store_are_said(self):
        row = self.tested[0]
        cases = ((row["user"], row["item"].upper(), ["ids of items that differ by letter case alone", "in the model"]),
                 (row["user"].upper(), row["item"], ["ids of users that differ by letter case alone", "in the store"]),
                 (row["user"], row["item"], []))
        for user, item, said in cases:
            notes = self.evaluate(test=self.write("nearly.tsv", "user\titem\n%s\t%s\n" % (user, item)))["notes"]
            self.assertEqual(len(notes), 1 if said else 0, notes)
            for text in said:
                self.assertIn(text, notes[0])

    def test_a_user_without_candidates_is_an_error_that_names_the_user(self):
        some = self.write("some.tsv", "%s\ti1\ti2\n" % self.tested[0]["user"])
        r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--candidates", some)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertRegex(r.stderr, r"some.tsv has no line for user 'u\d+'")

    def test_a_bad_line_is_named_and_nothing_is_measured(self):
        test = self.write("bad.tsv", "user\titem\nu1\ti1\n\ti2\n")
        r = run("evaluate", "--store", self.store, "--model", self.model, "--test", test)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertIn("bad.tsv:3: ", r.stderr)
        r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.write("none.tsv", "user\titem\n"))
        self.assertEqual((r.returncode, r.stdout), (1, ""))

    def test_metrics_that_are_none(self):
        for metrics in ("hr", "ndcg@0", "hr@10;mrr", ",", "recall@10," * 17, "coverage", "rmse@10", "hr@10,rmse"):
            r = run("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--metrics", metrics)
            self.assertEqual((r.returncode, r.stdout), (2, ""), metrics)

    # ---- comparing ----

    def test_a_model_with_itself_differs_by_nothing(self):
        result = self.evaluate(models=[self.model, self.model])
        first, second = (system["metrics"] for system in result["systems"])
        for name, m in second.items():
            self.assertEqual((m["difference"], m["difference_interval"]), (0, [0, 0]))
            self.assertEqual(m["mean"], first[name]["mean"])

    def test_each_model_has_its_row_and_its_paired_difference(self):
        other = self.path("other.safetensors")
        self.train(self.store, other, "--seed", 9, "--dim", 4, "--name", "other")
        result = self.evaluate(models=[self.model, other])
        scores = {r["user"]: self.all_scores(other, r["user"]) for r in self.tested}
        first, second = result["systems"]
        self.assertTrue(second["name"].startswith("other "))
        self.compare(second, self.expect(scores.get, self.unseen))
        for name, m in second["metrics"].items():
            self.assertAlmostEqual(m["difference"], m["mean"] - first["metrics"][name]["mean"], delta=2e-6)
            self.assertLessEqual(m["difference_interval"][0], m["difference"] + 1e-6)
            self.assertGreaterEqual(m["difference_interval"][1], m["difference"] - 1e-6)

    def test_intervals_hold_the_mean_and_are_about_two_standard_errors(self):
        hr = self.evaluate()["systems"][0]["metrics"]["hr@10"]
        low, high = hr["interval"]
        error = math.sqrt(hr["mean"] * (1 - hr["mean"]) / 40)
        self.assertTrue(low <= hr["mean"] <= high)
        self.assertAlmostEqual((high - low) / 2, 1.96 * error, delta=0.4 * error)

    def test_threads_and_repetition_change_no_bit(self):
        one = self.evaluate("--baselines", "--threads", "1")
        self.assertEqual(one, self.evaluate("--baselines", "--threads", "3"))
        self.assertNotEqual(one, self.evaluate("--baselines", "--seed", "2"))

    def test_the_table_has_the_figures_of_the_json(self):
        text = done("evaluate", "--store", self.store, "--model", self.model, "--test", self.test, "--baselines")
        for system in self.evaluate("--baselines")["systems"]:
            line = next(line for line in text.splitlines() if line.startswith(system["name"].ljust(34)))
            for name in ("hr@10", "ndcg@10"):
                self.assertIn("%.4f" % system["metrics"][name]["mean"], line)


if __name__ == "__main__":
    unittest.main()
