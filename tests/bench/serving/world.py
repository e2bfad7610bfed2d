"""What all servers of the bench answer from: one model file and one store, made anew in a folder.

The world is `hypernet simulate`'s at the size of MovieLens 1M, so that the bench runs anywhere. Users are registered over
HTTP, as users are: the store then holds their contexts, and the peers read the same rows."""
import contextlib
import csv
import os
import shutil
import sqlite3
import subprocess

from . import models
from .servers import Hypernet

DIM = 192  # what `hypernet train` chooses for MovieLens 1M


def _rows(path):
    with open(path, encoding="utf-8", newline="") as f:
        yield from csv.DictReader(f, delimiter="\t")


class World:
    """folder: where it is made. quick: a small one for checking answers."""

    def __init__(self, binary, folder, quick=False):
        self.binary, self.folder = binary, folder
        self.n_users, self.n_items, interactions = (400, 3706, 20000) if quick else (6040, 3706, 994000)
        self._run("simulate", "--out", self.path("world"), "--users", self.n_users, "--items", self.n_items,
                  "--interactions", interactions)
        self.profiles = {row.pop("user"): row for row in _rows(self.path("world", "users.tsv"))}
        self.users = list(self.profiles)
        self.items = [row["item"] for row in _rows(self.path("world", "items.tsv"))]
        self.values = sorted({pair for profile in self.profiles.values() for pair in profile.items()})
        self.model = self.path("model.safetensors")
        models.write(self.model, self.items, DIM, self.values)
        self.store = self.path("store.db")
        self._run("import", "--store", self.store, "--items", self.path("world", "items.tsv"))
        self._register()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def _run(self, *args):
        subprocess.run([self.binary, *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def registrations(self):
        """Each user as a registration: profile and interactions."""
        taken = {user: [] for user in self.users}
        for row in _rows(self.path("world", "interactions.tsv")):
            taken[row["user"]].append({"item": row["item"], "timestamp": int(row["timestamp"])})
        return [{"id": user, "profile": self.profiles[user], "interactions": taken[user]} for user in self.users]

    def _register(self, batch=250):
        users = self.registrations()
        with Hypernet(self.binary, self.store, self.model, self.folder) as server:
            for start in range(0, len(users), batch):
                server.call("POST", "/v1/admin/users", {"users": users[start:start + batch]})

    def copy(self, name):
        """The store once more, for a load that writes."""
        target = self.path(name)
        with contextlib.closing(sqlite3.connect(self.store)) as source, contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
        return target

    def crowd(self, n):
        """A store of n users m0, m1, ...: each has the context of one of the world's users and no interactions."""
        path = self.path("crowd-%d.db" % n)
        shutil.copyfile(self.copy("crowd-empty.db"), path)
        with contextlib.closing(sqlite3.connect(path)) as db:
            contexts = [row for row, in db.execute("SELECT embedding FROM contexts WHERE kind = 'user'")]
            db.executescript("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; DELETE FROM interactions;"
                             "DELETE FROM contexts; DELETE FROM users; DELETE FROM changes;")
            db.executemany("INSERT INTO users (id, revision) VALUES (?, 1)", (("m%d" % i,) for i in range(n)))
            db.executemany("INSERT INTO contexts (model, model_version, kind, id, revision, given, embedding) "
                           "VALUES ('bench', '1', 'user', ?, 1, 0, ?)",
                           (("m%d" % i, contexts[i % len(contexts)]) for i in range(n)))
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path
