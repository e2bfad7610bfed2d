"""A model of trained tasks with stored rows, written by the exporting script, is served with the numbers that NumPy computes from the same
file: the answers of each task's network, and of which task rows are."""
import os
import sys
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import hn
import reference
from export_model import write_model

TASKS = {"first": ["a", "b", "c"], "second": ["b", "d"], "third": ["e", "f", "g"]}
COUNTS = [[2, 1, 3], [4, 1], [1, 0, 2]]
SHAPE, HIDDEN, OUT, ID, EMBEDDING, TRUNK, SIZE, UNIT, WIDTH = (2, 3), 5, 3, 4, 3, 8, 11, 4, 0.3


def made_up(path, rng):
    d, n_rows, n_classes = SHAPE[0] * SHAPE[1], sum(map(sum, COUNTS)), sum(map(len, TASKS.values()))
    generated = HIDDEN * (d + 1) + OUT * (HIDDEN + 1)
    sizes = {"encoder.id": (len(TASKS), ID), "trunk.0.weight": (TRUNK, ID + EMBEDDING), "trunk.0.bias": TRUNK,
             "chunks.embedding": (-(-generated // SIZE), EMBEDDING), "chunks.head.weight": (SIZE, TRUNK), "chunks.head.bias": SIZE,
             "target.0.weight": (HIDDEN, d), "target.0.bias": HIDDEN, "target.1.weight": (OUT, HIDDEN), "target.1.bias": OUT,
             "trained.rows": (n_rows, d), "trained.row_weights": (n_rows, n_classes)}
    arrays = {name: rng.normal(0, 0.5, shape) for name, shape in sizes.items()}
    layer = lambda d_in, d_out, activation: {"d_in": d_in, "d_out": d_out, "generator": "chunked", "bias": "full", "activation": activation}
    write_model(path, {"format": 1, "name": "made-up", "version": "1", "objective": "classification", "n_items": 0, "d_item": d, "d_context": ID,
                       "d_output": OUT, "trunk": {"norm": "none", "layers": [{"d_out": TRUNK, "activation": "relu"}]},
                       "target": {"linear": False, "linear_head": False, "layers": [layer(d, HIDDEN, "relu"), layer(HIDDEN, OUT, "identity")],
                                  "chunks": {"size": SIZE, "dim": EMBEDDING, "own": False}},
                       "encoder": {"id": {"dim": ID, "tasks": len(TASKS)}},
                       "trained": {"unit": UNIT, "shape": list(SHAPE), "classes": list(TASKS.values()), "stored": {"width": WIDTH, "rows": COUNTS}}},
                arrays, list(TASKS))


def scores(model, x):
    """Of each task, the mean over the rows of x of its best class."""
    rows, weights = model.t["trained.rows"], model.t["trained.row_weights"]
    p = np.exp(-WIDTH * ((x[:, None] - rows[None]) ** 2).sum(2)) @ weights
    ends = np.cumsum([0] + [len(c) for c in TASKS.values()])
    return [p[:, a:b].max(1).mean() for a, b in zip(ends[:-1], ends[1:])]


class Parity(unittest.TestCase):
    def test_answers_and_guesses_are_those_of_numpy(self):
        rng = np.random.default_rng(7)
        path = os.path.join(hn.temporary_folder(), "model.hn")
        made_up(path, rng)
        model, inputs = reference.Model(path), np.round(rng.normal(0, 2, (9, *SHAPE)), 3)
        x = inputs.reshape(9, -1) / UNIT
        with hn.Server(models=[path]) as server:
            for number, (task, classes) in enumerate(TASKS.items()):
                answer = server.request("POST", "/v1/tasks/%s/predictions" % task, {"inputs": inputs.tolist()})
                self.assertEqual(answer.status, 200, answer)
                p = model.predict(model.encode([], [], [], [], task=number), x)[:, :len(classes)]
                p = p / p.sum(1, keepdims=True)  # as the softmax of the first outputs alone
                for i, given in enumerate(answer.json["predictions"]):
                    self.assertEqual(list(given["probabilities"]), classes)
                    for k, name in enumerate(classes):
                        self.assertAlmostEqual(given["probabilities"][name], p[i, k], delta=1e-4)
            told = server.request("POST", "/v1/tasks/predictions", {"inputs": inputs.tolist()}).json
        self.assertEqual(told["by"], "rows")
        expected = sorted(zip(scores(model, x), TASKS), reverse=True)
        self.assertEqual([t["task"] for t in told["tasks"]], [name for _, name in expected])
        for given, (score, _) in zip(told["tasks"], expected):
            self.assertAlmostEqual(given["score"], score, delta=1e-4)


if __name__ == "__main__":
    unittest.main()
