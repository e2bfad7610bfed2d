"""What all servers of the bench answer from: a store that `hypernet import` filled and a model that `hypernet train` wrote with its
defaults, as a user would have them. The data is MovieLens 1M where it is (`ml-1m` of tests/bench/README.md), else `hypernet
simulate`'s world of that size; quick, a small simulated one, which trains in seconds."""
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

SIZE = {False: (6040, 3706, 994000), True: (400, 300, 16000)}  # users, items, interactions; quick
MOVIELENS = {"interactions": "train.tsv.gz", "users": "users.tsv.gz", "items": "items.tsv.gz"}


def read_model(path):
    """The description of a model file and the ids of its items."""
    with open(path, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))

        def tensor(name):
            begin, end = header[name]["data_offsets"]
            f.seek(8 + size + begin)
            return f.read(end - begin)
        text, offsets = tensor("catalogue.id_bytes"), memoryview(tensor("catalogue.id_offsets")).cast("q")
    return json.loads(header["__metadata__"]["hypernet"]), [text[a:b].decode() for a, b in zip(offsets[:-1], offsets[1:])]


class World:
    """folder: where it is made, and used again when it was made there whole. data: the folder of real data, or None."""

    def __init__(self, binary, folder, quick=False, data=None):
        self.binary, self.folder = binary, folder
        self.store, self.model = self.path("store.db"), self.path("model.safetensors")
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(self.path("world.json")):
            self._make(quick, data)
        with open(self.path("world.json"), encoding="utf-8") as f:
            self.about = json.load(f)
        self.interactions = self.about["tables"]["interactions"]
        self.description, self.items = read_model(self.model)
        self._read_store()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def _run(self, *args):
        done = subprocess.run([self.binary, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError("%s: %s" % (" ".join(map(str, args)), done.stderr[-2000:]))
        return done.stdout

    # ---- making it ----

    def _tables(self, quick, data):
        """What the data is, and its tables."""
        if data and not quick:
            found = {kind: os.path.join(data, "ml-1m", name) for kind, name in MOVIELENS.items()}
            if all(map(os.path.exists, found.values())):
                return "MovieLens 1M", found
        n_users, n_items, n_interactions = SIZE[quick]
        self._run("simulate", "--out", self.path("world"), "--users", n_users, "--items", n_items, "--interactions", n_interactions)
        return ("a small simulated world" if quick else "a simulated world of MovieLens 1M's size, which is not here",
                {kind: self.path("world", kind + ".tsv") for kind in MOVIELENS})

    def _make(self, quick, data):
        what, tables = self._tables(quick, data)
        for path in (self.store, self.model):
            if os.path.exists(path):
                os.unlink(path)
        print("bench: %s: import, then training with defaults%s" % (what, "" if quick else " (some minutes)"), file=sys.stderr, flush=True)
        self._run("import", "--store", self.store, *(word for kind, path in tables.items() for word in ("--" + kind, path)))
        started = time.monotonic()
        report = json.loads(self._run("train", "--store", self.store, "--out", self.model, "--name", "bench", "--json"))
        about = {"what": what, "tables": tables, "train_seconds": time.monotonic() - started, "report": report}
        with open(self.path("world.json"), "w", encoding="utf-8") as f:  # last: from here on it is whole
            json.dump(about, f)

    # ---- what is in it ----

    def _read_store(self):
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            self.profiles = {user: json.loads(profile or "{}") for user, profile in
                             db.execute("SELECT id, profile FROM users ORDER BY user_key")}
        self.users = list(self.profiles)
        self.n_items = self.description["n_items"]
        self.n_pairs = self.description["target"].get("neighbours", {}).get("pairs", 0)

    def told(self):
        """In a line, for the head of the table."""
        layers = self.description["target"]["layers"]
        return "%s: %d users, %d items; trained with defaults in %.0f s: %d wide, hidden layer %s, %s" % (
            self.about["what"], len(self.users), self.n_items, self.about["train_seconds"], self.description["d_item"],
            layers[0]["generator"] if layers else "none", "%d item-item weights" % self.n_pairs if self.n_pairs else "no item-item weights")

    # ---- other stores ----

    def copy(self, name):
        """The store once more, for a load that writes."""
        target = self.path(name)
        for old in (target, target + "-wal", target + "-shm"):
            if os.path.exists(old):
                os.unlink(old)
        with contextlib.closing(sqlite3.connect(self.store)) as source, contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        return target

    def crowd(self, n):
        """A store of n users m0, m1, ...: each has the profile, the context and with it the list of items of one of the world's
        users. Interactions are not multiplied: who has a context and its list is answered from them."""
        path = self.path("crowd-%d.db" % n)
        shutil.copyfile(self.copy("crowd-base.db"), path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT u.profile, u.revision, c.model, c.model_version, c.embedding, c.taken FROM users u JOIN contexts c "
                              "ON c.id = u.id AND c.kind = 'user' AND c.taken IS NOT NULL ORDER BY u.user_key").fetchall()
            db.executescript("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; DELETE FROM interactions;"
                             "DELETE FROM contexts; DELETE FROM users; DELETE FROM changes;")
            db.executemany("INSERT INTO users (id, profile, revision) VALUES (?, ?, ?)",
                           (("m%d" % i, *rows[i % len(rows)][:2]) for i in range(n)))
            db.executemany("INSERT INTO contexts (model, model_version, kind, id, revision, given, embedding, taken) "
                           "VALUES (?, ?, 'user', ?, ?, 0, ?, ?)",
                           ((r[2], r[3], "m%d" % i, r[1], r[4], r[5]) for i in range(n) for r in (rows[i % len(rows)],)))
            db.commit()
            db.execute("PRAGMA journal_mode = WAL")
        return path
