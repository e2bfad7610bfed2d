"""Models written by Python, computed twice: by the engine (through tests/golden/answers.c) and by reference.py, in
float64. They agree to 1e-5 of the largest value of an answer: the engine sums a few hundred float32 products, each off by
6e-8 at most, so 1e-5 leaves room for cancellation and none for a wrong formula."""
import itertools
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import export_model
import reference

BUILD = os.path.dirname(os.environ.get("HYPERNET", os.path.join(HERE, "../../build/release/hypernet")))
ANSWERS = os.path.join(BUILD, "tests/golden/answers")
TOLERANCE = 1e-5


def words(values):
    return " ".join(repr(float(v)) for v in np.asarray(values).reshape(-1))


def ask(path, *requests):
    """The engine's answers, an array a request."""
    done = subprocess.run([ANSWERS, path], input="\n".join(requests) + "\n", capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError("answers: %s" % done.stderr)
    return [np.array(line.split(), "f8") for line in done.stdout.splitlines()]


def layer(d_in, d_out, generator, bias, activation, rank=None):
    made = {"d_in": d_in, "d_out": d_out, "generator": generator, "bias": bias, "activation": activation}
    if rank:
        made["rank"] = rank
    return made


def describe(layers, objective="ranking", norm="layer", trunk=((20, "relu"),), linear=True, linear_head=True,
             n_items=137, d_item=12, encoder=None, d_context=None, d_output=1):
    if encoder is not None:
        d_context = sum(b["dim"] * b.get("n_decays", 1) for b in encoder.values())
    return {"format": 1, "name": "golden", "version": "1", "objective": objective, "n_items": n_items, "d_item": d_item,
            "d_context": d_context or 10, "d_output": d_output,
            "trunk": {"norm": norm, "layers": [{"d_out": d, "activation": a} for d, a in trunk]},
            "target": {"linear": linear, "linear_head": linear_head, "layers": layers}, "encoder": encoder}


def shapes_of(d):
    """The tensors that schema/model.md asks for, without the ids."""
    items, context = d["n_items"], d["d_context"]
    shapes = {}
    if items:
        shapes.update({"catalogue.embedding": (items, d["d_item"]), "catalogue.bias": (items,)})
    encoder = d["encoder"] or {}
    if "id" in encoder:
        shapes["encoder.id"] = (encoder["id"]["tasks"], encoder["id"]["dim"])
    if "fold_in" in encoder:
        w = encoder["fold_in"]["dim"]
        shapes.update({"encoder.fold_in.factor": (items, w), "encoder.fold_in.gram": (w, w), "encoder.fold_in.prior": (w,)})
    if "history" in encoder:
        shapes["encoder.history"] = (items, encoder["history"]["dim"])
    if "recent" in encoder:
        shapes["encoder.recent"] = (items, encoder["recent"]["dim"])
        shapes["encoder.decay"] = (encoder["recent"]["n_decays"],)
    if "disliked" in encoder:
        shapes["encoder.disliked"] = (items, encoder["disliked"]["dim"])
    if "when" in encoder:
        shapes["encoder.when"] = (encoder["when"]["n_moments"], encoder["when"]["dim"])
    if "ratings" in encoder:
        w = encoder["ratings"]["dim"]
        shapes.update({"encoder.ratings.offset": (items,), "encoder.ratings.factor": (items, w),
                       "encoder.ratings.covariance": (items, w * (w + 1) // 2), "encoder.ratings.precision": (w,)})
    if d.get("items"):
        w = encoder["fold_in"]["dim"]
        row = w + d["d_item"] + 1 + sum(encoder[b]["dim"] for b in ("history", "recent") if b in encoder)
        shapes.update({"item.mean": (row,), "item.follow": (w, row - w), "item.gram": (w, w)})
        if d["items"]["features"]:
            shapes["item.weight"] = (len(d["items"]["features"]), row)
    if "profile" in encoder:
        shapes["encoder.profile"] = (len(encoder["profile"]["values"]), encoder["profile"]["dim"])
    if d["trunk"]["norm"] != "none":
        shapes.update({"trunk.norm.weight": (context,), "trunk.norm.bias": (context,)})
    z, chunks = context, d["target"].get("chunks")
    if chunks:
        n = -(-n_chunked(d["target"]["layers"]) // chunks["size"])
        z += chunks["dim"] - (n * chunks["dim"] if chunks["own"] else 0)
    for n, l in enumerate(d["trunk"]["layers"]):
        shapes.update({"trunk.%d.weight" % n: (l["d_out"], z), "trunk.%d.bias" % n: (l["d_out"],)})
        z = l["d_out"]
    if d["target"]["linear"]:
        shapes["linear.context.weight"] = (d["d_item"], context)
    if d["target"]["linear_head"]:
        shapes["linear.head.weight"] = (d["d_item"], z)
    for n, l in enumerate(d["target"]["layers"]):
        shapes.update(layer_shapes("target.%d." % n, l, z))
    if chunks:
        shapes.update({"chunks.head.weight": (chunks["size"], z), "chunks.head.bias": (chunks["size"],)})
        if not chunks["own"]:
            shapes["chunks.embedding"] = (-(-n_chunked(d["target"]["layers"]) // chunks["size"]), chunks["dim"])
    return shapes


def n_chunked(layers):
    """Weights that come in chunks."""
    return sum(l["d_out"] * (l["d_in"] + (l["bias"] == "full")) for l in layers if l["generator"] == "chunked")


def layer_shapes(name, l, z):
    d_in, d_out, r = l["d_in"], l["d_out"], l.get("rank", 0)
    generated = {"shared": 0, "full": d_in * d_out, "low_rank": r * (d_in + d_out), "core": r * r, "chunked": 0}[l["generator"]]
    if l["generator"] == "core":
        shapes = {name + "u": (d_out, r), name + "v": (r, d_in), name + "core": (r, r)}
    else:
        shapes = {name + "weight": (d_out, d_in)}
    if generated:
        shapes[name + "head.weight"] = (generated, z)
    if l["generator"] == "low_rank":
        shapes[name + "head.bias"] = (generated,)
    if l["bias"] != "none":
        shapes[name + "bias"] = (d_out,)
    if l["bias"] == "full" and l["generator"] != "chunked":
        shapes[name + "bias_head.weight"] = (d_out, z)
    return shapes


def append_tensors(path, arrays):
    """Puts more tensors behind those of a file, of whatever type and wherever they then begin."""
    with open(path, "rb") as f:
        content = f.read()
    (n,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + n]), content[8 + n:]
    for name, array in arrays.items():
        dtype = {np.dtype(t): name for name, t in reference.DTYPES.items()}[array.dtype]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


class Golden(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "m.safetensors")
        self.rng = np.random.default_rng(7)

    def write(self, description, halves=()):
        arrays = {n: self.rng.normal(0, 0.4, s).astype("f4") for n, s in shapes_of(description).items()}
        if "encoder.fold_in.gram" in arrays:
            v = arrays["encoder.fold_in.factor"].astype("f8")
            arrays["encoder.fold_in.gram"] = description["encoder"]["fold_in"]["alpha"] * v.T @ v
        if "item.gram" in arrays:
            g = arrays["item.gram"].astype("f8")
            arrays["item.gram"] = g.T @ g
        if "encoder.ratings.covariance" in arrays:
            w = description["encoder"]["ratings"]["dim"]
            a = self.rng.normal(0, 0.4, (description["n_items"], w, w))
            arrays["encoder.ratings.covariance"] = np.stack([m[np.tril_indices(w)] for m in a @ a.transpose(0, 2, 1)]).astype(
                "f4")
            arrays["encoder.ratings.precision"] = np.exp(arrays["encoder.ratings.precision"])
        tasks = (description["encoder"] or {}).get("id", {"tasks": 0})["tasks"]
        ids = ["i%d-\u00e9" % i for i in range(description["n_items"] or tasks)]
        export_model.write_model(self.path, description, arrays, ids, halves)
        return reference.Model(self.path)

    def close(self, got, want, what):
        want = np.asarray(want).reshape(-1)
        self.assertEqual(got.shape, want.shape, what)
        error = np.abs(got - want).max() / np.abs(want).max()
        self.assertLess(error, TOLERANCE, what)
        return error

    def check_scores(self, model, contexts, what):
        contexts = [c.astype("f4") for c in contexts]
        for c, got in zip(contexts, ask(self.path, *("scores " + words(c) for c in contexts))):
            self.close(got, model.scores(c.astype("f8")), what)

    def contexts(self, description, n=3):
        return [self.rng.normal(0, 1, description["d_context"]) for _ in range(n)]

    def test_every_generator_bias_and_activation_gives_the_reference_answers(self):
        generators = [("shared", None), ("full", None), ("low_rank", 3), ("core", 5)]
        choices = itertools.product(generators, ["none", "shared", "full"], ["identity", "relu", "tanh", "sigmoid"])
        for (generator, rank), bias, activation in choices:
            d = describe([layer(12, 9, generator, bias, activation, rank),
                          layer(9, 1, "full", "full", "identity")])
            self.check_scores(self.write(d), self.contexts(d), (generator, bias, activation))

    def test_generators_in_any_layer_give_the_reference_answers(self):
        generators = [("shared", None), ("full", None), ("low_rank", 2), ("core", 3)]
        for (g0, r0), (g1, r1) in itertools.product(generators, generators):
            d = describe([layer(12, 7, g0, "shared", "relu", r0), layer(7, 6, g1, "full", "tanh", r1),
                          layer(6, 1, g0, "none", "identity", r0)])
            self.check_scores(self.write(d), self.contexts(d), (g0, g1))

    def test_every_norm_trunk_and_linear_part(self):
        trunks = [(), ((8, "tanh"),), ((16, "relu"), (5, "identity"), (11, "tanh"))]
        for norm, trunk, (linear, head) in itertools.product(
                ["none", "layer", "block"], trunks, [(False, False), (True, False), (True, True)]):
            d = describe([layer(12, 1, "core", "full", "identity", 4)], norm=norm, trunk=trunk, linear=linear,
                         linear_head=head)
            self.check_scores(self.write(d), self.contexts(d), (norm, trunk, linear, head))

    def test_matrix_factorisation_alone_gives_the_reference_answers(self):
        d = describe([], trunk=(), norm="none", linear_head=False)
        self.check_scores(self.write(d), self.contexts(d), "linear part alone")

    def test_sizes_around_a_block_of_items(self):
        for n in (1, 15, 16, 17, 33):
            d = describe([layer(12, 5, "low_rank", "shared", "relu", 2), layer(5, 1, "full", "none", "identity")], n_items=n)
            self.check_scores(self.write(d), self.contexts(d), n)

    def test_a_model_as_wide_as_a_real_one_gives_the_reference_answers(self):
        d = describe([layer(64, 32, "core", "full", "relu", 16), layer(32, 1, "full", "full", "identity")], d_item=64,
                     d_context=160, trunk=((128, "relu"), (96, "relu")), norm="layer", n_items=500)
        self.check_scores(self.write(d), self.contexts(d), "wide")

    ENCODER = {"fold_in": {"dim": 6, "alpha": 0.3, "reg": 0.05, "reg_exponent": 1.0}, "history": {"dim": 5},
               "recent": {"dim": 4, "n_decays": 3, "n_recent": 8},
               "profile": {"dim": 3, "values": [["gender", "F"], ["gender", "M"], ["age", "25"]]},
               "when": {"dim": 3, "n_moments": 5, "start": 990.5, "step": 16.0},
               "disliked": {"dim": 4}}

    def test_the_encoder_block_by_block_and_together(self):
        subsets = [s for n in range(1, 6) for s in itertools.combinations(self.ENCODER, n)]
        for names in subsets:
            d = describe([layer(12, 1, "full", "none", "identity")], norm="block",
                         encoder={name: self.ENCODER[name] for name in names})
            model = self.write(d)
            for n, n_timed, values in ((0, 0, []), (0, 0, [1]), (1, 1, [0, 2]), (5, 3, []), (90, 70, [2]), (130, 0, [1])):
                values = values if "profile" in names else []
                items = self.rng.choice(137, n, replace=False)
                weights = self.rng.choice([0.5, 1, 2, 3.25], n)
                times = [0] * (n - n_timed) + list(range(1000, 1000 + n_timed))
                ratings = np.where(self.rng.random(n) < 0.7, self.rng.integers(1, 6, n), np.nan)
                rows = zip(items, map(float, weights), times, map(float, ratings))
                request = "encode %d %s %d %s" % (n, " ".join("%d %r %d %r" % x for x in rows), len(values),
                                                  " ".join(map(str, values)))
                want = model.encode(items, weights, times, values, ratings)
                got = ask(self.path, request)[0]
                if np.abs(want).max() == 0:
                    self.assertEqual(np.abs(got).max(), 0)
                    continue
                self.close(got, want, (names, n, values))
                self.check_scores(model, [got], (names, n, values))

    def test_new_items_from_features_and_takers(self):
        encoder = {"fold_in": {"dim": 9, "alpha": 0.2, "reg": 0.05, "reg_exponent": 0.8}, "history": {"dim": 5},
                   "recent": {"dim": 4, "n_decays": 2, "n_recent": 3}}
        for blocks in (["fold_in"], ["fold_in", "history"], ["fold_in", "history", "recent"]):
            for features in ([], [["category", "Drama"], ["category", "Jazz"], ["word", "1999"], ["word", "toy"]]):
                d = describe([layer(12, 1, "full", "none", "identity")], encoder={b: encoder[b] for b in blocks})
                d["items"] = {"n_users": 40, "features": features}
                model = self.write(d)
                known = [f for f in (0, 3) if f < len(features)]
                for n in (0, 1, 150):
                    f, w = self.rng.normal(0, 0.5, (n, 9)).astype("f4"), self.rng.uniform(0.5, 2, n).astype("f4")
                    got = ask(self.path, "item %s %s %s %s" % (" ".join(map(str, [len(known)] + known)), n, words(f), words(w)))
                    prior = model.item_prior(known)
                    self.close(got[0], prior, "a new item of %s" % blocks)
                    self.close(got[1], model.item_fold(prior, f.astype("f8"), w.astype("f8")), "an item of %d takers" % n)

    def test_an_item_side_that_does_not_fit_is_refused(self):
        encoder = {"fold_in": {"dim": 9, "alpha": 0.2, "reg": 0.05, "reg_exponent": 0.8}}
        for items, why in (({"n_users": 0, "features": []}, "items.n_users"),
                           ({"n_users": 4, "features": [["colour", "red"]]}, "neither a category nor a word"),
                           ({"n_users": 4, "features": [["word", "b"], ["word", "a"]]}, "does not come after"),
                           ({"n_users": 4, "features": [["word", "a"], ["word", "a"]]}, "does not come after"),
                           ({"n_users": 4}, "features: is missing")):
            d = describe([layer(12, 1, "full", "none", "identity")], encoder=encoder)
            d["items"] = dict(items)
            d["items"].setdefault("features", [])
            shapes = shapes_of(d)
            d["items"] = items
            export_model.write_model(self.path, d, {n: np.zeros(s, "f4") for n, s in shapes.items()},
                                     ["i%d" % i for i in range(d["n_items"])])
            with self.assertRaisesRegex(AssertionError, why):
                ask(self.path, "ids")

    def test_the_encoder_of_ratings_with_and_without_its_mean(self):
        w = 7
        blocks = {"history": {"dim": w}, "profile": {"dim": w, "values": [["gender", "F"], ["gender", "M"], ["age", "25"]]}}
        for names in ((), ("history",), ("profile",), ("history", "profile")):
            d = describe([], objective="rating", norm="none", trunk=(), linear_head=False, d_item=w,
                         encoder={**{n: blocks[n] for n in names}, "ratings": {"dim": w, "least": 0.5, "most": 5}})
            model = self.write(d)
            for n, n_rated in ((0, 0), (4, 0), (1, 1), (6, 3), (70, 70), (137, 100)):
                items, values = self.rng.choice(137, n, replace=False), [0, 2] if "profile" in names else []
                ratings = np.where(self.rng.permutation(n) < n_rated, self.rng.integers(1, 11, n) / 2, np.nan)
                request = "encode %d %s %d %s" % (n, " ".join("%d 1 0 %r" % x for x in zip(items, map(float, ratings))),
                                                  len(values), " ".join(map(str, values)))
                want, got = model.encode(items, np.ones(n), [0] * n, values, ratings), ask(self.path, request)[0]
                if np.abs(want).max() == 0:
                    self.assertEqual(np.abs(got).max(), 0)
                    continue
                self.close(got, want, (names, n, n_rated))
                self.check_scores(model, [got], (names, n, n_rated))

    def test_scores_of_some_items_and_the_best_are_those_of_all(self):
        d = describe([layer(12, 9, "core", "full", "relu", 4), layer(9, 1, "full", "shared", "identity")])
        model = self.write(d)
        c = self.contexts(d, 1)[0].astype("f4")
        some = self.rng.choice(137, 40)
        everything, picked, best, beyond = ask(
            self.path, "scores " + words(c), "some %s 40 %s" % (words(c), " ".join(map(str, some))),
            "top 10 " + words(c), "top 1000 " + words(c))
        np.testing.assert_array_equal(picked, everything[some])
        order = np.lexsort((np.arange(137), -everything))
        np.testing.assert_array_equal(best[0::2], order[:10])
        np.testing.assert_array_equal(best[1::2], everything[order[:10]])
        np.testing.assert_array_equal(beyond[0::2], order)
        np.testing.assert_array_equal(best[0::2], np.argsort(-model.scores(c.astype("f8")), kind="stable")[:10])

    def write_with_neighbours(self, n_items, counts):
        """A model whose item j has counts[j] neighbours. Weights are of 64ths, so that sums are exact and sizes equal."""
        d = describe([layer(12, 5, "core", "full", "relu", 3), layer(5, 1, "full", "none", "identity")], n_items=n_items)
        d["target"]["neighbours"] = {"pairs": int(sum(counts))}
        self.write(d)
        items = [self.rng.choice(n_items, n, replace=False) for n in counts]
        append_tensors(self.path, {
            "neighbours.start": np.cumsum([0] + list(counts)).astype("<i8"),
            "neighbours.item": np.concatenate(items).astype("<u4"),
            "neighbours.weight": (self.rng.integers(-64, 65, sum(counts)) / 64).astype("<f4")})
        return reference.Model(self.path)

    def check_histories(self, model, histories):
        """The kept entries of each history's bias, the last ones' number returned."""
        for history in map(list, histories):
            c = self.contexts(model.description, 1)[0].astype("f4")
            entries, scores = ask(self.path, "history %d %s" % (len(history), " ".join(map(str, history))),
                                  "scores " + words(c))
            beta = model.neighbours(history)
            np.testing.assert_array_equal(entries[0::2], np.flatnonzero(beta))
            np.testing.assert_array_equal(entries[1::2], beta[beta != 0])
            self.close(scores, model.scores(c.astype("f8"), history), history)
        return len(entries) // 2

    def test_a_history_adds_to_the_items_near_it(self):
        model = self.write_with_neighbours(137, self.rng.integers(0, 10, 137))
        self.check_histories(model, ([], [5], [5, 3, 136], range(137)))

    def test_of_a_long_history_the_largest_entries_are_kept(self):
        long = [1, 2, 4, 4999]
        model = self.write_with_neighbours(5000, [3000 * (j in long) for j in range(5000)])
        self.assertLess(self.check_histories(model, ([7], [1])), 4096)
        self.assertEqual(self.check_histories(model, (long,)), 4096)

    def test_predictions_of_tasks_are_those_of_the_reference(self):
        for objective, outputs in (("classification", 5), ("regression", 2), ("regression", 1)):
            d = describe([layer(12, 8, "low_rank", "full", "relu", 3), layer(8, outputs, "full", "full", "identity")],
                         objective=objective, n_items=0, linear=False, linear_head=False, d_output=outputs)
            model = self.write(d)
            c, x = self.contexts(d, 1)[0].astype("f4"), self.rng.normal(0, 1, (37, 12)).astype("f4")
            got = ask(self.path, "predict %s %d %s" % (words(c), len(x), words(x)))[0]
            self.close(got, model.predict(c.astype("f8"), x.astype("f8")), objective)

    def test_weights_in_chunks_are_those_of_the_reference(self):
        """Of all contexts and of each, chunks that fit and that do not, with a shared layer between and without."""
        for size, own, trunk, between in ((50, False, ((20, "relu"), (9, "tanh")), "chunked"), (36, True, ((8, "relu"),), "chunked"),
                                          (7, True, (), "shared"), (200, False, ((8, "relu"),), "shared")):
            layers = [layer(12, 8, "chunked", "full", "relu"), layer(8, 6, between, "shared", "tanh"),
                      layer(6, 5, "chunked", "none", "identity")]
            n = -(-n_chunked(layers) // min(size, n_chunked(layers)))
            d = describe(layers, objective="classification", norm="none", trunk=trunk, n_items=0, linear=False, linear_head=False,
                         d_output=5, encoder={"id": {"dim": 10 + (n * 4 if own else 0), "tasks": 3}})
            d["target"]["chunks"] = {"size": min(size, n_chunked(layers)), "dim": 4, "own": own}
            model = self.write(d)
            x = self.rng.normal(0, 1, (37, 12)).astype("f4")
            for task in range(3):
                c = ask(self.path, "task %d" % task)[0]
                np.testing.assert_array_equal(c.astype("f4"), model.encode([], [], [], [], task=task).astype("f4"))
                got = ask(self.path, "predict %s %d %s" % (words(c), len(x), words(x)))[0]
                self.close(got, model.predict(c.astype("f4").astype("f8"), x.astype("f8")), (size, own, task))
            listed = subprocess.run([ANSWERS, self.path], input="ids\n", capture_output=True, text=True, check=True).stdout
            self.assertEqual(listed.split(), model.item_ids())

    def test_a_catalogue_is_scored_by_weights_in_chunks(self):
        d = describe([layer(12, 9, "chunked", "full", "relu"), layer(9, 1, "chunked", "none", "identity")], norm="none",
                     linear=False, linear_head=False)
        d["target"]["chunks"] = {"size": 40, "dim": 6, "own": False}
        self.check_scores(self.write(d), self.contexts(d), "chunks")

    def test_the_exporting_script_writes_a_model_that_answers(self):
        subprocess.run([sys.executable, os.path.join(HERE, "export_model.py"), self.path], check=True)
        model = reference.Model(self.path)
        self.check_scores(model, self.contexts(model.description), "export_model.py")
        listed = subprocess.run([ANSWERS, self.path], input="ids\n", capture_output=True, text=True, check=True).stdout
        self.assertEqual(listed.split(), model.item_ids())
        self.assertEqual(listed.split()[:2], ["item-0", "item-1"])

    def test_heads_in_bfloat16_give_the_reference_answers(self):
        heads = ["target.0.head.weight", "target.1.head.weight"]
        for widths, trunk in ((12, 9), ((8, "tanh"),)), ((64, 128), ((300, "relu"),)):  # the second is too large for panels
            d = describe([layer(widths[0], widths[1], "full", "full", "relu"), layer(widths[1], 1, "full", "full", "identity")],
                         d_item=widths[0], trunk=trunk)
            for halves in heads[:1], heads:
                model = self.write(d, halves)
                self.check_scores(model, self.contexts(d), (widths, halves))
            with open(self.path, "rb") as f:
                self.assertEqual(f.read(40000).count(b'"BF16"'), 2)

    def test_bfloat16_is_the_nearest(self):
        numbers = np.concatenate([self.rng.normal(0, 1, 1000), [0, -0.0, 1, 1 + 2**-8, 1 + 3 * 2**-8, 3e38, 1e-39]]).astype("f4")
        widened = (export_model.bfloat16(numbers).astype("<u4") << 16).view("<f4")
        self.assertTrue((np.abs(numbers - widened)[:-1] <= np.abs(numbers)[:-1] / 256).all())
        np.testing.assert_array_equal(widened[1002:1005], np.float32([1, 1, 1 + 2**-6]))  # ties go to the even one
        for bits in (0x7fffffff, 0xffffffff, 0x7f800001, 0x7f800000, 0xff800000):  # not finite, and not so afterwards
            got = int(export_model.bfloat16(np.array([bits], "<u4").view("<f4"))[0])
            self.assertEqual(got & 0x7f80, 0x7f80, hex(bits))
            self.assertEqual(got & 0x7f != 0, bits & 0x7fffff != 0, hex(bits))

    def test_tensors_of_pytorch_are_written_as_their_numbers(self):
        class Tensor:  # what a torch.Tensor offers, so that the test does not need PyTorch
            def __init__(self, array):
                self.array = array

            def detach(self):
                return self

            cpu = float = detach

            def numpy(self):
                return self.array

        d = describe([], trunk=(), norm="none", linear_head=False, n_items=2)
        arrays = {n: self.rng.normal(0, 1, s) for n, s in shapes_of(d).items()}
        export_model.write_model(self.path, d, {n: Tensor(a) for n, a in arrays.items()}, ["a", "b"])
        _, tensors = reference.read_safetensors(self.path)
        for name, array in arrays.items():
            np.testing.assert_array_equal(tensors[name], array.astype("f4"))
        self.check_scores(reference.Model(self.path), self.contexts(d), "tensors")

    def test_the_exporter_names_the_tensor_at_fault_and_writes_nothing(self):
        d = describe([], trunk=(), norm="none", linear_head=False, n_items=2)
        good = {n: self.rng.normal(0, 1, s) for n, s in shapes_of(d).items()}
        embedding = good["catalogue.embedding"]
        infinite = embedding.copy()
        infinite[1, 2] = 1e39
        for changed, ids, halves, why in (
                ({"catalogue.embedding": infinite}, ["a", "b"], (), r"catalogue.embedding\[1, 2\] is inf"),
                ({"catalogue.embedding": embedding[:1]}, ["a", "b"], (), "catalogue.embedding is of the shape"),
                ({}, ["a"], (), "1 item_ids for n_items 2"), ({}, ["a", "a"], (), "each another one"),
                ({}, ["a", "b"], ("target.9.head.weight",), "target.9.head.weight of halves")):
            with self.assertRaisesRegex(ValueError, why):
                export_model.write_model(self.path + ".not", d, {**good, **changed}, ids, halves)
            self.assertFalse(os.path.exists(self.path + ".not"))

    def test_a_wrong_page_of_python_is_told_what_is_wrong(self):
        d = describe([layer(12, 1, "full", "none", "identity")])
        arrays = {n: self.rng.normal(0, 1, s) for n, s in shapes_of(d).items()}
        arrays["target.0.head.weight"] = arrays["target.0.head.weight"].T
        export_model.write_model(self.path, d, arrays, ["i%d" % i for i in range(137)])
        done = subprocess.run([ANSWERS, self.path], input="", capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn(self.path + ': tensor "target.0.head.weight": it is F32 [20, 12], expected F32 [12, 20]', done.stderr)


if __name__ == "__main__":
    unittest.main()
