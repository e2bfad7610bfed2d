"""The results of tests/bench/quality as a table, as JSON and as a picture: reads the files of finished runs, NAME.SEED.json.

A user's values of all seeds are added up before the users are drawn, so an interval tells of users, the differences between which are
far larger than those between seeds; differences are paired by user."""
import json
import math
import random

RESAMPLES = 1000
SYSTEMS = ["generated", "shared", "iALS", "iALS fold-in", "EASE", "popularity", "user and item bias", "mean"]
PLOTTED = {"generated": "#c0392b", "iALS fold-in": "#2471a3", "iALS": "#7fb3d5", "popularity": "#7f8c8d"}


# ---- figures ----

class Pool:
    """Users of one set and count, with the values of all seeds; draws them once for all figures."""

    def __init__(self):
        self.rows, self.values = {}, {}  # by user: rows; [system][metric] sums

    def add(self, user, rows, values):
        self.rows[user] = self.rows.get(user, 0) + rows
        mine = self.values.setdefault(user, [[0.0] * len(v) for v in values])
        for s, system in enumerate(values):
            for m, value in enumerate(system):
                mine[s][m] += value

    def draw(self):
        rng, users = random.Random(1), list(range(len(self.rows)))
        self.order = sorted(self.rows)
        self.draws = [rng.choices(users, k=len(users)) for _ in range(RESAMPLES)]
        counts = [self.rows[u] for u in self.order]
        self.n_rows, self.drawn_rows = sum(counts), [sum(map(counts.__getitem__, d)) for d in self.draws]

    def column(self, system, metric, root):
        """The figure of all users, and of each draw."""
        x = [self.values[u][system][metric] for u in self.order]
        shape = math.sqrt if root else float
        return shape(sum(x) / self.n_rows), [shape(sum(map(x.__getitem__, d)) / n) for d, n in zip(self.draws, self.drawn_rows)]


def interval(samples):
    samples = sorted(samples)
    return [samples[RESAMPLES // 40], samples[RESAMPLES - 1 - RESAMPLES // 40]]


def summarise_pool(pool, runs, count):
    pool.draw()
    out = []
    for m, metric in enumerate(runs[0]["metrics"]):
        columns = [pool.column(s, m, metric == "rmse") for s in range(len(runs[0]["systems"]))]
        first_mean, first = columns[0]
        for s, (mean, samples) in enumerate(columns):
            row = {"count": count, "system": runs[0]["systems"][s], "metric": metric, "mean": mean, "interval": interval(samples)}
            if s:  # the default model less this system
                row["gain"] = first_mean - mean
                row["gain_interval"] = interval([a - b for a, b in zip(first, samples)])
            out.append(row)
    return out


def summarise(runs):
    """One set: its figures over all its seeds."""
    if any(r["systems"] != runs[0]["systems"] for r in runs):
        raise SystemExit("quality: the runs of %s are some with and some without the shared model; use another --out" % runs[0]["set"])
    pools = {}
    for r in runs:
        for count, user, rows, values in r["users"]:
            pools.setdefault(count, Pool()).add(user, rows, values)
    figures = [row for count, pool in pools.items() for row in summarise_pool(pool, runs, count)]
    seconds = {variant: [r["train_seconds"][variant] for r in runs] for variant in runs[0]["train_seconds"]}
    return {"set": runs[0]["set"], "text": runs[0]["text"], "seeds": [r["seed"] for r in runs], "users": len(next(iter(pools.values())).rows),
            "train_seconds": seconds, "runs": [{k: r[k] for k in ("seed", "commit", "cpu", "cores", "date", "chosen") if k in r} for r in runs],
            "unknown_items": runs[0]["unknown_items"], "users_without_context": runs[0]["users_without_context"], "figures": figures}


# ---- the table ----

def count_name(count):
    return "profile" if count == 0 else str(count)


def ahead(row):
    """1: the default model is surely better than this system, -1: surely worse, 0: neither."""
    low, high = row["gain_interval"]
    if row["metric"] in ("rmse", "mae"):
        low, high = -high, -low
    return 1 if low > 0 else -1 if high < 0 else 0


def cell(row):
    if row is None:
        return ""
    mark = {1: " ▲", -1: " ▼", 0: ""}[ahead(row)] if "gain" in row else ""
    return "%.4f%s" % (row["mean"], mark)


def systems_of(summary):
    there = {f["system"] for f in summary["figures"]}
    return [s for s in SYSTEMS if s in there]


def find(summary, **keys):
    return next((f for f in summary["figures"] if all(f[k] == v for k, v in keys.items())), None)


def overview(summaries):
    systems = [s for s in SYSTEMS if any(s in systems_of(x) for x in summaries)]
    out = ["| set | known | metric | " + " | ".join(systems) + " | training, s |", "|---" * (len(systems) + 4) + "|"]
    for x in summaries:
        for count, metric in dict.fromkeys((f["count"], f["metric"]) for f in x["figures"]):
            cells = [cell(find(x, count=count, metric=metric, system=s)) for s in systems]
            seconds = x["train_seconds"]["generated"]
            out.append("| %s | %s | %s | %s | %.0f |" % (x["set"], "all" if count is None else count_name(count), metric, " | ".join(cells),
                                                        sum(seconds) / len(seconds)))
    return out


def details(x):
    """Every system with its interval, and what the default model gains over it."""
    counts = list(dict.fromkeys(f["count"] for f in x["figures"]))
    metrics = list(dict.fromkeys(f["metric"] for f in x["figures"]))
    seconds = "; ".join("%s %s s" % (v, ", ".join("%.0f" % t for t in times)) for v, times in x["train_seconds"].items())
    missed = "" if not x["unknown_items"] else " %d held-out items are in no training row; rankings miss them, ratings are the mean." % x["unknown_items"]
    out = ["", "## %s" % x["set"], "", "%s. %d users, seed%s %s. Training: %s.%s" % (
        x["text"][0].upper() + x["text"][1:], x["users"], "s" * (len(x["seeds"]) > 1), ", ".join(map(str, x["seeds"])), seconds, missed), "",
        "| known | system | " + " | ".join("%s | generated less this" % m for m in metrics) + " |", "|---" * (2 + 2 * len(metrics)) + "|"]
    for count in counts:
        for system in systems_of(x):
            cells = []
            for metric in metrics:
                f = find(x, count=count, metric=metric, system=system)
                cells.append("%.4f [%.4f, %.4f]" % (f["mean"], *f["interval"]))
                cells.append("%+.4f [%+.4f, %+.4f]" % (f["gain"], *f["gain_interval"]) if "gain" in f else "")
            out.append("| %s | %s | %s |" % ("all" if count is None else count_name(count), system, " | ".join(cells)))
    return out


def table(summaries, picture):
    runs = [r for x in summaries for r in x["runs"]]
    where = sorted({"%s, %d cores, commit %s, %s" % (r["cpu"], r["cores"], r["commit"], r["date"]) for r in runs})
    out = ["# Quality", "", *overview(summaries), "",
           "Means over the seeds. ▲: the default model (generated) is surely better than this system, ▼: surely worse: the 95 % interval of "
           "the difference, paired by user over", "all seeds, excludes zero. rmse and mae: lower is better. Training: of the default model, mean "
           "over the seeds. *iALS* is tuned by validation, *iALS fold-in* has the factors", "that the model was trained from; of a new user both fold "
           "in what is known, and answer by popularity (iALS, EASE) or a mean user (fold-in) where nothing is.", ""]
    out += ["- " + line for line in where]
    if picture:
        out += ["", "![NDCG@10 of new users by what is known of them](known.svg)"]
    for x in summaries:
        out += details(x)
    return "\n".join(out) + "\n"


# ---- the picture ----

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 64, 150, 40, 52


def text_at(x, y, text, anchor="middle", more=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (x, y, anchor, more, text)


def spread(places, least):
    """The places, in order, moved down so that neighbours are at least so far apart."""
    out = []
    for y in places:
        out.append(y if not out else max(y, out[-1] + least))
    return out


def series(counts, rows, name, colour, at_x, at_y):
    points = " ".join("%.1f,%.1f" % (at_x(i), at_y(rows[c]["mean"])) for i, c in enumerate(counts))
    out = ['<polyline points="%s" fill="none" stroke="%s" stroke-width="2.5"/>' % (points, colour)]
    for i, c in enumerate(counts):
        low, high = rows[c]["interval"]
        out.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-opacity="0.35" stroke-width="5"/>' % (
            at_x(i), at_y(low), at_x(i), at_y(high), colour))
        out.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"><title>%s, %s known: %.4f</title></circle>' % (
            at_x(i), at_y(rows[c]["mean"]), colour, name, count_name(c), rows[c]["mean"]))
    return out


def picture(x, metric="ndcg@10"):
    """NDCG@10 by known interactions, a line a system; bars are 95 % intervals over users."""
    counts = list(dict.fromkeys(f["count"] for f in x["figures"]))
    lines = {s: {c: find(x, count=c, metric=metric, system=s) for c in counts} for s in PLOTTED if s in systems_of(x)}
    most = max(f["interval"][1] for rows in lines.values() for f in rows.values()) or 1
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if most / s <= 8 or s == 0.5)
    top = math.ceil(most / step) * step

    def at_x(i):
        return LEFT + (WIDTH - LEFT - RIGHT) * (i + 0.5) / len(counts)

    def at_y(value):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13">' % (
        WIDTH, HEIGHT, WIDTH, HEIGHT), '<rect width="100%" height="100%" fill="white"/>',
        text_at(LEFT, 22, "NDCG@10 of users who are new to the model (%s, %d users)" % (x["set"], x["users"]), "start", ' font-size="15"')]
    for k in range(round(top / step) + 1):
        y = at_y(k * step)
        out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#e5e7e9"/>' % (LEFT, y, WIDTH - RIGHT, y))
        out.append(text_at(LEFT - 8, y + 4, "%g" % round(k * step, 4), "end", ' fill="#566573"'))
    out += [text_at(at_x(i), HEIGHT - BOTTOM + 20, count_name(c)) for i, c in enumerate(counts)]
    out.append(text_at((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "interactions known", "middle", ' fill="#566573"'))
    for k, name in reversed(list(enumerate(lines))):  # the first is drawn last, above the others; beside each other, so that bars are seen
        out += series(counts, lines[name], name, PLOTTED[name], lambda i, k=k: at_x(i) + 7 * (k - (len(lines) - 1) / 2), at_y)
    ends = sorted((at_y(rows[counts[-1]]["mean"]), name) for name, rows in lines.items())
    for y, (_, name) in zip(spread([y for y, _ in ends], 17), ends):
        out.append(text_at(at_x(len(counts) - 1) + 22, y + 4, name, "start", ' fill="%s" font-weight="bold"' % PLOTTED[name]))
    return "\n".join(out + ["</svg>"]) + "\n"


# ---- files ----

def load(out, names):
    """The finished runs of each set, by seed."""
    for name in names:
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in out.glob(name + ".*.json")
                if path.name[len(name) + 1:-5].isdigit()]
        if runs:
            yield sorted(runs, key=lambda r: r["seed"])


def write(out, names):
    """Makes quality.md, quality.json and, where it was measured, known.svg from the finished runs in a folder."""
    summaries = [summarise(runs) for runs in load(out, names)]
    if not summaries:
        return
    by_count = next((x for x in summaries if any(f["count"] is not None for f in x["figures"])), None)
    (out / "quality.json").write_text(json.dumps(summaries, indent=1) + "\n", encoding="utf-8")
    (out / "quality.md").write_text(table(summaries, by_count is not None), encoding="utf-8")
    if by_count:
        (out / "known.svg").write_text(picture(by_count), encoding="utf-8")
