"""Everything a caller can get wrong: the status and type it hears, and that nothing changed, crashed or hung."""
import contextlib
import json
import os
import random
import socket
import sqlite3
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hn

MOST_BODY = 256 * 1024
NDJSON = {"Content-Type": "application/x-ndjson"}
PUT, POST, EVENTS, PREDICT = "/v1/admin/users/u1", "/v1/admin/users", "/v1/events", "/v1/users/u1/predictions"
GETS = ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/users/u1", "/v1/users/u1/recommendations"]
ALLOWED = {"/": "GET, HEAD, OPTIONS", "/healthz": "GET, HEAD, OPTIONS", "/readyz": "GET, HEAD, OPTIONS",
           "/metrics": "GET, HEAD, OPTIONS", "/openapi.json": "GET, HEAD, OPTIONS",
           "/v1/users/u1": "GET, HEAD, OPTIONS", "/v1/users/u1/recommendations": "GET, HEAD, OPTIONS",
           PREDICT: "POST, OPTIONS", EVENTS: "POST, OPTIONS", POST: "POST, OPTIONS", PUT: "PUT, PATCH, DELETE, OPTIONS"}


class Refusals(hn.Case):
    options = ("--max-body-bytes", MOST_BODY)

    def setUp(self):
        self.before = self.server.rows(), self.server.user("u1").json, self.server.recommend("u1").body

    def assertNothingChanged(self):
        self.assertEqual((self.server.rows(), self.server.user("u1").json, self.server.recommend("u1").body),
                         self.before)

    def tearDown(self):
        self.assertNothingChanged()
        self.assertEqual(self.server.request("GET", "/readyz").status, 200)

    def send(self, method, path, body, **rest):
        if isinstance(body, str):
            body = body.encode()
        return self.server.admin(method, path, body, **rest)

    # ---- what is not JSON ----

    def test_malformed_json_is_refused_with_its_place(self):
        cases = [  # body, line, column
            (b"", 1, 1),
            (b" \n\n ", 3, 1),
            (b"{", 1, 1),
            (b"}", 1, 1),
            (b"nonsense", 1, 8),
            (b'{"events": [}', 1, 13),
            (b'{"events": []', 1, 13),
            (b'{"events": [],}', 1, 15),
            (b'{"events": []} x', 1, 16),
            (b'{\n  "events": [\n    {"user": "u1" "item": "i1"}\n  ]\n}', 3, 24),
            (b"{'events': []}", 1, 2),
            (b'{"events": [NaN]}', 1, 15),
            (b'{"events": [Infinity]}', 1, 20),
            (b'{"events": [-Infinity]}', 1, 13),
            (b'{"events": [01]}', 1, 13),
            (b'{"events": [.5]}', 1, 13),
            (b'{"events": ["\xff"]}', 1, 13),
            (b'{"events": ["\xed\xa0\x80"]}', 1, 13),
            (b'{"events": ["\\ud800"]}', 1, 20),
            (b'{"events": ["\\u0000"], "\\u0000": 1}', None, None),
            (b'{"events": ["\\x"]}', None, None),
            (b'{"events": ["a\nb"]}', None, None),
            (b'{"events": "', None, None),
            (b'\xef\xbb\xbf{"events": []}', None, None),
            (b"\0", None, None),
            (b'{"events": []}\0', None, None),
        ]
        for body, line, column in cases:
            for method, path in (("POST", EVENTS), ("PUT", PUT), ("POST", POST), ("POST", PREDICT)):
                with self.subTest(body=body, path=path):
                    problem = self.assertProblem(self.send(method, path, body), 400, "malformed-json")
                    self.assertGreaterEqual(problem["line"], 1)
                    self.assertGreaterEqual(problem["column"], 1)
                    if line:
                        self.assertEqual(problem["line"], line, problem)
                        self.assertEqual(problem["column"], column, problem)
        self.assertNothingChanged()

    def test_a_key_given_twice_is_refused(self):
        for body in ('{"profile": {}, "profile": {}}', '{"profile": {"a": 1, "a": 2}}'):
            self.assertProblem(self.send("PUT", PUT, body), 400, "malformed-json")
        self.assertProblem(self.send("POST", EVENTS, '{"events": [], "events": []}'), 400, "malformed-json")

    def test_nesting_past_32_is_refused_where_it_passes(self):
        for opening in ("[", '{"a":'):
            for depth in (33, 100, 3000, 60000 // len(opening)):
                with self.subTest(opening=opening, depth=depth):
                    for method, path in (("PUT", PUT), ("POST", EVENTS), ("POST", POST), ("POST", PREDICT)):
                        problem = self.assertProblem(self.send(method, path, opening * depth), 400, "malformed-json")
                        self.assertEqual((problem["line"], problem["column"]), (1, 32 * len(opening) + 1))
        deep = "[" * 33 + "]" * 33
        self.assertProblem(self.send("PUT", PUT, '{"profile": {"a":\n%s}}' % deep), 400, "malformed-json")
        # brackets in a text are no nesting
        self.assertProblem(self.send("PUT", PUT, '{"x": "%s\\"%s"}' % ("[" * 100, "{" * 100)), 422, "invalid-value")

    # ---- what is JSON but wrong ----

    def refuse_values(self, method, path, cases, **rest):
        for body, pointer in cases:
            text = body if isinstance(body, str) else json.dumps(body)
            with self.subTest(path=path, body=text[:200]):
                problem = self.assertProblem(self.send(method, path, text, **rest), 422, "invalid-value")
                self.assertEqual(problem.get("pointer"), pointer, problem)
                self.assertNothingChanged()

    def test_a_registration_of_wrong_types_is_refused_at_its_pointer(self):
        width = self.world.description["hypernet"]["d_context"]
        e = [0.5] * width
        cases = [(value, "") for value in ([], '"x"', 1, 1.5, True, None, [{}])]
        for value in ({}, "x", 1, True, None):
            cases += [({"interactions": value}, "/interactions"), ({"embedding": value}, "/embedding")]
        cases += [({"profile": value}, "/profile") for value in ([], "x", 1, True, None)]
        cases += [({"interactions": [value]}, "/interactions/0") for value in ([], "x", 1, True, None)]
        good = {"item": "i1"}
        cases += [({"interactions": [good, {"item": value}]}, "/interactions/1/item")
                  for value in ([], {}, 1, True, None, "", "x" * 257)]
        cases += [({"interactions": [good, good, {}]}, "/interactions/2/item")]
        for key in ("weight", "rating", "timestamp"):
            cases += [({"interactions": [dict(good, **{key: value})]}, f"/interactions/0/{key}")
                      for value in ("x", "1", [], {}, True, None)]
        cases += [({"interactions": [dict(good, weight=value)]}, "/interactions/0/weight")
                  for value in (0, -1, -0.0, 1e39, -1e39, 1e-400, 1e300, 1e-320, 1e-7, 1000001)]
        cases += [({"interactions": [dict(good, rating=value)]}, "/interactions/0/rating") for value in (1e39, -1e39, 1000001)]
        cases += [({"interactions": [dict(good, timestamp=value)]}, "/interactions/0/timestamp")
                  for value in (-1, 9e10, 9e12, 9e15, 9e18, 2**63 - 1, "soon", "2200-01-01", "1969-12-31")]
        cases += [({"embedding": [0.5] * n}, "/embedding") for n in (0, 1, width - 1, width + 1, 10000)]
        cases += [({"embedding": e[:-1] + [value]}, f"/embedding/{width - 1}")
                  for value in ("0.5", None, True, [], {}, 1e39, -1e39, 1e308, 1e38, -1e38, 1000001)]
        cases += [({"profile": {"a": "x" * 17000}}, "/profile")]
        cases += [({"id": "u1"}, "/id"), ({"Profile": {}}, "/Profile"), ({"": 1}, "/"), ({"a/b~c": 1}, "/a~1b~0c"),
                  ({"interactions": [dict(good, user="u1")]}, "/interactions/0/user"),
                  ({"profile": {}, "extra": 1}, "/extra"), ({"x" * 5000: 1}, None)]
        self.refuse_values("PUT", PUT, [c for c in cases if c[1] is not None])
        long_key = self.send("PUT", PUT, json.dumps(cases[-1][0]))
        self.assertProblem(long_key, 422, "invalid-value")

    def test_many_registrations_of_wrong_types_are_refused_at_their_pointer(self):
        cases = [([], ""), ({}, "/users"), ({"users": {}}, "/users"), ({"users": None}, "/users"),
                 ({"users": [], "x": 1}, "/x"), ({"users": [[]]}, "/users/0"),
                 ({"users": [{"id": "a"}, {"id": None}]}, "/users/1/id"), ({"users": [{}]}, "/users/0/id"),
                 ({"users": [{"id": "a", "embedding": [1]}]}, "/users/0/embedding")]
        self.refuse_values("POST", POST, cases)
        self.refuse_values("POST", POST, [("[]", "/users/0"), ('{"id": "a"}\n{"id": 1}', "/users/1/id"),
                                          ('{"users": []}', "/users/0/users")], headers=NDJSON)

    def test_events_of_wrong_types_are_refused_at_their_pointer(self):
        good = {"user": "u1", "item": "i1"}
        cases = [([], ""), (None, ""), ({}, "/events"), ({"events": {}}, "/events"), ({"events": [1]}, "/events/0"),
                 ({"events": [], "more": 1}, "/more")]
        for i in (0, 3):
            for key in ("user", "item"):
                cases += [({"events": [good] * i + [dict(good, **{key: value})]}, f"/events/{i}/{key}")
                          for value in (None, 1, [], {}, True, "", "x" * 257)]
            cases += [({"events": [good] * i + [{"item": "i1"}]}, f"/events/{i}/user"),
                      ({"events": [good] * i + [{"user": "u1"}]}, f"/events/{i}/item"),
                      ({"events": [good] * i + [dict(good, weight=0)]}, f"/events/{i}/weight"),
                      ({"events": [good] * i + [dict(good, Weight=1)]}, f"/events/{i}/Weight"),
                      ({"events": [good] * i + [dict(good, timestamp=-5)]}, f"/events/{i}/timestamp")]
        self.refuse_values("POST", EVENTS, cases)
        many = {"events": [{"user": "u", "item": "i"}] * 10001}
        self.assertLess(len(json.dumps(many)), 2 * MOST_BODY)
        compact = json.dumps(many, separators=(",", ":"))
        self.assertProblem(self.send("POST", EVENTS, compact),
                           *((422, "invalid-value") if len(compact) <= MOST_BODY else (413, "too-large")))

    def test_predictions_of_wrong_types_are_refused_at_their_pointer(self):
        width = self.world.description["hypernet"]["d_item"]
        row = [0.5] * width
        cases = [([], ""), ({}, ""), ({"items": [], "inputs": []}, ""), ({"items": {}}, "/items"),
                 ({"inputs": "x"}, "/inputs"), ({"items": None}, "/items"), ({"x": []}, "/x"),
                 ({"items": ["i1", 5]}, "/items/1"), ({"items": [None]}, "/items/0"),
                 ({"inputs": [5]}, "/inputs/0"), ({"inputs": [row, row[1:]]}, "/inputs/1"),
                 ({"inputs": [row + [1]]}, "/inputs/0"), ({"inputs": [[]]}, "/inputs/0"),
                 ({"inputs": [row, row[1:] + ["x"]]}, f"/inputs/1/{width - 1}"),
                 ({"inputs": [[1e39] + row[1:]]}, "/inputs/0/0"), ({"inputs": [[None] + row[1:]]}, "/inputs/0/0"),
                 ({"items": ["i1"] * 10001}, "/items"), ({"inputs": [[]] * 10001}, "/inputs")]
        self.refuse_values("POST", PREDICT, cases)

    def test_unknown_items_are_refused_wherever_they_are_named(self):
        for item in ("no such item", "I1", "i1 ", "i\u00e9", "x" * 256):
            for method, path, body, pointer in (
                    ("PUT", PUT, {"interactions": [{"item": "i1"}, {"item": item}]}, "/interactions/1/item"),
                    ("PUT", "/v1/admin/users/new", {"interactions": [{"item": item}]}, "/interactions/0/item"),
                    ("POST", EVENTS, {"events": [{"user": "u1", "item": "i1"}, {"user": "u1", "item": item}]},
                     "/events/1/item"),
                    ("POST", POST, {"users": [{"id": "a"}, {"id": "b", "interactions": [{"item": item}]}]},
                     "/users/1/interactions/0/item"),
                    ("POST", PREDICT, {"items": ["i1", item]}, "/items/1")):
                with self.subTest(path=path, item=item):
                    problem = self.assertProblem(self.send(method, path, json.dumps(body)), 422, "unknown-item")
                    self.assertEqual(problem["pointer"], pointer)
                    self.assertNothingChanged()
        for user in ("nobody", "U1", "\u4e2d" * 85, "%", "a/b"):
            for answer in (self.server.user(user), self.server.recommend(user), self.server.forget(user),
                           self.server.request("POST", "/v1/events?create=false", {"events": [{"user": user, "item": "i1"}]}),
                           self.server.request("POST", hn.path_of_user(user) + "/predictions", {"items": ["i1"]})):
                self.assertProblem(answer, 404, "unknown-user")

    def test_numbers_beyond_their_type_are_refused(self):
        width = self.world.description["hypernet"]["d_context"]
        for number in ("1e999", "-1e999", "1" + "0" * 400 + ".0"):
            for method, path, body in (
                    ("PUT", PUT, '{"embedding": [%s%s]}' % (number, ", 0" * (width - 1))),
                    ("PUT", PUT, '{"interactions": [{"item": "i1", "weight": %s}]}' % number),
                    ("POST", EVENTS, '{"events": [{"user": "u1", "item": "i1", "rating": %s}]}' % number),
                    ("POST", PREDICT, '{"inputs": [[%s]]}' % number)):
                with self.subTest(number=number[:10], body=body[:60]):
                    self.assertProblem(self.send(method, path, body), 422, "invalid-value")
        for number in ("9223372036854775808", "-9223372036854775809", "1" + "0" * 400):
            body = '{"interactions": [{"item": "i1", "timestamp": %s}]}' % number
            self.assertProblem(self.send("PUT", PUT, body), 422, "invalid-value")

    def test_inputs_too_large_for_the_model_give_no_nan(self):
        """Each number is finite, and what the model makes of them is not: refused, and no NaN is answered."""
        width = self.world.description["hypernet"]["d_item"]
        for rows in ([[3e38] * width], [[3e38, -3e38] * (width // 2)]):
            answer = self.send("POST", PREDICT, json.dumps({"inputs": rows}))
            if answer.status == 200:  # the network may cancel them
                self.assertTrue(all(abs(x) < 3.5e38 for x in answer.json["predictions"]))
            else:
                self.assertIn(answer.status, (422, 500), answer)

    # ---- paths, methods, parameters ----

    def test_unknown_paths_are_404_by_every_method(self):
        for path in ("/v1", "/v2/users/u1", "/v1/users/u1/x", "/v1/users/u1/recommendations/x", "/x",
                     "/v1/admin", "/v1/admin/users/u1/x", "/healthz/x", "/V1/users/u1", "/v1/users//recommendations",
                     "//", "/v1//users/u1", "/a/b/c/d", "/index.html", "/v1/user/u1", "/etc/passwd", "/.env",
                     "/v1/../v1/users/u1", "/*"):
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                with self.subTest(path=path, method=method):
                    answer = self.server.admin(method, path)
                    self.assertProblem(answer, 404, "unknown-path")
        for path in ("/" + "a/" * 5000, "/" + "/".join("ab") * 30):
            self.assertIn(self.server.request("GET", path).status, (400, 404, 414))

    def test_wrong_methods_are_405_and_say_which_are_right(self):
        for path, allow in ALLOWED.items():
            for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW", "get", "Post"):
                if method in allow.split(", "):
                    continue
                with self.subTest(path=path, method=method):
                    answer = self.server.admin(method, path)
                    self.assertProblem(answer, 405, "wrong-method")
                    self.assertEqual(answer.headers["Allow"], allow)

    def test_options_says_the_methods_of_a_path(self):
        for path, allow in ALLOWED.items():
            answer = self.server.request("OPTIONS", path)
            self.assertEqual((answer.status, answer.headers["Allow"], answer.body), (204, allow, b""), path)

    def test_head_is_get_without_its_body(self):
        for path in GETS + ["/v1/users/nobody", "/v1/users/nobody/recommendations", "/nowhere"]:
            got, head = self.server.request("GET", path), self.server.request("HEAD", path)
            self.assertEqual((head.status, head.body), (got.status, b""), path)
            self.assertEqual(head.headers["Content-Type"], got.headers["Content-Type"])
            if path == "/metrics":
                continue  # changes from one to the next
            if got.problem is None:
                self.assertEqual(head.headers["Content-Length"], str(len(got.body)), path)
        for path in (EVENTS, POST, PUT, PREDICT):
            answer = self.server.admin("HEAD", path)
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, ALLOWED[path]))

    def test_unknown_parameters_are_refused_but_of_probes(self):
        """They are refused, but by what probes ask: they add what they like."""
        probes = ("/healthz", "/readyz", "/metrics")
        for path in probes:
            for query in ("x", "x=1", "%FF", "%zz", "&".join("ab"), "&".join(["x=y"] * 40)):
                self.assertEqual(self.server.request("GET", f"{path}?{query}").status, 200, query)
        for method, path in ([("GET", p) for p in GETS if p not in probes] + [("POST", EVENTS), ("POST", POST), ("PUT", PUT),
                                                         ("DELETE", PUT), ("POST", PREDICT)]):
            for name in ("limits", "Limit", "x", "%FF", "a%00b", "%22", "x" * 2000, "%E4%B8%AD" * 300, ""):
                with self.subTest(method=method, path=path, name=name[:20]):
                    answer = self.server.admin(method, f"{path}?{name}=1", {} if method in ("PUT", "POST") else None)
                    self.assertProblem(answer, 400, "bad-request")
        self.assertProblem(self.server.request("GET", "/v1/users/u1?limit=5"), 400, "bad-request")

    def test_parameters_of_wrong_values_are_refused(self):
        path = "/v1/users/u1/recommendations?"
        bad = {"limit": ["0", "1001", "-1", "abc", "", "1e2", "+5", "%205", "5%20", "5.0", "99999999999999999999", "0x5",
                         "%FF", "5%00"],
               "offset": ["-1", "100001", "x", "", "1.0", "18446744073709551616"],
               "exclude_seen": ["yes", "1", "0", "TRUE", "", "true%00", "%FF"],
               "cold_start": ["yes", "1", "False", "", "tru"]}
        for name, values in bad.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    self.assertProblem(self.server.request("GET", f"{path}{name}={value}"), 400, "bad-request")
        self.assertProblem(self.server.request("GET", path + "limit"), 400, "bad-request")
        for count in (17, 33, 65, 200):
            answer = self.server.request("GET", path + "&".join(["category=Comedy"] * count))
            if answer.status != 200:
                self.assertProblem(answer, 400, "bad-request")
        self.assertEqual(answer.status, 400)
        for target in ("%", "limit=%", "%zz=1", "limit=%1", "category=%G0"):
            self.assertProblem(self.server.request("GET", path + target), 400, "bad-request")

    # ---- bodies and their types ----

    def test_other_media_types_than_json_are_refused(self):
        for method, path in (("PUT", PUT), ("POST", EVENTS), ("POST", POST), ("POST", PREDICT)):
            for kind in (None, "", "text/plain", "application/jsonx", "application/xml", "json", "application",
                         "application/x-ndjsonx", "multipart/form-data; boundary=x",
                         "application/x-www-form-urlencoded", "application/octet-stream", "*/*", "x" * 3000):
                with self.subTest(path=path, kind=kind):
                    answer = self.send(method, path, "{}", headers={"Content-Type": kind})
                    self.assertProblem(answer, 415, "unsupported-media-type")
            if path != POST:
                self.assertProblem(self.send(method, path, "{}", headers=NDJSON), 415, "unsupported-media-type")
        for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;x=y"):
            answer = self.send("POST", EVENTS, '{"events": []}', headers={"Content-Type": kind})
            self.assertEqual(answer.status, 200, kind)

    def test_a_length_past_the_limit_is_refused_before_the_body(self):
        for method, path in (("PUT", PUT), ("POST", EVENTS), ("POST", POST), ("POST", PREDICT)):
            for length, more in ((MOST_BODY + 1, "Expect: 100-continue\r\n"), (10**9, ""), (2**63 - 1, "")):
                with self.subTest(path=path, length=length), self.server.socket() as s:
                    s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.server.token}\r\n"
                              f"Content-Type: application/json\r\n{more}Content-Length: {length}\r\n\r\n".encode())
                    status, _, body = read_answer(s)  # nothing of the body was sent
                    self.assertEqual((status, json.loads(body)["type"]), (413, "urn:hypernet:problem:too-large"))
        body = b'{"events": []}'.ljust(MOST_BODY)
        self.assertEqual(self.send("POST", EVENTS, body).status, 200)
        with self.server.client(self.server.token) as client:  # a client that sends it all still hears the reason
            for n in (1, MOST_BODY, 7 * MOST_BODY):
                self.assertProblem(client.request("POST", EVENTS, body + b" " * n), 413, "too-large")

    def test_chunks_past_the_limit_are_refused(self):
        def pieces(n):
            yield b'{"events": []'
            for _ in range(n // 1024):
                yield b" " * 1024
            yield b"}"

        for method, path in (("PUT", PUT), ("POST", EVENTS), ("POST", POST), ("POST", PREDICT)):
            answer = self.server.admin(method, path, pieces(2 * MOST_BODY), chunked=True,
                                       headers={"Transfer-Encoding": "chunked"})
            self.assertProblem(answer, 413, "too-large")
        answer = self.server.admin("POST", EVENTS, pieces(MOST_BODY // 2), chunked=True,
                                   headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(answer.status, 200, answer)

    def test_refused_while_the_body_comes(self):
        """A refusal known from the headers reaches a client that sends its whole body first."""
        body = b" " * (MOST_BODY - 10)
        with self.server.client() as client:
            for _ in range(3):  # and the connection stays in step
                self.assertProblem(client.request("PUT", PUT, body, token="wrong"), 401, "unauthorized")
                self.assertProblem(client.request("POST", "/nowhere", body), 404, "unknown-path")
                self.assertProblem(client.request("POST", "/healthz", body), 405, "wrong-method")

    def test_headers_past_32_kib_are_refused(self):
        """What is too long is never answered; whether the refusal arrives is up to what of the request is still on its way."""
        for n, expected in ((24 * 1024, {200}), (32 * 1024, {431, 0}), (1024 * 1024, {431, 0})):
            with self.subTest(bytes=n), self.server.socket() as s:
                head, status = b"GET /v1/users/u1/recommendations HTTP/1.1\r\nHost: x\r\nX-Long: ", 0
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    s.sendall(head.ljust(n - 4, b"x") + b"\r\n\r\n")
                    status = read_answer(s)[0]
                self.assertIn(status, expected)

    def test_a_sound_request_id_is_repeated_and_another_replaced(self):
        for given in ("abc-123", "x" * 32):
            self.assertEqual(self.server.request("GET", "/healthz", headers={"X-Request-Id": given})
                             .headers["X-Request-Id"], given)
        for bad in ("", "a b", 'a"b', "a\\b", "x" * 5000, "\u00e9", "\x7f"):
            answer = self.server.request("GET", "/healthz", headers={"X-Request-Id": bad})
            self.assertNotEqual(answer.headers["X-Request-Id"], bad)
            self.assertTrue(answer.headers["X-Request-Id"])
        ids = {self.server.request("GET", "/healthz").headers["X-Request-Id"] for _ in range(50)}
        self.assertEqual(len(ids), 50)


def read_answer(s):
    """Status, head and body of one answer from a socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = s.recv(65536)
        if not piece:
            return 0, "", data
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, value = line.split(b":", 1)
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = s.recv(65536)
        if not piece:
            break
        body += piece
    return int(head.split()[1]), head.decode("latin-1"), body


class Tokens(hn.Case):
    api_token = "test-api-token-0123456789"

    def calls(self):
        body = {"events": []}
        return {
            "admin": [("PUT", "/v1/admin/users/new", {}), ("DELETE", "/v1/admin/users/nobody", None),
                      ("POST", POST, {"users": []})],
            "api": [("GET", "/v1/users/u1", None), ("GET", "/v1/users/u1/recommendations", None),
                    ("POST", EVENTS, body), ("POST", PREDICT, {"items": ["i1"]})],
            "all": [("GET", path, None) for path in GETS[:5]],
        }

    def check(self, server, token, want, scheme="Bearer "):
        """want: of each kind of call, None when it is let in, else the status."""
        before = server.rows()
        for kind, calls in self.calls().items():
            for call in calls:
                headers = {} if token is None else {"Authorization": scheme + token}
                answer = server.request(*call, headers=headers)
                with self.subTest(call=call[:2], token=token, scheme=scheme):
                    if want[kind] is None:
                        self.assertNotIn(answer.status, (401, 403), answer)
                    else:
                        self.assertProblem(answer, want[kind],
                                           {401: "unauthorized", 403: "admin-off"}[want[kind]])
                        self.assertEqual("WWW-Authenticate" in answer.headers, want[kind] == 401)
        if want["admin"] is not None:
            self.assertEqual(server.rows(), before)

    def test_admin_calls_take_the_admin_token_alone(self):
        right = {"admin": None, "api": None, "all": None}
        wrong = {"admin": 401, "api": None, "all": None}
        t = self.server.token
        self.check(self.server, None, wrong)
        for bad in ("", "x", t[:-1], t + "x", t + " ", t.upper(), t[1:], "x" * 5000, "\u00e9" * 12):
            self.check(self.server, bad, wrong)
        for scheme in ("Basic ", "", "Bearer", "Bearer  ", "Token "):
            self.check(self.server, t, wrong, scheme)
        self.check(self.server, t, right)
        self.check(self.server, t, right, "bearer ")

    def test_rejections_are_counted(self):
        before = self.server.metric("rejected_auth_total")
        self.assertEqual(self.server.request("DELETE", PUT).status, 401)
        self.assertEqual(self.server.request("DELETE", PUT, token="x").status, 401)
        self.assertEqual(self.server.metric("rejected_auth_total"), before + 2)
        self.assertEqual(self.server.user("u1").status, 200)

    def test_without_an_admin_token_admin_calls_are_forbidden(self):
        with hn.Server(admin=False) as server:
            for token in (None, "", "x", hn.ADMIN_TOKEN):
                self.check(server, token, {"admin": 403, "api": None, "all": None})

    def test_data_calls_take_the_api_token_or_the_admin_token(self):
        path = self.world.secret("api-token", self.api_token + "\r\n")
        with hn.Server("--api-token-file", path) as server:
            self.check(server, None, {"admin": 401, "api": 401, "all": None})
            self.check(server, "wrong", {"admin": 401, "api": 401, "all": None})
            self.check(server, self.api_token, {"admin": 401, "api": None, "all": None})
            self.check(server, hn.ADMIN_TOKEN, {"admin": None, "api": None, "all": None})

    def test_an_api_token_opens_no_admin_call(self):
        path = self.world.secret("api-token", self.api_token)
        with hn.Server("--api-token-file", path, admin=False) as server:
            self.check(server, None, {"admin": 403, "api": 401, "all": None})
            self.check(server, self.api_token, {"admin": 403, "api": None, "all": None})

    def test_a_wrong_token_is_refused_before_the_body_is_read(self):
        answer = self.server.request("PUT", PUT, b"nonsense")
        self.assertProblem(answer, 401, "unauthorized")
        self.assertProblem(self.server.request("PUT", PUT, b"x", headers={"Content-Type": "x/y"}), 401,
                           "unauthorized")


class Garbage(unittest.TestCase):
    """Bytes that are no HTTP, or nearly: the server outlives them and its log stays JSON."""

    rounds = 300

    def piece(self, r):
        valid = (b"PUT /v1/admin/users/u1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + hn.ADMIN_TOKEN.encode() +
                 b"\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\r\n"
                 b'{"interactions":[{"item":"i1"]}}\n'
                 b"GET /v1/users/u1/recommendations?limit=5 HTTP/1.1\r\nHost: x\r\n\r\n")
        kind = r.randrange(6)
        if kind == 0:
            return r.randbytes(r.randrange(1, 2000))
        if kind == 1:  # some bytes of a valid request changed
            data = bytearray(valid)
            for _ in range(r.randrange(1, 12)):
                data[r.randrange(len(data))] = r.randrange(256)
            return bytes(data)
        if kind == 2:  # cut
            return valid[:r.randrange(len(valid))]
        if kind == 3:  # a method and a target of any bytes
            return r.randbytes(8) + b" /" + r.randbytes(r.randrange(100)) + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        if kind == 4:
            return b"GET /" + b"a" * r.randrange(60000) + b" HTTP/1.1\r\n" + b"X: y\r\n" * r.randrange(4000) + b"\r\n"
        return (b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n" +
                r.choice([b"zz\r\n", b"5\r\nabc", b"FFFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n"]))

    def test_garbage_changes_nothing_and_stops_nothing(self):
        r = random.Random(20240229)
        with hn.Server("--access-log", "--log-json", "--request-timeout", 2) as server:
            before = server.rows()
            open_ones = []
            for _ in range(self.rounds):
                s = server.socket()
                with contextlib.suppress(OSError):  # the server may have closed it already
                    s.sendall(self.piece(r))
                    if r.randrange(2):
                        s.shutdown(socket.SHUT_WR)
                        open_ones.append(s)
                        continue
                s.close()
            for s in open_ones:  # each is ended by the server, at the latest for want of progress
                with contextlib.suppress(ConnectionError):
                    while s.recv(65536):
                        pass
                s.close()
            for strange in (b'A"B', b"A\\B", b"A\tB", b"\x01", b"\xff\xfe", b"G'T", b"{}", b"X" * 300):
                with server.socket() as s:
                    with contextlib.suppress(OSError):
                        s.sendall(strange + b" /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        while s.recv(65536):
                            pass
            self.assertEqual(server.request("GET", "/readyz").status, 200)
            self.assertEqual(server.recommend("u2").status, 200)
            self.assertEqual(server.rows(), before)
            hn.eventually(lambda: server.metric("requests_in_flight") == 1, "an end to all requests")
            hn.eventually(lambda: server.metric("connections") == 1, "an end to all connections")
            for line in server.log().splitlines():
                self.assertIsInstance(json.loads(line), dict, line)


class Start(unittest.TestCase):
    """`serve` refuses what it cannot serve, with a reason and exit status 1."""

    def refused(self, *args, words=()):
        done = subprocess.run([hn.BINARY, "serve", "--listen", "127.0.0.1:0", *map(str, args)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=hn.PATIENCE)
        said = done.stderr.decode(errors="replace")
        self.assertEqual((done.returncode, done.stdout), (1, b""), said)
        for word in hn.REPORTS:
            self.assertNotIn(word, said)
        self.assertTrue(said.strip())
        for word in words:
            self.assertIn(word, said)
        return said

    def bad_model(self, name, data):
        path = hn.world().file(name, data)
        return self.refused("--store", hn.world().copy_store(), "--model", path, words=[name])

    def parts(self):
        with open(hn.world().model, "rb") as f:
            data = f.read()
        n = struct.unpack("<Q", data[:8])[0]
        return json.loads(data[8:8 + n]), data[8 + n:]

    @staticmethod
    def joined(header, data):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        text += b" " * (-len(text) % 64)
        return struct.pack("<Q", len(text)) + text + data

    def test_truncated_models_are_refused(self):
        with open(hn.world().model, "rb") as f:
            data = f.read()
        r = random.Random(7)
        for n in [0, 1, 7, 8, 9, 100, len(data) - 1] + [r.randrange(len(data)) for _ in range(8)]:
            with self.subTest(n=n):
                self.bad_model("truncated.hn", data[:n])
        self.bad_model("longer.hn", data + b"\0")

    def test_corrupt_models_are_refused_or_answer(self):
        header, data = self.parts()
        r = random.Random(8)
        for name, bad in {
                "zeros": b"\0" * 4096, "random": r.randbytes(65536), "text": b"not a model\n" * 100,
                "huge-header": struct.pack("<Q", 2**63) + b"{}", "all-ones": b"\xff" * 64,
                "header-past-the-end": struct.pack("<Q", 1000) + b"{}",
                "empty-header": self.joined(b"", data), "no-object": self.joined(b"[]", data),
                "no-tensors": self.joined(b"{}", data), "cut-json": self.joined(b'{"a": ', data),
                "deep": self.joined(b'{"a":' * 10000, data), "bytes": self.joined(r.randbytes(500), data)}.items():
            with self.subTest(name=name):
                self.bad_model(name + ".hn", bad)

    def test_models_with_hostile_tensors_are_refused(self):
        header, data = self.parts()
        name = "catalogue.embedding"
        begin, end = header[name]["data_offsets"]
        for what, change in {
                "missing": None, "dtype": {"dtype": "X32"}, "no-dtype": {"dtype": 5}, "f16": {"dtype": "F16"},
                "shape": {"shape": [1, 1]}, "negative": {"shape": [-200, -16]}, "overflow": {"shape": [2**33, 2**33]},
                "dims": {"shape": [1] * 1000}, "text-shape": {"shape": ["200", "16"]},
                "past-the-end": {"data_offsets": [begin, 2**62]},
                "reversed": {"data_offsets": [end, begin]}, "negative-offset": {"data_offsets": [-8, end]},
                "shifted": {"data_offsets": [begin + 4, end + 4]}, "float-offset": {"data_offsets": [0.5, 1.5]},
                "one-offset": {"data_offsets": [begin]}, "transposed": {"shape": [16, 200]}}.items():
            with self.subTest(what=what):
                bad = json.loads(json.dumps(header))
                if change is None:
                    del bad[name]
                else:
                    bad[name].update(change)
                self.bad_model(f"tensor-{what}.hn", self.joined(bad, data))
        text = json.dumps(header)
        self.bad_model("twice.hn", self.joined(
            (text[:-1] + f', "{name}": ' + json.dumps(header[name]) + "}").encode(), data))

    def test_models_with_a_hostile_description_are_refused(self):
        header, data = self.parts()
        spec = json.loads(header["__metadata__"]["hypernet"])
        body = spec.get("hypernet", spec)
        for key, values in {"format": [0, 2, "1", None], "n_items": [0, -1, 2**40, "200", 199], "d_item": [0, -1, 2**31, 17],
                            "d_context": [0, 1, 2**40], "d_output": [0, 2**31, -1], "objective": ["none", 5, None],
                            "target": [{}, [], None], "trunk": [[], 5],
                            "name": ["", 5, "x" * 200]}.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    if key not in body:
                        self.fail(f"the description has no {key}: {sorted(body)}")
                    bad = json.loads(json.dumps(header))
                    bad["__metadata__"]["hypernet"] = json.dumps(dict(body, **{key: value}))
                    self.bad_model("description.hn", self.joined(bad, data))
        for text in ("", "{", "[]", "5", '{"format": 1}', "[" * 5000):
            bad = json.loads(json.dumps(header))
            bad["__metadata__"]["hypernet"] = text
            self.bad_model("description.hn", self.joined(bad, data))
        del header["__metadata__"]
        self.bad_model("description.hn", self.joined(header, data))

    def test_models_with_weights_that_are_not_finite_are_refused(self):
        header, data = self.parts()
        for name in ("catalogue.embedding", "catalogue.bias", "encoder.fold_in.gram"):
            for bits in (b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0\0\x80\xff"):
                at = header[name]["data_offsets"][0] + 8
                self.bad_model("nan.hn", self.joined(header, data[:at] + bits + data[at + 4:]))

    def test_what_is_no_model_file_is_refused(self):
        w = hn.world()
        fifo = w.path("fifo.hn")
        if not os.path.exists(fifo):
            os.mkfifo(fifo)
        for path in (w.path("missing.hn"), w.folder, "/dev/null", fifo, w.store):
            with self.subTest(path=path):
                self.refused("--store", w.copy_store(), "--model", path, words=[path])

    def test_two_models_of_one_name_are_refused(self):
        w = hn.world()
        self.refused("--store", w.copy_store(), "--model", w.model, "--model", w.model, words=["default"])

    def test_what_is_no_store_is_refused_and_left_as_it_is(self):
        w = hn.world()
        with open(w.copy_store(), "rb") as f:
            good = f.read()
        r = random.Random(9)
        for name, data in {
                "random.db": r.randbytes(100000), "text.db": b"this is no database\n" * 1000,
                "cut-1.db": good[:len(good) // 2], "cut-2.db": good[:4096], "cut-3.db": good[:100],
                "magic-only.db": good[:16] + r.randbytes(100000),
                "overwritten.db": good[:100] + b"\xff" * 4096 + good[4196:]}.items():
            with self.subTest(name=name):
                path = w.file(name, data)
                self.refused("--store", path, "--model", w.model, words=[name])
                with open(path, "rb") as f:
                    self.assertEqual(f.read(), data)  # left as it was
        for path in (w.folder, w.path("no", "such", "folder", "store.db"), "/dev/full"):
            with self.subTest(path=path):
                self.refused("--store", path, "--model", w.model)
        self.refused("--store", "postgres://nowhere/x", "--model", w.model)

    def test_stores_of_another_schema_are_refused(self):
        w = hn.world()

        def store(name, *statements, empty=True):
            path = w.path(name) if empty else w.copy_store()
            with contextlib.closing(sqlite3.connect(path)) as db:
                for statement in statements:
                    db.execute(statement)
                db.commit()
            return path

        for what, path in {
                "another program's": store("a.db", "CREATE TABLE users (name TEXT)", "INSERT INTO users VALUES ('x')"),
                "another program's, other names": store("b.db", "CREATE TABLE accounts (name TEXT)"),
                "newer": store("c.db", "PRAGMA user_version = 1000", empty=False),
                "without users": store("d.db", "DROP TABLE users", empty=False),
                "without changes": store("e.db", "DROP TABLE changes", empty=False)}.items():
            with self.subTest(what=what):
                self.refused("--store", path, "--model", w.model)

    def test_token_files_that_hold_no_token_are_refused(self):
        w = hn.world()
        for option in ("--admin-token-file", "--api-token-file"):
            for name, data in {"short": "0123456789abcde\n", "empty": "", "newline": "\n0123456789abcdef01\n",
                               "long": "x" * 256, "zero": "0123456\0" + "89abcdef01"}.items():
                with self.subTest(option=option, name=name):
                    path = w.file("token-" + name, data)
                    self.refused("--store", w.copy_store(), "--model", w.model, option, path, words=[path])
            self.refused("--store", w.copy_store(), "--model", w.model, option, w.path("no-token"),
                         words=["no-token"])
            self.refused("--store", w.copy_store(), "--model", w.model, option, w.folder)

    def test_a_busy_port_is_refused_and_named(self):
        w = hn.world()
        with hn.Server() as server:
            self.refused("--store", w.copy_store(), "--model", w.model, "--listen", f"127.0.0.1:{server.port}",
                         words=[str(server.port)])
            self.assertEqual(server.request("GET", "/readyz").status, 200)

    def test_addresses_that_are_none_are_refused(self):
        w = hn.world()
        for address in ("127.0.0.1", ":8080", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "192.0.2.1:0"):
            with self.subTest(address=address):
                self.refused("--store", w.copy_store(), "--model", w.model, "--listen", address)


if __name__ == "__main__":
    unittest.main()
