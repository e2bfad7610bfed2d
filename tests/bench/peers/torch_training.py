#!/usr/bin/python3
"""An epoch of joint training in PyTorch: the model, the loss, the examples and the batches of `hypernet train`, on the CPU.

    torch_training.py --model FILE --world DIR --share S

Starts from a trained model's values, so that the loss says whether the same is computed. Written as one would who knows PyTorch:
everything in batches, a user's fold-ins by one batched factorisation, items without gradients' bookkeeping. Prints JSON."""
import argparse
import csv
import json
import math
import pathlib
import time

import numpy as np
import torch
from torch.nn import functional as F

from hypernet_torch import read_safetensors

BATCH, NEGATIVES, MOST_TIMED, CHUNK_USERS = 256, 1024, 32, 256
FORGET, DROP, FEW = 0.1, 0.3, (0, 1, 2, 3, 5, 10, 20)
RATE, CLIP, AVERAGE_EVERY, AVERAGE_SHARE = 1e-3, 5.0, 8, 1 - 0.995 ** 8


class Data:
    """Users with their interactions, oldest first, and their profile's rows of the vocabulary."""

    def __init__(self, folder, description, item_ids):
        index = {item: i for i, item in enumerate(item_ids)}
        values = {tuple(v): k for k, v in enumerate(description["encoder"]["profile"]["values"])}
        taken = {}
        with open(folder / "interactions.tsv", encoding="utf-8", newline="") as f:
            for row in csv.DictReader(f, delimiter="\t"):
                rating = float(row["rating"]) if row.get("rating") else math.nan
                taken.setdefault(row["user"], []).append((int(row["timestamp"]), index[row["item"]], rating))
        with open(folder / "users.tsv", encoding="utf-8", newline="") as f:
            profiles = {row.pop("user"): [values[pair] for pair in row.items() if pair in values]
                        for row in csv.DictReader(f, delimiter="\t")}
        self.items, self.times, self.ratings, self.profiles = [], [], [], []
        self.has = torch.zeros(len(taken), len(item_ids), dtype=torch.bool)
        for u, (user, rows) in enumerate(taken.items()):
            rows.sort()
            self.times.append(torch.tensor([r[0] for r in rows], dtype=torch.float64))
            self.items.append(torch.tensor([r[1] for r in rows]))
            self.ratings.append(torch.tensor([r[2] for r in rows]))
            self.profiles.append(torch.tensor(profiles[user], dtype=torch.long))
            self.has[u, self.items[-1]] = True


class Model(torch.nn.Module):
    def __init__(self, path):
        super().__init__()
        self.description, tensors = read_safetensors(path)
        self.encoder = self.description["encoder"]
        learned = ("catalogue.embedding", "catalogue.bias", "encoder.history", "encoder.recent", "encoder.decay", "encoder.profile",
                   "encoder.when", "encoder.disliked", "trunk.", "linear.", "target.")
        self.p = torch.nn.ParameterDict()
        for name, t in tensors.items():
            if name.startswith(learned) and t.is_floating_point():
                self.p[name.replace(".", "_")] = torch.nn.Parameter(t.clone())
        self.factor, self.gram, self.prior = (tensors["encoder.fold_in." + n].clone() for n in ("factor", "gram", "prior"))
        data, offsets = tensors["catalogue.id_bytes"].numpy().tobytes(), tensors["catalogue.id_offsets"].tolist()
        self.item_ids = [data[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]
        e = self.encoder
        self.blocks = [e["fold_in"]["dim"], e["history"]["dim"], e["recent"]["dim"] * e["recent"]["n_decays"],
                       *(e[b]["dim"] for b in ("profile", "when", "disliked") if e.get(b))]

    def fold_ins(self, items, moments):
        """(moments, d): the fold-ins of the first items, of which a user has so many at each moment; moments rise from 1."""
        block, d = self.encoder["fold_in"], self.gram.shape[0]
        v, ends = self.factor[items[:moments[-1]]], [0, *moments]
        parts = [v[a:b] for a, b in zip(ends[:-1], ends[1:])]
        a = self.gram + torch.stack([p.T @ p for p in parts]).cumsum(0)
        n = torch.tensor(moments, dtype=torch.float32)
        ridge = block["reg"] * (n + block["alpha"] * len(self.item_ids)) ** block["reg_exponent"]
        a += ridge[:, None, None] * torch.eye(d)
        b = torch.stack([p.sum(0) for p in parts]).cumsum(0)
        return torch.cholesky_solve(b[:, :, None], torch.linalg.cholesky(a))[:, :, 0]

    def _bag(self, table, rows, sizes):
        """The sums of a table's rows, each of the next sizes of rows."""
        offsets = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)[:-1]])
        return F.embedding_bag(rows, table, offsets, mode="sum")

    def contexts(self, batch):
        p, e = self.p, self.encoder
        sizes = torch.tensor([len(h) for h in batch["history"]])
        root = sizes.clamp(min=1).sqrt()[:, None]
        blocks = [batch["fold_in"], self._bag(p["encoder_history"], torch.cat(batch["history"]), sizes) / root]
        rows = torch.nn.utils.rnn.pad_sequence([h[-e["recent"]["n_recent"]:].flip(0) for h in batch["history"]], True, -1)
        age = torch.arange(rows.shape[1])
        decays = torch.sigmoid(p["encoder_decay"])[:, None] ** age  # (decays, recent)
        recent = F.embedding(rows.clamp(min=0), p["encoder_recent"]) * (rows >= 0)[:, :, None]
        blocks.append(torch.einsum("ka,bad->bkd", decays, recent).flatten(1))
        if e.get("profile"):
            blocks.append(self._bag(p["encoder_profile"], torch.cat(batch["profile"]), torch.tensor([len(v) for v in batch["profile"]])))
        if e.get("when"):
            at = ((batch["time"] - e["when"]["start"]) / e["when"]["step"]).clamp(0, e["when"]["n_moments"] - 1)
            low = at.floor().long().clamp(max=e["when"]["n_moments"] - 2)
            share = (at - low).float()[:, None]
            when = (1 - share) * p["encoder_when"][low] + share * p["encoder_when"][low + 1]
            blocks.append(when * (batch["time"] != 0)[:, None])
        if e.get("disliked"):
            blocks.append(self._bag(p["encoder_disliked"], torch.cat(batch["disliked"]),
                                    torch.tensor([len(v) for v in batch["disliked"]])) / root)
        return torch.cat(blocks, 1)

    def scores(self, c, x, bias):
        """(contexts, candidates) for candidates' embeddings x and biases."""
        p = self.p
        parts = zip(*(a.split(self.blocks, -1) for a in (c, p["trunk_norm_weight"], p["trunk_norm_bias"])))
        z = torch.cat([F.layer_norm(a, w.shape, w, b) for a, w, b in parts], 1)
        for n in range(len(self.description["trunk"]["layers"])):
            z = F.relu(F.linear(z, p["trunk_%d_weight" % n], p["trunk_%d_bias" % n]))
        user = F.linear(c, p["linear_context_weight"]) + F.linear(z, p["linear_head_weight"])
        core = p["target_0_core"] + F.linear(z, p["target_0_head_weight"]).view(-1, *p["target_0_core"].shape)
        hidden_bias = p["target_0_bias"] + F.linear(z, p["target_0_bias_head_weight"])
        out = p["target_1_weight"] + F.linear(z, p["target_1_head_weight"]).view(-1, *p["target_1_weight"].shape)
        w = p["target_0_u"] @ core  # (contexts, hidden, rank)
        hidden = torch.relu(torch.matmul(x @ p["target_0_v"].T, w.transpose(1, 2)) + hidden_bias[:, None])
        return user @ x.T + bias + (hidden @ out.transpose(1, 2))[:, :, 0]


def examples_of(data, model, u, rng):
    """A user's examples of an epoch, as train draws them: a history, its fold-in, the next item."""
    items, n = data.items[u], len(data.items[u])
    places = np.sort(rng.choice(np.arange(1, n), min(n - 1, MOST_TIMED), replace=False)).tolist() if n > 1 else []
    if not places:
        return
    whole = model.fold_ins(items, places)
    for k, i in enumerate(places):
        first, keep, fold_in = 0, slice(None), whole[k]
        if rng.random() < FORGET:
            few = min(int(rng.choice(FEW)), i)
            first = i - few
            fold_in = model.fold_ins(items[first:i], [few])[0] if few else model.prior
        else:
            keep = torch.from_numpy(rng.random(i) >= DROP)
        history, ratings, times = (a[first:i][keep] for a in (items, data.ratings[u], data.times[u]))
        low = ratings < ratings.nanmean() if len(ratings) else torch.zeros(0, dtype=torch.bool)
        profile = data.profiles[u] if rng.random() >= FORGET else data.profiles[u][:0]
        yield {"user": u, "history": history, "disliked": history[low], "time": float(times[-1]) if len(times) else 0.0,
               "profile": profile, "fold_in": fold_in, "target": int(items[i])}


def collate(examples):
    batch = {key: [e[key] for e in examples] for key in examples[0]}
    batch["fold_in"] = torch.stack(batch["fold_in"])
    for key, kind in (("user", torch.long), ("target", torch.long), ("time", torch.float64)):
        batch[key] = torch.tensor(batch[key], dtype=kind)
    return batch


def loss_of(model, data, batch, rng):
    n_items = len(model.item_ids)
    negatives = torch.from_numpy(rng.choice(n_items, min(NEGATIVES, n_items), replace=False))
    targets, place = torch.unique(batch["target"], return_inverse=True)
    columns = torch.cat([negatives, targets])
    scores = model.scores(model.contexts(batch), F.embedding(columns, model.p["catalogue_embedding"]), model.p["catalogue_bias"][columns])
    own = scores.gather(1, (len(negatives) + place)[:, None])
    others = scores[:, :len(negatives)] + math.log(n_items / len(negatives))
    others = others.masked_fill(data.has[batch["user"]][:, negatives], -math.inf)
    return (torch.logsumexp(torch.cat([own, others], 1), 1) - own[:, 0]).mean()


def train(model, data, share, seed=1):
    """Seconds, examples and mean loss of a share of an epoch's users."""
    rng = np.random.default_rng(seed)
    users = rng.permutation(len(data.items))[:max(1, int(share * len(data.items)))]
    n_steps = MOST_TIMED * len(data.items) / BATCH
    optimiser = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.999), 1e-8, weight_decay=0.1 / (RATE * n_steps))
    average = [p.detach().clone() for p in model.parameters()]
    losses, n_examples, start = [], 0, time.monotonic()
    for at in range(0, len(users), CHUNK_USERS):
        with torch.no_grad():
            examples = [e for u in users[at:at + CHUNK_USERS] for e in examples_of(data, model, u, rng)]
        rng.shuffle(examples)
        for k in range(0, len(examples), BATCH):
            loss = loss_of(model, data, collate(examples[k:k + BATCH]), rng)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            losses.append(loss.item())
            n_examples += len(examples[k:k + BATCH])
            if len(losses) % AVERAGE_EVERY == 0:
                with torch.no_grad():
                    torch._foreach_add_(average, torch._foreach_sub(list(model.parameters()), average), alpha=AVERAGE_SHARE)
    return {"seconds": time.monotonic() - start, "examples": n_examples, "loss": float(np.mean(losses)), "share": len(users) / len(data.items)}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--world", type=pathlib.Path, required=True)
    p.add_argument("--share", type=float, default=1.0)
    p.add_argument("--threads", type=int, default=0)
    o = p.parse_args()
    if o.threads:
        torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    model = Model(o.model)
    print(json.dumps(train(model, Data(o.world, model.description, model.item_ids), o.share)))


if __name__ == "__main__":
    main()
