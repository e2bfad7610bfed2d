"""What serving costs below HTTP: tests/bench/bench_engine.c and bench_gather.c on models of several sizes,
tests/bench/bench_json.c and tests/bench/bench_store.c."""
import json
import os
import subprocess

from . import models

# name: items, width of an item, generator of the first layer, width of the hidden layer, heads in bfloat16
SIZES = {"3,706 items, core": (3706, 192, "core", models.HIDDEN, False),
         "3,706 items, full": (3706, 192, "full", models.HIDDEN, False),
         "heads of 100 MB": (64, 192, "full", 2048, False),
         "the same in bfloat16": (64, 192, "full", 2048, True),
         "100,000 items, core": (100000, 64, "core", models.HIDDEN, False),
         "1,000,000 items, core": (1000000, 64, "core", models.HIDDEN, False)}
QUICK = ("3,706 items, core",)


def engine(binaries, folder, quick):
    """One row a measurement, as the programs print them."""
    for name, (n_items, dim, generator, hidden, halves) in SIZES.items():
        if quick and name not in QUICK:
            continue
        path = os.path.join(folder, "micro.safetensors")
        values = [("age", str(i)) for i in range(8)]
        models.write(path, ["i%d" % i for i in range(n_items)], dim, values, generator, hidden, halves=halves)
        for binary in binaries:
            done = subprocess.run([binary, path], stdout=subprocess.PIPE, text=True, check=True)
            yield from ({"model": name, **json.loads(line)} for line in done.stdout.splitlines())
        os.unlink(path)


def json_texts(binary):
    """What JSON costs, whatever the model."""
    done = subprocess.run([binary], stdout=subprocess.PIPE, text=True, check=True)
    yield from ({"model": "any", **json.loads(line)} for line in done.stdout.splitlines())


def store(binary, interactions, work):
    """(name, value, unit) of the store's reads and writes."""
    done = subprocess.run([binary, interactions, work], stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]
