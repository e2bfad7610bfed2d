#!/usr/bin/python3
"""Brings a model trained in PyTorch to hypernet:  export_model.py OUT.safetensors  (the format: schema/model.md)"""
import os
import sys

import numpy as np

# where the client lies beside this script; copied elsewhere, it is the one that pip installed
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "clients", "python"))
from hypernet import bfloat16, export as write_model  # noqa: E402,F401  pylint: disable=wrong-import-position,unused-import


def main():
    items, d_item, d_context, d_trunk, hidden, rank = 500, 16, 24, 32, 8, 4

    # Put your own `state = model.state_dict()` here. Linear layers of PyTorch are (out, in), as in the file.
    rng = np.random.default_rng(1)
    shapes = {"item.weight": (items, d_item), "item_bias.weight": (items, 1), "history.weight": (items, d_context),
              "norm.weight": d_context, "norm.bias": d_context, "trunk.weight": (d_trunk, d_context), "trunk.bias": d_trunk,
              "taste.weight": (d_item, d_context), "u": (hidden, rank), "v": (rank, d_item), "core": (rank, rank),
              "core_head.weight": (rank * rank, d_trunk), "hidden_bias": hidden, "out.weight": (1, hidden),
              "out_head.weight": (hidden, d_trunk)}
    state = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}

    description = {
        "format": 1, "name": "from-pytorch", "version": "1", "objective": "ranking",
        "n_items": items, "d_item": d_item, "d_context": d_context, "d_output": 1,
        "trunk": {"norm": "layer", "layers": [{"d_out": d_trunk, "activation": "relu"}]},
        "target": {"linear": True, "linear_head": False, "layers": [
            {"d_in": d_item, "d_out": hidden, "generator": "core", "rank": rank, "bias": "shared", "activation": "relu"},
            {"d_in": hidden, "d_out": 1, "generator": "full", "bias": "none", "activation": "identity"}]},
        "encoder": {"history": {"dim": d_context}},
    }
    arrays = {
        "catalogue.embedding": state["item.weight"], "catalogue.bias": state["item_bias.weight"].reshape(-1),
        "encoder.history": state["history.weight"],
        "trunk.norm.weight": state["norm.weight"], "trunk.norm.bias": state["norm.bias"],
        "trunk.0.weight": state["trunk.weight"], "trunk.0.bias": state["trunk.bias"],
        "linear.context.weight": state["taste.weight"],
        "target.0.u": state["u"], "target.0.v": state["v"], "target.0.core": state["core"],
        "target.0.head.weight": state["core_head.weight"], "target.0.bias": state["hidden_bias"],
        "target.1.weight": state["out.weight"], "target.1.head.weight": state["out_head.weight"],
    }
    write_model(sys.argv[1], description, arrays, ["item-%d" % i for i in range(items)])


if __name__ == "__main__":
    main()
