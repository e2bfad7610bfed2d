"""The figures of a run as one table, with the ratios that were measured in it, and as JSON."""
import json
import os
import statistics

import source

COLUMNS = (("rate", "requests/s", "%.0f"), ("p50_ms", "p50 ms", "%.2f"), ("p99_ms", "p99 ms", "%.2f"),
           ("p999_ms", "p99.9 ms", "%.2f"), ("cpu_us", "CPU us", "%.1f"), ("peak_mb", "peak MB", "%.0f"),
           ("user_kb", "KB a cached user", "%.1f"))
MEASURED = COLUMNS[:-2]  # of each round


def machine():
    return "%s, %d cores" % (source.processor(), os.cpu_count())


class Results:
    def __init__(self, root, settings):
        self.about = {"machine": machine(), "commit": source.commit(root, " with changes"), "settings": settings}
        self.rows, self.absent, self.ratios = [], {}, []
        self.micro, self.store = [], []

    def add(self, load, server, rounds, peak_mb, per_request=1, user_kb=None):
        """rounds: figures of serving/wrk.py; the medians count. per_request: users in one request. user_kb: what resident memory
        grew by until all users were cached, a user; None where that was not measured."""
        row = {"load": load, "server": server, "rounds": rounds, "peak_mb": peak_mb, "users_per_request": per_request, "user_kb": user_kb}
        for key, _, _ in MEASURED:
            row[key] = statistics.median(r[key] for r in rounds)
        self.rows.append(row)

    def value(self, load, server, key):
        for row in self.rows:
            if (row["load"], row["server"]) == (load, server):
                return row[key]
        return None

    def compare(self, what, a, b, target):
        """The ratio of two (load, server, key); left out when one was not measured."""
        x, y = self.value(*a), self.value(*b)
        if x is not None and y:
            self.ratios.append({"what": what, "value": x / y, "target": target})

    def state(self, what, value, target):
        if value is not None:
            self.ratios.append({"what": what, "value": value, "target": target})

    def text(self):
        lines = ["machine  " + self.about["machine"], "commit   " + self.about["commit"],
                 "settings " + ", ".join("%s %s" % pair for pair in self.about["settings"].items()),
                 "world    " + self.about.get("world", "none")]
        lines += ["absent   %s: %s" % pair for pair in self.absent.items()]
        if self.ratios:
            lines += ["", "| ratios of this run and what else is asked of it | value | wanted |", "|---|---:|---:|"]
            lines += ["| %s | %.3g | %s |" % (r["what"], r["value"], r["target"]) for r in self.ratios]
        lines += ["", "| load | server | " + " | ".join(title for _, title, _ in COLUMNS) + " |",
                  "|---|---|" + "---:|" * len(COLUMNS)]
        for row in self.rows:
            cells = ["" if row[key] is None else form % row[key] for key, _, form in COLUMNS]
            lines.append("| %s | %s | %s |" % (row["load"], row["server"], " | ".join(cells)))
        if self.micro:
            lines += ["", "| below HTTP, one core | what | size | us | cblas_sgemm, pass or single, us | rate of that |", "|---|---|---:|---:|---:|---:|"]
            lines += ["| %s | %s | %d | %.1f | %s | %s |" % (r["model"], r["what"], r["size"], r["us"],
                                                          "%.1f" % r["ceiling_us"] if "ceiling_us" in r else "",
                                                          "%.2f" % r["of_ceiling"] if "of_ceiling" in r else "")
                      for r in self.micro]
        lines += [""] * bool(self.store) + self.store
        return "\n".join(lines)

    def write_json(self, path):
        with open(path, "w", encoding="utf-8") as f:
            json.dump({**self.about, "absent": self.absent, "rows": self.rows, "micro": self.micro, "store": self.store, "ratios": self.ratios}, f, indent=1)
