"""The stages of a model computed a second time, in float64 with NumPy alone, from the file itself.

Written from schema/model.md: it shares no code with the engine, so that an error would have to be made twice."""
import json
import math
import re
import statistics
import struct

import numpy as np

DTYPES = {"F32": "<f4", "I64": "<i8", "U32": "<u4", "U8": "u1", "BF16": "<u2"}
NORMAL = statistics.NormalDist()
ACTIVATIONS = {"identity": lambda x: x, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh,
               "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


def read_safetensors(path):
    """The metadata and the tensors of a file."""
    with open(path, "rb") as f:
        content = f.read()
    (n,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + n])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, info in header.items():
        begin, end = info["data_offsets"]
        array = np.frombuffer(content[8 + n + begin:8 + n + end], DTYPES[info["dtype"]])
        if info["dtype"] == "BF16":  # the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        tensors[name] = array.reshape(info["shape"])
    return metadata, tensors


def normalise(x, weight, bias):
    return weight * (x - x.mean()) / np.sqrt(x.var() + 1e-5) + bias


def log_gamma(x):
    return np.vectorize(math.lgamma)(x)


def student_t_quantile(probability, freedom):
    """By the density, summed with Simpson's rule over the angle t = sqrt(freedom) tan(u), in which it is bounded."""
    if probability < 0.5:
        return -student_t_quantile(1 - probability, freedom)
    u = np.linspace(0, np.pi / 2, 20001)
    density = np.cos(u) ** (freedom - 1)
    density *= np.exp(log_gamma((freedom + 1) / 2) - log_gamma(freedom / 2)) / np.sqrt(np.pi)
    h = u[1] - u[0]
    pairs = h / 3 * (density[:-2:2] + 4 * density[1:-1:2] + density[2::2])
    cumulated = 0.5 + np.concatenate([[0], np.cumsum(pairs)])
    return np.sqrt(freedom) * np.tan(np.interp(probability, cumulated, u[::2]))


class Tasks:
    """A model of tasks: rows are dictionaries of column and value (None: absent), as they stand in a table of text."""

    def __init__(self, path):
        metadata, tensors = read_safetensors(path)
        self.model = json.loads(metadata["hypernet"])
        self.task = self.model["task"]
        self.t = {name: array.astype("f8") for name, array in tensors.items()}

    @staticmethod
    def one_form(value):
        if value.lower() in ("true", "false"):
            return value.lower()
        return repr(float(value)).removesuffix(".0") if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?(e\d+)?", value) else value

    def inputs(self, rows):
        """x, and of each row what x cannot say of it."""
        x, beyond = [], []
        for row in rows:
            places = []
            beyond.append(0)
            for c in self.task["columns"]:
                value, number = row.get(c["name"]), c["kind"] == "number"
                absent = value is None or (not number and self.one_form(value) not in c["values"])
                if number:
                    v = c["mean"] if absent else {"true": 1, "false": 0}.get(value.lower()) if value.isalpha() else float(value)
                    kept = min(max(v, c["least"] - 3 * c["deviation"]), c["most"] + 3 * c["deviation"])
                    beyond[-1] += ((v - kept) / (3 * c["deviation"])) ** 2
                    places.append((kept - c["mean"]) / c["deviation"])
                else:
                    beyond[-1] += absent and value is not None
                    places += [float(not absent and known == self.one_form(value)) for known in c["values"]]
                places += [float(absent)] * c["optional"]
            x.append(places)
        return np.array(x), np.array(beyond)

    def features(self, rows):
        """f0 and phi."""
        x = self.inputs(rows)[0]
        h = x
        for n, layer in enumerate(self.task["features"]):
            h = ACTIVATIONS[layer["activation"]](h @ self.t["task.features.%d.weight" % n].T + self.t["task.features.%d.bias" % n])
        z = x if not self.task["features"] else np.hstack([h, x]) if self.task.get("direct", True) else h
        return z @ self.t["task.shared.weight"].T + self.t["task.shared.bias"], z @ self.t["task.basis.weight"].T + self.t["task.basis.bias"]

    def generated(self, layer, phi):
        """What the network behind the solved layer adds (n, O), its weights generated from that layer's."""
        h, layers = phi, self.model["target"]["layers"]
        z = layer["weights"].T.reshape(-1)  # (O M), an output after the other
        if self.model["trunk"]["norm"] != "none":
            z = normalise(z, self.t["trunk.norm.weight"], self.t["trunk.norm.bias"])
        for n, trunk in enumerate(self.model["trunk"]["layers"]):
            z = ACTIVATIONS[trunk["activation"]](self.t["trunk.%d.weight" % n] @ z + self.t["trunk.%d.bias" % n])
        for n, spec in enumerate(layers):
            t, shape, rank = {name: self.t.get("target.%d.%s" % (n, name)) for name in (
                "weight", "bias", "u", "v", "core", "head.weight", "head.bias", "bias_head.weight")}, (spec["d_out"], spec["d_in"]), spec.get("rank")
            made = t["head.weight"] @ z if t["head.weight"] is not None else None
            if spec["generator"] == "core":
                w = t["u"] @ (t["core"] + made.reshape(rank, rank)) @ t["v"]
            elif spec["generator"] == "low_rank":
                made = made + t["head.bias"]
                w = t["weight"] + made[:shape[0] * rank].reshape(-1, rank) @ made[shape[0] * rank:].reshape(rank, -1)
            else:
                w = t["weight"] + (made.reshape(shape) if made is not None else 0)
            b = 0 if t["bias"] is None else t["bias"] + (t["bias_head.weight"] @ z if t["bias_head.weight"] is not None else 0)
            h = ACTIVATIONS[spec["activation"]](h @ w.T + b)
        return h if layers else 0

    def weights(self, times):
        if not self.task["forgets"] or not len(times):
            return np.ones(len(times))
        return np.exp(-np.exp(self.t["task.scales"][2]) * (max(times) - np.array(times)) / self.task["period"])

    def solve(self, known, targets, times=()):
        """The task's layer: what task_head keeps of it."""
        m = self.task["basis"]
        scales, target = self.t["task.scales"], self.task["target"]
        f0, phi = self.features(known) if known else (np.zeros((0, 1)), np.zeros((0, m)))
        v = self.weights(times if self.task["forgets"] else np.zeros(len(known)))
        if "classes" in target:
            f0 = f0 if known else np.zeros((0, len(target["classes"])))
            p0 = np.exp(f0 - f0.max(1, keepdims=True)) if known else f0
            r = np.array([[float(c == self.one_form(y)) for c in target["classes"]] for y in targets]).reshape(f0.shape)
            r = r - (p0 / p0.sum(1, keepdims=True) if known else p0)
            inverse = np.linalg.inv(np.eye(m) + np.exp(scales[0]) * (phi * v[:, None]).T @ phi)
            return {"inverse": inverse, "weights": inverse @ (phi * v[:, None]).T @ r}
        y = np.array([float(y) for y in targets])
        if target["scale"] == "count":
            return self.solve_counts(f0[:, 0], phi, v, y)
        g = {"identity": lambda t: t, "log": np.log, "asinh": lambda t: np.arcsinh(t / target["unit"])}[target["scale"]]
        r = (g(y) - target["mean"]) / target["deviation"] - f0[:, 0]
        r = np.clip(r, -target["clip"], target["clip"]) if target["clip"] else r
        s2, a0 = np.exp(scales[0]) + 1e-5, np.exp(scales[1]) + 1
        inverse = np.linalg.inv(np.eye(m) + (phi * v[:, None]).T @ phi / s2)
        b = phi.T @ (v * r) / s2
        a = a0 + v.sum() / 2
        return {"inverse": inverse, "weights": inverse @ b, "a": a, "s2": s2, "n": len(known),
                "tau": (a0 + ((v * r * r).sum() / s2 - b @ inverse @ b) / 2) / a}

    def solve_counts(self, f0, phi, v, y):
        """One step of iteratively reweighted least squares, from where each row stands by itself."""
        s2, prior = np.exp(self.t["task.scales"][0]) + 1e-5, np.exp(self.t["task.scales"][1]) + 1e-3
        rate = np.exp(f0 + s2 / 2)
        m = rate * (prior + y) / (prior + rate)
        p, r = 1 / (1 / m + np.expm1(s2)), np.log(m / rate) + y / m - 1
        inverse = np.linalg.inv(np.eye(phi.shape[1]) + (phi * (v * p)[:, None]).T @ phi)
        return {"inverse": inverse, "weights": inverse @ phi.T @ (v * p * r), "s2": s2, "n": len(y)}

    def predict_counts(self, layer, value, own, beyond, interval):
        """Prediction, bounds, deviation and epistemic part: of a negative binomial, whose probabilities are added up."""
        target, answers = self.task["target"], []
        for v, w, b in zip(value, own, beyond):
            s = layer["s2"] + w
            mean, wide = math.exp(v + s / 2), min(s * (1 + b), 5)
            k, bounds = 1 / math.expm1(wide), []
            for side in (-1, 1):
                probability = (1 + side * interval) / 2
                if self.task["target"].get("calibrated"):
                    probability = NORMAL.cdf(self.quantile(probability, None, layer["n"]))
                y, p = 0, (1 + mean / k) ** -k
                below = p
                while below < probability:
                    p *= (y + k) / (y + 1) * mean / (mean + k)
                    y, below = y + 1, below + p
                bounds.append(y)
            part, most = mean * math.sqrt(math.expm1(min(w + s * b, 5))), target["most"] - target["least"]
            answers.append([min(max(x, target["least"]), target["most"]) for x in (mean, min(bounds[0], mean), max(bounds[1], mean))] +
                           [min(x, most) for x in (math.sqrt(mean + mean * mean / k), part)])
        return np.array(answers)

    def quantile(self, probability, freedom, n_known):
        """Of (target - value) / scale: as validation found it, between its probabilities linear in the normal distribution."""
        if not self.task["target"].get("calibrated"):
            return student_t_quantile(probability, freedom)
        z = self.t["task.calibration"][sum(n_known >= n for n in (1, 2, 3, 5, 9, 17, 33))]
        at = [NORMAL.inv_cdf(p) for p in (0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.995)]
        normal = NORMAL.inv_cdf(probability)
        k = min(max(sum(x <= normal for x in at) - 1, 0), len(at) - 2)
        return z[k] + (normal - at[k]) / (at[k + 1] - at[k]) * (z[k + 1] - z[k])

    def predict(self, layer, rows, interval=0.9):
        """(n, 5) prediction, bounds, deviation and its epistemic part, or (n, classes + 2) probabilities, their entropy and its
        epistemic part."""
        f0, phi = self.features(rows)
        f0 = f0 + (0 if "classes" in self.task["target"] else self.generated(layer, phi))
        own, beyond, target = np.einsum("ni,ij,nj->n", phi, layer["inverse"], phi), self.inputs(rows)[1], self.task["target"]
        if "classes" in target:
            return self.probabilities(f0 + phi @ layer["weights"] + self.generated(layer, phi), np.exp(self.t["task.scales"][1]) * (own + beyond * (1 + own)))
        if target["scale"] == "count":
            return self.predict_counts(layer, f0[:, 0] + phi @ layer["weights"], own, beyond, interval)
        narrow = layer["tau"] * (layer["s2"] + own)
        scale, part = np.sqrt(narrow * (1 + beyond)), np.sqrt(layer["tau"] * own + narrow * beyond)
        middle, d = f0[:, 0] + phi @ layer["weights"], target["deviation"]

        def target_of(learned):
            values = learned * d + target["mean"]
            back = {"identity": lambda g: g, "log": np.exp, "asinh": lambda g: target["unit"] * np.sinh(g)}[target["scale"]]
            return back(values if target["scale"] == "identity" else np.clip(values, -690, 690))

        def bounds(probability, scale):
            return (target_of(middle + scale * self.quantile((1 + side * probability) / 2, 2 * layer["a"], layer["n"]))
                    for side in (-1, 1))

        value, (low, high) = target_of(middle) * np.exp(-target["shrink"] * narrow * d * d), bounds(interval, scale)
        answers = np.clip(np.stack([value, np.minimum(low, value), np.maximum(high, value)]), target["least"], target["most"])
        halves = [np.minimum((high - low) / 2, target["most"] - target["least"]) for low, high in (bounds(0.682689492137086, s) for s in (scale, part))]
        return np.vstack([answers, halves]).T

    @staticmethod
    def probabilities(logits, variance):
        """The answered ones, and their uncertainty by free draws of the logits."""
        def softmax(x):
            e = np.exp(x - x.max(-1, keepdims=True))
            return e / e.sum(-1, keepdims=True)

        def entropy(p):
            return -(p * np.log(np.maximum(p, 1e-300))).sum(-1)

        p = softmax(logits / np.sqrt(1 + variance)[:, None])
        noise = np.random.default_rng(1).normal(size=(20000, 1, logits.shape[1]))
        drawn = softmax(logits + np.sqrt(4 / np.pi * variance)[:, None] * noise)
        return np.column_stack([p, entropy(p), np.minimum(entropy(drawn.mean(0)) - entropy(drawn).mean(0), entropy(p))])


class Images:
    """A model of images; images are (n, height, width, channels) as a caller has them."""

    def __init__(self, path):
        metadata, tensors = read_safetensors(path)
        description = json.loads(metadata["hypernet"])
        self.spec = description["images"]
        self.t = {name: array.astype("f8") for name, array in tensors.items()}

    def features(self, images):
        x = (np.asarray(images, "f8") - self.spec["least"]) / (self.spec["most"] - self.spec["least"])
        for i in range(len(self.spec["layers"])):
            n, height, width, d = x.shape
            weight = self.t["images.%d.weight" % i].reshape(-1, 3, 3, d)
            bordered = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            y = self.t["images.%d.bias" % i] + sum(bordered[:, r:r + height, c:c + width] @ weight[:, r, c].T for r in range(3) for c in range(3))
            y = np.maximum(y, 0)[:, :height // 2 * 2, :width // 2 * 2]
            x = y.reshape(n, height // 2, 2, width // 2, 2, -1).max(axis=(2, 4))
        return x.reshape(len(x), -1)

    def layer(self, means):
        """A row and a bias for each class mean."""
        h = {name[len("images.head."):]: array for name, array in self.t.items() if name.startswith("images.head.")}
        s = np.exp(h["scale"][0])
        u = np.maximum(means @ h["in.weight"].T + h["in.bias"], 0)
        scores = (u @ h["query"].T) @ (u @ h["key"].T).T / np.sqrt(u.shape[1])
        attention = np.exp(scores - scores.max(axis=1, keepdims=True))
        attention /= attention.sum(axis=1, keepdims=True)
        hidden = np.maximum(np.concatenate([u, attention @ (u @ h["value"].T)], axis=1) @ h["mix.weight"].T + h["mix.bias"], 0)
        made = hidden @ h["out.weight"].T + h["out.bias"]
        return 2 * s * means + made[:, :-1], made[:, -1] - s * (means ** 2).sum(axis=1)

    def predict(self, known, classes, asked):
        """Probabilities by the names of the classes in rising order, entropy and novelty, of each asked image."""
        features, q = self.features(known), self.features(asked)
        names = sorted(set(classes))
        means = np.stack([features[[c == name for c in classes]].mean(axis=0) for name in names])
        weight, bias = self.layer(means)
        logits = q @ weight.T + bias
        total = np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)) + logits.max(axis=1)
        p = np.exp(logits - total[:, None])
        novelty = np.exp(self.t["images.head.scale"][0]) * ((q[:, None] - means) ** 2).sum(axis=2).min(axis=1)
        return names, p, -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1), novelty


class Model:
    def __init__(self, path):
        metadata, tensors = read_safetensors(path)
        self.description = json.loads(metadata["hypernet"])
        self.encoder = self.description.get("encoder")
        self.t = {name: array.astype("f8") if array.dtype == "<f4" else array for name, array in tensors.items()}

    def item_ids(self):
        of = "catalogue" if self.description["n_items"] else "encoder.id"
        data, offsets = self.t[of + ".id_bytes"].tobytes(), self.t[of + ".id_offsets"]
        return [data[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]

    # ---- encoder ----

    def _fold_in(self, block, items, weights):
        if len(items) == 0:
            return self.t["encoder.fold_in.prior"]
        v = self.t["encoder.fold_in.factor"][items]
        ridge = block["reg"] * (len(items) + block["alpha"] * self.description["n_items"]) ** block["reg_exponent"]
        a = self.t["encoder.fold_in.gram"] + (v * weights[:, None]).T @ v + ridge * np.eye(block["dim"])
        return np.linalg.solve(a, weights @ v)

    def _recent(self, block, items, times):
        known = [i for i, time in zip(items, times) if time != 0]
        newest_first = known[::-1][:block["n_recent"]]
        rows = self.t["encoder.recent"][newest_first].reshape(-1, block["dim"])
        decays = 1 / (1 + np.exp(-self.t["encoder.decay"]))
        return np.concatenate([(decay ** np.arange(len(rows))) @ rows for decay in decays])

    def _when(self, block, times):
        rows = self.t["encoder.when"]
        if len(times) == 0 or times[-1] == 0:
            return np.zeros(block["dim"])
        moments = block["start"] + block["step"] * np.arange(block["n_moments"])
        return np.array([np.interp(times[-1], moments, column) for column in rows.T])

    def _ratings(self, block, items, ratings, mean):
        d, items = block["dim"], items[~np.isnan(ratings)]
        v, packed = self.t["encoder.ratings.factor"][items], self.t["encoder.ratings.covariance"][items]
        s = np.zeros((len(items), d, d))
        s[:, np.tril_indices(d)[0], np.tril_indices(d)[1]] = packed
        column = s[:, :, 0].sum(0)
        column[0] = 0
        s += np.tril(s, -1).transpose(0, 2, 1)
        s[:, 0, :] = s[:, :, 0] = 0
        data = v.T @ v + s.sum(0)
        right = (ratings[~np.isnan(ratings)] - self.t["encoder.ratings.offset"][items]) @ v - column
        return np.linalg.solve(np.diag(self.t["encoder.ratings.precision"]) + data, right - data @ mean)

    def encode(self, items, weights, times, values, ratings=None, task=None):
        """c of interactions (oldest first), of rows of the profile's values, and of a trained task."""
        items, weights = np.asarray(items, int), np.asarray(weights, float)
        blocks = []
        if self.encoder.get("id"):
            blocks.append(np.zeros(self.encoder["id"]["dim"]) if task is None else self.t["encoder.id"][task])
        if self.encoder.get("fold_in"):
            blocks.append(self._fold_in(self.encoder["fold_in"], items, weights))
        if self.encoder.get("history"):
            blocks.append(self.t["encoder.history"][items].sum(0) / np.sqrt(max(len(items), 1)))
        if self.encoder.get("recent"):
            blocks.append(self._recent(self.encoder["recent"], items, times))
        if self.encoder.get("profile"):
            blocks.append(self.t["encoder.profile"][np.asarray(values, int)].sum(0))
        if self.encoder.get("when"):
            blocks.append(self._when(self.encoder["when"], times))
        if self.encoder.get("disliked"):
            rated = np.full(len(items), np.nan) if ratings is None else np.asarray(ratings, float)
            known = rated[~np.isnan(rated)]
            low = rated < known.mean() if len(known) else np.zeros(len(items), bool)
            blocks.append(self.t["encoder.disliked"][items[low]].sum(0) / np.sqrt(max(len(items), 1)))
        if self.encoder.get("ratings"):
            ratings = np.full(len(items), np.nan) if ratings is None else np.asarray(ratings, float)
            mean = np.zeros(self.encoder["ratings"]["dim"])
            if self.encoder.get("history"):
                mean = mean + self.t["encoder.history"][items].sum(0) / np.sqrt(max(len(items), 1))
            if self.encoder.get("profile"):
                mean = mean + self.t["encoder.profile"][np.asarray(values, int)].sum(0)
            blocks.append(self._ratings(self.encoder["ratings"], items, ratings, mean))
        return np.concatenate(blocks)

    # ---- hypernetwork ----

    # ---- new items ----

    def item_prior(self, features):
        return self.t["item.mean"] + sum(self.t["item.weight"][f] for f in features)

    def item_fold(self, row, f, weights):
        """The row moved by its takers."""
        block = self.encoder["fold_in"]
        d = block["dim"]
        ridge = block["reg"] * (len(f) + block["alpha"] * self.description["items"]["n_users"]) ** block["reg_exponent"]
        a = self.t["item.gram"] + (f * weights[:, None]).T @ f + ridge * np.eye(d)
        step = np.linalg.solve(a, (weights * (1 - f @ row[:d])) @ f)
        return row + np.concatenate([step, step @ self.t["item.follow"]])

    @staticmethod
    def words(title):
        """The words of a title, as bytes."""
        return [w.lower() for w in re.findall(rb"[A-Za-z0-9\x80-\xff]+", title.encode()) if len(w) <= 64]

    def _block_widths(self):
        if self.description["trunk"]["norm"] == "layer" or not self.encoder:
            return [self.description["d_context"]]
        e = self.encoder
        widths = [e["id"]["dim"] if e.get("id") else 0, e["fold_in"]["dim"] if e.get("fold_in") else 0, e["history"]["dim"] if e.get("history") else 0,
                  e["recent"]["dim"] * e["recent"]["n_decays"] if e.get("recent") else 0,
                  e["profile"]["dim"] if e.get("profile") else 0, e["when"]["dim"] if e.get("when") else 0,
                  e["disliked"]["dim"] if e.get("disliked") else 0,
                  e["ratings"]["dim"] if e.get("ratings") else 0]
        return [w for w in widths if w]

    def trunk(self, c):
        x = c
        if self.description["trunk"]["norm"] != "none":
            ends = np.cumsum(self._block_widths())[:-1]
            parts = zip(*(np.split(a, ends) for a in (c, self.t["trunk.norm.weight"], self.t["trunk.norm.bias"])))
            x = np.concatenate([normalise(*part) for part in parts])
        for n, layer in enumerate(self.description["trunk"]["layers"]):
            x = ACTIVATIONS[layer["activation"]](self.t["trunk.%d.weight" % n] @ x + self.t["trunk.%d.bias" % n])
        return x

    def chunks(self, c):
        """What is generated for the weights of all chunked layers, one after the other."""
        chunks = self.description["target"]["chunks"]
        if chunks["own"]:
            n = sum(l["d_out"] * (l["d_in"] + (l["bias"] == "full")) for l in self.description["target"]["layers"]
                    if l["generator"] == "chunked")
            own = -(-n // chunks["size"]) * chunks["dim"]
            c, embeddings = c[:-own], c[-own:].reshape(-1, chunks["dim"])
        else:
            embeddings = self.t["chunks.embedding"]
        return np.concatenate([self.t["chunks.head.weight"] @ self.trunk(np.concatenate([c, e])) + self.t["chunks.head.bias"]
                               for e in embeddings])

    def _chunked_layer(self, n, generated):
        layers, sizes = self.description["target"]["layers"], []
        for layer in layers[:n + 1]:
            sizes += [layer["d_out"] * k for k in (layer["d_in"], layer["bias"] == "full")] if layer["generator"] == "chunked" else [0, 0]
        at, d_out = sum(sizes[:-2]), layers[n]["d_out"]
        w = self.t["target.%d.weight" % n] + generated[at:at + sizes[-2]].reshape(d_out, -1)
        b = self.t["target.%d.bias" % n] if layers[n]["bias"] != "none" else np.zeros(d_out)
        return w, b + generated[at + sizes[-2]:at + sizes[-2] + d_out] if sizes[-1] else b

    def layer_weights(self, n, z):
        """W and b of layer n of the target network; z is what chunks gives, where there are such."""
        if self.description["target"]["layers"][n]["generator"] == "chunked":
            return self._chunked_layer(n, z)
        layer, t = self.description["target"]["layers"][n], lambda name: self.t["target.%d.%s" % (n, name)]
        d_out, d_in, r = layer["d_out"], layer["d_in"], layer.get("rank", 0)
        if layer["generator"] == "shared":
            w = t("weight")
        elif layer["generator"] == "full":
            w = t("weight") + (t("head.weight") @ z).reshape(d_out, d_in)
        elif layer["generator"] == "low_rank":
            generated = t("head.weight") @ z + t("head.bias")
            w = t("weight") + generated[:d_out * r].reshape(d_out, r) @ generated[d_out * r:].reshape(r, d_in)
        else:
            w = t("u") @ (t("core") + (t("head.weight") @ z).reshape(r, r)) @ t("v")
        b = np.zeros(d_out) if layer["bias"] == "none" else t("bias")
        if layer["bias"] == "full":
            b = b + t("bias_head.weight") @ z
        return w, b

    # ---- target network ----

    def predict(self, c, x):
        """y (rows, d_output) for rows of inputs; probabilities for classification."""
        target, x = self.description["target"], np.asarray(x, float)
        z = self.chunks(c) if target.get("chunks") else self.trunk(c)
        y = np.zeros((len(x), self.description["d_output"]))
        if target["linear"]:
            p = self.t["linear.context.weight"] @ c
            if target["linear_head"]:
                p = p + self.t["linear.head.weight"] @ z
            y = y + (x @ p)[:, None]
        hidden = x
        for n, layer in enumerate(target["layers"]):
            w, b = self.layer_weights(n, z)
            hidden = ACTIVATIONS[layer["activation"]](hidden @ w.T + b)
        if target["layers"]:
            y = y + hidden
        if self.description["objective"] == "classification":
            y = np.exp(y - y.max(1, keepdims=True))
            y /= y.sum(1, keepdims=True)
        return y

    def neighbours(self, history):
        """beta of the items of a history: the 4096 entries of largest size, of equal ones the first."""
        beta = np.zeros(self.description["n_items"])
        if self.description["target"].get("neighbours"):
            start, item, weight = (self.t["neighbours." + name] for name in ("start", "item", "weight"))
            for j in history:
                for k in range(start[j], start[j + 1]):
                    beta[item[k]] += weight[k]
        beta[np.argsort(-np.abs(beta), kind="stable")[4096:]] = 0
        return beta

    def scores(self, c, history=()):
        """The scores of all items."""
        layers = self.predict(c, self.t["catalogue.embedding"])[:, 0]
        return layers + self.t["catalogue.bias"] + self.neighbours(history)
