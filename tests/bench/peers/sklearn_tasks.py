"""Peer of tests/bench/tasks: a scikit-learn model for each task, as teams keep them, behind FastAPI and uvicorn.

    PEER_MODELS=models.pickle python3 -m uvicorn sklearn_tasks:app --app-dir tests/bench/peers

The file has {task: (columns, fitted pipeline)}. One process a core, all models in memory of each, no access log; answers are made without pydantic."""
import json
import os
import pickle

import fastapi
import numpy

app = fastapi.FastAPI(openapi_url=None)
models = {}


@app.get("/healthz")
async def healthz():
    return {}


@app.on_event("startup")
def read_models():
    with open(os.environ["PEER_MODELS"], "rb") as f:
        models.update(pickle.load(f))


@app.post("/v1/tasks/{task}/predictions")
async def predict(task: str, request: fastapi.Request):
    found = models.get(task)
    if found is None:
        raise fastapi.HTTPException(404, "no task '%s'" % task)
    columns, model = found
    rows = json.loads(await request.body())["rows"]
    values = model.predict(numpy.array([[row[c] for c in columns] for row in rows])).tolist()
    return fastapi.Response(json.dumps({"task": task, "predictions": [{"value": v} for v in values]}, separators=(",", ":")),
                            media_type="application/json")
