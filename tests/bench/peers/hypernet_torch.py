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


class Model:
    def __init__(self, path):
        self.description, self.t = read_safetensors(path)
        target = self.description["target"]
        if not (target["linear"] and target["linear_head"] and target["layers"][0]["generator"] == "core"):
            raise ValueError("this peer serves the target network that `hypernet train` makes")
        data, offsets = self.t["catalogue.id_bytes"].numpy().tobytes(), self.t["catalogue.id_offsets"].tolist()
        self.item_ids = [data[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]
        self.index = {item: i for i, item in enumerate(self.item_ids)}
        encoder = self.description["encoder"]
        self.blocks = [encoder["fold_in"]["dim"], encoder["history"]["dim"],
                       encoder["recent"]["dim"] * encoder["recent"]["n_decays"], encoder["profile"]["dim"]]
        self.items, self.bias = self.t["catalogue.embedding"], self.t["catalogue.bias"]
        self.shared = self.items @ self.t["target.0.v"].T  # V e of every item: the same for all users

    def _trunk(self, c):
        weight, bias = self.t["trunk.norm.weight"], self.t["trunk.norm.bias"]
        parts = zip(*(a.split(self.blocks) for a in (c, weight, bias)))
        x = torch.cat([F.layer_norm(part, part.shape, w, b) for part, w, b in parts])
        for n, layer in enumerate(self.description["trunk"]["layers"]):
            x = ACTIVATIONS[layer["activation"]](F.linear(x, self.t["trunk.%d.weight" % n], self.t["trunk.%d.bias" % n]))
        return x

    def generate(self, c):
        """(p, W of the shared part, b, W of the output) for a context."""
        t, z = self.t, self._trunk(c)
        p = t["linear.context.weight"] @ c + t["linear.head.weight"] @ z
        core = t["target.0.core"] + (t["target.0.head.weight"] @ z).view_as(t["target.0.core"])
        bias = t["target.0.bias"] + t["target.0.bias_head.weight"] @ z
        out = t["target.1.weight"] + (t["target.1.head.weight"] @ z).view_as(t["target.1.weight"])
        return p, t["target.0.u"] @ core, bias, out

    def scores(self, theta, rows=None):
        """The scores of all items, or of some."""
        p, w, b, out = theta
        items, shared, bias = self.items, self.shared, self.bias
        if rows is not None:
            items, shared, bias = items[rows], shared[rows], bias[rows]
        hidden = F.linear(shared, w, b).relu_()
        return torch.addmv(torch.addmv(bias, items, p), hidden, out[0])  # four times as fast as F.linear to one column


class Store:
    def __init__(self, path, model):
        self.db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        self.db.execute("PRAGMA mmap_size = 268435456")
        d = model.description
        self.key = (d["name"], d["version"])
        self.row_of = {}
        self.titles = {}
        for key, item, title, categories in self.db.execute("SELECT item_key, id, title, categories FROM items"):
            self.row_of[key] = model.index[item]
            self.titles[model.index[item]] = (title, json.loads(categories) if categories else [])

    def user(self, user):
        """(revision, context, rows of the items he has), or None."""
        row = self.db.execute("SELECT u.user_key, u.revision, c.embedding FROM users u JOIN contexts c ON c.id = u.id "
                              "AND c.kind = 'user' AND c.model = ? AND c.model_version = ? WHERE u.id = ?",
                              (*self.key, user)).fetchone()
        if row is None:
            return None
        seen = [self.row_of[key] for key, in
                self.db.execute("SELECT item_key FROM interactions WHERE user_key = ?", (row[0],))]
        return row[1], torch.frombuffer(bytearray(row[2]), dtype=torch.float32), torch.tensor(seen, dtype=torch.long)
