"""A client of hypernet's HTTP API: one file, the standard library alone.

    from hypernet import Hypernet, Problem

    hn = Hypernet("http://127.0.0.1:8080", token="...")     # admin calls need the admin's token
    hn.put_user("ada", profile={"age": "25-34"}, interactions=[{"item": "i1"}])
    for item in hn.recommend("ada", limit=3)["items"]:
        print(item["id"], item["score"])

Answers are what the server's JSON says, as dictionaries (`schema/openapi.yaml`). What it refuses is raised as `Problem`, with its
status and every fault by place; a server that cannot be reached as `Unreachable`. An object may be used by many threads;
connections are kept open and used again.

A call that changes nothing, or that may be made twice, is made again where the connection broke or the server said that it is busy
(502, 503, 504; it waits as long as `Retry-After` says, up to `max_wait`). Events and examples that come as they are seen are sent
again only where they surely did not arrive: the connection could not be made, or the server said 503 before it read them.

`export` writes a model that was trained elsewhere as a file that the server loads; it alone needs numpy.
"""
from __future__ import annotations

import http.client
import json
import os
import random
import select
import ssl
import struct
import threading
import time
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Hypernet", "Problem", "Unreachable", "export"]

Json = Dict[str, Any]
BUSY = (502, 503, 504)


class Problem(Exception):
    """What the server refused (RFC 9457). `kind` is the last part of the problem's type, `pointer` the place in the body, `errors` each
    fault where there are several."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]):
        try:
            self.document: Json = json.loads(body)
        except ValueError:
            self.document = {}
        if not isinstance(self.document, dict):
            self.document = {}
        self.status = status
        self.kind: str = str(self.document.get("type", "")).rsplit(":", 1)[-1]
        self.detail: str = self.document.get("detail") or self.document.get("title") or body[:200].decode(errors="replace")
        self.pointer: Optional[str] = self.document.get("pointer")
        self.errors: List[Json] = self.document.get("errors", [])
        self.retry_after_s: Optional[float] = _seconds(headers.get("Retry-After"))
        self.request_id: Optional[str] = headers.get("X-Request-Id")
        super().__init__("%d %s%s" % (status, self.detail, " at %s" % self.pointer if self.pointer else ""))


class Unreachable(Exception):
    """No answer came: the server is not there, or the connection broke."""


def _seconds(text: Optional[str]) -> Optional[float]:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:  # a date, which this server does not send
        return None


def _segment(text: str) -> str:
    return quote(text, safe="")


def _given(**values: Any) -> Json:
    """Without what was not given."""
    return {k: v for k, v in values.items() if v is not None}


def _parameter(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class Hypernet:
    """url: of the server or of the proxy before it, http or https, with a path where the proxy adds one.
    token: what goes into `Authorization`; model: the model that is asked where a call does not say.
    retries: how often a call that may be made again is; timeout: seconds that an answer may take."""

    def __init__(self, url: str = "http://127.0.0.1:8080", *, token: Optional[str] = None, model: Optional[str] = None,
                 timeout: float = 10.0, retries: int = 2, max_wait: float = 5.0, idle: float = 20.0,
                 context: Optional[ssl.SSLContext] = None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("a URL of http or https with a host is wanted, not %r" % url)
        self._https, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._token, self._model, self._context = token, model, context
        self._timeout, self._retries, self._max_wait, self._idle = timeout, retries, max_wait, idle
        self._lock = threading.Lock()
        self._free: List[Tuple[http.client.HTTPConnection, float]] = []

    # ---- the connection ----

    def _take(self) -> http.client.HTTPConnection:
        """The connection that was used last, or a new one. One that was idle for long may be closed by the other side at any moment; of
        one that was closed, by a restart for one, there is something to read: its end."""
        while True:
            with self._lock:
                kept, used = self._free.pop() if self._free else (None, 0.0)
            if kept is None:
                break
            if time.monotonic() - used < self._idle and not select.select([kept.sock], [], [], 0)[0]:
                return kept
            kept.close()
        made = (http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context) if self._https
                else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout))
        made.connect()
        return made

    def _give(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._free.append((connection, time.monotonic()))

    def close(self) -> None:
        """Closes the connections that are not in use; the next call makes one."""
        with self._lock:
            free, self._free = self._free, []
        for connection, _ in free:
            connection.close()

    def __enter__(self) -> Hypernet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _once(self, method: str, path: str, body: Optional[bytes], headers: Mapping[str, str]):
        """One attempt: (status, headers, body). Raises OSError or HTTPException with `.sent`: whether the server may have read it."""
        connection = None
        try:
            connection = self._take()
            connection.request(method, path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            status, fields, text = answer.status, answer.headers, answer.read()
        except BaseException as fault:
            if connection is not None:
                connection.close()
            self.close()  # those that are kept are of the same server
            fault.sent = connection is not None  # type: ignore[attr-defined]
            raise
        self._give(connection)
        return status, fields, text

    def request(self, method: str, path: str, body: Any = None, *, params: Optional[Mapping[str, Any]] = None,
                again: Optional[bool] = None, content_type: str = "application/json") -> Any:
        """Any call: its JSON, its bytes where it is none, None where there is none. `again`: whether it may be made twice; by default
        all but POST."""
        asked = {k: _parameter(v) for k, v in (params or {}).items() if v is not None}
        path = self._prefix + path + ("?" + urlencode(asked, doseq=True) if asked else "")
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = "Bearer " + self._token
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
            headers["Content-Type"] = content_type
        if again is None:
            again = method != "POST"
        attempts = 0
        while True:
            wait, fault = self._backoff(attempts), None
            try:
                status, answer_headers, answer = self._once(method, path, data, headers)
                if status < 400:
                    return self._decoded(answer_headers, answer)
                if status == 404 and method == "DELETE" and attempts:
                    return None  # an attempt before, whose answer was lost, did it
                fault = Problem(status, answer, answer_headers)
                repeat = status in BUSY and (again or status == 503)
                wait = fault.retry_after_s if fault.retry_after_s is not None else wait
            except (OSError, http.client.HTTPException) as broken:
                fault = Unreachable("%s %s: %s" % (method, path.split("?")[0], broken or type(broken).__name__))
                fault.__cause__ = broken
                repeat = again or not broken.sent  # type: ignore[union-attr]
            attempts += 1
            if not repeat or attempts > self._retries or wait > self._max_wait:
                raise fault
            time.sleep(wait)

    @staticmethod
    def _backoff(attempts: int) -> float:
        """A tenth of a second, twice as long each time, at random from half of it on, so that callers do not come back together."""
        return 0.1 * 2 ** attempts * random.uniform(0.5, 1)

    @staticmethod
    def _decoded(headers: Mapping[str, str], answer: bytes) -> Any:
        if not answer:
            return None
        return json.loads(answer) if headers.get("Content-Type", "").startswith("application/json") else answer

    def _params(self, params: Json) -> Json:
        return {"model": self._model, **params}

    # ---- users ----

    def _pages(self, path: str, rows: str, params: Json) -> Iterator[Json]:
        while True:
            page = self.request("GET", path, params=params)
            yield from page[rows]
            if "next" not in page:
                return
            params = {**params, "cursor": page["next"]}

    def recommend(self, user: Optional[str] = None, *, users: Optional[Sequence[str]] = None, profile: Optional[Json] = None,
                  interactions: Optional[Sequence[Json]] = None, contexts: Optional[Sequence[Json]] = None, fallback: Optional[Sequence[str]] = None, page: Optional[str] = None,
                  diversity: Optional[float] = None, limit: Optional[int] = None, offset: Optional[int] = None, category: Optional[Sequence[str]] = None,
                  exclude_seen: Optional[bool] = None, explain: Optional[int] = None, cold_start: Optional[bool] = None,
                  candidates: Optional[Sequence[str]] = None, exclude: Optional[Sequence[str]] = None, min_score: Optional[float] = None,
                  fields: Optional[Sequence[str]] = None, filter: Optional[Json] = None, mark_shown: Optional[Json] = None, **params: Any) -> Json:
        """The best items for a user: {"user", "model", "items": [{"id", "score", ...}], ...}; of the candidates alone where there are some.
        For many `users`: {"results": [...]}, some of which may be problems; with `profile` and `interactions` for somebody who is not stored,
        with `contexts`, [{"user" or "embedding", "weight"}], for several as one.
        `filter` is a tree as {"not": {"has_kind": {"kind": "purchase", "within_days": 30}}}. `mark_shown`, {} or {"kind", "delay"}, records what is listed as
        events; such a call is not sent again. `page` is the token that the page before had; lists of candidates, fields and the like have them."""
        params.update(limit=limit, offset=offset, exclude_seen=exclude_seen, explain=explain, cold_start=cold_start, min_score=min_score)
        lists = {name: [ids] if isinstance(ids, str) else list(ids)
                 for name, ids in _given(categories=category, candidates=candidates, exclude=exclude, fields=fields).items()}
        whom = _given(users=users, profile=profile, interactions=interactions, contexts=contexts, fallback=fallback, page=page, diversity=diversity, filter=filter,
                      mark_shown=mark_shown)
        if user is not None and not whom and lists.keys() <= {"categories"}:
            return self.request("GET", "/v1/users/%s/recommendations" % _segment(user), params=self._params({**params, "category": category}))
        asked = self._params({"model": params.pop("model", self._model)})
        return self.request("POST", "/v1/recommendations", _given(user=user, **whom, **params, **lists), params=asked, again=mark_shown is None)

    def score(self, user: str, items: Sequence[str], *, unknown: Optional[str] = None, cold_start: Optional[bool] = None,
              **params: Any) -> Json:
        """Scores of these items, in their order; unknown="null" lets items through that the model does not have."""
        params.update(unknown=unknown, cold_start=cold_start)
        return self.request("POST", "/v1/users/%s/predictions" % _segment(user), {"items": list(items)}, params=self._params(params),
                            again=True)

    def user(self, user: str, **params: Any) -> Json:
        return self.request("GET", "/v1/users/" + _segment(user), params=self._params(params))

    def export_user(self, user: str) -> Json:
        """All that is held of somebody: {"id", "profile", "interactions", "contexts", ...}."""
        return self.request("GET", "/v1/users/%s/export" % _segment(user))

    def similar_users(self, user: str, *, limit: Optional[int] = None, **params: Any) -> Json:
        """The users whom the model tells least apart from one: {"users": [{"id", "score"}], ...}."""
        return self.request("GET", "/v1/users/%s/similar" % _segment(user), params=self._params({**params, "limit": limit}))

    def merge_user(self, user: str, visitor: str, **params: Any) -> Json:
        """What `visitor` did becomes the user's, and `visitor` is forgotten, in one step. Needs the admin token."""
        return self.request("POST", "/v1/users/%s/merge" % _segment(user), {"from": visitor}, params=self._params(params))

    def put_user(self, user: str, *, profile: Optional[Json] = None, interactions: Optional[Sequence[Json]] = None,
                 embedding: Optional[Sequence[float]] = None, **params: Any) -> Json:
        """Registers a user or replaces profile and embedding; interactions only where they are given."""
        body = _given(profile=profile, interactions=interactions, embedding=embedding)
        return self.request("PUT", "/v1/admin/users/" + _segment(user), body, params=self._params(params))

    def patch_user(self, user: str, changes: Json, **params: Any) -> Json:
        """A merge patch: what is left out stays, None takes away."""
        return self.request("PATCH", "/v1/admin/users/" + _segment(user), changes, params=self._params(params),
                            content_type="application/merge-patch+json")

    def put_users(self, users: Iterable[Json], *, on_error: Optional[str] = None, **params: Any) -> Json:
        """Many at once, each with its "id", all or none but with on_error="skip"."""
        return self.request("POST", "/v1/admin/users", {"users": list(users)}, again=True,
                            params=self._params({"on_error": on_error, **params}))

    def forget_user(self, user: str) -> None:
        self.request("DELETE", "/v1/admin/users/" + _segment(user))

    def event(self, user: str, item: str, **more: Any) -> Json:
        """One interaction, now unless `timestamp` says when; `weight` or `rating` where there are some."""
        return self.events([{"user": user, "item": item, **_given(**more)}])

    def remove_interaction(self, user: str, item: str, *, kind: Optional[str] = None) -> Json:
        """Takes away what the user has with the item, of one kind or of all."""
        return self.request("DELETE", "/v1/users/%s/interactions/%s" % (_segment(user), _segment(item)), params={"kind": kind})

    def event_kinds(self) -> List[Json]:
        return self.request("GET", "/v1/admin/event-kinds")["kinds"]

    def put_event_kinds(self, kinds: Iterable[Json]) -> List[Json]:
        """Makes kinds of events, or changes them; those that are not named stay."""
        return self.request("PUT", "/v1/admin/event-kinds", {"kinds": list(kinds)})["kinds"]

    def events(self, events: Iterable[Json], *, create: Optional[bool] = None, on_error: Optional[str] = None) -> Json:
        """Interactions, each with "user" and "item"; the next answer of each user reflects them. Unknown users are made, but with
        create=False; unknown items with create=True, by the admin token."""
        return self.request("POST", "/v1/events", {"events": list(events)}, params={"create": create, "on_error": on_error})

    def all_users(self, *, prefix: Optional[str] = None) -> Iterator[Json]:
        """Everybody by id: {"id", "revision", "profile"}, a page at a time. Needs the admin token."""
        return self._pages("/v1/users", "users", {"prefix": prefix, "limit": 1000})

    # ---- items ----

    def item(self, item: str, **params: Any) -> Json:
        return self.request("GET", "/v1/items/" + _segment(item), params=self._params(params))

    def items(self, sort: str, *, limit: Optional[int] = None, category: Optional[Sequence[str]] = None, **params: Any) -> Json:
        """The items that everybody takes: sort "popular", or "trending" for those of late, both over window_days; or the "latest"."""
        params.update(sort=sort, limit=limit, category=category)
        return self.request("GET", "/v1/items", params=self._params(params))

    def all_items(self, *, prefix: Optional[str] = None, q: Optional[str] = None, category: Optional[Sequence[str]] = None,
                  filter: Optional[Json] = None, **params: Any) -> Iterator[Json]:
        """All items by id, as `item` tells of one, a page at a time; q: words of the title."""
        params.update(prefix=prefix, q=q, category=category, filter=None if filter is None else json.dumps(filter), limit=1000)
        return self._pages("/v1/items", "items", self._params(params))

    def similar(self, item: str, *, limit: Optional[int] = None, category: Optional[Sequence[str]] = None, **params: Any) -> Json:
        """The items that are most similar to one, without it."""
        params.update(limit=limit, category=category)
        return self.request("GET", "/v1/items/%s/similar" % _segment(item), params=self._params(params))

    def item_users(self, item: str, *, limit: Optional[int] = None, exclude_seen: Optional[bool] = None, **params: Any) -> Json:
        """The users who most likely want an item: {"users": [{"id", "score"}], ...}. Needs the admin token."""
        params.update(limit=limit, exclude_seen=exclude_seen)
        return self.request("GET", "/v1/items/%s/users" % _segment(item), params=self._params(params))

    def put_item(self, item: str, *, title: Optional[str] = None, categories: Optional[Sequence[str]] = None,
                 metadata: Optional[Json] = None, **params: Any) -> Json:
        body = _given(title=title, categories=categories, metadata=metadata)
        return self.request("PUT", "/v1/admin/items/" + _segment(item), body, params=self._params(params))

    def patch_item(self, item: str, changes: Json, **params: Any) -> Json:
        return self.request("PATCH", "/v1/admin/items/" + _segment(item), changes, params=self._params(params),
                            content_type="application/merge-patch+json")

    def put_items(self, items: Iterable[Json], *, on_error: Optional[str] = None, **params: Any) -> Json:
        return self.request("POST", "/v1/admin/items", {"items": list(items)}, again=True,
                            params=self._params({"on_error": on_error, **params}))

    def delete_item(self, item: str) -> None:
        self.request("DELETE", "/v1/admin/items/" + _segment(item))

    # ---- tasks ----

    def predict(self, task: str, rows: Optional[Sequence[Json]] = None, *, support: Optional[Json] = None, contexts: Optional[Sequence[Json]] = None,
                interval: Optional[float] = None, cold_start: Optional[bool] = None, unknown_category: Optional[str] = None,
                params: Optional[Json] = None, **more: Any) -> Json:
        """Predictions for rows of a task, or for its `images`; from `support` alone, or from a blend of other tasks, where these are given."""
        body = _given(rows=rows, support=support, contexts=contexts, interval=interval, **more)
        asked = self._params({"cold_start": cold_start, "unknown_category": unknown_category, **(params or {})})
        return self.request("POST", "/v1/tasks/%s/predictions" % _segment(task), body, params=asked, again=True)

    def predict_many(self, tasks: Iterable[Json], *, unknown: Optional[str] = None, params: Optional[Json] = None, **more: Any) -> Json:
        """Rows of many tasks in one call: [{"id", "rows"}]."""
        body = {"tasks": list(tasks), **_given(**more)}
        return self.request("POST", "/v1/predictions", body, params=self._params({"unknown": unknown, **(params or {})}), again=True)

    def which_task(self, rows: Optional[Sequence[Json]] = None, *, params: Optional[Json] = None, **more: Any) -> Json:
        """A guess: the likeliest tasks of rows that nobody names, or of `images`, or the `inputs` of a model of trained tasks."""
        body = _given(rows=None if rows is None else list(rows), **more)
        return self.request("POST", "/v1/tasks/predictions", body, params=self._params(params or {}), again=True)

    def task(self, task: str, **params: Any) -> Json:
        return self.request("GET", "/v1/tasks/" + _segment(task), params=self._params(params))

    def task_weights(self, task: str, **params: Any) -> bytes:
        """The task's own model as a safetensors file."""
        return self.request("GET", "/v1/tasks/%s/weights" % _segment(task), params=self._params(params))

    def put_task(self, task: str, *, profile: Optional[Json] = None, support: Optional[Json] = None, params: Optional[Json] = None,
                 **more: Any) -> Json:
        body = _given(profile=profile, support=support, **more)
        return self.request("PUT", "/v1/admin/tasks/" + _segment(task), body, params=self._params(params or {}))

    def patch_task(self, task: str, changes: Json, **params: Any) -> Json:
        return self.request("PATCH", "/v1/admin/tasks/" + _segment(task), changes, params=self._params(params),
                            content_type="application/merge-patch+json")

    def put_tasks(self, tasks: Iterable[Json], *, on_error: Optional[str] = None, **params: Any) -> Json:
        return self.request("POST", "/v1/admin/tasks", {"tasks": list(tasks)}, again=True,
                            params=self._params({"on_error": on_error, **params}))

    def add_examples(self, task: str, rows: Optional[Sequence[Json]] = None, *, create: Optional[bool] = None,
                     on_error: Optional[str] = None, params: Optional[Json] = None, **more: Any) -> Json:
        """Labelled rows as they come, or `images` with their `classes`; the next answer of the task reflects them."""
        asked = self._params({"create": create, "on_error": on_error, **(params or {})})
        return self.request("POST", "/v1/tasks/%s/examples" % _segment(task), _given(rows=rows, **more), params=asked)

    def forget_task(self, task: str) -> None:
        self.request("DELETE", "/v1/admin/tasks/" + _segment(task))

    def forget_class(self, task: str, class_name: str) -> None:
        """A class of a task of images."""
        self.request("DELETE", "/v1/admin/tasks/%s/classes/%s" % (_segment(task), _segment(class_name)))

    # ---- the server ----

    def backup(self) -> Json:
        """A copy of the whole store in the server's --backup-dir: {"file", "bytes", ...}. Needs the admin token; give the client a timeout for it."""
        return self.request("POST", "/v1/admin/backup")

    def models(self) -> List[Json]:
        return self.request("GET", "/v1/models")["models"]

    def ready(self) -> bool:
        """Whether the server answers and has what it needs. Never raises."""
        try:
            status, _, _ = self._once("GET", self._prefix + "/readyz", None, {})
            return status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds: float = 30.0) -> None:
        """Comes back once the server is ready; raises Unreachable where it is not by then."""
        end = time.monotonic() + seconds
        while not self.ready():
            if time.monotonic() > end:
                raise Unreachable("not ready within %g seconds" % seconds)
            time.sleep(0.05)


# ---- models that were trained elsewhere ----

def bfloat16(array: Any) -> Any:
    """The upper halves of float32 numbers, rounded to the nearest, a tie to the even one."""
    import numpy as np
    bits = np.ascontiguousarray(array, "<f4").view("<u4")
    rounded = np.where(bits & 0x7f800000 == 0x7f800000, bits | (bits & 0x7fffff != 0) << 22, bits + 0x7fff + (bits >> 16 & 1))
    return (rounded >> 16).astype("<u2")


def _float32(name: str, array: Any) -> Any:
    import numpy as np
    if hasattr(array, "detach"):  # a tensor of PyTorch
        array = array.detach().cpu().float().numpy()
    numbers = np.ascontiguousarray(array, "<f4")
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        raise ValueError("%s%s is %s; a model has finite numbers of float32 alone" % (name, bad[0].tolist(), numbers[tuple(bad[0])]))
    return numbers


def _check_sizes(description: Mapping[str, Any], arrays: Mapping[str, Any], item_ids: Sequence[str], halves: Iterable[str]) -> None:
    """What the file's own checks say too, while the names are those of the program that exports."""
    n_items, d_item = description["n_items"], description["d_item"]
    for name, shape in (("catalogue.embedding", (n_items, d_item)), ("catalogue.bias", (n_items,))):
        if n_items and name in arrays and arrays[name].shape != shape:
            raise ValueError("%s is of the shape %s; the description asks for %s" % (name, arrays[name].shape, shape))
    if n_items and len(item_ids) != n_items:
        raise ValueError("%d item_ids for n_items %d" % (len(item_ids), n_items))
    if len(set(item_ids)) != len(item_ids) or not all(item_ids):
        raise ValueError("item_ids are not each another one, and none empty")
    for name in halves:
        if name not in arrays:
            raise ValueError("%s of halves is not in arrays" % name)


def export(path: str, description: Mapping[str, Any], arrays: Mapping[str, Any], item_ids: Sequence[str] = (),
           halves: Iterable[str] = ()) -> None:
    """Writes a model file (schema/model.md). description: what the file says of the model; arrays: name in the file -> array, or tensor
    of PyTorch; item_ids: one for each row of catalogue.embedding, or without items of encoder.id; halves: names of target.N.head.weight to be
    written as bfloat16, in half the bytes. It appears whole or not at all. ValueError names a tensor that is not
    finite, and sizes of the catalogue; `hypernet inspect` checks the others."""
    import numpy as np
    item_ids, halves = [str(i) for i in item_ids], set(halves)
    floats = {name: _float32(name, array) for name, array in arrays.items()}
    _check_sizes(description, floats, item_ids, halves)
    tensors = {name: ("BF16", bfloat16(array)) if name in halves else ("F32", array) for name, array in floats.items()}
    for name in halves:
        if (tensors[name][1] & 0x7f80 == 0x7f80).any():
            raise ValueError("%s has numbers that are infinite as bfloat16" % name)
    if item_ids:
        ids = [i.encode() for i in item_ids]
        of = "catalogue" if description["n_items"] else "encoder.id"
        tensors[of + ".id_bytes"] = ("U8", np.frombuffer(b"".join(ids), "u1"))
        tensors[of + ".id_offsets"] = ("I64", np.cumsum([0] + [len(i) for i in ids]).astype("<i8"))
    header: Json = {"__metadata__": {"hypernet": json.dumps(description, allow_nan=False, default=int)}}
    offset = 0
    order = sorted(tensors, key=lambda name: (-tensors[name][1].itemsize, name))
    for name in order:
        dtype, array = tensors[name]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = "%s.%d.part" % (path, os.getpid())
    try:
        with open(part, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in order:
                out.write(tensors[name][1].tobytes())
        os.replace(part, path)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise
