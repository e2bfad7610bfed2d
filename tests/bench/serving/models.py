"""Model files of any size with the dimensions that the trainer chooses (engine/train/ranking/model_init.c), written directly with random values, for
what is measured below HTTP; and a trained file without its item-item weights. What is served over HTTP is what `hypernet train` wrote."""
import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden"))
from export_model import write_model  # noqa: E402  pylint: disable=wrong-import-position
from reference import read_safetensors  # noqa: E402  pylint: disable=wrong-import-position

LEARNED, PROFILE, DECAYS, RECENT, TRUNK, HIDDEN, CORE = 64, 16, 4, 30, (128, 64), 16, 16


def _layers(dim, generator, hidden):
    first = {"d_in": dim, "d_out": hidden, "generator": generator, "bias": "full", "activation": "relu"}
    if generator == "core":
        first["rank"] = CORE
    return [first, {"d_in": hidden, "d_out": 1, "generator": "full", "bias": "none", "activation": "identity"}]


def description(n_items, dim, values, generator="core", hidden=HIDDEN):
    context = dim + LEARNED + DECAYS * LEARNED + PROFILE
    return {"format": 1, "name": "bench", "version": "1", "objective": "ranking",
            "n_items": n_items, "d_item": dim, "d_context": context, "d_output": 1,
            "trunk": {"norm": "block", "layers": [{"d_out": d, "activation": "relu"} for d in TRUNK]},
            "target": {"linear": True, "linear_head": True, "layers": _layers(dim, generator, hidden)},
            "encoder": {"fold_in": {"dim": dim, "alpha": 0.3, "reg": 0.007, "reg_exponent": 1},
                        "history": {"dim": LEARNED},
                        "recent": {"dim": LEARNED, "n_decays": DECAYS, "n_recent": RECENT},
                        "profile": {"dim": PROFILE, "values": values}}}


def _target_shapes(layers, z):
    shapes = {}
    for n, layer in enumerate(layers):
        d_out, d_in, rank = layer["d_out"], layer["d_in"], layer.get("rank")
        if layer["generator"] == "core":
            shapes.update({"u": (d_out, rank), "v": (rank, d_in), "core": (rank, rank), "head.weight": (rank * rank, z)})
        else:
            shapes.update({"weight": (d_out, d_in), "head.weight": (d_out * d_in, z)})
        if layer["bias"] == "full":
            shapes.update({"bias": (d_out,), "bias_head.weight": (d_out, z)})
        yield from (("target.%d.%s" % (n, name), shape) for name, shape in shapes.items())
        shapes = {}


def _shapes(d):
    n_items, dim, encoder, z = d["n_items"], d["d_item"], d["encoder"], TRUNK[-1]
    yield from {"catalogue.embedding": (n_items, dim), "catalogue.bias": (n_items,),
                "encoder.fold_in.prior": (dim,),
                "encoder.history": (n_items, LEARNED), "encoder.recent": (n_items, LEARNED), "encoder.decay": (DECAYS,),
                "encoder.profile": (len(encoder["profile"]["values"]), PROFILE),
                "trunk.norm.bias": (d["d_context"],),
                "trunk.0.weight": (TRUNK[0], d["d_context"]), "trunk.0.bias": (TRUNK[0],),
                "trunk.1.weight": (TRUNK[1], TRUNK[0]), "trunk.1.bias": (TRUNK[1],),
                "linear.context.weight": (dim, d["d_context"]), "linear.head.weight": (dim, z)}.items()
    yield from _target_shapes(d["target"]["layers"], z)


def write(path, item_ids, dim, values, generator="core", hidden=HIDDEN, seed=1, halves=False):
    """A model of these items; values: the profile's (field, value) pairs; halves: heads in bfloat16. Each matrix keeps the variance
    of what passes."""
    rng = np.random.default_rng(seed)
    d = description(len(item_ids), dim, values, generator, hidden)
    arrays = {name: rng.standard_normal(shape, "f4") / np.float32(np.sqrt(shape[-1])) for name, shape in _shapes(d)}
    arrays["trunk.norm.weight"] = np.ones(d["d_context"], "f4")
    factor = arrays["catalogue.embedding"]
    arrays["encoder.fold_in.factor"] = factor
    arrays["encoder.fold_in.gram"] = d["encoder"]["fold_in"]["alpha"] * factor.T @ factor
    write_model(path, d, arrays, item_ids, [n for n in arrays if n.endswith(".head.weight") and n.startswith("target.")] if halves else ())
    return d


def without_neighbours(source, target):
    """The same trained model without its item-item weights; contexts of the one are those of the other."""
    metadata, tensors = read_safetensors(source)
    d = json.loads(metadata["hypernet"])
    d["target"].pop("neighbours")
    ids, offsets = tensors.pop("catalogue.id_bytes").tobytes(), tensors.pop("catalogue.id_offsets")
    arrays = {name: array for name, array in tensors.items() if not name.startswith("neighbours.")}
    write_model(target, d, arrays, [ids[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])])
