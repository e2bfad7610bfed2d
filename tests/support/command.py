"""Runs the binary's commands for the tests: one environment, and a small world to train on."""
import json
import os
import subprocess
import tempfile
import unittest

import hn

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HYPERNET = os.environ.get("HYPERNET", os.path.join(ROOT, "build", "release", "hypernet"))
COMMANDS = ["simulate", "import", "train", "evaluate", "recommend", "serve", "inspect", "split", "backup", "restore", "predict",
            "plot", "export", "search"]


def environment(**more):
    """The environment without the options that somebody has set in theirs."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("HYPERNET")}
    own.update(more)
    return own


def run(*args, env=None, **more):
    args = [*map(str, args)]
    trains_alone = args[:1] == ["search"] or args[:1] == ["train"] and ("--threads", "1") in zip(args, args[1:])
    return subprocess.run([hn.TRAINER if trains_alone else HYPERNET, *args], capture_output=True, text=True, timeout=600,
                          env=environment(**(env or {})), **more)


def done(*args, **more):
    """Runs a command that must succeed; its standard output."""
    r = run(*args, **more)
    if r.returncode != 0:
        raise AssertionError("%s: status %d\n%s" % (" ".join(map(str, args)), r.returncode, r.stderr))
    return r.stdout


def done_json(*args, **more):
    return json.loads(done(*args, "--json", **more))


class World(unittest.TestCase):
    """A simulated world in a store and a model trained on it, made once a class."""
    users, items, interactions = 120, 150, 3000
    epochs, dim = 2, 8
    generator = "core"  # what serves weights is tested, not whether they are worth it

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = folder.name
        cls.store, cls.model = cls.path("s.db"), cls.path("m.safetensors")
        done("simulate", "--out", cls.dir, "--users", cls.users, "--items", cls.items,
             "--interactions", cls.interactions, "--seed", 5)
        cls.load(cls.store)
        cls.report = cls.train(cls.store, cls.model)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.dir, name)

    @classmethod
    def load(cls, store):
        done("import", "--store", store, "--interactions", cls.path("interactions.tsv"),
             "--users", cls.path("users.tsv"), "--items", cls.path("items.tsv"))

    @classmethod
    def train(cls, store, out, *args):
        generator = [] if "--generator" in args else ["--generator", cls.generator]
        return done_json("train", "--store", store, "--out", out, "--epochs", cls.epochs, "--dim", cls.dim,
                         "--threads", 1, *generator, *args)

    @classmethod
    def rows(cls, name):
        """The rows of a table with a header, as dictionaries."""
        with open(cls.path(name), encoding="utf-8") as f:
            header = f.readline().rstrip("\n").split("\t")
            return [dict(zip(header, line.rstrip("\n").split("\t"))) for line in f]
