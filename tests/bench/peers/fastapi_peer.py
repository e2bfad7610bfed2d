"""Peer (a): hypernet's answers from FastAPI, uvicorn, PyTorch and SQLite, with an LRU of generated weights.

    PEER_STORE=... PEER_MODEL=... PEER_CACHED_USERS=N python3 -m uvicorn fastapi_peer:app --app-dir tests/bench/peers

One process a core, one thread of PyTorch each, uvloop and httptools, no access log. The calls are `async def`: a pool of
threads would cost more than the millisecond of work. Answers are made without pydantic: their shape is known."""
import collections
import json
import os

import fastapi
import torch

from hypernet_torch import Model, Store

torch.set_num_threads(1)
app = fastapi.FastAPI(openapi_url=None)
state = {}


class Lru:
    def __init__(self, most):
        self.most, self.entries = most, collections.OrderedDict()

    def get(self, key):
        value = self.entries.get(key)
        if value is not None:
            self.entries.move_to_end(key)
        return value

    def put(self, key, value):
        if self.most:
            self.entries[key] = value
            if len(self.entries) > self.most:
                self.entries.popitem(last=False)


@app.get("/healthz")
async def healthz():
    return {}


@app.on_event("startup")
def open_all():
    model = Model(os.environ["PEER_MODEL"])
    state.update(model=model, store=Store(os.environ["PEER_STORE"], model), cache=Lru(int(os.environ["PEER_CACHED_USERS"])))


def acquire(user):
    """(revision, theta, seen rows) and whether it was cached."""
    found = state["cache"].get(user)
    if found is not None:
        return found, "hit"
    row = state["store"].user(user)
    if row is None:
        raise fastapi.HTTPException(404, "no user '%s'" % user)
    revision, context, seen = row
    made = revision, state["model"].generate(context, seen), seen
    state["cache"].put(user, made)
    return made, "miss"


def answer(user, revision, key, rows, cache):
    description = state["model"].description
    body = {"user": user, "model": description["name"], "model_version": description["version"],
            "context_revision": revision, key: rows}
    return fastapi.Response(json.dumps(body, separators=(",", ":")), media_type="application/json",
                            headers={"x-hypernet-cache": cache})


@app.get("/v1/users/{user}/recommendations")
async def recommend(user: str, limit: int = 10):
    with torch.inference_mode():
        (revision, theta, seen), cache = acquire(user)
        scores = state["model"].scores(theta)
        scores[seen] = -torch.inf
        best = torch.topk(scores, min(limit, len(scores)))
    ids, titles = state["model"].item_ids, state["store"].titles
    rows = [{"id": ids[i], "score": score, "title": titles[i][0], "categories": titles[i][1]}
            for i, score in zip(best.indices.tolist(), best.values.tolist())]
    return answer(user, revision, "items", rows, cache)


@app.post("/v1/users/{user}/predictions")
async def predict(user: str, request: fastapi.Request):
    items = json.loads(await request.body())["items"]
    with torch.inference_mode():
        (revision, theta, _), cache = acquire(user)
        scores = state["model"].scores(theta, torch.tensor([state["model"].index[i] for i in items])).tolist()
    return answer(user, revision, "predictions", [{"id": i, "score": s} for i, s in zip(items, scores)], cache)
