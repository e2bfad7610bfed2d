"""A model file and a store of hypernet, read and computed in Python with PyTorch (schema/model.md, schema/0001.sql).

Only what serving users needs: contexts come from the store. Weights are kept as the tensors that scoring reads, and
what all users share is computed once, as the server does."""
import json
import mmap
import sqlite3
import struct
import sys
import warnings

import numpy as np
import torch
from torch.nn import functional as F

ACTIVATIONS = {"identity": lambda x: x, "relu": torch.relu, "tanh": torch.tanh}
DTYPES = {"F32": "<f4", "I64": "<i8", "U8": "u1", "U32": "<i4"}  # PyTorch has no unsigned 32; what has it stays below 2^31
BLOCKS = ("fold_in", "history", "recent", "profile", "when", "disliked", "ratings")
MOST_NEIGHBOURS = 4096
LIST_REVISION = struct.Struct("<q")


def read_safetensors(path):
    with open(path, "rb") as f:
        content = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
    (n,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + n])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, info in header.items():
        if info["dtype"] not in DTYPES:
            sys.exit("%s: tensor %s is %s, which this peer does not read" % (path, name, info["dtype"]))
        begin, end = info["data_offsets"]
        array = np.frombuffer(content, DTYPES[info["dtype"]], (end - begin) // np.dtype(DTYPES[info["dtype"]]).itemsize,
                              8 + n + begin).reshape(info["shape"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the mapping is read-only, and nobody writes
            tensors[name] = torch.from_numpy(array)
    return json.loads(metadata["hypernet"]), tensors


class Neighbours:
    """The bias that a user's items give to others. Where a quarter of all pairs has a weight or more, they are a matrix."""

    def __init__(self, t, n_items):
        self.n_items, start = n_items, t["neighbours.start"]
        pair_item, weight = t["neighbours.item"].long(), t["neighbours.weight"]
        self.dense = None
        if 4 * len(weight) >= n_items * n_items:
            row = torch.repeat_interleave(torch.arange(n_items), start.diff())
            self.dense = torch.zeros(n_items, n_items).index_put_((row, pair_item), weight, accumulate=True)
        else:
            ends = start.tolist()
            self.items = [pair_item[a:b] for a, b in zip(ends[:-1], ends[1:])]
            self.weights = [weight[a:b] for a, b in zip(ends[:-1], ends[1:])]

    def bias(self, seen):
        if self.dense is not None:
            beta = self.dense.index_select(0, seen).sum(0)
        else:
            rows = seen.tolist()
            beta = torch.zeros(self.n_items)
            if rows:
                beta.index_add_(0, torch.cat([self.items[j] for j in rows]), torch.cat([self.weights[j] for j in rows]))
        if self.n_items > MOST_NEIGHBOURS:
            kept = torch.topk(beta.abs(), MOST_NEIGHBOURS, sorted=False).indices
            beta = torch.zeros(self.n_items).index_copy_(0, kept, beta[kept])
        return beta


class Model:
    def __init__(self, path):
        self.description, self.t = read_safetensors(path)
        d, target = self.description, self.description["target"]
        if d["objective"] != "ranking" or not target["linear"] or (target["layers"] and target["layers"][-1]["activation"] != "identity"):
            raise ValueError("this peer serves the rankings that `hypernet train` makes")
        data, offsets = self.t["catalogue.id_bytes"].numpy().tobytes(), self.t["catalogue.id_offsets"].tolist()
        self.item_ids = [data[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]
        self.index = {item: i for i, item in enumerate(self.item_ids)}
        self.blocks = self._blocks()
        self.items, self.bias = self.t["catalogue.embedding"], self.t["catalogue.bias"]
        self.layers = target["layers"]
        self.shared = self._shared()
        self.neighbours = Neighbours(self.t, d["n_items"]) if target.get("neighbours") else None

    def _blocks(self):
        encoder = self.description["encoder"]
        if self.description["trunk"]["norm"] == "layer":
            return [self.description["d_context"]]
        return [encoder[b]["dim"] * encoder[b].get("n_decays", 1) for b in BLOCKS if encoder.get(b)]

    def _shared(self):
        """What the first layer makes of every item without a user: V e, or W e where nothing of W is generated."""
        if not self.layers:
            return None
        known = {"core": "target.0.v", "shared": "target.0.weight"}.get(self.layers[0]["generator"])
        return self.items @ self.t[known].T if known else self.items

    def _trunk(self, c):
        x = c
        if self.description["trunk"]["norm"] != "none":
            parts = zip(*(a.split(self.blocks) for a in (c, self.t["trunk.norm.weight"], self.t["trunk.norm.bias"])))
            x = torch.cat([F.layer_norm(part, part.shape, w, b) for part, w, b in parts])
        for n, layer in enumerate(self.description["trunk"]["layers"]):
            x = ACTIVATIONS[layer["activation"]](F.linear(x, self.t["trunk.%d.weight" % n], self.t["trunk.%d.bias" % n]))
        return x

    def _layer(self, n, z):
        """(W, b) of a layer on what comes before it; W is None where it is in `shared` already."""
        layer, t = self.layers[n], lambda name: self.t["target.%d.%s" % (n, name)]
        kind, d_out, rank = layer["generator"], layer["d_out"], layer.get("rank")
        if kind == "core":
            w = t("u") @ (t("core") + (t("head.weight") @ z).view_as(t("core")))
            w = w if n == 0 else w @ t("v")
        elif kind == "shared":
            w = None if n == 0 else t("weight")
        elif kind == "full":
            w = t("weight") + (t("head.weight") @ z).view_as(t("weight"))
        else:
            made = t("head.weight") @ z + t("head.bias")
            w = t("weight") + made[:d_out * rank].view(d_out, rank) @ made[d_out * rank:].view(rank, -1)
        if layer["bias"] == "none":
            return w, None
        return w, t("bias") + t("bias_head.weight") @ z if layer["bias"] == "full" else t("bias")

    def generate(self, c, seen):
        """(p, the layers' weights, the items' bias) for a context and the rows of the items that its user has."""
        t, z = self.t, self._trunk(c)
        p = t["linear.context.weight"] @ c
        if self.description["target"]["linear_head"]:
            p = p + t["linear.head.weight"] @ z
        bias = self.bias + self.neighbours.bias(seen) if self.neighbours else self.bias
        return p, [self._layer(n, z) for n in range(len(self.layers))], bias

    def scores(self, theta, rows=None):
        """The scores of all items, or of some."""
        p, weights, bias = theta
        items, x = self.items, self.shared
        if rows is not None:
            items, bias = items[rows], bias[rows]
            x = x if x is None else x[rows]
        scores = torch.addmv(bias, items, p)  # four times as fast as F.linear to one column
        for layer, (w, b) in zip(self.layers[:-1], weights[:-1]):
            if w is not None:
                x = F.linear(x, w, b)
            elif b is not None:
                x = x + b
            x = ACTIVATIONS[layer["activation"]](x)
        for w, b in weights[-1:]:
            scores = scores + x[:, 0] if w is None else torch.addmv(scores, x, w[0])
            scores = scores if b is None else scores + b
        return scores


class Store:
    def __init__(self, path, model):
        self.db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        self.db.execute("PRAGMA mmap_size = 268435456")
        d = model.description
        self.key = (d["name"], d["version"])
        items = self.db.execute("SELECT item_key, id, title, categories FROM items").fetchall()
        self.row_of = np.full(1 + max((key for key, *_ in items), default=0), -1)  # by key; -1: not the model's
        self.titles = {}
        for key, item, title, categories in items:
            row = model.index.get(item, -1)
            self.row_of[key] = row
            self.titles[row] = (title, json.loads(categories) if categories else [])

    def user(self, user):
        """(revision, context, rows of the items he has), or None. The context has a list of them while it is as new as the user."""
        row = self.db.execute("SELECT u.user_key, u.revision, c.embedding, c.taken FROM users u JOIN contexts c ON c.id = u.id "
                              "AND c.kind = 'user' AND c.model = ? AND c.model_version = ? WHERE u.id = ?",
                              (*self.key, user)).fetchone()
        if row is None:
            return None
        user_key, revision, context, taken = row
        if taken and LIST_REVISION.unpack_from(taken)[0] == revision:
            keys = np.frombuffer(taken, "<u4", offset=LIST_REVISION.size)
        else:
            keys = [key for key, in self.db.execute("SELECT item_key FROM interactions WHERE user_key = ?", (user_key,))]
        rows = self.row_of[np.asarray(keys, np.int64)]
        return revision, torch.frombuffer(bytearray(context), dtype=torch.float32), torch.from_numpy(rows[rows >= 0])
