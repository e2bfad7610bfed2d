#!/usr/bin/python3
"""Brings a model trained in PyTorch to hypernet:  export_model.py OUT.safetensors  (the format: schema/model.md)"""
import json
import struct
import sys

import numpy as np


def bfloat16(array):
    """The upper halves of float32 numbers, rounded to the nearest, a tie to the even one."""
    bits = np.ascontiguousarray(array, "<f4").view("<u4")
    rounded = np.where(bits & 0x7f800000 == 0x7f800000, bits | (bits & 0x7fffff != 0) << 22, bits + 0x7fff + (bits >> 16 & 1))
    return (rounded >> 16).astype("<u2")  # NaN and infinity stay what they are, and are refused when the file is opened


def write_model(path, description, arrays, item_ids=(), halves=()):
    """arrays: name in the file -> array or tensor; item_ids: one string for each row of catalogue.embedding, or
    without items of encoder.id; halves: names
    of target.N.head.weight to be written as bfloat16, in half the bytes."""
    tensors = {}
    for name, array in arrays.items():
        if hasattr(array, "detach"):  # a tensor of PyTorch
            array = array.detach().cpu().float().numpy()
        tensors[name] = ("BF16", bfloat16(array)) if name in halves else ("F32", np.ascontiguousarray(array, "<f4"))
    if item_ids:
        ids = [i.encode() for i in item_ids]
        of = "catalogue" if description["n_items"] else "encoder.id"
        tensors[of + ".id_bytes"] = ("U8", np.frombuffer(b"".join(ids), "u1"))
        tensors[of + ".id_offsets"] = ("I64", np.cumsum([0] + [len(i) for i in ids]).astype("<i8"))
    header, offset = {"__metadata__": {"hypernet": json.dumps(description)}}, 0
    order = sorted(tensors, key=lambda name: (-tensors[name][1].itemsize, name))
    for name in order:
        dtype, array = tensors[name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            out.write(tensors[name][1].tobytes())


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
