"""The same answers from all: the items and, to 1e-4, the scores. Compared before anything is timed, and against float64
computed from the model file by tests/golden/reference.py, which shares no code with any of them."""
import contextlib
import os
import sqlite3
import sys
import urllib.parse

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden"))
import reference  # noqa: E402  pylint: disable=wrong-import-position

TOLERANCE = 1e-4


class Wrong(Exception):
    """An answer that is not the one all others give."""


def recommendations_path(user, limit=10):
    return "/v1/users/%s/recommendations?limit=%d" % (urllib.parse.quote(user, safe=""), limit)


def predictions_path(user):
    return "/v1/users/%s/predictions" % urllib.parse.quote(user, safe="")


def _same(name, user, want, got):
    """Lists of (id, score): equal scores in order; an item may change places only with one of the same score."""
    if len(want) != len(got):
        raise Wrong("%s, user %s: %d items instead of %d" % (name, user, len(got), len(want)))
    scores = dict(want)
    for (item, score), (other, other_score) in zip(want, got):
        if abs(score - other_score) > TOLERANCE or (item != other and abs(scores.get(other, score) - score) > TOLERANCE):
            raise Wrong("%s, user %s: %s %.6f instead of %s %.6f" % (name, user, other, other_score, item, score))


def _list(answer, key):
    return [(row["id"], row["score"]) for row in answer[key]]


def check(world, servers, n_users, candidates):
    """Asks every server for n_users users, twice each (a miss, then perhaps a hit). Raises Wrong."""
    step = max(1, len(world.users) // n_users)
    for user in world.users[::step][:n_users]:
        want = _list(servers[0].call("GET", recommendations_path(user)), "items")
        want_scores = _list(servers[0].call("POST", predictions_path(user), {"items": candidates}), "predictions")
        for server in servers:
            _same(server.name, user, want, _list(server.call("GET", recommendations_path(user)), "items"))
            got = _list(server.call("POST", predictions_path(user), {"items": candidates}), "predictions")
            _same(server.name, user, want_scores, got)
            if [item for item, _ in got] != candidates:
                raise Wrong("%s, user %s: predictions in another order" % (server.name, user))


def check_reference(world, server, n_users):
    """Against float64 from the file, the stored context and the stored interactions."""
    model = reference.Model(world.model)
    ids = model.item_ids()
    row_of = {item: row for row, item in enumerate(ids)}
    with contextlib.closing(sqlite3.connect(world.store)) as db:
        for user in world.users[:n_users]:
            (blob,), = db.execute("SELECT embedding FROM contexts WHERE kind = 'user' AND id = ? AND model = ? AND model_version = ?",
                                  (user, model.description["name"], model.description["version"]))
            seen = {item for item, in db.execute(
                "SELECT i.id FROM interactions x JOIN users u USING (user_key) JOIN items i USING (item_key) WHERE u.id = ?", (user,))}
            scores = model.scores(np.frombuffer(blob, "<f4").astype("f8"), [row_of[item] for item in seen if item in row_of])
            best = [(ids[i], scores[i]) for i in np.argsort(-scores, kind="stable") if ids[i] not in seen][:10]
            _same("numpy", user, best, _list(server.call("GET", recommendations_path(user)), "items"))
