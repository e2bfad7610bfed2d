"""A small world of tasks for the tests of tests/http: shops with a demand of their own, and two models of them: `shops` predicts the
units that are sold, `busy` whether a day was a busy one. The last shops were kept away from training."""
import random

import hn

SHOPS, DAYS, LEARNED = 24, 24, 18
DISTRICTS = ["north", "south"]


def rows_of_shops(seed=3):
    """{shop: [{day, price, deal, district, units}]}, oldest first."""
    rng, shops = random.Random(seed), {}
    for shop in range(SHOPS):
        level, slope = rng.uniform(20, 60), rng.uniform(2, 12)
        shops["s%d" % shop] = []
        for day in range(DAYS):
            price, deal = round(rng.uniform(1, 4), 2), rng.choice(["yes", "no"])
            units = level - slope * price + (8 if deal == "yes" else 0) + rng.gauss(0, 0.5)
            shops["s%d" % shop].append({"day": day, "price": price, "deal": deal, "district": DISTRICTS[shop % 2],
                                        "units": round(max(units, 0.1), 2)})
    return shops


def table(shops, target):
    """The rows as a CSV; of `busy` the target is whether more than thirty units were sold."""
    lines = ["shop,day,price,deal,district," + target]
    for shop, rows in shops.items():
        for r in rows:
            value = r["units"] if target == "units" else ("yes" if r["units"] > 30 else "no")
            lines.append(",".join(map(str, [shop, r["day"], r["price"], r["deal"], r["district"], value])))
    return "\n".join(lines) + "\n"


def without(row, *names):
    return {k: v for k, v in row.items() if k not in names}


class Shops:
    def __init__(self):
        self.folder = hn.temporary_folder()
        hn.filled_once(self.folder, "shops", self._fill)
        self.model, self.classes = self.folder + "/shops.hn", self.folder + "/busy.hn"
        self.rows = rows_of_shops()
        self.new = ["s%d" % i for i in range(LEARNED, SHOPS)]

    def _fill(self, folder):
        shops = rows_of_shops()
        for target, name in (("units", "shops"), ("busy", "busy")):
            with open(f"{folder}/{name}.csv", "w", encoding="utf-8") as f:
                f.write(table({s: shops[s] for s in list(shops)[:LEARNED]}, target))
            hn.run("train", "--rows", f"{folder}/{name}.csv", "--task", "shop", "--target", target, "--out", f"{folder}/{name}.hn",
                   "--name", name, "--model-version", "1", "--epochs", 6, "--threads", 1, binary=hn.PREPARED)

    def asked(self, shop, start=16):
        """Rows of a shop without what was sold."""
        return [without(r, "units") for r in self.rows[shop][start:]]

    def known(self, shop, n=16):
        return self.rows[shop][:n]


_shops = None


def shops():
    global _shops
    if _shops is None:
        _shops = Shops()
    return _shops


class Case(hn.Case):
    """A server of both models, and none for users."""

    @classmethod
    def setUpClass(cls):
        cls.world, cls.shops = hn.world(), shops()
        cls.server = hn.Server(*cls.options, models=[cls.shops.model, cls.shops.classes])

    def predict(self, task, body, server=None, **params):
        return (server or self.server).request("POST", f"/v1/tasks/{task}/predictions", body, params=params)

    def predicted(self, task, body, **rest):
        answer = self.predict(task, body, **rest)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def faults(self, answer, status=422):
        """{pointer: detail} of a refusal, which lists all of them."""
        document = self.assertProblem(answer, status, "invalid-value")
        return {e["pointer"]: e["detail"] for e in document.get("errors", [document])}
